"""What a benchmark found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from tapeless.bench.machine import Machine
from tapeless.bench.measure import Timing
from tapeless.bench.stream import ARRAYS

OURS: Final = "tapeless"
"""Calls that make new arrays; what the others are divided by."""
REUSED: Final = "tapeless out="
"""Calls that write into given arrays."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one element takes.

    Attributes
    ----------
    kind
        The kind of function: `"forward"`, `"backward"`, `"value_and_grad"`, ...
    reads, writes
        Numbers read and written.
    bytes
        Their bytes.
    operations
        Arithmetic operations, as `op_counts` counts them.
    """

    kind: str
    reads: int
    writes: int
    bytes: int
    operations: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One way at one size.

    Attributes
    ----------
    what
        `"forward"`, `"backward"` or `"fused"`.
    size
        Elements.
    way
        `"tapeless"`, `"tapeless out="`, a peer, or a measure of bandwidth.
    timing
        Seconds of one call.
    difference
        For a peer the largest relative difference of its numbers from ours; else None.
    """

    what: str
    size: int
    way: str
    timing: Timing
    difference: float | None = None


@dataclass(frozen=True)
class Report:
    """The result of a benchmark.

    Attributes
    ----------
    name
        Name of the function.
    head
        The function with its inputs and outputs, `"line(w, x, b) -> out"`.
    formulas
        Output -> formula.
    dtype, threads
        How it was computed.
    sizes
        Elements, ascending.
    work
        `"forward"`, ... -> what an element takes; in the order of tables.
    peers
        Names of those that ran.
    cells
        All measurements.
    machine
        Where.
    versions
        Package -> version.
    notes
        What was left out and why.
    """

    name: str
    head: str
    formulas: Mapping[str, str]
    dtype: str
    threads: int
    sizes: tuple[int, ...]
    work: Mapping[str, Work]
    peers: tuple[str, ...]
    cells: tuple[Cell, ...]
    machine: Machine
    versions: Mapping[str, str]
    notes: tuple[str, ...]

    def cell(self, what: str, size: int, way: str) -> Cell | None:
        """Return a measurement, or None where there is none."""
        for cell in self.cells:
            if (cell.what, cell.size, cell.way) == (what, size, way):
                return cell
        return None

    def nanoseconds(self, what: str, size: int, way: str) -> float | None:
        """Return the median per element."""
        cell = self.cell(what, size, way)
        return None if cell is None else cell.timing.median / size * 1e9

    def ratio(self, what: str, size: int, way: str) -> float | None:
        """Return the median over that of tapeless: above 1, tapeless is faster."""
        theirs, ours = self.cell(what, size, way), self.cell(what, size, OURS)
        return None if theirs is None or ours is None else theirs.timing.median / ours.timing.median

    def bandwidth(self, what: str, size: int, way: str = OURS) -> float | None:
        """Return bytes read and written per second, by tapeless or a peer, or by a measure, which moves as many."""
        cell = self.cell(what, size, way)
        return None if cell is None else self.work[what].bytes * size / cell.timing.median

    def limit(self, what: str, size: int) -> float | None:
        """Return the bandwidth of the faster triad, timed by turns with the functions."""
        found = [self.bandwidth(what, size, way) for way in ARRAYS if way.startswith("triad")]
        return max((value for value in found if value is not None), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return everything as values that JSON knows; times in seconds for one call."""
        return {
            "name": self.name,
            "head": self.head,
            "formulas": dict(self.formulas),
            "dtype": self.dtype,
            "threads": self.threads,
            "sizes": list(self.sizes),
            "work": {what: asdict(work) for what, work in self.work.items()},
            "peers": list(self.peers),
            "machine": asdict(self.machine),
            "versions": dict(self.versions),
            "notes": list(self.notes),
            "cells": [
                {
                    "what": cell.what,
                    "size": cell.size,
                    "way": cell.way,
                    **cell.timing._asdict(),
                    "gigabytes_per_second": (self.bandwidth(cell.what, cell.size, cell.way) or 0.0) / 1e9,
                    "ratio": self.ratio(cell.what, cell.size, cell.way),
                    "difference": cell.difference,
                }
                for cell in self.cells
            ],
        }
