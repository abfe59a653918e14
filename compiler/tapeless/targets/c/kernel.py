"""Kernel: what one C function computes, as ordered statements in static single assignment form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A number as an operand, already rounded to the kernel's dtype.

    Attributes
    ----------
    value
        The number.
    meaning
        The mathematics it stands for, "" for a number that explains itself.
    rest
        What its rounding left out, where an angle may want it.
    """

    value: float
    meaning: str = ""
    rest: float = 0.0


Value = int | Literal
"""An operand: the place of the statement that made it, or a literal."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One operation. Its result is known by its place in the kernel.

    Attributes
    ----------
    op
        `"load"` (of lane `args[0]`), an arithmetic operation, a comparison, `and`, `or`, `not`, `select`, `max`
        and `min` of two, or the name of a primitive that is a call.
    args
        Operands, earlier statements or literals.
    """

    op: str
    args: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Param:
    """A pointer parameter: one input or output scalar over the batch, by its name in the formula."""

    name: str
    element: int | None = None


@dataclass(frozen=True, slots=True)
class Kernel:
    """One C function.

    Attributes
    ----------
    kind
        What it computes: `"forward"`, `"backward"`, ...
    dtype
        `"float64"` or `"float32"`.
    ins, outs
        Parameters, one per lane.
    statements
        In order of execution.
    stores
        What each lane of the output receives.
    notes
        The mathematics of each lane of the output in generated names, "" where it is too long to read.
    """

    kind: str
    dtype: str
    ins: tuple[Param, ...]
    outs: tuple[Param, ...]
    statements: tuple[Statement, ...]
    stores: tuple[Value, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """C text.

    Attributes
    ----------
    name
        The C name that stands for the function: its own where that is a plain identifier.
    text, header
        The C file and its header.
    symbols
        Kind of kernel -> C name of its natural function; the same with `_lanes` appended takes tables.
    units
        In how many shares the text can be compiled, each with `TAPELESS_UNIT` defined as its number from 0.
        Without that macro the text is one translation unit as it stands.
    """

    name: str
    text: str
    header: str
    symbols: tuple[tuple[str, str], ...]
    units: int = 1
