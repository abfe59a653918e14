"""Power series at 0 of quotients f(x)/x, exact."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import factorial


def over_at_zero(name: str, k: int) -> Fraction:
    """Return the coefficient of x**k in f(x)/x, f one of sin, expm1, log1p and tanh (DLMF 4.19, 4.33, 4.6)."""
    if name == "expm1":
        return Fraction(1, factorial(k + 1))
    if name == "log1p":
        return Fraction((-1) ** k, k + 1)
    if k % 2:
        return Fraction(0)
    if name == "sin":
        return Fraction((-1) ** (k // 2), factorial(k + 1))
    return _tanh(k // 2)


@cache
def _tanh(j: int) -> Fraction:
    """Return the coefficient of x**(2*j + 1) in tanh(x), from tanh' = 1 - tanh**2."""
    if j == 0:
        return Fraction(1)
    return -sum((_tanh(i) * _tanh(j - 1 - i) for i in range(j)), Fraction(0)) / (2 * j + 1)


def derivative_at_zero(name: str, order: int, k: int) -> Fraction:
    """Return the coefficient of x**k in the derivative of that order of f(x)/x."""
    return over_at_zero(name, k + order) * Fraction(factorial(k + order), factorial(k))
