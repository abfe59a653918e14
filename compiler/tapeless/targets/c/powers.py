"""Powers without `pow`: which products make x**n, sharing what several powers of one base have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

from tapeless.targets.c.kernel import Literal

ONE: Final = Literal(1.0)
_HALF: Final = Fraction(1, 2)

MAX_EXPONENT: Final = 64
"""Larger exponents go to `pow`: the error of a product grows with its length."""


def expandable(exponent: Fraction) -> bool:
    """Whether x**exponent is worth a few products, perhaps with one square root or one reciprocal."""
    return exponent.denominator in (1, 2) and 0 < abs(exponent) <= MAX_EXPONENT


def plan(exponents: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return how to multiply the given powers together, all exponents positive.

    Each exponent over 1 is the sum of two that are 1 or stand earlier in the plan. Powers asked for are reused;
    what is missing comes from squaring (Knuth, The Art of Computer Programming 2, section 4.6.3).
    """
    have = {1}
    steps: dict[int, tuple[int, int]] = {}

    def reach(n: int) -> None:
        todo = [n]
        while todo:
            m = todo[-1]
            if m in have:
                todo.pop()
                continue
            pair = next(((p, m - p) for p in sorted(have, reverse=True) if p < m and m - p in have), None)
            if pair is None:
                # The largest power at hand, if what is left is small; else halve.
                largest = max(p for p in have if p < m)
                rest = m - largest if m % 2 and largest * 2 > m else m // 2 if m % 2 == 0 else m - 1
                todo.append(rest)
                continue
            steps[m] = pair
            have.add(m)
            todo.pop()

    for exponent in sorted(set(exponents)):
        if exponent > 1:
            reach(exponent)
    return steps


def expand(
    exponents: Iterable[Fraction],
    base: int,
    emit: Callable[..., int],
) -> dict[Fraction, int]:
    """Emit the products for all `exponents` of one base.

    Parameters
    ----------
    exponents
        Integers and half-integers within `MAX_EXPONENT`, none of them 0 or 1.
    base
        The value x.
    emit
        Called as `emit(op, *values)`; returns the value of the operation.

    Returns
    -------
    dict
        Exponent -> value.
    """
    recipe = _recipe(frozenset(exponents))
    values = [base]
    for op, left, right in recipe.steps:
        first = ONE if left is None else values[left]
        values.append(emit(op, first) if right is None else emit(op, first, values[right]))
    return {exponent: values[place] for exponent, place in recipe.results}


class _Recipe(NamedTuple):
    """What makes some powers of any base.

    Attributes
    ----------
    steps
        (operation, left, right): operands are places in the list that starts with the base and grows by one
        value a step; a left operand None is the number 1, a right one None is absent.
    results
        (exponent, place).
    """

    steps: tuple[tuple[str, int | None, int | None], ...]
    results: tuple[tuple[Fraction, int], ...]


@lru_cache(maxsize=1024)
def _recipe(exponents: frozenset[Fraction]) -> _Recipe:
    """Plan all powers of one base; formulas repeat the same few sets again and again."""
    steps: list[tuple[str, int | None, int | None]] = []

    def step(op: str, left: int | None, right: int | None = None) -> int:
        steps.append((op, left, right))
        return len(steps)

    wanted = sorted(exponents)
    whole = {abs(e) if e.denominator == 1 else abs(e) - _HALF for e in wanted}
    negative = [e for e in wanted if e < 0]
    # One reciprocal serves several negative powers; a single one is divided once, at the end.
    shared = len(negative) > 1
    up = {_whole(e) for e in wanted if e > 0 or not shared}
    values: dict[int, int] = {1: 0}
    for n, (p, q) in plan(up).items():
        values[n] = step("mul", values[p], values[q])
    root = step("sqrt", 0) if any(e.denominator == 2 for e in wanted) else None
    down: dict[int, int] = {}
    if shared:
        down[1] = step("div", None, 0)
        for n, (p, q) in plan(int(w) for w in whole).items():
            down[n] = step("mul", down[p], down[q])
    results: list[tuple[Fraction, int]] = []
    for e in wanted:
        n = _whole(e)
        if e > 0 or not shared:
            value = values[n] if n else None
            if e.denominator == 2:
                assert root is not None
                value = root if value is None else step("mul", value, root)
            assert value is not None
            results.append((e, value if e > 0 else step("div", None, value)))
        elif e.denominator == 1:
            results.append((e, down[n]))
        else:
            assert root is not None
            # x**(-n - 1/2) = x**(-n)*(1/sqrt(x)): both infinite at 0, and neither overflows before the result
            inverse = step("div", None, root)
            results.append((e, step("mul", down[n], inverse) if n else inverse))
    return _Recipe(tuple(steps), tuple(results))


def _whole(exponent: Fraction) -> int:
    """Return the whole part of the size of an integer or half-integer."""
    return abs(exponent.numerator) // exponent.denominator
