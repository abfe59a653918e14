"""Timing several ways of one computation by turns, so that a disturbance of the machine hits all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, Final, NamedTuple

FEWEST: Final = 3
"""Turns at least; a way so slow that these would take all the time there is has a single sample."""

_MOST: Final = 1000
_LEAST: Final = 2e-3
"""Seconds that a sample takes at least: the clock resolves some 50 ns."""


class Way(NamedTuple):
    """Something to time.

    Attributes
    ----------
    call
        Does the work.
    repeats
        How many times the work is done in one call.
    """

    call: Callable[[], Any]
    repeats: int = 1


class Timing(NamedTuple):
    """Seconds for the work once.

    Attributes
    ----------
    median
        The middle of the samples.
    low, high
        The quartiles: half of the samples lie between.
    best
        The shortest.
    p90
        Nine of ten samples were shorter.
    samples
        Their number.
    """

    median: float
    low: float
    high: float
    best: float
    p90: float
    samples: int

    @classmethod
    def of(cls, samples: Sequence[float]) -> Timing:
        """Summarise samples."""
        ordered = sorted(samples)
        last = len(ordered) - 1
        return cls(
            median=median(ordered),
            low=ordered[last // 4],
            high=ordered[last - last // 4],
            best=ordered[0],
            p90=ordered[round(0.9 * last)],
            samples=len(ordered),
        )


def by_turns(
    ways: Mapping[str, Way],
    *,
    seconds: float,
    fewest: int = FEWEST,
    most: int = _MOST,
    tick: Callable[[], None] | None = None,
    clock: Callable[[], float] | None = None,
) -> dict[str, Timing]:
    """Time ways by turns.

    In a round each way has one turn: a call that is not timed, after which its data is in cache as far as it
    fits, then as many calls as take two milliseconds. Rounds begin with another way each time. A slow way stops
    when it has had its part of the time; the garbage collector is off.

    Parameters
    ----------
    ways
        By name. Each has been called before: what the first call prepares is not to be timed.
    seconds
        For all together, roughly.
    fewest
        Turns at least. A way so slow that these would take all the time is called once, its only sample.
    most
        Turns at most.
    tick
        Called between turns, to show progress.
    clock
        What a sample is measured by, `time.perf_counter` where None; `clock_for` has a better one for a single
        thread.

    Returns
    -------
    dict
        Name -> Timing.
    """
    clock = clock or time.perf_counter
    with _collector_off():
        counts, spent = {}, {}
        samples: dict[str, list[float]] = {}
        for name, way in ways.items():
            first, counts[name] = _calibrate(way.call, seconds / (2 * fewest), clock)
            samples[name], spent[name] = [], 0.0
            if not counts[name]:
                samples[name].append(first / way.repeats)
        share = seconds / max(len(ways), 1)
        running = [name for name in ways if counts[name]]
        turn = 0
        started = time.perf_counter()
        while running:
            start = turn % len(running)
            for name in (*running[start:], *running[:start]):
                began = time.perf_counter()
                way, count = ways[name], counts[name]
                way.call()
                samples[name].append(_time(way.call, count, clock) / (count * way.repeats))
                spent[name] += time.perf_counter() - began
                if tick is not None:
                    tick()
            turn += 1
            if turn >= fewest:
                # Time that slow ways do not use is the others': they go on together until it has passed.
                running = [name for name in running if spent[name] < 2 * share]
                if turn >= most or time.perf_counter() - started >= seconds:
                    break
    return {name: Timing.of(found) for name, found in samples.items()}


def clock_for(threads: int) -> Callable[[], float]:
    """Return the clock for so many threads.

    For one it is the processor time of the process: what it spends while it runs, and not while another process has
    the core. A process kept to one core that waits for nothing else spends just that. Several threads would add up
    theirs, so for them it is the time on the wall.
    """
    return time.process_time if threads == 1 else time.perf_counter


def _time(call: Callable[[], Any], count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return clock() - start


def _calibrate(call: Callable[[], Any], patience: float, clock: Callable[[], float]) -> tuple[float, int]:
    """Return the seconds of one call, and how many make a sample; 0 where one takes longer than the patience."""
    spent = _time(call, 1, clock)
    if spent > patience:
        return spent, 0
    count = 1
    # A call that waits takes no processor time, and is not to be repeated for ever.
    end = time.perf_counter() + patience
    while spent < _LEAST and time.perf_counter() < end:
        count = min(max(2 * count, int(1.2 * count * _LEAST / max(spent, 1e-9))), 100 * count)
        spent = _time(call, count, clock)
    return spent / count, max(1, min(count, round(count * _LEAST / max(spent, 1e-9))))


@contextmanager
def _collector_off() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
