"""A function along each of its inputs: values, compiled derivatives, and numerical gradients beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.errors import DerivativeError, TapelessError

if TYPE_CHECKING:
    from tapeless.function import Function

Array = np.ndarray[Any, Any]
Range = tuple[float, float]

MOST_INPUTS: Final = 6
"""Input scalars along which curves are drawn."""
MOST_OUTPUTS: Final = 4
_POINTS: Final = 241
_DOTS: Final = 25
_PLACE: Final = 0.62
"""Where within their ranges the other inputs stand; the middle would often be zero."""
_CANDIDATES: Final = ((-3.0, 3.0), (0.1, 3.0), (0.1, 0.9), (1.1, 3.0), (-0.9, 0.9))
"""Ranges tried where nothing is known of an input."""
_TRIES: Final = 256
_ENOUGH: Final = 0.9


@dataclass(frozen=True, slots=True)
class Line:
    """One output along one input.

    Attributes
    ----------
    output
        Name of the output.
    values, slopes
        At `Curves.x`; `slopes` is None where there is no derivative in C.
    dots
        Numerical derivatives at `Curves.dots`.
    at_dots
        Compiled ones there, or None.
    """

    output: str
    values: Array
    slopes: Array | None
    dots: Array
    at_dots: Array | None

    @property
    def apart(self) -> float:
        """The largest difference of numerical and compiled derivatives, relative to the largest of these; or NaN."""
        if self.slopes is None or self.at_dots is None:
            return float("nan")
        with np.errstate(all="ignore"):
            gaps = np.abs(self.at_dots - self.dots)
            sizes = np.abs(np.append(self.slopes, self.at_dots))
        gaps, sizes = gaps[np.isfinite(gaps)], sizes[np.isfinite(sizes)]
        return float(gaps.max() / (sizes.max() or 1.0)) if gaps.size else float("nan")


@dataclass(frozen=True, slots=True)
class Curves:
    """All outputs along one input.

    Attributes
    ----------
    name
        The input scalar.
    x, dots
        Where the curves and the numerical derivatives are.
    lines
        One per output.
    """

    name: str
    x: Array
    dots: Array
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a function is looked at: the range and the standing value of each input scalar, in order."""

    names: tuple[str, ...]
    ranges: tuple[Range, ...]
    point: tuple[float, ...]


def place(function: Function, ranges: Mapping[str, Range]) -> Place:
    """Choose where to look.

    Parameters
    ----------
    function
        The function.
    ranges
        What is known: input -> (low, high). What a function was compiled to assume is known too.
    """
    known = {**dict(function.options.assume), **ranges}
    names, given = [], []
    for name, shape in zip(function.input_names, function.input_shapes, strict=True):
        for index in np.ndindex(*shape):
            names.append(f"{name}[{', '.join(map(str, index))}]" if shape else name)
            given.append(known.get(name))
    best: tuple[float, list[Range]] | None = None
    for candidate in _CANDIDATES:
        tried = [_finite_range(range_, candidate) for range_ in given]
        share = _share_finite(function, tried)
        if best is None or share > best[0]:
            best = share, tried
        if share >= _ENOUGH:
            break
    assert best is not None, "there are candidates"
    point = tuple(low + _PLACE * (high - low) for low, high in best[1])
    return Place(tuple(names), tuple(best[1]), point)


def curves(function: Function, where: Place) -> list[Curves]:
    """Compute the curves along the first few inputs."""
    outputs = [
        f"{name}[{', '.join(map(str, index))}]" if shape else name
        for name, shape in zip(function.output_names, function.output_shapes, strict=True)
        for index in np.ndindex(*shape)
    ]
    return [_along(function, where, lane, outputs) for lane in range(min(len(where.names), MOST_INPUTS))]


