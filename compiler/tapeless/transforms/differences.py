"""Differences of neighbours: f(a) - f(b) where a - b is plain to see, written so that nothing cancels."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Builder

_WIDTH: Final = 8
"""Sums of more terms are not compared."""


def of_squares(b: Builder, left: int, right: int) -> int | None:
    """Return x**2 - y**2 as (x - y)*(x + y); None for other differences."""
    roots = [_root(b, left), _root(b, right)]
    if None in roots or all(b.rational_value(root) is not None for root in roots):  # type: ignore[arg-type]
        return None
    return b.call("squares", *roots)  # type: ignore[arg-type]


def _root(b: Builder, x: int) -> int | None:
    """Return the root of a square, or of a square number."""
    if b.ops[x] == "pow" and b.rational_value(b.args[x][1]) == 2:
        return b.args[x][0]
    value = b.rational_value(x)
    if value is not None and value > 0:
        root = b.call("sqrt", x)
        return root if b.rational_value(root) is not None else None
    return None


def of_neighbours(b: Builder, left: int, right: int) -> int | None:
    """Return f(a) - f(b) for roots, reciprocals and logarithms; None where a - b is no number."""
    logarithms = _log_argument(b, left), _log_argument(b, right)
    if None not in logarithms:
        return _of_logarithms(b, *logarithms)  # type: ignore[arg-type]
    op = b.ops[left]
    if op != b.ops[right] or op not in ("sqrt", "div"):
        return None
    if op == "div":
        above, other = (b.rational_value(b.args[side][0]) for side in (left, right))
        if above is None or above != other:
            return None
        gap = _gap(b, b.args[right][1], b.args[left][1])
        if gap is None:
            return None
        return b.div(b.div(b.rational(above * gap), b.args[left][1]), b.args[right][1])
    gap = _gap(b, b.args[left][0], b.args[right][0])
    if gap is None:
        return None
    return b.div(b.rational(gap), b.add(left, right))


def _of_logarithms(b: Builder, first: int, second: int) -> int | None:
    """Return log(a) - log(b) as log1p((a - b)/b) for a > b, else -log1p((b - a)/a): (a - b)/b may be next to -1.

    That exists for negative a and b too, and the difference does not: where the lesser is not positive, its logarithm
    says what the difference is.
    """
    gap = _gap(b, first, second)
    if gap is None:
        return None
    lesser = second if gap > 0 else first
    closer = b.call("log1p", b.div(b.rational(abs(gap)), lesser))
    alone = b.neg(b.call("log", lesser))
    apart = b.select(b.compare("gt", lesser, b.rational(0)), closer, alone)
    return apart if gap > 0 else b.neg(apart)


def _log_argument(b: Builder, x: int) -> int | None:
    if b.ops[x] == "log":
        return b.args[x][0]
    return b.add(b.rational(1), b.args[x][0]) if b.ops[x] == "log1p" else None


def _gap(b: Builder, left: int, right: int) -> Fraction | None:
    """Return left - right where that is a number other than zero, None where it is not."""
    ours, theirs = _terms(b, left), _terms(b, right)
    if ours is None or theirs is None or ours[1] != theirs[1] or not ours[1]:
        return None
    return ours[0] - theirs[0] or None


def _terms(b: Builder, node: int) -> tuple[Fraction, Counter[tuple[bool, int]]] | None:
    """Return the number in a sum, and its other terms with their signs."""
    number = Fraction(0)
    others: Counter[tuple[bool, int]] = Counter()
    stack, count = [(False, node)], 0
    while stack:
        negative, node = stack.pop()
        count += 1
        if count > 2 * _WIDTH:
            return None
        if b.ops[node] in ("add", "sub"):
            left, right = b.args[node]
            stack += [(negative, left), (negative != (b.ops[node] == "sub"), right)]
        elif b.ops[node] == "neg":
            stack.append((not negative, b.args[node][0]))
        elif (value := b.rational_value(node)) is not None:
            number += -value if negative else value
        else:
            others[negative, node] += 1
    return number, others
