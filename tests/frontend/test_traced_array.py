"""Traced arrays: what NumPy computes on numbers is what the compiled function computes."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl

# ruff: noqa: PLW0108  a NumPy function alone has no signature to read the inputs from


def _unpacked(x):
    a, b, c = x
    return a * b - c


SAME = {
    "elements": (lambda x: x[0] * x[1] + x[-1], {"x": (3,)}),
    "an array of outputs": (lambda x: x**2 + 1, {"x": (3,)}),
    "several outputs": (lambda x, s: (x * s, s, [x[0], x[1]]), {"x": (3,), "s": ()}),
    "slices": (lambda x: x[::-1][1:] * x[:-1], {"x": (4,)}),
    "fancy index": (lambda x: x[[2, 0]] + x[np.array([1, 1])], {"x": (3,)}),
    "new axes and ellipsis": (lambda A: A[..., 0][:, None] * A[1, ...], {"A": (2, 2)}),
    "unpacking": (_unpacked, {"x": (3,)}),
    "rows": (lambda A: sum(row[0] * row[1] for row in A), {"A": (3, 2)}),
    "broadcasting": (lambda A, x: A * x - x[:, None], {"A": (3, 3), "x": (3,)}),
    "numbers with arrays": (lambda s: np.array([1.0, 2.0]) * s + np.ones((2, 1)), {"s": ()}),
    "arrays of numbers on the right": (lambda x: x - np.arange(3.0), {"x": (3,)}),
    "powers and quotients": (lambda x, y: x**y / (1 + x), {"x": (3,), "y": (3,)}),
    "unary": (lambda x: -np.abs(-x) + +x, {"x": (3,)}),
    "ufuncs": (lambda x: np.exp(-x) * np.tanh(x) + np.arctan2(x, 2.0), {"x": (3,)}),
    "where": (lambda x, y: np.where(x > y, x, 2 * y), {"x": (3,), "y": (3,)}),
    "conditions": (lambda x, y: np.where((x > 1) & ~(y > 1) | (x == y), x, y), {"x": (5,), "y": (5,)}),
    "clip": (lambda x: np.clip(x, 0.8, 1.5), {"x": (5,)}),
    "clip by arrays": (lambda x, y: np.clip(x, y, None) + np.clip(x, None, y), {"x": (5,), "y": (5,)}),
    "maximum": (lambda x, y: np.maximum(x, y) + np.minimum(x, 1.0), {"x": (3,), "y": (3,)}),
    "sums": (lambda A: (np.sum(A), A.sum(axis=0), np.sum(A, axis=1, keepdims=True)), {"A": (2, 3)}),
    "products": (lambda A: (np.prod(A), A.prod(axis=-1)), {"A": (2, 3)}),
    "means": (lambda A: (np.mean(A), A.mean(axis=0)), {"A": (2, 3)}),
    "extremes": (lambda A: (np.max(A), A.max(axis=0), np.min(A, axis=1), A.min()), {"A": (2, 3)}),
    "all and any": (
        lambda x: np.where(np.all(x > 0.9), 1, 0) + np.where(np.any(x > 1.9), 2.0, x[0]),
        {"x": (3,)},
    ),
    "reduce": (lambda A: np.add.reduce(A, axis=1) + np.multiply.reduce(A, axis=1), {"A": (2, 3)}),
    "cumsum": (lambda x: (np.cumsum(x), np.cumsum(x.reshape(2, 2), axis=0)), {"x": (4,)}),
    "diff": (lambda x: np.diff(x), {"x": (4,)}),
    "matrix times vector": (lambda A, x: A @ x, {"A": (2, 3), "x": (3,)}),
    "vector times matrix": (lambda A, x: x @ A, {"A": (3, 2), "x": (3,)}),
    "matrix times matrix": (lambda A, B: A @ B.T, {"A": (2, 3), "B": (4, 3)}),
    "numbers times matrix": (lambda A: np.arange(6.0).reshape(2, 3) @ A, {"A": (3, 2)}),
    "stacks of matrices": (lambda A, B: A @ B, {"A": (2, 2, 3), "B": (3, 2)}),
    "dot, inner, vdot": (
        lambda x, y: np.dot(x, y) * np.inner(x, y) + np.vdot(x, y) + x.dot(y),
        {"x": (3,), "y": (3,)},
    ),
    "outer and cross": (lambda x, y: np.outer(x, y) + np.cross(x, y), {"x": (3,), "y": (3,)}),
    "einsum": (lambda A, B: np.einsum("ij,jk->ki", A, B), {"A": (2, 3), "B": (3, 4)}),
    "einsum without arrow": (
        lambda A, x: np.einsum("ii", A) * np.einsum("ij,j", A, x),
        {"A": (2, 2), "x": (2,)},
    ),
    "three operands": (lambda A, x, y: np.einsum("i,ij,j->", x, A, y), {"A": (2, 2), "x": (2,), "y": (2,)}),
    "trace and diag": (lambda A: np.trace(A) * np.diag(A) + A.trace(), {"A": (3, 3)}),
    "transposes": (lambda A: A.T @ A + np.transpose(A) @ A.transpose(1, 0).T, {"A": (3, 3)}),
    "reshape and ravel": (lambda A: A.reshape(-1) * np.ravel(A.T), {"A": (2, 3)}),
    "stack": (lambda x: np.stack([x[0] * x[1], np.sin(x[2]), 1.0]), {"x": (3,)}),
    "concatenate": (lambda x, y: np.concatenate([x, [1.0], y[:1]]), {"x": (3,), "y": (3,)}),
    "hstack and vstack": (
        lambda x, y: np.vstack([np.hstack([x, y]), np.hstack([y, x])]),
        {"x": (2,), "y": (2,)},
    ),
    "roll and flip": (lambda x: np.roll(x, 1) + np.flip(x), {"x": (4,)}),
    "norms": (lambda x: (np.linalg.norm(x), np.linalg.norm(x, 1), np.linalg.norm(x, np.inf)), {"x": (3,)}),
    "norm by rows": (lambda A: np.linalg.norm(A, axis=1), {"A": (2, 3)}),
    "determinant": (lambda A: np.linalg.det(A), {"A": (4, 4)}),
    "inverse": (lambda A: np.linalg.inv(A), {"A": (3, 3)}),
    "solve": (lambda A, b: np.linalg.solve(A, b), {"A": (3, 3), "b": (3,)}),
    "like": (lambda x: np.zeros_like(x) + np.ones_like(x) * x, {"x": (3,)}),
    "round": (lambda x: np.round(x, 1) + np.floor(x), {"x": (3,)}),
}


@pytest.mark.parametrize("case", SAME.values(), ids=SAME)
def test_numbers_come_out_as_from_numpy(case):
    function, shapes = case
    compiled = tl.compile(function, inputs=shapes)
    draw = np.random.default_rng(1)
    for _ in range(3):
        args = [draw.uniform(0.5, 2, shape) for shape in shapes.values()]
        expected = function(*args)
        found = compiled(*args)
        if not isinstance(expected, tuple):
            expected, found = (expected,), (found,)
        for want, got in zip(expected, found, strict=True):
            assert np.shape(got) == np.shape(want)
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_the_generic_functions_take_arrays():
    def function(x, y):
        return tl.sin(x) + tl.maximum(x, 1.0) + tl.where(x > y, x, y) + tl.clip(x, 0.5, y) + tl.hypot(x, y)

    compiled = tl.compile(function, inputs={"x": (3,), "y": ()})
    x, y = np.array([0.2, 1.5, 3.0]), 1.25
    np.testing.assert_allclose(compiled(x, y), function(x, y), rtol=1e-14)


def test_a_batch_stands_in_front():
    turn = tl.compile(lambda A, x: A @ x, inputs={"A": (2, 2), "x": (2,)})
    A, x = np.random.default_rng(0).normal(size=(5, 2, 2)), np.array([1.0, 2.0])
    np.testing.assert_allclose(turn(A, x), A @ x, rtol=1e-14)
    assert turn.signature == "(2,2),(2)->(2)"


def test_gradients_have_the_shape_of_their_inputs():
    energy = tl.compile(lambda A, x: x @ A @ x, inputs={"A": (3, 3), "x": (3,)})
    A, x = np.random.default_rng(0).normal(size=(3, 3)), np.array([1.0, 2.0, -1.0])
    by_A, by_x = energy.grad(A, x)
    np.testing.assert_allclose(by_A, np.outer(x, x), rtol=1e-14)
    np.testing.assert_allclose(by_x, (A + A.T) @ x, rtol=1e-13)
    assert energy.check(A, x).ok


def test_a_function_in_a_function():
    length = tl.compile("length(u, v) = sqrt(u*u + v*v)")
    dot = tl.compile(lambda a, b: a @ b, inputs={"a": (2,), "b": (2,)})

    def both(x):
        return length(x[:2], x[2:]), dot(x.reshape(2, 2), x[:2]), dot([x[0], 1.0], x[2:])

    compiled = tl.compile(both, inputs={"x": (4,)})
    lengths, dots, single = compiled([3.0, 5.0, 4.0, 12.0])
    np.testing.assert_allclose(lengths, [5.0, 13.0])
    np.testing.assert_allclose(dots, [34.0, 72.0])
    assert single == 24.0


REFUSED = {
    "index": (lambda x: x[3], r"index 3.*shape \(3,\)"),
    "assignment": (lambda x: x.__setitem__(0, 1.0), "changed in place"),
    "condition": (lambda x: 1 if x > 0 else 2, "np.where"),
    "array": (lambda x: np.array(x), r"np.stack"),
    "float": (lambda x: float(x), "leave float"),
    "shapes": (lambda x: x + np.ones(2), r"\(3,\), \(2,\) do not broadcast"),
    "matmul of numbers": (lambda x: x @ 2.0, "write \\*"),
    "matmul of shapes": (lambda x: x @ np.ones((2, 3)), "inner extents differ"),
    "axis": (lambda x: np.sum(x, axis=1), "axis 1 does not fit"),
    "unknown function": (lambda x: np.fft.fft(x), "cannot be traced for arrays"),
    "wrong arguments": (lambda x: np.reshape(x, (2, 2)), "np.reshape cannot be traced with these"),
    "einsum": (lambda x: np.einsum("ij->i", x), "does not fit the shapes"),
    "ellipsis in einsum": (lambda x: np.einsum("...i->...", x), "name each index"),
    "determinant of no square": (lambda x: np.linalg.det(x), "square matrix"),
    "large inverse": (lambda x: np.linalg.inv(np.tile(x, (9, 3))), "pivoting"),
    "norm of another order": (lambda x: np.linalg.norm(x, 3), "ord=3"),
    "ragged output": (lambda x: ([x, x[:2]], 1.0), "different shapes"),
    "out": (lambda x: np.add(x, x, out=np.zeros(3)), "list"),
    "truth values": (lambda x: x > 0, "np.where"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_traced_says_what_to_write(case):
    function, words = case
    with pytest.raises(tl.TracingError, match=words):
        tl.compile(function, inputs={"x": (3,)})


def test_a_long_loop_is_traced_in_one_go():
    def rosenbrock(x):
        return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1))

    compiled = tl.compile(rosenbrock, inputs={"x": (300,)})
    x = np.linspace(-1, 1, 300)
    assert compiled(x) == pytest.approx(rosenbrock(x))
