"""Large angles that are computed: their sines are those of the exact angle, whatever it was rounded to."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.targets.reference import evaluate_flat

ANGLES = {
    "a product": "a*b",
    "a sum": "a + b",
    "half a difference": "(a - b)/2",
    "a multiple that has no last digit": "2*pi*a",
    "a quotient by a constant": "a*b/10",
    "a quotient": "a*1000/b",
    "a quotient by a computed number": "a*1000/(b/pi)",
    "turned": "-(a*b) + a",
    "a product of three": "a*b*3",
    "a difference of products": "a*a - b*b",
}
DIGITS = {"float64": 9, "float32": 6}
"""Decimal powers up to which the inputs go: angles up to some 2**60 and 2**40."""
LONG = {"float64": 205887.0, "float32": 51471.0}


def wild(dtype, count=60):
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], (2, count))
    return (signs * 10 ** rng.uniform(-1, DIGITS[dtype], (2, count))).astype(dtype)


def results(function, a, b):
    columns = {"a": a, "b": b}
    value, slopes = function.value_and_grad(*[columns[name] for name in function.input_names])
    return np.column_stack([value, *slopes])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ANGLES)
def test_value_and_slopes_are_those_of_the_exact_angle(name, dtype):
    """Beside the amplitude of a swing: of a slope, which is a cosine, that is the slope of the angle."""
    function = tl.compile(f"sin({ANGLES[name]})", dtype=dtype)
    program, angle = (
        tl.compile(text).derivative("value_and_grad").program
        for text in (f"sin({ANGLES[name]})", ANGLES[name])
    )
    epsilon = float(np.finfo(dtype).eps)
    a, b = wild(dtype)
    tried = 0
    for x, y, found in zip(a.tolist(), b.tolist(), results(function, a, b).tolist(), strict=True):
        point = [x, y][: program.lanes]
        swing = [abs(float(v)) for v in evaluate_flat(angle, point, 60)]
        if swing[0] <= LONG[dtype]:
            continue
        tried += 1
        slack = 4 * epsilon + 8 * swing[0] * epsilon**2  # of the sine; of what is carried beside the angle
        exact = evaluate_flat(program, point, 60)
        for ours, truth, amplitude in zip(found, exact, [1.0, *swing[1:]], strict=True):
            assert abs(ours - float(truth)) <= slack * amplitude, (point, ours, float(truth))
    assert tried > 5


def test_they_do_not_change_their_neighbours():
    function = tl.compile("sin(a*b)*exp(-a)")
    a, b = np.linspace(0.1, 50, 700), np.linspace(1, 30, 700)
    a[3] = -0.0
    alone = results(function, a, b)
    b[[5, 690]] = 1e12
    beside = results(function, a, b)
    assert np.array_equal(np.delete(beside, [5, 690], 0), np.delete(alone, [5, 690], 0))
    assert np.signbit(alone[3, 0])
    assert np.signbit(beside[3, 0])
    assert np.array_equal(beside[5], results(function, a[5:6], b[5:6])[0])


@pytest.mark.parametrize("angle", [1.5, 2e5, 2.1e5, 1.7e6, 1e9])
def test_an_exact_angle_is_as_it_was(angle):
    """Twice a number is exact: both ways to it have the same bits."""
    x = np.array([angle])
    assert tl.compile("sin(2*x)")(x) == tl.compile("sin(y)")(2 * x)


def test_what_is_no_number_stays_none():
    f = tl.compile("sin(a*b) + 0*cos(a + b)")
    with np.errstate(all="ignore"):
        assert np.isnan(f(np.array([1e300, np.inf, np.nan]), np.array([1e300, 1.0, 1.0]))).all()


def test_an_overflow_on_the_way_to_a_small_angle():
    assert tl.compile("sin(1e6*a/(b*c))")(np.array([3.0]), np.array([1e300]), np.array([1e300]))[0] == 0


def test_the_first_loop_is_as_before():
    """What the second loop carries costs the first nothing."""
    text = tl.compile("sin(a*b)").source
    first = text[text.index("any_far = 0") :]
    first = first[: first.index("if (any_far)")]
    assert "any_far |= vm_is_long(" in first
    assert "fma(" not in first
