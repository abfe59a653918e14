"""Linear algebra of traced arrays, on arrays of nodes: contractions, determinants, inverses, norms.

Nothing here may test a value, for there is none while tracing: a pivot is chosen by selects, or is not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Any, Final

import numpy as np

from tapeless.errors import TracingError
from tapeless.frontend.traced_array import Nodes, elementwise
from tapeless.ir.graph import Builder

Labels = tuple[Hashable, ...]
"""One label for each axis; axes with the same label run together."""

# ---- sums of products


def reduced(
    builder: Builder, nodes: Nodes, axes: Sequence[int], fold: Callable[[Builder, list[int]], int]
) -> Nodes:
    """Fold the elements along some axes, which disappear."""
    kept = [axis for axis in range(nodes.ndim) if axis not in axes]
    shape = tuple(nodes.shape[axis] for axis in kept)
    count = int(np.prod([nodes.shape[axis] for axis in axes], dtype=int))
    rows = nodes.transpose([*kept, *axes]).reshape(-1, count) if nodes.size else np.zeros((0, 0), np.intp)
    if not nodes.size:
        rows = np.zeros((int(np.prod(shape, dtype=int)), 0), np.intp)
    return np.array([fold(builder, row) for row in rows.tolist()], np.intp).reshape(shape)


def contract(builder: Builder, operands: Sequence[tuple[Labels, Nodes]], kept: Labels) -> Nodes:
    """Return the sum of products over all labels that are not kept: Einstein's convention with an explicit result.

    The operands are multiplied from left to right, and a label is summed as soon as nothing to come has it.

    Parameters
    ----------
    builder
        Where the products and sums go.
    operands
        For each the labels of its axes, which may repeat (a diagonal), and its nodes.
    kept
        The labels of the result, in order.

    Returns
    -------
    ndarray of int
        The nodes of the result.

    Raises
    ------
    TracingError
        A label with two extents.
    """
    extents: dict[Hashable, int] = {}
    for labels, nodes in operands:
        for label, extent in zip(labels, nodes.shape, strict=True):
            known = extents.setdefault(label, extent)
            if extent != known and 1 not in (extent, known):
                raise TracingError(
                    f"axes that are summed or run together have {known} and {extent} elements, in arrays of the "
                    f"shapes {' and '.join(str(nodes.shape) for _, nodes in operands)}"
                )
            extents[label] = max(extent, known) if 1 in (extent, known) else extent
    rest = [_diagonal(labels, nodes) for labels, nodes in operands]
    labels, nodes = rest[0]
    for k in range(len(rest)):
        if k:
            labels, nodes = _product(builder, (labels, nodes), rest[k])
        wanted = {*kept, *(label for later, _ in rest[k + 1 :] for label in later)}
        labels, nodes = _summed(builder, labels, nodes, wanted)
    order = [labels.index(label) for label in kept]
    result: Nodes = nodes.transpose(order)
    return result


def _diagonal(labels: Labels, nodes: Nodes) -> tuple[Labels, Nodes]:
    """Return an operand without repeated labels."""
    found: list[Hashable] = []
    for label in labels:
        if label in found:
            first, second = found.index(label), len(found)
            nodes = np.moveaxis(np.diagonal(nodes, 0, first, second), -1, first)
        else:
            found.append(label)
    return tuple(found), nodes


def _summed(builder: Builder, labels: Labels, nodes: Nodes, wanted: set[Hashable]) -> tuple[Labels, Nodes]:
    axes = [axis for axis, label in enumerate(labels) if label not in wanted]
    if not axes:
        return labels, nodes
    left = tuple(label for label in labels if label in wanted)
    return left, reduced(builder, nodes, axes, Builder.sum)


def _product(
    builder: Builder, first: tuple[Labels, Nodes], second: tuple[Labels, Nodes]
) -> tuple[Labels, Nodes]:
    labels = (*first[0], *(label for label in second[0] if label not in first[0]))
    pair = []
    for own, nodes in (first, second):
        order = [own.index(label) for label in labels if label in own]
        gaps = [axis for axis, label in enumerate(labels) if label not in own]
        pair.append(np.expand_dims(nodes.transpose(order), gaps))
    return labels, elementwise(builder, Builder.mul, pair)


def _axes(count: int, side: str) -> Labels:
    return tuple((side, k) for k in range(count))


def dot(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    """Return np.dot: the last axis of `a` with the second to last of `b`, or its only one."""
    if not a.ndim or not b.ndim:
        return elementwise(builder, Builder.mul, (a, b))
    return tensordot(builder, a, b, ([-1], [-2 if b.ndim > 1 else -1]))


def inner(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    """Return np.inner: the last axes with each other."""
    if not a.ndim or not b.ndim:
        return elementwise(builder, Builder.mul, (a, b))
    return tensordot(builder, a, b, ([-1], [-1]))


def tensordot(builder: Builder, a: Nodes, b: Nodes, axes: tuple[Sequence[int], Sequence[int]]) -> Nodes:
    """Return np.tensordot with the axes of either operand that are summed."""
    left, right = list(_axes(a.ndim, "a")), list(_axes(b.ndim, "b"))
    for i, j in zip(*axes, strict=True):
        if a.shape[i] != b.shape[j]:
            raise TracingError(
                f"{a.shape[i]} elements meet {b.shape[j]}, in arrays of the shapes {a.shape} and {b.shape}"
            )
        right[j] = left[i]
    summed = {left[i] for i in axes[0]}
    kept = tuple(label for label in (*left, *right) if label not in summed)
    return contract(builder, ((tuple(left), a), (tuple(right), b)), kept)


def matmul(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    """Return np.matmul: products of matrices over leading axes that broadcast."""
    if not a.ndim or not b.ndim:
        raise TracingError("@ multiplies arrays; write * for numbers")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else -1]:
        raise TracingError(f"@ of shapes {a.shape} and {b.shape}: the inner extents differ")
    rows: Labels = ("row",) if a.ndim > 1 else ()
    columns: Labels = ("column",) if b.ndim > 1 else ()
    # Leading axes are counted from the right, as broadcasting does.
    batch_a = tuple(("batch", k) for k in reversed(range(max(a.ndim - 2, 0))))
    batch_b = tuple(("batch", k) for k in reversed(range(max(b.ndim - 2, 0))))
    batch = max(batch_a, batch_b, key=len)
    left, right = (*batch_a, *rows, "sum"), (*batch_b, "sum", *columns)
    return contract(builder, ((left, a), (right, b)), (*batch, *rows, *columns))


def einsum(builder: Builder, subscripts: str, arrays: Sequence[Nodes]) -> Nodes:
    """Return np.einsum for subscripts in letters."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    if len(terms) != len(arrays):
        raise TracingError(f"np.einsum: {subscripts!r} is of {len(terms)} arrays, {len(arrays)} were given")
    operands = []
    dots: Labels = ()
    for term, nodes in zip(terms, arrays, strict=True):
        extra = nodes.ndim - len(term.replace("...", ""))
        if extra < 0 or (extra and "..." not in term):
            raise TracingError(f"np.einsum: {term!r} in {subscripts!r} does not fit the shape {nodes.shape}")
        own = tuple(("...", k) for k in reversed(range(extra)))
        dots = max(dots, own, key=len)
        operands.append((_labels(term, own, subscripts), nodes))
    if arrow:
        kept = _labels(result, dots if "..." in result else (), subscripts)
    else:
        letters = given.replace(",", "").replace("...", "")
        kept = (*dots, *sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    known = {label for labels, _ in operands for label in labels}
    if len(set(kept)) < len(kept) or not known.issuperset(kept):
        raise TracingError(
            f"np.einsum: the result of {subscripts!r} names an axis twice, or one that no array has"
        )
    return contract(builder, operands, kept)


def _labels(term: str, dots: Labels, subscripts: str) -> Labels:
    before, found, after = term.partition("...")
    if not (before + after).isalpha() and before + after:
        raise TracingError(f"np.einsum: {subscripts!r} is traced with letters, commas, -> and ... only")
    return (*before, *(dots if found else ()), *after)


# ---- determinants and inverses

_MINORS: Final = 4
"""Inverses up to this size are made of minors: no pivot, right for every regular matrix, 3*n*2**n products."""
_DET_MINORS: Final = 8
"""Likewise determinants, which are then polynomials: right, with their derivatives, for singular matrices too."""


def _square(nodes: Nodes, what: str) -> int:
    if nodes.ndim < 2 or nodes.shape[-1] != nodes.shape[-2]:
        raise TracingError(f"{what} takes square matrices, not an array of shape {nodes.shape}")
    return int(nodes.shape[-1])


def _signed_sum(b: Builder, terms: Sequence[tuple[bool, int]]) -> int:
    """Return the sum of terms, those subtracted for which the first of the pair is true."""
    plus = [node for minus, node in terms if not minus]
    minus = [node for minus, node in terms if minus]
    if not minus:
        return b.sum(plus)
    return b.sub(b.sum(plus), b.sum(minus)) if plus else b.neg(b.sum(minus))


def _minors(b: Builder, rows: Sequence[Sequence[int]], size: int) -> dict[tuple[int, ...], int]:
    """Return the minors of the last `size` rows and of all that follow them, by columns.

    Each is expanded along its first row into minors that are shared.
    """
    count = len(rows)
    found: dict[tuple[int, ...], int] = {(): b.rational(1)}
    for height in range(1, size + 1):
        row = rows[count - height]
        for columns in combinations(range(len(row)), height):
            terms = [
                (bool(k % 2), b.mul(row[j], found[columns[:k] + columns[k + 1 :]]))
                for k, j in enumerate(columns)
            ]
            found[columns] = _signed_sum(b, terms)
    return found


def _det(b: Builder, rows: list[list[int]]) -> int:
    count = len(rows)
    if count <= _DET_MINORS:
        return _minors(b, rows, count)[tuple(range(count))]
    work, odd = _eliminated(b, rows)
    size = b.product([work[k][k] for k in range(count)])
    return b.select(odd, b.neg(size), size)


def _cofactors(b: Builder, rows: list[list[int]]) -> tuple[list[list[int]], int]:
    """Return the cofactors and the determinant: minors of the rows above times minors of the rows below."""
    count = len(rows)
    below = _minors(b, rows, count)
    # The minors of the first rows are those of the last rows of the matrix upside down, turned round.
    above = {
        columns: node if len(columns) % 4 < 2 else b.neg(node)
        for columns, node in _minors(b, rows[::-1], count - 1).items()
    }
    cofactors = []
    for i in range(count):
        line = []
        for j in range(count):
            columns = [c for c in range(count) if c != j]
            terms = []
            for chosen in combinations(columns, i):
                others = tuple(c for c in columns if c not in chosen)
                crossings = sum(c > d for c in chosen for d in others)
                terms.append((bool((crossings + i + j) % 2), b.mul(above[chosen], below[others])))
            line.append(_signed_sum(b, terms))
        cofactors.append(line)
    return cofactors, below[tuple(range(count))]


def _eliminated(b: Builder, rows: Sequence[Sequence[int]]) -> tuple[list[list[int]], int]:
    """Return an upper triangle by elimination, and whether the number of exchanges was odd.

    Partial pivoting without a test: each row below is exchanged, by selects, where its element is larger.
    """
    work = [list(row) for row in rows]
    odd = b.boolean(False)
    for k in range(len(work)):
        top = work[k]
        for i in range(k + 1, len(work)):
            row = work[i]
            larger = b.compare("gt", b.call("abs", row[k]), b.call("abs", top[k]))
            pairs = [(b.select(larger, p, q), b.select(larger, q, p)) for p, q in zip(row, top, strict=True)]
            top, work[i] = [p for p, _ in pairs], [q for _, q in pairs]
            odd = b.select(larger, b.not_(odd), odd)
        work[k] = top
        for i in range(k + 1, len(work)):
            row = work[i]
            factor = b.div(row[k], top[k])
            left = [b.sub(row[j], b.mul(factor, top[j])) for j in range(k + 1, len(row))]
            work[i] = [b.rational(0)] * (k + 1) + left
    return work, odd


def _solve(b: Builder, rows: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    """Return the solution of a system for several right sides, the columns of `right`."""
    count = len(rows)
    if count <= _MINORS:
        cofactors, size = _cofactors(b, rows)
        scale = b.div(b.rational(1), size)
        return [
            [
                b.mul(b.sum([b.mul(cofactors[i][j], right[i][k]) for i in range(count)]), scale)
                for k in range(len(right[0]))
            ]
            for j in range(count)
        ]
    work, _ = _eliminated(b, [row + side for row, side in zip(rows, right, strict=True)])
    found: list[list[int]] = [[]] * count
    for i in range(count - 1, -1, -1):
        line = []
        for k in range(count, len(work[i])):
            known = b.sum([b.mul(work[i][j], found[j][k - count]) for j in range(i + 1, count)])
            line.append(b.div(b.sub(work[i][k], known), work[i][i]))
        found[i] = line
    return found


def det(builder: Builder, nodes: Nodes) -> Nodes:
    """Return the determinants of matrices in the last two axes.

    Up to 8 rows by expansion into shared minors: a polynomial, n*2**(n - 1) products. Beyond by elimination with
    partial pivoting, which is NaN where a column vanishes on the way.
    """
    count = _square(nodes, "np.linalg.det")
    found = [_det(builder, rows) for rows in nodes.reshape(-1, count, count).tolist()]
    return np.array(found, np.intp).reshape(nodes.shape[:-2])


def inv(builder: Builder, nodes: Nodes) -> Nodes:
    """Return the inverses of matrices in the last two axes, as `solve` of the unit matrix."""
    count = _square(nodes, "np.linalg.inv")
    zero, one = builder.rational(0), builder.rational(1)
    unit = np.where(np.eye(count, dtype=bool), one, zero)
    return _solutions(builder, nodes, np.broadcast_to(unit, nodes.shape))


def solve(builder: Builder, nodes: Nodes, right: Nodes) -> Nodes:
    """Return the solutions of A x = b, `b` one vector or matrices in the last two axes.

    Up to 4 rows by Cramer's rule with shared minors, beyond by elimination with partial pivoting.
    """
    count = _square(nodes, "np.linalg.solve")
    vector = right.ndim == 1
    columns = right[:, None] if vector else right
    if columns.ndim < 2 or columns.shape[-2] != count:
        raise TracingError(
            f"np.linalg.solve: a matrix of {count} rows, and a right side of shape {right.shape}"
        )
    batch = np.broadcast_shapes(nodes.shape[:-2], columns.shape[:-2])
    nodes = np.broadcast_to(nodes, (*batch, count, count))
    columns = np.broadcast_to(columns, (*batch, *columns.shape[-2:]))
    found = _solutions(builder, nodes, columns)
    return found[..., 0] if vector else found


def _solutions(builder: Builder, nodes: Nodes, right: Nodes) -> Nodes:
    count = nodes.shape[-1]
    matrices = nodes.reshape(-1, count, count).tolist()
    sides = right.reshape(-1, *right.shape[-2:]).tolist()
    found = [_solve(builder, rows, side) for rows, side in zip(matrices, sides, strict=True)]
    return np.array(found, np.intp).reshape(right.shape)


# ---- norms


def norm(builder: Builder, nodes: Nodes, order: Any, axes: tuple[int, ...] | None) -> Nodes:
    """Return vector norms along one axis, matrix norms along two; of all elements as one vector for None.

    Vectors: 2 (or None), 1, inf, -inf and any other power. Matrices: None or "fro", 1, -1, inf, -inf.
    """
    if axes is None and order is None:
        return _two_norm(builder, nodes, range(nodes.ndim))
    if axes is None:
        axes = tuple(range(nodes.ndim))
    if len(axes) == 1:
        return _vector_norm(builder, nodes, order, axes)
    if len(axes) != 2:
        raise TracingError(
            f"np.linalg.norm with ord={order!r} takes vectors and matrices, not an array of shape {nodes.shape}"
        )
    if order in (None, "fro"):
        return _two_norm(builder, nodes, axes)
    if order not in (1, -1, np.inf, -np.inf):
        raise TracingError(
            f"np.linalg.norm with ord={order!r} needs the singular values of a matrix, and cannot be traced; ord "
            "of a matrix is None, 'fro', 1, -1, inf or -inf"
        )
    rows, columns = axes
    summed, left = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = reduced(builder, _absolute(builder, nodes), [summed], Builder.sum)
    return reduced(builder, sums, [left - (left > summed)], largest if order > 0 else smallest)


def _vector_norm(builder: Builder, nodes: Nodes, order: Any, axes: Sequence[int]) -> Nodes:
    if order is None or order == 2:
        return _two_norm(builder, nodes, axes)
    if isinstance(order, str) or order == 0:
        raise TracingError(
            f"np.linalg.norm with ord={order!r} of a vector cannot be traced; ord is 1, 2, inf or a power"
        )
    sizes = _absolute(builder, nodes)
    if order in (np.inf, -np.inf):
        return reduced(builder, sizes, axes, largest if order > 0 else smallest)
    if order == 1:
        return reduced(builder, sizes, axes, Builder.sum)
    power = Fraction(order)
    exponent, root = np.asarray(builder.rational(power)), np.asarray(builder.rational(1 / power))
    powers = elementwise(builder, Builder.pow, (sizes, exponent))
    return elementwise(builder, Builder.pow, (reduced(builder, powers, axes, Builder.sum), root))


def _two_norm(builder: Builder, nodes: Nodes, axes: Sequence[int]) -> Nodes:
    squares = elementwise(builder, Builder.pow, (nodes, np.asarray(builder.rational(2))))
    return elementwise(
        builder, lambda b, x: b.call("sqrt", x), (reduced(builder, squares, axes, Builder.sum),)
    )


def _absolute(builder: Builder, nodes: Nodes) -> Nodes:
    return elementwise(builder, lambda b, x: b.call("abs", x), (nodes,))


def largest(b: Builder, row: list[int]) -> int:
    """Return the largest of a row."""
    return b.maximum(*_some(row))


def smallest(b: Builder, row: list[int]) -> int:
    """Return the smallest of a row."""
    return b.minimum(*_some(row))


def _some(row: list[int]) -> list[int]:
    if not row:
        raise TracingError("there is no largest or smallest of no elements")
    return row
