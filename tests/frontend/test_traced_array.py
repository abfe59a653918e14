"""Traced arrays: what NumPy computes on numbers is what the compiled function computes."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.api import read
from tapeless.errors import TracingError
from tapeless.frontend.trace import program_from_function

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
    "var std": (
        lambda A: (np.var(A), np.std(A, axis=0, ddof=1), A.var(axis=1, keepdims=True), np.ptp(A, axis=0)),
        {"A": (3, 4)},
    ),
    "running products": (lambda A: (np.cumprod(A, axis=1), A.cumsum(axis=0), np.cumprod(A)), {"A": (3, 4)}),
    "diff n": (lambda A: (np.diff(A, axis=0), np.diff(A, n=2)), {"A": (3, 4)}),
    "kron": (lambda A, x: (np.kron(A, x), np.kron(A, A)), {"A": (2, 3), "x": (2,)}),
    "convolve": (
        lambda x, y: (
            np.convolve(x, y),
            np.convolve(x, y, "same"),
            np.convolve(y, x, "valid"),
            np.convolve(x, [1.0, 2.0], "same"),
        ),
        {"x": (5,), "y": (3,)},
    ),
    "tensordot": (
        lambda A, B: (
            np.tensordot(A, B, 1),
            np.tensordot(A, A, 2),
            np.tensordot(A, B, ([0], [1])),
            np.tensordot(A, B, axes=(1, 0)),
        ),
        {"A": (3, 3), "B": (3, 3)},
    ),
    "einsum dots": (
        lambda A, B: (
            np.einsum("...ij,...jk->...ik", A, B),
            np.einsum("...i,...i", A, A),
            np.einsum("ij...->j...", A),
            np.einsum("bii->b", A[:, :2, :2]),
        ),
        {"A": (4, 2, 3), "B": (3, 2)},
    ),
    "einsum free": (
        lambda A, x, y: (
            np.einsum("i,j->ji", x, y),
            np.einsum("ij->", A),
            np.einsum("ij->ji", A),
            np.einsum("ij,j,k->ik", A, y, x),
            np.einsum("ii->i", A[:, :2]),
        ),
        {"A": (2, 3), "x": (2,), "y": (3,)},
    ),
    "inner nd": (
        lambda A, B: (np.inner(A, B), np.dot(A, B.T), np.dot(A[None], B.T[None].repeat(2, 0))),
        {"A": (2, 3), "B": (4, 3)},
    ),
    "matmul batch": (
        lambda A, B, x: (A @ B, x @ A, A @ x, np.matmul(B, np.swapaxes(B, -1, -2))),
        {"A": (4, 3, 3), "B": (2, 1, 3, 3), "x": (3,)},
    ),
    "cross batch": (
        lambda A, x: (np.cross(A, x), np.cross(A.T, A.T, axis=0), np.cross(x, A, axisc=0)),
        {"A": (4, 3), "x": (3,)},
    ),
    "trace3": (
        lambda A: (np.trace(A, axis1=1, axis2=2), np.trace(A, 1), A.diagonal(0, 1, 2)),
        {"A": (2, 3, 3)},
    ),
    "tri": (
        lambda A: (np.tril(A), np.triu(A, 1), np.diag(A, -1), np.diag(A[0]), np.diag(A[0], 1)),
        {"A": (3, 3)},
    ),
    "norms of matrices": (
        lambda A: (
            np.linalg.norm(A, 1),
            np.linalg.norm(A, -1),
            np.linalg.norm(A, np.inf),
            np.linalg.norm(A, -np.inf),
            np.linalg.norm(A, "fro"),
            np.linalg.norm(A),
            np.linalg.norm(A, 3, axis=0),
            np.linalg.norm(A, -np.inf, axis=1, keepdims=True),
            np.linalg.norm(A, 1, axis=(1, 0)),
        ),
        {"A": (3, 4)},
    ),
    "norm3d": (
        lambda A: (
            np.linalg.norm(A, axis=(0, 2)),
            np.linalg.norm(A, np.inf, axis=(2, 0)),
            np.linalg.norm(A, 1, axis=(0, 2), keepdims=True),
            np.linalg.norm(A),
        ),
        {"A": (2, 3, 4)},
    ),
    "det": (lambda A: tuple(np.linalg.det(A[:k, :k]) for k in range(1, 10)), {"A": (9, 9)}),
    "inv": (lambda A: tuple(np.linalg.inv(A[:k, :k]) for k in range(1, 8)), {"A": (7, 7)}),
    "solutions of all sizes": (
        lambda A, b: tuple(np.linalg.solve(A[:k, :k], b[:k]) for k in range(1, 8)),
        {"A": (7, 7), "b": (7,)},
    ),
    "solutions of two systems": (
        lambda A, b: np.linalg.solve(A, np.stack([b, 2 * b], 1)),
        {"A": (4, 4), "b": (4,)},
    ),
    "the array on the right": (
        lambda s, x: (2 - x, 2 / x, 3**x, s - x, s / x, s**x, [1, 2, 3] - x, np.float64(2) - x, True - x),
        {"s": (), "x": (3,)},
    ),
    "diagonals in einsum": (
        lambda A: (np.einsum("iij->ij", A), np.einsum("iji->ji", A[:, :1]), np.einsum("iji", A)),
        {"A": (2, 2, 2)},
    ),
    "batch la": (
        lambda A: (
            np.linalg.det(A),
            np.linalg.inv(A),
            np.linalg.solve(A, A[:, :, :1]),
            np.linalg.matrix_power(A, 3),
            np.linalg.matrix_power(A, -2),
            np.linalg.matrix_power(A, 0),
        ),
        {"A": (2, 3, 3)},
    ),
    "moving": (
        lambda A: (
            np.moveaxis(A, 0, -1),
            np.swapaxes(A, 0, 1),
            np.expand_dims(A, 1),
            np.squeeze(A[:1]),
            np.rot90(A[0]),
            np.tile(A, 2),
            np.repeat(A, 2, axis=1),
            np.take(A, [1, 0], axis=1),
            np.fliplr(A),
            np.broadcast_to(A[0, 0], (2, 4)),
            np.roll(A, 1, axis=0),
            np.atleast_2d(A[0, 0]),
            A.reshape(4, -1),
            A.flatten(),
            A.T,
        ),
        {"A": (2, 3, 4)},
    ),
    "joining": (
        lambda x, y: (
            np.concatenate([x, y]),
            np.column_stack([x, y]),
            np.stack([x, y], axis=1),
            np.stack([x, y], -1),
            np.append(x, y),
            np.append(x, 3.0),
            np.dstack([x, y]),
            np.hstack([x, 1.0, y]),
        ),
        {"x": (3,), "y": (3,)},
    ),
    "split": (lambda x: tuple(np.split(x, 2)) + tuple(np.array_split(x, 3)), {"x": (4,)}),
    "indices": (
        lambda A: (
            A[[0, 2], [1, 1]],
            A[np.array([True, False, True])],
            A[..., ::2],
            A[-1],
            A[None, 1],
            A[1:, np.newaxis, 0],
            A[np.ix_([0, 2], [1, 3])],
            A[np.int64(1), 2],
        ),
        {"A": (3, 4)},
    ),
    "bool": (
        lambda x: (
            np.where(~(x > 1) ^ (x < 0.8), x, 0),
            (x > 1) * x + 1,
            np.where((x > 1) == (x > 1.2), 1.0, 2.0),
            np.sum(x > 1.0),
            np.mean(x > 1),
            np.stack([x > 1, x < 1]) * 1.0,
            np.where(np.isnan(x) | np.isinf(x), 0, x),
            np.logical_and(x > 1, x < 2) * 2,
            np.all(x > 0.4) * 1.0,
        ),
        {"x": (5,)},
    ),
    "select": (
        lambda x: (
            np.select([x > 1.5, x > 1], [x, 2 * x], -1.0),
            np.sinc(x),
            np.polyval([1.0, 2.0, 3.0], x),
            np.polyval(x, 2.0),
            np.heaviside(x - 1, 0.5),
        ),
        {"x": (5,)},
    ),
    "scalars and arrays": (
        lambda s, x: (
            s * x,
            x - s,
            s / np.array([1, 2, 3]),
            np.power(2, x),
            np.array([2, 3, 4]) ** x,
            x ** np.array([1, 2, -1]),
            np.maximum(s, x),
            s > x,
        )[:7],
        {"s": (), "x": (3,)},
    ),
    "lists": (
        lambda x: (
            x - [1, 2, 3],
            [1.0, 2.0, 3.0] * x,
            np.stack([x[0], 1]),
            x @ [1, 2, 3],
            np.where([True, False, True], x, 0),
        ),
        {"x": (3,)},
    ),
    "methods": (
        lambda A: (
            A.mean(0),
            A.max(1),
            A.min(),
            A.prod(0),
            A.cumsum(),
            A.dot(A.T),
            A.clip(0.7, 1.2),
            A.round(1),
            A.ravel().take([0, 2]),
            A.swapaxes(0, 1),
            A.squeeze(),
            abs(-A),
            A.std(),
            A.transpose(),
            A.transpose((1, 0)),
            A.repeat(2),
            (A > 0).all(axis=0) * 1.0,
            A.copy(),
        ),
        {"A": (2, 3)},
    ),
    "like, and sizes": (
        lambda x: (
            np.zeros_like(x) + x,
            np.full_like(x, 2.0) * x,
            np.ones_like(x, dtype=float) * x,
            np.ndim(x) * x,
            np.size(x) * x,
            np.shape(x)[0] * x,
            len(x) * x,
        ),
        {"x": (3,)},
    ),
    "mod": (
        lambda x: (
            np.mod(x, 0.3),
            np.floor_divide(x, 0.3),
            np.hypot(x, 1),
            np.logaddexp(x, [1, 2, 3]),
            np.arctan2(1, x),
            np.fmod(x, 0.3),
            np.square(x),
            np.degrees(x),
            np.cbrt(x),
            np.ldexp(x, 2),
        ),
        {"x": (3,)},
    ),
    "outer ufunc": (lambda x: (np.add.accumulate(x), np.maximum.reduce(x), np.add.reduce(x)), {"x": (3,)}),
    "tolist": (
        lambda A: (sum(A.tolist()[1]), max(1, 2) * A[0, 0], sum(A.flat), sum(v for r in A for v in r)),
        {"A": (2, 3)},
    ),
    "vander like": (lambda x: np.stack([x**k for k in range(4)], axis=-1) @ np.arange(4.0), {"x": (3,)}),
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
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


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

    scaled = tl.compile(lambda v, s: v / s, inputs={"v": (2,), "s": ()})

    def both(x):
        return (
            scaled(x.reshape(2, 2), x[:2]),
            length(x[:2], x[2:]),
            dot(x.reshape(2, 2), x[:2]),
            dot([x[0], 1.0], x[2:]),
        )

    compiled = tl.compile(both, inputs={"x": (4,)})
    quotients, lengths, dots, single = compiled([3.0, 5.0, 4.0, 12.0])
    np.testing.assert_allclose(quotients, [[1.0, 5 / 3], [4 / 5, 12 / 5]])
    np.testing.assert_allclose(lengths, [5.0, 13.0])
    np.testing.assert_allclose(dots, [34.0, 72.0])
    assert single == 24.0


# ---- matrices whose leading elements are zero


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_a_zero_on_the_diagonal_is_no_trouble(count):
    shift = np.roll(np.eye(count), 1, axis=0)
    inverse = tl.compile(lambda A: np.linalg.inv(A), inputs={"A": (count, count)})
    np.testing.assert_array_equal(inverse(shift), shift.T)
    size = tl.compile(lambda A: np.linalg.det(A), inputs={"A": (count, count)})
    assert size(shift) == (-1) ** (count - 1)


def test_a_large_determinant_knows_its_sign():
    size = tl.compile(lambda A: np.linalg.det(A), inputs={"A": (9, 9)})
    for seed in range(6):  # of either sign, by exchanges of rows
        A = np.random.default_rng(seed).normal(size=(9, 9))
        assert size(A) == pytest.approx(np.linalg.det(A), rel=1e-12)


def test_the_determinant_of_a_singular_matrix_has_its_derivative():
    size = tl.compile(lambda A: np.linalg.det(A), inputs={"A": (3, 3)})
    A = np.array([[1.0, 2, 3], [2, 4, 6], [0, 1, 5]])
    assert size(A) == 0
    cofactors = [[14, -10, 2], [-7, 5, -1], [0, 0, 0]]
    np.testing.assert_allclose(size.grad(A, wrt="A"), cofactors, atol=1e-14)


@pytest.mark.parametrize("count", [4, 6])
def test_the_derivative_of_a_solution(count):
    length = tl.compile(
        lambda A, b: np.sum(np.linalg.solve(A, b) ** 2), inputs={"A": (count, count), "b": (count,)}
    )
    draw = np.random.default_rng(4)
    A, b = draw.normal(size=(count, count)), draw.normal(size=count)
    A[0, 0] = 0
    x = np.linalg.solve(A, b)
    by_b = np.linalg.solve(A.T, 2 * x)
    by_A, found = length.grad(A, b)
    np.testing.assert_allclose(found, by_b, rtol=1e-9)
    np.testing.assert_allclose(by_A, -np.outer(by_b, x), rtol=1e-9)


# ---- the number of operations


def test_matrices_are_multiplied_two_at_a_time():
    program = program_from_function(
        lambda A, B, C: np.einsum("ij,jk,kl->il", A, B, C), shapes=dict.fromkeys("ABC", (6, 6))
    )
    assert len(program.graph) == 3 * 36 + 2 * 36 * 11  # the elements, and two products of matrices


def test_zeros_of_a_constant_matrix_cost_nothing():
    tridiagonal = 2 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)
    product = tl.compile(lambda x: tridiagonal @ x, inputs={"x": (20,)})
    assert product.op_counts()["total"] <= 3 * 20


def test_minors_are_shared():
    inverse = tl.compile(lambda A: np.linalg.inv(A), inputs={"A": (4, 4)})
    assert inverse.op_counts()["total"] <= 150


# ---- what cannot be traced

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
    "unknown function": (lambda x: np.fft.fft(x), "np.fft.fft cannot be traced"),
    "wrong shape": (lambda x: np.reshape(x, (2, 2)), r"np.reshape: cannot reshape .*\(2,2\)"),
    "wrong arguments": (lambda x: np.sum(x, dtype=int), "np.sum cannot be traced with these"),
    "einsum": (lambda x: np.einsum("ij->i", x), r"does not fit the shape \(3,\)"),
    "einsum of two extents": (lambda x: np.einsum("i,i->", x, x[:2]), "have 3 and 2 elements"),
    "einsum with a strange result": (lambda x: np.einsum("i->j", x), "that no array has"),
    "einsum in lists": (lambda x: np.einsum(x, [0], [0]), "as text"),
    "determinant of no square": (lambda x: np.linalg.det(x), "square matrices"),
    "singular values": (lambda x: np.linalg.norm(np.diag(x), 2), "ord=2"),
    "norm of order 0": (lambda x: np.linalg.norm(x, 0), "ord=0"),
    "traced index": (lambda x: [1.0, 2.0][x[0]], "cannot be an index"),
    "traced mask": (lambda x: x[x > 1], "write np.where"),
    "order of elements": (lambda x: np.sort(x), "np.max, np.min and np.where"),
    "position of the largest": (lambda x: x[np.argmax(x)], "not known while tracing"),
    "membership": (lambda x: x if 1.0 in x else -x, "np.any"),
    "sum of truth values": (lambda x: (x > 1) + (x > 0), "write np.where"),
    "chained comparison": (lambda x: (x < 1) > 0, "each comparison in brackets"),
    "no function": (lambda x: x(0), "missing before the bracket"),
    "words": (lambda x: np.where(x > 1, x, "a"), "not str"),
    "empty output": (lambda x: x[:0], "empty"),
    "largest of nothing": (lambda x: np.max(x[:0]), "no elements"),
    "in place": (lambda x: np.ones(3).__iadd__(x), "a = a"),
    "method of a ufunc": (lambda x: np.add.at(x, 0, 1), "cannot be traced"),
    "two vectors of the plane": (lambda x: np.cross(x[:2], x[:2]), "a\\[0\\]"),
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


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda x: x.astype(float), "leave it out"),
        (lambda x: x[0].item(), "leave it out"),
        (lambda x: x.nonsense, "has no 'nonsense'"),
        (lambda x: np.sum(x, where=[True, False, True]), "with these arguments: got an unexpected"),
        (lambda x: np.sin(np.array([*x, None], object)[:3]), "np.stack"),
    ],
)
def test_what_an_array_has_not_is_refused_in_words(function, says):
    with pytest.raises(TracingError, match=says):
        read(function, inputs={"x": (3,)})


def test_others_may_ask_what_a_traced_value_has():
    asked = []

    def curious(x):
        asked.append((hasattr(x, "astype"), hasattr(x, "__array_interface__"), hasattr(x, "T")))
        return x

    read(curious, inputs={"x": (3,)})
    assert asked == [(False, False, True)]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_matrix_of_numpy_is_an_array_of_numbers():
    program = read(lambda x: np.matrix([[1, 2, 3], [4, 5, 6]]) @ x, inputs={"x": (3,)})
    assert program.outputs[0].shape == (2,)
