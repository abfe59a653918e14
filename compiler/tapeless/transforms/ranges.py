"""Intervals of all nodes of a graph, from the ranges of the inputs.

An interval holds the values over the reals, and what kernels compute for them as well, in float32 too: ends are
rounded outwards, the functions of the C library are given a part in a million, and a product that may underflow
may be 0. So what an interval decides is decided for the computed numbers: sin(x) may come out a little above 1, and
a guard against that stays.

A value that is positive is at least the smallest double: whether 0 is excluded needs no flag of its own. The ends
are part of the interval, infinite ones too.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis (SIAM 2009), chapters 2 and 5.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any, Final, NamedTuple

from tapeless.ir.graph import Graph, Payload
from tapeless.ir.program import Program

INF: Final = math.inf
_SLACK: Final = 2.0**-20
"""Relative error that functions are given: eight units in the last place of float32."""
_ROUNDED: Final = 2.0**-22
_LEAST: Final = 5e-324
_LARGEST: Final = 3.4028234663852886e38
"""The largest number of float32."""
_TINY: Final = 1e-37
"""What is smaller may be 0 in float32."""

Assumed = Sequence[tuple[str, tuple[float, float]]]
"""Ranges of inputs by name, the ends included."""


class Interval(NamedTuple):
    """Where a value lies.

    Attributes
    ----------
    low, high
        The ends, included.
    nan
        Whether there may be no value, though all inputs are numbers in their ranges.
    pole
        Whether it may be infinite at some points.
    """

    low: float
    high: float
    nan: bool = False
    pole: bool = False

    @property
    def positive(self) -> bool:
        """Whether it is above 0 everywhere."""
        return self.low > 0

    @property
    def negative(self) -> bool:
        """Whether it is below 0 everywhere."""
        return self.high < 0

    @property
    def nonzero(self) -> bool:
        """Whether 0 is excluded."""
        return self.low > 0 or self.high < 0

    def moderate(self, limit: float = 1e30) -> bool:
        """Whether it is a positive number of no extreme size, whatever is computed with."""
        return not self.nan and self.low >= 1 / limit and self.high <= limit


ANY: Final = Interval(-INF, INF)
UNKNOWN: Final = Interval(-INF, INF, True, True)
"""Nothing is known."""

Truth = bool | None
"""A condition that always holds, never, or neither. A NaN in an input counts for nothing here."""
Known = Interval | Truth


def lanes_of(program: Program, assumed: Assumed) -> dict[int, Interval]:
    """Return the interval of each input scalar of which something is assumed."""
    known = dict(assumed)
    return {
        first + k: Interval(*known[item.name])
        for item, first in zip(program.inputs, program.offsets, strict=True)
        if item.name in known and item.role == "primal"
        for k in range(item.size)
    }


def ranges(graph: Graph, lanes: Mapping[int, Interval]) -> list[Known]:
    """Return what is known of each node.

    Parameters
    ----------
    graph
        The graph.
    lanes
        The intervals of input scalars; the others may be any number.

    Returns
    -------
    list
        An `Interval` for a number, True, False or None for a condition.
    """
    found: list[Known] = []
    for op, args, payload in zip(graph.ops, graph.args, graph.payloads, strict=True):
        found.append(interval_of(op, args, payload, found, lanes))
    return found


def interval_of(
    op: str, args: tuple[int, ...], payload: Payload, known: Sequence[Known], lanes: Mapping[int, Interval]
) -> Known:
    """Return what is known of a node from what is known of its arguments."""
    if op == "input":
        return lanes.get(payload, ANY)  # type: ignore[arg-type]
    if op == "rational":
        return _point(_rounded(payload))  # type: ignore[arg-type]
    if op == "named":
        return _NAMED[payload]  # type: ignore[index]
    if op in ("eq", "ne") and args[0] == args[1]:
        return None  # asks for a NaN
    return RULES[op](*[known[arg] for arg in args])


# ---- ends


def _rounded(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return INF if value > 0 else -INF


def _point(value: float) -> Interval:
    return Interval(value, value)


def _is_single(value: float) -> bool:
    try:
        return bool(struct.unpack("f", struct.pack("f", value))[0] == value)
    except OverflowError:
        return False


def _made(
    low: float,
    high: float,
    *,
    nan: bool = False,
    pole: bool = False,
    exact: tuple[bool, bool] = (False, False),
    slack: float = _ROUNDED,
) -> Interval:
    """Return an interval with its ends rounded outwards; an end that is no number is none at all.

    An end that is exact, and a number in float32, stays: rounding is monotone. What may overflow in float32 may be
    infinite, though over the reals it is a number.
    """
    low = -INF if math.isnan(low) or low < -_LARGEST else min(low, _LARGEST)
    high = INF if math.isnan(high) or high > _LARGEST else max(high, -_LARGEST)
    if low and math.isfinite(low) and not (exact[0] and _is_single(low)):
        low -= abs(low) * slack
    if high and math.isfinite(high) and not (exact[1] and _is_single(high)):
        high += abs(high) * slack
    return Interval(low, high, nan, pole)


def _underflowing(found: Interval) -> Interval:
    """Return the interval with 0 in it, where it has numbers that float32 may round to it."""
    low, high = found.low, found.high
    return found._replace(low=0.0 if 0 < low < _TINY else low, high=0.0 if -_TINY < high < 0 else high)


# ---- arithmetic


def _add(a: Interval, b: Interval) -> Interval:
    """The sum of two numbers is 0 only where it is exactly 0: no underflow here."""
    return _made(
        a.low + b.low,
        a.high + b.high,
        nan=a.nan or b.nan or (a.pole and b.pole),
        pole=a.pole or b.pole,
        exact=(_is_exact_sum(a.low, b.low), _is_exact_sum(a.high, b.high)),
    )


def _is_exact_sum(x: float, y: float) -> bool:
    """Knuth's TwoSum: whether x + y is not rounded."""
    total = x + y
    part = total - x
    return (x - (total - part)) + (y - part) == 0


