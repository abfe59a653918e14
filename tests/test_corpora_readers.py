"""The readers of the corpora, against the files' own counts and certified values, by NumPy alone."""

from __future__ import annotations

import ast
import math

import numpy as np
import pytest

from corpora import Formula, Regression, feynman, folder, nist_strd, rows, sample

NAMES = {
    "pi": math.pi, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "asin": np.arcsin, "atan": np.arctan,
}  # fmt: skip

needs_corpora = pytest.mark.skipif(folder() is None, reason="corpora absent: no folder ../shared/data")


def evaluate(text, values):
    return eval(text, {"__builtins__": {}}, {**NAMES, **values})  # the corpora are read-only and known


def names_in(text):
    return {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}


@needs_corpora
def test_counts():
    assert len(feynman()) == 100
    assert len({formula.name for formula in feynman()}) == 100
    assert len(nist_strd()) == 27


@pytest.mark.parametrize("formula", rows(feynman))
def test_feynman_row(formula: Formula):
    assert names_in(formula.text) - NAMES.keys() == set(formula.ranges)
    assert all(low < high for low, high in formula.ranges.values())
    assert np.isfinite(evaluate(formula.text, sample(formula.ranges, 20))).all()


@pytest.mark.parametrize("problem", rows(nist_strd))
def test_nist_file(problem: Regression):
    inputs = problem.parameters + problem.predictors
    assert names_in(problem.model) - NAMES.keys() == set(inputs)
    assert problem.text.startswith(f"{problem.name}({', '.join(inputs)}) = ")
    for vector in (problem.start1, problem.start2, problem.certified, problem.deviations):
        assert vector.shape == (len(problem.parameters),)
        assert np.isfinite(vector).all()
    assert all(column.shape == (problem.n,) for column in problem.data.values())
    assert (problem.transform == "log") == (problem.name == "Nelson")


@pytest.mark.parametrize("problem", rows(nist_strd))
def test_certified_residual_sum_of_squares(problem: Regression):
    parameters = dict(zip(problem.parameters, problem.certified, strict=True))
    residuals = problem.response - evaluate(problem.model, {**parameters, **problem.data})
    # The parameters are certified to 11 digits. Lanczos1 fits its data to 13, beyond what they can reproduce.
    floor = 1e-20 if problem.name == "Lanczos1" else 0.0
    assert np.sum(residuals**2) == pytest.approx(problem.rss, rel=1e-9, abs=floor)