def _along(function: Function, where: Place, lane: int, outputs: Sequence[str]) -> Curves:
    low, high = where.ranges[lane]
    x = np.linspace(low, high, _POINTS)
    dots = np.linspace(low, high, _DOTS + 2)[1:-1]
    shown = range(min(len(outputs), MOST_OUTPUTS))
    values = _values(function, _points(where, lane, x))
    numerical = _numerical(function, where, lane, dots, high - low)
    lines = [
        Line(
            outputs[k],
            values[:, k],
            _slopes(function, where, lane, x, k),
            numerical[:, k],
            _slopes(function, where, lane, dots, k),
        )
        for k in shown
    ]
    return Curves(where.names[lane], x, dots, tuple(lines))


def _points(where: Place, lane: int, x: Array) -> Array:
    """Return points, (len(x), lanes), that move along one lane."""
    points = np.tile(np.array(where.point), (len(x), 1))
    points[:, lane] = x
    return points


def _operands(function: Function, points: Array) -> list[Array]:
    """Return the inputs that the columns of `points` are."""
    found, at = [], 0
    for shape in function.input_shapes:
        size = int(np.prod(shape, dtype=int))
        part = points[:, at : at + size]
        found.append(np.ascontiguousarray(part.reshape(len(points), *shape), function.dtype))
        at += size
    return found


def _values(function: Function, points: Array) -> Array:
    """Return all output scalars, (points, outputs)."""
    found = function(*_operands(function, points))
    parts = found if isinstance(found, tuple) else (found,)
    return np.concatenate([np.asarray(part, float).reshape(len(points), -1) for part in parts], axis=1)


def _slopes(function: Function, where: Place, lane: int, x: Array, output: int) -> Array | None:
    """Return the compiled derivative of one output by one lane."""
    points = _points(where, lane, x)
    cotangents, at = [], 0
    for shape in function.output_shapes:
        size = int(np.prod(shape, dtype=int))
        part = np.zeros((len(points), size), function.dtype)
        if at <= output < at + size:
            part[:, output - at] = 1
        cotangents.append(part.reshape(len(points), *shape))
        at += size
    position, first = _first_lane(function, lane)
    owner = function.input_names[position]
    if owner not in function.wrt:
        return None
    try:
        gradients = function.backward(tuple(cotangents), *_operands(function, points))
    except DerivativeError:
        return None
    gradient = gradients[function.wrt.index(owner)]
    slopes: Array = np.asarray(gradient, float).reshape(len(points), -1)[:, lane - first]
    return slopes


def _first_lane(function: Function, lane: int) -> tuple[int, int]:
    """Return the input that a lane belongs to, by its position, and that input's first lane."""
    at = 0
    for position, shape in enumerate(function.input_shapes):
        size = int(np.prod(shape, dtype=int))
        if lane < at + size:
            return position, at
        at += size
    raise IndexError(lane)


def _numerical(function: Function, where: Place, lane: int, x: Array, width: float) -> Array:
    """Return central differences of all outputs along one lane, improved by one step of Richardson's."""
    step = width * (1e-2 if function.dtype == "float32" else 1e-3)

    def quotient(h: float) -> Array:
        right, left = (x + h).astype(function.dtype), (x - h).astype(function.dtype)
        values = [_values(function, _points(where, lane, end.astype(float))) for end in (right, left)]
        found: Array = (values[0] - values[1]) / (right.astype(float) - left.astype(float))[:, None]
        return found

    with np.errstate(all="ignore"):
        return (4 * quotient(step / 2) - quotient(step)) / 3


def _finite_range(given: Range | None, candidate: Range) -> Range:
    if given is None:
        return candidate
    low, high = given
    if isfinite(low) and isfinite(high):
        return given
    if isfinite(low):
        return low + 0.1, low + 3.0
    return (high - 3.0, high - 0.1) if isfinite(high) else candidate


def _share_finite(function: Function, ranges: Sequence[Range]) -> float:
    """Return the share of points drawn from ranges at which all values are finite."""
    source = np.random.default_rng(0)
    low, high = np.array(ranges).T
    points = source.uniform(low, high, (_TRIES, len(ranges)))
    try:
        with np.errstate(all="ignore"):
            return float(np.isfinite(_values(function, points)).all(axis=1).mean())
    except TapelessError:
        return 0.0
