"""Adjoint rules of the table, read once and applied to a builder.

A rule's text is a small expression language (numbers, names, `+ - * / **`, calls of primitives, `where`,
comparisons, `and or not`, `pi`), read with Python's own parser and turned into steps for a stack.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from tapeless.ir.graph import Builder
from tapeless.ir.primitives import PRIMITIVES

Step = tuple[str, object, int]
"""("name", name, 0), ("rational", value, 0), ("named", name, 0) or ("call", primitive, arity)."""

_BINARY: dict[type, str] = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"}
_COMPARE: dict[type, str] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


@cache
def steps_of(text: str) -> tuple[Step, ...]:
    """Read a rule into steps for a stack machine."""
    steps: list[Step] = []
    _read(ast.parse(text, mode="eval").body, steps)
    return tuple(steps)


def _read(tree: ast.expr, steps: list[Step]) -> None:
    """Append the steps of `tree`. Rules are short texts of our own, so recursion is harmless here."""
    match tree:
        case ast.Constant(value=value):
            steps.append(("rational", Fraction(str(value)), 0))
        case ast.Name(id="pi"):
            steps.append(("named", "pi", 0))
        case ast.Name(id=name):
            steps.append(("name", name, 0))
        case ast.BinOp(left=left, op=op, right=right):
            _call(_BINARY[type(op)], (left, right), steps)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _call("neg", (operand,), steps)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            _call("not", (operand,), steps)
        case ast.BoolOp(op=op, values=values):
            _call("and" if isinstance(op, ast.And) else "or", tuple(values), steps)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            _call(_COMPARE[type(op)], (left, right), steps)
        case ast.Call(func=ast.Name(id="where"), args=args):
            _call("select", tuple(args), steps)
        case ast.Call(func=ast.Name(id=name), args=args):
            _call(name, tuple(args), steps)
        case _:
            raise ValueError(f"a rule cannot hold {ast.unparse(tree)!r}")


def _call(op: str, args: tuple[ast.expr, ...], steps: list[Step]) -> None:
    for arg in args:
        _read(arg, steps)
    steps.append(("call", op, len(args)))


def apply(builder: Builder, text: str, names: Mapping[str, int]) -> int:
    """Build the nodes of a rule with `names` bound to nodes; return the last."""
    stack: list[int] = []
    for kind, what, arity in steps_of(text):
        if kind == "name":
            stack.append(names[what])  # type: ignore[index]
        elif kind == "rational":
            stack.append(builder.rational(what))  # type: ignore[arg-type]
        elif kind == "named":
            stack.append(builder.named(what))  # type: ignore[arg-type]
        else:
            args = stack[len(stack) - arity :]
            del stack[len(stack) - arity :]
            stack.append(builder.call(what, *args))  # type: ignore[arg-type]
    return stack[-1]


@dataclass(frozen=True, slots=True)
class Link:
    """The edge from a node to one of its arguments, in either direction of differentiation.

    Attributes
    ----------
    position
        Which argument.
    guard
        Condition node under which the edge counts, or None for always.
    pull
        Maps the cotangent of the result to what the argument receives; linear, so that it also maps the
        tangent of the argument to what the result receives.
    """

    position: int
    guard: int | None
    pull: Callable[[int], int]


def links(builder: Builder, node: int, active: Callable[[int], bool]) -> list[Link] | None:
    """Return the edges of `node` to its active arguments; None where the table has no rule.

    Parameters
    ----------
    builder
        Holds `node`; guards are appended to it.
    node
        The node whose edges are wanted.
    active
        Tells whether an argument depends on what is differentiated by.
    """
    op, args = builder.ops[node], builder.args[node]
    row = PRIMITIVES[op]
    if row.rules is None:
        return None
    if op in ("max", "min", "fmax", "fmin"):
        return _extremum_links(builder, node, active)
    found = []
    names = dict(zip(row.args, args, strict=False))
    names["y"] = node
    for position, arg in enumerate(args):
        rule = row.rules[position] if position < len(row.rules) else "0"
        if rule == "0" or not active(arg):
            continue
        text = row.guards[position] if row.guards else ""
        guard = apply(builder, text, names) if text else None
        if guard is not None and builder.ops[guard] == "true":
            guard = None
        found.append(Link(position, guard, _puller(builder, rule, names)))
    return found


def _puller(builder: Builder, rule: str, names: dict[str, int]) -> Callable[[int], int]:
    if rule == "y_bar":
        return lambda bar: bar
    return lambda bar: apply(builder, rule, {**names, "y_bar": bar})


def _extremum_links(builder: Builder, node: int, active: Callable[[int], bool]) -> list[Link]:
    """Edges of max, min, fmax, fmin: to what attains the extremum; ties shared, none at a tie with a constant."""
    op, args = builder.ops[node], builder.args[node]
    beats = "gt" if op in ("max", "fmax") else "lt"
    reaches = "ge" if op == "max" else "le"
    fixed = [arg for arg in args if builder.is_constant(arg)]
    free = [arg for arg in args if not builder.is_constant(arg)]
    pull = _sharer(builder, node, free)
    found = []
    for position, arg in enumerate(args):
        if builder.is_constant(arg) or not active(arg):
            continue
        if len(args) == 2 and (fixed or op in ("max", "min")):
            guard = builder.compare(beats if fixed else reaches, arg, args[1 - position])
        else:  # fmax and fmin ignore a NaN: what equals the result attains it
            guard = builder.and_(
                builder.compare("eq", arg, node), *(builder.compare("ne", node, c) for c in fixed)
            )
        found.append(Link(position, guard, pull))
    return found


def _sharer(builder: Builder, node: int, free: list[int]) -> Callable[[int], int]:
    """Return what divides a cotangent by the number of arguments that tie; that number is built once."""
    tied: list[int] = []

    def pull(bar: int) -> int:
        if len(free) == 1:
            return bar
        one = builder.rational(1)
        if len(free) == 2:
            half = builder.rational(Fraction(1, 2))
            return builder.mul(bar, builder.select(builder.compare("eq", *free), half, one))
        if not tied:
            zero = builder.rational(0)
            ties = [builder.select(builder.compare("eq", arg, node), one, zero) for arg in free]
            tied.append(builder.sum(ties))
        return builder.div(bar, tied[0])

    return pull
