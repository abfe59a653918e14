"""Readers for the corpora of real formulas and data that stand beside the repository.

The folder is `../shared/data` relative to the repository, or what `TAPELESS_CORPORA` names. It is read in
place. Where it is absent, tests that need it are skipped by name; under `CI=true` its absence is an error.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

Range = tuple[float, float]


@dataclass(frozen=True)
class Formula:
    """A formula of the Feynman lectures.

    Attributes
    ----------
    name
        Volume, chapter and equation, such as `I.6.2a`.
    output
        Name of the quantity.
    text
        The formula in the grammar of formula text, without a header.
    ranges
        Input -> (low, high), in the order of the file.
    """

    name: str
    output: str
    text: str
    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Regression:
    """A nonlinear regression of the NIST Statistical Reference Datasets.

    Attributes
    ----------
    name
        Name of the dataset.
    level
        Level of difficulty: `Lower`, `Average` or `Higher`.
    model
        The model in the grammar of formula text, without a header.
    transform
        What is applied to the response before the model is fitted: `"log"` for Nelson, else `""`.
    parameters, predictors
        Their names, in the order of the file.
    response
        The observed response, transformed, shape (n,).
    data
        Predictor -> values, shape (n,).
    start1, start2
        The two starting points, shape (number of parameters,).
    certified, deviations
        Certified parameters and their standard deviations.
    rss
        Certified residual sum of squares.
    """

    name: str
    level: str
    model: str
    transform: str
    parameters: tuple[str, ...]
    predictors: tuple[str, ...]
    response: np.ndarray
    data: Mapping[str, np.ndarray]
    start1: np.ndarray
    start2: np.ndarray
    certified: np.ndarray
    deviations: np.ndarray
    rss: float

    @property
    def n(self) -> int:
        """Number of observations."""
        return len(self.response)

    @property
    def text(self) -> str:
        """The model with a header: parameters first, then predictors."""
        return f"{self.name}({', '.join(self.parameters + self.predictors)}) = {self.model}"


def folder() -> Path | None:
    """The folder of the corpora, or None where it is absent."""
    path = Path(os.environ.get("TAPELESS_CORPORA") or ROOT.parent / "shared" / "data")
    return path if path.is_dir() else None


def rows(reader: Callable[[], Sequence[Any]]) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`, one per row of a corpus; one skipped where it is absent."""
    if folder() is not None:
        return [pytest.param(row, id=row.name) for row in reader()]
    reason = "corpora absent: no folder ../shared/data, and TAPELESS_CORPORA names none"
    if os.environ.get("CI") == "true":
        raise FileNotFoundError(f"{reason}; they are required where CI=true")
    return [pytest.param(None, id="corpora-absent", marks=pytest.mark.skip(reason=reason))]


def sample(ranges: Mapping[str, Range], count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Draw `count` uniform points from `ranges`, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(low, high, count) for name, (low, high) in ranges.items()}


# ---- Feynman

_SPELLING = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "ln": "log"}


@cache
def feynman() -> tuple[Formula, ...]:
    """Read the 100 formulas of the Feynman lectures."""
    # The file opens with a byte-order mark. Its count of variables is wrong in places: the names decide.
    with (_here() / "feynman.csv").open(encoding="utf-8-sig", newline="") as file:
        return tuple(_formula(row) for row in csv.DictReader(file) if row["Filename"])


def _formula(row: Mapping[str, str]) -> Formula:
    ranges = {
        row[f"v{k}_name"]: (float(row[f"v{k}_low"]), float(row[f"v{k}_high"]))
        for k in range(1, 11)
        if row[f"v{k}_name"]
    }
    return Formula(row["Filename"], row["Output"], _translated(row["Formula"]), ranges)


def _translated(text: str) -> str:
    text = text.replace("^", "**").replace("[", "(").replace("]", ")")
    return re.sub(r"\b[a-z]+(?=\()", lambda match: _SPELLING.get(match[0], match[0]), text)


# ---- NIST StRD


@cache
def nist_strd() -> tuple[Regression, ...]:
    """Read the nonlinear regressions of the NIST Statistical Reference Datasets."""
    return tuple(_regression(path) for path in sorted((_here() / "nist_strd").glob("*.dat")))


def _regression(path: Path) -> Regression:
    text = path.read_text(encoding="ascii")
    transform, model = _model(text)
    parameters, numbers = _parameters(text)
    names, values = _table(text)
    response = values[:, names.index("y")]
    return Regression(
        name=path.stem,
        level=_found(r"(\w+) Level of Difficulty", text),
        model=model,
        transform=transform,
        parameters=parameters,
        predictors=tuple(name for name in names if name != "y"),
        response=np.log(response) if transform == "log" else response,
        data={name: values[:, k].copy() for k, name in enumerate(names) if name != "y"},
        start1=numbers[:, 0],
        start2=numbers[:, 1],
        certified=numbers[:, 2],
        deviations=numbers[:, 3],
        rss=float(_found(r"Residual Sum of Squares:\s+(\S+)", text)),
    )


def _model(text: str) -> tuple[str, str]:
    """Return the transformation of the response, and the right-hand side without the error term."""
    block = _found(r"(?ms)^Model:(.*?)^ *Starting [Vv]alues", text)
    left, right = _found_pair(r"(?s)(y|log\[y\])\s*=(.*?)\+\s*e\s*\Z", block)
    return ("log" if left.startswith("log") else ""), _translated(" ".join(right.split()))


def _parameters(text: str) -> tuple[tuple[str, ...], np.ndarray]:
    lines = re.findall(r"(?m)^ *(b\d+) =((?: +\S+){4}) *$", text)
    return tuple(name for name, _ in lines), np.array([line.split() for _, line in lines], dtype=float)


def _table(text: str) -> tuple[list[str], np.ndarray]:
    """Return the column names and the values of the data: the last part of the file."""
    names, body = _found_pair(r"(?ms)^Data: +((?:y|x\d?)(?: +(?:y|x\d?))*) *$(.*)\Z", text)
    values = np.array([line.split() for line in body.splitlines() if line.strip()], dtype=float)
    count = int(_found(r"Number of Observations:\s+(\d+)", text))
    if len(values) != count:
        raise ValueError(f"{len(values)} rows of data where the file declares {count}")
    return names.split(), values


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"no match for {pattern!r}")
    return match[1]


def _found_pair(pattern: str, text: str) -> tuple[str, str]:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"no match for {pattern!r}")
    return match[1], match[2]


def _here() -> Path:
    path = folder()
    if path is None:
        raise FileNotFoundError("the corpora are absent; set TAPELESS_CORPORA")
    return path
