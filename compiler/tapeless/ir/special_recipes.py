"""Special functions that are no primitives, and sympy's and SciPy's ways to call those that are."""

from __future__ import annotations

from fractions import Fraction

from tapeless.errors import UnsupportedError
from tapeless.ir.graph import Builder
from tapeless.ir.recipes import Recipe


def trigamma(b: Builder, x: int) -> int:
    """Return the derivative of digamma."""
    return b.call("polygamma", b.rational(1), x)


def harmonic(b: Builder, x: int, order: int | None = None) -> int:
    """Return the harmonic number 1 + 1/2 + ... + 1/x, between whole numbers by digamma."""
    if order is not None and b.rational_value(order) != 1:
        raise UnsupportedError(
            "harmonic(x, m) is known here for m = 1 only; write zeta(m, 1) - zeta(m, x + 1)"
        )
    return b.add(b.call("digamma", b.add(x, b.rational(1))), b.named("euler_gamma"))


def lambertw(b: Builder, x: int, branch: int | None = None) -> int:
    """Return a real branch of Lambert's W."""
    value = 0 if branch is None else b.rational_value(branch)
    if value not in (0, -1):
        raise UnsupportedError(
            "Lambert's W is real on its branches 0 and -1 only, and the branch is a number"
        )
    return b.call("lambertw" if value == 0 else "lambertw_lower", x)


def zeta(b: Builder, s: int, a: int | None = None) -> int:
    """Return Riemann's zeta function, or Hurwitz'."""
    return b.call("zeta", s, b.rational(1) if a is None else a)


def elliptic_e(b: Builder, *args: int) -> int:
    """Return the complete elliptic integral."""
    if len(args) != 1:
        raise UnsupportedError("the incomplete elliptic integral elliptic_e(z, m) is not in the table")
    return b.call("elliptic_e", *args)


def lower_gamma(b: Builder, a: int, x: int) -> int:
    """Return the incomplete gamma function from 0 to x, not regularised."""
    return b.mul(b.call("gamma", a), b.call("gammainc", a, x))


def upper_gamma(b: Builder, a: int, x: int) -> int:
    """Return the incomplete gamma function from x on, not regularised; DLMF 8.19.1 for whole a <= 0."""
    value = b.rational_value(a)
    if value is not None and value <= 0:
        if value.denominator != 1:
            raise UnsupportedError(
                "uppergamma(a, x) is known here for positive a, and whole ones that are not"
            )
        return b.mul(b.pow(x, a), b.call("expint", b.rational(1 - value), x))
    return b.mul(b.call("gamma", a), b.call("gammaincc", a, x))


def expint(b: Builder, order: int, x: int) -> int:
    """Return the exponential integral of an order that is whole, or a number below 1."""
    value = b.rational_value(order)
    if value is not None and value.denominator != 1:
        if value > 1:
            raise UnsupportedError("expint(n, x) is known here for whole n, and for any number n below 1")
        power = b.pow(x, b.rational(value - 1))
        return b.mul(power, upper_gamma(b, b.rational(1 - value), x))
    return b.call("expint", order, x)


def e1(b: Builder, x: int) -> int:
    """Return the exponential integral E1."""
    return b.call("expint", b.rational(1), x)


def log_integral(b: Builder, x: int) -> int:
    """Return the logarithmic integral, Ei(log(x))."""
    return b.call("expi", b.call("log", x))


def regularised_beta(b: Builder, p: int, q: int, low: int, high: int) -> int:
    """Return the incomplete beta function from `low` to `high`, over beta(p, q)."""
    upper = b.call("betainc", p, q, high)
    if b.rational_value(low) == 0:
        return upper
    return b.sub(upper, b.call("betainc", p, q, low))


def incomplete_beta(b: Builder, p: int, q: int, low: int, high: int) -> int:
    """Return the incomplete beta function from `low` to `high`, not regularised."""
    return b.mul(b.call("beta", p, q), regularised_beta(b, p, q, low, high))


def spherical(op: str) -> Recipe:
    """Return the spherical Bessel function that goes with `op`, DLMF 10.47.3 and 10.47.4."""

    def build(b: Builder, n: int, x: int) -> int:
        half = b.rational(Fraction(1, 2))
        factor = b.call("sqrt", b.div(b.named("pi"), b.mul(b.rational(2), x)))
        return b.mul(factor, b.call(op, b.add(n, half), x))

    return build


def of_order(op: str, order: int) -> Recipe:
    """Return the Bessel function of an order, as j0 and k1."""
    return lambda b, x: b.call(op, b.rational(order), x)


def erfi(b: Builder, x: int) -> int:
    """Return the imaginary error function, by Dawson's integral."""
    factor = b.div(b.rational(2), b.call("sqrt", b.named("pi")))
    return b.mul(b.mul(factor, b.call("exp", b.pow(x, b.rational(2)))), b.call("dawson", x))
