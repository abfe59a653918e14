"""Quotients with a removable point: f(x)/x, x/f(x), sin(n*x)/sin(x) for f(0) = 0, in whatever products they stand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import HALF, Builder
from tapeless.transforms.factors import factors, power_of, put, scaled, without

OVER_ITSELF: Final = frozenset(("sin", "expm1", "log1p", "tanh", "versin"))


def over_argument(b: Builder, above: int, below: int) -> int | None:
    """Return a quotient in which f(c*x) is divided by x, or x by expm1(c*x); None where it is not.

    The quotient gets its limit at x = 0, and its slopes every digit near it. (1 - cos(x))/x**2 is sin(x/2)**2/2
    over (x/2)**2.
    """
    tops, bottoms = factors(b, above), factors(b, below)
    if tops is None or bottoms is None:
        return None
    for k, top in enumerate(tops):
        function, times = power_of(b, top)
        op = b.ops[function]
        if op not in OVER_ITSELF or times <= 0 or times.denominator != 1:
            continue
        wanted = times * (2 if op == "versin" else 1)
        for scale, argument in scaled(b, b.args[function][0]):
            rest = without(b, bottoms, argument, wanted)
            if rest is not None:
                found = b.pow(_over(b, op, b.args[function][0], scale), b.rational(times))
                return put(b, [*tops[:k], *tops[k + 1 :], found], rest)
        if op == "sin" and (found_ratio := _of_sines(b, function, times, bottoms)) is not None:
            found, rest = found_ratio
            return put(b, [*tops[:k], *tops[k + 1 :], found], rest)
    for k, bottom in enumerate(bottoms):
        if b.ops[bottom] != "expm1":
            continue
        for scale, argument in scaled(b, b.args[bottom][0]):
            rest = without(b, tops, argument, Fraction(1))
            if rest is not None:
                found = b.mul(b.rational(1 / scale), _bernoulli(b, b.args[bottom][0]))
                return put(b, [*rest, found], [*bottoms[:k], *bottoms[k + 1 :]])
        argument = b.args[bottom][0]
        if b.ops[argument] == "div" and not b.is_constant(b.args[argument][0]):
            numerator, divisor = b.args[argument]
            rest = without(b, tops, numerator, Fraction(1))
            if rest is not None:  # a*p/expm1(p/q)
                found = b.call("quantum", numerator, divisor)
                return put(b, [*rest, found], [*bottoms[:k], *bottoms[k + 1 :]])
    return None


def _of_sines(b: Builder, sine: int, times: Fraction, bottoms: Sequence[int]) -> tuple[int, list[int]] | None:
    """Return (sin(r*x)/sin(x))**n as (r*sin_over(r*x)/sin_over(x))**n, with the rest of what it is divided by."""
    argument = b.args[sine][0]
    for k, bottom in enumerate(bottoms):
        other, more = power_of(b, bottom)
        if b.ops[other] != "sin" or more != times:
            continue
        for scale, x in scaled(b, argument):
            for part, y in scaled(b, b.args[other][0]):
                many = factors(b, x)
                ratio = None if many is None else without(b, many, y, Fraction(1))
                if ratio:
                    above, below = (_over(b, "sin", b.args[f][0], Fraction(1)) for f in (sine, other))
                    found = b.mul(b.product([b.rational(scale / part), *ratio]), b.div(above, below))
                    return b.pow(found, b.rational(times)), [*bottoms[:k], *bottoms[k + 1 :]]
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
    total, found = Fraction(1), factors(b, node)
    for factor in found or ():
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
    return total if found else None


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


def _bernoulli(b: Builder, x: int) -> int:
    """Return x/(exp(x) - 1): near 0 through its limit, beyond as x times 1/(exp(x) - 1), for exp(x) may overflow."""
    near = b.div(b.rational(1), b.call("expm1_over", x, b.rational(0)))
    return b.select(b.compare("lt", b.call("abs", x), b.rational(_NEAR)), near, b.mul(x, b.call("bose", x)))


_NEAR: Final = 2
"""Beyond it no derivative of x/(exp(x) - 1) is a small difference."""
