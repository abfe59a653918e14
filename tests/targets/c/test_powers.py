"""Powers as products: right for every exponent, short, and shared."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.targets.c import powers
from tapeless.targets.c.kernel import Literal


def run(exponents):
    """Expand the powers of x symbolically: a value is its exponent. Returns exponent -> (exponent made, ops)."""
    ops = []
    values = [Fraction(1)]

    def emit(op, *args):
        exponents = [Fraction(0) if isinstance(a, Literal) else values[a] for a in args]
        made = {"mul": sum, "div": lambda e: e[0] - e[1], "sqrt": lambda e: e[0] / 2}[op](exponents)
        if made in values and (op, args) in ops:
            return values.index(made)
        ops.append((op, args))
        values.append(made)
        return len(values) - 1

    found = powers.expand(exponents, 0, emit)
    return {e: values[v] for e, v in found.items()}, ops


wanted = st.sets(
    st.integers(-2 * powers.MAX_EXPONENT, 2 * powers.MAX_EXPONENT)
    .map(lambda n: Fraction(n, 2))
    .filter(lambda e: e not in (0, 1, Fraction(1, 2))),
    min_size=1,
    max_size=6,
)


@given(wanted)
def test_every_power_asked_for_is_made(exponents):
    made, _ = run(exponents)
    assert made == {e: e for e in exponents}


@pytest.mark.parametrize(
    ("exponents", "cost"),
    [
        ([2], 1),
        ([3], 2),
        ([4], 2),
        ([2, 3, 4], 3),
        ([6, 12], 4),
        ([15], 6),
        ([-1, -2], 2),
        ([-3], 3),
        ([-6, -12], 5),
    ],
)
def test_cost(exponents, cost):
    _, ops = run([Fraction(e) for e in exponents])
    assert len(ops) == cost


@given(st.integers(2, powers.MAX_EXPONENT))
def test_a_single_power_costs_at_most_twice_its_binary_length(n):
    assert len(powers.plan([n])) <= 2 * (n.bit_length() - 1)


def test_one_reciprocal_serves_all_negative_powers():
    _, ops = run([Fraction(e) for e in (-6, -7, -12, -13)])
    assert [op for op, _ in ops].count("div") == 1


def test_what_is_worth_expanding():
    assert powers.expandable(Fraction(-3, 2))
    assert not powers.expandable(Fraction(1, 3))
    assert not powers.expandable(Fraction(1000))
    assert not powers.expandable(Fraction(0)), "left to pow, which gives 1"
