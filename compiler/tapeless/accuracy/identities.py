"""The table of identities that the search tries where a value loses digits, each with the reason why it holds.

=================  ===============================================  ==============================================
name               identity                                         why, and where
=================  ===============================================  ==============================================
normal form        any sum as one quotient of polynomials           arithmetic of a field; divisors are those at
                                                                    hand
conjugate          u - v = (u**2 - v**2)/(u + v)                    u + v is not 0
cubes              u - v = (u**3 - v**3)/(u**2 + u*v + v**2)        u and v are not both 0
squares            u**2 - v**2 = (u - v)*(u + v)                    everywhere; for other even powers too
powers             a**p - b**p = b**p*expm1(p*log1p((a - b)/b))     a, b > 0
common factor      p*q - p*r = p*(q - r)                            distributive law
order              (u + v) + w = (u + w) + v                        commutative and associative law
sines              sin(a) - sin(b) = 2*cos((a+b)/2)*sin((a-b)/2)    DLMF 4.21(i), everywhere; for sums too
cosines            cos(a) - cos(b) = -2*sin((a+b)/2)*sin((a-b)/2)   DLMF 4.21(i), everywhere; for sums too
tangents           tan(a) - tan(b) = sin(a - b)/(cos(a)*cos(b))     DLMF 4.21(i), everywhere
hyperbolic         sinh(a) - sinh(b) = 2*cosh(..)*sinh(..), ...     DLMF 4.35(i), everywhere
exponentials       exp(a) - exp(b) = exp(b)*expm1(a - b)            DLMF 4.8(ii), everywhere
hyperbolic cosine  exp(a) - 2 + exp(-a) = 4*sinh(a/2)**2            DLMF 4.28, 4.35; everywhere
less one           cos(a) - 1 = -2*sin(a/2)**2, exp(a) - 1, ...     as in transforms/stable.py, after differentiation
logarithms         log(a) - log(b) = log1p((a - b)/b)               a, b > 0
near one           log(q) = log1p(q - 1)                            both exist where q > 0
arc cosine         acos(q) = 2*asin(sqrt((1 - q)/2))                both exist where -1 <= q <= 1
area cosine        acosh(q) = log1p(t + sqrt(t*(t + 2))), t = q-1   both exist where q >= 1
arc tangents       atan(a) - atan(b) = atan2(a - b, 1 + a*b)        both in (-pi, pi), with the same tangent and
                                                                    the same sign of the cosine; everywhere
area tangents      atanh(a) - atanh(b) = atanh((a - b)/(1 - a*b))   DLMF 4.38; -1 < a, b < 1
growth             a**y = exp(y*log1p(a - 1)), and less 1           a > 0
series             the power series in one part of the formula      where what is left out is below the rounding:
                                                                    `select(abs(z) < t, series, ...)`
regimes            one way below a threshold, another above         both are the same function
=================  ===============================================  ==============================================

An identity whose condition is not proven by the ranges is guarded by `select`. The guard `near` is true where two
terms of opposite sign are numbers within a factor of two, so that both exist and neither is 0: beyond it nothing
cancels, and the difference stays as it was written, NaN included. A new form in which a function with a domain no
longer occurs is guarded too, so that nothing gets a value where it had none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from tapeless.accuracy.expansion import NotExpandableError, Series, build, enough, expand
from tapeless.accuracy.rational import TooLargeError, form_of, simplified
from tapeless.accuracy.rational import build as build_form
from tapeless.accuracy.signs import Signs
from tapeless.ir.graph import HALF, Builder
from tapeless.ir.primitives import PRIMITIVES, REAL


class Alternative(NamedTuple):
    """Another way to compute a node.

    Attributes
    ----------
    name
        The identity, as in the table.
    node
        The node that computes it.
    form
        The other side of the identity, without the guard.
    when
        The condition of the guard; None without one.
    near
        Whether the guard is that two terms are within a factor of two.
    """

    name: str
    node: int
    form: int
    when: int | None = None
    near: bool = False


class _Form(NamedTuple):
    """An alternative as an identity gives it.

    Attributes
    ----------
    name
        The identity.
    node
        Its other side.
    holds
        Whether its condition is proven, or is no more than that the value exists.
    """

    name: str
    node: int
    holds: bool


class _Term(NamedTuple):
    """A term of a sum: a coefficient and a node."""

    scale: Fraction
    node: int


_TERMS: Final = 6
"""Sums of more terms are only taken as they stand."""
_HALVES: Final = frozenset(("sqrt", "norm2", "norm3", "hypot"))
_REACHES: Final = (
    Fraction(1),
    Fraction(1, 2),
    Fraction(1, 4),
    Fraction(1, 8),
    Fraction(1, 16),
    Fraction(1, 64),
)
_ONE: Final = Fraction(1)


def alternatives(b: Builder, node: int, signs: Signs) -> Iterator[Alternative]:
    """Yield other ways to compute a node, guarded where their conditions are not proven.

    Parameters
    ----------
    b
        Holds the node; what is yielded is appended to it.
    node
        The node.
    signs
        What the ranges say.
    """
    if b.ops[node] in ("add", "sub"):
        found = _of_sum(b, node, signs)
        for form in found:
            if form.node == node:
                continue
            if form.holds and _keeps_domain(b, node, form.node, signs):
                yield Alternative(form.name, form.node, form.node)
            guarded = _near(b, node, form.node)
            yield Alternative(form.name, guarded, form.node, b.args[guarded][0], near=True)
    else:
        for form in _of_function(b, node, signs):
            if form.node != node:
                yield Alternative(form.name, form.node, form.node)


# ---- guards


def _near(b: Builder, node: int, other: int) -> int:
    """Return `other` where the two terms of a difference are within a factor of two, else the difference."""
    first = b.args[node][0]
    if b.rational_value(first) is not None:
        first = b.args[node][1]
    gap = b.call("abs", node)
    close = b.compare("lt", b.mul(b.rational(2), gap), b.call("abs", first))
    return b.select(close, other, node)


def _keeps_domain(b: Builder, old: int, new: int, signs: Signs) -> bool:
    """Whether all that has a domain in one formula is still in the other, or exists by the ranges."""
    return all(_exists(b, node, signs) for node in _partial(b, old) - _partial(b, new))


def _exists(b: Builder, node: int, signs: Signs) -> bool:
    """Whether the ranges say that a function has a value."""
    op, args = b.ops[node], b.args[node]
    if op in ("log", "log2", "log10", "sqrt", "pow"):
        return signs.is_positive(args[0])
    return op == "log1p" and signs.interval(args[0])[0] > -1


def _partial(b: Builder, root: int) -> set[int]:
    """Return the nodes that exist on a part of the reals only; a quotient has holes, but exists around them."""
    found, seen, stack = set(), {root}, [root]
    while stack:
        node = stack.pop()
        op = b.ops[node]
        power = b.rational_value(b.args[node][1]) if op == "pow" else None
        whole = power is not None and power.denominator == 1
        if op not in ("div", "tan") and not whole and PRIMITIVES[op].domain != REAL:
            found.add(node)
        for arg in b.args[node]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return found


# ---- sums


def _terms(b: Builder, node: int) -> list[_Term] | None:
    """Return the terms of a sum, None where there are many."""
    found: list[_Term] = []
    stack = [_Term(_ONE, node)]
    while stack:
        scale, at = stack.pop()
        op, args = b.ops[at], b.args[at]
        if op in ("add", "sub"):
            stack.append(_Term(-scale if op == "sub" else scale, args[1]))
            stack.append(_Term(scale, args[0]))
        elif op == "neg":
            stack.append(_Term(-scale, args[0]))
        elif op == "mul" and (value := b.rational_value(args[0])) is not None:
            stack.append(_Term(scale * value, args[1]))
        elif (value := b.rational_value(at)) is not None:
            found.append(_Term(scale * value, b.rational(1)))
        else:
            found.append(_Term(scale, at))
        if len(found) + len(stack) > _TERMS:
            return None
    return found


def _put(b: Builder, term: _Term) -> int:
    return b.mul(b.rational(term.scale), term.node)


def _of_sum(b: Builder, node: int, signs: Signs) -> list[_Form]:
    u, v = b.args[node]
    if b.ops[node] == "add":
        v = b.neg(v)
    found = [*_pairs(b, u, v, signs)]
    shorter = simplified(b, node)
    found.append(_Form("normal form", shorter, True))
    found += _factored(b, node)
    terms = _terms(b, node)
    if terms is not None and len(terms) > 1:
        found += _with_hyperbolic_cosine(b, terms)
        if len(terms) == 2:
            found += _functions(b, terms, signs)
        else:
            found += _orders(b, terms, signs)
    return found


def _pairs(b: Builder, u: int, v: int, signs: Signs) -> Iterator[_Form]:
    """Yield other forms of u - v that go by its two sides as they stand."""
    if _has_root(b, u) or _has_root(b, v):
        try:
            gap = form_of(b, b.sub(b.pow(u, b.rational(2)), b.pow(v, b.rational(2))))
        except TooLargeError:
            gap = None
        if gap is not None and gap.above:
            total = b.add(u, v)
            yield _Form("conjugate", b.div(build_form(b, gap), total), signs.is_positive(total))
    powers = _even_root(b, u), _even_root(b, v)
    if powers[0] is not None and powers[1] is not None:
        inner = b.mul(b.sub(powers[0], powers[1]), b.add(powers[0], powers[1]))
        yield _Form("squares", inner, True)
    cubes = _radicand(b, u), _radicand(b, v)
    if cubes[0] is not None and cubes[1] is not None:
        above = simplified(b, b.sub(cubes[0], cubes[1]))
        two = b.rational(2)
        below = b.sum([b.pow(u, two), b.mul(u, v), b.pow(v, two)])
        yield _Form("cubes", b.div(above, below), signs.is_positive(below))


def _has_root(b: Builder, node: int) -> bool:
    """Whether a square root is a factor of a node."""
    stack = [node]
    while stack:
        op, args = b.ops[stack[-1]], b.args[stack.pop()]
        if op in _HALVES:
            return True
        if op in ("mul", "div", "neg"):
            stack += args
        if op == "pow" and (power := b.rational_value(args[1])) is not None and power.denominator == 2:
            return True
    return False


def _even_root(b: Builder, node: int) -> int | None:
    """Return u of u**2, and u**n of u**(2*n)."""
    if b.ops[node] == "mul" and b.args[node][0] == b.args[node][1]:
        return b.args[node][0]
    power = b.rational_value(b.args[node][1]) if b.ops[node] == "pow" else None
    if power is None or power <= 0 or power.denominator != 1 or power.numerator % 2:
        return None
    return b.pow(b.args[node][0], b.rational(power / 2))


def _radicand(b: Builder, node: int) -> int | None:
    """Return the cube of a cube root, or of a number that has one."""
    if b.ops[node] == "cbrt":
        return b.args[node][0]
    if b.ops[node] == "pow" and b.rational_value(b.args[node][1]) == Fraction(1, 3):
        return b.args[node][0]
    value = b.rational_value(node)
    return b.rational(value**3) if value is not None else None


def _factored(b: Builder, node: int) -> Iterator[_Form]:
    """Yield a sum of two products or quotients with what they share outside."""
    op = b.ops[node]
    left, right = b.args[node]
    if b.ops[left] == b.ops[right] == "mul":
        for shared, first in (b.args[left], b.args[left][::-1]):
            for also, second in (b.args[right], b.args[right][::-1]):
                if shared == also:
                    inner = b.call(op, first, second)
                    yield _Form("common factor", b.mul(shared, simplified(b, inner)), True)
                    yield _Form("common factor", b.mul(shared, inner), True)
    if b.ops[left] == b.ops[right] == "div" and b.args[left][1] == b.args[right][1]:
        inner = b.call(op, b.args[left][0], b.args[right][0])
        yield _Form("common factor", b.div(inner, b.args[left][1]), True)
    for product, other in ((left, right), (right, left)):
        if b.ops[product] == "mul" and other in b.args[product]:
            x, y = b.args[product]
            rest = b.call(op, y if other == x else x, b.rational(1))
            turned = b.neg(rest) if op == "sub" and product == right else rest
            yield _Form("common factor", b.mul(other, turned), True)


def _with_hyperbolic_cosine(b: Builder, terms: Sequence[_Term]) -> Iterator[_Form]:
    """Yield c*exp(a) + c*exp(-a) - 2*c as 4*c*sinh(a/2)**2, and c*cosh(a) - c as 2*c*sinh(a/2)**2."""
    one = b.rational(1)
    numbers = [k for k, term in enumerate(terms) if term.node == one]
    for k, first in enumerate(terms):
        op = b.ops[first.node]
        if op == "cosh" and len(numbers) == 1 and terms[numbers[0]].scale == -first.scale:
            rest = [t for j, t in enumerate(terms) if j not in (k, numbers[0])]
            yield _Form(
                "hyperbolic cosine", _half_square(b, 2 * first.scale, b.args[first.node][0], rest), True
            )
        if op not in ("exp", "expm1"):
            continue
        for j in range(k + 1, len(terms)):
            second = terms[j]
            opposite = b.ops[second.node] == op and b.args[second.node][0] == b.neg(b.args[first.node][0])
            if not opposite or second.scale != first.scale:
                continue
            argument = b.args[first.node][0]
            if op == "expm1":
                rest = [t for i, t in enumerate(terms) if i not in (k, j)]
                yield _Form("hyperbolic cosine", _half_square(b, 4 * first.scale, argument, rest), True)
            elif len(numbers) == 1 and terms[numbers[0]].scale == -2 * first.scale:
                rest = [t for i, t in enumerate(terms) if i not in (k, j, numbers[0])]
                yield _Form("hyperbolic cosine", _half_square(b, 4 * first.scale, argument, rest), True)


def _half_square(b: Builder, scale: Fraction, argument: int, rest: Sequence[_Term]) -> int:
    sine = b.call("sinh", b.mul(b.rational(HALF), argument))
    total = b.mul(b.rational(scale), b.pow(sine, b.rational(2)))
    return b.sum([total, *(_put(b, term) for term in rest)])


def _orders(b: Builder, terms: Sequence[_Term], signs: Signs) -> Iterator[_Form]:
    """Yield sums of three and more with two of the terms taken together first, and simplified."""
    for k in range(len(terms)):
        for j in range(k + 1, len(terms)):
            pair = b.add(_put(b, terms[k]), _put(b, terms[j]))
            rest = b.sum([_put(b, term) for i, term in enumerate(terms) if i not in (k, j)])
            yield _Form("order", b.add(pair, rest), True)
            shorter = simplified(b, pair)
            if shorter != pair:
                yield _Form("order", b.add(shorter, rest), True)
            for form in _functions(b, (terms[k], terms[j]), signs):
                if form.holds:
                    yield _Form(form.name, b.add(form.node, rest), True)
                elif b.ops[pair] in ("add", "sub"):
                    yield _Form(form.name, b.add(_near(b, pair, form.node), rest), True)


def _functions(b: Builder, terms: Sequence[_Term], signs: Signs) -> Iterator[_Form]:
    """Yield other forms of c*f(a) - c*f(b), and of c*f(a) + c*f(b) where there is one."""
    first, second = terms
    if first.scale < 0 < second.scale:
        first, second = second, first
    scale, minus = first.scale, second.scale == -first.scale
    if abs(second.scale) != abs(first.scale):
        return
    one = b.rational(1)
    for x, y, sign in ((first.node, second.node, 1), (second.node, first.node, -1 if minus else 1)):
        op = b.ops[x]
        if y == one and minus and op == "pow":
            yield from _scaled(b, sign * scale, _growth(b, x, signs, less_one=True))
        if y == one and minus and op in _LESS_ONE:
            yield _Form("less one", b.mul(b.rational(sign * scale), _LESS_ONE[op](b, b.args[x][0])), True)
        if b.ops[y] != op or not b.args[x]:
            continue
        pairs = _DIFFERENCES if minus else _SUMS
        rule = pairs.get(op)
        if rule is not None and (sign == 1 or op in ("exp", "log", "log1p", "pow")):
            yield from _scaled(b, sign * scale, rule(b, x, y, signs))


def _scaled(b: Builder, scale: Fraction, forms: Iterator[_Form]) -> Iterator[_Form]:
    for name, node, holds in forms:
        yield _Form(name, b.mul(b.rational(scale), node), holds)


def _arguments(b: Builder, x: int, y: int) -> tuple[int, int]:
    return b.args[x][0], b.args[y][0]


def _means(b: Builder, x: int, y: int) -> tuple[int, int]:
    """Return half the sum and half the difference of two arguments."""
    p, q = _arguments(b, x, y)
    half = b.rational(HALF)
    return simplified(b, b.mul(half, b.add(p, q))), simplified(b, b.mul(half, b.sub(p, q)))


def _product_of(
    name: str, scale: int, first: str, second: str
) -> Callable[[Builder, int, int, Signs], Iterator[_Form]]:
    """Return a rule: scale*first(mean)*second(half of the difference)."""

    def rule(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
        mean, half = _means(b, x, y)
        yield _Form(name, b.mul(b.rational(scale), b.mul(b.call(first, mean), b.call(second, half))), True)

    return rule


def _tangents(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    below = b.mul(b.call("cos", p), b.call("cos", q))
    yield _Form("tangents", b.div(b.call("sin", simplified(b, b.sub(p, q))), below), True)


def _exponentials(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    if p == b.neg(q):
        yield _Form("exponentials", b.mul(b.rational(2), b.call("sinh", p)), True)
    yield _Form("exponentials", b.mul(y, b.call("expm1", simplified(b, b.sub(p, q)))), True)


def _expm1s(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    yield _Form("exponentials", b.mul(b.call("exp", q), b.call("expm1", simplified(b, b.sub(p, q)))), True)


def _logarithms(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    one = b.rational(1)
    below = q if b.ops[y] == "log" else b.add(one, q)
    ratio = b.div(simplified(b, b.sub(p, q)), below)
    above = p if b.ops[x] == "log" else b.add(one, p)
    yield _Form("logarithms", b.call("log1p", ratio), signs.is_positive(below) and signs.is_positive(above))


def _arc_tangents(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    above = simplified(b, b.sub(p, q))
    below = b.add(b.rational(1), b.mul(p, q))
    if signs.is_positive(below):
        yield _Form("arc tangents", b.call("atan", b.div(above, below)), True)
    angle = b.call("atan2", above, below)
    yield _Form("arc tangents", angle, True)
    finite = b.compare("lt", b.call("abs", below), b.named("inf"))
    yield _Form("arc tangents", b.select(finite, angle, b.sub(x, y)), True)


def _area_tangents(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    p, q = _arguments(b, x, y)
    below = b.sub(b.rational(1), b.mul(p, q))
    yield _Form("area tangents", b.call("atanh", b.div(simplified(b, b.sub(p, q)), below)), False)


def _powers(b: Builder, x: int, y: int, signs: Signs) -> Iterator[_Form]:
    power = b.rational_value(b.args[x][1])
    if power is None or power.denominator == 1 or b.args[x][1] != b.args[y][1]:
        return
    p, q = _arguments(b, x, y)
    inner = b.call("log1p", b.div(simplified(b, b.sub(p, q)), q))
    proven = signs.is_positive(p) and signs.is_positive(q)
    yield _Form("powers", b.mul(y, b.call("expm1", b.mul(b.rational(power), inner))), proven)


_DIFFERENCES: Final[dict[str, Callable[[Builder, int, int, Signs], Iterator[_Form]]]] = {
    "sin": _product_of("sines", 2, "cos", "sin"),
    "cos": _product_of("cosines", -2, "sin", "sin"),
    "sinh": _product_of("hyperbolic", 2, "cosh", "sinh"),
    "cosh": _product_of("hyperbolic", 2, "sinh", "sinh"),
    "tan": _tangents,
    "exp": _exponentials,
    "expm1": _expm1s,
    "log": _logarithms,
    "log1p": _logarithms,
    "atan": _arc_tangents,
    "atanh": _area_tangents,
    "pow": _powers,
}


def _cos_less_one(b: Builder, u: int) -> int:
    sine = b.call("sin", b.mul(b.rational(HALF), u))
    return b.mul(b.rational(-2), b.pow(sine, b.rational(2)))


_LESS_ONE: Final[dict[str, Callable[[Builder, int], int]]] = {
    "cos": _cos_less_one,
    "exp": lambda b, u: b.call("expm1", u),
    "erf": lambda b, u: b.neg(b.call("erfc", u)),
    "expit": lambda b, u: b.neg(b.call("expit", b.neg(u))),
    "tanh": lambda b, u: b.mul(b.rational(-2), b.call("expit", b.mul(b.rational(-2), u))),
}
"""Function -> it less 1."""
_SUMS: Final[dict[str, Callable[[Builder, int, int, Signs], Iterator[_Form]]]] = {
    "sin": _product_of("sines", 2, "sin", "cos"),
    "cos": _product_of("cosines", 2, "cos", "cos"),
}


# ---- functions where they are ill-conditioned


def _of_function(b: Builder, node: int, signs: Signs) -> Iterator[_Form]:
    op, args = b.ops[node], b.args[node]
    one = b.rational(1)
    if op == "pow":
        for form in _growth(b, node, signs, less_one=False):
            if form.holds:
                yield form
            else:  # a power that exists for negative numbers stays what it is there
                base = b.args[node][0]
                guarded = b.select(b.compare("gt", base, b.rational(0)), form.node, node)
                yield _Form(form.name, guarded, True)
    if op not in ("log", "acos", "acosh") or not args or not b.args[args[0]]:
        return
    gap = simplified(b, b.sub(args[0], one))
    if gap == b.sub(args[0], one) and b.ops[args[0]] not in ("add", "sub"):
        return
    if op == "log":
        closer = b.call("log1p", gap)
        yield _Form("near one", closer, True)
        # Far below one log1p is as bad there as log is near one.
        close = b.compare("lt", b.call("abs", gap), b.rational(HALF))
        yield _Form("near one", b.select(close, closer, node), True)
    elif op == "acos":
        half = b.mul(b.rational(HALF), b.neg(gap))
        yield _Form("arc cosine", b.mul(b.rational(2), b.call("asin", b.call("sqrt", half))), True)
    else:
        root = b.call("sqrt", b.mul(gap, b.add(gap, b.rational(2))))
        yield _Form("area cosine", b.call("log1p", b.add(gap, root)), True)


def _growth(b: Builder, node: int, signs: Signs, *, less_one: bool) -> Iterator[_Form]:
    """Yield a**y, or a**y - 1, by the logarithm of 1 + (a - 1)."""
    base, power = b.args[node]
    if b.is_constant(base):
        return
    whole = b.rational_value(power)
    if not less_one and whole is not None and whole.denominator <= 2:
        return
    inner = b.mul(power, b.call("log1p", simplified(b, b.sub(base, b.rational(1)))))
    made = b.call("expm1" if less_one else "exp", inner)
    if less_one and not signs.is_positive(base):
        plain = b.sub(node, b.rational(1))
        made = b.select(b.compare("gt", base, b.rational(0)), made, plain)
    yield _Form("growth", made, less_one or signs.is_positive(base))


# ---- series


class Remainder(NamedTuple):
    """What a series may leave out, and where it is needed.

    Attributes
    ----------
    precision
        The part of the first term that may be left out.
    least
        A size of the variable; a switch below it would be of no use.
    """

    precision: float
    least: float


def expansions(b: Builder, node: int, variable: int, far: int, remainder: Remainder) -> Iterator[Alternative]:
    """Yield a node with its power series where another is small, with switches at several sizes.

    Parameters
    ----------
    b
        Holds the nodes.
    node
        The node.
    variable
        What it depends on, alone.
    far
        What computes it beyond the switch.
    remainder
        What may be left out.
    """
    try:
        series = expand(b, node, variable)
    except NotExpandableError:
        return
    if not series.terms or _is_short(series):
        return
    size = b.call("abs", variable)
    for reach in _REACHES:
        if not remainder.least < reach:
            continue
        count = enough(series, float(reach), remainder.precision)
        if count is None or count > _LONGEST:
            continue
        near = build(b, series, variable, count)
        small = b.compare("lt", size, b.rational(reach))
        yield Alternative("series", b.select(small, near, far), near, small)


_LONGEST: Final = 20
"""Series of more powers are not used."""


def _is_short(series: Series) -> bool:
    """Whether the formula is a polynomial: then nothing is left out, and nothing is gained."""
    return not any(series.terms[_LONGEST // 2 :])


def variables(b: Builder, node: int, limit: int = 4) -> list[int]:
    """Return the nodes that a node is a function of alone: an input, or a part through which all inputs go."""
    cone = _cone(b, node)
    if cone is None:
        return []
    found = []
    for at in sorted(cone - {node}, reverse=True):
        if b.is_constant(at) or b.is_boolean(at):
            continue
        if not _leads_past(b, node, at):
            found.append(at)
    return found[-limit:]


_CONE: Final = 80


def _cone(b: Builder, node: int) -> set[int] | None:
    found, stack = {node}, [node]
    while stack:
        for arg in b.args[stack.pop()]:
            if arg not in found:
                if len(found) == _CONE:
                    return None
                found.add(arg)
                stack.append(arg)
    return found


def _leads_past(b: Builder, node: int, variable: int) -> bool:
    """Whether an input is reached from a node without going through the variable."""
    seen, stack = {node}, [node]
    while stack:
        at = stack.pop()
        if at == variable:
            continue
        if b.ops[at] in ("input", "extern"):
            return True
        for arg in b.args[at]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return False
