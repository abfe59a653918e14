"""Quotients with a removable point, in the products they stand in."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl


@pytest.mark.parametrize(
    ("text", "value", "slope", "second"),
    [
        ("where(x == 0, 1, sin(pi*x)/(pi*x))", 1, 0, -(np.pi**2) / 3),
        ("3*sin(x)/(2*x)", 1.5, 0, -0.5),
        ("sin(x/3)/x", 1 / 3, 0, -1 / 81),
        ("(1 - cos(3*x))/x**2", 4.5, 0, -27 / 4),
        ("where(x != 0, (exp(2*x) - 1)/x, 2)", 2, 2, 8 / 3),
        ("x/(exp(x/2) - 1)", 2, -0.5, 1 / 12),
    ],
)
def test_limits_at_zero(text, value, slope, second):
    f = tl.compile(text)
    assert f(0.0) == pytest.approx(value, rel=1e-14)
    assert f.grad(0.0)[0] == pytest.approx(slope, rel=1e-14, abs=0)
    assert f.hessian(0.0)[0, 0] == pytest.approx(second, rel=1e-13)


def test_a_value_that_is_not_the_limit_is_kept():
    f = tl.compile("where(x == 0, 5, sin(x)/x)")
    assert f(0.0) == 5


def test_the_energy_of_an_oscillator_in_the_classical_limit():
    """k*T, whatever the frequency: the slope by it is a small difference of large numbers."""
    f = tl.compile("h*w/(exp(h*w/(k*T)) - 1)")
    at = (1e-4, 2e-3, 5.0, 7.0)
    assert f(*at) == pytest.approx(35.0, rel=1e-7)
    assert f.grad(*at)[0] == pytest.approx(-2e-3 / 2, rel=1e-7)


def test_planck_function_on_both_sides():
    f = tl.compile("x/(exp(x) - 1)")
    points = np.array([-800.0, -1.0, -1e-9, 1e-9, 1.0, 600.0, 800.0])
    report = f.check(points[1:-1])
    assert report.ok, str(report)
    assert np.array_equal(f.grad(points)[0][[0, -1]], [-1.0, 0.0])


@pytest.mark.parametrize("t", [0.0, 1e-310, -0.0, -1e-310])
def test_the_energy_of_an_oscillator_at_rest(t):
    """The exponent is infinite: the quotient is zero, or all of the numerator."""
    f = tl.compile("h*w/(exp(h*w/(k*t)) - 1)")
    assert f(2.0, 3.0, 1.0, t) == (0.0 if np.copysign(1, t) > 0 else -6.0)


def test_planck_function_far_out():
    f = tl.compile("x/(exp(x) - 1)")
    assert f.grad(-1e200)[0] == -1.0
    assert f.hessian(-80.0)[0, 0] == pytest.approx(78 * np.exp(-80.0), rel=1e-13, abs=0)
    assert f.hessian(80.0)[0, 0] == pytest.approx(78 * np.exp(-80.0), rel=1e-13, abs=0)
    assert tl.compile("x/(exp(x/y) - 1)").grad(-1e9, 1e-3)[1] == 0.0
