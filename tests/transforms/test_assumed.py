"""Ranges of inputs in the simplifier: shorter code, equal values within the ranges, and no larger errors."""

from __future__ import annotations

import math
import pickle
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

import tapeless as tl
from tapeless.api import read
from tapeless.kinds import derive
from tapeless.options import read_options
from tapeless.targets import reference
from tapeless.testing import ulp_error
from tapeless.transforms.assumed import assumed
from tapeless.transforms.simplify import simplify
from test_random import codes, program_of, smooth_at

POSITIVE, NONNEGATIVE = (5e-324, math.inf), (0.0, math.inf)
NEGATIVE, NONPOSITIVE = (-math.inf, -5e-324), (-math.inf, 0.0)


def ops(text, kind="forward", **ranges):
    """The operations of what is left of a formula."""
    graph = derive(read(text), kind, None, tuple(ranges.items())).graph
    return {op for op in graph.ops if op not in ("input", "rational", "named")}


def shown(text, **ranges):
    f = tl.compile(text, assume=ranges)
    return str(next(iter(f.formulas.values())))


@pytest.mark.parametrize(
    ("text", "ranges", "expected"),
    [
        ("abs(x)", {"x": "positive"}, "x"),
        ("abs(x)", {"x": "nonpositive"}, "-x"),
        ("sqrt(x**2)", {"x": "nonnegative"}, "x"),
        ("sqrt(x**2*y)", {"x": "positive"}, "x*sqrt(y)"),
        ("sqrt(y/x**2)", {"x": "negative"}, "-sqrt(y)/x"),
        ("max(x, 0) + min(y, 1)", {"x": "nonnegative", "y": (0, 1)}, "x + y"),
        ("min(max(x, lo), hi)", {"x": (0, 1), "lo": (-2, 0), "hi": (1, 3)}, "x"),
        ("where(x > 0, x, exp(x))", {"x": "positive"}, "x"),
        ("where(x == 0, 1, y/x)", {"x": "negative"}, "y/x"),
        ("x*sign(y)", {"y": "negative"}, "-x"),
        ("log(x**2)", {"x": "positive"}, "2*log(x)"),
        ("log(x**2)", {"x": "negative"}, "2*log(-x)"),
        ("log(x**y)", {"x": "positive"}, "y*log(x)"),
        ("log(1/x)", {"x": "positive"}, "-log(x)"),
        ("(x**3)**(1/3)", {"x": "nonnegative"}, "x"),
        ("floor(x)*y", {"x": (0.25, 0.75)}, "0"),
        ("fmod(x, 3)", {"x": (0, 2)}, "x"),
    ],
)
def test_what_ranges_decide(text, ranges, expected):
    found = shown(text, **ranges)
    if expected == "0":
        found = str(tl.compile(text, assume=ranges).formulas["out"].simplify())
    assert found == expected


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("x*sign(y)", {"y": "nonnegative"}),  # sign(0) is 0
        ("where(x > 0, x, exp(x))", {"x": "nonnegative"}),
        ("sqrt(x**2*y)", {"x": "nonnegative"}),  # at x = 0, y may be below 0
        ("max(x, 1)", {"x": (0, 2)}),
        ("abs(x)", {"x": (-1, 0.5)}),
        ("sqrt(x**2*y)", {"x": (-1, 2), "y": (1, 2)}),
        ("acos(min(max(sin(x), -1), 1))", {"x": (0, 2)}),  # a guard against rounding
        ("where(x*x > 0, 1/(x*x), 0)", {"x": "positive"}),  # against underflow
        ("where(sqrt(x) >= 0, 1, 2)*x", {"x": (-1, 1)}),  # against no value
        ("fmax(x, y)", {"x": (0, 1), "y": (2, 3)}),  # fmax asks for NaN
        ("log(x) - log(y)", {"x": "positive", "y": "positive"}),  # x/y may overflow
    ],
)
def test_what_ranges_do_not_decide(text, ranges):
    program = read(text)
    assert assumed(program, read_options(assume=ranges).assume, join=True) is program


@pytest.mark.parametrize(
    ("text", "ranges", "gone"),
    [
        ("sqrt(x**2 + y**2)", {"x": POSITIVE}, {"select", "eq", "ne", "and"}),
        ("atan2(y, x)", {"x": POSITIVE}, {"select", "eq", "ne"}),
        ("x**y", {"x": POSITIVE, "y": (2.5, 3.0)}, {"select", "eq", "ne"}),
        ("max(x, 0)**2", {"x": POSITIVE}, {"select", "lt", "max"}),
        ("abs(x)*y", {"x": NEGATIVE}, {"select", "lt", "abs"}),
        ("sqrt(x*max(y, 0))", {"y": POSITIVE}, {"select", "lt", "not"}),
    ],
)
def test_derivatives_lose_their_guards(text, ranges, gone):
    for kind in ("value_and_grad", "hessian"):
        assert not ops(text, kind, **ranges) & gone
        assert ops(text, kind) & gone


