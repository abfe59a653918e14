"""What a function does on both sides of a point, along one input: its limits, slopes and curvatures from either side.

Tried out in high precision at distances that shrink geometrically: what converges has a limit, and what does not is
infinite. A logarithm changes by the same amount from each distance to the next, a power by a factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Real = Any
BITS: Final = 640
"""Bits that values are computed with."""
_DISTANCES: Final = (30, 60, 90)
"""Distances, as negative powers of two."""
_SAME: Final = 2.0**-20
"""Relative difference below which two limits are the same."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a point.

    Attributes
    ----------
    value
        The limit of the function there: a number, an infinity, NaN where it has no values.
    slope
        The limit of its slope.
    curvature
        The limit of its second derivative.
    """

    value: Real
    slope: Real
    curvature: Real


def sides(
    ctx: Any, evaluate: Callable[[Real], Sequence[Real]], x: Real, scale: Real
) -> list[tuple[Side, Side]]:
    """Return (below, above) of each of the functions.

    Parameters
    ----------
    ctx
        An mpmath context of `BITS` bits.
    evaluate
        From an abscissa to the values of all functions.
    x
        The point.
    scale
        The size of a step that is not small.
    """
    rows: dict[int, list[list[Sequence[Real]]]] = {}
    for sign in (-1, 1):
        rows[sign] = []
        for power in _DISTANCES:
            h = sign * scale * ctx.ldexp(ctx.one, -power)
            rows[sign].append([evaluate(x + k * h) for k in (1, 2, 3)])
    count = len(rows[1][0][0])
    return [(_side(ctx, rows[-1], root, -scale), _side(ctx, rows[1], root, scale)) for root in range(count)]


def _side(ctx: Any, rows: Sequence[Sequence[Sequence[Real]]], root: int, scale: Real) -> Side:
    values, slopes, curvatures = [], [], []
    for power, row in zip(_DISTANCES, rows, strict=True):
        h = scale * ctx.ldexp(ctx.one, -power)
        a, b, c = (each[root] for each in row)
        values.append(a)
        slopes.append((b - a) / h)
        curvatures.append((c - 2 * b + a) / h**2)
    return Side(*(limit(ctx, three) for three in (values, slopes, curvatures)))


def limit(ctx: Any, three: Sequence[Real]) -> Real:
    """Return what three numbers tend to, by Aitken's process; an infinity where they do not converge."""
    if any(ctx.isnan(number) for number in three):
        return ctx.nan
    if any(ctx.isinf(number) for number in three):
        return three[-1] if ctx.isinf(three[-1]) else ctx.nan
    first, second = three[1] - three[0], three[2] - three[1]
    size = max(map(abs, three))
    if abs(second) <= size * ctx.ldexp(ctx.one, -50):
        return three[2]
    if abs(second) < ctx.mpf("0.9") * abs(first):
        return three[2] + second**2 / (first - second)
    if (first > 0) == (second > 0):
        return ctx.inf if second > 0 else ctx.ninf
    return ctx.nan


def same(ctx: Any, a: Real, b: Real, scale: Real) -> bool:
    """Whether two limits are equal, as far as can be told."""
    if ctx.isnan(a) or ctx.isnan(b):
        return False
    if ctx.isinf(a) or ctx.isinf(b):
        return bool(a == b)
    return bool(abs(a - b) <= _SAME * (abs(a) + abs(b)) + scale * ctx.ldexp(ctx.one, -60))
