"""How far a computed number is from the truth: relative, in units in the last place, in bits."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Final

Truth = Any
"""An mpf, a Fraction, an int or a float, the last taken exactly."""

PRECISION: Final[dict[str, int]] = {"float64": 53, "float32": 24}
_LOWEST: Final[dict[str, int]] = {"float64": -1074, "float32": -149}
"""Exponent of the smallest subnormal number."""


def epsilon(dtype: str) -> float:
    """Return the distance from 1 to the next number of `dtype`."""
    return math.ldexp(1.0, 1 - PRECISION[dtype])


def smallest_normal(dtype: str) -> float:
    """Return the smallest number of `dtype` with all its digits."""
    return math.ldexp(1.0, _LOWEST[dtype] + PRECISION[dtype] - 1)


def ulp_error(value: float, truth: Truth, dtype: str = "float64") -> float:
    """Return the distance of `value` from `truth` in units in the last place of the truth.

    The unit is that of the number of `dtype` nearest to the truth, and never below the smallest subnormal.
    Correct rounding gives at most 0.5. NaN against NaN and equal infinities give 0, any other disagreement
    with them infinity.

    Parameters
    ----------
    value
        What was computed.
    truth
        What it should be: an mpf, a Fraction, or a float taken exactly.
    dtype
        `"float64"` or `"float32"`.
    """
    from tapeless.targets.reference import nearest

    value, rounded = float(value), nearest(truth, dtype)
    if math.isnan(value) or math.isnan(rounded):
        return 0.0 if math.isnan(value) and math.isnan(rounded) else math.inf
    if not math.isfinite(value) or not math.isfinite(rounded):
        return 0.0 if value == rounded else math.inf
    gap = abs(Fraction(value) - _fraction(truth))
    exponent = math.frexp(rounded)[1] if rounded else -2000
    unit = max(exponent - PRECISION[dtype], _LOWEST[dtype])
    return nearest(gap / Fraction(2) ** unit)


def relative_error(value: float, truth: Truth) -> float:
    """Return abs(value - truth)/abs(truth): 0 where both are zero, NaN, or the same infinity."""
    from tapeless.targets.reference import nearest

    value, rounded = float(value), nearest(truth)
    if math.isnan(value) or math.isnan(rounded):
        return 0.0 if math.isnan(value) and math.isnan(rounded) else math.inf
    if not math.isfinite(value) or not math.isfinite(rounded):
        return 0.0 if value == rounded else math.inf
    exact = _fraction(truth)
    gap = abs(Fraction(value) - exact)
    if not gap:
        return 0.0
    return nearest(gap / abs(exact)) if exact else math.inf


def bits_of_error(value: float, truth: Truth, dtype: str = "float64") -> float:
    """Return log2(1 + n), n the count of numbers of `dtype` from the rounded truth to `value`.

    The measure of Herbie (P. Panchekha et al., "Automatically Improving Accuracy for Floating Point
    Expressions", PLDI 2015): 0 for a correctly rounded result, 53 or more where no digit is right.
    """
    from tapeless.targets.reference import nearest

    value, rounded = float(value), nearest(truth, dtype)
    if math.isnan(value) or math.isnan(rounded):
        return 0.0 if math.isnan(value) and math.isnan(rounded) else float(PRECISION[dtype] + 11)
    return math.log2(1 + abs(_ordinal(value, dtype) - _ordinal(rounded, dtype)))


def _fraction(truth: Truth) -> Fraction:
    inner = getattr(truth, "_mpf_", None)
    if inner is None:
        return Fraction(truth)
    sign, mantissa, exponent, count = inner
    if exponent + count < -20_000:  # nothing of it is seen beside any number of a dtype
        return Fraction(0)
    whole = -int(mantissa) if sign else int(mantissa)
    return Fraction(whole << exponent) if exponent >= 0 else Fraction(whole, 1 << -exponent)


def _ordinal(value: float, dtype: str) -> int:
    """Number the floats of `dtype` in order, zero being 0 and the smallest subnormal 1."""
    bits, lowest = PRECISION[dtype], _LOWEST[dtype]
    size = abs(value)
    top = 971 if dtype == "float64" else 104
    if math.isinf(size):
        number = (top - lowest + 2) << (bits - 1)
    elif not size:
        return 0
    else:
        exponent = max(math.frexp(size)[1] - bits, lowest)
        steps = int(math.ldexp(size, -exponent))
        number = steps + ((exponent - lowest) << (bits - 1))
    return number if value > 0 else -number
