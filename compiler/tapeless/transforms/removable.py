"""Quotients with a removable point: f(x)/x and x/f(x) for f(0) = 0, in whatever products they stand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import HALF, Builder

OVER_ITSELF: Final = frozenset(("sin", "expm1", "log1p", "tanh", "versin"))
_WIDTH: Final = 8
"""A product of more factors is not searched."""


def over_argument(b: Builder, above: int, below: int) -> int | None:
    """Return a quotient in which f(c*x) is divided by x, or x by expm1(c*x); None where it is not.

    The quotient gets its limit at x = 0, and its slopes every digit near it. (1 - cos(x))/x**2 is sin(x/2)**2/2
    over (x/2)**2.
    """
    tops, bottoms = _factors(b, above), _factors(b, below)
    if tops is None or bottoms is None:
        return None
    for k, top in enumerate(tops):
        op = b.ops[top]
        if op not in OVER_ITSELF:
            continue
        wanted = Fraction(2 if op == "versin" else 1)
        for scale, argument in _scaled(b, b.args[top][0]):
            rest = _without(b, bottoms, argument, wanted)
            if rest is not None:
                found = _over(b, op, b.args[top][0], scale)
                return _put(b, [*tops[:k], *tops[k + 1 :], found], rest)
    for k, bottom in enumerate(bottoms):
        if b.ops[bottom] != "expm1":
            continue
        for scale, argument in _scaled(b, b.args[bottom][0]):
            rest = _without(b, tops, argument, Fraction(1))
            if rest is not None:
                found = b.mul(b.rational(1 / scale), _bernoulli(b, b.args[bottom][0]))
                return _put(b, [*rest, found], [*bottoms[:k], *bottoms[k + 1 :]])
        argument = b.args[bottom][0]
        if b.ops[argument] == "div" and not b.is_constant(b.args[argument][0]):
            numerator, divisor = b.args[argument]
            rest = _without(b, tops, numerator, Fraction(1))
            if rest is not None:  # a*p/expm1(p/q) is a*q times the quotient of p/q
                found = _bernoulli(b, argument, numerator, divisor)
                return _put(b, [*rest, found], [*bottoms[:k], *bottoms[k + 1 :]])
    return None


def part_of_sum(b: Builder, above: int, below: int) -> int | None:
    """Return a quotient c*x/(k*x + v) as c/k times the share of k*x, k a number; None for others.

    Only where v is an input or a constant: what is computed may overflow, and its part of the sum be no number then.
    """
    if b.ops[below] not in ("add", "sub"):
        return None
    tops = _factors(b, above)
    if tops is None:
        return None
    left, right = b.args[below]
    turned = b.ops[below] == "sub"
    for term, other, sign in (
        (left, b.neg(right) if turned else right, 1),
        (right, left, -1 if turned else 1),
    ):
        if b.is_constant(term) or b.is_constant(above):
            continue
        if b.ops[other] != "input" and not b.is_constant(other):
            continue
        for scale, x in _scaled(b, term):
            rest = _without(b, tops, x, Fraction(1))
            if rest is not None:
                found = b.call("share", b.neg(term) if sign < 0 else term, other)
                return _put(b, [b.rational(1 / (sign * scale)), *rest, found], [])
    return None


def at_its_point(b: Builder, condition: int, first: int, second: int) -> int | None:
    """Return a quotient from above without the guard x == 0 that gives it the value it has; None for others."""
    if b.ops[condition] != "eq" or b.rational_value(first) is None:
        return None
    left, right = b.args[condition]
    for zero, x in ((left, right), (right, left)):
        if b.rational_value(zero) == 0 and _limit(b, second, x) == b.rational_value(first):
            return second
    return None


def _limit(b: Builder, node: int, x: int) -> Fraction | None:
    """Return the value of a product of numbers and quotients from above at x = 0, None where it is not known."""
    factors = _factors(b, node)
    total = Fraction(1)
    for factor in factors or ():
        value = b.rational_value(factor)
        if value is None:
            op, args = b.ops[factor], b.args[factor]
            square = op == "pow" and b.rational_value(args[1]) == 2
            if square:
                op, args = b.ops[args[0]], b.args[args[0]]
            if not op.endswith("_over") or b.rational_value(args[1]) != 0 or not _vanishes(b, args[0], x):
                return None
            value = Fraction(1)
        total *= value
    return total if factors else None


def _vanishes(b: Builder, argument: int, x: int) -> bool:
    return argument == x or (
        b.ops[argument] == "mul" and b.is_constant(b.args[argument][0]) and b.args[argument][1] == x
    )


def _over(b: Builder, op: str, argument: int, scale: Fraction) -> int:
    zero = b.rational(0)
    if op == "versin":
        half = b.call("sin_over", b.mul(b.rational(HALF), argument), zero)
        return b.mul(b.rational(scale**2 / 2), b.pow(half, b.rational(2)))
    return b.mul(b.rational(scale), b.call(f"{op}_over", argument, zero))


def _bernoulli(b: Builder, x: int, numerator: int | None = None, divisor: int | None = None) -> int:
    """Return x/(exp(x) - 1), or of x = p/q that times q: near 0 through its limit, beyond as p times 1/(exp(x) - 1).

    There exp(x) may overflow, and p/q where q is 0: the quotient is 0 or -p then.
    """
    near = b.div(b.rational(1) if divisor is None else divisor, b.call("expm1_over", x, b.rational(0)))
    far = b.mul(x if numerator is None else numerator, b.call("bose", x))
    return b.select(b.compare("lt", b.call("abs", x), b.rational(_NEAR)), near, far)


_NEAR: Final = 2
"""Beyond it no derivative of x/(exp(x) - 1) is a small difference."""


def _factors(b: Builder, node: int) -> list[int] | None:
    """Return the factors of a product, None where there are many."""
    found, stack = [], [node]
    while stack:
        node = stack.pop()
        if b.ops[node] == "mul":
            stack += b.args[node][::-1]
        else:
            found.append(node)
        if len(found) + len(stack) > _WIDTH:
            return None
    return found


def _scaled(b: Builder, argument: int) -> list[tuple[Fraction, int]]:
    """Return (c, x) with argument c*x: the argument itself, and what is left without a rational factor."""
    found = [(Fraction(1), argument)]
    if b.ops[argument] == "mul" and (scale := b.rational_value(b.args[argument][0])):
        found.append((scale, b.args[argument][1]))
    if b.ops[argument] == "neg":
        found.append((Fraction(-1), b.args[argument][0]))
    if b.ops[argument] == "div" and (divisor := b.rational_value(b.args[argument][1])):
        found.append((1 / divisor, b.args[argument][0]))
    return found


def _without(b: Builder, factors: Sequence[int], x: int, power: Fraction) -> list[int] | None:
    """Return the factors without x to a power, None where it is not among them, as one or as its own factors."""
    for parts in ([x], _factors(b, x) or [x]):
        rest = list(factors)
        wanted = [part if power == 1 else b.pow(part, b.rational(power)) for part in parts]
        for part in wanted:
            if part not in rest:
                break
            rest.remove(part)
        else:
            return rest
    return None


def _put(b: Builder, above: Sequence[int], below: Sequence[int]) -> int:
    top = b.product(above)
    return b.div(top, b.product(below)) if below else top
