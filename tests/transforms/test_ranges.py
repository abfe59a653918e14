"""Intervals of nodes: what a primitive gives, exactly or computed, lies in the interval that is told of it."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

import tapeless as tl
from tapeless.api import compile_programs
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import OVER, PRIMITIVES
from tapeless.ir.program import Input, Output, finish
from tapeless.ir.special import NAMES as SPECIAL
from tapeless.options import Options
from tapeless.targets.reference import context, evaluate_nodes, number
from tapeless.transforms.ranges import RULES, Interval, lanes_of, ranges

LEAVES = {"input", "rational", "named", "true", "false"}
INNER = sorted(set(PRIMITIVES) - LEAVES - {"extern"})
SPANS = (1e-300, 1e-12, 0.3, 1.0, 2.0, 7.5, 40.0, 800.0)
ENDS = sorted({0.0, math.inf, -math.inf, *SPANS, *(-x for x in SPANS)})
TINY = 5e-324


def numbers_of(name):
    """How many arguments are numbers; a condition that comes before them is made of two more."""
    row = PRIMITIVES[name]
    return {"select": 4, "and": 4, "or": 4, "not": 2}.get(name, 3 if row.nary else len(row.args))


def program_of(name):
    """The primitive of inputs; what takes conditions takes comparisons of inputs."""
    builder = Builder()
    lanes = [builder.input(k) for k in range(numbers_of(name))]
    pairs = [builder.node("lt", pair) for pair in itertools.pairwise(lanes)][::2]
    if name == "select":
        node = builder.node(name, (pairs[0], lanes[2], lanes[3]))
    elif name in ("and", "or", "not"):
        node = builder.node(name, tuple(pairs[: 1 if name == "not" else 2]))
    else:
        node = builder.node(name, tuple(lanes))
    if name in OVER:
        node = builder.node(name, (lanes[0], builder.rational(1)))
    inputs = [Input(f"a{k}") for k in range(len(lanes))]
    return finish(name, inputs, [Output("y", (node,))], builder)


def interval(source, low, high):
    """An interval near where the function exists, or of any size and sign."""
    kind = source.randrange(4)
    if kind == 0:
        ends = sorted(source.uniform(low, high) for _ in range(2))
    elif kind == 1:
        ends = sorted(source.choice(ENDS) for _ in range(2))
    elif kind == 2:
        ends = sorted((round(source.uniform(low, high)), source.choice(ENDS)))
    else:
        ends = [source.choice((TINY, 0.0, 1.0)), source.choice((1.0, 3.0, math.inf))]
    found = Interval(*map(float, ends))
    return found if found.low < math.inf and found.high > -math.inf else Interval(0.0, 1.0)


def points(source, where):
    """Numbers of an interval: its ends, near them, and in between."""
    low, high = max(where.low, -1e300), min(where.high, 1e300)
    low, high = min(low, high), max(low, high)
    yield low
    yield high
    yield low + (min(high, low + 1.0) - low) * source.random()
    yield high - (high - max(low, high - 1.0)) * source.random()
    if low <= 0 <= high:
        yield 0.0


def samples_of(name):
    row = PRIMITIVES[name]
    count = numbers_of(name)
    return [row.samples[k % len(row.samples)] if row.samples else (-3.0, 3.0) for k in range(count)]


def test_every_primitive_has_a_rule():
    assert set(RULES) == set(PRIMITIVES)


@pytest.mark.parametrize("name", INNER)
def test_values_lie_in_the_interval(name):
    source = random.Random(name)
    program = program_of(name)
    graph, [root] = program.graph, program.roots
    ctx = context(60)
    whole = PRIMITIVES[name].whole
    for _ in range(6 if name in SPECIAL else 40):
        given = [interval(source, *sample) for sample in samples_of(name)]
        for k, argument in enumerate(PRIMITIVES[name].args):
            if argument in whole:
                low = float(source.randint(0, 3))
                given[k] = Interval(low, low)
        known = ranges(graph, dict(enumerate(given)))[root]
        sets = [list(points(source, where)) for where in given]
        for _ in range(6):
            point = [source.choice(numbers) for numbers in sets]
            if name in SPECIAL and max(map(abs, point)) > 50:
                continue  # mpmath takes minutes there
            [value] = evaluate_nodes(graph, [root], [number(ctx, x) for x in point], ctx)
            where = (name, given, known, point, value)
            if isinstance(known, Interval):
                if ctx.isnan(value):
                    assert known.nan or name in OVER, where  # those: infinity over infinity in mpmath
                elif ctx.isinf(value):
                    assert known.pole or name in (
                        "exp",
                        "exp2",
                        "exp_gap",
                        "expm1",
                        "cosh",
                        "sinh",
                        "gamma",
                        "pow",
                        "powm1",
                    ), where
                    assert known.high == math.inf if value > 0 else known.low == -math.inf, where
                else:
                    slack = 10 * ctx.mpf(TINY)  # ends below the normal numbers are rounded
                    assert known.low - slack <= value <= known.high + slack, where
            else:
                assert known is None or known is bool(value), where


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_computed_values_lie_in_the_interval(dtype):
    """What kernels give, rounded and with underflow: one module of all elementary primitives."""
    names = [n for n in INNER if n not in SPECIAL | {"select", "and", "or", "not"} and n not in OVER]
    names = [n for n in names if not PRIMITIVES[n].boolean]
    programs = [program_of(name) for name in names]
    module = compile_programs(programs, Options(dtype=dtype), "all")
    source = random.Random(7)
    kind = np.dtype(dtype).type
    largest = float(np.finfo(dtype).max)
    for name, program in zip(names, programs, strict=True):
        for _ in range(60):
            given = []
            for sample in samples_of(name):
                where = interval(source, *sample)
                ends = [float(kind(np.clip(end, -largest, largest))) for end in where[:2]]
                given.append(Interval(*ends) if ends[0] or where.low <= 0 else Interval(TINY, max(ends)))
            known = ranges(program.graph, dict(enumerate(given)))[program.roots[0]]
            sets = [[float(kind(x)) for x in points(source, where)] for where in given]
            sets = [
                [x for x in row if where.low <= x <= where.high]
                for row, where in zip(sets, given, strict=True)
            ]
            if not all(sets):
                continue
            for _ in range(8):
                point = [source.choice(numbers) for numbers in sets]
                value = float(getattr(module, name)(*point))
                if math.isnan(value):
                    continue  # infinities that came of overflow: see the test above
                assert known.low <= value <= known.high, (name, given, known, point, value)


def interval_in(text, **given):
    program = tl.api.read(text)
    lanes = lanes_of(program, tuple(given.items()))
    return ranges(program.graph, lanes)[program.roots[0]]


def test_what_is_positive_stays_so_where_nothing_underflows():
    positive = (TINY, math.inf)
    for text in (
        "x + y",
        "sqrt(x)",
        "2*x",
        "tanh(x)",
        "abs(x)",
        "max(x, y)",
        "hypot(x, 0*y)",
        "x*(1 + y**2)",
    ):
        assert interval_in(text, x=positive, y=(0.0, math.inf)).positive, text
    for text in ("x/2", "x*y", "x**2", "exp(-x)", "x - y", "1/x"):
        found = interval_in(text, x=positive, y=positive)
        assert not found.positive, text


def test_small_numbers_are_zero_in_float32():
    assert not interval_in("x**2", x=(1e-30, 1.0)).positive
    assert interval_in("x**2", x=(1e-15, 1.0)).positive


def test_functions_may_round_beyond_their_limits():
    assert interval_in("sin(x)").high > 1
    assert interval_in("cosh(x)").low < 1
    assert interval_in("sqrt(x)", x=(1.0, 4.0))[:2] == (1.0, 2.0)  # exact operations do not


def test_ranges_of_shaped_inputs_hold_for_each_element():
    program = tl.api.read("f(x[3]) = abs(x[0]) + x[1] + x[2]")
    assert set(lanes_of(program, (("x", (0.0, 1.0)),))) == {0, 1, 2}
