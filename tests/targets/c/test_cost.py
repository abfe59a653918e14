"""The estimate of a kernel's time: rough, but the right way round."""

from __future__ import annotations

import tapeless as tl
from tapeless.kinds import derive
from tapeless.targets.c.cost import nanoseconds
from tapeless.targets.c.lower import lower


def cost(text, kind="forward", dtype="float64", **options):
    program = derive(tl.compile(text).program, kind, None)
    return nanoseconds(lower(program, kind, dtype), **options)


def test_more_work_costs_more():
    assert 0 < cost("f(x) = x + 1") < cost("f(x) = x*x*x + x + 1") < cost("f(x) = sin(x)")
    assert (
        cost("f(x) = sin(x)")
        < cost("f(x) = sin(x)*exp(x)")
        < cost("f(x) = sin(x)*exp(x)", "forward_backward")
    )
    assert cost("f(x, y) = x*y") < cost("f(x, y) = x/y")
    assert cost("f(x[50]) = x[0] + x[1]") > cost("f(x[2]) = x[0] + x[1]"), "lanes are read"


def test_loops_that_are_not_vectorised_cost_several_times_as_much():
    text = "f(x, y) = x*y + exp(x)"
    assert cost(text, vectorised=False) > 3 * cost(text)
    assert cost("f(x) = loggamma(x) + exp(x)") > 5 * cost("f(x) = erf(x) + exp(x)")


def test_half_the_bytes_half_the_time():
    text = "f(x) = exp(x) + x"
    assert cost(text, dtype="float32") == cost(text) / 2
    assert cost(text, dtype="float32", vectorised=False) == cost(text, vectorised=False)
