"""Arrays of formula text: shapes, and what each function of arrays is made of.

An array is a NumPy array of objects; what its elements are is the parser's business. Everything here is written
in terms of the arithmetic of elements, so whatever holds for a scalar (exact constants, refusals with a place)
holds for each element of an array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Elements = NDArray[np.object_]
"""Elements in the shape of an array."""
Shape = tuple[int, ...]

MAX_AXES: Final = 32
"""Axes of an array."""
MAX_DETERMINANT: Final = 8
"""Rows of a determinant, whose minors are 2**rows in number."""


class ShapeError(ValueError):
    """Shapes that do not fit; the parser adds the place."""


class Arithmetic(NamedTuple):
    """The arithmetic of elements.

    Attributes
    ----------
    total
        From terms to their sum; the flag of a term says whether it is subtracted.
    product
        From two factors to their product.
    root
        From a number to its square root.
    """

    total: Callable[[Sequence[tuple[Any, bool]]], Any]
    product: Callable[[Any, Any], Any]
    root: Callable[[Any], Any]


def in_shape(items: Sequence[Any], shape: Shape) -> Elements:
    """Return elements in C order as an array of a shape.

    Raises
    ------
    ShapeError
        More than `MAX_AXES` axes.
    """
    if len(shape) > MAX_AXES:
        raise ShapeError(
            f"an array has at most {MAX_AXES} axes; take its elements by index, or fewer brackets"
        )
    found = np.empty(len(items), object)
    for k, item in enumerate(items):  # one by one: an element may be a tuple, which NumPy would open
        found[k] = item
    return found.reshape(shape)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape that arrays of these shapes have in elementwise arithmetic, by NumPy's rules.

    Raises
    ------
    ShapeError
        Where they do not fit together.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        shown = " and ".join(map(str, dict.fromkeys(shape for shape in shapes if shape)))
        raise ShapeError(f"arrays of the shapes {shown} do not fit together, elementwise") from None


def columns(parts: Sequence[Any], shape: Shape) -> Iterator[tuple[Any, ...]]:
    """Yield the elements that stand at one place of all parts, place by place; a scalar part stands at each."""
    size = int(np.prod(shape, dtype=int))
    rows = [
        np.broadcast_to(part, shape).ravel().tolist() if isinstance(part, np.ndarray) else [part] * size
        for part in parts
    ]
    return zip(*rows, strict=True)


def stacked(rows: Sequence[Any]) -> Elements:
    """Return the array whose rows (or elements) these are.

    Raises
    ------
    ShapeError
        Rows of different shapes.
    """
    shapes = dict.fromkeys(row.shape if isinstance(row, np.ndarray) else () for row in rows)
    if len(shapes) > 1:
        shown = " and ".join("numbers" if shape == () else f"shape {shape}" for shape in shapes)
        raise ShapeError(f"the rows of a list have one shape; here are {shown}")
    shape = next(iter(shapes))
    if shape == ():
        return in_shape(rows, (len(rows),))
    return in_shape([item for row in rows for item in row.ravel().tolist()], (len(rows), *shape))


def element_or_array(found: Any) -> Any:
    """Return an array without axes as its element."""
    return found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found


def matmul(by: Arithmetic, left: Any, right: Any) -> Any:
    """Return the product of vectors and matrices, as NumPy's `@`; a number for two vectors.

    Raises
    ------
    ShapeError
        A number, an array of more than two axes, or extents that differ.
    """
    if not (isinstance(left, np.ndarray) and isinstance(right, np.ndarray)):
        raise ShapeError("@ multiplies arrays; write * for numbers")
    if left.ndim > 2 or right.ndim > 2:
        raise ShapeError(f"@ takes vectors and matrices, not shapes {left.shape} and {right.shape}")
    if left.shape[-1] != right.shape[0]:
        raise ShapeError(f"@ of the shapes {left.shape} and {right.shape}: the inner extents differ")
    rows = left.reshape(-1, left.shape[-1]).tolist()
    across = right.reshape(right.shape[0], -1).T.tolist()
    found = [_inner(by, row, column) for row in rows for column in across]
    return element_or_array(in_shape(found, (*left.shape[:-1], *right.shape[1:])))


def cost_of_matmul(left: Any, right: Any) -> int:
    """Return the number of products in `left @ right`."""
    return int(left.size * (right.size // right.shape[0]))


def _inner(by: Arithmetic, row: Sequence[Any], column: Sequence[Any]) -> Any:
    return by.total([(by.product(x, y), False) for x, y in zip(row, column, strict=True)])


def total(by: Arithmetic, array: Elements) -> Any:
    """Return the sum of all elements."""
    return by.total([(item, False) for item in array.ravel().tolist()])


def dot(by: Arithmetic, left: Elements, right: Elements) -> Any:
    """Return the sum of the products of two vectors.

    Raises
    ------
    ShapeError
        What is no two vectors of one length.
    """
    if left.ndim != 1 or left.shape != right.shape:
        raise ShapeError(
            f"dot takes two vectors of one length, not shapes {left.shape} and {right.shape}; of matrices "
            "write A @ B"
        )
    return _inner(by, left.tolist(), right.tolist())


def norm(by: Arithmetic, array: Elements) -> Any:
    """Return the square root of the sum of the squares of all elements, as `numpy.linalg.norm`."""
    items = array.ravel().tolist()
    return by.root(_inner(by, items, items))


def transpose(by: Arithmetic, array: Elements) -> Elements:
    """Return the array with its axes reversed."""
    return np.transpose(array)


def trace(by: Arithmetic, array: Elements) -> Any:
    """Return the sum of the diagonal.

    Raises
    ------
    ShapeError
        What is no square matrix.
    """
    _need_square("trace", array)
    return by.total([(item, False) for item in array.diagonal().tolist()])


def det(by: Arithmetic, array: Elements) -> Any:
    """Return the determinant: Laplace's expansion row by row, each minor made once.

    No pivot is chosen and nothing is divided, so the formula holds everywhere.

    Raises
    ------
    ShapeError
        What is no square matrix, or one of more than `MAX_DETERMINANT` rows.
    """
    size = _need_square("det", array)
    if size > MAX_DETERMINANT:
        raise ShapeError(
            f"det takes matrices of at most {MAX_DETERMINANT} rows, not {size}; trace a Python function with "
            "np.linalg.det for larger ones"
        )
    rows = array.tolist()
    minors: dict[tuple[int, ...], Any] = {(column,): rows[-1][column] for column in range(size)}
    for depth in range(2, size + 1):
        row = rows[-depth]
        minors = {
            chosen: by.total(
                [
                    (by.product(row[column], minors[chosen[:k] + chosen[k + 1 :]]), k % 2 == 1)
                    for k, column in enumerate(chosen)
                ]
            )
            for chosen in combinations(range(size), depth)
        }
    return minors[tuple(range(size))]


def _need_square(what: str, array: Elements) -> int:
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ShapeError(f"{what} takes a square matrix, not an array of shape {array.shape}")
    return int(array.shape[0])


FUNCTIONS_OF_ARRAYS: Final[dict[str, tuple[tuple[str, ...], Callable[..., Any]]]] = {
    "sum": (("x",), total),
    "dot": (("x", "y"), dot),
    "norm": (("x",), norm),
    "transpose": (("A",), transpose),
    "trace": (("A",), trace),
    "det": (("A",), det),
}
"""Name -> names of the arguments, arrays all, and what it is."""
