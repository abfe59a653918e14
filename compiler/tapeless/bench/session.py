"""One benchmark: a function, its peers and the bandwidth of memory, over sizes, timed by turns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.bench.compare import difference
from tapeless.bench.machine import free_memory, on_cores, this_machine, versions
from tapeless.bench.measure import Way, by_turns, clock_for
from tapeless.bench.peers.registry import KINDS, Peer, Prepared, Problem
from tapeless.bench.points import Batch, cotangents_of, find_points, lanes_of
from tapeless.bench.progress import Steps
from tapeless.bench.report import OURS, REUSED, Cell, Report, Work
from tapeless.bench.stream import Stream, load_stream
from tapeless.errors import ArgumentError, DerivativeError, UnsupportedError

if TYPE_CHECKING:
    from tapeless.function import Function

Array = np.ndarray[Any, Any]

SIZES: Final = (1, 100, 10_000, 1_000_000, 10_000_000)
SECONDS: Final = 20.0
LARGE: Final = 2000
"""Operations beyond which compilers of some peers take minutes."""

_COPIES: Final = 4
"""Arrays held per number of a batch: ours, those of peers that have their own, temporaries."""
_STREAMS: Final = 2
"""The same for the measures of bandwidth: three arrays of half as many bytes."""
_AGREE: Final = {"float64": 1e-7, "float32": 2e-2}
"""Larger relative differences are pointed out."""
_ALIGNMENT: Final = 64


@dataclass(frozen=True)
class Settings:
    """What to measure.

    Attributes
    ----------
    sizes
        Elements.
    threads
        How many threads each way may use.
    seconds
        For all timings together, roughly; getting peers ready comes on top.
    peers
        Those to time.
    patient
        Whether peers are timed for a long formula as well.
    absent
        Peers that would have been timed and are not installed.
    ranges
        Input -> (low, high) to draw from.
    seed
        Seed of the points.
    cc
        The C compiler; None to look for one.
    """

    sizes: Sequence[int] = SIZES
    threads: int = 1
    seconds: float = SECONDS
    peers: Sequence[Peer] = ()
    patient: bool = False
    absent: Sequence[Peer] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    seed: int = 0
    cc: str | None = None


def run(function: Function, settings: Settings) -> Report:
    """Time a function and its peers.

    Parameters
    ----------
    function
        The function, compiled for `settings.threads` threads.
    settings
        What to measure.

    Raises
    ------
    ArgumentError
        For ranges that do not fit, and where hardly any point is finite.
    """
    sizes = sorted(set(settings.sizes))
    with on_cores(settings.threads), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = find_points(function, settings.ranges, settings.seed)
        session = _Session(function, settings)
        if points.share < 0.5:
            session.notes.append(
                f"{1 - points.share:.0%} of the points drawn are not finite and were left out"
            )
        sizes = session.affordable(sizes)
        steps = len(settings.peers) + len(sizes) * len(session.work)
        with Steps(steps) as show:
            session.prepare(show)
            for size in sizes:
                batch = points.batch(size)
                for what in session.work:
                    show.now(f"{what}, n = {size:,}")
                    session.measure(what, batch, settings.seconds / (len(sizes) * len(session.work)))
                    show.done()
    return session.report(sizes)


class _Session:
    def __init__(self, function: Function, settings: Settings) -> None:
        self.function, self.settings = function, settings
        self.problem = Problem(function.program, function.wrt, function.dtype, settings.threads)
        self.notes: list[str] = []
        self.work = self._work()
        self.stream: Stream = load_stream(settings.cc, cache=function.options.cache)
        self.ready: dict[str, Prepared] = {}
        self.cells: list[Cell] = []
        self.refused: set[tuple[str, str]] = set()

    def _work(self) -> dict[str, Work]:
        """Count what an element takes, for each kind that C can compute."""
        found = {}
        itemsize = np.dtype(self.function.dtype).itemsize
        for what in KINDS:
            kind = self.problem.kind(what)
            try:
                operations = self.function.op_counts(kind)["total"]
            except DerivativeError as error:
                self.notes.append(f"{what} is left out: {str(error).partition('. ')[0]}")
                continue
            program = self.problem.derived(what)
            reads = sum(program.graph.ops[node] == "input" for node in program.graph.reachable(program.roots))
            writes = len(program.roots)
            found[what] = Work(kind, reads, writes, (reads + writes) * itemsize, operations)
        return found

    def affordable(self, sizes: Sequence[int]) -> list[int]:
        """Return the sizes for which there is memory."""
        free = free_memory()
        if free is None:
            return list(sizes)
        numbers = max(work.reads + work.writes for work in self.work.values()) * (_COPIES + _STREAMS)
        each = numbers * np.dtype(self.function.dtype).itemsize
        kept = [size for size in sizes if size * each < 0.8 * free]
        for size in sizes:
            if size not in kept:
                self.notes.append(
                    f"n = {size:,} is left out: it takes about {size * each / 1e9:.1f} GB, and "
                    f"{free / 1e9:.1f} GB are free"
                )
        if not kept:
            raise ArgumentError(f"there is no memory for any of the sizes: {'; '.join(self.notes)}")
        return kept

    def prepare(self, show: Steps) -> None:
        """Import the peers and let them take the formula in."""
        longest = max(work.operations for work in self.work.values())
        if longest > LARGE and self.settings.peers and not self.settings.patient:
            self.notes.append(
                f"peers are left out, for {longest:,} operations take some of them very long to compile; "
                "--peers with names times them all the same"
            )
            return
        for peer in self.settings.peers:
            show.now(f"getting {peer.name} ready")
            try:
                self.ready[peer.name] = peer.prepare(self.problem)
            except Exception as error:
                self.notes.append(_refusal(peer.name, error))
            show.done()
        if self.settings.absent:
            self.notes.append(f"not installed: {', '.join(peer.name for peer in self.settings.absent)}")

    def measure(self, what: str, batch: Batch, seconds: float) -> None:
        """Time all ways of one kind at one size."""
        size = len(batch.lanes[0])
        cotangents = cotangents_of(self.function, size, self.settings.seed)
        given = cotangents if self.problem.takes_cotangents(what) else ()
        ways, expected = ours(self.function, self.problem, what, batch, given)
        differences: dict[str, float | None] = {}
        for name, prepared in self.ready.items():
            if (name, what) in self.refused:
                continue
            try:
                call = prepared.bind(what, batch.lanes, lanes_of(given))
                differences[name] = difference(call(), expected)
                ways[name] = Way(call)
            except Exception as error:
                self.refused.add((name, what))
                self._note(_refusal(f"{name}, {what}", error))
        ways |= self.stream.ways(size * self.work[what].bytes, self.settings.threads)
        clock = clock_for(self.settings.threads)
        for name, timing in by_turns(ways, seconds=seconds, clock=clock).items():
            self.cells.append(Cell(what, size, name, timing, differences.get(name)))

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def report(self, sizes: Sequence[int]) -> Report:
        """Return everything that was found."""
        self._point_out_differences()
        names = [name for name in self.ready if any(cell.way == name for cell in self.cells)]
        packages = {package for peer in self.settings.peers for package in peer.packages}
        function = self.function
        return Report(
            name=function.name,
            head=f"{function.name}({', '.join(function.input_names)}) -> {', '.join(function.output_names)}",
            formulas={name: str(formula) for name, formula in self.function.formulas.items()},
            dtype=self.function.dtype,
            threads=self.settings.threads,
            sizes=tuple(sizes),
            work=self.work,
            peers=tuple(names),
            cells=tuple(self.cells),
            machine=this_machine(),
            versions=versions(sorted(packages | {"numpy", "tapeless"})),
            notes=tuple(self.notes),
        )

    def _point_out_differences(self) -> None:
        worst: dict[str, float] = {}
        for cell in self.cells:
            if cell.difference is not None:
                worst[cell.way] = max(worst.get(cell.way, 0.0), cell.difference)
        for name, value in worst.items():
            if not value <= _AGREE[self.function.dtype]:
                self.notes.append(f"the numbers of {name} differ from ours, relatively by up to {value:.1e}")


def ours(
    function: Function, problem: Problem, what: str, batch: Batch, cotangents: tuple[Array, ...]
) -> tuple[dict[str, Way], list[Array]]:
    """Return calls that make new arrays and calls that write into given ones, and what they compute.

    Parameters
    ----------
    function
        The function.
    problem
        What is timed.
    what
        One of `KINDS`.
    batch
        The points.
    cotangents
        One per output where they are taken; else none.

    Returns
    -------
    ways
        Both calls by name, each called once.
    results
        One array per scalar, as peers give them.
    """
    method = getattr(function, problem.kind(what))
    arguments = (cotangents, *batch.primals) if problem.takes_cotangents(what) else batch.primals
    out = _map(_aligned_like, method(*arguments))
    results = _flatten(method(*arguments, out=out))
    ways = {
        OURS: Way(lambda: method(*arguments)),
        REUSED: Way(lambda: method(*arguments, out=out)),
    }
    return ways, lanes_of(results)


def _refusal(what: str, error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:200]
    return (
        f"{what}: {text}"
        if isinstance(error, UnsupportedError)
        else f"{what}: {type(error).__name__}: {text}"
    )


def _map(make: Callable[[Array], Array], results: Any) -> Any:
    """Apply to every array of nested tuples."""
    if isinstance(results, tuple):
        return tuple(_map(make, part) for part in results)
    return make(results)


def _flatten(results: Any) -> list[Array]:
    if isinstance(results, tuple):
        return [array for part in results for array in _flatten(part)]
    return [results]


def _aligned_like(array: Array) -> Array:
    """Return an array of the same kind, touched, at a multiple of 64 bytes."""
    raw = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    raw.fill(0)
    start = -raw.ctypes.data % _ALIGNMENT
    aligned: Array = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    return aligned


__all__ = ["LARGE", "SECONDS", "SIZES", "Settings", "ours", "run"]
