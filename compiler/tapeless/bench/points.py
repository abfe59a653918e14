"""What the functions are timed at: points of their domain, in arrays as a user has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.errors import ArgumentError, DerivativeError
from tapeless.testing.points import Range, draw

if TYPE_CHECKING:
    from tapeless.function import Function

Array = np.ndarray[Any, Any]

_NUMBERS: Final = 1 << 16
"""Numbers drawn; a larger batch takes the same points again, in random order."""
_FEWEST: Final = 16


@dataclass(frozen=True, slots=True)
class Points:
    """Points at which a function and its derivatives are finite.

    Attributes
    ----------
    inputs
        (name, shape) of each input, in order.
    table
        One row per point, one column per input scalar.
    share
        The part of the points drawn that is finite and was kept.
    seed
        The seed of the order in which a batch takes them.
    """

    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    table: Array
    share: float
    seed: int

    def batch(self, count: int) -> Batch:
        """Return arrays of so many points."""
        chosen = np.random.default_rng(self.seed).integers(0, len(self.table), count)
        lanes = tuple(self.table[chosen, k] for k in range(self.table.shape[1]))
        return Batch(self.primals(lanes), lanes)

    def primals(self, lanes: Sequence[Array]) -> tuple[Array, ...]:
        """Join one array per input scalar to one per input."""
        found, first = [], 0
        for _, shape in self.inputs:
            part = lanes[first : first + prod(shape)]
            found.append(np.stack(part, axis=1).reshape(-1, *shape) if shape else part[0])
            first += prod(shape)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Batch:
    """One array per input, and the same numbers as one array per input scalar.

    Attributes
    ----------
    primals
        Each of shape `(n, *core)`.
    lanes
        Each of shape `(n,)`. The array of a scalar input is the same object in both.
    """

    primals: tuple[Array, ...]
    lanes: tuple[Array, ...]


def find_points(function: Function, ranges: Mapping[str, Range], seed: int) -> Points:
    """Draw points and keep those at which the function and its derivatives are finite.

    Parameters
    ----------
    function
        The function; its own forward and backward say what is finite.
    ranges
        Input -> (low, high). The others are drawn as for a check: numbers of either sign around 1.
    seed
        Seed of the draw.

    Raises
    ------
    ArgumentError
        For a range of an input that is not there, and where hardly any point is finite.
    """
    program = function.program
    for name in ranges.keys() - set(function.input_names):
        raise ArgumentError(
            f"a range is given for {name!r}; the inputs of {function.name} are {', '.join(function.input_names)}"
        )
    count = max(64, min(4096, _NUMBERS // max(program.lanes, 1)))
    given = {**dict(function.options.assume), **ranges}
    table = np.array(list(islice(draw(program.inputs, given, function.dtype, seed), count)), function.dtype)
    inputs = tuple((item.name, item.shape) for item in program.inputs)
    everything = Points(inputs, table, 1.0, seed)
    finite = _finite(function, everything)
    if finite.sum() < _FEWEST:
        raise ArgumentError(
            f"{function.name} is finite at {int(finite.sum())} of {count} points drawn; say where to look with "
            f"--range {function.input_names[0]}=LOW:HIGH"
        )
    return Points(inputs, np.ascontiguousarray(table[finite]), float(finite.mean()), seed)


def _finite(function: Function, points: Points) -> Array:
    """Tell of each point whether all values there, and all derivatives in C, are finite."""
    columns = points.primals([np.ascontiguousarray(column) for column in points.table.T])
    with np.errstate(all="ignore"):
        parts = _flat(function.forward(*columns))
        with suppress(DerivativeError):
            parts += _flat(function.backward(tuple(1.0 for _ in function.output_names), *columns))
    finite: Array = np.ones(len(points.table), bool)
    for part in parts:
        finite &= np.isfinite(part.reshape(len(finite), -1)).all(axis=1)
    return finite


def _flat(results: Any) -> list[Array]:
    return [np.asarray(part) for part in (results if isinstance(results, tuple) else (results,))]


def cotangents_of(function: Function, count: int, seed: int) -> tuple[Array, ...]:
    """Return cotangents of the outputs, numbers from 0.5 to 1.5."""
    source = np.random.default_rng(seed + 1)
    return tuple(
        source.uniform(0.5, 1.5, (count, *output.shape)).astype(function.dtype)
        for output in function.program.outputs
    )


def lanes_of(arrays: Sequence[Array]) -> list[Array]:
    """Return one contiguous array per scalar; scalars stay what they are."""
    found: list[Array] = []
    for array in arrays:
        if array.ndim == 1:
            found.append(array)
        else:
            flat = array.reshape(len(array), -1)
            found += [np.ascontiguousarray(flat[:, k]) for k in range(flat.shape[1])]
    return found
