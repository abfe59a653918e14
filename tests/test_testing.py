"""The gradient check: it must pass what is right, fail what is wrong, and say where."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapeless as tl
from tapeless.errors import ArgumentError, CheckError, DerivativeError, ShapeError
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.reference import context
from tapeless.testing import CheckReport, CheckRow, bits_of_error, check, relative_error, ulp_error


class Handmade:
    """A function with a value and a gradient written in NumPy."""

    name = "handmade"

    def __init__(self, program, value, gradient, dtype="float64"):
        self.program, self.dtype = program, dtype
        self._value, self._gradient = value, gradient
        self.calls = 0

    def forward(self, *primals):
        with np.errstate(all="ignore"):
            return np.asarray(self._value(*primals), self.dtype)

    def backward(self, cotangents, *primals):
        self.calls += 1
        with np.errstate(all="ignore"):
            gradients = self._gradient(*primals)
            return tuple(
                np.broadcast_to(np.asarray(cotangents * g, self.dtype), np.shape(p))
                for g, p in zip(gradients, primals, strict=True)
            )


def program_of(build, names):
    b = Builder()
    args = [b.input(k) for k in range(len(names))]
    return finish("handmade", [Input(name) for name in names], [Output("y", (build(b, *args),))], b)


WAVE = program_of(lambda b, x, t: b.mul(b.call("exp", b.neg(t)), b.call("sin", x)), "xt")
RELU = program_of(lambda b, x: b.maximum(x, b.rational(0)), "x")
LINE = program_of(lambda b, w, x, c: b.add(b.mul(w, x), c), "wxc")


def wave(gradient=None, dtype="float64", value=None):
    right = lambda x, t: (np.exp(-t) * np.cos(x), -np.exp(-t) * np.sin(x))  # noqa: E731
    return Handmade(WAVE, value or (lambda x, t: np.exp(-t) * np.sin(x)), gradient or right, dtype)


def relu(at_zero):
    return Handmade(
        RELU,
        lambda x: np.maximum(x, 0),
        lambda x: (np.where(x == 0, at_zero, (x > 0).astype(x.dtype)),),
    )


# ---------------------------------------------------------------- right functions pass


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_right_gradient_passes(dtype):
    report = check(wave(dtype=dtype))
    assert report.ok, str(report)
    assert bool(report)
    assert report.raise_if_failed() is report
    assert [row.name for row in report.rows] == ["y", "d y/d x", "d y/d t"]
    assert report.points == 32
    assert all(row.points == 32 for row in report.rows)
    assert all(row.ulp < 8 for row in report.rows)
    for row in report.rows[1:]:
        assert row.numerical < (1e-8 if dtype == "float64" else 1e-2)


def test_given_points():
    report = check(wave(), [0.5, 1.0, 2.0], 0.25)
    assert report.ok
    assert (report.points, report.total, report.drawn) == (3, 3, False)
    assert dict(report.rows[0].at)["t"] == 0.25


def test_broadcasting():
    report = check(wave(), np.linspace(0.1, 1, 3)[:, None], np.linspace(1, 2, 4))
    assert report.ok
    assert report.total == 12


def test_large_arrays_are_sampled_with_both_ends():
    seen = []

    def value(x, t):
        seen.append(x)
        return np.exp(-t) * np.sin(x)

    x = np.arange(1, 100_001) / 1e5
    report = check(wave(value=value), x, 0.5, points=5)
    assert report.ok
    assert (report.points, report.total) == (5, 100_000)
    assert report.title == "handmade (float64), 5 of 100000 points"
    assert list(seen[0]) == [x[0], x[25000], x[50000], x[74999], x[-1]]


def test_the_same_seed_draws_the_same_points():
    one, two, other = check(wave(), seed=3), check(wave(), seed=3), check(wave(), seed=4)
    assert str(one) == str(two)  # a NaN in a row is unequal to itself
    assert one.rows[0].at != other.rows[0].at


def test_ranges():
    report = check(wave(), ranges={"x": (2.0, 2.5), "t": (0.5, 0.75)})
    assert report.ok
    for row in report.rows:
        at = dict(row.at)
        assert 2 <= at["x"] <= 2.5
        assert 0.5 <= at["t"] <= 0.75


def test_ill_conditioned_points_are_judged_by_their_condition():
    program = program_of(lambda b, x: b.sub(b.call("exp", x), b.rational(1)), "x")
    function = Handmade(program, lambda x: np.exp(x) - 1, lambda x: (np.exp(x),))
    # exp(x) - 1 is well-conditioned near 0, and loses digits if it is computed like this
    report = check(function, [1e-6, 0.5])
    assert not report.ok
    assert report.rows[0].condition == pytest.approx(1, rel=1e-5)
    assert dict(report.rows[0].at) == {"x": 1e-6}
    # sin near pi is ill-conditioned, and a multiple of pi rounds
    program = program_of(lambda b, x: b.call("sin", b.mul(b.rational(3), x)), "x")
    function = Handmade(program, lambda x: np.sin(3 * x), lambda x: (3 * np.cos(3 * x),))
    report = check(function, [np.pi * 1000 / 3 * (1 + 1e-12)])
    assert report.ok, str(report)
    assert report.rows[0].condition > 1e6


def test_ill_conditioning_is_told_from_errors_of_ours():
    """The numbers beside those of mpmath alone, which knows nothing of the program."""
    x, y = 1234.5, 24.5
    # The angle is near 5e13: the rounding of the exponential alone moves the sine in the second digit.
    function = tl.compile("sin(x*exp(y))")
    report = function.check(x, y)
    assert report.ok, str(report)
    with mpmath.workdps(60):
        a, b = mpmath.mpf(x), mpmath.mpf(y)
        angle = a * mpmath.exp(b)
        sine, cosine = mpmath.sin(angle), mpmath.cos(angle)
        truth = sine
        condition = abs(angle * cosine / truth) * (1 + b)
        by_x = mpmath.exp(b) * cosine
        second = mpmath.exp(b) * (abs(angle * sine) + b * abs(cosine - angle * sine))
        rows = (
            (report.rows[0], float(function(x, y)), truth, condition),
            (report.rows[1], float(function.grad(x, y)[0]), by_x, second / abs(by_x)),
        )
        for row, got, exact, expected in rows:
            error = abs(got - exact) / abs(exact)
            assert row.cause == "ill-conditioned"
            assert row.condition == pytest.approx(float(expected), rel=1e-6)
            assert row.relative == pytest.approx(float(error), rel=1e-6)
            assert error <= 16 * 2**-52 * expected
            steps = abs(float(exact) - got) / math.ulp(
                got
            )  # within one power of two, so that steps are equal
            assert row.bits == row.mean_bits == pytest.approx(math.log2(1 + steps), abs=1.01)
            assert row.bits > 40
    assert "ill-conditioned" in str(report)


def test_a_cancellation_in_the_formula_is_its_condition():
    function = tl.compile("x*y - z")
    x, y = 1 + 2.0**-30, 1 - 2.0**-31 - 2.0**-52
    report = function.check(x, y, x * y * (1 - 1e-13))
    assert report.ok
    assert report.rows[0].cause == "ill-conditioned"
    assert report.rows[0].condition > 1e12
    assert {row.cause for row in report.rows[1:]} == {"rounding"}


@pytest.mark.parametrize("wrong", ["scaled", "nan", "zero"])
def test_a_wrong_rule_is_an_error_of_ours(wrong):
    rows = check(wave(WRONG[wrong]), points=8).rows
    assert [row.cause for row in rows] == [
        "rounding",
        *(("rounding", "ours") if wrong == "nan" else ("ours", "rounding")),
    ]
    [bad] = [row for row in rows if not row.ok]
    if wrong == "scaled":
        assert bad.condition < 100
        assert bad.relative == pytest.approx(1e-3, rel=1e-6)
        # 1e-3 is about 2**-10 of 53 bits; a relative error is 2**52 to 2**53 steps
        assert 42 < bad.mean_bits <= bad.bits < 43.1


def test_an_error_of_ours_within_the_tolerance_is_called_so():
    wrong = lambda x, t: ((1 + 1e-12) * np.exp(-t) * np.cos(x), -np.exp(-t) * np.sin(x))  # noqa: E731
    report = check(wave(wrong), 0.5, 0.25)
    assert report.ok
    assert [row.cause for row in report.rows] == ["rounding", "ours", "rounding"]
    assert report.rows[1].verdict == "ok"


def test_kinks_have_no_bits():
    row = check(relu(0.0), 0.0).rows[1]
    assert row.cause == ""
    assert math.isnan(row.bits)


def test_outside_the_domain_nan_is_right():
    program = program_of(lambda b, x: b.call("log", x), "x")
    right = Handmade(program, np.log, lambda x: (1 / x,))
    assert check(right, [-1.0, 0.0, 2.0, np.inf, np.nan]).ok
    wrong = Handmade(program, lambda x: np.log(abs(x)), lambda x: (1 / x,))
    report = check(wrong, [-2.0, 2.0])
    assert not report.ok
    assert "outside the domain" in report.rows[0].note


@pytest.mark.parametrize("x", [math.nan, math.inf, [math.nan, -math.inf]])
def test_where_nothing_is_compared_nothing_is_ok(x):
    report = check(wave(), x, math.nan)
    assert not report.ok
    assert [row.verdict for row in report.rows] == ["not checked"] * 3
    assert report.summary.startswith("nothing was compared")
    with pytest.raises(CheckError):
        report.raise_if_failed()


def test_points_without_a_finite_value_are_not_counted():
    program = program_of(lambda b, x: b.call("log", x), "x")
    report = check(Handmade(program, np.log, lambda x: (1 / x,)), [-1.0, np.nan, 2.0])
    assert report.ok
    assert [row.points for row in report.rows] == [1, 1]


def test_a_derivative_that_is_missing_is_not_checked():
    def missing(x, t):
        raise DerivativeError("C has no function for it")

    report = check(wave(gradient=missing))
    assert report.ok
    assert [row.verdict for row in report.rows] == ["ok", "not checked", "not checked"]
    assert "C has no function for it" in report.rows[1].note
    assert report.summary == "1 of 3 ok, 2 not checked"
    assert not check(wave(gradient=missing, value=lambda x, t: np.exp(-t) * np.cos(x))).ok


def test_removable_points_may_have_their_limit():
    program = program_of(lambda b, x: b.div(b.call("sin", x), x), "x")
    for at_zero, ok in ((1.0, True), (math.nan, True), (0.0, False)):
        function = Handmade(
            program,
            lambda x, a=at_zero: np.where(x == 0, a, np.sin(x) / x),
            lambda x: (np.cos(x) / x - np.sin(x) / x**2,),
        )
        assert check(function, [0.0, 1.0]).ok is ok


# ---------------------------------------------------------------- wrong functions fail


WRONG = {
    "scaled": lambda x, t: (1.001 * np.exp(-t) * np.cos(x), -np.exp(-t) * np.sin(x)),
    "scaled a little": lambda x, t: (np.exp(-t) * np.cos(x), -(1 + 1e-3) * np.exp(-t) * np.sin(x)),
    "swapped": lambda x, t: (-np.exp(-t) * np.sin(x), np.exp(-t) * np.cos(x)),
    "sign": lambda x, t: (np.exp(-t) * np.cos(x), np.exp(-t) * np.sin(x)),
    "nan": lambda x, t: (np.exp(-t) * np.cos(x), np.full_like(t, np.nan)),
    "zero": lambda x, t: (np.zeros_like(x), -np.exp(-t) * np.sin(x)),
    "infinite": lambda x, t: (np.exp(-t) * np.cos(x), np.full_like(t, np.inf)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_gradient_fails(wrong, dtype):
    report = check(wave(WRONG[wrong], dtype), points=8)
    assert not report.ok
    assert report.rows[0].ok
    assert "FAILED" in str(report)
    with pytest.raises(CheckError, match="FAILED"):
        report.raise_if_failed()


@pytest.mark.parametrize("digits", [1e-6, 1e-9])
def test_small_errors_are_seen_in_double_precision(digits):
    wrong = lambda x, t: ((1 + digits) * np.exp(-t) * np.cos(x), -np.exp(-t) * np.sin(x))  # noqa: E731
    report = check(wave(wrong), points=4)
    assert [row.ok for row in report.rows] == [True, False, True]
    assert report.rows[1].relative == pytest.approx(digits, rel=1e-3)


def test_wrong_at_one_point_only_is_found_and_named():
    def wrong(x, t):
        return np.exp(-t) * np.cos(x), np.where(x == 0.75, 1.25, -np.exp(-t) * np.sin(x))

    report = check(wave(wrong), [0.25, 0.5, 0.75, 1.0], 0.5)
    assert [row.ok for row in report.rows] == [True, True, False]
    assert report.rows[2].at == (("x", 0.75), ("t", 0.5))


def test_a_wrong_value_fails():
    report = check(wave(value=lambda x, t: np.exp(-t) * np.sin(x) * (1 + 1e-11)), points=4)
    assert not report.rows[0].ok


def test_a_value_that_disagrees_with_its_gradient_nearby_fails():
    """Right at the points asked for, wrong beside them: only the numerical gradient sees it."""
    x = np.array([0.5, 1.0])

    def value(x, t):
        return np.where(np.isin(x, [0.5, 1.0]), np.exp(-t) * np.sin(x), np.exp(-t) * np.sin(2 * x))

    report = check(wave(value=value), x, 0.25)
    assert not report.ok
    assert "numerical gradient" in report.rows[1].note


# ---------------------------------------------------------------- kinks


@pytest.mark.parametrize(
    ("at_zero", "ok"), [(0.0, True), (1.0, True), (0.5, True), (1.5, False), (-0.1, False)]
)
def test_at_a_kink_the_convention_must_lie_between(at_zero, ok):
    report = check(relu(at_zero), [-1.0, 0.0, 1.0])
    assert report.ok is ok
    assert report.rows[1].kinks == 1
    if not ok:
        assert "one-sided" in report.rows[1].note


def test_only_kinks():
    report = check(relu(0.0), [0.0])
    assert report.ok
    assert report.rows[1].verdict == "not differentiable here"


def test_nan_at_a_kink_fails():
    assert not check(relu(math.nan), [0.0]).ok


def test_beside_a_kink_numerical_gradients_do_not_mislead():
    report = check(relu(0.0), [1e-9, -1e-9, 1e-300, 1.0])
    assert report.ok, str(report)


@pytest.mark.parametrize(("at_zero", "ok"), [(math.inf, True), (1e30, False), (-math.inf, False)])
def test_vertical_tangent(at_zero, ok):
    program = program_of(lambda b, x: b.call("cbrt", x), "x")

    def gradient(x):
        return (np.where(x == 0, at_zero, 1 / (3 * np.cbrt(x) ** 2)),)

    assert check(Handmade(program, np.cbrt, gradient), [0.0, 1.0]).ok is ok


# ---------------------------------------------------------------- shapes and several outputs


class Pair:
    """Two outputs of a vector and a scalar: the sum of squares times s, and the vector scaled."""

    name, dtype, input_names = "pair", "float64", ("v", "s")

    def __init__(self, wrong=False, wrt=("v", "s")):
        b = Builder()
        v, s = [b.input(0), b.input(1)], b.input(2)
        square = b.mul(s, b.add(b.mul(v[0], v[0]), b.mul(v[1], v[1])))
        outputs = [Output("p", (square,)), Output("q", (b.mul(s, v[0]), b.mul(s, v[1])), (2,))]
        self.program = finish("pair", [Input("v", (2,)), Input("s")], outputs, b)
        self.wrong, self.wrt = wrong, wrt

    def forward(self, v, s):
        return s * (v**2).sum(-1), s[..., None] * v

    def backward(self, cotangents, v, s):
        p, q = cotangents
        v_bar = 2 * (p * s)[..., None] * v + q * s[..., None]
        s_bar = p * (v**2).sum(-1) + (q * v).sum(-1)
        if self.wrong:
            s_bar = p * (v**2).sum(-1) + q[..., 0] * v[..., 0]
        return tuple({"v": v_bar, "s": s_bar}[name] for name in self.wrt)


def test_several_outputs_and_shaped_inputs():
    report = check(Pair(), np.arange(1.0, 9).reshape(4, 2), 3.0)
    assert report.ok, str(report)
    assert [row.name for row in report.rows] == ["p", "d p/d v", "d p/d s", "q", "d q/d v", "d q/d s"]
    assert [name for name, _ in report.rows[0].at] == ["v[0]", "v[1]", "s"]


def test_the_worst_element_is_named():
    report = check(Pair(wrong=True), points=4)
    assert [row.ok for row in report.rows] == [True] * 5 + [False]
    assert report.rows[5].element == "d q[1]/d s"
    assert "d q[1]/d s: v[0]=" in str(report)


def test_only_inputs_that_are_differentiated():
    report = check(Pair(wrt=("s",)), points=4)
    assert [row.name for row in report.rows] == ["p", "d p/d s", "q", "d q/d s"]
    assert report.ok


# ---------------------------------------------------------------- bad arguments


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="2 inputs"):
        check(wave(), 1.0)
    with pytest.raises(ArgumentError, match="empty"):
        check(wave(), [], [])
    with pytest.raises(ArgumentError, match="points"):
        check(wave(), points=0)
    with pytest.raises(ArgumentError, match="'z'"):
        check(wave(), ranges={"z": (0, 1)})
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        check(Pair(), [1.0, 2.0, 3.0], 1.0)


@pytest.mark.parametrize(
    "value",
    [None, np.ma.array([1.0, 2.0], mask=[0, 1]), np.datetime64("2020"), 1j, "a", [[1.0], [1.0, 2.0]]],
    ids=["None", "masked", "date", "complex", "text", "ragged"],
)
def test_points_are_converted_as_for_a_call(value):
    with pytest.raises(ArgumentError, match=r"^t "):
        check(wave(), 1.0, value)


def test_points_that_do_not_broadcast():
    with pytest.raises(ShapeError, match=r"x \(3,\), t \(4,\)"):
        check(wave(), np.ones(3), np.ones(4))


@pytest.mark.parametrize(
    "given",
    [
        {"points": "a"},
        {"points": 1.5},
        {"seed": []},
        {"rtol": "a"},
        {"rtol": math.nan},
        {"ranges": 1},
        {"ranges": ["x"]},
        *(
            {"ranges": {"x": pair}}
            for pair in ["ab", 5, None, (1, 0), (1, 1), (math.nan, 1), (0, 1, 2), (0, 1j), (0, 10**400)]
        ),
    ],
    ids=repr,
)
def test_options_that_cannot_be(given):
    [name] = given
    with pytest.raises(ArgumentError, match=f"^{name}"):
        check(wave(), **given)


def test_no_point_of_the_domain():
    program = program_of(lambda b, x: b.call("log", b.sub(x, b.rational(10**6))), "x")
    function = Handmade(program, lambda x: np.log(x - 1e6), lambda x: (1 / (x - 1e6),))
    with pytest.raises(ArgumentError, match="ranges="):
        check(function)
    assert check(function, ranges={"x": (2e6, 3e6)}).ok


# ---------------------------------------------------------------- how it reads


ROWS = (
    CheckRow(
        "y", True, 0.5, 1.1e-16, math.nan, 2.0, (("x", 0.5), ("t", -2.5)), 3,
        bits=1.0, mean_bits=0.25, cause="rounding",
    ),
    CheckRow(
        "d y/d x", False, 4.5e12, 1e-3, 1e-3, 12.5, (("x", 1.0), ("t", 1e-9)), 3,
        note="is wrong", bits=42.0, mean_bits=41.5, cause="ours",
    ),
    CheckRow("d y/d t", True, 0.0, 0.0, math.inf, math.nan, (), 3, kinks=3, element="d y[1]/d t"),
)  # fmt: skip


def test_table():
    report = CheckReport("wave", "float64", ROWS, 3, 100)
    assert str(report).splitlines() == [
        "wave (float64), 3 of 100 points",
        "         error (ulp)  relative  vs numerical  condition        bits  verdict                  worst at",
        "y                0.5   1.1e-16                  2.0e+00    0.2, 1.0  ok                       x=0.5, t=-2.5",
        "d y/d x      4.5e+12   1.0e-03       1.0e-03    1.2e+01  41.5, 42.0  FAILED, ours             x=1, t=1e-09",
        "d y/d t            0         0           inf                         not differentiable here  d y[1]/d t:",
        "d y/d x: is wrong",
        "1 of 3 FAILED",
    ]
    html = report._repr_html_()
    assert html.startswith("<table>")
    assert "<td>FAILED, ours</td>" in html


def test_summaries():
    assert str(CheckReport("f", "float32", ROWS[:1], 1, 1)).startswith("f (float32), 1 point\n")
    assert CheckReport("f", "float32", ROWS[:1], 5, 5, drawn=True, seed=7).title == (
        "f (float32), 5 points drawn with seed 7"
    )
    assert CheckReport("f", "float64", ROWS[:1] * 2, 5, 5).summary == "all 2 ok"


def test_html_is_escaped():
    row = CheckRow("<y>", True, 0.0, 0.0, math.nan, 1.0, (), 1)
    assert "<y>" not in CheckReport("<f>", "float64", (row,), 1, 1)._repr_html_()


# ---------------------------------------------------------------- measures of error


def test_ulp_error():
    one_third = Fraction(1, 3)
    assert ulp_error(1 / 3, one_third) < 0.5
    assert ulp_error(np.nextafter(1.0, 2), 1.0) == 1
    assert ulp_error(np.nextafter(1.0, 0), 1.0) == 0.5
    assert ulp_error(np.nextafter(np.float32(1), np.float32(2)), 1.0, "float32") == 1
    assert ulp_error(5e-324, 0.0) == 1
    assert ulp_error(1e-310, 0) > 1e10
    assert ulp_error(math.nan, math.nan) == 0
    assert ulp_error(math.inf, math.inf) == 0
    assert ulp_error(math.inf, Fraction(10) ** 400) == 0
    assert ulp_error(1.0, math.nan) == ulp_error(math.nan, 1.0) == ulp_error(1.0, math.inf) == math.inf
    assert ulp_error(1.0, context(30).mpf(1)) == 0


def test_relative_error():
    assert relative_error(1.5, 1) == 0.5
    assert relative_error(0.0, 0) == 0
    assert relative_error(1e-300, 0) == math.inf
    assert relative_error(0.0, context(30).mpf(10) ** -5000) == 1
    assert relative_error(math.nan, 1.0) == math.inf


def test_bits_of_error():
    assert bits_of_error(1.0, 1) == 0
    assert bits_of_error(np.nextafter(1.0, 2), 1) == 1
    assert bits_of_error(1 + 2.0**-42, 1) == pytest.approx(10, abs=0.01)
    assert bits_of_error(-1.0, 1.0) > 60
    assert bits_of_error(math.inf, 1.7976931348623157e308) == 1
    assert bits_of_error(5e-324, -5e-324) == math.log2(3)
    assert bits_of_error(math.nan, 1.0) == 64
    assert bits_of_error(math.nan, math.nan) == 0
    assert bits_of_error(np.float32(2.0**-149), 0.0, "float32") == 1


@given(st.floats(allow_nan=False), st.integers(1, 1000))
def test_bits_count_the_floats_between(x, steps):
    y = x
    for _ in range(steps % 20):
        y = math.nextafter(y, math.inf)
    if y != math.inf or x == math.inf:
        assert bits_of_error(y, x) == math.log2(1 + (steps % 20 if x != math.inf else 0))


def test_import_is_light():
    code = (
        "import sys, tapeless.testing; print([m for m in ('sympy', 'mpmath', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
