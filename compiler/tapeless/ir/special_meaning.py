"""What the special functions of the table are, in mpmath: the truth that compiled values are measured by."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

Real = Any
Context = Any


def _far(ctx: Context, x: Real, bits: int = 20) -> bool:
    """Whether abs(x) is at least two to the power `bits`, infinity included."""
    return bool(ctx.isinf(x)) or abs(x) >= ctx.ldexp(ctx.one, bits)


def _real(ctx: Context, name: str, *args: Real, **options: Any) -> Real:
    """Return what is real of a function of mpmath whose way there leads through complex numbers."""
    trapped = ctx.trap_complex
    try:
        ctx.trap_complex = False
        return ctx.re(getattr(ctx, name)(*args, **options))
    finally:
        ctx.trap_complex = trapped


def _digamma(ctx: Context, x: Real) -> Real:
    if x == 0:
        return ctx.ninf  # from the right, as zeros count as +0
    if ctx.isinf(x):
        return ctx.inf if x > 0 else ctx.nan
    return ctx.digamma(x)


def _digamma_gap(ctx: Context, a: Real, b: Real) -> Real:
    bits = ctx.prec
    try:
        if a and b and not ctx.isinf(a) and not ctx.isinf(b):
            ctx.prec = bits + 20 + max(0, int(ctx.mag(a) - ctx.mag(b)))
        value = _digamma(ctx, a + b) - _digamma(ctx, a)
    finally:
        ctx.prec = bits
    return +value


def _polygamma(ctx: Context, n: Real, x: Real) -> Real:
    if not ctx.isint(n) or n < 0 or ctx.isnan(x):
        return ctx.nan
    order = int(n)
    if order == 0:
        return _digamma(ctx, x)
    sign = 1 if order % 2 else -1
    if ctx.isinf(x):
        return ctx.zero * -sign if x > 0 else ctx.nan
    if x <= 0 and ctx.isint(x):
        return ctx.inf if sign > 0 else ctx.ninf if x == 0 else ctx.nan
    if x > 0:
        return sign * ctx.factorial(order) * ctx.zeta(order + 1, x)
    return ctx.psi(order, x)


def _at_pole(ctx: Context, low: Real, high: Real) -> bool:
    """Whether one of two arguments, the smaller negative, is a pole of the gamma function, or one is infinite."""
    whole = ctx.isint(low) or (high <= 0 and ctx.isint(high))
    return bool(whole or ctx.isinf(low) or ctx.isinf(high))


def _beta(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b) or (min(a, b) < 0 and _at_pole(ctx, min(a, b), max(a, b))):
        return ctx.nan
    if a == 0 or b == 0:
        return ctx.nan if ctx.isinf(a) or ctx.isinf(b) else ctx.inf
    if ctx.isinf(a) or ctx.isinf(b):
        return ctx.zero
    if a < 0 or b < 0:
        return ctx.gamma(a) * ctx.gamma(b) * ctx.rgamma(a + b)
    return ctx.exp(_lbeta(ctx, a, b))


def _lbeta(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b) or (min(a, b) < 0 and _at_pole(ctx, min(a, b), max(a, b))):
        return ctx.nan
    if a < 0 or b < 0:
        size = abs(_beta(ctx, a, b))
        return ctx.log(size) if size else ctx.ninf
    if a == 0 or b == 0:
        return ctx.nan if ctx.isinf(a) or ctx.isinf(b) else ctx.inf
    if ctx.isinf(a) or ctx.isinf(b):
        return ctx.ninf
    bits = ctx.prec
    try:
        ctx.prec = bits + 40 + max(0, ctx.mag(a), ctx.mag(b), -ctx.mag(a), -ctx.mag(b))
        value = ctx.loggamma(a) + ctx.loggamma(b) - ctx.loggamma(a + b)
    finally:
        ctx.prec = bits
    return +value


def _erfinv(ctx: Context, x: Real) -> Real:
    if abs(x) == 1:
        return x * ctx.inf
    return ctx.erfinv(x) if abs(x) < 1 else ctx.nan


def _erfcinv(ctx: Context, x: Real) -> Real:
    """erfinv(1 - x) with digits enough for the difference, or what it is for tiny x by Newton's method."""
    if x in (0, 2):
        return ctx.inf if x == 0 else ctx.ninf
    if not 0 < x < 2:
        return ctx.nan
    if x > 1:
        return -_erfcinv(ctx, 2 - x) if x < 2 else ctx.ninf
    bits = ctx.prec
    try:
        ctx.prec = bits + 30
        if x > 0.1:
            value = ctx.erfinv(1 - x)
        else:
            value = ctx.sqrt(-ctx.log(x))
            for _ in range(100):
                # Newton's method on log(erfc(y)), which is nearly a parabola
                tail = ctx.erfc(value)
                step = (ctx.log(tail) - ctx.log(x)) * tail * ctx.sqrt(ctx.pi) / 2 * ctx.exp(value * value)
                value += step
                if abs(step) < ctx.ldexp(abs(value), -bits // 2 - 10):
                    break
            tail = ctx.erfc(value)
            value += (ctx.log(tail) - ctx.log(x)) * tail * ctx.sqrt(ctx.pi) / 2 * ctx.exp(value * value)
    finally:
        ctx.prec = bits
    return +value


def _scaled_tail(ctx: Context, x: Real) -> Real:
    """exp(x**2)*erfc(x)."""
    if ctx.isinf(x):
        return ctx.zero if x > 0 else ctx.inf
    if _far(ctx, x):
        if x < 0:
            return ctx.inf
        square = x * x
        return (1 - 1 / (2 * square) + 3 / (4 * square**2) - 15 / (8 * square**3)) / (x * ctx.sqrt(ctx.pi))
    bits = ctx.prec
    try:
        ctx.prec = 2 * bits + 60 + 2 * max(0, ctx.mag(x) if x else 0)
        value = ctx.exp(x * x) * ctx.erfc(x)
    finally:
        ctx.prec = bits
    return +value


def _ierfcx(ctx: Context, n: Real, x: Real) -> Real:
    if not ctx.isint(n) or n < -1 or ctx.isnan(x):
        return ctx.nan
    if n == -1:
        return 2 / ctx.sqrt(ctx.pi)
    if ctx.isinf(x):
        return ctx.zero if x > 0 else ctx.inf
    order = int(n)
    bits = ctx.prec
    try:
        # the recurrence DLMF 7.18.7 loses about 2*mag(x) + 2 bits a step on the right
        ctx.prec = bits + 60 + (order + 1) * (4 + 2 * max(0, ctx.mag(x) if x else 0)) + order * order
        before, here = 2 / ctx.sqrt(ctx.pi), _scaled_tail(ctx, x)
        for k in range(1, order + 1):
            before, here = here, (before - 2 * x * here) / (2 * k)
    finally:
        ctx.prec = bits
    return +here


def _dawson_slope(ctx: Context, x: Real) -> Real:
    if _far(ctx, x):
        return ctx.zero if ctx.isinf(x) else -1 / (2 * x * x) - 3 / (4 * x**4)
    bits = ctx.prec
    try:
        ctx.prec = bits + 60
        value = 1 - 2 * x * _dawson(ctx, x)
    finally:
        ctx.prec = bits
    return +value


def _log_ndtr(ctx: Context, x: Real) -> Real:
    if ctx.isinf(x):
        return ctx.zero if x > 0 else ctx.ninf
    bits = ctx.prec
    try:
        ctx.prec = bits + 60
        if x > 0:
            t = ctx.erfc(x / ctx.sqrt(2)) / 2 if not _far(ctx, x) else ctx.zero
            value = ctx.log1p(-t)
        else:
            value = ctx.log(_scaled_tail(ctx, -x / ctx.sqrt(2)) / 2) - x * x / 2
    finally:
        ctx.prec = bits
    return +value


def _ndtri(ctx: Context, x: Real) -> Real:
    return -ctx.sqrt(2) * _erfcinv(ctx, 2 * x)


def _dawson(ctx: Context, x: Real) -> Real:
    if ctx.isinf(x):
        return ctx.zero
    if _far(ctx, x):
        return (1 + 1 / (2 * x * x) + 3 / (4 * x**4)) / (2 * x)
    return x * _real(ctx, "hyp1f1", 1, ctx.mpf(1.5), -x * x)


def _logit(ctx: Context, x: Real) -> Real:
    if x in (0, 1):
        return ctx.inf if x == 1 else ctx.ninf
    return ctx.log(x / (1 - x)) if 0 < x < 1 else ctx.nan


def _lambertw(ctx: Context, x: Real) -> Real:
    if ctx.isinf(x):
        return ctx.inf if x > 0 else ctx.nan
    return ctx.lambertw(x) if x * ctx.e >= -1 else ctx.nan


def _lambertw_lower(ctx: Context, x: Real) -> Real:
    if x == 0:
        return ctx.ninf
    return ctx.lambertw(x, -1) if x < 0 and x * ctx.e >= -1 else ctx.nan


def _lower_gamma(ctx: Context, a: Real, x: Real) -> Real:
    """The regularised lower function by its series of positive terms, DLMF 8.7.1."""
    term = total = ctx.one / a
    k = 0
    while abs(term) > ctx.ldexp(total, -ctx.prec - 5):
        k += 1
        term *= x / (a + k)
        total += term
    return ctx.exp(a * ctx.log(x) - x - ctx.loggamma(a)) * total


def _gammainc(ctx: Context, a: Real, x: Real) -> Real:
    if not (a > 0 and x >= 0) or ctx.isinf(a):
        return ctx.nan
    if x == 0 or ctx.isinf(x):
        return ctx.zero if x == 0 else ctx.one
    if _far(ctx, x, 18):
        return ctx.gammainc(a, 0, x, regularized=True)
    bits = ctx.prec
    try:
        ctx.prec = bits + 80
        value = _lower_gamma(ctx, a, x)
    finally:
        ctx.prec = bits
    return +value


def _upper_gamma(ctx: Context, a: Real, x: Real) -> Real:
    """The regularised upper function by the continued fraction DLMF 8.9.2, for x well above a."""
    b = x + 1 - a
    c, d = ctx.mpf(10) ** 300, 1 / b
    whole = d
    k = 0
    while True:
        k += 1
        n = k * (a - k)
        b += 2
        d = 1 / (n * d + b)
        c = b + n / c
        whole *= c * d
        if abs(c * d - 1) < ctx.ldexp(ctx.one, -ctx.prec + 3):
            return ctx.exp(a * ctx.log(x) - x - ctx.loggamma(a)) * whole


def _gammaincc(ctx: Context, a: Real, x: Real) -> Real:
    if not (a > 0 and x >= 0) or ctx.isinf(a):
        return ctx.nan
    if x == 0 or ctx.isinf(x):
        return ctx.one if x == 0 else ctx.zero
    if _far(ctx, x, 18):
        return ctx.gammainc(a, x, regularized=True)
    bits = ctx.prec
    try:
        if x > 1.2 * a + 60:
            ctx.prec = bits + 80
            return +_upper_gamma(ctx, a, x)
        # 1 less the lower function, with digits enough for the difference
        tail = (x - a - a * ctx.log(x / a)) / ctx.ln2 if x > a else ctx.zero
        ctx.prec = bits + 80 + int(tail) + max(0, -int(ctx.mag(a)))
        value = 1 - _lower_gamma(ctx, a, x)
    finally:
        ctx.prec = bits
    return +value


def _gammainc_by_shape(ctx: Context, a: Real, x: Real) -> Real:
    """The series DLMF 8.7.1 by terms, with digits enough for its cancellation above a; far above, a difference."""
    if not (a > 0 and x >= 0) or ctx.isinf(a):
        return ctx.nan
    if x == 0 or ctx.isinf(x):
        return ctx.zero
    bits = ctx.prec
    try:
        if x > 1.2 * a + 60:
            ctx.prec = 3 * bits + 40
            step = ctx.ldexp(a, -bits)
            return +((_upper_gamma(ctx, a - step, x) - _upper_gamma(ctx, a + step, x)) / (2 * step))
        tail = (x - a - a * ctx.log(x / a)) / ctx.ln2 if x > a else ctx.zero
        ctx.prec = bits + 80 + int(tail)
        weight = ctx.psi(0, a + 1) - ctx.log(x)
        total, term, k = weight, ctx.one, 0
        while k < x or abs(term * weight) > ctx.ldexp(abs(total), -ctx.prec):
            k += 1
            term *= x / (a + k)
            weight += 1 / (a + k)
            total += term * weight
        value = -total * ctx.exp(a * ctx.log(x) - x - ctx.loggamma(a + 1))
    finally:
        ctx.prec = bits
    return +value


def _gamma_density(ctx: Context, a: Real, x: Real) -> Real:
    if ctx.isnan(a) or ctx.isinf(a) or not x >= 0:
        return ctx.nan
    if x == 0:
        return ctx.zero if a > 1 else ctx.one if a == 1 else ctx.inf if a > 0 else ctx.nan
    if ctx.isinf(x):
        return ctx.zero
    return x ** (a - 1) * ctx.exp(-x) * ctx.rgamma(a)


def _betainc(ctx: Context, a: Real, b: Real, x: Real) -> Real:
    if not (a > 0 and b > 0 and 0 <= x <= 1) or ctx.isinf(a) or ctx.isinf(b):
        return ctx.nan
    if x in (0, 1):
        return x
    return ctx.betainc(a, b, 0, x, regularized=True)


def _betainc_by(by_b: bool) -> Callable[..., Real]:
    """Return the derivative of the function by a or b: its series by terms, on the side of the mean."""

    def below(ctx: Context, a: Real, b: Real, x: Real, by_b: bool) -> Real:
        y = 1 - x
        weight = ctx.log(y) - ctx.psi(0, b) if by_b else ctx.log(x) - ctx.psi(0, a + 1)
        weight += ctx.psi(0, a + b)
        total, term, k = weight, ctx.one, 0
        while abs(term * weight) > ctx.ldexp(abs(total), -ctx.prec):
            weight += 1 / (a + b + k) - (0 if by_b else 1 / (a + 1 + k))
            term *= x * (a + b + k) / (a + 1 + k)
            total += term * weight
            k += 1
        return total * x**a * y**b * ctx.exp(ctx.loggamma(a + b) - ctx.loggamma(a + 1) - ctx.loggamma(b))

    def value(ctx: Context, a: Real, b: Real, x: Real) -> Real:
        if not (a > 0 and b > 0 and 0 <= x <= 1) or ctx.isinf(a) or ctx.isinf(b):
            return ctx.nan
        if x in (0, 1):
            return ctx.zero
        bits = ctx.prec
        try:
            ctx.prec = bits + 80 + 2 * max(0, *(-int(ctx.mag(z)) for z in (a, b, x)))
            beyond = x > (a + 1) / (a + b + 2)
            found = -below(ctx, b, a, 1 - x, not by_b) if beyond else below(ctx, a, b, x, by_b)
        finally:
            ctx.prec = bits
        return +found

    return value


def _beta_density(ctx: Context, a: Real, b: Real, x: Real) -> Real:
    if ctx.isinf(a) or ctx.isinf(b) or not 0 <= x <= 1 or ctx.isnan(a) or ctx.isnan(b):
        return ctx.nan
    if x in (0, 1):
        p, q = (a, b) if x == 0 else (b, a)
        return ctx.zero if p > 1 else q if p == 1 else ctx.inf if p > 0 else ctx.nan
    return x ** (a - 1) * (1 - x) ** (b - 1) * ctx.gamma(a + b) * ctx.rgamma(a) * ctx.rgamma(b)


def _expint(ctx: Context, n: Real, x: Real) -> Real:
    if not ctx.isint(n) or not x >= 0:
        return ctx.nan
    if x == 0:
        return 1 / (n - 1) if n > 1 else ctx.inf
    if ctx.isinf(x):
        return ctx.zero
    if n <= 0:  # DLMF 8.4.8, a finite sum
        m = int(-n)
        return ctx.gammainc(m + 1, x) / x ** (m + 1)
    return _real(ctx, "expint", n, x)


def _expi(ctx: Context, x: Real) -> Real:
    if x == 0:
        return ctx.ninf
    if ctx.isinf(x):
        return ctx.inf if x > 0 else ctx.zero
    return ctx.ei(x)


def _bessel(name: str) -> Callable[[Context, Real, Real], Real]:
    def function(ctx: Context, v: Real, x: Real) -> Real:
        if (not x >= 0 and not ctx.isint(v)) or ctx.isinf(v) or ctx.isnan(v) or ctx.isnan(x):
            return ctx.nan
        second = name in ("bessely", "besselk")
        if second and x < 0:
            return ctx.nan
        if ctx.isinf(x):
            if name != "besseli":
                return ctx.zero
            return ctx.ninf if x < 0 and ctx.isint(v / 2 + 0.5) else ctx.inf
        if x == 0:
            return _bessel_at_0(ctx, name, v)
        return _real(ctx, name, v, x)

    return function


def _bessel_at_0(ctx: Context, name: str, v: Real) -> Real:
    if name == "besselk":
        return ctx.inf
    if name == "bessely":
        half = v < 0 and ctx.isint(v - 0.5)
        if half:
            return ctx.zero
        return ctx.inf if v < 0 and not ctx.isint(v) and ctx.cospi(v) < 0 else ctx.ninf
    if v == 0:
        return ctx.one
    if v > 0 or ctx.isint(v):
        return ctx.zero
    return ctx.sign(ctx.rgamma(v + 1)) * ctx.inf


def _airy(name: str, derivative: int, at_minus: int = 0) -> Callable[[Context, Real], Real]:
    def function(ctx: Context, x: Real) -> Real:
        if ctx.isnan(x):
            return x
        if ctx.isinf(x):
            if x > 0:
                return ctx.zero if name == "airyai" else ctx.inf
            return ctx.nan if derivative else ctx.zero
        return _real(ctx, name, x, derivative=derivative)

    return function


def _elliptic_k(ctx: Context, m: Real) -> Real:
    if m == 1:
        return ctx.inf
    if ctx.isinf(m):
        return ctx.zero if m < 0 else ctx.nan
    return ctx.ellipk(m) if m < 1 else ctx.nan


def _elliptic_e(ctx: Context, m: Real) -> Real:
    if ctx.isinf(m):
        return ctx.inf if m < 0 else ctx.nan
    return ctx.ellipe(m) if m <= 1 else ctx.nan


def _elliptic_d(ctx: Context, m: Real) -> Real:
    if m == 1:
        return ctx.inf
    if ctx.isinf(m):
        return ctx.zero if m < 0 else ctx.nan
    return ctx.pi / 4 * ctx.hyp2f1(1.5, 0.5, 2, m) if m < 1 else ctx.nan


def _zeta(ctx: Context, s: Real, a: Real) -> Real:
    if ctx.isnan(s) or not a > 0 or (s < 1 and a != 1):
        return ctx.nan
    if ctx.isinf(s) or ctx.isinf(a) or s == 1:
        if s == 1:
            return ctx.inf
        if ctx.isinf(a):
            return ctx.zero if s > 1 else ctx.nan
        return ctx.nan if s < 0 else ctx.one if a == 1 else ctx.zero if a > 1 else ctx.inf
    return ctx.zeta(s, a)


MEANING: Final[dict[str, Callable[..., Any]]] = {
    "digamma": _digamma,
    "digamma_gap": _digamma_gap,
    "polygamma": _polygamma,
    "beta": _beta,
    "lbeta": _lbeta,
    "erfinv": _erfinv,
    "erfcinv": _erfcinv,
    "erfcx": _scaled_tail,
    "ierfcx": _ierfcx,
    "log_ndtr": _log_ndtr,
    "ndtri": _ndtri,
    "dawson": _dawson,
    "dawson_slope": _dawson_slope,
    "logit": _logit,
    "lambertw": _lambertw,
    "lambertw_lower": _lambertw_lower,
    "gammainc": _gammainc,
    "gammaincc": _gammaincc,
    "gammainc_by_shape": _gammainc_by_shape,
    "gamma_density": _gamma_density,
    "betainc": _betainc,
    "betainc_by_a": _betainc_by(False),
    "betainc_by_b": _betainc_by(True),
    "beta_density": _beta_density,
    "expint": _expint,
    "expi": _expi,
    "besselj": _bessel("besselj"),
    "bessely": _bessel("bessely"),
    "besseli": _bessel("besseli"),
    "besselk": _bessel("besselk"),
    "airyai": _airy("airyai", 0),
    "airyai_slope": _airy("airyai", 1),
    "airybi": _airy("airybi", 0),
    "airybi_slope": _airy("airybi", 1),
    "elliptic_k": _elliptic_k,
    "elliptic_e": _elliptic_e,
    "elliptic_d": _elliptic_d,
    "zeta": _zeta,
}
"""Primitive -> its value from a context and numbers of it; NaN outside the domain, or an exception of mpmath."""


@cache
def _context() -> Context:
    """Return a context of ours with digits enough to round to double once."""
    import mpmath

    found = mpmath.mp.__class__()
    found.prec = 120
    found.trap_complex = True
    return found


def in_double(name: str) -> Callable[..., float]:
    """Return a special function of floats, rounded once.

    It raises `ValueError` where there is no value and `OverflowError` where that is beyond the range of a double.
    """
    meaning = MEANING[name]

    def value(*args: float) -> float:
        ctx = _context()
        try:
            found = meaning(ctx, *map(ctx.mpf, args))
        except (ArithmeticError, TypeError, ctx.NoConvergence):
            raise ValueError(f"{name} has no value here") from None
        if ctx.isnan(found):
            raise ValueError(f"{name} has no value here")
        number = float(found)
        if math.isinf(number) and not ctx.isinf(found):
            raise OverflowError(f"{name} is beyond the range of a double")
        return number

    return value
