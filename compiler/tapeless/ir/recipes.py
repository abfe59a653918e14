"""Functions that are no primitives: for each the formula in primitives, whichever door it came in by.

A recipe goes from a builder and nodes to a node. It is chosen for small error over the whole domain and for
right slopes, also where its branches meet.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial as whole_factorial
from typing import Final

from tapeless.errors import UnsupportedError
from tapeless.ir.graph import HALF, Builder

Recipe = Callable[..., int]
"""From a builder and nodes to a node."""


def primitive(op: str) -> Recipe:
    """Return the recipe that calls a primitive."""
    return lambda b, *args: b.call(op, *args)


# ---- reciprocals


def reciprocal_of(op: str) -> Recipe:
    """Return 1/op(x)."""
    return lambda b, x: b.div(b.rational(1), b.call(op, x))


def of_reciprocal(op: str) -> Recipe:
    """Return op(1/x)."""
    return lambda b, x: b.call(op, b.div(b.rational(1), x))


def acot(b: Builder, x: int) -> int:
    """Return the odd acot: atan(1/x) = atan2(s, s*x) with s the sign of x, which stays finite as x goes to 0."""
    one = b.rational(1)
    side = b.select(b.compare("lt", x, b.rational(0)), b.rational(-1), one)
    return b.call("atan2", side, b.mul(side, x))


# ---- steps and remainders


def frac(b: Builder, x: int) -> int:
    """Return the fraction x - floor(x)."""
    return b.sub(x, b.call("floor", x))


def _turned(b: Builder, rest: int, y: int) -> int:
    """Return the condition under which the rest of a division has not the sign of the divisor."""
    zero = b.rational(0)
    below = b.and_(b.compare("lt", rest, zero), b.compare("gt", y, zero))
    above = b.and_(b.compare("gt", rest, zero), b.compare("lt", y, zero))
    return b.or_(below, above)


def mod(b: Builder, x: int, y: int) -> int:
    """Return the rest x - y*floor(x/y), of the sign of y; through fmod, for the floor of a quotient is not exact."""
    if b.rational_value(y) == 1:
        return frac(b, x)
    rest = b.call("fmod", x, y)
    return b.select(_turned(b, rest, y), b.add(rest, y), rest)


def floor_divide(b: Builder, x: int, y: int) -> int:
    """Return the floor of the exact x/y: (x - fmod(x, y))/y is whole up to rounding; x/0 is infinite."""
    if b.rational_value(y) == 1:
        return b.call("floor", x)
    rest = b.call("fmod", x, y)
    whole = b.call("round", b.div(b.sub(x, rest), y))
    quotient = b.select(_turned(b, rest, y), b.sub(whole, b.rational(1)), whole)
    return b.select(b.compare("eq", y, b.rational(0)), b.div(x, y), quotient)


def heaviside(b: Builder, x: int, middle: int | None = None) -> int:
    """Return a step, with a value of its own at 0."""
    step = b.call("heaviside", x)
    if middle is None or b.rational_value(middle) == HALF:
        return step
    return b.select(b.compare("eq", x, b.rational(0)), middle, step)


def clip(b: Builder, x: int, low: int | None, high: int | None) -> int:
    """Return min(max(x, low), high); None for no bound."""
    if low is not None:
        x = b.maximum(x, low)
    return x if high is None else b.minimum(x, high)


def round_to(b: Builder, x: int, digits: int) -> int:
    """Return x rounded to so many decimal digits after the point, half to even."""
    if digits == 0:
        return b.call("round", x)
    scale = b.rational(Fraction(10) ** digits)
    return b.div(b.call("round", b.mul(x, scale)), scale)


# ---- exponentials and logarithms


def log(b: Builder, x: int, base: int | None = None) -> int:
    """Return log(x), or to a base log(x)/log(base)."""
    if base is None:
        return b.call("log", x)
    value = b.rational_value(base)
    if value is not None and (value <= 0 or value == 1):
        raise UnsupportedError(f"there is no logarithm to the base {value}; a base is positive and not 1")
    if value == 2:
        return b.call("log2", x)
    if value == 10:
        return b.call("log10", x)
    return b.div(b.call("log", x), b.call("log", base))


def _log1p_base_2(b: Builder, x: int) -> int:
    return b.div(b.call("log1p", x), b.call("log", b.rational(2)))


def _log_sum(exp: str, log_of_one_plus: Recipe) -> Recipe:
    """Return logaddexp in a given base.

    A choice between two exact forms, not max + log1p(exp(-abs(x - y))): that form has a kink in each part at
    x = y, where the conventions for ties would give a wrong derivative. The difference of two equal infinities
    is NaN, and the sum of theirs is right.
    """

    def build(b: Builder, x: int, y: int) -> int:
        nothing = b.neg(b.named("inf"))
        if nothing in (x, y):  # the start of a running log-sum
            return y if x == nothing else x

        def form(larger: int, smaller: int) -> int:
            return b.add(larger, log_of_one_plus(b, b.call(exp, b.sub(smaller, larger))))

        either = b.select(b.compare("ge", x, y), form(x, y), form(y, x))
        if b.rational_value(x) is not None or b.rational_value(y) is not None:
            return either  # one is finite
        difference = b.sub(x, y)
        both = b.mul(b.rational(HALF), b.add(x, y))
        return b.select(b.compare("eq", difference, difference), either, both)

    return build


logaddexp: Final = _log_sum("exp", primitive("log1p"))
logaddexp2: Final = _log_sum("exp2", _log1p_base_2)


def expit(b: Builder, x: int) -> int:
    """Return the logistic function 1/(1 + exp(-x))."""
    return b.call("expit", x)


def log_expit(b: Builder, x: int) -> int:
    """Return the logarithm of the logistic function."""
    return b.neg(b.call("softplus", b.neg(x)))


def exp10(b: Builder, x: int) -> int:
    """Return 10**x."""
    return b.pow(b.rational(10), x)


def _xlog(logarithm: str, edge: int) -> Recipe:
    """Return x*log(y), 0 where x is 0 and the logarithm is infinite or does not exist."""

    def build(b: Builder, x: int, y: int) -> int:
        zero = b.rational(0)
        nothing = b.and_(b.compare("eq", x, zero), b.compare("le", y, b.rational(edge)))
        return b.select(nothing, zero, b.mul(x, b.call(logarithm, y)))

    return build


xlogy: Final = _xlog("log", 0)
xlog1py: Final = _xlog("log1p", -1)


# ---- trigonometry


def _sine_over(b: Builder, at: int, x: int) -> int:
    """Return sin(x)/x, 1 where `at` is 0."""
    return b.select(b.compare("eq", at, b.rational(0)), b.rational(1), b.div(b.call("sin", x), x))


def sinc(b: Builder, x: int) -> int:
    """Return the unnormalised sinc: sin(x)/x, 1 at 0."""
    return _sine_over(b, x, x)


def normalised_sinc(b: Builder, x: int) -> int:
    """Return sin(pi*x)/(pi*x), 1 at 0."""
    return _sine_over(b, x, b.mul(b.named("pi"), x))


def degrees(b: Builder, x: int) -> int:
    """Return an angle given in radians in degrees."""
    return b.mul(x, b.div(b.rational(180), b.named("pi")))


def radians(b: Builder, x: int) -> int:
    """Return an angle given in degrees in radians."""
    return b.mul(x, b.div(b.named("pi"), b.rational(180)))


# ---- gamma and error functions

_FACTORIALS: Final = 170
"""The largest factorial that is finite in double."""


def factorial(b: Builder, x: int) -> int:
    """Return the factorial gamma(x + 1)."""
    value = b.rational_value(x)
    if value is not None and value.denominator == 1 and 0 <= value <= _FACTORIALS:
        return b.rational(whole_factorial(int(value)))
    return b.call("gamma", b.add(x, b.rational(1)))


def log_of_gamma(b: Builder, x: int) -> int:
    """Return log(gamma(x)), NaN for negative x; the primitive is the logarithm of the absolute value."""
    return b.select(b.compare("lt", x, b.rational(0)), b.named("nan"), b.call("loggamma", x))


def erf2(b: Builder, x: int, y: int) -> int:
    """Return erf(y) - erf(x)."""
    return b.sub(b.call("erf", y), b.call("erf", x))


def ndtr(b: Builder, x: int) -> int:
    """Return the standard normal distribution function."""
    return b.div(b.call("erfc", b.neg(b.div(x, b.call("sqrt", b.rational(2))))), b.rational(2))


# ---- truth values


def same(b: Builder, *conditions: int) -> int:
    """Return true where all conditions are true or none is."""
    return b.or_(b.and_(*conditions), b.and_(*(b.not_(c) for c in conditions)))


def xor(b: Builder, *conditions: int) -> int:
    """Return true where an odd number of conditions is."""
    odd = b.boolean(False)
    for c in conditions:
        odd = b.or_(b.and_(odd, b.not_(c)), b.and_(b.not_(odd), c))
    return odd