def _neg(x: Interval) -> Interval:
    return Interval(-x.high, -x.low, x.nan, x.pole)


def _sub(a: Interval, b: Interval) -> Interval:
    return _add(a, _neg(b))


def _product(x: float, y: float) -> float:
    """Return a product that is 0 only where a factor is."""
    if not x or not y:
        return 0.0
    return x * y or math.copysign(_LEAST, x) * math.copysign(1.0, y)


def _mul(a: Interval, b: Interval) -> Interval:
    nan = a.nan or b.nan or (a.pole and not b.nonzero) or (b.pole and not a.nonzero)
    ends = [_product(x, y) for x in a[:2] for y in b[:2]]
    single = all(map(_is_single, (*a[:2], *b[:2])))  # then products are exact in double
    found = _made(min(ends), max(ends), nan=nan, pole=a.pole or b.pole, exact=(single, single))
    for one, other in ((a, b), (b, a)):
        if found.nonzero and one.nonzero and (other.low >= 1 or other.high <= -1):
            return found  # no smaller than one of them
    return _underflowing(found)


def _reciprocal(x: Interval) -> Interval:
    """The sign of 1/0 is that of the zero, which an interval does not tell."""
    if not x.nonzero:
        return Interval(-INF, INF, x.nan, True)
    low, high = (1 / end if math.isfinite(end) else 0.0 for end in (x.high, x.low))
    return _made(low, high, nan=x.nan, exact=(_is_power_of_two(x.high), _is_power_of_two(x.low)))


def _is_power_of_two(x: float) -> bool:
    return abs(math.frexp(x)[0]) == 0.5


def _div(a: Interval, b: Interval) -> Interval:
    found = _mul(a, _reciprocal(b))
    nan = found.nan or (not a.nonzero and not b.nonzero) or (a.pole and b.pole)
    return found._replace(nan=nan)


def _fma(a: Interval, b: Interval, c: Interval) -> Interval:
    return _add(_mul(a, b), c)