def test_joined_in_what_is_computed_in_the_end():
    ranges = {"x": (2.0, 3.0), "y": (4.0, 5.0)}
    assert ops("log(x) - log(y)", **ranges) == {"div", "log"}
    assert ops("log(x) - log(y)", "hessian", **ranges) <= {"div", "neg", "pow", "mul"}
    assert ops("sqrt(x)*sqrt(y)", **ranges) == {"mul", "sqrt"}
    assert "pow" in ops("x**0.3*y**0.3", **ranges)
    near_one = {"x": (0.9, 1.1), "y": (0.9, 1.1)}
    program = read("log(x) + log(y)")
    assert assumed(program, tuple(near_one.items()), join=True) is program  # log(x*y) has lost digits there


def test_exponents_that_are_rounded_are_not_added():
    """The rounding of p + q counts log(x) times in x**(p + q)."""
    ranges = {"x": (1.0, 1e15)}
    assert "add" not in ops("x**p*x**q", **ranges)
    assert ops("x**0.3*x**0.4", **ranges) == {"pow"}


def test_terms_of_a_sum_of_exponentials_that_become_one():
    """Beside abs(x), x is a term twice where x is positive: each has its own part of the sum."""
    text = "log(exp(abs(x)) + exp(x) + exp(y))"
    small = tl.compile(text, assume={"x": "positive"})
    plain = tl.compile(text)
    np.testing.assert_allclose(small.grad(1.0, 2.0), plain.grad(1.0, 2.0), rtol=1e-14)
    np.testing.assert_allclose(small.hessian(1.0, 2.0), plain.hessian(1.0, 2.0), rtol=1e-14)


def test_the_code_is_shorter():
    plain = tl.compile("huber(r, d) = where(abs(r) <= d, r**2/2, d*(abs(r) - d/2))")
    small = tl.compile(plain, assume={"r": (0, 1), "d": (1, 2)})
    for kind in ("forward", "value_and_grad", "hessian"):
        assert small.op_counts(kind)["total"] < plain.op_counts(kind)["total"]
    assert small.backward_formulas["r"].free_symbols < plain.backward_formulas["r"].free_symbols
    assert "select" not in small.op_counts("backward")
    assert small(0.5, 1.5) == plain(0.5, 1.5)


def test_the_functions_written_out_lose_their_guards_too():
    for text in ("x*log(x)", "1/cosh(x)", "log(cosh(x))", "x/(exp(x) - 1)"):
        plain, small = tl.compile(text), tl.compile(text, assume={"x": "positive"})
        assert small.op_counts()["total"] < plain.op_counts()["total"]
        assert small(0.7) == plain(0.7)


def test_nan_comes_through_where_what_is_left_depends_on_it():
    nan = math.nan
    f = tl.compile("max(x, 0) + abs(x) + where(x > 0, x, 0) + x*sign(x)", assume={"x": "positive"})
    assert math.isnan(f(nan))
    by_x, by_y = tl.compile("sqrt(x**2*y)", assume={"x": "positive"}).grad(nan, 4.0)
    assert by_x == 2.0  # x*sqrt(y) by x does not depend on x
    assert math.isnan(by_y)
    decided = tl.compile("where(x > 0, x, y)", assume={"x": "positive"})
    assert math.isnan(decided(nan, 1.0))  # the side of the ranges, where the plain formula gives y
    assert tl.compile("where(x > 0, x, y)")(nan, 1.0) == 1.0
    constant = tl.compile("y*sign(x)", assume={"x": "positive"})
    assert constant(3.0, nan) == 3.0  # nothing of x is left


def test_infinities_within_the_ranges():
    f = tl.compile("abs(x) + max(y, 0)", assume={"x": "positive", "y": "nonnegative"})
    assert f(math.inf, 1.0) == math.inf
    assert tl.compile("log(x**2)", assume={"x": "nonnegative"})(0.0) == -math.inf


# ---- where assumptions go


