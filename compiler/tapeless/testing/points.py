"""Where to look: elements picked from given arrays, or points drawn from ranges."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from tapeless.errors import ArgumentError, ShapeError
from tapeless.ir.program import Input
from tapeless.runtime.operands import as_operand

Array = np.ndarray[Any, Any]

Range = tuple[float, float]

_NEAR: Final = 0.1
_FAR: Final = 100.0
_UNIFORM: Final = 3.0


def evenly(count: int, limit: int) -> list[int]:
    """Return at most `limit` of the numbers below `count`, evenly spread, the first and the last included."""
    if count <= limit:
        return list(range(count))
    if limit == 1:
        return [0]
    return sorted({round(k * (count - 1) / (limit - 1)) for k in range(limit)})


def whole(value: object, name: str, least: int | None = None) -> int:
    """Return an integer argument, or refuse it."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ArgumentError(f"{name} must be an integer, not {value!r}") from None
    if least is not None and number < least:
        raise ArgumentError(f"{name} must be at least {least}, not {number}")
    return number


def read_ranges(ranges: object, inputs: Sequence[Input]) -> dict[str, Range]:
    """Validate `ranges`: input -> (low, high), the lower end first."""
    if not isinstance(ranges, Mapping):
        raise ArgumentError(f'ranges must be a dict such as {{"x": (0, 1)}}, not {ranges!r}')
    names = [item.name for item in inputs]
    found = {}
    for name, given in ranges.items():
        if name not in names:
            raise ArgumentError(f"ranges names {name!r}; the inputs are {', '.join(names)}")
        if not isinstance(given, tuple | list) or not _is_range(given):
            raise ArgumentError(
                f"ranges[{name!r}] must be a pair (low, high), the lower end first, not {given!r}"
            )
        found[name] = (float(given[0]), float(given[1]))
    return found


def _is_range(given: Sequence[Any]) -> bool:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError, OverflowError):
        return False
    return low < high


def pick(
    name: str, inputs: Sequence[Input], primals: Sequence[Any], dtype: str, limit: int
) -> tuple[list[Array], int]:
    """Broadcast `primals` and pick points from them.

    Parameters
    ----------
    name
        Name of the function, for messages.
    inputs
        The inputs; their core dimensions come last in the arrays.
    primals
        One array for each.
    dtype
        What the function computes in.
    limit
        How many points at most.

    Returns
    -------
    arrays
        One per input, of shape `(points, *core)`.
    total
        The number of points before the choice.
    """
    if len(primals) != len(inputs):
        raise ArgumentError(f"{name} takes {len(inputs)} inputs, not {len(primals)}")
    given = [
        as_operand(primal, item.name, np.dtype(dtype))[0]
        for item, primal in zip(inputs, primals, strict=True)
    ]
    batches = []
    for item, array in zip(inputs, given, strict=True):
        split = array.ndim - len(item.shape)
        if split < 0 or array.shape[split:] != item.shape:
            raise ShapeError(f"the shape of {item.name} must end in {item.shape}; it is {array.shape}")
        batches.append(array.shape[:split])
    try:
        batch = np.broadcast_shapes(*batches)
    except ValueError:
        shapes = ", ".join(f"{item.name} {array.shape}" for item, array in zip(inputs, given, strict=True))
        raise ShapeError(f"inputs do not broadcast together: {shapes}") from None
    total = math.prod(batch)
    if not total:
        raise ArgumentError("there is nothing to check: the arrays are empty")
    index = np.unravel_index(evenly(total, limit), batch) if batch else ()
    found = []
    for item, array in zip(inputs, given, strict=True):
        full = np.broadcast_to(array, (*batch, *item.shape))
        found.append(np.array(full[index] if batch else full[np.newaxis], dtype))
    return found, total


def draw(
    inputs: Sequence[Input], ranges: Mapping[str, Range], dtype: str, seed: int
) -> Iterator[tuple[float, ...]]:
    """Draw points without end, the same for the same seed.

    Inputs with a finite range are drawn from it, evenly, or evenly in the logarithm where it spans decades of
    one sign. The others change between the neighbourhood of 1 and a few decades, of either sign or positive,
    all in the same manner, for many formulas exist for positive inputs alone.
    """
    source = random.Random(seed)
    round_off = np.float32 if dtype == "float32" else np.float64
    manner = 0
    while True:
        yield tuple(
            float(round_off(_scalar(source, ranges.get(item.name), manner)))
            for item in inputs
            for _ in range(item.size)
        )
        manner = (manner + 1) % 4


def _scalar(source: random.Random, given: Range | None, manner: int) -> float:
    low, high = given or (-math.inf, math.inf)
    if math.isfinite(low) and math.isfinite(high):
        if low > 0 and high > 100 * low and manner % 2:
            return _logarithmic(source, low, high)
        if high < 0 and low < 100 * high and manner % 2:
            return -_logarithmic(source, -high, -low)
        return source.uniform(low, high)
    if math.isfinite(low) or math.isfinite(high):
        away = _logarithmic(source, 1 / _FAR, _FAR) if manner % 2 else source.uniform(_NEAR, _UNIFORM)
        return low + away if math.isfinite(low) else high - away
    if manner == 0:
        return source.uniform(_NEAR, _UNIFORM)
    if manner == 1:
        return source.uniform(-_UNIFORM, _UNIFORM)
    size = _logarithmic(source, 1 / _FAR, _FAR)
    return size if manner == 2 or source.random() < 0.5 else -size


def _logarithmic(source: random.Random, low: float, high: float) -> float:
    return math.exp(source.uniform(math.log(low), math.log(high)))
