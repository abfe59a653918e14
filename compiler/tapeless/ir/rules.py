"""Adjoint rules of the table, read once and applied to a builder.

A rule's text is a small expression language (numbers, names, `+ - * / **`, calls of primitives, `where`,
comparisons, `and or not`, `pi`), read with Python's own parser and turned into steps for a stack.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

from tapeless.errors import DerivativeError
from tapeless.ir.graph import HALF, Builder
from tapeless.ir.primitives import PRIMITIVES

Names = dict[str, int]
"""Names of a rule -> nodes."""
Formula = Callable[[Builder, Names], int]
"""Builds the nodes of a formula and returns the last."""

_BINARY: Final[dict[type, Callable[[Builder, int, int], int]]] = {
    ast.Add: Builder.add, ast.Sub: Builder.sub, ast.Mult: Builder.mul, ast.Div: Builder.div, ast.Pow: Builder.pow,
}  # fmt: skip
_COMPARE: Final[dict[type, str]] = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


@cache
def formula_of(text: str) -> Formula:
    """Read a rule into closures, one inside another as its terms are."""
    return _read(ast.parse(text, mode="eval").body)


def _read(tree: ast.expr) -> Formula:
    """Read one term. Rules are short texts of our own, so recursion is harmless here."""
    match tree:
        case ast.Constant(value=value):
            number = Fraction(str(value))
            return lambda builder, names: builder.rational(number)
        case ast.Name(id="pi"):
            return lambda builder, names: builder.named("pi")
        case ast.Name(id=name):
            return lambda builder, names: names[name]
        case ast.BinOp(left=left, op=op, right=right):
            join, first, second = _BINARY[type(op)], _read(left), _read(right)
            return lambda builder, names: join(builder, first(builder, names), second(builder, names))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _read(operand)
            return lambda builder, names: builder.neg(inner(builder, names))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _call("not", (operand,))
        case ast.BoolOp(op=op, values=values):
            return _call("and" if isinstance(op, ast.And) else "or", tuple(values))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _call(_COMPARE[type(op)], (left, right))
        case ast.Call(func=ast.Name(id="where"), args=args):
            return _call("select", tuple(args))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, tuple(args))
    raise ValueError(f"a rule cannot hold {ast.unparse(tree)!r}")


def _call(op: str, args: tuple[ast.expr, ...]) -> Formula:
    inner = [_read(arg) for arg in args]
    return lambda builder, names: builder.call(op, *[arg(builder, names) for arg in inner])


class Link(NamedTuple):
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


def _no_rule(builder: Builder, names: Names) -> int:
    raise AssertionError("an edge without a rule is refused before it is built")


_NONE: Final[Formula] = _no_rule
"""The rule of an argument by which no derivative is known."""


class _Edge(NamedTuple):
    """The rule of one argument, read."""

    position: int
    guard: Formula | None
    rule: Formula | None  # None where the cotangent passes unchanged


@cache
def _edges(rules: tuple[str, ...], guards: tuple[str, ...]) -> tuple[_Edge, ...]:
    """Read the rules of a primitive that are not zero."""
    found = []
    for position, rule in enumerate(rules):
        guard = guards[position] if guards else ""
        if rule != "0":
            read = None if rule == "y_bar" else formula_of(rule) if rule else _NONE
            found.append(_Edge(position, formula_of(guard) if guard else None, read))
    return tuple(found)


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

    Raises
    ------
    DerivativeError
        Where no derivative by an active argument is known.
    """
    op, args = builder.ops[node], builder.args[node]
    row = PRIMITIVES[op]
    if row.rules is None:
        return None
    if op in ("max", "min", "fmax", "fmin"):
        return _extremum_links(builder, node, active)
    if op == "logsumexp":
        return [
            Link(position, None, _weigher(builder, node, arg))
            for position, arg in enumerate(args)
            if active(arg)
        ]
    if op == "softmax":
        return _softmax_links(builder, node, active)
    names = dict(zip(row.args, args, strict=False))
    names["y"] = node
    found = []
    for position, guarded, rule in _edges(row.rules, row.guards):
        if not active(args[position]):
            continue
        if rule is _NONE:
            raise DerivativeError(
                f"the derivative of {op} by its argument {row.args[position]} is not known. Leave the inputs that "
                f"lead to it out of `wrt`, or make that argument a number in the formula."
            )
        guard = None if guarded is None else guarded(builder, names)
        steep = position == 0 and op in _STEEP and _is_steep(builder, op, args)
        if steep and (rests := rest_at_zero(builder, args[0])) is not None:
            moves = builder.not_(rests)
            guard = moves if guard is None else builder.and_(guard, moves)
        if guard is not None and builder.ops[guard] == "true":
            guard = None
        pull = _unchanged if rule is None else _puller(builder, rule, names)
        found.append(
            Link(position, guard, _off_origin(builder, node, pull) if is_norm(builder, node) else pull)
        )
    return found


_STEEP: Final = frozenset(("sqrt", "cbrt", "pow"))
"""Primitives with a slope at 0 that may be infinite, beside a value that is not."""


def _is_steep(builder: Builder, op: str, args: tuple[int, ...]) -> bool:
    """Whether the slope may be infinite at 0: of a power by a number, where that lies between 0 and 1."""
    power = builder.rational_value(args[1]) if op == "pow" else None
    return power is None or 0 < power < 1


_SQUARES: Final = 4096
"""A longer sum is not looked through."""


