"""The reference: a Program in mpmath to as many digits as asked for, and its slopes without our rules.

Nothing here is fast and nothing rounds early: the compiled code is judged by it, and the emitter takes its
constants from it. The meaning of every primitive is that of the C it stands for, over the reals: outside the
domain NaN, comparisons with NaN false, no exception from a branch that is not taken. mpmath has no signed
zero, so a zero counts as +0.

Results are settled by Ziv's strategy (A. Ziv, "Fast evaluation of elementary mathematical functions with
correctly rounded last bit", ACM TOMS 17, 1991): the precision is doubled until two precisions agree.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.ir.graph import Graph
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Program
from tapeless.ir.series import over_at_zero
from tapeless.ir.special_meaning import MEANING

Real = Any
"""A number of an mpmath context (mpmath has no annotations)."""

Context = Any
"""An mpmath context of our own, never the global one."""

_EXPONENT_LIMIT: Final = 1 << 40
"""Beyond two to this power a number is infinite, below its reciprocal zero: towers of exp end there."""

_TRIG_LIMIT: Final = 1 << 16
"""Sines of numbers beyond two to this power are not worth the digits of pi."""

_LEVELS: Final = 6
"""Doublings of the precision before a result is taken to be unsettled."""

_DEEP: Final = 3400
"""Bits at which a zero is believed: enough for 1 - cos(x) and its slope at the smallest doubles."""


def context(digits: int) -> Context:
    """Return an mpmath context of its own that computes with `digits` decimal digits, over the reals only."""
    import mpmath

    found = mpmath.mp.__class__()
    found.dps = digits
    found.trap_complex = True
    return found


def context_of_bits(bits: int) -> Context:
    """Return an mpmath context of its own that computes with `bits` bits, over the reals only."""
    found = context(15)
    found.prec = bits
    return found


# ---------------------------------------------------------------- numbers in and out


def number(ctx: Context, value: object) -> Real:
    """Convert a Python or NumPy number, a Fraction or an mpf of any context to `ctx`, a float exactly."""
    if isinstance(value, Fraction):
        return ctx.mpf(value.numerator) / value.denominator
    if isinstance(value, int):
        return ctx.mpf(value)
    inner = getattr(value, "_mpf_", None)
    if inner is not None:
        return ctx.make_mpf(inner)
    return ctx.mpf(float(value))  # type: ignore[arg-type]


_FORMATS: Final[dict[str, tuple[int, int, int]]] = {"float64": (53, -1022, 1023), "float32": (24, -126, 127)}
"""Significant bits, smallest and largest exponent of the normal numbers."""


def nearest(value: Real | Fraction | float, dtype: str = "float64") -> float:
    """Return the number of `dtype` nearest to `value` (ties to even, subnormals included), as a float.

    Parameters
    ----------
    value
        An mpf, a Fraction, or a float.
    dtype
        `"float64"` or `"float32"`.
    """
    if isinstance(value, (int, float)) and not (isinstance(value, int) or math.isfinite(value)):
        return value
    bits, low, high = _FORMATS[dtype]
    if isinstance(value, (Fraction, int, float)):
        exact = Fraction(value)
    else:
        sign, mantissa, exponent, count = value._mpf_
        if not mantissa:
            return _special(value) if exponent else 0.0
        if exponent + count > high + 2:
            return -math.inf if sign else math.inf
        if exponent + count < low - bits - 2:
            return 0.0
        mantissa = -int(mantissa) if sign else int(mantissa)
        exact = Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)
    if not exact:
        return 0.0
    top = _exponent(exact)
    quantum = max(top, low) - bits + 1
    unit = Fraction(1 << quantum) if quantum >= 0 else Fraction(1, 1 << -quantum)
    rounded = round(exact / unit) * unit  # Fraction rounds half to even
    if rounded and _exponent(rounded) > high:
        return math.inf if rounded > 0 else -math.inf
    return float(rounded)


def _special(value: Real) -> float:
    return math.nan if _isnan(value) else math.inf if value > 0 else -math.inf


def _exponent(value: Fraction) -> int:
    """Return e with 2**e <= abs(value) < 2**(e + 1)."""
    p, q = abs(value.numerator), value.denominator
    e = p.bit_length() - q.bit_length()
    below = p < q << e if e >= 0 else p << -e < q
    return e - 1 if below else e


# ---------------------------------------------------------------- the primitives


def _bounded(ctx: Context, value: Real) -> Real:
    sign, mantissa, exponent, count = value._mpf_
    if mantissa:
        top = exponent + count
        if top > _EXPONENT_LIMIT:
            return ctx.ninf if sign else ctx.inf
        if top < -_EXPONENT_LIMIT:
            return ctx.zero
    return value


def _huge(x: Real, limit: int = 40) -> bool:
    """Whether abs(x) is at least two to the power `limit`, infinity included."""
    _, mantissa, exponent, count = x._mpf_
    return bool(exponent + count > limit) if mantissa else bool(exponent) and not _isnan(x)


def _div(ctx: Context, a: Real, b: Real) -> Real:
    if b != 0:
        return a / b
    if a == 0 or ctx.isnan(a) or ctx.isnan(b):
        return ctx.nan
    return ctx.inf if a > 0 else ctx.ninf


def _exp(ctx: Context, x: Real) -> Real:
    if _huge(x):
        return ctx.inf if x > 0 else ctx.zero
    return ctx.exp(x)


def _exp2(ctx: Context, x: Real) -> Real:
    return _pow(ctx, ctx.mpf(2), x)


def _expm1(ctx: Context, x: Real) -> Real:
    if _huge(x):
        return ctx.inf if x > 0 else -ctx.one
    return ctx.expm1(x)


def _pow(ctx: Context, a: Real, b: Real) -> Real:
    """a**b with the special cases of C11 F.10.4.4 (zeros taken as +0)."""
    if b == 0 or a == 1:
        return ctx.one
    if ctx.isnan(a) or ctx.isnan(b):
        return ctx.nan
    if a == 0:
        return ctx.zero if b > 0 else ctx.inf
    if ctx.isinf(b):
        if a == -1:
            return ctx.one
        return ctx.inf if (abs(a) > 1) == (b > 0) else ctx.zero
    whole = ctx.isint(b)
    odd = whole and not _huge(b, ctx.prec) and int(b) % 2 == 1
    if ctx.isinf(a):
        size = ctx.inf if b > 0 else ctx.zero
        return -size if a < 0 and odd else size
    if a < 0 and not whole:
        return ctx.nan
    if whole and not _huge(b, 20):
        return _bounded(ctx, a) ** int(b)
    bits = ctx.prec
    try:
        ctx.prec = bits + 60  # exp magnifies the absolute error of its argument, below 2**40
        size = _exp(ctx, b * ctx.log(abs(a)))
    finally:
        ctx.prec = bits
    return -size if a < 0 and odd else +size


def _cbrt(ctx: Context, x: Real) -> Real:
    return -ctx.cbrt(-x) if x < 0 else ctx.cbrt(x)


def _hypot(ctx: Context, a: Real, b: Real) -> Real:
    return ctx.inf if ctx.isinf(a) or ctx.isinf(b) else ctx.hypot(a, b)


def _circular(name: str) -> Callable[[Context, Real], Real]:
    def function(ctx: Context, x: Real) -> Real:
        return ctx.nan if _huge(x, _TRIG_LIMIT) else getattr(ctx, name)(x)

    return function


def _atan2(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b):
        return ctx.nan
    if ctx.isinf(a) and ctx.isinf(b):
        angle = ctx.pi / 4 if b > 0 else 3 * ctx.pi / 4
        return angle if a > 0 else -angle
    return ctx.atan2(a, b)


def _sinh(ctx: Context, x: Real) -> Real:
    return x * ctx.inf if _huge(x) else ctx.sinh(x)


def _cosh(ctx: Context, x: Real) -> Real:
    return ctx.inf if _huge(x) else ctx.cosh(x)


def _tanh(ctx: Context, x: Real) -> Real:
    return _sign(ctx, x) if _huge(x) else ctx.tanh(x)


def _acosh(ctx: Context, x: Real) -> Real:
    return ctx.nan if ctx.isnan(x) else ctx.acosh(x)


def _erf(ctx: Context, x: Real) -> Real:
    return _sign(ctx, x) if _huge(x, 20) else ctx.erf(x)


def _erfc(ctx: Context, x: Real) -> Real:
    if _huge(x, 20):
        return ctx.zero if x > 0 else ctx.mpf(2)
    return ctx.erfc(x)


def _expit(ctx: Context, x: Real) -> Real:
    return 1 / (1 + _exp(ctx, -x))


def _softplus(ctx: Context, x: Real) -> Real:
    if _huge(x):
        return x if x > 0 else ctx.zero
    return ctx.log1p(ctx.exp(x)) if x < 0 else x + ctx.log1p(ctx.exp(-x))


def _sech2(ctx: Context, x: Real) -> Real:
    return 1 / _cosh(ctx, x) ** 2


def _gauss(ctx: Context, x: Real) -> Real:
    bits = ctx.prec
    try:
        ctx.prec = 2 * bits + 60  # exp magnifies the error of the square
        value = _exp(ctx, -x * x)
    finally:
        ctx.prec = bits
    return +value


def _log_cosh(ctx: Context, x: Real) -> Real:
    if _huge(x):
        return abs(x) - ctx.ln2
    return ctx.log1p(2 * ctx.sinh(x / 2) ** 2)


def _versin(ctx: Context, x: Real) -> Real:
    return 2 * _circular("sin")(ctx, x / 2) ** 2


def _xlogx(ctx: Context, x: Real) -> Real:
    return x * ctx.log(x) if x else x


def _xlog1px(ctx: Context, x: Real) -> Real:
    return (1 + x) * ctx.log1p(x) if x != -1 else ctx.zero


def _squares(ctx: Context, a: Real, b: Real) -> Real:
    return (a - b) * (a + b)


def _norm(ctx: Context, *parts: Real) -> Real:
    return ctx.sqrt(sum(x * x for x in parts))


def _quadratic(ctx: Context, a: Real, b: Real, c: Real) -> Real:
    root = ctx.sqrt(b * b - 4 * a * c)
    return _div(ctx, -2 * c, b + root) if b >= 0 and b + root else _div(ctx, root - b, 2 * a)


def _quantum(ctx: Context, a: Real, b: Real) -> Real:
    ratio = _div(ctx, a, b)
    return _div(ctx, a, _expm1(ctx, ratio)) if ratio else b


def _logsumexp(ctx: Context, *args: Real) -> Real:
    top = _max(ctx, *args)
    if not ctx.isfinite(top):
        return top
    return top + ctx.log(sum(_exp(ctx, x - top) for x in args))


def _softmax(ctx: Context, *args: Real) -> Real:
    top = _max(ctx, *args)
    if not ctx.isfinite(top):
        return ctx.nan if args[0] == top or ctx.isnan(top) else ctx.zero
    return _exp(ctx, args[0] - top) / sum(_exp(ctx, x - top) for x in args)


def _over(name: str) -> Callable[[Context, Real, Real], Real]:
    """Return the derivative of order n of f(x)/x, with more digits near 0, where each order loses some."""

    def value(ctx: Context, x: Real, order: Real) -> Real:
        n = int(ctx.nint(order))  # differences by the order find 0
        if order < -0.25 or (name == "log1p" and x <= -1):
            return ctx.nan
        if ctx.isinf(x):
            return ctx.inf if name == "expm1" and x > 0 else ctx.zero
        if not x:
            return number(ctx, over_at_zero(name, n) * math.factorial(n))
        bits = ctx.prec
        try:
            ctx.prec = bits + 40 + (n + 2) * max(0, 10 - int(ctx.mag(x)))
            slopes = _slopes(ctx, name, x, n)
            found = slopes[0] / x
            for k in range(1, n + 1):
                found = (slopes[k] - k * found) / x
        finally:
            ctx.prec = bits
        return +found

    return value


def _slopes(ctx: Context, name: str, x: Real, n: int) -> list[Real]:
    """Return f and its derivatives to order n."""
    if name == "sin":
        s, c = _circular("sin")(ctx, x), _circular("cos")(ctx, x)
        return [(s, c, -s, -c)[k % 4] for k in range(n + 1)]
    if name == "expm1":
        return [_expm1(ctx, x)] + [_exp(ctx, x)] * n
    if name == "log1p":
        return [ctx.log1p(x)] + [-math.factorial(k - 1) * (-1 / (1 + x)) ** k for k in range(1, n + 1)]
    t = _tanh(ctx, x)
    found, row = [t], [0, 1]  # a polynomial in t, and its derivative times 1 - t**2
    for _ in range(n):
        slope = [k * c for k, c in enumerate(row)][1:]
        row = [0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            row[k] += c
            row[k + 2] -= c
        if len(found) == 1:
            found.append(_sech2(ctx, x))
        else:
            found.append(sum((c * t**k for k, c in enumerate(row)), ctx.zero))
    return found


def _gamma(ctx: Context, x: Real) -> Real:
    if x == 0:
        return ctx.inf
    if _huge(x):
        return ctx.inf if x > 0 else ctx.nan
    return ctx.gamma(x)


def _loggamma(ctx: Context, x: Real) -> Real:
    """log(abs(gamma(x))), as C's lgamma."""
    if ctx.isinf(x) or (x <= 0 and ctx.isint(x)):
        return ctx.inf
    if x > 0:
        return ctx.loggamma(x)
    # the reflection DLMF 5.5.3; far out every number is an integer
    return ctx.log(abs(ctx.pi / ctx.sinpi(x))) - ctx.loggamma(1 - x)


