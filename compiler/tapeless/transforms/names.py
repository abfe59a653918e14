"""Fresh names for the inputs and outputs of a derivative."""

from __future__ import annotations

from collections.abc import Iterable


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
