"""Objectives: one vector in, value, gradient and Hessian out, from one pass over the data."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sympy
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse import issparse

import tapeless as tl
import tapeless.bridges.scipy.objective as bridge

ROSEN = "rosen(x, y, a) = (a - x)**2 + 100*(y - x**2)**2"
LOGISTIC = "logistic(w[3], c, x[3], t) = log(1 + exp(dot(w, x) + c)) - t*(dot(w, x) + c)"


@pytest.fixture(scope="module")
def rosen():
    return tl.compile(ROSEN)


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    t = (x @ [1.0, -2.0, 0.5] + rng.logistic(size=300) > 0) * 1.0
    return {"x": x, "t": t}


class Counting:
    """Stands before a function and counts the calls of its methods."""

    def __init__(self, function):
        self.function, self.calls = function, []

    def __getattr__(self, name):
        self.calls.append(name)
        return getattr(self.function, name)


def numerical(function, x, step=1e-6):
    columns = [(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(len(x))]
    return np.array(columns).T


def test_value_and_derivatives_are_those_of_the_function(rosen):
    o, x = rosen.objective(a=1.0), np.array([-1.2, 1.0])
    assert o.fun(x) == rosen(-1.2, 1.0, 1.0)
    assert np.allclose(o.jac(x), rosen.grad(-1.2, 1.0, 1.0, wrt=("x", "y")), rtol=1e-14)
    assert np.allclose(o.hess(x), rosen.hessian(-1.2, 1.0, 1.0, wrt=("x", "y")), rtol=1e-14)
    assert np.allclose(o.hessp(x, [1.0, 2.0]), o.hess(x) @ [1.0, 2.0])
    assert type(o.fun(x)) is float
    value, gradient = o.value_and_grad(x)
    assert (value, *gradient) == (o.fun(x), *o.jac(x))


def test_the_order_of_the_vector_is_the_order_asked(rosen):
    o = rosen.objective("y", "x", a=1.0)
    assert o.fun([1.0, -1.2]) == rosen(-1.2, 1.0, 1.0)
    assert o.unpack([1.0, -1.2]) == {"y": 1.0, "x": -1.2}
    assert o.pack({"x": 3, "y": 4}).tolist() == [4.0, 3.0]
    assert repr(o) == "<objective rosen(y, x)>"


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_loss_over_data(points, reduction):
    f = tl.compile(LOGISTIC)
    o = f.objective("w", "c", reduction=reduction, **points)
    p = np.array([0.3, -0.7, 1.1, 0.2])
    scale = 300 if reduction == "mean" else 1
    assert o.fun(p) == pytest.approx(f(p[:3], p[3], **points).sum() / scale, rel=1e-13)
    assert np.allclose(o.jac(p), numerical(o.fun, p), rtol=1e-6)
    assert np.allclose(o.hess(p), numerical(o.jac, p), rtol=1e-6)
    assert np.allclose(o.hessp(p, [1.0, 2, 3, 4]), o.hess(p) @ [1.0, 2, 3, 4], rtol=1e-12)
    assert repr(o) == "<objective logistic(w (3,), c), over 300 points>"


def test_data_in_blocks_and_in_any_shape(points, monkeypatch):
    whole = tl.compile(LOGISTIC).objective("w", "c", **points)
    p = np.array([0.3, -0.7, 1.1, 0.2])
    want = whole.hess(p), whole.hessp(p, p)
    grid = {"x": points["x"].reshape(20, 15, 3), "t": points["t"].reshape(20, 15)}
    monkeypatch.setattr(bridge, "_BLOCK", 100)
    for data in (points, grid):
        o = tl.compile(LOGISTIC).objective("w", "c", **data)
        assert o.fun(p) == pytest.approx(whole.fun(p))
        assert np.allclose(o.hess(p), want[0], rtol=1e-12)
        assert np.allclose(o.hessp(p, p), want[1], rtol=1e-12)
    # Columns that broadcast are cut where they are long, and left where they are not.
    outer = tl.compile("f(a, x, y) = (a*x - y)**2").objective(x=np.arange(30.0)[:, None], y=np.arange(7.0))
    want = 2 * (np.arange(30.0) ** 2).sum() * 7
    assert outer.hess([0.5]) == pytest.approx(want)


def test_one_pass_for_value_and_gradient(rosen):
    o = rosen.objective(a=1.0)
    o._packed = Counting(o._packed)
    for x in ([1.0, 2.0], [1.0, 2.0], [1.5, 2.0]):
        o.fun(x), o.jac(x), o.value_and_grad(x)
    assert o._packed.calls == ["forward_backward", "forward_backward"]
    for x in ([1.0, 2.0], [1.0, 2.0], [1.5, 2.0]):
        o.hess(x)
    assert o._packed.calls[2:] == ["hessian", "hessian"]


def test_results_are_the_callers_to_change(rosen):
    o, x = rosen.objective(a=1.0), np.array([0.5, 0.5])
    gradient, hessian = o.jac(x), o.hess(x)
    kept = gradient.copy(), hessian.copy()
    gradient[:] = hessian[:] = np.nan
    assert np.array_equal(o.jac(x), kept[0])
    assert np.array_equal(o.hess(x), kept[1])
    x[0] = 0.7  # the vector too: a solver may write the next point into the same array
    assert o.fun(x) == rosen(0.7, 0.5, 1.0)


@pytest.mark.parametrize(
    "method",
    [
        None, "BFGS", "CG", "L-BFGS-B", "TNC", "SLSQP", "Newton-CG", "trust-ncg", "trust-krylov", "trust-exact",
        "dogleg", "trust-constr", "Nelder-Mead", "Powell", "COBYLA",
    ],
)  # fmt: skip
def test_every_method_gets_what_it_takes_and_no_more(method):
    """SciPy warns of derivatives that a method does not use; warnings are errors here."""
    bowl = tl.compile("bowl(x, y, a) = (x - a)**2 + (y - 2*a)**4 + (y - 2*a)**2 + exp(x*y/8)")
    found = minimize(**bowl.objective(a=0.5).arguments({"x": 0.9, "y": 0.8}, method=method))
    assert isinstance(found, OptimizeResult)
    assert found.fun == pytest.approx(1.0592824, abs=1e-5)


def test_many_unknowns_get_products_with_vectors():
    f = tl.compile(lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2) + np.sum((1 - x) ** 2), inputs={"x": (120,)})
    few = f.objective().arguments(np.zeros(120), method="trust-krylov")
    assert "hessp" in few
    assert "hess" not in few
    assert minimize(**few).x == pytest.approx(np.ones(120), abs=1e-4)
    assert "hess" in f.objective().arguments(np.zeros(120), method="trust-exact")
    sparse = f.objective(sparse=True)
    assert issparse(sparse.hess(np.zeros(120)))
    assert np.allclose(sparse.hess(np.ones(120)).toarray(), f.hessian(np.ones(120)))
    assert "hess" in sparse.arguments(np.zeros(120), method="trust-constr")


def test_bounds_by_name(rosen):
    o = rosen.objective(a=1.0)
    arguments = o.arguments([-1.2, 1], method="L-BFGS-B", bounds={"x": (None, 0.5)}, tol=1e-12)
    assert arguments["bounds"] == [(-np.inf, 0.5), (-np.inf, np.inf)]
    assert minimize(**arguments).x == pytest.approx([0.5, 0.25], abs=1e-5)
    assert o.arguments([0, 0], bounds=(0, 1))["bounds"] == [(0, 1), (0, 1)]


def test_as_scipy_takes_value_and_gradient_together(rosen):
    o = rosen.objective(a=1.0)
    found = minimize(o.value_and_grad, [-1.2, 1.0], jac=True)
    assert found.x == pytest.approx([1, 1], abs=1e-4)


def test_single_precision_gives_doubles():
    o = tl.compile("(x - 1)**2", dtype="float32").objective()
    assert type(o.fun([3.0])) is float
    assert o.jac([3.0]).dtype == np.float64
    assert minimize(**o.arguments([3.0])).x == pytest.approx([1.0], abs=1e-3)


def test_copies_pickles_and_threads(rosen, points):
    o = tl.compile(LOGISTIC).objective("w", "c", **points)
    p = np.array([0.3, -0.7, 1.1, 0.2])
    for other in (copy.copy(o), copy.deepcopy(o), pickle.loads(pickle.dumps(o))):
        assert other.fun(p) == o.fun(p)
        assert np.array_equal(other.hess(p), o.hess(p))
    places = [p * k for k in range(1, 40)]
    want = [(o.fun(q), *o.jac(q)) for q in places]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(o.value_and_grad, places * 5))
    assert [(value, *gradient) for value, gradient in found] == want * 5


def test_any_name():
    evil = sympy.Symbol("x; import os", real=True)
    a = sympy.Symbol("x", real=True)
    o = tl.compile((evil - a) ** 2, inputs=[evil, a]).objective(str(evil), x=3.0)
    assert o.unpack([3.0]) == {"x; import os": 3.0}
    assert o.fun([5.0]) == 4.0
    odd = tl.compile("f(p, reduction, sparse) = (p - reduction)**2*sparse")
    assert odd.objective("p", bound={"reduction": 1.0, "sparse": 2.0}).fun([3.0]) == 8.0


@pytest.mark.parametrize(
    ("text", "inputs", "named", "kind", "says"),
    [
        (ROSEN, ("x",), {}, tl.ArgumentError, "no value for y, a"),
        (ROSEN, ("x", "z"), {}, tl.ArgumentError, "'z' is none of them: x, y, a"),
        (ROSEN, (["x"],), {}, tl.ArgumentError, "takes names of inputs"),
        (ROSEN, (), {"a": 1, "reduction": "max"}, tl.ArgumentError, "'sum' or 'mean'"),
        (ROSEN, (), {"a": [1.0, 2.0], "sparse": True}, tl.UnsupportedError, "single point"),
        (ROSEN, (), {"a": []}, tl.ShapeError, "no point"),
        (ROSEN, ("x",), {"a": [1.0, 2.0], "y": [1.0, 2.0, 3.0]}, tl.ShapeError, "do not broadcast"),
        (LOGISTIC, ("w", "c"), {"x": [1.0, 2.0], "t": 1}, tl.ShapeError, r"x has shape \(2,\)"),
        ("f(x): \n return x, x**2", (), {}, tl.ArgumentError, "one scalar output"),
        ("f(x[2]) = x", (), {}, tl.ArgumentError, "residuals"),
    ],
)
def test_what_does_not_fit_is_said(text, inputs, named, kind, says):
    with pytest.raises(kind, match=says):
        tl.compile(text).objective(*inputs, **named)


def test_an_input_that_was_not_to_be_differentiated():
    f = tl.compile(ROSEN, wrt=["x", "y"])
    assert f.objective(a=1.0).jac([1.0, 1.0]).tolist() == [0.0, 0.0]
    with pytest.raises(tl.ArgumentError, match="differentiated by x, y, not by a"):
        f.objective()


@pytest.mark.parametrize(
    ("x", "kind", "says"),
    [
        ([1.0], tl.ShapeError, "x0 has 1 numbers, and there are 2 unknowns"),
        ([[1.0, 2.0]], tl.ShapeError, "must be a vector of 2 numbers"),
        (["a", "b"], tl.ArgumentError, "real numbers"),
        ([1j, 2], tl.ArgumentError, "real numbers"),
        ({"x": 1.0}, tl.ArgumentError, "misses y"),
        ({"x": 1.0, "y": 1.0, "a": 1.0}, tl.ArgumentError, "names 'a'; the unknowns are x, y"),
        ({"x": 1.0, "y": [1.0, 2.0]}, tl.ShapeError, r"y has shape \(2,\)"),
    ],
)
def test_a_vector_that_does_not_fit(rosen, x, kind, says):
    with pytest.raises(kind, match=says):
        rosen.objective(a=1.0).arguments(x)


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"x": 3}, r"pair \(low, high\)"),
        ({"z": (0, 1)}, "names 'z'"),
        ({"x": (1, 0)}, "lower bound of x is above"),
        ({"y": (np.nan, 1)}, "NaN"),
    ],
)
def test_bounds_that_do_not_fit(rosen, bounds, says):
    with pytest.raises(tl.ArgumentError, match=says):
        rosen.objective(a=1.0).arguments([0, 0], bounds=bounds)
