"""How a function shows itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tapeless.report.code import highlighted
from tapeless.report.costs import costs
from tapeless.report.equations import derivatives, values
from tapeless.report.templates import environment

if TYPE_CHECKING:
    from tapeless.function import Function

_LARGE: Final = 4000
"""Nodes beyond which a function is shown by its name alone: a notebook should not wait."""
_SOURCE: Final = 100_000
"""Characters of C beyond which it is not kept in a notebook."""


def html(function: Function) -> str | None:
    """Return formulas, derivatives, operations and the C, folded; None for a large function."""
    if len(function.program.graph) > _LARGE:
        return None
    source = function.source
    fields = {
        "summary": repr(function).strip("<>"),
        "values": values(function.program),
        "derivatives": derivatives(function.program, function.wrt),
        "costs": costs(function),
        "source": highlighted(source) if len(source) <= _SOURCE else None,
        "lines": source.count("\n"),
    }
    return environment().get_template("html/notebook.html.j2").render(fields)


def latex(function: Function) -> str | None:
    """Return formulas and derivatives in LaTeX; None where they are too large to be read."""
    if len(function.program.graph) > _LARGE:
        return None
    shown = [values(function.program), derivatives(function.program, function.wrt)]
    if not shown[0].lines:
        return None
    return "\n".join(f"$$\n{block.latex}\n$$" for block in shown if block.lines)
