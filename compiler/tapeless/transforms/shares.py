"""Parts of a sum: quotients whose slope, by the quotient rule, is a difference that cancels."""

from __future__ import annotations

from fractions import Fraction

from tapeless.ir.graph import Builder
from tapeless.transforms.factors import factors, power_of, put, scaled, without


def part_of_sum(b: Builder, above: int, below: int) -> int | None:
    """Return a quotient c*x/(k*x + v) as c/k times the share of k*x, k a number; None for others.

    Only where v is an input or a constant: what is computed may overflow, and its part of the sum be no number then.
    """
    if b.ops[below] not in ("add", "sub"):
        return None
    tops = factors(b, above)
    if tops is None:
        return None
    left, right = b.args[below]
    turned = b.ops[below] == "sub"
    for term, rest_of_sum, sign in ((left, right, 1), (right, left, -1 if turned else 1)):
        if b.is_constant(term) or b.is_constant(above):
            continue
        if b.ops[rest_of_sum] != "input" and not b.is_constant(rest_of_sum):
            continue
        other = b.neg(right) if turned and term == left else rest_of_sum
        for scale, x in scaled(b, term):
            rest = without(b, tops, x, Fraction(1))
            if rest is not None:
                found = b.call("share", b.neg(term) if sign < 0 else term, other)
                return put(b, [b.rational(1 / (sign * scale)), *rest, found], [])
    return None


def part_of_squares(b: Builder, above: int, below: int) -> int | None:
    """Return c*x**(2*n)/(x**2 - y**2)**n as c times a power of the share of squares; None for others."""
    squares, times = power_of(b, below)
    if b.ops[squares] != "squares" or times <= 0 or times.denominator != 1:
        return None
    tops = factors(b, above)
    if tops is None:
        return None
    x, y = b.args[squares]
    for own, other, sign in ((x, y, 1), (y, x, (-1) ** int(times))):
        if b.is_constant(own):
            continue
        rest = without(b, tops, own, 2 * times)
        if rest is not None:
            found = b.pow(b.call("square_share", own, other), b.rational(times))
            return put(b, [b.rational(sign), *rest, found], [])
    return None


def mean_of_two(b: Builder, above: int, below: int) -> int | None:
    """Return (v*x + w*y)/(v + w), the weighted mean of x and y; None for others."""
    if b.ops[above] != "add" or b.ops[below] != "add" or b.is_constant(below):
        return None
    first, second = b.args[below]
    for one, other in (b.args[above], b.args[above][::-1]):
        x, y = _weighed(b, one, first), _weighed(b, other, second)
        if x is not None and y is not None:
            return b.call("mean2", first, x, second, y)
    return None


def _weighed(b: Builder, product: int, weight: int) -> int | None:
    if b.ops[product] != "mul":
        return None
    found = factors(b, product)
    rest = None if found is None else without(b, found, weight, Fraction(1))
    return b.product(rest) if rest else None
