"""Sums as one quotient of polynomials with exact coefficients: what cancels over the reals is gone from it.

The variables are whatever is no sum, product, quotient or whole power. A root times itself is its argument, which
holds wherever the root exists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from tapeless.ir.graph import Builder

Monomial = tuple[tuple[int, int], ...]
"""(node, exponent), ordered by node."""
Polynomial = dict[Monomial, Fraction]

_TERMS: Final = 36
_DEGREE: Final = 12
_DEPTH: Final = 40
_ONE: Final[Monomial] = ()


class TooLargeError(Exception):
    """A normal form beyond the limits."""


class Form(NamedTuple):
    """A quotient.

    Attributes
    ----------
    above
        The numerator.
    below
        Divisors with their exponents, as the nodes that divide in the formula: none of them is new.
    """

    above: Polynomial
    below: Mapping[int, int]


def simplified(builder: Builder, node: int) -> int:
    """Return a node for the same value from its normal form; itself where there is none within the limits."""
    try:
        form = form_of(builder, node)
    except TooLargeError:
        return node
    if not form.above:
        return builder.rational(0)
    return build(builder, form)


def form_of(builder: Builder, node: int) -> Form:
    """Return the normal form of a node.

    Raises
    ------
    TooLargeError
        Where it has too many terms.
    """
    return _Reader(builder).read(node, _DEPTH)


class _Reader:
    def __init__(self, builder: Builder) -> None:
        self._b = builder
        self._known: dict[int, Form] = {}

    def read(self, node: int, depth: int) -> Form:
        found = self._known.get(node)
        if found is None:
            if not depth:
                raise TooLargeError
            found = self._known[node] = self._read(node, depth - 1)
            if len(found.above) > _TERMS:
                raise TooLargeError
        return found

    def _read(self, node: int, depth: int) -> Form:
        b = self._b
        op, args = b.ops[node], b.args[node]
        value = b.rational_value(node)
        if value is not None:
            return Form({_ONE: value} if value else {}, {})
        if op in ("add", "sub"):
            left, right = (self.read(arg, depth) for arg in args)
            return self._sum(left, right, -1 if op == "sub" else 1)
        if op == "neg":
            inner = self.read(args[0], depth)
            return Form({m: -c for m, c in inner.above.items()}, inner.below)
        if op == "mul":
            left, right = (self.read(arg, depth) for arg in args)
            return Form(self._times(left.above, right.above), Counter(left.below) + Counter(right.below))
        if op == "div":
            return self._quotient(node, args[0], args[1], depth)
        if op == "pow":
            power = b.rational_value(args[1])
            if power is not None and power.denominator in (1, 2) and abs(power) <= _DEGREE:
                return self._power(args[0], power, depth)
        return Form({((node, 1),): Fraction(1)}, {})

    def _quotient(self, node: int, top: int, bottom: int, depth: int) -> Form:
        above = self.read(top, depth)
        below = Counter(above.below)
        numerator = above.above
        b, stack = self._b, [(bottom, 1)]
        while stack:
            divisor, times = stack.pop()
            value = b.rational_value(divisor)
            if value is not None:
                if not value:
                    return Form({((node, 1),): Fraction(1)}, {})
                numerator = {m: c / value**times for m, c in numerator.items()}
            elif b.ops[divisor] == "mul":
                stack += [(part, times) for part in b.args[divisor]]
            elif b.ops[divisor] == "pow" and self._whole(b.args[divisor][1]):
                exponent = b.rational_value(b.args[divisor][1])
                assert exponent is not None
                stack.append((b.args[divisor][0], times * int(exponent)))
            else:
                below[divisor] += times
        return Form(numerator, below)

    def _whole(self, node: int) -> bool:
        value = self._b.rational_value(node)
        return value is not None and value.denominator == 1 and 0 < value <= _DEGREE

    def _power(self, base: int, power: Fraction, depth: int) -> Form:
        b = self._b
        if power.denominator == 2:
            base, power = b.call("sqrt", base), 2 * power
        times = abs(int(power))
        if power < 0:
            return Form({_ONE: Fraction(1)}, {base: times})
        inner = self.read(base, depth)
        total: Polynomial = {_ONE: Fraction(1)}
        for _ in range(times):
            total = self._times(total, inner.above)
        return Form(total, {node: k * times for node, k in inner.below.items()})

    def _sum(self, left: Form, right: Form, sign: int) -> Form:
        common = Counter(left.below) | Counter(right.below)
        parts = []
        for form in (left, right):
            part = form.above
            for divisor, times in (common - Counter(form.below)).items():
                inner = self.read(divisor, _DEPTH // 2)
                if inner.below:
                    raise TooLargeError
                for _ in range(times):
                    part = self._times(part, inner.above)
            parts.append(part)
        total = dict(parts[0])
        for monomial, coefficient in parts[1].items():
            new = total.get(monomial, Fraction(0)) + sign * coefficient
            if new:
                total[monomial] = new
            else:
                total.pop(monomial, None)
        return Form(total, common)

    def _times(self, left: Polynomial, right: Polynomial) -> Polynomial:
        if len(left) * len(right) > _TERMS * _TERMS:
            raise TooLargeError
        total: Polynomial = {}
        for m, c in left.items():
            for n, d in right.items():
                for monomial, coefficient in self._product(m, n).items():
                    new = total.get(monomial, Fraction(0)) + c * d * coefficient
                    if new:
                        total[monomial] = new
                    else:
                        total.pop(monomial, None)
        if len(total) > _TERMS:
            raise TooLargeError
        return total

    def _product(self, m: Monomial, n: Monomial) -> Polynomial:
        powers = Counter(dict(m))
        powers.update(dict(n))
        if powers.total() > _DEGREE:
            raise TooLargeError
        for node, times in powers.items():
            square = self._square(node) if times > 1 else None
            if square is not None:  # sqrt(u)**2 is u
                powers[node] -= 2
                rest = tuple(sorted((k, e) for k, e in powers.items() if e))
                return self._times({rest: Fraction(1)}, square)
        return {tuple(sorted(powers.items())): Fraction(1)}

    def _square(self, node: int) -> Polynomial | None:
        """Return the square of a root as a polynomial; None for what is no root."""
        b = self._b
        op, args = b.ops[node], b.args[node]
        if op == "sqrt":
            form = self.read(args[0], _DEPTH // 2)
            return None if form.below else form.above
        if op in ("norm2", "norm3", "hypot"):
            total: Polynomial = {}
            for arg in args:
                form = self.read(arg, _DEPTH // 2)
                if form.below:
                    return None
                square = self._times(form.above, form.above)
                total = self._sum(Form(total, {}), Form(square, {}), 1).above
            return total
        return None


# ---- back to nodes


def build(builder: Builder, form: Form) -> int:
    """Return a node for a form: common factors outside, the rest by Horner's rule in the commonest variable."""
    terms = dict(form.above)
    common = dict(next(iter(terms)))
    for monomial in terms:
        powers = dict(monomial)
        common = {node: min(k, powers[node]) for node, k in common.items() if node in powers}
    below = dict(form.below)
    for node in tuple(common):  # x/x is 1 wherever x divides
        both = min(common[node], below.get(node, 0))
        if both:
            common[node] -= both
            below[node] -= both
    removed = Counter(common)
    gone = Counter({node: form.below.get(node, 0) - below.get(node, 0) for node in form.below})
    taken = removed + gone
    rest = {
        tuple((node, k - taken[node]) for node, k in monomial if k > taken[node]): coefficient
        for monomial, coefficient in terms.items()
    }
    content = _content(rest)
    rest = {m: c / content for m, c in rest.items()}
    total = _horner(builder, rest)
    for node, k in sorted(common.items()):
        if k:
            total = builder.mul(_power(builder, node, k), total)
    total = builder.mul(builder.rational(content), total)
    divisor = [_power(builder, node, k) for node, k in sorted(below.items()) if k]
    for part in divisor:
        total = builder.div(total, part)
    return total


