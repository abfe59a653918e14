"""Gradient checks for anyone: a compiled function against mpmath and against numerical gradients.

>>> import tapeless
>>> from tapeless.testing import check
>>> check(tapeless.compile("w*x + b")).ok
True
"""

from __future__ import annotations

from tapeless.testing.checks import Checkable, check
from tapeless.testing.errors import bits_of_error, relative_error, ulp_error
from tapeless.testing.report import CheckReport, CheckRow
from tapeless.testing.singular import Singularities, Singularity, singularities

__all__ = [
    "CheckReport",
    "CheckRow",
    "Checkable",
    "Singularities",
    "Singularity",
    "bits_of_error",
    "check",
    "relative_error",
    "singularities",
    "ulp_error",
]
