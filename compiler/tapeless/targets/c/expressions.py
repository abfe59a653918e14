"""Statements -> lines of C: values used once are written where they are used, as long as a line stays short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tapeless.targets.c.kernel import Kernel, Literal, Statement, Value
from tapeless.targets.c.spelling import BINARY, CALLS, HELPERS, TRUTHS, call, number

_WIDTH: Final = 68
"""An expression longer than this gets a name of its own."""
_ATOM: Final = 20
_CALL: Final = 16
_UNARY: Final = 14
_CHOICE: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """`const <type> <name> = <text>;`, or a store where `name` is an output lane."""

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
    lines
        Temporaries in order.
    stores
        The expression each output lane receives.
    calls
        The primitives whose C function or helper occurs.
    """

    constants: tuple[tuple[str, str, str], ...]
    loads: tuple[tuple[str, int], ...]
    lines: tuple[Line, ...]
    stores: tuple[str, ...]
    calls: frozenset[str]


def body(kernel: Kernel) -> Body:
    """Write the statements of a kernel as C expressions."""
    return _Writer(kernel).write()


class _Writer:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.uses = _uses(kernel)
        self.texts: dict[int, tuple[str, int]] = {}
        self.lines: list[Line] = []
        self.constants: dict[Literal, str] = {}
        self.temporaries = {"t": 0, "c": 0}

    def write(self) -> Body:
        loads = []
        for place, statement in enumerate(self.kernel.statements):
            if not self.uses[place]:
                continue
            if statement.op == "load":
                lane = statement.args[0]
                assert isinstance(lane, int)
                self.texts[place] = (f"v{lane}", _ATOM)
                loads.append((f"v{lane}", lane))
                continue
            self.texts[place] = self._place(place, statement)
        stores = tuple(self._operand(value, 0) for value in self.kernel.stores)
        dtype = self.kernel.dtype
        constants = tuple((name, number(c.value, dtype), c.meaning) for c, name in self.constants.items())
        used = frozenset(s.op for p, s in enumerate(self.kernel.statements) if self.uses[p])
        return Body(
            constants, tuple(sorted(loads, key=lambda x: x[1])), tuple(self.lines), stores, used & _NAMED
        )

    def _place(self, place: int, statement: Statement) -> tuple[str, int]:
        """Write a statement; give it a name unless its only user can hold it."""
        text, level = self._expression(statement)
        truth = statement.op in TRUTHS
        if self.uses[place] == 1 and len(text) <= _WIDTH // 2 and statement.op != "select":
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
            text, own = self.texts[value]
        return text if own >= level else f"({text})"

    def _literal(self, literal: Literal) -> tuple[str, int]:
        if literal.meaning:
            name = self.constants.setdefault(literal, f"k{len(self.constants)}")
            return name, _ATOM
        return number(literal.value, self.kernel.dtype), _ATOM if literal.value >= 0 else _UNARY

    def _atom(self, value: Value) -> str:
        """Write an operand as a name or number: arms of a choice must be computed before it."""
        if isinstance(value, Literal) or self.texts[value][1] == _ATOM:
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
        written = ", ".join(self._operand(arg, 0) for arg in args)
        return f"{call(op, self.kernel.dtype)}({written})", _CALL


_NAMED: Final = frozenset(CALLS) | frozenset(HELPERS)


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
