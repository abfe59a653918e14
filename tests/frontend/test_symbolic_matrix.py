"""Matrix expressions of sympy: written out without sympy's algebra, and what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import tapeless as tl
from tapeless.api import read
from tapeless.errors import ArgumentError, UnsupportedError

A, v, s, n = sp.MatrixSymbol("A", 4, 4), sp.MatrixSymbol("v", 4, 1), sp.Symbol("s"), sp.Symbol("n")
inv, power = np.linalg.inv, np.linalg.matrix_power


@pytest.mark.parametrize(
    ("formula", "wanted"),
    [
        (A.I * v, lambda a, v, s: inv(a) @ v),
        (2 * A * A.T * v * s, lambda a, v, s: 2 * s * a @ a.T @ v),
        (A**16, lambda a, v, s: power(a, 16)),
        (A**0 + A, lambda a, v, s: np.eye(4) + a),
        ((A + A.T) ** -2 * v, lambda a, v, s: inv(a + a.T) @ inv(a + a.T) @ v),
        ((s * A).I, lambda a, v, s: inv(s * a)),
        (sp.Trace(A.I * A.T), lambda a, v, s: np.trace(inv(a) @ a.T)),
        (sp.BlockMatrix([[A.I, A * A]]), lambda a, v, s: np.hstack([inv(a), a @ a])),
        (v.T * A * v, lambda a, v, s: (v @ a @ v).reshape(1)),
    ],
    ids=["inverse", "product", "power", "no power", "inverse square", "scaled", "trace", "blocks", "form"],
)
def test_a_matrix_expression_is_what_numpy_makes_of_it(formula, wanted):
    draw = np.random.default_rng(0)
    matrix, vector = draw.normal(size=(4, 4)) + 3 * np.eye(4), draw.normal(size=4)
    found = tl.compile(formula, inputs=[A, v, s])(matrix, vector, 1.5)
    assert found == pytest.approx(wanted(matrix, vector, 1.5), rel=1e-10)


def test_a_power_takes_few_operations():
    assert tl.compile(A**64, inputs=[A]).op_counts()["total"] <= 6 * (64 + 48)


@pytest.mark.parametrize(
    ("formula", "kind", "says"),
    [
        (A**n, UnsupportedError, "exponent"),
        (A ** sp.Rational(1, 2), UnsupportedError, "exponent"),
        (sp.MatrixSymbol("B", 5, 5).I, UnsupportedError, "np.linalg.solve"),
        (sp.MatrixSymbol("B", n, n), ArgumentError, "extents must be numbers"),
    ],
)
def test_what_would_need_algebra_is_refused(formula, kind, says):
    with pytest.raises(kind, match=says):
        read(formula, inputs=["A", "B", "n"])


def test_an_array_without_axes_is_a_scalar():
    assert tl.compile(sp.Array(s**2), inputs=[s])(3.0) == 9.0
