"""Power series of a formula in one of its parts, with exact coefficients, by truncated arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import factorial
from typing import Final, NamedTuple

from tapeless.ir.graph import Builder

ORDER: Final = 30
"""Terms that are carried along."""
_ZERO: Final = Fraction(0)


class NotExpandableError(Exception):
    """A function that has no series with rational coefficients here, or none that is known."""


class Series(NamedTuple):
    """z**valuation times a power series.

    Attributes
    ----------
    valuation
        Exponent of the first term.
    terms
        Coefficients from there on; the first is not zero, unless all are.
    """

    valuation: int
    terms: tuple[Fraction, ...]

    @property
    def end(self) -> int:
        """The exponent from which on nothing is known."""
        return self.valuation + len(self.terms)

    def at(self, exponent: int) -> Fraction:
        """Return the coefficient of a power that is known."""
        k = exponent - self.valuation
        return self.terms[k] if 0 <= k < len(self.terms) else _ZERO


def expand(builder: Builder, node: int, variable: int) -> Series:
    """Return the series of a node in another, at 0.

    Raises
    ------
    NotExpandableError
        Where there is none: the node depends on something else too, or has a function without one.
    """
    live = _between(builder, node, variable)
    if not _EXPANDABLE.issuperset(builder.ops[at] for at in live - {variable}):
        raise NotExpandableError
    found: dict[int, Series] = {variable: _trimmed(1, (Fraction(1), *(_ZERO,) * (ORDER - 1)))}
    for at in sorted(live):  # arguments have smaller numbers
        if at != variable:
            found[at] = _expanded(builder, at, found)
    return found[node]


def _between(builder: Builder, node: int, variable: int) -> set[int]:
    """Return the nodes from one down to another."""
    live, stack = {node}, [node]
    while stack:
        at = stack.pop()
        if at == variable:
            continue
        for arg in builder.args[at]:
            if arg not in live:
                live.add(arg)
                stack.append(arg)
    return live


def _trimmed(valuation: int, terms: tuple[Fraction, ...]) -> Series:
    for k, term in enumerate(terms):
        if term:
            return Series(valuation + k, terms[k:])
    return Series(valuation + len(terms), ())


def _constant(value: Fraction) -> Series:
    return Series(0, (value, *(_ZERO,) * (ORDER - 1))) if value else Series(ORDER, ())


def _expanded(b: Builder, node: int, found: dict[int, Series]) -> Series:
    op, args = b.ops[node], b.args[node]
    value = b.rational_value(node)
    if value is not None:
        return _constant(value)
    if not args:
        raise NotExpandableError
    if op == "pow":
        power = b.rational_value(args[1])
        if power is None:
            raise NotExpandableError
        return _power(found[args[0]], power)
    parts = [found[arg] for arg in args]
    if op in ("add", "sub"):
        return _sum(parts[0], parts[1], 1 if op == "add" else -1)
    if op == "neg":
        return Series(parts[0].valuation, tuple(-c for c in parts[0].terms))
    if op == "mul":
        return _product(*parts)
    if op == "div":
        return _product(parts[0], _power(parts[1], Fraction(-1)))
    if op in ("sqrt", "cbrt"):
        return _power(parts[0], Fraction(1, 2 if op == "sqrt" else 3))
    if op in _FUNCTIONS:
        start, coefficients = _FUNCTIONS[op]
        return _composed(coefficients, _sum(parts[0], _constant(Fraction(start)), -1))
    if op == "tan":
        return _product(_of("sin", parts[0]), _power(_of("cos", parts[0]), Fraction(-1)))
    if op == "tanh":
        return _product(_of("sinh", parts[0]), _power(_of("cosh", parts[0]), Fraction(-1)))
    if op == "expit":
        turned = Series(parts[0].valuation, tuple(-c for c in parts[0].terms))
        return _power(_sum(_constant(Fraction(1)), _of("exp", turned), 1), Fraction(-1))
    if op == "sech2":
        return _power(_of("cosh", parts[0]), Fraction(-2))
    if op == "gauss":
        square = _product(parts[0], parts[0])
        return _of("exp", Series(square.valuation, tuple(-c for c in square.terms)))
    raise NotExpandableError


def _of(function: str, inner: Series) -> Series:
    start, coefficients = _FUNCTIONS[function]
    return _composed(coefficients, _sum(inner, _constant(Fraction(start)), -1))


def _sum(a: Series, b: Series, sign: int) -> Series:
    end = min(a.end, b.end)
    start = min(a.valuation, b.valuation)
    return _trimmed(start, tuple(a.at(k) + sign * b.at(k) for k in range(start, end)))


def _product(a: Series, b: Series) -> Series:
    count = min(len(a.terms), len(b.terms))
    start = a.valuation + b.valuation
    if not count:
        return Series(min(a.valuation + b.end, a.end + b.valuation, start + ORDER), ())
    terms = [_ZERO] * count
    others = [(k, c) for k, c in enumerate(b.terms[:count]) if c]
    for i, c in enumerate(a.terms[:count]):
        if c:
            for k, d in others:
                if i + k >= count:
                    break
                terms[i + k] += c * d
    return _trimmed(start, tuple(terms))


def _power(a: Series, power: Fraction) -> Series:
    """Return a power by the recurrence of J. C. P. Miller (Knuth, TAOCP 2, 4.7)."""
    if not a.terms:
        raise NotExpandableError
    valuation = a.valuation * power
    if valuation.denominator != 1:
        raise NotExpandableError
    first = _root(a.terms[0], power)
    terms = [first]
    for n in range(1, len(a.terms)):
        total = _ZERO
        for k in range(1, n + 1):
            if a.terms[k]:
                total += (power * k - n + k) * a.terms[k] * terms[n - k]
        terms.append(total / (n * a.terms[0]))
    return Series(int(valuation), tuple(terms))


def _root(value: Fraction, power: Fraction) -> Fraction:
    if power.denominator == 1:
        return value**power.numerator
    if value <= 0:
        raise NotExpandableError
    degree, parts = power.denominator, []
    for part in (value.numerator, value.denominator):
        root = round(part ** (1 / degree)) if part < 1 << 50 else 0
        if root**degree != part:
            raise NotExpandableError
        parts.append(root)
    return Fraction(parts[0], parts[1]) ** power.numerator


def _composed(coefficients: Callable[[int], Fraction], inner: Series) -> Series:
    """Return the sum of c_k*inner**k, for an inner series that vanishes at 0."""
    if inner.valuation < 1:
        raise NotExpandableError
    if not any(inner.terms[1:]):  # a monomial: the coefficients as they are
        first, step = inner.terms[0], inner.valuation
        terms = [_ZERO] * inner.end
        for k in range(-(-inner.end // step)):
            terms[k * step] = coefficients(k) * first**k
        return _trimmed(0, tuple(terms))
    count = -(-ORDER // inner.valuation)
    total = _constant(coefficients(count))
    for k in range(count - 1, -1, -1):
        total = _sum(_product(total, inner) if total.terms else total, _constant(coefficients(k)), 1)
    return total


@cache
def _exp(k: int) -> Fraction:
    return Fraction(1, factorial(k))


def _signed(part: int) -> Callable[[int], Fraction]:
    """Return the coefficients of cosine (part 0) and sine (part 1)."""
    return lambda k: _exp(k) * (-1) ** (k // 2) if k % 2 == part else _ZERO


def _plain(part: int) -> Callable[[int], Fraction]:
    return lambda k: _exp(k) if k % 2 == part else _ZERO


def _odd(k: int) -> Fraction:
    return Fraction(1, k) if k % 2 else _ZERO


@cache
def _asin(k: int) -> Fraction:
    n = k // 2
    return Fraction(factorial(2 * n), 4**n * factorial(n) ** 2 * k) if k % 2 else _ZERO


_FUNCTIONS: Final[dict[str, tuple[int, Callable[[int], Fraction]]]] = {
    "exp": (0, _exp),
    "expm1": (0, lambda k: _exp(k) if k else _ZERO),
    "log": (1, lambda k: Fraction((-1) ** (k + 1), k) if k else _ZERO),
    "log1p": (0, lambda k: Fraction((-1) ** (k + 1), k) if k else _ZERO),
    "sin": (0, _signed(1)),
    "cos": (0, _signed(0)),
    "sinh": (0, _plain(1)),
    "cosh": (0, _plain(0)),
    "atan": (0, lambda k: _odd(k) * (-1) ** (k // 2)),
    "atanh": (0, _odd),
    "asin": (0, _asin),
    "asinh": (0, lambda k: _asin(k) * (-1) ** (k // 2)),
}
"""Function -> the point it is expanded at, and its coefficients there (DLMF chapter 4)."""


_EXPANDABLE: Final = frozenset(
    "rational add sub neg mul div pow sqrt cbrt tan tanh expit sech2 gauss".split()
) | frozenset(_FUNCTIONS)


def build(builder: Builder, series: Series, variable: int, count: int) -> int:
    """Return `count` powers of a series as a node, by Horner's rule; in the square of the variable where even."""
    terms = list(series.terms[:count])
    even = not any(terms[1::2])
    step = builder.pow(variable, builder.rational(2)) if even else variable
    chosen = terms[::2] if even else terms
    while not chosen[-1]:
        chosen.pop()
    total = builder.rational(chosen[-1])
    for term in reversed(chosen[:-1]):
        total = builder.add(builder.mul(total, step), builder.rational(term))
    power = builder.pow(variable, builder.rational(abs(series.valuation)))
    if series.valuation < 0:
        return builder.div(total, power)
    return builder.mul(power, total) if series.valuation else total


def enough(series: Series, reach: float, precision: float) -> int | None:
    """Return how many powers make the rest smaller than `precision` relative to the first, for sizes below `reach`.

    None where the known terms do not tell. The rest is bounded by the known terms up to the last, twice over.
    """
    sizes = [abs(float(c)) * reach**k for k, c in enumerate(series.terms)]
    if len(sizes) < ORDER // 2 or not sizes[0]:
        return None
    tail = 0.0
    first = sizes[0]
    for count in range(len(sizes), 0, -1):
        if count < len(sizes):
            tail += sizes[count]
        if 2 * (tail + max(sizes[-4:])) > precision * first:
            return count + 1 if count + 1 <= len(sizes) - 6 else None
    return 1