def _sign(ctx: Context, x: Real) -> Real:
    if ctx.isnan(x):
        return x
    return ctx.mpf((x > 0) - (x < 0))


def _heaviside(ctx: Context, x: Real) -> Real:
    return (_sign(ctx, x) + 1) / 2


def _trunc(ctx: Context, x: Real) -> Real:
    return ctx.ceil(x) if x < 0 else ctx.floor(x)


def _round_away(ctx: Context, x: Real) -> Real:
    if ctx.isnan(x) or ctx.isinf(x):
        return x
    size = ctx.floor(ctx.fadd(abs(x), ctx.mpf(0.5), exact=True)) if not _huge(x, ctx.prec) else abs(x)
    return -size if x < 0 else size


def _logb(ctx: Context, x: Real) -> Real:
    if x == 0:
        return ctx.ninf
    if ctx.isnan(x) or ctx.isinf(x):
        return abs(x)
    return ctx.mpf(ctx.mag(x) - 1)


def _copysign(ctx: Context, a: Real, b: Real) -> Real:
    return -abs(a) if b < 0 else abs(a)


def _quotient_and_rest(ctx: Context, a: Real, b: Real) -> tuple[int, int, int, int] | None:
    """Return q, r, d, e: abs(a) = (q*d + r)*2**e and abs(b) = d*2**e, exactly; None where out of reach."""
    _, m, p, _ = a._mpf_
    _, n, q, _ = b._mpf_
    if p - q > _TRIG_LIMIT or q - p > _TRIG_LIMIT:
        return None
    e = min(p, q)
    over, under = int(m) << (p - e), int(n) << (q - e)
    return (*divmod(over, under), under, e)


