"""Where the search looks: points from the declared ranges, the same for one seed, and the edges of the ranges."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from tapeless.ir.program import Input

Range = tuple[float, float]
Point = tuple[float, ...]

_SMALL: Final = 1e-8
_LARGE: Final = 1e8
"""Sizes of numbers without a declared end."""
_NEAR: Final = 1 / 8
_FAR: Final = 8.0
_DECADES: Final = 100.0
"""Ratio of the ends of a range from which it is drawn from evenly in the logarithm."""
_EXTREMES: Final = (1e200, -1e200, 1e-200)
_WHOLE: Final = (-math.inf, math.inf)
_MANNERS: Final = 4


def draw(inputs: Sequence[Input], ranges: Mapping[str, Range], dtype: str, seed: int) -> Iterator[Point]:
    """Draw points without end.

    By turns: all inputs of one or a few; of many magnitudes; each in its own manner; and neighbours, each input by a
    small part away from the one before, for that is where differences cancel. Cotangents and tangents are numbers
    around 1.
    """
    source = random.Random(seed)
    kind = np.float32 if dtype == "float32" else np.float64
    owners = [item for item in inputs for _ in range(item.size)]
    own = [_WHOLE if item.role != "primal" else _held(ranges.get(item.name, _WHOLE), kind) for item in owners]
    primal = [lane for lane, item in enumerate(owners) if item.role == "primal"]
    manner = 0
    while True:
        point = []
        for lane, item in enumerate(owners):
            wild = item.role == "primal" and (manner == 1 or (manner >= 2 and source.random() < 0.5))
            point.append(_scalar(source, own[lane], wild))
        if manner == _MANNERS - 1:
            for before, lane in pairwise(primal):
                near = point[before] * (1 + source.choice((-1, 1)) * _logarithmic(source, 1e-12, 0.1))
                low, high = own[lane]
                if low < near < high and source.random() < 0.8:
                    point[lane] = near
        yield tuple(_rounded(kind, x, own[lane]) for lane, x in enumerate(point))
        manner = (manner + 1) % _MANNERS


def _held(given: Range, kind: type[np.floating]) -> Range:
    """Return what a dtype holds of a range; all of it where that is nothing."""
    limit = float(np.finfo(kind).max)
    low, high = (max(-limit, min(limit, end)) if math.isfinite(end) else end for end in given)
    return (low, high) if low < high else given


def _rounded(kind: type[np.floating], x: float, within: Range) -> float:
    """Round to a dtype, and stay in the range."""
    with np.errstate(over="ignore", under="ignore"):  # what no float holds is infinite
        value = float(kind(x))
        if not within[0] <= value <= within[1]:
            value = float(np.nextafter(kind(value), kind(x)))
    return value


def _scalar(source: random.Random, given: Range, wild: bool) -> float:
    low, high = given
    if math.isfinite(low) and math.isfinite(high):
        return _between(source, low, high, wild)
    if math.isfinite(low) or math.isfinite(high):
        away = _size(source, wild)
        return low + away if math.isfinite(low) else high - away
    return source.choice((-1, 1)) * _size(source, wild)


def _size(source: random.Random, wild: bool) -> float:
    return _logarithmic(source, _SMALL, _LARGE) if wild else _logarithmic(source, _NEAR, _FAR)


def _between(source: random.Random, low: float, high: float, wild: bool) -> float:
    """Draw from a finite range: evenly, or by magnitudes where it spans decades or holds 0."""
    if not wild:
        return source.uniform(low, high)
    if low > 0:
        return _logarithmic(source, low, high) if high > _DECADES * low else source.uniform(low, high)
    if high < 0:
        return -_between(source, -high, -low, wild)
    end = high if low == 0 or (high > 0 and source.random() < 0.5) else low
    return math.copysign(_logarithmic(source, abs(end) * _SMALL, abs(end)), end)


def _logarithmic(source: random.Random, low: float, high: float) -> float:
    low = max(low, 1e-300)
    return min(high, max(low, math.exp(source.uniform(math.log(low), math.log(high)))))


def edges(inputs: Sequence[Input], ranges: Mapping[str, Range], ordinary: Sequence[Point]) -> list[Point]:
    """Return points at which conventions show: ends of ranges, zeros, ties, infinities, NaN, extreme sizes.

    Parameters
    ----------
    inputs, ranges
        As for `draw`.
    ordinary
        Points that the other coordinates are taken from.
    """
    if not ordinary:
        return []
    found: list[Point] = []
    specials: list[list[float]] = []
    for item in inputs:
        low, high = ranges.get(item.name, _WHOLE) if item.role == "primal" else _WHOLE
        values = [x for x in (0.0, 1.0, -1.0) if low <= x <= high]
        values += [end for end in (low, high) if math.isfinite(end) and end not in values]
        values += [x for x in (math.inf, -math.inf) if low <= x <= high]
        if math.inf in values or -math.inf in values:
            values += [x for x in _EXTREMES if low <= x <= high]
        specials += [[*values, math.nan]] * item.size
    for lane, values in enumerate(specials[:_LANES]):
        for k, value in enumerate(values):
            near = ordinary[(lane + k) % len(ordinary)]
            found.append((*near[:lane], value, *near[lane + 1 :]))
    shared = [x for x in (0.0, 1.0, math.inf) if all(x in values for values in specials)]
    found += [(x,) * len(specials) for x in shared]
    within = [ranges.get(item.name, _WHOLE) for item in inputs for _ in range(item.size)]
    for point in ordinary[:4]:  # ties
        if len(point) > 1:
            same = zip(within, point, strict=True)
            found.append(tuple(point[0] if a <= point[0] <= c else x for (a, c), x in same))
    return found


_LANES: Final = 16
"""Edges are looked at for so many input scalars."""
