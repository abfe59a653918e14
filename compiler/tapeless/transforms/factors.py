"""Products by their factors, as the recognition of forms looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Builder

_WIDTH: Final = 8
"""A product of more factors is not searched."""


def factors(b: Builder, node: int) -> list[int] | None:
    """Return the factors of a product, None where there are many."""
    found, stack = [], [node]
    while stack:
        node = stack.pop()
        if b.ops[node] == "mul":
            stack += b.args[node][::-1]
        else:
            found.append(node)
        if len(found) + len(stack) > _WIDTH:
            return None
    return found


def scaled(b: Builder, argument: int) -> list[tuple[Fraction, int]]:
    """Return (c, x) with argument c*x: the argument itself, and what is left without a rational factor."""
    found = [(Fraction(1), argument)]
    if b.ops[argument] == "mul" and (scale := b.rational_value(b.args[argument][0])):
        found.append((scale, b.args[argument][1]))
    if b.ops[argument] == "neg":
        found.append((Fraction(-1), b.args[argument][0]))
    if b.ops[argument] == "div" and (divisor := b.rational_value(b.args[argument][1])):
        found.append((1 / divisor, b.args[argument][0]))
    return found


def power_of(b: Builder, node: int) -> tuple[int, Fraction]:
    """Return base and exponent of a power by a number, the node itself and 1 for others."""
    if b.ops[node] == "pow" and (exponent := b.rational_value(b.args[node][1])) is not None:
        return b.args[node][0], exponent
    return node, Fraction(1)


def without(b: Builder, found: Sequence[int], x: int, power: Fraction) -> list[int] | None:
    """Return factors without x to a power, None where it is not among them, as one or as its own factors.

    Of a higher power of a part what is left stays.
    """
    for parts in ([x], factors(b, x) or [x]):
        rest = list(found)
        for part in parts:
            base, times = power_of(b, part)
            if not _take(b, rest, base, times * power):
                break
        else:
            return rest
    return None


def _take(b: Builder, found: list[int], base: int, power: Fraction) -> bool:
    """Take a power of a base out of factors."""
    for k, factor in enumerate(found):
        other, times = power_of(b, factor)
        if other == base and times >= power > 0:
            found[k : k + 1] = [] if times == power else [b.pow(base, b.rational(times - power))]
            return True
    return False


def put(b: Builder, above: Sequence[int], below: Sequence[int]) -> int:
    """Return a quotient of products; no divisor stands for 1."""
    top = b.product(above)
    return b.div(top, b.product(below)) if below else top