def _fmod(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b) or ctx.isinf(a) or b == 0:
        return ctx.nan
    if ctx.isinf(b) or abs(a) < abs(b):
        return a
    parts = _quotient_and_rest(ctx, a, b)
    if parts is None:
        return ctx.nan
    _, rest, _, exponent = parts
    return ctx.ldexp(ctx.mpf(-rest if a < 0 else rest), exponent)


def _remainder(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b) or ctx.isinf(a) or b == 0:
        return ctx.nan
    if ctx.isinf(b) or 2 * abs(a) < abs(b):
        return a
    parts = _quotient_and_rest(ctx, a, b)
    if parts is None:
        return ctx.nan
    quotient, rest, divisor, exponent = parts
    if 2 * rest > divisor or (2 * rest == divisor and quotient % 2):
        rest -= divisor
    return ctx.ldexp(ctx.mpf(-rest if a < 0 else rest), exponent)


def _fdim(ctx: Context, a: Real, b: Real) -> Real:
    if ctx.isnan(a) or ctx.isnan(b):
        return ctx.nan
    return a - b if a > b else ctx.zero


def _fmax(ctx: Context, a: Real, b: Real) -> Real:
    return b if ctx.isnan(a) or b > a else a


def _fmin(ctx: Context, a: Real, b: Real) -> Real:
    return b if ctx.isnan(a) or b < a else a


