"""Real formulas: every one compiles, and its value and partials are right at many points."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import corpora
import tapeless as tl
from tapeless.targets import reference
from tapeless.transforms.reverse import gradient

POINTS = 20
ULP = 2.0**-52


def condition(program, values, position):
    """Relative change of an output per relative change of the inputs, by numerical slopes in high precision."""
    value = mpmath.mpf(reference.evaluate(program, values)[position])
    slopes = reference.numerical_gradient(program, values)[position]
    return float(
        sum(abs(mpmath.mpf(s.value) * values[n]) for s, n in zip(slopes, values, strict=True)) / abs(value)
    )


def is_right(got, want, tolerance, program, values, position):
    error = abs(mpmath.mpf(got) - want)
    if error <= tolerance * abs(want):
        return True
    return error <= 16 * ULP * condition(program, values, position) * abs(want)


@pytest.mark.parametrize("formula", corpora.rows(corpora.feynman), ids=lambda f: f.name)
def test_feynman(formula):
    f = tl.compile(formula.text, inputs=list(formula.ranges))
    sample = corpora.sample(formula.ranges, POINTS, seed=1)
    # The kernels share their mathematics but not every rounding: each is judged by itself.
    fused = f.value_and_grad(**sample)
    outs, gradients = (f(**sample), fused[0]), (f.backward(1.0, **sample), fused[1])
    partials = gradient(f.program)
    for k in range(POINTS):
        values = {name: float(column[k]) for name, column in sample.items()}
        [want] = (mpmath.mpf(v) for v in reference.evaluate(f.program, values))
        for out in outs:
            assert is_right(out[k], want, 1e-13, f.program, values, 0), (values, out[k], want)
        [slopes] = reference.numerical_gradient(f.program, values)
        for position, slope in enumerate(slopes):
            want = mpmath.mpf(slope.value)
            for grads in gradients:
                got = grads[position][k]
                assert is_right(got, want, 1e-11, partials, values, position), (values, got, want)


@pytest.mark.parametrize("problem", corpora.rows(corpora.nist_strd), ids=lambda p: p.name)
def test_nist(problem):
    """Every model parses; at the certified parameters the residuals and the gradients are right."""
    names = [*problem.parameters, *problem.predictors]
    model = tl.compile(problem.model, inputs=names, wrt=problem.parameters)
    certified = dict(zip(problem.parameters, problem.certified, strict=True))
    response = problem.response

    value, grads = model.value_and_grad(*certified.values(), *problem.data.values())
    rss = float(np.sum((response - value) ** 2))
    # The certified parameters have 11 digits; a residual sum below their rounding is noise (Lanczos1: 1e-25).
    assert rss == pytest.approx(problem.rss, rel=1e-9, abs=1e-20)

    for k in sorted({0, len(value) // 2, len(value) - 1}):
        point = {**certified, **{name: float(column[k]) for name, column in problem.data.items()}}
        [slopes] = reference.numerical_gradient(model.program, point, wrt=problem.parameters)
        for slope, grad in zip(slopes, grads, strict=True):
            assert float(grad[k]) == pytest.approx(float(slope.value), rel=1e-11)

    # The gradient of half the residual sum of squares, summed over the data in the C loop.
    summed = model.backward(value - response, *certified.values(), *problem.data.values())
    for total, grad in zip(summed, grads, strict=True):
        assert total == pytest.approx(
            np.sum((value - response) * grad), rel=1e-9, abs=1e-12 * np.sum(abs(grad))
        )
