"""How long calls take, by turns, as a user makes them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.errors import DerivativeError
from tapeless.report.curves import Place

if TYPE_CHECKING:
    from tapeless.function import Function

SIZES: Final = (1, 100, 10_000, 1_000_000)
_ROUNDS: Final = 9
_SAMPLE: Final = 2e-3
"""Seconds that one sample takes at least."""
_MEMORY: Final = 1 << 29
"""Bytes of operands and results beyond which a size is left out."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Median times.

    Attributes
    ----------
    points
        Points per call.
    nanoseconds
        What is computed -> nanoseconds per point.
    """

    points: int
    nanoseconds: dict[str, float]


def throughput(function: Function, where: Place, sizes: Sequence[int] = SIZES) -> list[Throughput]:
    """Time forward, backward and both in one pass at several sizes, with new results each time."""
    lanes = len(where.names)
    found = []
    for points in sizes:
        if points * (2 * lanes + 2 * len(function.output_names)) * 8 > _MEMORY:
            continue
        operands = _operands(function, where, points)
        calls = _calls(function, operands)
        spent = _by_turns(calls)
        found.append(Throughput(points, {name: 1e9 * spent[name] / points for name in calls}))
    return found


def machine() -> str:
    """Return the name of the processor and the number of its cores that this process may use."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next(
                (line.partition(":")[2].strip() for line in file if line.startswith("model name")), name
            )
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{name}, {cores} core{'s' if cores > 1 else ''}"


def _operands(function: Function, where: Place, points: int) -> list[Any]:
    source = np.random.default_rng(0)
    low, high = np.array(where.ranges).T
    drawn = source.uniform(low, high, (points, len(low)))
    found, at = [], 0
    for shape in function.input_shapes:
        size = int(np.prod(shape, dtype=int))
        part = drawn[:, at : at + size].reshape(points, *shape)
        found.append(np.ascontiguousarray(part, function.dtype))
        at += size
    return found


def _calls(function: Function, operands: Sequence[Any]) -> dict[str, Callable[[], Any]]:
    count = len(function.output_names)
    cotangents = 1.0 if count == 1 else (1.0,) * count
    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: function(*operands),
        "backward": lambda: function.backward(cotangents, *operands),
        "both in one pass": lambda: function.forward_backward(cotangents, *operands),
    }
    found = {}
    for name, call in calls.items():
        try:
            call()
        except DerivativeError:
            continue
        found[name] = call
    return found


def _by_turns(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each call, from samples taken in turn."""
    numbers = {name: _repetitions(call) for name, call in calls.items()}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            samples[name].append(_timed(call, numbers[name]) / numbers[name])
    return {name: statistics.median(row) for name, row in samples.items()}


def _repetitions(call: Callable[[], Any]) -> int:
    number = 1
    while _timed(call, number) < _SAMPLE:
        number *= 2
    return number


def _timed(call: Callable[[], Any], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        call()
    return time.perf_counter() - start