def _max(ctx: Context, *args: Real) -> Real:
    return ctx.nan if any(ctx.isnan(arg) for arg in args) else max(args)


def _min(ctx: Context, *args: Real) -> Real:
    return ctx.nan if any(ctx.isnan(arg) for arg in args) else min(args)


def _own(name: str) -> Callable[[Context, Real], Real]:
    """Take the function that mpmath itself has by this name."""
    return lambda ctx, x: getattr(ctx, name)(x)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "add": lambda ctx, a, b: a + b,
    "sub": lambda ctx, a, b: a - b,
    "mul": lambda ctx, a, b: a * b,
    "div": _div,
    "neg": lambda ctx, x: -x,
    "pow": _pow,
    "fma": lambda ctx, a, b, c: a * b + c,
    "sqrt": _own("sqrt"),
    "cbrt": _cbrt,
    "hypot": _hypot,
    "exp": _exp,
    "exp2": _exp2,
    "expm1": _expm1,
    "log": _own("log"),
    "log2": lambda ctx, x: ctx.log(x) / ctx.ln2,
    "log10": lambda ctx, x: ctx.log(x) / ctx.ln10,
    "log1p": _own("log1p"),
    "sin": _circular("sin"),
    "cos": _circular("cos"),
    "tan": _circular("tan"),
    "asin": _own("asin"),
    "acos": _own("acos"),
    "atan": _own("atan"),
    "atan2": _atan2,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "asinh": _own("asinh"),
    "acosh": _acosh,
    "atanh": _own("atanh"),
    "expit": _expit,
    "softplus": _softplus,
    "sech2": _sech2,
    "gauss": _gauss,
    "inv_cosh": lambda ctx, x: 1 / _cosh(ctx, x),
    "log_cosh": _log_cosh,
    "versin": _versin,
    "bose": lambda ctx, x: _div(ctx, ctx.one, _expm1(ctx, x)),
    "bose1": lambda ctx, x: -_div(ctx, ctx.one, _expm1(ctx, -x)) if x else _div(ctx, ctx.one, x),
    "xlogx": _xlogx,
    "xlog1px": _xlog1px,
    "powm1": lambda ctx, a, b: (
        _expm1(ctx, b * ctx.log(a)) if 0 < a < ctx.inf and ctx.isfinite(b) else _pow(ctx, a, b) - 1
    ),
    "squares": _squares,
    "share": lambda ctx, a, b: _div(ctx, a, a + b),
    "square_share": lambda ctx, a, b: _div(ctx, a * a, (a - b) * (a + b)),
    "mean2": lambda ctx, a, b, c, d: _div(ctx, a * b + c * d, a + c),
    "quantum": _quantum,
    "einstein": lambda ctx, x: ctx.exp(-abs(x)) * (_div(ctx, x, _expm1(ctx, -abs(x)))) ** 2 if x else ctx.one,
    "exp_gap": lambda ctx, a, b: _exp(ctx, a - b),
    "products": lambda ctx, a, b, c, d: a * b - c * d,
    "discriminant": lambda ctx, a, b, c: ctx.sqrt(b * b - 4 * a * c),
    "quadratic": _quadratic,
    "quadratic1": lambda ctx, a, b, c: -_div(ctx, _quadratic(ctx, a, b, c), ctx.sqrt(b * b - 4 * a * c)),
    "norm2": _norm,
    "norm3": _norm,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    **{f"{name}_over": _over(name) for name in ("sin", "expm1", "log1p", "tanh")},
    "erf": _erf,
    "erfc": _erfc,
    "gamma": _gamma,
    "loggamma": _loggamma,
    **MEANING,
    "abs": lambda ctx, x: abs(x),
    "sign": _sign,
    "heaviside": _heaviside,
    "floor": _own("floor"),
    "ceil": _own("ceil"),
    "trunc": _trunc,
    "round": _own("nint"),
    "round_away": _round_away,
    "logb": _logb,
    "copysign": _copysign,
    "fmod": _fmod,
    "remainder": _remainder,
    "fdim": _fdim,
    "fmax": _fmax,
    "fmin": _fmin,
    "max": _max,
    "min": _min,
    "lt": lambda ctx, a, b: a < b,
    "le": lambda ctx, a, b: a <= b,
    "eq": lambda ctx, a, b: a == b,
    "ne": lambda ctx, a, b: a != b,
    "true": lambda ctx: True,
    "false": lambda ctx: False,
    "and": lambda ctx, *cs: all(cs),
    "or": lambda ctx, *cs: any(cs),
    "not": lambda ctx, c: not c,
    "select": lambda ctx, c, a, b: a if c else b,
}
"""What each primitive means; the leaves and `extern` are read in `evaluate_nodes`."""

