"""The equations of a function: its outputs, and the derivative of each by each input; as MathML and as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, islice, product
from typing import TYPE_CHECKING, Any, Final

import sympy

from tapeless.errors import DerivativeError
from tapeless.kinds import derive
from tapeless.report import mathml
from tapeless.report.lets import named_parts
from tapeless.report.markup import Markup
from tapeless.targets.formulas import symbols_of

if TYPE_CHECKING:
    from tapeless.ir.program import Program
    from tapeless.transforms.ranges import Assumed

MOST_ENTRIES: Final = 40
"""Derivatives that are written out."""
MOST_PARTS: Final = 24
MOST_OPERATIONS: Final = 800
"""Parts with names, and operations and names in all lines together, that are written out."""
_PLAIN: Final = re.compile(r"[^\W\d]\w*(\[[\d, ]+\])?")
_symbol: Final[Any] = sympy.Symbol  # which has no annotations


@dataclass(frozen=True, slots=True)
class Equation:
    """One line: what stands left and right of the sign, in both notations."""

    left: Markup
    right: Markup
    left_latex: str
    right_latex: str

    @property
    def markup(self) -> Markup:
        """The line in MathML."""
        return mathml.math(mathml.equation(self.left, self.right), block=True)

    @property
    def latex(self) -> str:
        """The line in LaTeX, for an aligned block."""
        return f"{self.left_latex} &= {self.right_latex}"


@dataclass(frozen=True, slots=True)
class Equations:
    """Some lines, with names for parts that they share.

    Attributes
    ----------
    lines
        What was asked for; empty where it is too much to read.
    parts
        The parts, each before its use.
    note
        Why there are no lines, or "".
    """

    lines: tuple[Equation, ...]
    parts: tuple[Equation, ...] = ()
    note: str = ""

    @property
    def latex(self) -> str:
        """All lines, parts first, as an aligned block."""
        rows = [line.latex for line in (*self.parts, *self.lines)]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}" if rows else ""


def values(program: Program) -> Equations:
    """Return the equations of the outputs."""
    scalars = _output_scalars(program)
    if len(scalars) > MOST_ENTRIES:
        return Equations((), note=f"{len(scalars)} outputs, too many to write out")
    lefts = [(mathml.name(text), latex_name(text)) for text in scalars]
    if len(scalars) == 1 and not program.outputs[0].shape:
        lefts = [_applied(program)]
    return _equations(program, lefts)


def derivatives(program: Program, wrt: Sequence[str], assume: Assumed = ()) -> Equations:
    """Return the equations of the derivatives, outputs by inputs, for inputs in the ranges that are assumed."""
    lanes = [str(symbol) for item in program.inputs if item.name in wrt for symbol in symbols_of(item)]
    scalars = _output_scalars(program)
    count = len(scalars) * len(lanes)
    if count > MOST_ENTRIES:
        return Equations(
            (),
            note=f"{len(scalars)} by {len(lanes)} derivatives, too many to write out ({MOST_ENTRIES} at most)",
        )
    if len(scalars) == 1 and not program.outputs[0].shape:
        scalars = [program.name]
    try:
        names = tuple(item.name for item in program.inputs if item.name in wrt)
        derived = derive(program, "jacobian", names, assume)
    except DerivativeError as error:
        return Equations((), note=str(error))
    partial = program.lanes > 1
    d = r"\partial" if partial else r"\mathrm{d}"
    lefts = [
        (
            mathml.derivative(mathml.name(output), mathml.name(lane), partial=partial),
            rf"\frac{{{d} {latex_name(output)}}}{{{d} {latex_name(lane)}}}",
        )
        for output in scalars
        for lane in lanes
    ]
    return _equations(derived, lefts)


def latex_name(text: str) -> str:
    """Return a name in LaTeX; of one that is no identifier nothing is left that LaTeX or a browser would run."""
    if not _PLAIN.fullmatch(text):
        parts = []
        for special, letters in groupby(filter(str.isprintable, text), _ESCAPED.__contains__):
            word = list(letters)
            parts.append(
                "".join(map(_ESCAPED.__getitem__, word)) if special else rf"\text{{{''.join(word)}}}"
            )
        return f"{{{''.join(parts)}}}"
    written = str(sympy.latex(_symbol(text)))
    return rf"\mathrm{{{text}}}" if written == text and len(text) > 1 else written


_ESCAPED: Final = {
    "\\": r"\backslash ",
    "~": r"\sim ",
    "^": r"\wedge ",
    "<": r"\lt ",
    ">": r"\gt ",
    **{letter: f"\\{letter} " for letter in "{}$&#_%"},
}


def _equations(program: Program, lefts: Sequence[tuple[Markup, str]]) -> Equations:
    found = named_parts(program)
    expressions = [*(expression for _, expression in found.parts), *found.formulas]
    if len(found.parts) > MOST_PARTS or _size(expressions) > MOST_OPERATIONS:
        return Equations((), note=f"{len(program.graph)} operations, too many to write out")
    names = {symbol: latex_name(str(symbol)) for item in program.inputs for symbol in symbols_of(item)}
    names |= {_symbol(part, real=True): latex_name(part) for part, _ in found.parts}

    def latex(expression: Any) -> str:
        return str(sympy.latex(expression, symbol_names=names))

    parts = [
        Equation(mathml.name(part), mathml.formula(expression), latex_name(part), latex(expression))
        for part, expression in found.parts
    ]
    lines = [
        Equation(left, mathml.formula(expression), left_latex, latex(expression))
        for (left, left_latex), expression in zip(lefts, found.formulas, strict=True)
    ]
    return Equations(tuple(lines), tuple(parts))


def _size(expressions: Sequence[Any]) -> int:
    """Count operations and names, up to somewhat more than the most that are shown."""
    nodes = (node for expression in expressions for node in sympy.preorder_traversal(expression))
    return sum(1 for _ in islice(nodes, MOST_OPERATIONS + 1))


def _applied(program: Program) -> tuple[Markup, str]:
    """Return the name of a function with its inputs behind it."""
    inner: list[Markup] = []
    for item in program.inputs:
        if inner:
            inner.append(mathml.operator(","))
        inner.append(mathml.name(item.name))
    markup = mathml.row(
        mathml.name(program.name), mathml.operator("\u2061"), mathml.fenced(mathml.row(*inner))
    )
    names = ", ".join(latex_name(item.name) for item in program.inputs)
    return markup, rf"{latex_name(program.name)}\left({names}\right)"


def _output_scalars(program: Program) -> list[str]:
    return [
        f"{output.name}[{', '.join(map(str, index))}]" if output.shape else output.name
        for output in program.outputs
        for index in product(*map(range, output.shape))
    ]
