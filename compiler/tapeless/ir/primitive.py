"""What a row of the table of primitives is; the rows stand in primitives.py and special.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REAL: Final = "real"
"""Domain of a primitive that is defined for all real arguments."""

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Edge:
    """A special point of a primitive with the partials it must have there.

    Attributes
    ----------
    args
        The arguments.
    partials
        The partial derivative by each argument.
    why
        The convention or limit in words.
    """

    args: tuple[float, ...]
    partials: tuple[float, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Primitive:
    """One row of the table.

    Attributes
    ----------
    name
        Name of the operation in the graph.
    args
        Names of the arguments in the rules; `"*"` stands for any number.
    rules
        One adjoint formula per argument, `""` where none is known, or None where sympy's `fdiff` is to be asked.
    guards
        One condition per argument, or `""` for none.
    domain
        `"real"` or the condition under which the value exists.
    samples
        One interval per argument, inside the domain, from which tests draw.
    edges
        Special points with their partials.
    whole
        The arguments that are whole numbers, as an order; the derivative by them does not exist.
    commutative
        Whether the order of arguments is of no account.
    boolean
        Whether the result is a truth value.
    cost
        Rough time of one evaluation in units of one addition, for choosing between forms.
    source
        Where the rule is written.
    """

    name: str
    args: tuple[str, ...]
    rules: tuple[str, ...] | None
    guards: tuple[str, ...] = ()
    domain: str = REAL
    samples: tuple[Interval, ...] = ((-3.0, 3.0),)
    edges: tuple[Edge, ...] = ()
    whole: tuple[str, ...] = ()
    commutative: bool = False
    boolean: bool = False
    cost: float = 1.0
    source: str = ""

    @property
    def nary(self) -> bool:
        """Whether the primitive takes any number of arguments."""
        return self.args == ("*",)


def unary(name: str, rule: str | None, source: str, **more: object) -> Primitive:
    """Return the row of a function of one argument `x`."""
    return Primitive(name, ("x",), None if rule is None else (rule,), source=source, **more)  # type: ignore[arg-type]