_NAMED: Final[dict[str, Callable[[Context], Real]]] = {
    "pi": lambda ctx: +ctx.pi,
    "e": lambda ctx: +ctx.e,
    "inf": lambda ctx: ctx.inf,
    "nan": lambda ctx: ctx.nan,
    "euler_gamma": lambda ctx: +ctx.euler,
    "golden_ratio": lambda ctx: +ctx.phi,
    "catalan": lambda ctx: +ctx.catalan,
}


def _extern(ctx: Context, function: Extern, exact: Sequence[Fraction | None], args: Sequence[Real]) -> Real:
    """Ask sympy for a function outside the table; a rational argument stays one (an order, say)."""
    import sympy

    algebra: Any = sympy  # it has no annotations
    if any(ctx.isnan(arg) for arg in args):
        return ctx.nan
    module, _, path = function.path.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    spelled = []
    for value, arg in zip(exact, args, strict=True):
        if value is not None:
            spelled.append(algebra.Rational(value.numerator, value.denominator))
        elif ctx.isinf(arg):
            spelled.append(sympy.oo if arg > 0 else -sympy.oo)
        else:
            spelled.append(algebra.Float._new(arg._mpf_, ctx.prec))
    result = found(*spelled).evalf(ctx.dps + 5)
    if result in (sympy.oo, -sympy.oo):
        return ctx.inf if result > 0 else ctx.ninf
    if not getattr(result, "is_Float", False) and not getattr(result, "is_Rational", False):
        return ctx.nan
    return ctx.make_mpf(algebra.Float(result, ctx.dps + 5)._mpf_)


