"""Fits of the NIST StRD regressions with `scipy.optimize.least_squares`, for tests and benchmarks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

import tapeless as tl
from corpora import Regression

TIGHT: Mapping[str, Any] = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 20_000}
"""Iterate until rounding stops it."""
CERTIFIED_DIGITS = 11


@dataclass(frozen=True)
class Fit:
    """How a fit ended.

    Attributes
    ----------
    digits
        Digits that all parameters share with the certified ones, at most the 11 that are certified.
    evaluations
        Evaluations of the model, those for differences included.
    jacobians
        Evaluations of the Jacobian.
    """

    digits: float
    evaluations: int
    jacobians: int


def residuals_of(row: Regression) -> Any:
    """Return the residuals of a regression; the parameters are in the order of the file."""
    model = tl.compile(row.text)
    return model.residuals({**row.data, "observed": row.response}, parameters=row.parameters)


def fit(residuals: Any, row: Regression, start: np.ndarray, *, jac: Any = None, **settings: Any) -> Fit:
    """Fit from a starting point, with the compiled Jacobian or with `jac`, and compare with what is certified."""
    counted = [0]

    def fun(p: np.ndarray) -> np.ndarray:
        counted[0] += 1
        return residuals.fun(p)

    arguments = residuals.arguments(start, **settings)
    arguments |= {"fun": fun} | ({} if jac is None else {"jac": jac})
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # overflow on the way is the fate of bad starting points
        try:
            found = least_squares(**arguments)
        except (ValueError, np.linalg.LinAlgError):  # not finite where it began, or gone astray
            return Fit(0.0, counted[0], 0)
    return Fit(agreement(found.x, row.certified), counted[0], int(found.njev or 0))


def agreement(found: np.ndarray, certified: np.ndarray) -> float:
    """Return the digits that agree, -log10 of the relative error, of the worst parameter."""
    with np.errstate(all="ignore"):
        worst = float(np.max(np.abs(found / certified - 1)))
    if not worst < 1:  # NaN as well
        return 0.0
    return min(-np.log10(worst), CERTIFIED_DIGITS) if worst else float(CERTIFIED_DIGITS)
