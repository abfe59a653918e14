"""The parts of the search: normal forms, intervals, points, the emulation of a kernel, local errors."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

import tapeless as tl
from tapeless.accuracy.rational import TooLargeError, form_of, simplified
from tapeless.accuracy.rounding import bits
from tapeless.accuracy.samples import at_edges, collect, local_errors, results_of
from tapeless.accuracy.sampling import draw, edges
from tapeless.accuracy.signs import Signs
from tapeless.api import read
from tapeless.ir.graph import Builder
from tapeless.ir.notation import infix
from tapeless.ir.program import Input
from tapeless.testing.errors import bits_of_error


def names(program):
    return {k: item.name for k, item in enumerate(program.inputs)}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(x + h)**2 - x**2", "h*(x*2 + h)"),
        ("1/(x + 1) - 2/x + 1/(x - 1)", "2/x/(x + 1)/(x - 1)"),
        ("sqrt(x)**2 - y", "x - y"),
        ("exp(x)*(y + 1) - exp(x)", "y*exp(x)"),
        ("x/3 + x/6", "0.5*x"),
    ],
)
def test_what_cancels_is_gone_from_the_normal_form(text, shown):
    program = read(text)
    builder = Builder(program.graph)
    node = simplified(builder, program.roots[0])
    found = infix(builder.freeze(), node, names(program), 100)
    values = {"x": 1.375, "h": 0.25, "y": 2.5}
    left, right = (tl.compile(t, inputs=[*program.input_names()]) for t in (found, text))
    point = [values[name] for name in program.input_names()]
    assert left(*point) == pytest.approx(right(*point), rel=1e-14)
    assert len(found) <= len(shown) + 12, found


def test_a_form_that_grows_too_large_is_left():
    program = read("(a + b + c + d + e)**8 - a")
    builder = Builder(program.graph)
    with pytest.raises(TooLargeError):
        form_of(builder, program.roots[0])
    assert simplified(builder, program.roots[0]) == program.roots[0]


@pytest.mark.parametrize(
    ("text", "ranges", "positive"),
    [
        ("x", {"x": (1.0, 2.0)}, True),
        ("x", {"x": (0.0, 2.0)}, False),
        ("x + 1", {"x": (0.0, math.inf)}, True),
        ("x*y", {"x": (-3.0, -1.0), "y": (-2.0, -1.0)}, True),
        ("x/y", {"x": (1.0, 2.0), "y": (-1.0, 1.0)}, False),
        ("exp(x) + 1", {}, True),
        ("x**2 + 1", {}, True),
        ("x**2", {}, False),
        ("sqrt(x) + exp(-y) + 1", {}, True),
        ("1 - tanh(x)", {}, False),
        ("1 + x*y", {"x": (0.0, math.inf), "y": (0.0, math.inf)}, True),
        ("x - y", {"x": (3.0, 4.0), "y": (1.0, 2.0)}, True),
        ("max(x, 1)", {}, True),
        ("min(x, 1)", {}, False),
        ("where(x > 0, 2, 3)", {}, True),
        ("x - x + y", {"x": (0.0, math.inf)}, False),
    ],
)
def test_signs_are_proven_or_not(text, ranges, positive):
    program = read(text)
    signs = Signs(Builder(program.graph), program.inputs, ranges)
    assert signs.is_positive(program.roots[0]) is positive


def test_points_are_the_same_for_one_seed_and_inside_of_their_ranges():
    inputs = (Input("x"), Input("y", (2,)), Input("g", (), "cotangent", "out"))
    ranges = {"x": (1e-3, 1e3), "y": (0.0, math.inf), "g": (5.0, 6.0)}
    first, again = (list(islice(draw(inputs, ranges, "float64", 7), 200)) for _ in range(2))
    assert first == again
    assert first != list(islice(draw(inputs, ranges, "float64", 8), 200))
    columns = np.array(first).T
    assert ((columns[0] >= 1e-3) & (columns[0] <= 1e3)).all()
    assert (columns[1:3] >= 0).all()
    assert columns[0].min() < 1e-2  # by magnitudes too
    assert columns[1].max() > 1e4
    assert (np.abs(columns[3]) < 10).all()  # a cotangent has no range, whatever is called like it
    neighbours = np.abs(columns[1] / columns[2] - 1)
    assert (neighbours < 1e-3).sum() > 10
    single = np.array(list(islice(draw(inputs, ranges, "float32", 7), 50)))
    assert (single == single.astype(np.float32)).all()


def test_ranges_that_a_float_does_not_hold():
    """What it holds of them is searched, without a warning of an overflow."""
    for given in ((0.0, 1e300), (-1e300, 1e300)):
        points = list(islice(draw([Input("x")], {"x": given}, "float32", 1), 40))
        assert all(given[0] <= x <= given[1] and math.isfinite(x) for (x,) in points)
    with np.errstate(all="raise"):
        [(beyond,)] = islice(draw([Input("x")], {"x": (1e200, 1e300)}, "float32", 1), 1)
    assert beyond == math.inf


def test_edges_hold_what_conventions_are_made_for():
    found = edges((Input("x"), Input("y")), {"y": (0.0, 3.0)}, [(0.5, 0.25)])
    first, second = map(set, zip(*found, strict=True))
    assert {0.0, 1.0, -1.0, math.inf, -math.inf, 1e200} <= first
    assert {0.0, 1.0, 3.0} <= second
    assert math.inf not in second
    assert any(x == y for x, y in found)
    assert any(math.isnan(x) for x, _ in found)


TEXTS = [
    "x*y + sin(x)/cosh(y)", "where(x < y, exp(x), y**3) + abs(x)", "max(x, y, 0.5)**0.5 - min(x, 1)",
    "erf(x)*gamma(y + 4) + besselj(0, x)", "tanh(x)*log1p(y**2) + floor(x)", "x**y + hypot(x, y) + x**1.5",
    "1/(1 + exp(-x)) + log(1 + exp(y)) + 1/cosh(x)**2 + exp(-x**2)", "pi*x + y/3 + atan2(x, y)",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_emulation_gives_what_the_kernel_gives_but_for_ulps(dtype):
    from tapeless.accuracy.search import _ready

    module = tl.compile_module({f"f{k}": text for k, text in enumerate(TEXTS)}, dtype=dtype)
    for k in range(len(TEXTS)):
        function = module[f"f{k}"]
        program = _ready(function.program, {})
        source = np.random.default_rng(k)
        lanes = source.uniform(0.1, 3.0, (program.lanes, 64)).astype(dtype)
        [result] = results_of(program, lanes, dtype)
        assert result.dtype == dtype
        assert np.max(bits(result, function(*lanes), dtype)) < 5, TEXTS[k]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bits_are_those_of_the_checks(dtype):
    values = np.array(
        [0.0, -0.0, 1.0, np.nextafter(np.array(1, dtype), 2), -1e-30, 1e30, math.inf, -2.5, math.nan], dtype
    )
    for truth in values:
        row = bits(values, np.full(len(values), truth, dtype), dtype)
        for value, found in zip(values, row, strict=True):
            assert found == pytest.approx(bits_of_error(float(value), float(truth), dtype)), (value, truth)


def test_a_sum_that_cancels_is_where_the_digits_go():
    program = read("exp(sqrt(x + 1) - 1)*y")
    samples = collect(program, {"x": (1e-9, 1e-6)}, "float64", 3, 24)
    found = local_errors(program.graph, program.roots, samples.lanes, "float64")
    worst = max(found, key=lambda node: found[node][0])
    assert program.graph.ops[worst] == "sub"
    assert found[worst][0] > 20
    others = [mean for node, (mean, _) in found.items() if node != worst]
    assert max(others, default=0) < 1


def test_points_outside_of_the_domain_are_kept_apart():
    program = read("sqrt(x) + y")
    samples = collect(program, {"x": (-1.0, 1.0)}, "float64", 3, 24)
    assert samples.points == 24
    assert (samples.lanes[0] >= 0).all()
    assert samples.outside.shape[1] > 3
    assert (samples.outside[0] < 0).all()
    assert not np.isnan(samples.truth).any()
    assert np.isnan(at_edges(program, {}, "float64", samples).truth).any()