def _pow(a: Interval, b: Interval) -> Interval:
    if b.low != b.high or not math.isfinite(b.low):
        return _general_power(a, b)
    power, nan, pole = b.low, a.nan, a.pole
    if not power:
        return Interval(1.0, 1.0, nan)
    if power < 0:
        found = _reciprocal(_pow(a, _point(-power)))
        # 1/x**2 is infinite on both sides alike
        even = power % 2 == 0
        if even and not found.nan and found.low < 0:
            return found._replace(low=0.0)
        return _underflowing(found)
    if not power.is_integer():
        low, high = max(a.low, 0.0), max(a.high, 0.0)
        found = _made(_power(low, power), _power(high, power), nan=nan or a.low < 0, pole=pole, slack=_SLACK)
        return _underflowing(found)
    ends = [_power(a.low, power), _power(a.high, power)]
    if power % 2 == 0 and a.low < 0 < a.high:
        ends.append(0.0)
    square = power == 2 and _is_single(a.low) and _is_single(a.high)
    slack = _ROUNDED if square else _SLACK
    return _underflowing(_made(min(ends), max(ends), nan=nan, pole=pole, exact=(square, square), slack=slack))


def _power(base: float, power: float) -> float:
    try:
        found = float(base**power)
        return found or (0.0 if not base else math.copysign(_LEAST, base if power % 2 == 1 else 1.0))
    except OverflowError:
        return -INF if base < 0 and power % 2 == 1 else INF


def _general_power(a: Interval, b: Interval) -> Interval:
    if a.low < 0:
        return UNKNOWN
    nan, pole = a.nan or b.nan or a.pole or b.pole, a.pole or b.pole or (a.low == 0 and b.low < 0)
    if a.low > 0:
        corners = []
        for base in a[:2]:
            for power in b[:2]:
                log = math.log(base) if math.isfinite(base) else INF
                size = log * power if log and power else 0.0
                corners.append(_exp(size))
        return _underflowing(_made(min(corners), max(corners), nan=nan, pole=pole, slack=_SLACK))
    return Interval(-INF if pole else 0.0, INF, nan, pole)  # a zero may be negative


# ---- functions of one argument


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return INF