def is_norm(builder: Builder, node: int, order: int = 1) -> bool:
    """Whether a node is a root of a sum of even powers with positive coefficients, or a power of it below `order`.

    The sum touches 0 and has no slope there: derivatives of that order are 0 at the origin, as the limit for powers
    above order/2, by convention for the others, whose derivatives have none or are infinite.
    """
    op, args = builder.ops[node], builder.args[node]
    if op == "pow":
        power = builder.rational_value(args[1])
        if power is None or not HALF <= power < order:
            return False
    elif op != "sqrt":
        return False
    stack, seen = [args[0]], 0
    while stack:
        part, seen = stack.pop(), seen + 1
        op, args = builder.ops[part], builder.args[part]
        if seen > _SQUARES:
            return False
        if op == "add":
            stack += args
        elif op in ("mul", "div"):
            rest, factor = args if op == "div" else args[::-1]
            value = builder.rational_value(factor)
            if value is None or value <= 0:
                return False
            stack.append(rest)
        elif op == "pow":
            power = builder.rational_value(args[1])
            if power is None or power <= 0 or power.denominator != 1 or power.numerator % 2:
                return False
        else:
            return False
    return True


def off_origin(builder: Builder, node: int, partial: int) -> int:
    """Return a partial of a norm, 0 at the origin."""
    zero = builder.rational(0)
    return builder.select(builder.compare("ne", node, zero), partial, zero)


def _off_origin(builder: Builder, node: int, pull: Callable[[int], int]) -> Callable[[int], int]:
    return lambda bar: off_origin(builder, node, pull(bar))


_ZERO_AT_ZERO: Final = frozenset(
    "neg abs sqrt cbrt sin tan sinh tanh asin atan asinh atanh expm1 log1p erf".split()
)
_DEPTH: Final = 8
"""How far down a product is searched for a factor that rests."""


def rest_at_zero(builder: Builder, node: int, depth: int = _DEPTH) -> int | None:
    """Return the condition under which `node` is zero by its structure, on an open set; None for never.

    There no input moves it, so that an infinite slope of what it goes into counts for nothing: sqrt(x*max(y, 0)) is
    constant where y < 0, and its derivative by x is 0, not 0 times infinity. Where the value only touches zero, no
    condition is given.
    """
    op, args = builder.ops[node], builder.args[node]
    if not depth:
        return None
    if op in ("max", "min") and len(args) == 2:
        for zero, other in (args, args[::-1]):
            if builder.rational_value(zero) == 0:
                return builder.compare("le" if op == "max" else "ge", other, zero)  # a NaN does not rest
        return None
    if op == "fdim":
        return builder.compare("le", *args)
    if op == "select":
        condition, first, second = args
        found = []
        for holds, arm in ((condition, first), (builder.not_(condition), second)):
            if builder.rational_value(arm) == 0:
                found.append(holds)
            elif (inner := rest_at_zero(builder, arm, depth - 1)) is not None:
                found.append(builder.and_(holds, inner))
        return builder.or_(*found) if found else None
    if op == "mul":
        parts = [rest_at_zero(builder, arg, depth - 1) for arg in args]
        resting = [part for part in parts if part is not None]
        return builder.or_(*resting) if resting else None
    if op == "add":
        both = [rest_at_zero(builder, arg, depth - 1) for arg in args]
        return None if None in both else builder.and_(*both)  # type: ignore[arg-type]
    if op == "div" or op in _ZERO_AT_ZERO:
        return rest_at_zero(builder, args[0], depth - 1)
    if op == "pow" and (power := builder.rational_value(args[1])) is not None and power > 0:
        return rest_at_zero(builder, args[0], depth - 1)
    return None


def share_of_exponentials(builder: Builder, part: int, terms: Sequence[int]) -> int:
    """Return exp(a)/(exp(a) + exp(b) + ...) of `part` a among the `terms` a, b, ..., one of them a itself."""
    others = sorted(terms)
    others.remove(part)  # once: a term may come twice
    if len(others) == 1:
        return builder.call("expit", builder.sub(part, others[0]))
    if len(others) < _SOFTMAX:
        return builder.call("softmax", part, *others)
    return builder.call("exp_gap", part, builder.call("logsumexp", *terms))


_SOFTMAX: Final = 6
"""Up to so many terms a slope of a share sums what the others have; the cost of all grows with the square."""


def _softmax_links(builder: Builder, node: int, active: Callable[[int], bool]) -> list[Link]:
    """Edges of a share y: y times the shares of the others to its own exponent, less y times theirs to the others."""
    args = builder.args[node]

    def pull(position: int) -> Callable[[int], int]:
        chosen = range(1, len(args)) if position == 0 else (position,)

        def pulled(bar: int) -> int:
            shares = [builder.call("softmax", args[k], *sorted((*args[:k], *args[k + 1 :]))) for k in chosen]
            product = builder.mul(bar, builder.mul(node, builder.sum(shares)))
            return product if position == 0 else builder.neg(product)

        return pulled

    return [Link(position, None, pull(position)) for position, arg in enumerate(args) if active(arg)]


def _weigher(builder: Builder, node: int, arg: int) -> Callable[[int], int]:
    """Return what an argument of log(exp(a) + exp(b) + ...) receives: its part of the sum."""
    return lambda bar: builder.mul(bar, share_of_exponentials(builder, arg, builder.args[node]))


def _unchanged(bar: int) -> int:
    return bar


def _puller(builder: Builder, rule: Formula, names: Names) -> Callable[[int], int]:
    def pull(bar: int) -> int:
        names["y_bar"] = bar  # the names are those of this node alone
        return rule(builder, names)

    return pull


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