def _sweep(
    graph: Graph, order: Iterable[int], values: list[Any], lanes: Sequence[Real], ctx: Context
) -> None:
    """Fill in the values of the nodes in `order`."""
    ops, args, payloads = graph.ops, graph.args, graph.payloads
    for node in order:
        op, payload = ops[node], payloads[node]
        if op == "input":
            values[node] = lanes[payload]  # type: ignore[index]
            continue
        if op == "rational":
            values[node] = number(ctx, payload)
            continue
        if op == "named":
            values[node] = _NAMED[payload](ctx)  # type: ignore[index]
            continue
        given = [values[arg] for arg in args[node]]
        try:
            if op == "extern":
                exact = [p if isinstance(p := payloads[arg], Fraction) else None for arg in args[node]]
                found = _extern(ctx, payload, exact, given)  # type: ignore[arg-type]
            else:
                found = FUNCTIONS[op](ctx, *given)
        except (ValueError, ArithmeticError, TypeError, ctx.NoConvergence):
            # Outside the domain (mpmath raises), which is NaN, here as in C; also in a branch not taken.
            found = ctx.nan
        except KeyError:
            raise UnsupportedError(f"the reference does not know the primitive {op!r}") from None
        values[node] = found if isinstance(found, bool) else _bounded(ctx, found)


def evaluate_nodes(graph: Graph, roots: Sequence[int], lanes: Sequence[Real], ctx: Context) -> list[Any]:
    """Return the values of `roots` at the precision of `ctx`, each operation rounded once.

    Parameters
    ----------
    graph
        The graph.
    roots
        The nodes whose values are wanted; a truth value comes as a bool.
    lanes
        The input scalars, numbers of `ctx`.
    ctx
        A context from `context`.
    """
    values: list[Any] = [None] * len(graph)
    _sweep(graph, graph.reachable(roots), values, lanes, ctx)
    return [values[root] for root in roots]


# ---------------------------------------------------------------- settled results


def _close(a: Real, b: Real, bits: int) -> bool:
    """Whether two finite or equal numbers agree to `bits`."""
    if a == b or (_isnan(a) and _isnan(b)):
        return True
    if not _finite(a) or not _finite(b):
        return False
    gap = a - b
    return gap == 0 or _top(gap) < _top(b) - bits


def _finite(a: Real) -> bool:
    _, mantissa, exponent, _ = a._mpf_
    return bool(mantissa) or not exponent


def _isnan(a: Real) -> bool:
    return bool(a.context.isnan(a))


def _top(a: Real) -> int:
    """Exponent of a finite number that is not zero, so that abs(a) < 2**top."""
    _, _, exponent, count = a._mpf_
    return int(exponent + count)


def _shrinks(a: Real, b: Real, bits: int) -> bool:
    """Whether b, from `bits` more of precision, is smaller than a by about that: zero in truth."""
    if not _finite(a) or not _finite(b) or a == 0:
        return False
    return b == 0 or _top(b) < _top(a) - bits // 2


def _settle(compute: Callable[[int], list[Any]], start: int, wanted: int) -> list[Any]:
    """Compute at rising precision until all results agree to `wanted` bits, or the levels end."""
    bits = start
    before = compute(bits)
    shrunk = [False] * len(before)
    for _ in range(_LEVELS):
        zero = any(not isinstance(v, bool) and v == 0 for v in before)
        step = max(bits, _DEEP - bits) if zero and bits < _DEEP else bits
        bits += step
        after = compute(bits)
        settled = True
        for k, (a, b) in enumerate(zip(before, after, strict=True)):
            if isinstance(b, bool):
                settled = settled and a == b
            elif not _close(a, b, wanted):
                if shrunk[k] and _shrinks(a, b, step):
                    after[k] = b - b
                    continue
                shrunk[k] = _shrinks(a, b, step)
                settled = False
        before = after
        if settled:
            break
    return before


def _bits(digits: int) -> int:
    return math.ceil(digits * math.log2(10)) + 2


def _flat(program: Program, values: Mapping[str, object]) -> list[object]:
    """Return the values of all input scalars in the order of the lanes."""
    unknown = set(values) - {item.name for item in program.inputs}
    if unknown:
        raise ArgumentError(f"{program.name} has no input {sorted(unknown)[0]!r}")
    lanes: list[object] = []
    for item in program.inputs:
        if item.name not in values:
            raise ArgumentError(f"{program.name} needs a value for its input {item.name!r}")
        row = _flattened(values[item.name])
        if len(row) != item.size:
            raise ShapeError(f"{item.name} holds {item.size} numbers, {len(row)} were given")
        lanes.extend(row)
    return lanes


def _flattened(value: object) -> list[object]:
    """Flatten nested sequences and arrays in C order."""
    if hasattr(value, "tolist") and hasattr(value, "ravel"):  # NumPy, without importing it
        value = value.ravel().tolist()
    if not isinstance(value, (list, tuple)):
        return [value]
    row: list[object] = []
    for item in value:
        row.extend(_flattened(item))
    return row