def _content(terms: Polynomial) -> Fraction:
    """Return the coefficient that all terms share, as far as one is plain; with the sign of most."""
    sizes = {abs(c) for c in terms.values()}
    sign = -1 if all(c < 0 for c in terms.values()) else 1
    return sign * (sizes.pop() if len(sizes) == 1 else Fraction(1))


def _power(builder: Builder, node: int, k: int) -> int:
    return builder.pow(node, builder.rational(k))


def _horner(builder: Builder, terms: Polynomial) -> int:
    counts = Counter(node for monomial in terms for node, _ in monomial)
    if not counts:
        return builder.rational(next(iter(terms.values()), Fraction(0)))
    node, uses = max(counts.items(), key=lambda item: (item[1], -item[0]))
    if uses == 1:
        parts = []
        for monomial, coefficient in terms.items():
            factors = [_power(builder, n, k) for n, k in monomial]
            parts.append(builder.mul(builder.rational(coefficient), builder.product(factors)))
        return builder.sum(parts)
    least = min(k for monomial in terms for n, k in monomial if n == node)
    inside: Polynomial = {}
    outside: Polynomial = {}
    for monomial, coefficient in terms.items():
        powers = dict(monomial)
        if node in powers:
            powers[node] -= least
            inside[tuple((n, k) for n, k in powers.items() if k)] = coefficient
        else:
            outside[monomial] = coefficient
    total = builder.mul(_power(builder, node, least), _horner(builder, inside))
    return builder.add(total, _horner(builder, outside)) if outside else total
