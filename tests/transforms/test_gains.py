"""What the forms gain: slopes of first and second order beside the rules applied to the formula as read, in ulp."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.targets.reference import context_of_bits, evaluate_flat, evaluate_nodes, number
from tapeless.testing import ulp_error
from tapeless.testing.errors import PRECISION
from tapeless.transforms.jacobian import jacobian
from tapeless.transforms.reverse import gradient

CASES = [
    # formula, inputs in float64, inputs in float32
    ("x**2/(x**2 - y**2)", (1e7, 3.0), (2e3, 3.0)),
    ("x**4/(x**2 - y**2)**2", (-1e6, 3.0), (2e3, 3.0)),
    ("(v*x + w*y)/(v + w)", (1e9, 2.0, 1e-3, 5.0), (1e4, 2.0, 1e-2, 5.0)),
    ("(-b + sqrt(b**2 - 4*a*c))/(2*a)", (1e6, 2.0, 3.0), (3e3, 2.0, 3.0)),
    ("(-b - sqrt(b**2 - 4*a*c))/(2*a)", (-1e6, 2.0, 3.0), (-3e3, 2.0, 3.0)),
    ("x + sqrt(x**2 + 1)", (-1e5,), (-1e3,)),
    ("x/(exp(x/y) - 1)", (1e-6, 3.0), (1e-4, 3.0)),
    ("x**3/(exp(x/y) - 1)", (1e-6, 3.0), (1e-4, 3.0)),
    ("sin(x*y)**2/(x*y)**2", (1e-4, 0.3), (1e-2, 0.3)),
    ("sin(x*y/2)**2/sin(x/2)**2", (1e-5, 3.0), (1e-3, 3.0)),
    ("sin(3*x)/sin(x)", (1e-5,), (1e-4,)),
]
"""Formulas, and a point where the rules as they are lose digits."""
TAILS = [
    ("(-b + sqrt(b**2 - 4*a*3))/(2*a)", (-1e6, 2.0)),  # the mixed one by a and c does lose digits here
    ("x + sqrt(x**2 + 1)", (1e5,)),
    ("x/(exp(x/y) - 1)", (-40.0, 1.0)),
    ("x/(exp(x/y) - 1)", (40.0, 1.0)),
    ("x**2/(x**2 - y**2)", (3.0, 1e7)),
    ("(v*x + w*y)/(v + w)", (1e-3, 2.0, 1e9, 5.0)),
]
"""Formulas, and a point where other forms of them would lose digits."""
MOST = {1: 8, 2: 40}
"""Ulp by order."""


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("order", MOST)
@pytest.mark.parametrize(("text", "double", "single"), CASES, ids=[text for text, *_ in CASES])
def test_slopes_gain_digits(text, double, single, order, dtype):
    point = np.array(double if dtype == "float64" else single, dtype).tolist()
    program = gradient(tl.compile(text).program)
    if order == 2:
        program = jacobian(program)
    truths = evaluate_flat(program, point, 60)
    coarse = context_of_bits(PRECISION[dtype])
    typed = evaluate_nodes(program.graph, program.roots, [number(coarse, x) for x in point], coarse)
    function = tl.compile(text, dtype=dtype)
    ours = function.grad(*point) if order == 1 else np.ravel(function.hessian(*point))
    errors = [ulp_error(float(y), truth, dtype) for y, truth in zip(ours, truths, strict=True)]
    assert max(errors) <= MOST[order], (errors, ours)
    assert max(ulp_error(float(y), truth, dtype) for y, truth in zip(typed, truths, strict=True)) > 200


@pytest.mark.parametrize("order", MOST)
@pytest.mark.parametrize(("text", "point"), TAILS, ids=[f"{text} at {point}" for text, point in TAILS])
def test_slopes_keep_digits(text, point, order):
    program = gradient(tl.compile(text).program)
    if order == 2:
        program = jacobian(program)
    function = tl.compile(text)
    ours = function.grad(*point) if order == 1 else np.ravel(function.hessian(*point))
    for found, truth in zip(ours, evaluate_flat(program, point, 60), strict=True):
        assert ulp_error(float(found), truth) <= MOST[order], (found, truth)