def evaluate(program: Program, values: Mapping[str, object], digits: int = 60) -> tuple[Any, ...]:
    """Return the outputs of `program`, right to about `digits` digits.

    Parameters
    ----------
    program
        The program.
    values
        A number, or a sequence or array of numbers, for each input. Floats are taken exactly.
    digits
        Decimal digits wanted.

    Returns
    -------
    tuple
        One mpf for a scalar output, a tuple of mpf in C order for any other.
    """
    flat = evaluate_flat(program, _flat(program, values), digits)
    found: list[Any] = []
    start = 0
    for output in program.outputs:
        part = tuple(flat[start : start + len(output.nodes)])
        start += len(output.nodes)
        found.append(part if output.shape else part[0])
    return tuple(found)


def evaluate_flat(program: Program, lanes: Sequence[object], digits: int = 60) -> list[Any]:
    """Return the values of all roots of `program` from those of all lanes, right to about `digits` digits."""
    roots = program.roots

    def compute(bits: int) -> list[Any]:
        ctx = context_of_bits(bits)
        return evaluate_nodes(program.graph, roots, [number(ctx, value) for value in lanes], ctx)

    wanted = _bits(digits)
    return _settle(compute, wanted + 40, wanted)


# ---------------------------------------------------------------- constants


def round_constant(graph: Graph, node: int, dtype: str = "float64") -> float:
    """Return the number of `dtype` nearest to a node that depends on no input; inf and NaN are allowed.

    A sum that cancels to zero is recognised: its value shrinks as the precision grows.

    Parameters
    ----------
    graph
        The graph.
    node
        A node over constants alone.
    dtype
        `"float64"` or `"float32"`; a float32 comes as the float of equal value.
    """
    return nearest(_constant(graph, node), dtype)


def rest_of_constant(graph: Graph, node: int, value: float, dtype: str = "float64") -> float:
    """Return what the rounding of a constant node to `value` left out; 0 where that is no number."""
    if graph.is_boolean(node) or not math.isfinite(value):
        return 0.0
    exact = _constant(graph, node)
    rest = nearest(exact - (Fraction(value) if isinstance(exact, Fraction) else value), dtype)
    return rest if math.isfinite(rest) else 0.0


def _constant(graph: Graph, node: int) -> Any:
    """Return a constant node as an exact number, or one of more digits than any dtype has."""
    payload = graph.payloads[node]
    if isinstance(payload, Fraction):
        return payload
    if any(graph.ops[n] == "input" for n in graph.reachable([node])):
        raise ArgumentError(f"node {node} depends on an input, so it is no constant")

    def compute(bits: int) -> list[Any]:
        return evaluate_nodes(graph, [node], [], context_of_bits(bits))

    return _settle(compute, 140, 110)[0]


# ---------------------------------------------------------------- slopes without our rules


@dataclass(frozen=True, slots=True)
class Slope:
    """A partial derivative at a point, from differences.

    Attributes
    ----------
    value
        The derivative; infinite at a vertical tangent; NaN where there is none.
    left
        The derivative from below; NaN where the function does not exist there, infinite at a jump.
    right
        The derivative from above.
    """

    value: Real
    left: Real
    right: Real

    @property
    def exists(self) -> bool:
        """Whether the function is differentiable here, with a finite derivative."""
        return self.settled and _finite(self.value)

    @property
    def settled(self) -> bool:
        """Whether the derivative exists or is infinite."""
        return not _isnan(self.value)


def numerical_gradient(
    program: Program, values: Mapping[str, object], digits: int = 40, wrt: Sequence[str] | None = None
) -> tuple[tuple[Slope, ...], ...]:
    """Differentiate by central differences in high precision, using none of our rules.

    The step is 2**(-p/3) relative at p bits, where the error of truncation and that of rounding balance; p
    is doubled until two steps agree, which judges both. A kink shows itself as a difference of the one-sided
    slopes that does not shrink with the step.

    Parameters
    ----------
    program
        The program.
    values
        As in `evaluate`.
    digits
        Decimal digits wanted.
    wrt
        Names of the inputs to differentiate by; default all.

    Returns
    -------
    tuple
        For each root of the program a row with one `Slope` per lane of `wrt`.
    """
    lanes = _flat(program, values)
    chosen: list[int] = []
    for item, first in zip(program.inputs, program.offsets, strict=True):
        if wrt is None or item.name in wrt:
            chosen.extend(range(first, first + item.size))
    columns = [slopes_by_lane(program, lanes, lane, digits) for lane in chosen]
    return tuple(tuple(column[k] for column in columns) for k in range(len(program.roots)))


