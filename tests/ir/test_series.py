"""Power series of f(x)/x: their sums are the quotients."""

from __future__ import annotations

from fractions import Fraction
from math import factorial

import mpmath
import pytest

from tapeless.ir.series import derivative_at_zero, over_at_zero


@pytest.mark.parametrize("name", ["sin", "expm1", "log1p", "tanh"])
def test_the_series_is_the_quotient(name):
    with mpmath.workdps(40):
        x = mpmath.mpf("0.1")
        total = mpmath.fsum(
            mpmath.mpf(c.numerator) / c.denominator * x**k
            for k, c in enumerate(over_at_zero(name, k) for k in range(60))
        )
        assert abs(total - getattr(mpmath, name)(x) / x) < mpmath.mpf(10) ** -35


@pytest.mark.parametrize("name", ["sin", "expm1", "log1p", "tanh"])
def test_derivatives_are_those_of_the_series(name):
    for order in range(4):
        for k in range(6):
            wanted = over_at_zero(name, k + order) * Fraction(factorial(k + order), factorial(k))
            assert derivative_at_zero(name, order, k) == wanted


def test_the_first_coefficients():
    assert [over_at_zero("tanh", k) for k in range(5)] == [1, 0, Fraction(-1, 3), 0, Fraction(2, 15)]
