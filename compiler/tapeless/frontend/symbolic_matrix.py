"""Matrix expressions of sympy as matrices of formulas.

sympy's own way does algebra on the entries of products, powers and inverses as it writes them out, which takes
minutes for an inverse of four rows or an eighth power. These are made here without any: a product entry by entry, a
power by squaring, an inverse from minors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

import numpy as np
import sympy

from tapeless.errors import ArgumentError, UnsupportedError
from tapeless.frontend.text_array import Arithmetic, det, in_shape

MAX_INVERSE: Final = 4
"""Rows of an inverse."""
MAX_POWER: Final = 1024
"""Exponent of a power, which is a number of products logarithmic in it."""


def explicit(expr: Any) -> Any:
    """Return the matrix of formulas that a matrix expression is.

    Parameters
    ----------
    expr
        A `sympy.MatrixExpr`.

    Returns
    -------
    sympy.ImmutableMatrix

    Raises
    ------
    ArgumentError
        A shape that is not made of numbers.
    UnsupportedError
        A power that is not a number of products, or an inverse of more than `MAX_INVERSE` rows.
    """
    made: dict[Any, Any] = {}
    for part in sympy.postorder_traversal(expr):
        if isinstance(part, sympy.MatrixExpr) and not all(
            sympy.sympify(extent).is_Integer for extent in part.shape
        ):
            raise ArgumentError(f"the matrix {part} has the shape {part.shape}; its extents must be numbers")
        if isinstance(part, sympy.MatPow):
            made[part] = _power(_written_out(part.base.xreplace(made)), part.exp, part)
        elif isinstance(part, sympy.MatMul):
            made[part] = _joined([factor.xreplace(made) for factor in part.args])
    return _written_out(expr.xreplace(made))


def _written_out(matrix: Any) -> Any:
    return matrix.as_explicit() if isinstance(matrix, sympy.MatrixExpr) else matrix


def _joined(factors: Sequence[Any]) -> Any:
    """Return the product of numbers and matrices."""
    numbers = [factor for factor in factors if not isinstance(factor, sympy.MatrixExpr | sympy.MatrixBase)]
    matrices = [_written_out(factor) for factor in factors if factor not in numbers]
    result = reduce(_product, matrices)
    if not numbers:
        return result
    scale = sympy.Mul(*numbers)
    return sympy.ImmutableMatrix(*result.shape, [sympy.Mul(scale, entry) for entry in result.flat()])


def _power(matrix: Any, exponent: Any, shown: Any) -> Any:
    if not exponent.is_Integer or abs(exponent) > MAX_POWER:
        raise UnsupportedError(
            f"{shown}: the exponent of a matrix is a whole number up to {MAX_POWER}; write the product out"
        )
    if exponent < 0:
        matrix = _inverse(matrix, shown)
    result, left = sympy.ImmutableMatrix(sympy.eye(matrix.rows)), abs(int(exponent))
    while left:
        if left % 2:
            result = matrix if result.is_Identity else _product(result, matrix)
        left //= 2
        matrix = _product(matrix, matrix) if left else matrix
    return result


def _product(left: Any, right: Any) -> Any:
    entries = [
        sympy.Add(*(left[i, k] * right[k, j] for k in range(left.cols)))
        for i in range(left.rows)
        for j in range(right.cols)
    ]
    return sympy.ImmutableMatrix(left.rows, right.cols, entries)


def _inverse(matrix: Any, shown: Any) -> Any:
    n = matrix.rows
    if n > MAX_INVERSE:
        raise UnsupportedError(
            f"{shown}: an inverse has at most {MAX_INVERSE} rows here; trace a Python function with np.linalg.solve "
            "or np.linalg.inv for a larger one"
        )
    entries = in_shape(list(matrix.flat()), (n, n))
    scale = sympy.Pow(det(_FORMULAS, entries), -1, evaluate=False)
    rows = [[_cofactor(entries, j, i) * scale for j in range(n)] for i in range(n)]
    return sympy.ImmutableMatrix(rows)


def _cofactor(entries: Any, row: int, column: int) -> Any:
    if entries.shape == (1, 1):
        return sympy.S.One
    left = np.delete(np.delete(entries, row, 0), column, 1)
    minor = det(_FORMULAS, left)
    return -minor if (row + column) % 2 else minor


def _total(terms: Sequence[tuple[Any, bool]]) -> Any:
    return sympy.Add(*(-term if minus else term for term, minus in terms))


_FORMULAS: Final = Arithmetic(_total, lambda a, b: a * b, sympy.sqrt)