def slopes_by_lane(program: Program, lanes: Sequence[object], lane: int, digits: int = 40) -> list[Slope]:
    """Return the slopes of all roots of `program` by one lane, from the values of all lanes."""
    graph, roots = program.graph, program.roots
    order = graph.reachable(roots)
    touched = bytearray(len(graph))
    for node in order:
        op, args = graph.ops[node], graph.args[node]
        touched[node] = graph.payloads[node] == lane if op == "input" else any(touched[arg] for arg in args)
    dirty = [node for node in order if touched[node]]

    def differences(bits: int) -> list[tuple[Real, Real, Real]]:
        ctx = context_of_bits(bits)
        here = [number(ctx, value) for value in lanes]
        x = here[lane]
        h = ctx.ldexp(ctx.one, (ctx.mag(x) if x else 0) - bits // 3)
        values: list[Any] = [None] * len(graph)
        _sweep(graph, order, values, here, ctx)
        f = [values[root] for root in roots]
        moved = []
        for to in (x - h, x + h):
            here[lane] = to
            _sweep(graph, dirty, values, here, ctx)
            moved.append([values[root] for root in roots])
        found = []
        for low, mid, high in zip(moved[0], f, moved[1], strict=True):
            if not _finite(mid):
                found.append((ctx.nan, ctx.nan, ctx.nan))
            else:
                found.append(((high - low) / (2 * h), (mid - low) / h, (high - mid) / h))
        return found

    wanted = _bits(digits)
    slopes: list[Slope | None] = [None] * len(roots)
    if not lanes or not _finite(number(context_of_bits(53), lanes[lane])):
        nan = context_of_bits(53).nan
        return [Slope(nan, nan, nan)] * len(roots)
    bits = 3 * wanted // 2 + 40
    history = [(bits, differences(bits))]
    for _ in range(_LEVELS):
        found = history[-1][1]
        pending = [k for k, slope in enumerate(slopes) if slope is None]
        if not pending:
            break
        zero = any(touched[roots[k]] and found[k][0] == 0 for k in pending)
        bits += max(bits, _DEEP - bits) if zero and bits < _DEEP else bits
        history.append((bits, differences(bits)))
        for k in pending:
            slopes[k] = _judge([(p, row[k]) for p, row in history], wanted)
    final = []
    for k, slope in enumerate(slopes):
        if slope is None:
            slope = _judge([(p, row[k]) for p, row in history], wanted, last=True)  # noqa: PLW2901
        assert slope is not None  # the last judgement always is one
        final.append(slope)
    return final


def _judge(
    history: list[tuple[int, tuple[Real, Real, Real]]], wanted: int, last: bool = False
) -> Slope | None:
    """Read a slope from differences at ever smaller steps; None where more are needed, but for the last."""
    (bits, (c0, l0, r0)), (more, (c1, l1, r1)) = history[-2:]
    nan, smooth = c1.context.nan, False
    if all(map(_finite, (c0, l0, r0, c1, l1, r1))):
        gain = (more - bits) // 3
        gap0, gap1 = r0 - l0, r1 - l1
        # One-sided slopes of a smooth function differ by h*f''; noise lies far below what is wanted.
        smooth = (
            gap1 == 0
            or (gap0 != 0 and _top(gap1) <= _top(gap0) - gain // 4)
            or (c1 != 0 and _top(gap1) < _top(c1) - wanted)
        )
        if smooth and _close(c0, c1, wanted):
            return Slope(c1, l1, r1)
        if smooth and len(history) > 2 and _shrinks(c0, c1, gain) and _shrinks(history[-3][1][0], c0, gain):
            return Slope(c1 - c1, c1 - c1, c1 - c1)
        if smooth and last and _close(c0, c1, 55):
            return Slope(c1, l1, r1)
    if len(history) < 3:
        return None
    left, right = _limit(history, 1), _limit(history, 2)
    if left is None or right is None:
        if not last:
            return None
        left, right = nan if left is None else left, nan if right is None else right
    if (smooth or left == right) and _finite(left) and _finite(right):
        return Slope(nan, left, right) if last else None  # a derivative, but its digits are not settled
    return Slope(left if left == right else nan, left, right)


def _limit(history: list[tuple[int, tuple[Real, Real, Real]]], side: int) -> Real | None:
    """Return what one-sided differences tend to: a number, an infinity, NaN; None where it is not plain."""
    (o, x), (p, y), (q, z) = history[-3:]
    a, b, c = x[side], y[side], z[side]
    ctx = c.context
    if not all(map(_finite, (a, b, c))):
        return ctx.nan
    if _close(b, c, 30):
        return c
    if _shrinks(a, b, (p - o) // 6) and _shrinks(b, c, (q - p) // 6):
        return ctx.zero
    if 0 not in (a, b, c):
        # A jump or a vertical tangent grows as a power of the step; what swings at random does not.
        first = ctx.log(abs(b / a)) / (p - o)
        second = ctx.log(abs(c / b)) / (q - p)
        if second > 0.02 and abs(first - second) < 1e-4:
            return ctx.inf if c > 0 else ctx.ninf
    return None
