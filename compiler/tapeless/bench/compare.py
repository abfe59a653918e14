"""Whether two ways compute the same numbers: nobody should time a wrong program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

_COMPARED: Final = 100_000
"""Elements looked at."""


def difference(theirs: Iterable[Any], ours: Sequence[Array]) -> float:
    """Return the largest relative difference of two lists of results.

    Relative to our number, or to the median of their sizes where that is larger: near a zero crossing the last
    bits of the terms say nothing. Where both are NaN they agree.
    """
    worst = 0.0
    for found, expected in zip(theirs, ours, strict=True):
        b = expected[:_COMPARED].astype(np.float64)
        a = np.broadcast_to(np.asarray(found), expected.shape)[:_COMPARED].astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        finite = np.abs(b[np.isfinite(b)])
        scale = np.maximum(np.abs(b), np.median(finite) if len(finite) else 0.0)
        with np.errstate(all="ignore"):
            error = np.where(same, 0.0, np.abs(a - b) / np.where(scale > 0, scale, 1.0))
        worst = max(worst, float(np.max(np.where(np.isnan(error), np.inf, error))))
    return worst
