"""Curves: the compiled derivative and the numerical one, where the function lives."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tapeless as tl
from gallery import GALLERY
from tapeless.report.chart import _extent, chart, ticks
from tapeless.report.curves import MOST_INPUTS, MOST_OUTPUTS, Curves, Line, curves, place


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_dots_lie_on_the_curves(entry):
    f = tl.compile(entry.text)
    for one in curves(f, place(f, entry.ranges)):
        low, high = entry.ranges[one.name]
        assert one.x[0] == low
        assert one.x[-1] == high
        for line in one.lines:
            # A kink between the ends of a difference moves its dot off the curve.
            assert line.apart < 1e-6 or entry.name in ("clip", "huber", "bce_logits")


def test_values_and_slopes_are_those_of_the_function():
    f = tl.compile("arm(q, l):\n    return l*cos(q), l*sin(q)")
    where = place(f, {"q": (-3, 3), "l": (1, 2)})
    along_q, along_l = curves(f, where)
    assert [line.output for line in along_q.lines] == ["out0", "out1"]
    length = where.point[1]
    assert np.allclose(along_q.lines[1].values, length * np.sin(along_q.x))
    assert np.allclose(along_q.lines[1].slopes, length * np.cos(along_q.x))
    assert np.allclose(along_l.lines[0].slopes, np.cos(where.point[0]))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("log(x)", lambda low, high: low > 0),
        ("asin(x)", lambda low, high: low >= -1 and high <= 1),
        ("acosh(x)", lambda low, high: low >= 1),
        ("x**2", lambda low, high: low < 0 < high),
        ("sqrt(x*y)", lambda low, high: low > 0),
    ],
)
def test_a_range_is_looked_for(text, inside):
    f = tl.compile(text)
    assert all(inside(low, high) for low, high in place(f, {}).ranges)


def test_what_is_assumed_is_known():
    f = tl.compile("x*y*z", assume={"x": (5, 6), "y": "positive", "z": "negative"})
    x, y, z = place(f, {}).ranges
    assert x == (5, 6)
    assert y[0] > 0
    assert z[1] < 0
    assert place(f, {"x": (7, 8)}).ranges[0] == (7, 8)


def test_a_function_that_is_nowhere_finite():
    f = tl.compile("sqrt(-1 - x**2)")
    [one] = curves(f, place(f, {}))
    assert np.isnan(one.lines[0].values).all()
    assert "<svg" in chart(one)


def test_shaped_inputs_and_outputs():
    f = tl.compile("f(x[2], s) = [s*x[0], x[1]**2, x[0]*x[1]]")
    found = curves(f, place(f, {"x": (1, 2), "s": (3, 4)}))
    assert [one.name for one in found] == ["x[0]", "x[1]", "s"]
    assert [line.output for line in found[0].lines] == ["out[0]", "out[1]", "out[2]"]
    assert np.allclose(found[1].lines[1].slopes, 2 * found[1].x)


def test_as_many_as_can_be_looked_at():
    f = tl.compile("f(x[9]) = [x[0], x[1], x[2], x[3], x[4], x[5]]")
    found = curves(f, place(f, {}))
    assert len(found) == MOST_INPUTS
    assert len(found[0].lines) == MOST_OUTPUTS


def test_without_a_derivative():
    bessel = tl.compile("besselj(x, 2)")
    [one] = curves(bessel, place(bessel, {"x": (1, 3)}))
    assert one.lines[0].slopes is None
    assert chart(one).count("<path") == 1
    constant = tl.compile("f(x, y) = x*y", wrt="x")
    along_y = curves(constant, place(constant, {}))[1]
    assert along_y.lines[0].slopes is None


def test_single_precision():
    f = tl.compile("sin(x)*x", dtype="float32")
    [one] = curves(f, place(f, {"x": (-3, 3)}))
    assert one.lines[0].apart < 1e-3


def made(values, slopes=None):
    x = np.linspace(0, 1, len(values))
    values = np.array(values)
    return Curves("x", x, x[:2], (Line("y", values, slopes, np.zeros(2), None),))


def test_a_line_breaks_where_there_is_no_value():
    [path] = re.findall(r'd="([^"]*)" class="line', chart(made([1.0, 2.0, np.nan, 3.0, 2.5])))
    assert path.count("M") == 2


def test_a_pole_is_cut_off():
    x = np.linspace(-1, 1, 400)
    low, high = _extent([1 / x])
    assert -60 < low < high < 60
    assert _extent([np.array([2.0, 2.0])]) == (1.0, 3.0)
    assert _extent([np.array([np.nan, np.inf])]) == (-1.0, 1.0)
    assert _extent([np.zeros(3)]) == (-0.5, 0.5)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (-3, 3), (80, 120), (1e-9, 5e-9), (-2e7, 9e7), (0.0999, 0.1001), (99.99, 100.01)],
)
def test_ticks_are_round_and_few(low, high):
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low <= tick <= high for tick in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[0])
    assert float(f"{steps[0]:.0e}") == pytest.approx(steps[0])
