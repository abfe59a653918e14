"""Jacobian, Hessian and Hessian-vector product: against other transforms, against mpmath, at edges, sparse."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import tapeless as tl
from tapeless.api import read
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Input
from tapeless.targets import reference
from tapeless.transforms import jacobian as jacobians
from tapeless.transforms.forward import jvp
from tapeless.transforms.hessian import hessian, hvp
from tapeless.transforms.jacobian import jacobian, sparse_jacobian
from tapeless.transforms.reverse import gradient, vjp
from tapeless.transforms.sparsity import colours, entries
from test_random import codes, points, program_of

DIGITS = 30


def exact(program, point):
    """The outputs in one row, at high precision; None where one is no finite number."""
    values = dict(zip((item.name for item in program.inputs), point, strict=True))
    found = []
    for value in reference.evaluate(program, values, digits=DIGITS):
        found += value if isinstance(value, tuple) else [value]
    return found if all(mpmath.isfinite(v) for v in found) else None


def close(a, b, scale=1):
    return abs(a - b) <= mpmath.mpf(10) ** (8 - DIGITS) * (abs(a) + abs(b) + scale)


TOLERANT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@TOLERANT
@given(codes, points)
def test_random_hessians_are_jacobians_of_gradients_and_symmetric(code, point):
    program = program_of(code)
    pushed = exact(hessian(program), point)
    other = exact(jacobian(gradient(program)), point)
    assume(pushed is not None)
    assume(other is not None)
    size = max(map(abs, pushed))
    assert all(close(a, b, size) for a, b in zip(pushed, other, strict=True))
    assert all(pushed[3 * i + j] == pushed[3 * j + i] for i in range(3) for j in range(3))


@TOLERANT
@given(codes, points, points)
def test_random_hessian_times_vector(code, point, direction):
    program = program_of(code)
    matrix, product = exact(hessian(program), point), exact(hvp(program), (*point, *direction))
    assume(matrix is not None)
    assume(product is not None)
    with mpmath.workdps(60):
        for i in range(3):
            row = [matrix[3 * i + j] * direction[j] for j in range(3)]
            assert close(mpmath.fsum(row), product[i], mpmath.fsum(map(abs, row)))


@TOLERANT
@given(codes, points, points, points)
def test_random_jacobians_join_forward_and_reverse(code, point, tangent, cotangent):
    program = program_of(code, outputs=3)
    matrix = exact(jacobian(program), point)
    forward = exact(jvp(program), (*point, *tangent))
    backward = exact(vjp(program), (*point, *cotangent))
    for found in (matrix, forward, backward):
        assume(found is not None)
    with mpmath.workdps(60):
        scale = mpmath.fsum(abs(m) for m in matrix) + 1
        for i in range(3):
            assert close(mpmath.fsum(matrix[3 * i + j] * tangent[j] for j in range(3)), forward[3 + i], scale)
            assert close(mpmath.fsum(matrix[3 * j + i] * cotangent[j] for j in range(3)), backward[i], scale)
        one = mpmath.fsum(v * u for v, u in zip(cotangent, forward[3:], strict=True))
        two = mpmath.fsum(v * u for v, u in zip(backward, tangent, strict=True))
        assert close(one, two, scale * 10)


@pytest.mark.parametrize("way", [jacobians._forward, jacobians._reverse], ids=["forward", "reverse"])
def test_both_directions_of_accumulation_agree(way, monkeypatch):
    text = "f(x[4], y): return where(x[0] > y, x[0]*x[1]*sin(y), max(x[2], x[3], y)), abs(x[1])*x[3]**2, "
    text += "y, hypot(x[0], x[2])"
    program, point = read(text), ([0.3, -1.2, 0.8, 0.5], 0.1)
    monkeypatch.setattr(jacobians, "_forward" if way is jacobians._reverse else "_reverse", way)
    found = exact(jacobian(program), point)
    rows = [exact(gradient(replace(program, outputs=(output,))), point) for output in program.outputs]
    assert all(close(a, b) for a, b in zip(found, [v for row in rows for v in row], strict=True))


SMOOTH = [
    row
    for row in PRIMITIVES.values()
    if row.samples and not row.boolean and row.rules and any(r != "0" for r in row.rules) and not row.nary
]


@pytest.mark.parametrize("row", SMOOTH, ids=lambda row: row.name)
def test_edge_pushing_knows_the_curvature_of_every_primitive(row):
    from tapeless.ir.graph import Builder
    from tapeless.ir.program import Output, finish

    b = Builder()
    ends = [0.37 * low + 0.63 * high for low, high in row.samples]
    # An argument by which no second derivative is known, or that is an order, is a number.
    fixed = [
        rule in ("", "0") or "_by_shape(" in rule or "_by_a(" in rule or "_by_b(" in rule
        for rule in row.rules
    ]
    numbers = [Fraction(round(end)) if fix else None for end, fix in zip(ends, fixed, strict=True)]
    point = [end for end, fix in zip(ends, fixed, strict=True) if not fix]
    places = iter(range(len(point)))
    args = [b.input(next(places)) if n is None else b.rational(n) for n in numbers]
    node = b.call(row.name, *args)
    program = finish("f", [Input(f"x{k}") for k in range(len(point))], [Output("y", (b.mul(node, node),))], b)
    found, other = exact(hessian(program), point), exact(jacobian(gradient(program)), point)
    assert all(close(a, c) for a, c in zip(found, other, strict=True))


# ---- through the public functions


def test_a_third_derivative_against_mpmath():
    f = tl.compile("f(x, y) = exp(x*y)*sin(x) + log(1 + y**2)")
    third = f.derivative("hessian").derivative("jacobian")
    found = third(0.4, 0.7).reshape(2, 2, 2)
    for at in np.ndindex(2, 2, 2):
        n = (at.count(0), at.count(1))
        expected = mpmath.diff(
            lambda x, y: mpmath.exp(x * y) * mpmath.sin(x) + mpmath.log(1 + y**2), (0.4, 0.7), n
        )
        assert found[at] == pytest.approx(float(expected), rel=1e-9)


def test_inputs_that_are_first_used_late():
    f = tl.compile("f(x, y, z) = (x*y)**2*exp(x) + z*sin(x*y) + z**3*x")
    x, y, z = 0.3, -0.8, 1.7
    s, c, e = np.sin(x * y), np.cos(x * y), np.exp(x)
    expected = [
        [
            y**2 * e * (2 + 4 * x + x**2) - z * y**2 * s,
            2 * x * y * e * (2 + x) + z * (c - x * y * s),
            y * c + 3 * z**2,
        ],
        [0, 2 * x**2 * e - z * x**2 * s, x * c],
        [0, 0, 6 * z * x],
    ]
    upper = np.triu_indices(3)
    np.testing.assert_allclose(f.hessian(x, y, z)[upper], np.array(expected)[upper], rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ("f(x) = where(x > 0, sqrt(x)**3, 0)", -1.0, 0.0),
        ("f(x) = where(x > 0, log(x), x**2)", -1.0, 2.0),
        ("f(x) = where(x > 0, x**2, log(-x))", 1.0, 2.0),
        ("f(x) = max(x, 0)**2", -1.0, 0.0),
        ("f(x) = abs(x)*x", 0.0, 0.0),
        ("f(x) = min(x**2, sqrt(x - 5))", 6.0, -0.25),
    ],
)
def test_the_branch_not_taken_has_no_second_derivative(text, at, expected):
    f = tl.compile(text)
    assert f.hessian(at)[0, 0] == pytest.approx(expected)
    assert f.hvp((at,), (1.0,))[0] == pytest.approx(expected)
    assert f.derivative("grad").derivative("jacobian")(at)[0, 0] == pytest.approx(expected)


def test_wrt_chooses_and_orders():
    f = tl.compile("f(x, y[2], z) = x*y[0]**2*z + y[1]*z**3")
    whole = f.hessian(0.5, [1.0, 2.0], 3.0)
    order = [3, 0]
    np.testing.assert_allclose(f.hessian(0.5, [1.0, 2.0], 3.0, wrt=("z", "x")), whole[np.ix_(order, order)])
    np.testing.assert_allclose(f.jacobian(0.5, [1.0, 2.0], 3.0, wrt="y"), [[2 * 0.5 * 3, 27.0]])
    by_y = f.hvp((0.5, [1.0, 2.0], 3.0), ([1.0, -1.0],), wrt="y")
    np.testing.assert_allclose(by_y, whole[1:3, 1:3] @ [1.0, -1.0])


def test_batches_broadcast_in_front_and_lie_anyhow():
    f = tl.compile("f(x[3], s): return s*x[0]*x[1], exp(x[2])*s")
    draw = np.random.default_rng(0)
    x, s = draw.normal(size=(7, 1, 3)), draw.normal(size=(4,))
    found = f.jacobian(x, s)
    assert found.shape == (7, 4, 2, 4)
    for i, j in np.ndindex(7, 4):
        np.testing.assert_allclose(found[i, j], f.jacobian(x[i, 0], s[j]), rtol=1e-14)
    columns = np.asfortranarray(x[:, 0])  # one array per component
    np.testing.assert_array_equal(f.jacobian(columns, 1.5), f.jacobian(x[:, 0], 1.5))
    out = np.empty((7, 2, 4))
    assert f.jacobian(columns, 1.5, out=out) is out


def test_single_precision():
    f = tl.compile("f(x[2]) = x[0]**3*x[1]", dtype="float32")
    found = f.hessian(np.array([2.0, 3.0], "float32"))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[36, 12], [12, 0]])


def test_what_is_asked_of_the_wrong_function():
    two = tl.compile("f(x): return x, x**2")
    with pytest.raises(tl.ArgumentError, match="one scalar output"):
        two.hessian(1.0)
    with pytest.raises(tl.ArgumentError, match="hvp takes 1 primals and 1 tangents, not 1 and 2"):
        tl.compile("x**2").hvp((1.0,), (1.0, 2.0))


# ---- sparse


def chain(n):
    return tl.compile(lambda x: sum((x[i + 1] - x[i] ** 2) ** 2 for i in range(n - 1)), inputs={"x": (n,)})


def test_sparse_is_dense_without_the_zeros():
    f, x = chain(12), np.linspace(-1, 1, 12)
    found = f.hessian(x, sparse=True)
    np.testing.assert_array_equal(found.toarray(), f.hessian(x))
    assert found.nnz == 12 + 2 * 11
    g = f.derivative("grad")
    np.testing.assert_array_equal(g.jacobian(x, sparse=True).toarray(), g.jacobian(x))


def test_a_matrix_without_entries():
    f = tl.compile("f(x, y): return floor(x), 3.0 + 0*y")
    found = f.jacobian(1.5, 2.0, sparse=True)
    assert (found.shape, found.nnz) == ((2, 2), 0)
    assert tl.compile("f(x, y) = 2*x + y").hessian(1.0, 2.0, sparse=True).nnz == 0


def test_sparse_takes_one_point_and_no_out():
    f = chain(3)
    with pytest.raises(tl.ShapeError, match="one point"):
        f.jacobian(np.ones((2, 3)), sparse=True)
    with pytest.raises(tl.ShapeError, match=r"one point, and x has shape \(2, 3\)"):
        f.jacobian([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], sparse=True)
    with pytest.raises(tl.ArgumentError, match="x"):
        f.jacobian(["a", "b", "c"], sparse=True)
    with pytest.raises(tl.ArgumentError, match="out cannot be given with sparse"):
        f.hessian(np.ones(3), sparse=True, out=np.empty((3, 3)))


def test_coloured_products_give_the_same_matrix(monkeypatch):
    def banded(x):
        return np.stack([x[i] * x[i + 1] ** 2 + np.sin(x[i + 2]) for i in range(len(x) - 2)])

    x = np.linspace(0.2, 1.7, 14)
    direct = tl.compile(banded, inputs={"x": (14,)})
    expected = direct.jacobian(x, sparse=True)
    monkeypatch.setattr(jacobians, "_COMPRESS", 0)
    assert sparse_jacobian(direct.program).outputs[0].pattern.colours
    compressed = tl.compile(banded, inputs={"x": (14,)}, name="compressed", cache=False).jacobian(
        x, sparse=True
    )
    np.testing.assert_allclose(compressed.toarray(), expected.toarray(), rtol=1e-15)
    assert compressed.nnz == expected.nnz


def test_no_row_has_two_entries_of_one_colour():
    draw = np.random.default_rng(0)
    for density in (0.05, 0.3):
        rows = [sum(1 << int(c) for c in np.nonzero(draw.random(30) < density)[0]) for _ in range(40)]
        found = colours(rows, 30)
        seen = [(row, found[column]) for row, column in entries(rows)]
        assert len(seen) == len(set(seen))
        assert max(found) + 1 >= max(row.bit_count() for row in rows)