def test_assumptions_are_part_of_what_is_compiled():
    plain = tl.compile("abs(x)*y + 0*z")
    small = tl.compile("abs(x)*y + 0*z", assume={"x": "positive"})
    other = tl.compile("abs(x)*y + 0*z", assume={"x": "negative"})
    assert (plain(-2.0, 3.0, 1.0), small(-2.0, 3.0, 1.0), other(-2.0, 3.0, 1.0)) == (6.0, -6.0, 6.0)
    again = pickle.loads(pickle.dumps(small))
    assert again.options.assume == small.options.assume
    assert again(-2.0, 3.0, 1.0) == -6.0
    assert again.derivative("grad")(-2.0, 3.0, 1.0) == (3.0, -2.0, 0.0)
    assert again.derivative("vjp").options.assume == small.options.assume


def test_a_module_takes_assumptions_by_name():
    module = tl.compile_module({"a": "abs(x)*y", "b": "abs(y)*z"}, assume={"x": "positive"})
    for each in (module, pickle.loads(pickle.dumps(module))):
        assert "abs" not in each.a.op_counts()
        assert each.a(-1.0, 2.0) == -2.0
        assert each.b(-1.0, 2.0) == 2.0


def test_exported_code_is_that_of_the_ranges(tmp_path):
    f = tl.compile("shrunk(x) = abs(x)*2", assume={"x": "positive"})
    f.export(tmp_path)
    assert "fabs" not in (tmp_path / "shrunk.c").read_text()
    assert "fabs" in tl.compile("shrunk(x) = abs(x)*2").source


def test_solvers_are_given_the_formula_without_what_is_decided():
    f = tl.compile("abs(x) + max(y, 0)**2", assume={"x": "positive", "y": "positive"})
    objective = f.objective("x", "y")
    assert (
        objective.fun(np.array([-1.0, -3.0])) == 8.0
    )  # outside: nothing is promised, and abs and max are gone
    assert f.low_level_callable("x", "y") is not None


def test_the_programs_inputs_decide_not_their_cotangents():
    """An input called like a cotangent is another input."""
    f = tl.compile("y(y_bar, x) = abs(x)*abs(y_bar)", assume={"y_bar": "positive"})
    derived = f.derivative("vjp")
    assert derived.input_names[:2] == ("y_bar", "x")
    got = derived(2.0, -3.0, -1.0)
    assert [float(g) for g in got] == [-3.0, 2.0]


# ---- right


ranges_of_inputs = st.tuples(
    *(
        st.sampled_from(
            (
                None,
                POSITIVE,
                NONNEGATIVE,
                NEGATIVE,
                NONPOSITIVE,
                (0.5, 2.0),
                (-2.0, -0.25),
                (1.0, 1.5),
                (0.0, 1.0),
                (-1.0, 0.5),
                (-0.5, 1.0),
            )
        )
        for _ in range(3)
    )
)
shares = st.tuples(*(st.floats(0.02, 0.98) for _ in range(3)))


def point_in(ranges, shares):
    point = []
    for given_range, share in zip(ranges, shares, strict=True):
        low, high = given_range or (-2.5, 2.5)
        low, high = max(low, -2.5), min(high, 2.5)
        point.append(round(low + (high - low) * share, 3) + 0.0)
    return point


@settings(max_examples=200, suppress_health_check=list(HealthCheck), deadline=None)
@given(codes, ranges_of_inputs, shares)
@example([("pow", 0, 2), ("sqrt", 0)], (POSITIVE, POSITIVE, POSITIVE), (0.3, 0.4, 0.6))
def test_values_and_slopes_are_those_of_the_formula(code, ranges, shares):
    """In high precision: the rewritten program, and the gradient that loses its guards, against the plain ones."""
    program = program_of(code)
    assume_ = tuple((name, r) for name, r in zip("xyz", ranges, strict=True) if r is not None)
    values = dict(zip("xyz", point_in(ranges, shares), strict=True))
    [expected] = reference.evaluate(program, values, digits=40)
    for join in (False, True):
        [got] = reference.evaluate(simplify(program, assume_, join=join), values, digits=40)
        if expected.context.isfinite(expected):
            assert abs(got - expected) <= 1e-30 * (1 + abs(expected)), (assume_, values)
        else:
            assert not got.context.isfinite(got), (assume_, values)
    slopes = smooth_at(program, values)
    assume(slopes is not None)
    derived = reference.evaluate(derive(program, "grad", None, assume_), values, digits=30)
    for got, slope in zip(derived, slopes, strict=True):
        assert abs(got - slope.value) <= 1e-15 * (1 + abs(slope.value)), (got, slope)


