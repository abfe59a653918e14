"""Numerical gradients of the compiled function itself: central differences with Richardson extrapolation.

A truth that knows nothing of our graph, rules or reference. The error of a central difference at step h is
h**2*f'''/6 + ... from truncation and about eps*abs(f)/h from rounding. One extrapolation step, (4*D(h/2) -
D(h))/3, removes the h**2 term; the steps run through powers of two, and the one with the smallest estimate of
both errors is taken (L. F. Richardson, Phil. Trans. A 210, 1911; C. J. F. Ridders, Adv. Eng. Software 4, 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tapeless.testing.errors import epsilon

Array = np.ndarray[Any, Any]

_FIRST: Final = 3
_LAST: Final[dict[str, int]] = {"float64": 17, "float32": 11}
"""Steps from abs(x)*2**-first down to abs(x)*2**-last."""

_ROUNDING: Final = 16.0
"""Rounding of the values that the estimate allows for, in units of eps times their size."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Numerical derivatives of all roots by one input scalar, arrays of shape `(points, roots)`.

    Attributes
    ----------
    value
        The derivative; NaN where no step gave one.
    tolerance
        What it may be wrong by.
    ends
        The four abscissae it was made of, `(points, roots, 4)`: x + h, x - h, x + h/2, x - h/2.
    """

    value: Array
    tolerance: Array
    ends: Array


def difference(
    evaluate: Callable[[Sequence[Array]], Array],
    arrays: Sequence[Array],
    *,
    position: int,
    element: int,
    dtype: str,
    wobble: Array,
) -> Difference:
    """Differentiate `evaluate` by one element of one input, at every point at once.

    Parameters
    ----------
    evaluate
        Arrays of shape `(points, *core)` in, an array of shape `(points, roots)` out.
    arrays
        The points.
    position
        Which input.
    element
        Which scalar of that input.
    dtype
        What the function computes in.
    wobble
        Size of the values and of their change per relative change of the inputs, `(points, roots)`: what
        rounding errors are relative to.
    """
    count = len(arrays[0])
    last = _LAST[dtype]
    levels = last - _FIRST + 1
    x = arrays[position].reshape(count, -1)[:, element]
    scale = np.where((x == 0) | ~np.isfinite(x), 1.0, np.abs(x))
    powers = np.ldexp(1.0, -np.arange(_FIRST, last + 1))
    h = (scale[np.newaxis] * powers[:, np.newaxis]).astype(x.dtype)
    with np.errstate(over="ignore"):
        moved = np.stack([x + h, x - h])
    stacked = []
    for k, array in enumerate(arrays):
        many = np.broadcast_to(array, (2, levels, *array.shape)).copy()
        if k == position:
            many.reshape(2, levels, count, -1)[..., element] = moved
        stacked.append(many.reshape(2 * levels * count, *array.shape[1:]))
    with np.errstate(all="ignore"):
        f = np.asarray(evaluate(stacked), np.float64).reshape(2, levels, count, -1)
        wide = moved.astype(np.float64)
        steps = (wide[0] - wide[1])[..., np.newaxis]
        quotients = (f[0] - f[1]) / steps
        better = (4 * quotients[1:] - quotients[:-1]) / 3
        noise = _ROUNDING * epsilon(dtype) * wobble[np.newaxis] / steps[1:]
        truncation = np.abs(np.diff(better, axis=0))
        estimate = truncation + noise[1:]
    estimate = np.where(np.isfinite(estimate), estimate, np.inf)
    best = np.argmin(estimate, axis=0)

    def at_best(table: Array) -> Array:
        chosen: Array = np.take_along_axis(table, best[np.newaxis], axis=0)[0]
        return chosen

    found = np.isfinite(at_best(estimate))
    value = np.where(found, at_best(better[1:]), np.nan)
    tolerance = 10 * at_best(estimate)
    ends = np.stack(
        [wide[side][best + shift, np.arange(count)[:, np.newaxis]] for shift in (1, 2) for side in (0, 1)],
        axis=-1,
    )
    return Difference(value, tolerance, ends)


def extrapolated(ends: Sequence[float], values: Sequence[Any]) -> float:
    """Return the extrapolated quotient of exact values at the four abscissae of a `Difference`."""
    coarse = (values[0] - values[1]) / (ends[0] - ends[1])
    fine = (values[2] - values[3]) / (ends[2] - ends[3])
    return float((4 * fine - coarse) / 3)
