"""Names of a derivative: fresh ones for what is new, and the scalars that names of inputs stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tapeless.ir.program import Program


class Names:
    """Hands out names that are not taken, by appending underscores."""

    __slots__ = ("_taken",)

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def fresh(self, name: str) -> str:
        """Return `name`, lengthened until it is new, and take it."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def lanes_of(program: Program, wrt: Sequence[str] | None) -> list[int]:
    """Return the input scalars of the inputs named, in that order; those of all primals when None."""
    first = {item.name: (lane, item.size) for item, lane in zip(program.inputs, program.offsets, strict=True)}
    wanted = program.input_names() if wrt is None else wrt
    return [lane + k for lane, size in (first[name] for name in wanted) for k in range(size)]
