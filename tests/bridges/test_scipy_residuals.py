"""Residuals: models, columns and weights for least_squares, curve_fit and root, with the right Jacobian."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import sympy
from scipy.optimize import curve_fit, least_squares, root
from scipy.sparse import issparse

import tapeless as tl
import tapeless.bridges.scipy.models

RISE = "rise(x, a, b) = a*(1 - exp(-b*x))"
CAMERA = """
camera(X, Y, Z, f, k):
    s = f*(1 + k*(X**2 + Y**2)/Z**2)
    u = s*X/Z
    v = s*Y/Z
    return u, v
"""


@pytest.fixture(scope="module")
def rise():
    return tl.compile(RISE)


@pytest.fixture(scope="module")
def observed(rise):
    x = np.linspace(0.1, 5, 40)
    return {"x": x, "y": rise(x, 2.0, 1.3) + 0.01 * np.random.default_rng(0).normal(size=40)}


def numerical(function, p, step=1e-6):
    p = np.asarray(p, float)
    return np.array(
        [(function(p + step * e) - function(p - step * e)) / (2 * step) for e in np.eye(len(p))]
    ).T


def dense(matrix):
    return matrix.toarray() if issparse(matrix) else matrix


def test_a_fit(rise, observed):
    r = rise.residuals(observed)
    assert repr(r) == "<residuals of rise(a, b), 40 of them>"
    p = np.array([1.5, 0.8])
    assert np.allclose(r.fun(p), rise(observed["x"], *p) - observed["y"], atol=1e-15)
    assert np.allclose(r.jac(p), numerical(r.fun, p), atol=1e-8)
    found = least_squares(**r.arguments({"a": 1, "b": 1}, method="lm"))
    assert r.unpack(found.x) == pytest.approx({"a": 2.0, "b": 1.3}, rel=0.02)


def test_curve_fit_gives_what_it_gives_by_itself(rise, observed):
    sigma = np.linspace(0.5, 2, 40)
    r = rise.residuals(observed, sigma=sigma)
    popt, pcov = curve_fit(**r.curve_fit_arguments([1, 1], absolute_sigma=True))
    own, own_cov = curve_fit(
        lambda x, a, b: a * (1 - np.exp(-b * x)),
        observed["x"],
        observed["y"],
        [1, 1],
        sigma,
        absolute_sigma=True,
    )
    assert popt == pytest.approx(own, rel=1e-6)
    assert pcov == pytest.approx(own_cov, rel=1e-4)
    found = least_squares(**r.arguments([1, 1]))
    assert found.x == pytest.approx(popt, rel=1e-6)
    assert curve_fit(r.model, r.xdata, r.ydata, [1, 1], jac=r.model_jac, bounds=(0, 10))[0] == pytest.approx(
        curve_fit(r.model, r.xdata, r.ydata, [1, 1])[0], rel=1e-6
    )


def test_several_predictors_and_a_constant():
    f = tl.compile("f(a, x, b, z, c, w[2]) = a*x + b*z**2 + c*w[0]*w[1]")
    rng = np.random.default_rng(1)
    x, z, w = rng.normal(size=50), rng.normal(size=50), rng.normal(size=(50, 2))
    data = {"x": x, "z": z, "w": w, "c": 3.0, "y": f(2.0, x, -1.0, z, 3.0, w)}
    r = f.residuals(data)
    assert r.unknowns.names == ("a", "b")
    assert least_squares(**r.arguments([0, 0])).x == pytest.approx([2, -1])
    assert r.xdata.shape == (4, 50)
    assert curve_fit(**r.curve_fit_arguments([0.5, 0.5]))[0] == pytest.approx([2, -1])
    half = r.xdata[:, :25]
    assert np.array_equal(r.model(half, 2.0, -1.0), data["y"][:25])
    assert r.model_jac(half, 2.0, -1.0).shape == (25, 2)
    with pytest.raises(tl.ShapeError, match=r"xdata has shape \(3, 5\); it must be \(4, M\), for x, z, w"):
        r.model(np.ones((3, 5)), 1.0, 1.0)


def test_parameters_in_the_order_asked_and_with_shapes():
    f = tl.compile("f(c[3], x, d) = c[0] + c[1]*x + c[2]*x**2 + d*sin(x)")
    x = np.linspace(-2, 2, 30)
    r = f.residuals({"x": x, "y": f([1.0, 2, 3], x, 4.0)}, parameters=("d", "c"))
    found = least_squares(**r.arguments(np.zeros(4)))
    assert found.x == pytest.approx([4, 1, 2, 3])
    assert r.unpack(found.x)["c"] == pytest.approx([1, 2, 3])
    assert r.arguments({"c": 0.0, "d": 1})["x0"].tolist() == [1, 0, 0, 0]


def test_several_outputs():
    camera = tl.compile(CAMERA)
    rng = np.random.default_rng(2)
    X, Y, Z = rng.uniform(-1, 1, 20), rng.uniform(-1, 1, 20), rng.uniform(2, 5, 20)
    u, v = camera(X, Y, Z, 500.0, 0.1)
    data = {"X": X, "Y": Y, "Z": Z, "u": u, "v": v}
    r = camera.residuals(data)  # columns called as the outputs
    assert r.count == 40
    p = np.array([450.0, 0.05])
    assert np.array_equal(r.fun(p).reshape(20, 2), np.stack(camera(X, Y, Z, *p), 1) - np.stack((u, v), 1))
    assert np.allclose(r.jac(p), numerical(r.fun, p), rtol=1e-5, atol=1e-6)
    assert least_squares(**r.arguments(p, x_scale="jac")).x == pytest.approx([500, 0.1])
    renamed = {"X": X, "Y": Y, "Z": Z, "col": u, "row": v, "frame": np.arange(20)}
    s = camera.residuals(renamed, response=("col", "row"), sigma=(1.0, 2.0))
    assert np.array_equal(s.fun(p).reshape(20, 2), r.fun(p).reshape(20, 2) * [1.0, 0.5])
    assert np.array_equal(s.jac(p), r.jac(p) * np.tile([1.0, 0.5], 20)[:, None])


def test_weights_and_deviations(rise, observed):
    plain, p = rise.residuals(observed), np.array([1.5, 0.8])
    weights = np.arange(40.0)
    by_weight = rise.residuals(observed, weights=weights)
    assert np.allclose(by_weight.fun(p), plain.fun(p) * np.sqrt(weights))
    assert np.allclose(by_weight.jac(p), plain.jac(p) * np.sqrt(weights)[:, None])
    named = rise.residuals({**observed, "s": weights + 1}, response="y", sigma="s")
    assert np.allclose(named.fun(p), plain.fun(p) / (weights + 1))
    assert np.allclose(named.sigma, weights + 1)
    assert plain.sigma is None


def test_bounds_by_name(rise, observed):
    r = rise.residuals(observed)
    found = least_squares(**r.arguments([1, 1], bounds={"a": (None, 1.5)}))
    assert found.x[0] == pytest.approx(1.5)
    popt, _ = curve_fit(**r.curve_fit_arguments([1, 1], bounds={"a": (None, 1.5)}))
    assert popt == pytest.approx(found.x, rel=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_each_group_has_a_parameter_of_its_own(rise, sparse):
    who = np.tile([0, 2, 1], 20)
    x = np.repeat(np.linspace(0.1, 4, 20), 3)
    truth = np.array([1.0, 2.0, 3.0])
    data = {"x": x, "who": who, "y": rise(x, truth[who], 0.7)}
    r = rise.residuals(data, response="y", groups={"a": "who"}, sparse=sparse)
    assert r.unknowns.described() == "a (3,), b"
    p = np.array([0.5, 1.5, 2.5, 0.4])
    assert np.array_equal(r.fun(p), rise(x, p[who], 0.4) - data["y"])
    assert issparse(r.jac(p)) is sparse
    assert np.allclose(dense(r.jac(p)), numerical(r.fun, p), atol=1e-8)
    if sparse:
        assert r.jac(p).nnz == 120
        assert r.jac(p).has_canonical_format
    found = least_squares(**r.arguments({"a": np.ones(3), "b": 1}, xtol=1e-12))
    assert r.unpack(found.x)["a"] == pytest.approx(truth)
    if not sparse:
        assert curve_fit(**r.curve_fit_arguments(np.ones(4)))[0] == pytest.approx([*truth, 0.7])


def test_groups_of_inputs_with_a_shape():
    """As in bundle adjustment: each observation belongs to a camera and to a point."""
    f = tl.compile("f(c[2], p[3], s):\n    u = s*c[0]*p[0] + c[1]\n    v = c[0]*p[1]*p[2]\n    return u, v")
    rng = np.random.default_rng(3)
    camera, point = np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)
    c, p = rng.normal(size=(3, 2)), rng.normal(size=(4, 3))
    u, v = f(c[camera], p[point], 2.0)
    arguments = {"response": (u, v), "groups": {"c": camera, "p": point}}
    r = f.residuals(None, **arguments)
    assert r.unknowns.described() == "c (3, 2), p (4, 3), s"
    vector = r.pack({"c": c, "p": p, "s": 2.0})
    assert np.abs(r.fun(vector)).max() == 0.0
    assert np.allclose(r.jac(vector), numerical(r.fun, vector), atol=1e-7)
    s = f.residuals(None, sparse=True, parameters=("p", "s", "c"), **arguments)
    order = s.pack({"p": np.arange(12.0).reshape(4, 3), "s": 12.0, "c": np.arange(13.0, 19).reshape(3, 2)})
    assert order.tolist() == list(range(19))
    vector = s.pack({"c": c, "p": p, "s": 2.0})
    assert np.allclose(s.jac(vector).toarray(), numerical(s.fun, vector), atol=1e-7)
    assert s.jac(vector).has_canonical_format


def test_a_function_that_is_the_residual_itself():
    f = tl.compile("f(x, y):\n    return x**2 + y**2 - 1, y - exp(x)")
    r = f.residuals()
    assert root(r.fun, [0.5, 0.5], jac=r.jac).x == pytest.approx([0, 1], abs=1e-10)
    assert least_squares(**r.arguments([-1, 0.2])).x == pytest.approx([-0.91656, 0.39989], abs=1e-5)


def test_a_sparse_jacobian_of_many_outputs():
    def ties(x, k):
        return np.concatenate([k * (x[1:] - x[:-1] ** 2), 1 - x])

    f = tl.compile(ties, inputs={"x": (50,), "k": ()})
    r = f.residuals({"k": 10.0}, sparse=True, weights=np.arange(99.0))
    assert r.jac(np.ones(50)).nnz == 148
    p = np.linspace(0.5, 1.5, 50)
    assert np.allclose(r.jac(p).toarray(), numerical(r.fun, p), atol=1e-4)
    assert least_squares(**r.arguments(np.full(50, 0.8))).x == pytest.approx(np.ones(50), abs=1e-4)
    with pytest.raises(tl.UnsupportedError, match="sparse"):
        r.curve_fit_arguments(np.ones(50))


def test_columns_from_a_frame_and_a_structured_array(rise, observed):
    """A data frame is known by its `keys` and its items."""
    columns = {name: list(values) for name, values in observed.items()} | {0: "not a name"}

    class Frame:
        def keys(self):
            return columns.keys()

        def __getitem__(self, name):
            return columns[name]

    records = np.zeros(40, dtype=[("x", float), ("y", float)])
    records["x"], records["y"] = observed["x"], observed["y"]
    want = rise.residuals(observed).fun([1.0, 1.0])
    for data in (Frame(), records):
        assert np.array_equal(rise.residuals(data).fun([1.0, 1.0]), want)


def test_images_are_taken_point_by_point(rise):
    x = np.linspace(0.1, 2, 12).reshape(3, 4)
    r = rise.residuals({"x": x, "y": rise(x, 2.0, 1.0)})
    assert r.count == 12
    assert np.abs(r.fun([2.0, 1.0])).max() == 0


def test_many_points_take_another_way_to_the_same(rise, observed, monkeypatch):
    """Short columns call the function as it is, long ones a function of one vector."""
    few = rise.residuals(observed, parameters=("b", "a"), sigma=0.1)
    monkeypatch.setattr(tapeless.bridges.scipy.models, "_FEW", 0)
    many = rise.residuals(observed, parameters=("b", "a"), sigma=0.1)
    assert type(many._model) is not type(few._model)
    p = [0.8, 1.5]
    assert np.allclose(many.fun(p), few.fun(p), rtol=1e-13)
    assert np.allclose(many.jac(p), few.jac(p), rtol=1e-13)
    assert np.allclose(many.model_jac(many.xdata, *p), few.model_jac(few.xdata, *p), rtol=1e-13)


def test_one_observation(rise):
    for sparse in (False, True):
        r = rise.residuals({"x": 2.0}, response=3.0, sparse=sparse)
        assert r.fun([1.0, 1.0]) == pytest.approx([1 - np.exp(-2) - 3])
        assert dense(r.jac([1.0, 1.0])) == pytest.approx(np.array([[1 - np.exp(-2), 2 * np.exp(-2)]]))


def test_single_precision_gives_doubles(observed):
    r = tl.compile(RISE, dtype="float32").residuals(observed)
    assert r.fun([1.0, 1.0]).dtype == np.float64
    assert r.jac([1.0, 1.0]).dtype == np.float64


def test_copies_and_pickles(rise, observed):
    r, p = rise.residuals(observed, sigma=0.1), [1.5, 0.8]
    for other in (copy.copy(r), copy.deepcopy(r), pickle.loads(pickle.dumps(r))):
        assert np.array_equal(other.fun(p), r.fun(p))
        assert np.array_equal(other.jac(p), r.jac(p))


def test_any_name():
    evil, a = sympy.Symbol("x; import os", real=True), sympy.Symbol("<b>", real=True)
    f = tl.compile(a * evil, inputs=[evil, a])
    r = f.residuals({"x; import os": [1.0, 2.0], "<script>": [2.0, 4.0]})
    assert least_squares(**r.arguments([1.0])).x == pytest.approx([2.0])
    assert "<b>" in repr(r)


@pytest.mark.parametrize(
    ("data", "named", "kind", "says"),
    [
        (3, {}, tl.ArgumentError, "mapping of names"),
        ({"x": [1.0, 2.0], "a": 1.0, "b": 2.0}, {}, tl.ArgumentError, "no parameter is left"),
        ({"x": [1.0, 2.0], "y": [1.0, 2.0], "z": [1.0, 2.0]}, {}, tl.ArgumentError, "'y', 'z' in the data"),
        ({"x": [1.0, 2.0]}, {"response": "y"}, tl.ArgumentError, "no column 'y'"),
        ({"x": [1.0, 2.0]}, {"response": "x"}, tl.ArgumentError, "is an input"),
        ({"x": [1.0, 2.0]}, {"response": ("y", "z")}, tl.ArgumentError, "1 outputs, out, and 2 responses"),
        ({"x": [1.0, 2.0], "y": [1.0]}, {}, tl.ShapeError, r"out has shape \(1,\), the model gives \(2,\)"),
        ({"x": [], "y": []}, {}, tl.ShapeError, "no observation"),
        ({"x": [1.0, 2.0], "a": [1.0, 2.0, 3.0]}, {}, tl.ShapeError, "do not broadcast"),
        ({"x": ["a", "b"]}, {}, tl.ArgumentError, "text"),
        ({"x": [1.0, 2.0]}, {"sigma": 1.0, "weights": 1.0}, tl.ArgumentError, "not both"),
        ({"x": [1.0, 2.0]}, {"sigma": [1.0, 0.0]}, tl.ArgumentError, "positive"),
        ({"x": [1.0, 2.0]}, {"sigma": [1.0, np.nan]}, tl.ArgumentError, "positive"),
        ({"x": [1.0, 2.0]}, {"weights": [1.0, -1.0]}, tl.ArgumentError, "not negative"),
        ({"x": [1.0, 2.0]}, {"sigma": np.eye(2)}, tl.ShapeError, "do not fit the output"),
        ({"x": [1.0, 2.0]}, {"parameters": ["a"]}, tl.ArgumentError, "inputs without data are a, b"),
        ({"x": [1.0, 2.0]}, {"parameters": ["a", "x"]}, tl.ArgumentError, "names a, x"),
        ({"x": [1.0, 2.0]}, {"groups": {"x": [0, 1]}}, tl.ArgumentError, "'x'; the parameters are a, b"),
        ({"x": [1.0, 2.0]}, {"groups": [0, 1]}, tl.ArgumentError, "mapping of parameters"),
        ({"x": [1.0, 2.0]}, {"groups": {"a": ["u", "v"]}}, tl.ArgumentError, "return_inverse"),
        ({"x": [1.0, 2.0]}, {"groups": {"a": [0, -1]}}, tl.ArgumentError, "from 0"),
        ({"x": [1.0, 2.0]}, {"groups": {"a": [0, 1, 2]}}, tl.ShapeError, "groups do not fit"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(rise, data, named, kind, says):
    with pytest.raises(kind, match=says):
        rise.residuals(data, **named)


def test_a_parameter_that_was_not_to_be_differentiated(observed):
    f = tl.compile(RISE, wrt=["a"])
    assert f.residuals({**observed, "b": 1.3}).jac([1.0]).shape == (40, 1)
    with pytest.raises(tl.ArgumentError, match="differentiated by a, not by b"):
        f.residuals(observed)
