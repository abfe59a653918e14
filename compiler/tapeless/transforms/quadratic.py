"""Roots of quadratic equations: sqrt(b**2 - t) - b in which both are near, alone or over what t is a multiple of."""

from __future__ import annotations

from fractions import Fraction

from tapeless.ir.graph import HALF, Builder
from tapeless.transforms.factors import factors, scaled, without


def less_its_root(b: Builder, left: int, right: int) -> int | None:
    """Return sqrt(x**2 - t) - x, or x - sqrt(x**2 - t), as a root of y**2/2 + x*y + t/2; None for others."""
    for root, x, turned in ((left, right, False), (right, left, True)):
        t = _taken_off(b, root, x)
        if t is not None:
            found = b.call("quadratic", b.rational(HALF), x, b.mul(b.rational(HALF), t))
            return b.neg(found) if turned else found
    return None


def with_its_root(b: Builder, left: int, right: int) -> int | None:
    """Return x + sqrt(x**2 - t), a root of y**2/2 - x*y + t/2; None for others."""
    for root, x in ((left, right), (right, left)):
        t = _taken_off(b, root, x)
        if t is not None:
            return b.call("quadratic", b.rational(HALF), b.neg(x), b.mul(b.rational(HALF), t))
    return None


def root_over(b: Builder, above: int, below: int) -> int | None:
    """Return a root of y**2/2 + x*y + a*c, over 2*a, as that of a*y**2 + x*y + c; None for others."""
    root = b.args[above][0] if b.ops[above] == "neg" else above
    if b.ops[root] != "quadratic" or b.rational_value(b.args[root][0]) != HALF or b.is_constant(below):
        return None
    _, x, product = b.args[root]
    for many, rest in scaled(b, product):
        tops = factors(b, rest)
        for few, divisor in scaled(b, below):
            left = None if tops is None else without(b, tops, divisor, Fraction(1))
            if left is not None:
                last = b.mul(b.rational(many / few), b.product(left))
                found = b.call("quadratic", b.mul(b.rational(HALF), below), x, last)
                return found if root == above else b.neg(found)
    return None


def _taken_off(b: Builder, root: int, x: int) -> int | None:
    """Return t of sqrt(x**2 - t), None for others."""
    if b.ops[root] != "sqrt" or b.is_constant(x):
        return None
    inner = b.args[root][0]
    op, args = b.ops[inner], b.args[inner]
    two = b.rational(2)
    squares = {b.pow(x, two)} | {b.mul(b.rational(c * c), b.pow(y, two)) for c, y in scaled(b, x)}
    if op == "sub" and args[0] in squares:
        return args[1]
    if op == "squares" and b.pow(args[0], two) in squares:
        return b.pow(args[1], two)
    if op == "add":
        for square, other in (args, args[::-1]):
            if square in squares:
                return b.neg(other)
    return None
