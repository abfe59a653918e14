"""Large angles with what their rounding left out: for the second loop, where sines take the library's time anyway.

A sine forgets its angle but for the rest of its turns: where x*t is 1e18, its last place is worth 20 turns, and the
sine of the rounded product has nothing to do with that of the product. So the second loop carries beside an angle
what the operations that lead to it rounded away, and its sine is that of both together. The first loop does
without, and leaves an angle with a rest to the second from 2**17 quarter turns on, where a rounding is 1.5e-11. A
point's values are the same whichever loop computes its neighbours.

Sources: Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B, for sums; the rests of products and
quotients by fused multiply-adds: Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., sections 4.4 and 4.7.
"""

from __future__ import annotations

from dataclasses import replace
from math import frexp
from typing import Final, NamedTuple

from tapeless.targets.c.kernel import Kernel, Literal, Statement, Value
from tapeless.targets.c.vector_math import ANGLES

_CARRIED: Final = frozenset(("add", "sub", "mul", "div", "neg"))
"""Operations whose rounding is known exactly."""


class Rested(NamedTuple):
    """The kernel of the second loop.

    Attributes
    ----------
    kernel
        Its sines and cosines get the rest of their angle as second argument, where it has one.
    angles
        The operands, of the kernel it was made from, that are angles with a rest.
    """

    kernel: Kernel
    angles: frozenset[Value]


def with_rests(kernel: Kernel) -> Rested:
    """Return the kernel of the second loop. An angle that no operation rounded has no rest."""
    angles = [s.args[0] for s in kernel.statements if s.op in ANGLES]
    return _Carrier(kernel, _behind(kernel, angles)).run()


def _behind(kernel: Kernel, angles: list[Value]) -> set[int]:
    """Return the places of the operations that lead to angles and whose rests count."""
    found: set[int] = set()
    stack = [angle for angle in angles if type(angle) is int]
    while stack:
        place = stack.pop()
        statement = kernel.statements[place]
        if place not in found and statement.op in _CARRIED:
            found.add(place)
            stack += [arg for arg in statement.args if type(arg) is int]
    return found


class _Carrier:
    def __init__(self, kernel: Kernel, behind: set[int]) -> None:
        self.kernel = kernel
        self.behind = behind
        self.index: dict[Statement, int] = {}
        self.new: list[int] = []
        self.rests: dict[Value, Value] = {}

    def run(self) -> Rested:
        angles = set()
        for place, statement in enumerate(self.kernel.statements):
            op, args = statement.op, statement.args
            if op == "load":
                self.new.append(self.index.setdefault(statement, len(self.index)))
                continue
            moved = [self._moved(arg) for arg in args]
            if op in ANGLES and (rest := self._rest(args[0])) is not None:
                self.new.append(self._emit(f"{op}_beside", moved[0], rest))
                angles.add(args[0])
                continue
            self.new.append(self._emit(op, *moved))
            if place in self.behind:
                rest = self._left_out(op, moved, self.new[place], [self._rest(arg) for arg in args])
                if rest is not None:
                    self.rests[place] = rest
        stores = tuple([self._moved(value) for value in self.kernel.stores])
        return Rested(replace(self.kernel, statements=tuple(self.index), stores=stores), frozenset(angles))

    def _moved(self, value: Value) -> Value:
        return self.new[value] if type(value) is int else value

    def _rest(self, value: Value) -> Value | None:
        if isinstance(value, Literal):
            return Literal(value.rest) if value.rest else None
        return self.rests.get(value)

    def _emit(self, op: str, *args: Value) -> int:
        return self.index.setdefault(Statement(op, args), len(self.index))

    def _left_out(self, op: str, args: list[Value], y: int, rests: list[Value | None]) -> Value | None:
        """Return what to add to `y` so that it is the result of the exact operation on the exact operands."""
        a, first = args[0], rests[0]
        if op == "neg":
            return None if first is None else self._emit("neg", first)
        b, second = args[1], rests[1]
        if op in ("add", "sub"):
            back = self._emit("sub", y, a)
            rounded = self._emit(
                op, self._emit("sub", a, self._emit("sub", y, back)),
                self._emit("sub" if op == "add" else "add", b, back),
            )  # fmt: skip
            total = rounded if first is None else self._emit("add", rounded, first)
            return total if second is None else self._emit(op, total, second)
        if op == "mul":
            parts: list[Value] = []
            if not (_is_power_of_two(a) or _is_power_of_two(b)):
                parts.append(self._emit("fma", a, b, self._emit("neg", y)))
            if first is not None:
                parts.append(self._emit("mul", first, b))
            if second is not None:
                parts.append(self._emit("mul", a, second))
            return self._total(parts)
        parts = [] if _is_power_of_two(b) else [self._emit("fma", self._emit("neg", y), b, a)]
        if first is not None:
            parts.append(first)
        if second is not None:
            parts.append(self._emit("neg", self._emit("mul", y, second)))
        above = self._total(parts)
        return None if above is None else self._emit("div", above, b)

    def _total(self, parts: list[Value]) -> Value | None:
        if not parts:
            return None
        total = parts[0]
        for part in parts[1:]:
            total = self._emit("add", total, part)
        return total


def _is_power_of_two(value: Value) -> bool:
    return isinstance(value, Literal) and not value.rest and abs(frexp(value.value)[0]) == 0.5