def _total(function: Callable[[float], float]) -> Callable[[float], float]:
    """Return a function that is infinite where Python's overflows."""

    def value(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return INF if x > 0 or function in _EVEN else -INF

    return value


_EVEN: Final = (math.cosh,)
Rule = Callable[..., Known]


def _rising(
    function: Callable[[float], float],
    x: Interval,
    *,
    domain: tuple[float, float] = (-INF, INF),
    open_: bool = False,
    falls: bool = False,
    ends: tuple[float, float] = (-INF, INF),
) -> Interval:
    """Return the values of a monotone function.

    `domain` is where it exists, `open_` says that it is infinite at the finite ends of that, and `ends` are its
    limits there. What is 0 at 0 is computed with the right sign, and no function here underflows where it is not.
    """
    low, high = max(x.low, domain[0]), min(x.high, domain[1])
    nan = x.nan or x.low < domain[0] or x.high > domain[1]
    if low > high:
        return Interval(-INF, INF, True)

    def value(at: float) -> float:
        for end, limit in zip(domain, ends, strict=True):
            if at == end and (open_ or not math.isfinite(end)):
                return limit
        return function(at)

    at_end = open_ and (low == domain[0] or high == domain[1])
    first, last = value(low), value(high)
    if falls:
        first, last = last, first
    return _made(first, last, nan=nan, pole=at_end or x.pole, slack=_SLACK)


def _monotone(function: Callable[[float], float], **more: Any) -> Rule:
    return partial(_rising, _total(function), **more)


def _decaying(rule: Rule) -> Rule:
    """Return the rule of a function that comes near 0, and is rounded to it."""

    def decaying(x: Interval) -> Interval:
        found = rule(x)
        assert isinstance(found, Interval)
        return _underflowing(found._replace(high=max(found.high, _LEAST)))

    return decaying


def _abs(x: Interval) -> Interval:
    if x.low >= 0:
        return x
    return _neg(x) if x.high <= 0 else Interval(0.0, max(-x.low, x.high), x.nan, x.pole)


def _sizes(function: Callable[[float], float], limit: float, *, falls: bool = False) -> Rule:
    """Return the rule of an even function that is monotone in the size of its argument."""

    def rule(x: Interval) -> Interval:
        size = _abs(x)
        return _rising(_total(function), size, falls=falls, ends=(-INF, limit))

    return _decaying(rule) if falls else rule


def _within(low: float, high: float, *, nan: bool = False, pole: bool = False) -> Rule:
    """Return the rule of a function that stays between two numbers; NaN where an argument is infinite."""

    def rule(*args: Interval) -> Interval:
        lost = nan or any(x.nan or x.pole for x in args)
        return _made(low, high, nan=lost, pole=pole, slack=_SLACK)

    return rule


_NOWHERE: Final = _within(-INF, INF, nan=True, pole=True)


def _step(function: Callable[[float], float], x: Interval) -> Interval:
    def at(end: float) -> float:
        return float(function(end)) if math.isfinite(end) else end

    return Interval(at(x.low), at(x.high), x.nan, x.pole)


def _round_away(x: float) -> float:
    return math.copysign(math.floor(abs(x) + 0.5), x)


def _sign(x: Interval) -> Interval:
    def at(end: float) -> float:
        return float((end > 0) - (end < 0))

    return Interval(at(x.low), at(x.high), x.nan)


def _heaviside(x: Interval) -> Interval:
    found = _sign(x)
    return Interval((found.low + 1) / 2, (found.high + 1) / 2, x.nan)


def _sqrt(x: Interval) -> Interval:
    low, high = max(x.low, 0.0), max(x.high, 0.0)
    ends = math.sqrt(low), math.sqrt(high)
    first, last = (_is_single(end) and end * end == x for end, x in zip(ends, (low, high), strict=True))
    return _made(*ends, nan=x.nan or x.low < 0, pole=x.pole, exact=(first, last))


def _cbrt(x: float) -> float:
    return math.copysign(abs(x) ** (1 / 3), x)


def _tan(x: Interval) -> Interval:
    if x.low > -1.57 and x.high < 1.57:
        return _rising(math.tan, x)
    return Interval(-INF, INF, x.nan or x.pole)


def _norm(*args: Interval) -> Interval:
    """No underflow: a norm is at least as large as each part, but for rounding."""
    sizes = [_abs(x) for x in args]
    low, high = math.hypot(*(x.low for x in sizes)), math.hypot(*(x.high for x in sizes))
    found = _made(low, high, nan=any(x.nan for x in args), pole=any(x.pole for x in args), slack=_SLACK)
    smallest = max(x.low for x in sizes)
    return found._replace(low=max(found.low, _LEAST)) if smallest else found


def _atan2(a: Interval, b: Interval) -> Interval:
    nan, pi = a.nan or b.nan, math.pi
    if b.positive:
        low, high = (0.0 if a.low >= 0 else -pi / 2), (0.0 if a.high <= 0 else pi / 2)
    else:
        low, high = (0.0 if a.low > 0 else -pi), (0.0 if a.high < 0 else pi)
    return _made(low, high, nan=nan, slack=_SLACK)


def _gamma(x: Interval) -> Interval:
    return Interval(0.875, INF, x.nan, x.pole) if x.positive else UNKNOWN


def _beta(a: Interval, b: Interval) -> Interval:
    known = a.positive and b.positive
    return Interval(0.0, INF, a.nan or b.nan, a.pole or b.pole) if known else UNKNOWN


def _bose(x: Interval) -> Interval:
    return _reciprocal(_rising(_total(math.expm1), x, ends=(-1.0, INF)))


def _bose1(x: Interval) -> Interval:
    """1 + bose(x) = 1/(1 - exp(-x))."""
    return _neg(_bose(_neg(x)))


def _xlogx(x: Interval) -> Interval:
    nan = x.nan or x.low < 0
    if x.low >= 1:
        return _mul(x, RULES["log"](x))  # type: ignore[arg-type]
    high = x.high * math.log(x.high) if 1 < x.high < INF else 0.0 if x.high <= 1 else INF
    return _made(-1 / math.e, high, nan=nan, pole=x.pole, slack=_SLACK)


def _xlog1px(x: Interval) -> Interval:
    return _xlogx(_add(x, _point(1.0)))


def _squares(a: Interval, b: Interval) -> Interval:
    return _sub(_pow(a, _point(2.0)), _pow(b, _point(2.0)))


def _share(a: Interval, b: Interval) -> Interval:
    found = _div(a, _add(a, b))
    same = (a.low >= 0 and b.low >= 0) or (a.high <= 0 and b.high <= 0)
    if same and not a.pole and not b.pole:
        return Interval(0.0, 1.0 + _SLACK, found.nan)
    return found


def _square_share(a: Interval, b: Interval) -> Interval:
    return _div(_pow(a, _point(2.0)), _squares(a, b))


def _mean2(a: Interval, b: Interval, c: Interval, d: Interval) -> Interval:
    return _div(_add(_mul(a, b), _mul(c, d)), _add(a, c))


def _quantum(a: Interval, b: Interval) -> Interval:
    """It has the sign of b, where that is not a zero of either sign."""
    nan = a.nan or b.nan or a.pole or b.pole or not b.nonzero
    return Interval(0.0 if b.positive else -INF, 0.0 if b.negative else INF, nan, nan)


def _exp_gap(a: Interval, b: Interval) -> Known:
    return RULES["exp"](_sub(a, b))


def _products(a: Interval, b: Interval, c: Interval, d: Interval) -> Interval:
    return _sub(_mul(a, b), _mul(c, d))


def _discriminant(a: Interval, b: Interval, c: Interval) -> Interval:
    found = RULES["sqrt"](_sub(_pow(b, _point(2.0)), _mul(_point(4.0), _mul(a, c))))
    assert isinstance(found, Interval)
    return found


def _quadratic(a: Interval, b: Interval, c: Interval) -> Interval:
    if not a.nonzero:
        return UNKNOWN
    return _div(_sub(_discriminant(a, b, c), b), _mul(_point(2.0), a))


def _quadratic1(a: Interval, b: Interval, c: Interval) -> Interval:
    return _neg(_div(_quadratic(a, b, c), _discriminant(a, b, c)))


def _logsumexp(*args: Interval) -> Interval:
    more = math.log(len(args))
    return _made(
        max(x.low for x in args),
        max(x.high for x in args) + more,
        nan=any(x.nan for x in args),
        pole=any(x.pole for x in args),
        slack=_SLACK,
    )


def _sin_over(x: Interval, order: Interval) -> Interval:
    return _made(-1.0, 1.0, nan=x.nan or x.pole or order.nan or order.low < 0, slack=_SLACK)


def _expm1_over(x: Interval, order: Interval) -> Interval:
    """All derivatives of (exp(x) - 1)/x are integrals of positive functions."""
    return Interval(0.0, INF, x.nan or order.nan or order.low < 0, x.pole)


def _copysign(a: Interval, b: Interval) -> Interval:
    size = _abs(a)
    if b.nonzero:
        return size if b.positive else _neg(size)
    return Interval(-size.high, size.high, a.nan or b.nan, a.pole)


def _fmod(a: Interval, b: Interval) -> Interval:
    size = min(_abs(b).high, _abs(a).high)
    nan = a.nan or b.nan or a.pole or not b.nonzero
    return Interval(0.0 if a.low >= 0 else -size, 0.0 if a.high <= 0 else size, nan)


def _remainder(a: Interval, b: Interval) -> Interval:
    size = _abs(b).high / 2
    return _made(-size, size, nan=a.nan or b.nan or a.pole or not b.nonzero)


def _fdim(a: Interval, b: Interval) -> Interval:
    found = _sub(a, b)
    return Interval(max(found.low, 0.0), max(found.high, 0.0), found.nan, found.pole)


def _max(*args: Interval) -> Interval:
    return Interval(
        max(x.low for x in args),
        max(x.high for x in args),
        any(x.nan for x in args),
        any(x.pole for x in args),
    )


def _min(*args: Interval) -> Interval:
    return _neg(_max(*map(_neg, args)))


def _fmax(a: Interval, b: Interval) -> Interval:
    """Where one argument has no value, the other counts."""
    low = b.low if a.nan else a.low if b.nan else max(a.low, b.low)
    if a.nan and b.nan:
        low = min(a.low, b.low)
    return Interval(low, max(a.high, b.high), a.nan and b.nan, a.pole or b.pole)


def _fmin(a: Interval, b: Interval) -> Interval:
    return _neg(_fmax(_neg(a), _neg(b)))


# ---- truth values


def _lt(a: Interval, b: Interval) -> Truth:
    if a.low >= b.high:
        return False
    return True if a.high < b.low and not a.nan and not b.nan else None


def _le(a: Interval, b: Interval) -> Truth:
    if a.low > b.high:
        return False
    return True if a.high <= b.low and not a.nan and not b.nan else None


def _eq(a: Interval, b: Interval) -> Truth:
    if a.low > b.high or b.low > a.high:
        return False
    same = a.low == a.high == b.low == b.high and math.isfinite(a.low)
    return True if same and not a.nan and not b.nan else None


def _not(c: Truth) -> Truth:
    return None if c is None else not c


def _and(*conditions: Truth) -> Truth:
    if any(c is False for c in conditions):
        return False
    return True if all(conditions) else None


def _or(*conditions: Truth) -> Truth:
    return _not(_and(*map(_not, conditions)))


def _select(c: Truth, a: Interval, b: Interval) -> Interval:
    if c is not None:
        return a if c else b
    return Interval(min(a.low, b.low), max(a.high, b.high), a.nan or b.nan, a.pole or b.pole)


_NAMED: Final[dict[str, Interval]] = {
    "pi": _point(math.pi),
    "e": _point(math.e),
    "inf": Interval(INF, INF, False, True),
    "nan": UNKNOWN,
    "euler_gamma": _point(0.5772156649015329),
    "golden_ratio": _point(1.618033988749895),
    "catalan": _point(0.915965594177219),
}
_LEAF: Final[Rule] = lambda: UNKNOWN  # noqa: E731
"""Leaves are known by their payloads."""

RULES: Final[dict[str, Rule]] = {
    "input": _LEAF,
    "rational": _LEAF,
    "named": _LEAF,
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
    "pow": _pow,
    "powm1": lambda a, b: _sub(_pow(a, b), _point(1.0)),
    "fma": _fma,
    "sqrt": _sqrt,
    "cbrt": _monotone(_cbrt),
    "hypot": _norm,
    "norm2": _norm,
    "norm3": _norm,
    "exp": _decaying(_monotone(math.exp, ends=(0.0, INF))),
    "exp2": _decaying(_monotone(lambda x: 2.0**x, ends=(0.0, INF))),
    "expm1": _monotone(math.expm1, ends=(-1.0, INF)),
    "log": _monotone(math.log, domain=(0.0, INF), open_=True),
    "log2": _monotone(math.log2, domain=(0.0, INF), open_=True),
    "log10": _monotone(math.log10, domain=(0.0, INF), open_=True),
    "log1p": _monotone(math.log1p, domain=(-1.0, INF), open_=True),
    "sin": _within(-1.0, 1.0),
    "cos": _within(-1.0, 1.0),
    "tan": _tan,
    "asin": _monotone(math.asin, domain=(-1.0, 1.0)),
    "acos": _monotone(math.acos, domain=(-1.0, 1.0), falls=True),
    "atan": _monotone(math.atan, ends=(-math.pi / 2, math.pi / 2)),
    "atan2": _atan2,
    "sinh": _monotone(math.sinh),
    "cosh": _sizes(math.cosh, INF),
    "tanh": _monotone(math.tanh, ends=(-1.0, 1.0)),
    "asinh": _monotone(math.asinh),
    "acosh": _monotone(math.acosh, domain=(1.0, INF)),
    "atanh": _monotone(math.atanh, domain=(-1.0, 1.0), open_=True),
    "expit": _decaying(
        _monotone(lambda x: 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x)), ends=(0.0, 1.0))
    ),
    "softplus": _decaying(
        _monotone(lambda x: math.log1p(math.exp(x)) if x < 0 else x + math.log1p(math.exp(-x)), ends=(0.0, INF))
    ),
    "sech2": _sizes(lambda x: 4 * math.exp(-2 * x) / (1 + math.exp(-2 * x)) ** 2, 0.0, falls=True),
    "gauss": _sizes(lambda x: math.exp(-x * x), 0.0, falls=True),
    "inv_cosh": _sizes(lambda x: 1 / _total(math.cosh)(x), 0.0, falls=True),
    "log_cosh": _decaying(_sizes(
        lambda x: x + math.log1p(math.exp(-2 * x)) - math.log(2) if x > 1 else math.log1p(2 * math.sinh(x / 2) ** 2),
        INF)),
    "versin": _within(0.0, 2.0),
    "bose": _bose,
    "bose1": _bose1,
    "xlogx": _xlogx,
    "xlog1px": _xlog1px,
    "squares": _squares,
    "share": _share,
    "square_share": _square_share,
    "mean2": _mean2,
    "quantum": _quantum,
    "einstein": _within(0.0, 1.0),
    "exp_gap": _exp_gap,
    "products": _products,
    "discriminant": _discriminant,
    "quadratic": _quadratic,
    "quadratic1": _quadratic1,
    "logsumexp": _logsumexp,
    "softmax": _within(0.0, 1.0),
    "sin_over": _sin_over,
    "expm1_over": _expm1_over,
    "log1p_over": _NOWHERE,
    "tanh_over": _NOWHERE,
    "erf": _monotone(math.erf, ends=(-1.0, 1.0)),
    "erfc": _decaying(_monotone(math.erfc, falls=True, ends=(2.0, 0.0))),
    "gamma": _gamma,
    "loggamma": _NOWHERE,
    "abs": _abs,
    "sign": _sign,
    "heaviside": _heaviside,
    "floor": partial(_step, math.floor),
    "ceil": partial(_step, math.ceil),
    "trunc": partial(_step, math.trunc),
    "round": partial(_step, round),
    "round_away": partial(_step, _round_away),
    "logb": _NOWHERE,
    "copysign": _copysign,
    "fmod": _fmod,
    "remainder": _remainder,
    "fdim": _fdim,
    "fmax": _fmax,
    "fmin": _fmin,
    "max": _max,
    "min": _min,
    "lt": _lt,
    "le": _le,
    "eq": _eq,
    "ne": lambda a, b: _not(_eq(a, b)),
    "true": lambda: True,
    "false": lambda: False,
    "and": _and,
    "or": _or,
    "not": _not,
    "select": _select,
    "extern": _NOWHERE,
    # ---- special functions: what is known of their values wherever they have one
    **dict.fromkeys(
        ("digamma", "polygamma", "lbeta", "erfinv", "erfcinv", "log_ndtr", "ndtri", "dawson_slope", "logit",
         "lambertw_lower", "expi", "besselj", "bessely", "airyai", "airyai_slope", "airybi", "airybi_slope",
         "besseli", "digamma_gap", "gammainc_by_shape", "betainc_by_a", "betainc_by_b",
         "gamma_density", "beta_density"), _NOWHERE,
    ),
    "beta": _beta,
    **dict.fromkeys(
        ("erfcx", "ierfcx", "expint", "besselk", "elliptic_k", "elliptic_e",
         "elliptic_d", "zeta"), _within(0.0, INF, nan=True, pole=True),
    ),
    **dict.fromkeys(("gammainc", "gammaincc", "betainc"), _within(0.0, 1.0, nan=True)),
    "dawson": _within(-0.5411, 0.5411),
    "lambertw": _within(-1.0, INF, nan=True, pole=True),
}  # fmt: skip
"""Operation -> the interval of its result from those of its arguments; one for each row of the table."""
