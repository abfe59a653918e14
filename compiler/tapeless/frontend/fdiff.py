"""Where the table of primitives ends: derivatives by sympy's `fdiff`, each rule converted once.

The rule of a function is asked of sympy on symbols, converted to a small Program whose inputs are the
function's arguments, and grafted wherever it is needed. What it calls in turn may again lie outside the table and
is differentiated in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, Final

import sympy

from tapeless.errors import DerivativeError, TapelessError
from tapeless.frontend.symbolic import Argument, Result, class_of, program_from_sympy
from tapeless.ir.graph import Builder
from tapeless.ir.inline import inline
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Program
from tapeless.ir.rules import Link

_sympy: Final[Any] = sympy  # which has no annotations

_AT_REMOVABLE_POINTS: Final[dict[Any, Callable[[Any], Any]]] = {
    sympy.Si: lambda f: _sympy.sinc(f.args[0]),
    sympy.Shi: lambda f: _sympy.Piecewise(
        (1, _sympy.Eq(f.args[0], 0)), (_sympy.sinh(f.args[0]) / f.args[0], True)
    ),
    sympy.LambertW: lambda f: 1 / (_sympy.exp(f) * (1 + f)),  # DLMF 4.13.4
}
"""Rules by the first argument where sympy's is 0/0 at a point where the derivative exists."""


def links(builder: Builder, node: int, active: Callable[[int], bool]) -> list[Link]:
    """Return the edges of a node that the table has no rule for to its active arguments.

    Parameters
    ----------
    builder
        Holds `node`.
    node
        The node whose edges are wanted.
    active
        Tells whether an argument depends on what is differentiated by.

    Raises
    ------
    DerivativeError
        Where sympy knows no derivative either, or none that can be expressed here.
    """
    kind = _class_of_node(builder, node)
    args = builder.args[node]
    found = []
    for position, arg in enumerate(args):
        if not active(arg):
            continue
        rule = rule_of(kind, len(args), position)
        if rule.graph.payloads[rule.roots[0]] == 0 and rule.graph.ops[rule.roots[0]] == "rational":
            continue
        found.append(Link(position, None, partial(_pull, builder, rule, args)))
    return found


def _pull(builder: Builder, rule: Program, args: Sequence[int], bar: int) -> int:
    return builder.mul(bar, inline(builder, rule, args)[0])


@cache
def rule_of(kind: type[sympy.Function], arity: int, position: int) -> Program:
    """Return the partial derivative of a sympy function as a program of the function's arguments.

    Parameters
    ----------
    kind
        The class of the function.
    arity
        How many arguments it is called with.
    position
        By which of them, from 0.

    Raises
    ------
    DerivativeError
        Where there is none; the message says why and what to do.
    """
    # The rule is asked on symbols, unevaluated: on numbers a class may turn into something else.
    symbols = tuple(_sympy.Dummy(f"x{k + 1}", real=True) for k in range(arity))
    try:
        better = _AT_REMOVABLE_POINTS.get(kind) if position == 0 else None
        function = kind(*symbols, evaluate=False)
        slope = better(function) if better else function.fdiff(position + 1)
        formula = sympy.sympify(slope, strict=True)
    except Exception as problem:  # whatever the method of somebody else's class raises
        raise _unknown(kind, arity, position, "sympy has no rule for it") from problem
    if isinstance(formula, sympy.Derivative):
        raise _unknown(kind, arity, position, "sympy has no rule for it")
    arguments = [Argument(f"x{k + 1}", (symbol,)) for k, symbol in enumerate(symbols)]
    try:
        return program_from_sympy([Result("partial", (formula,))], arguments, kind.__name__)
    except TapelessError as problem:
        raise _unknown(kind, arity, position, f"its rule cannot be used here: {problem}") from problem


def _class_of_node(builder: Builder, node: int) -> type[sympy.Function]:
    function = builder.payloads[node]
    assert isinstance(function, Extern)  # the rows of the table have rules
    try:
        return class_of(function)
    except (ImportError, AttributeError) as problem:
        raise DerivativeError(
            f"the derivative of {function.name} needs its class, which is not found as {function.path!r}; "
            "make that module importable here"
        ) from problem


def _unknown(kind: type, arity: int, position: int, why: str) -> DerivativeError:
    which = f" by its argument number {position + 1}" if arity > 1 else ""
    return DerivativeError(
        f"the derivative of {kind.__name__}{which} is not known: {why}. Give the class a method fdiff that "
        "returns it, or keep the inputs it depends on constant by leaving them out of wrt="
    )
