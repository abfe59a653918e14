"""The mpmath reference: values, constants rounded once, slopes without rules."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.ir.graph import Builder, Graph
from tapeless.ir.primitives import PRIMITIVES, Extern
from tapeless.ir.program import Input, Output, Program, finish
from tapeless.targets.reference import (
    FUNCTIONS,
    context,
    evaluate,
    evaluate_flat,
    nearest,
    numerical_gradient,
    round_constant,
    slopes_by_lane,
)


def program_of(build, count=1):
    b = Builder()
    args = [b.input(k) for k in range(count)]
    return finish("f", [Input("xyz"[k]) for k in range(count)], [Output("out", (build(b, *args),))], b)


def value(build, *point):
    return evaluate_flat(program_of(build, len(point)), point, 40)[0]


def slope(build, *point):
    return slopes_by_lane(program_of(build, len(point)), point, 0, 40)[0]


def call(name):
    return lambda b, *args: b.node(name, args)


def test_every_primitive_has_a_meaning():
    assert set(FUNCTIONS) == set(PRIMITIVES) - {"input", "rational", "named", "extern"}


def test_unknown_primitive():
    graph = Graph(("input", "nothing"), ((), (0,)), (0, None))
    program = Program("f", (Input("x"),), (Output("out", (1,)),), graph)
    with pytest.raises(UnsupportedError, match="nothing"):
        evaluate(program, {"x": 1})


@pytest.mark.parametrize(
    ("name", "point", "wanted"),
    [
        ("sqrt", (-1.0,), math.nan),
        ("log", (-1.0,), math.nan),
        ("log", (0.0,), -math.inf),
        ("log1p", (-1.0,), -math.inf),
        ("div", (1.0, 0.0), math.inf),
        ("div", (-1.0, 0.0), -math.inf),
        ("div", (0.0, 0.0), math.nan),
        ("pow", (0.0, 0.0), 1.0),
        ("pow", (0.0, -1.0), math.inf),
        ("pow", (-8.0, 1 / 3), math.nan),
        ("pow", (-2.0, 3.0), -8.0),
        ("pow", (-2.0, -2.0), 0.25),
        ("pow", (math.nan, 0.0), 1.0),
        ("pow", (1.0, math.nan), 1.0),
        ("pow", (-1.0, math.inf), 1.0),
        ("pow", (0.5, -math.inf), math.inf),
        ("pow", (-math.inf, 3.0), -math.inf),
        ("pow", (-math.inf, -2.0), 0.0),
        ("cbrt", (-27.0,), -3.0),
        ("max", (1.0, math.nan), math.nan),
        ("fmax", (1.0, math.nan), 1.0),
        ("fmin", (math.nan, 1.0), 1.0),
        ("fmin", (math.nan, math.nan), math.nan),
        ("round", (2.5,), 2.0),
        ("round", (3.5,), 4.0),
        ("round_away", (2.5,), 3.0),
        ("round_away", (-2.5,), -3.0),
        ("round_away", (math.nextafter(0.5, 0),), 0.0),
        ("trunc", (-2.7,), -2.0),
        ("fmod", (-7.0, 3.0), -1.0),
        ("fmod", (1e300, 3.0), math.fmod(1e300, 3.0)),
        ("fmod", (1.0, 0.0), math.nan),
        ("fmod", (5.0, math.inf), 5.0),
        ("remainder", (5.0, 2.0), 1.0),
        ("remainder", (7.0, 2.0), -1.0),
        ("remainder", (-7.0, 2.0), 1.0),
        ("logb", (0.75,), -1.0),
        ("logb", (0.0,), -math.inf),
        ("logb", (-math.inf,), math.inf),
        ("copysign", (-3.0, 2.0), 3.0),
        ("heaviside", (0.0,), 0.5),
        ("sign", (math.nan,), math.nan),
        ("hypot", (math.inf, math.nan), math.inf),
        ("atan2", (math.inf, -math.inf), 3 * math.pi / 4),
        ("atan2", (math.inf, math.nan), math.nan),
        ("atanh", (1.0,), math.inf),
        ("atanh", (2.0,), math.nan),
        ("acosh", (0.5,), math.nan),
        ("gamma", (0.0,), math.inf),
        ("gamma", (-1.0,), math.nan),
        ("loggamma", (-1.0,), math.inf),
        ("loggamma", (-0.5,), math.lgamma(-0.5)),
        ("tanh", (1e300,), 1.0),
        ("sinh", (-math.inf,), -math.inf),
        ("erf", (-1e30,), -1.0),
        ("erfc", (-1e30,), 2.0),
        ("expm1", (-math.inf,), -1.0),
        ("sin", (math.inf,), math.nan),
        ("fdim", (1.0, math.nan), math.nan),
    ],
)
def test_special_values(name, point, wanted):
    assert float(value(call(name), *point)) == pytest.approx(wanted, rel=1e-15, abs=0, nan_ok=True)


def test_sixty_digits():
    ctx = context(70)
    [found] = evaluate(program_of(call("exp")), {"x": 1})
    assert abs(found - ctx.e) < ctx.mpf(10) ** -59


def test_inputs_are_taken_exactly():
    gap = value(lambda b, x: b.sub(x, b.rational(Fraction("0.1"))), 0.1)
    assert nearest(gap) == float(Fraction(0.1) - Fraction("0.1"))
    assert value(lambda b, x: x, Fraction(1, 3)) != value(lambda b, x: x, 1 / 3)
    assert value(lambda b, x: x, np.float32(0.1)) == float(np.float32(0.1))
    assert value(lambda b, x: x, 10**30 + 1) == 10**30 + 1


def test_cancellation_is_settled():
    def build(b, x):
        return b.sub(b.rational(1), b.call("cos", x))

    for x in (1e-10, 1e-100, 1e-300):
        assert abs(value(build, x) / (mpmath.mpf(x) ** 2 / 2) - 1) < 1e-15


def test_towers_end():
    def tower(b, x):
        for _ in range(6):
            x = b.node("exp", (x,))
        return x

    assert value(tower, 10.0) == math.inf
    assert value(lambda b, x: b.node("exp", (b.neg(tower(b, x)),)), 10.0) == 0
    assert math.isnan(value(lambda b, x: b.node("sin", (b.node("exp", (b.node("exp", (x,)),)),)), 100.0))


def test_a_branch_not_taken_cannot_raise():
    def build(b, x):
        bad = b.node("log", (b.node("div", (x, b.rational(0))),))
        return b.node("select", (b.node("lt", (x, b.rational(0))), x, b.node("gamma", (bad,))))

    assert value(build, -1.0) == -1


@pytest.mark.parametrize("name", ["pi", "e", "inf", "euler_gamma", "golden_ratio", "catalan"])
def test_named_constants(name):
    known = {
        "inf": math.inf,
        "euler_gamma": mpmath.euler,
        "golden_ratio": mpmath.phi,
        "catalan": mpmath.catalan,
    }
    b = Builder()
    node = b.named(name)
    assert round_constant(b.freeze(), node) == float(known.get(name, getattr(mpmath, name, None)))


def test_functions_outside_the_table():
    bessel = Extern("besselj", "sympy.functions.special.bessel:besselj")
    digamma = Extern("polygamma", "sympy.functions.special.gamma_functions:polygamma")
    found = value(lambda b, x: b.extern(bessel, b.rational(1), x), 1.5)
    assert abs(found - mpmath.besselj(1, 1.5)) < 1e-15
    assert math.isnan(value(lambda b, x: b.extern(bessel, b.rational(1), x), math.nan))
    trigamma = slope(lambda b, x: b.extern(digamma, b.rational(0), x), 2.0)
    assert abs(trigamma.value - (mpmath.pi**2 / 6 - 1)) < 1e-15


def test_shapes():
    b = Builder()
    args = [b.input(k) for k in range(5)]
    outputs = [Output("p", (b.add(args[0], args[4]),)), Output("q", (args[1], args[2]), (2,))]
    program = finish("f", [Input("v", (2, 2)), Input("s")], outputs, b)
    for given_value in ([[1, 2], [3, 4]], np.array([[1.0, 2.0], [3.0, 4.0]])):
        assert evaluate(program, {"v": given_value, "s": 5}) == (6, (2, 3))
    rows = numerical_gradient(program, {"v": [[1, 2], [3, 4]], "s": 5}, wrt=["s"])
    assert [[s.value for s in row] for row in rows] == [[1], [0], [0]]
    with pytest.raises(ShapeError):
        evaluate(program, {"v": [1, 2], "s": 5})
    with pytest.raises(ArgumentError, match="'s'"):
        evaluate(program, {"v": [1, 2, 3, 4]})
    with pytest.raises(ArgumentError, match="'t'"):
        evaluate(program, {"v": [1, 2, 3, 4], "s": 1, "t": 2})


def test_the_global_context_is_left_alone():
    before = mpmath.mp.prec, mpmath.mp.trap_complex
    value(call("exp"), 1.0)
    slope(call("exp"), 1.0)
    assert (mpmath.mp.prec, mpmath.mp.trap_complex) == before


def test_deep_graphs():
    def build(b, x):
        for _ in range(20_000):
            x = b.node("neg", (x,))
        return x

    assert value(build, 3.0) == 3


# ---------------------------------------------------------------- rounding


@given(st.fractions(), st.integers(-1200, 1100))
def test_nearest_is_correctly_rounded(fraction, power):
    exact = fraction * Fraction(2) ** power
    try:
        wanted = exact.numerator / exact.denominator
    except OverflowError:
        wanted = math.copysign(math.inf, fraction)
    assert nearest(exact) == wanted


@given(st.floats(width=32, allow_nan=False))
def test_float32_is_kept(x):
    assert nearest(x, "float32") == x
    if 0 < abs(x) < 1e38:
        assert nearest(Fraction(x) * (1 + Fraction(1, 2**30)), "float32") == x


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float32_is_nearest(x):
    with np.errstate(over="ignore"):
        assert nearest(Fraction(x), "float32") == np.float32(x)


@given(st.floats())
def test_mpf_to_float(x):
    found = nearest(context(30).mpf(x))
    assert found == x or (math.isnan(found) and math.isnan(x))


def constant(build):
    b = Builder()
    node = build(b)
    return b.freeze(), node


@pytest.mark.parametrize(
    ("build", "wanted"),
    [
        (lambda b: b.rational(Fraction(1, 10)), 0.1),
        (lambda b: b.call("sqrt", b.rational(2)), math.sqrt(2)),
        (lambda b: b.node("div", (b.rational(1), b.rational(0))), math.inf),
        (lambda b: b.node("log", (b.rational(-1),)), math.nan),
        (lambda b: b.node("exp", (b.rational(1000),)), math.inf),
        (lambda b: b.node("exp", (b.rational(-1000),)), 0.0),
        (lambda b: b.sub(b.named("e"), b.node("exp", (b.rational(1),))), 0.0),
        (
            # sin(3)**2 + cos(3)**2 - 1 cancels to zero at every precision
            lambda b: b.sub(
                b.add(
                    b.pow(b.call("sin", b.rational(3)), b.rational(2)),
                    b.pow(b.call("cos", b.rational(3)), b.rational(2)),
                ),
                b.rational(1),
            ),
            0.0,
        ),
        (
            # a Ramanujan near-integer: exp(pi*sqrt(163)) - 262537412640768744 = -7.499e-13
            lambda b: b.sub(
                b.call("exp", b.mul(b.named("pi"), b.call("sqrt", b.rational(163)))),
                b.rational(262537412640768744),
            ),
            -7.4992740280181431e-13,
        ),
    ],
)
def test_constants(build, wanted):
    assert round_constant(*constant(build)) == pytest.approx(wanted, rel=2e-16, abs=0, nan_ok=True)


def test_float32_constant():
    found = round_constant(*constant(lambda b: b.named("pi")), dtype="float32")
    assert found == float(np.float32(math.pi))


def test_no_constant():
    b = Builder()
    node = b.call("exp", b.input(0))
    with pytest.raises(ArgumentError):
        round_constant(b.freeze(), node)


# ---------------------------------------------------------------- slopes


@pytest.mark.parametrize(
    ("build", "x", "wanted"),
    [
        (call("sin"), 1.5, "0.070737201667702910088189851434268709085090810551"),
        (call("cos"), 1e-300, "-1e-300"),
        (call("tanh"), 300.0, "1.0601586212017243264677e-260"),
        (lambda b, x: b.node("mul", (x, x)), 0.0, "0"),
        (lambda b, x: b.pow(x, b.rational(3)), 0.0, "0"),
        (lambda b, x: b.mul(x, b.call("abs", x)), 0.0, "0"),
        (lambda b, x: b.rational(7), 1.0, "0"),
        (call("floor"), 2.5, "0"),
        (call("sin"), 1e300, str(math.cos(1e300))),
    ],
)
def test_slopes(build, x, wanted):
    found = slope(build, x)
    assert found.exists
    assert abs(found.value - mpmath.mpf(wanted)) <= 1e-15 * abs(mpmath.mpf(wanted))


def test_slopes_have_forty_digits():
    found = slope(call("exp"), 1.0)
    ctx = context(60)
    assert abs(found.value / ctx.e - 1) < ctx.mpf(10) ** -39


@pytest.mark.parametrize(
    ("build", "x", "left", "right"),
    [
        (call("abs"), 0.0, -1, 1),
        (lambda b, x: b.maximum(x, b.rational(0)), 0.0, 0, 1),
        (call("floor"), 2.0, math.inf, 0),
        (call("sqrt"), 0.0, math.nan, math.inf),
        (call("acos"), 1.0, -math.inf, math.nan),
        (lambda b, x: b.pow(x, b.rational(Fraction(3, 2))), 0.0, math.nan, 0),
    ],
)
def test_kinks(build, x, left, right):
    found = slope(build, x)
    assert not found.exists
    assert not found.settled
    assert math.isnan(found.value)
    assert [float(found.left), float(found.right)] == pytest.approx([left, right], nan_ok=True)


@pytest.mark.parametrize("build", [call("cbrt"), lambda b, x: b.call("cbrt", b.mul(b.rational(2), x))])
def test_vertical_tangent(build):
    found = slope(build, 0.0)
    assert found.value == math.inf
    assert found.settled
    assert not found.exists


@pytest.mark.parametrize(("name", "x"), [("log", -1.0), ("log", 0.0), ("exp", math.inf), ("exp", math.nan)])
def test_no_slope_where_there_is_no_value(name, x):
    assert math.isnan(slope(call(name), x).value)