ONE_RULE_EACH = (
    "abs(x)", "sign(x) + y", "heaviside(x)*y", "copysign(y, x)", "max(x, y)", "min(x, y)", "max(x, y, z, 1/2)",
    "min(max(x, y), z)", "where(x < y, x, z)", "where(x <= y, x, z)", "where(x == 0, y, z)", "where(x != y, x, z)",
    "floor(x)*y", "ceil(x)*y", "trunc(x) + round(x)", "fmod(x, y)", "(x**2)**y", "(x**2)**(1/4)", "sqrt(x**4*y)",
    "sqrt(x**2*y**2)", "sqrt(y*x**2/z**4)", "log(x**2)", "log(x**3)", "log(sqrt(x))", "log(x**y)", "log(1/x)",
    "log(x) + log(y)", "log(x) - log(y)", "sqrt(x)*sqrt(y)", "sqrt(x)/sqrt(y)", "x**0.3*y**0.3", "x**y*x**z",
    "x**y/z**y", "where(sqrt(x) >= 0, 1, 2)*y", "max(log(x), -1)", "max(abs(x), 0)",
)  # fmt: skip


@pytest.mark.parametrize("text", ONE_RULE_EACH)
def test_each_rule_over_ranges_of_every_kind(text):
    source = random.Random(text)
    program = read(text)
    names = [item.name for item in program.inputs]
    kinds = [(low, high) for low in ENDS for high in ENDS if low < high]
    for _ in range(60):
        ranges = {name: source.choice(kinds) for name in names if source.random() < 0.8}
        assume_ = tuple(ranges.items())
        small = simplify(program, assume_)
        for _ in range(3):
            values = {}
            for name in names:
                low, high = ranges.get(name, (-math.inf, math.inf))
                inner = source.uniform(max(low, -4.0), min(high, 4.0))
                values[name] = source.choice(
                    [inner, inner, *(end for end in (low, high) if math.isfinite(end))]
                )
            [expected] = reference.evaluate(program, values, digits=40)
            [got] = reference.evaluate(small, values, digits=40)
            if expected.context.isfinite(expected):
                assert abs(got - expected) <= 1e-30 * (1 + abs(expected)), (ranges, values)
            elif expected.context.isinf(expected):
                assert got == expected, (ranges, values)


ENDS = (-math.inf, -2.0, -1.0, -0.5, -5e-324, 0.0, 5e-324, 0.25, 1.0, 3.0, math.inf)


FORMULAS = (
    "sqrt(x**2*y)/z",
    "log(x**2) + log(y/z)",
    "log(x) - log(y) + z",
    "sqrt(x)*sqrt(y)/sqrt(z)",
    "x**0.3*y**0.3*z",
    "(x**2*y)**0.5 + (z**3)**(1/3)",
    "hypot(x, y)*abs(z) + atan2(x, y)",
    "max(x, 0)*min(y, 100)*sign(z)",
    "x**y*z**(-y)",
    "where(x > 0, sqrt(x*max(y, 0)), y)*z",
)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("low", [0.01, 3.0])
def test_errors_do_not_grow(low, dtype):
    """Worst errors of values and gradients over points in the ranges, with the ranges assumed and without."""
    source = np.random.default_rng(5)
    points = source.uniform(low, low + 2, (60, 3)).astype(dtype)
    sources = {f"f{k}": text for k, text in enumerate(FORMULAS)}
    range_ = (low, low + 2)
    plain = tl.compile_module(sources, dtype=dtype)
    small = tl.compile_module(sources, dtype=dtype, assume=dict.fromkeys("xyz", range_))
    for name, text in sources.items():
        program = derive(plain[name].program, "value_and_grad", None)
        worst = {}
        truths = [reference.evaluate_flat(program, [float(x) for x in row], 40) for row in points]
        for label, f in (("plain", plain[name]), ("small", small[name])):
            value, slopes = f.value_and_grad(*points.T)
            columns = np.stack([value, *slopes], axis=1)
            size = [max(abs(t) for t in row[1:]) for row in truths]
            worst[label] = [
                max(
                    float(abs(columns[k][j] - row[j]) / (abs(row[j]) if j == 0 else size[k]))
                    for k, row in enumerate(truths)
                )
                for j in range(columns.shape[1])
            ]
        unit = np.finfo(dtype).eps
        for before, after in zip(worst["plain"], worst["small"], strict=True):
            assert after <= before + 1.5 * unit, (name, text, worst)


def test_a_root_of_a_square_is_exact():
    f = tl.compile("sqrt(x**2)", assume={"x": "positive"})
    assert f(1e-300) == 1e-300
    assert ulp_error(f(1e300), 1e300) == 0
