"""Functions written out for the target: right to a few ulp, near 0 and far, at every order."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.api import compile_program
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import OVER
from tapeless.ir.program import Input, Output, finish
from tapeless.options import Options
from tapeless.targets.reference import evaluate_flat
from tapeless.testing import ulp_error
from tapeless.transforms.written_out import WRITTEN_OUT, written_out

POINTS = [0.0, 1e-300, 1e-20, 1e-9, 1e-4, 0.01, 0.1, 0.24, 0.26, 0.45, 0.55, 0.9, 1.1, 1.6, 2.1, 5.0, 30.0]
MOST = {0: 4, 1: 24, 2: 160, 3: 480}
"""Ulp by order: just outside the series, each order takes a small difference of the one before."""
BY_CONDITION = 4
"""Ulp more for each unit of the condition number, which is large next to a zero of a derivative."""


def program_of(op, *orders):
    builder = Builder()
    x = builder.input(0)
    outputs = [Output(f"y{n}", (builder.node(op, (x, builder.rational(n))),)) for n in orders]
    return finish("f", [Input("x")], outputs, builder)


@pytest.mark.parametrize("op", OVER)
def test_quotients_and_their_derivatives(op):
    program, exact = program_of(op, *MOST), program_of(op, *MOST, max(MOST) + 1)
    points = np.array([x for x in [*POINTS, *(-x for x in POINTS[1:])] if op != "log1p_over" or x > -1])
    columns = compile_program(program, Options())(points)
    for x, *found in zip(points.tolist(), *(column.tolist() for column in columns), strict=True):
        *truths, last = evaluate_flat(exact, [x], 40)
        slopes = [*truths[1:], last]
        for (order, most), ours, truth, slope in zip(MOST.items(), found, truths, slopes, strict=True):
            condition = abs(x * slope / truth) if truth else 0
            assert ulp_error(ours, truth) <= most + BY_CONDITION * condition, (x, order, ours, float(truth))


@pytest.mark.parametrize("op", OVER)
def test_a_derivative_is_the_next_order(op):
    f = compile_program(program_of(op, 0), Options())
    next_order = compile_program(program_of(op, 1), Options())
    points = np.array([0.0, 1e-8, 0.2, 0.7, 3.0])
    assert np.array_equal(f.grad(points)[0], next_order(points))


def test_nothing_is_left_to_write_out():
    for text in ("1 - cos(x)", "log(cosh(x))", "sin(x)/x", "x**2 - y**2", "log(exp(x) + exp(y))"):
        program = written_out(tl.compile(text).derivative("grad").program)
        assert not WRITTEN_OUT.keys() & set(program.graph.ops)


def test_a_program_without_them_is_not_copied():
    program = tl.compile("x*sin(x)").program
    assert written_out(program) is program


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
def test_an_infinite_exponent_is_its_own_log_sum(infinite):
    f = tl.compile("log(exp(x) + exp(y) + exp(z))")
    assert f(infinite, infinite, infinite) == infinite


@pytest.mark.parametrize(("dtype", "rel"), [("float64", 1e-15), ("float32", 3e-7)])
@pytest.mark.parametrize("at", [(1000.0, 1000.0, 1000.0), (80.0, 80.5, 81.0), (-np.inf, 1.0, 2.0)])
def test_the_parts_of_a_sum_of_exponentials_have_no_rounded_exponents(dtype, rel, at):
    f = tl.compile("log(exp(x) + exp(y) + exp(z))", dtype=dtype)
    powers = np.exp(np.array(at) - max(at))
    parts = powers / powers.sum()
    assert np.array(f.grad(*at)) == pytest.approx(parts, rel=rel, abs=0)
    if np.isfinite(at).all():
        assert f.hessian(*at) == pytest.approx(np.diag(parts) - np.outer(parts, parts), rel=4 * rel, abs=0)


def test_beside_an_infinite_exponent_the_others_have_no_part():
    f = tl.compile("log(exp(x) + exp(y) + exp(z))")
    slopes = f.grad(np.inf, 1.0, -np.inf)
    assert np.isnan(slopes[0])
    assert slopes[1:] == (0, 0)


def test_the_slopes_of_a_sum_of_exponentials_share_its_powers():
    source = tl.compile("log(exp(x) + exp(y) + exp(z))").derivative("value_and_grad").source
    body = source[source.index("_forward(") : source.index("_backward(")]
    assert body.count("vm_exp(") == 3
