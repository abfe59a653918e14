"""Forward mode: a tangent that is zero stays zero where it meets an infinite partial."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

import tapeless as tl
from tapeless.api import read
from tapeless.ir.graph import Builder
from tapeless.ir.program import Output, finish
from tapeless.kinds import derive
from tapeless.targets import reference
from tapeless.targets.c.counts import op_counts
from tapeless.targets.c.lower import lower
from tapeless.transforms import jacobian as jacobians
from tapeless.transforms.forward import jvp
from tapeless.transforms.reverse import gradient
from test_random import codes, points, program_of

FLAT = [
    "f(x, y) = sqrt(max(x, 0)) + y",
    "f(x, y) = y*sqrt(where(x > 0, x, 0))",
    "f(x, y) = cbrt(max(x - 1, 0))*y",
    "f(x, y) = sqrt(where(y > 0, max(x, 0), x**2))*y",
    "f(x, y) = norm([max(x, 0), max(-y, 0)])",
    "f(x, y) = sqrt(abs(max(x, 0)))*y",
    "f(x, y) = sqrt(min(max(x, 0), max(x - 1, 0)))*y",
    "f(x, y) = sqrt(3*max(x, 0)/4 - where(x > 0, y, 0))",
]


@pytest.mark.parametrize("text", FLAT)
def test_what_is_flat_on_one_side_has_derivatives_there(text):
    f, point = tl.compile(text), (-0.75, 2.0)
    slopes = f.grad(*point)
    assert np.isfinite(slopes).all()
    for k in range(2):
        direction = tuple(float(k == j) for j in range(2))
        assert f.jvp(point, direction)[1] == slopes[k]
        assert np.array_equal(f.hvp(point, direction), f.hessian(*point)[k])
    assert np.array_equal(f.jacobian(*point)[0], slopes)
    assert np.array_equal(f.derivative("grad").jacobian(*point), f.hessian(*point))
    for way in (jacobians._forward, jacobians._reverse):
        assert entries_of(way, f.program, point) == list(slopes)


def entries_of(way, program, point):
    """The Jacobian of one output by one way of accumulation."""
    builder = Builder(program.graph)
    found = way(builder, program, range(program.lanes))
    nodes = tuple(found.get((0, k), builder.rational(0)) for k in range(program.lanes))
    made = finish("j", program.inputs, [Output("j", nodes, (program.lanes,))], builder)
    values = reference.evaluate(
        made, dict(zip((i.name for i in program.inputs), point, strict=True)), digits=30
    )
    return [float(value) for value in values[0]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(codes, points)
def test_a_tangent_is_a_number_where_the_gradient_is(code, point):
    program = program_of(code)
    names = [item.name for item in program.inputs]
    values = dict(zip(names, point, strict=True))
    assume(len({abs(x) for x in point} | {0.0, 0.5, 1.5, 2.0}) == 7)  # away from ties
    slopes = reference.evaluate(gradient(program), values, digits=30)
    assume(all(map(mpmath.isfinite, slopes)))
    assume(all(mpmath.isfinite(v) for v in reference.evaluate(program, values, digits=30)))
    for k in range(len(names)):
        seeds = {f"{name}_dot": float(j == k) for j, name in enumerate(names)}
        _, dot = reference.evaluate(jvp(program), {**values, **seeds}, digits=30)
        assert mpmath.almosteq(dot, slopes[k], rel_eps=1e-18, abs_eps=1e-18)


def test_a_mask_stands_once_and_only_where_it_is_needed():
    def selects(text):
        return op_counts(lower(derive(read(text), "jvp", None), "jvp", "float64"))["select"]

    assert selects("f(x, y) = sin(exp(where(x > 0, y*x, 0)))") == 2  # value, tangent
    assert selects("f(x, y) = exp(where(x > y, x*x, sin(y)))") == 2
    assert selects("f(x, y) = sum([abs(x), abs(y), abs(x + y)])/3 + y") == 6
    chain = "where(x > 0, sqrt(x), 0)" + " + where(x > 0, sqrt(x), 0)*y" * 3
    assert selects(f"f(x, y) = {chain}") <= 3


def test_a_point_in_a_batch_does_not_disturb_its_neighbours():
    f = tl.compile("f(x[2], y) = sqrt(max(x[0], 0))*y + x[1]")
    x = np.array([[-1.0, 2.0], [4.0, 1.0]])
    _, dots = f.jvp((x, 3.0), (np.ones((2, 2)), 0.0))
    assert dots.tolist() == [1.0, 1.75]
