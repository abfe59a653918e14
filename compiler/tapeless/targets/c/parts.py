"""Cutting a long kernel into parts that a compiler can digest, with a workspace for what passes between them.

Compilers take more than linear time for one long straight-line function. Cut into parts of a few hundred
statements, each a function of its own, a kernel takes linear time at no loss of speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tapeless.targets.c.kernel import Kernel

WHOLE: Final = 600
"""Kernels of up to this many statements and stores stay in one piece, a loop that compilers can vectorise."""
SIZE: Final = 150
"""Statements of a part."""
TILE: Final = 32
"""Points that a part computes in one loop, which compilers can vectorise; a slot of the workspace holds a row of
so many numbers."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of statements.

    Attributes
    ----------
    start, stop
        The statements, as in `range`.
    reads
        (statement, slot of the workspace) of the values made by earlier parts.
    writes
        (statement, slot) of the values that later parts need.
    stores
        Output lanes that this part fills.
    """

    start: int
    stop: int
    reads: tuple[tuple[int, int], ...]
    writes: tuple[tuple[int, int], ...]
    stores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Partition:
    """The parts of a kernel in order, and the slots of their workspace; one part without slots is the whole."""

    parts: tuple[Part, ...]
    slots: int


def partition(kernel: Kernel, whole: int = WHOLE, size: int = SIZE) -> Partition:
    """Cut a kernel into parts of about `size` statements, unless it has at most `whole`.

    Inputs are loaded in every part that uses them. A slot is used again once its value has been read for the
    last time (linear scan: Poletto and Sarkar, ACM TOPLAS 21, 1999).
    """
    statements, stores = kernel.statements, kernel.stores
    lanes = range(len(stores))
    if len(statements) + len(stores) <= whole:
        return Partition((Part(0, len(statements), (), (), tuple(lanes)),), 0)

    starts = _starts(kernel, size)
    stops = [*starts[1:], len(statements)]
    home = [0] * len(statements)
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        home[start:stop] = [number] * (stop - start)

    needed: list[dict[int, None]] = [{} for _ in starts]  # part -> statements of earlier parts, in order
    last: dict[int, int] = {}
    for place, statement in enumerate(statements):
        if statement.op != "load":
            for arg in statement.args:
                if isinstance(arg, int) and statements[arg].op != "load" and home[arg] != home[place]:
                    needed[home[place]][arg] = None
                    last[arg] = home[place]

    filled: list[list[int]] = [[] for _ in starts]
    plain: list[int] = []  # outputs that are inputs or constants
    for lane in lanes:
        value = stores[lane]
        if isinstance(value, int) and statements[value].op != "load":
            filled[home[value]].append(lane)
        else:
            plain.append(lane)

    slot: dict[int, int] = {}
    free: list[int] = []
    slots = 0
    parts = []
    crossing = [
        [place for place in range(start, stop) if place in last]
        for start, stop in zip(starts, stops, strict=True)
    ]
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        reads = tuple((place, slot[place]) for place in needed[number])
        # A part reads all it needs before it writes, so what it read for the last time makes room at once.
        free.extend(slot[place] for place in needed[number] if last[place] == number)
        for place in crossing[number]:
            if free:
                slot[place] = free.pop()
            else:
                slot[place] = slots
                slots += 1
        writes = tuple((place, slot[place]) for place in crossing[number])
        parts.append(Part(start, stop, reads, writes, tuple(filled[number])))
    end = len(statements)
    parts += [Part(end, end, (), (), tuple(plain[k : k + size])) for k in range(0, len(plain), size)]
    return Partition(tuple(parts), slots)


def _starts(kernel: Kernel, size: int) -> list[int]:
    """Return where each part starts; loads do not count."""
    starts, count = [0], 0
    for place, statement in enumerate(kernel.statements):
        if statement.op == "load":
            continue
        if count == size:
            starts.append(place)
            count = 0
        count += 1
    return starts
