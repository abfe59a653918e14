"""Statements -> lines of C: values used once are written where they are used, as long as a line stays short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tapeless.ir.special import NAMES
from tapeless.targets.c.kernel import Kernel, Literal, Statement, Value
from tapeless.targets.c.parts import Part, Partition
from tapeless.targets.c.spelling import BINARY, CALLS, HELPERS, TRUTHS, call, number
from tapeless.targets.c.vector_math import ANGLES, BESIDE, OWN

_WIDTH: Final = 68
"""An expression longer than this gets a name of its own."""
_ATOM: Final = 20
_CALL: Final = 16
_UNARY: Final = 14
_CHOICE: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """`const <type> <name> = <text>;`"""

    name: str
    text: str
    truth: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """The parts of a kernel's function as C text.

    Attributes
    ----------
    constants
        Named constants with their meaning: (name, number, meaning).
    loads
        (name, lane) of each input scalar that is used.
    reads
        Values from the workspace, as `Line`s whose text is the slot's number.
    lines
        Temporaries in order.
    writes
        (slot of the workspace, expression).
    stores
        (output lane, expression).
    calls
        The primitives whose C function or helper occurs.
    angles
        (name or number, operand) of each angle of which a sine or cosine is taken.
    """

    constants: tuple[tuple[str, str, str], ...]
    loads: tuple[tuple[str, int], ...]
    reads: tuple[Line, ...]
    lines: tuple[Line, ...]
    writes: tuple[tuple[int, str], ...]
    stores: tuple[tuple[int, str], ...]
    calls: frozenset[str]
    angles: tuple[tuple[str, Value], ...] = ()


def bodies(kernel: Kernel, cut: Partition) -> list[Body]:
    """Write the parts of a kernel as C expressions."""
    uses = _uses(kernel)
    return [_Writer(kernel, part, uses).write() for part in cut.parts]


class _Writer:
    def __init__(self, kernel: Kernel, part: Part, uses: list[int]) -> None:
        self.kernel = kernel
        self.part = part
        self.uses = uses
        self.kept = {place for place, _ in part.writes}
        self.texts: dict[int, tuple[str, int]] = {}
        self.loads: dict[str, int] = {}
        self.lines: list[Line] = []
        self.constants: dict[Literal, str] = {}
        self.temporaries = {"t": 0, "c": 0}
        self.angles: dict[str, Value] = {}

    def write(self) -> Body:
        statements, part = self.kernel.statements, self.part
        reads = []
        for place, slot in part.reads:
            name = f"u{slot}"
            self.texts[place] = (name, _ATOM)
            reads.append(Line(name, str(slot), statements[place].op in TRUTHS))
        here = range(part.start, part.stop)
        for place in here:
            statement = statements[place]
            if self.uses[place] and statement.op != "load":
                self.texts[place] = self._place(place, statement)
        writes = tuple((slot, self._operand(place, 0)) for place, slot in part.writes)
        stores = tuple((lane, self._operand(self.kernel.stores[lane], 0)) for lane in part.stores)
        dtype = self.kernel.dtype
        return Body(
            constants=tuple((name, number(c.value, dtype), c.meaning) for c, name in self.constants.items()),
            loads=tuple(sorted(self.loads.items(), key=lambda item: item[1])),
            reads=tuple(reads),
            lines=tuple(self.lines),
            writes=writes,
            stores=stores,
            calls=frozenset(statements[p].op for p in here if self.uses[p]) & _NAMED,
            angles=tuple(self.angles.items()),
        )

    def _place(self, place: int, statement: Statement) -> tuple[str, int]:
        """Write a statement; give it a name unless its only user can hold it."""
        text, level = self._expression(statement)
        truth = statement.op in TRUTHS
        alone = self.uses[place] == 1 and place not in self.kept
        if alone and len(text) <= _WIDTH // 2 and statement.op != "select":
            return text, level
        letter = "c" if truth else "t"
        name = f"{letter}{self.temporaries[letter]}"
        self.temporaries[letter] += 1
        self.lines.append(Line(name, text, truth))
        return name, _ATOM

    def _operand(self, value: Value, level: int) -> str:
        if isinstance(value, Literal):
            text, own = self._literal(value)
        else:
            text, own = self._text(value)
        return text if own >= level else f"({text})"

    def _text(self, place: int) -> tuple[str, int]:
        statement = self.kernel.statements[place]
        if statement.op == "load":
            lane = statement.args[0]
            assert isinstance(lane, int)
            self.loads[f"v{lane}"] = lane
            return f"v{lane}", _ATOM
        return self.texts[place]

    def _literal(self, literal: Literal) -> tuple[str, int]:
        if literal.meaning:
            name = self.constants.setdefault(literal, f"k{len(self.constants)}")
            return name, _ATOM
        return number(literal.value, self.kernel.dtype), _ATOM if literal.value >= 0 else _UNARY

    def _atom(self, value: Value) -> str:
        """Write an operand as a name or number: arms of a choice must be computed before it."""
        if isinstance(value, Literal) or self._text(value)[1] == _ATOM:
            return self._operand(value, _UNARY)
        text, _ = self.texts[value]
        name = f"t{self.temporaries['t']}"
        self.temporaries["t"] += 1
        self.lines.append(Line(name, text))
        self.texts[value] = (name, _ATOM)
        return name

    def _expression(self, statement: Statement) -> tuple[str, int]:
        op, args = statement.op, statement.args
        if op in BINARY:
            symbol, level = BINARY[op]
            if op in ("and", "or"):  # compilers warn of comparisons beside & and |, and readers stumble
                return f"{self._operand(args[0], _CALL)} {symbol} {self._operand(args[1], _CALL)}", level
            tight = "" if op in ("mul", "div") else " "
            left, right = self._operand(args[0], level), self._operand(args[1], level + 1)
            return f"{left}{tight}{symbol}{tight}{right}", level
        if op == "neg":
            return f"-{self._operand(args[0], _CALL)}", _UNARY
        if op == "not":
            return f"!{self._operand(args[0], _CALL)}", _UNARY
        if op == "select":
            condition = self._operand(args[0], _CALL)
            return f"{condition} ? {self._atom(args[1])} : {self._atom(args[2])}", _CHOICE
        if op in ANGLES:
            self.angles[self._atom(args[0])] = args[0]
        written = ", ".join(self._operand(arg, 0) for arg in args)
        return f"{call(op, self.kernel.dtype)}({written})", _CALL


_NAMED: Final = frozenset(CALLS) | frozenset(HELPERS) | OWN | BESIDE | NAMES


def _uses(kernel: Kernel) -> list[int]:
    """Count how often each statement's result is used, by statements that are used themselves or by stores."""
    uses = [0] * len(kernel.statements)
    for value in kernel.stores:
        if isinstance(value, int):
            uses[value] += 1
    for place in range(len(kernel.statements) - 1, -1, -1):
        statement = kernel.statements[place]
        if uses[place] and statement.op != "load":
            for arg in statement.args:
                if isinstance(arg, int):
                    uses[arg] += 1
    return uses
