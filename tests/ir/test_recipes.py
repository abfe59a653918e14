"""Functions written in primitives: the right value over the whole domain, ties and infinities included."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import scipy.special

from tapeless.errors import UnsupportedError
from tapeless.ir import recipes
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.reference import evaluate


def value(recipe, *args):
    b = Builder()
    node = recipe(b, *(b.input(k) for k in range(len(args))))
    names = [f"x{k}" for k in range(len(args))]
    program = finish("f", [Input(name) for name in names], [Output("out", (node,))], b)
    [found] = evaluate(program, dict(zip(names, args, strict=True)), 30)
    return float(found)


@pytest.mark.parametrize(
    ("recipe", "args", "expected"),
    [
        (recipes.mod, (5.0, 0.1), 0.09999999999999973),
        (recipes.mod, (1e17, 3.0), 1.0),
        (recipes.mod, (-7.5, 2.0), 0.5),
        (recipes.mod, (7.5, -2.0), -0.5),
        (recipes.mod, (-6.0, 3.0), 0.0),
        (recipes.floor_divide, (5.0, 0.1), 49.0),
        (recipes.floor_divide, (-7.5, 2.0), -4.0),
        (recipes.floor_divide, (7.5, -2.0), -4.0),
        (recipes.floor_divide, (-6.0, 3.0), -2.0),
        (recipes.frac, (-0.25,), 0.75),
        (recipes.heaviside, (0.0, 0.75), 0.75),
        (recipes.heaviside, (2.0, 0.75), 1.0),
        (recipes.heaviside, (0.0,), 0.5),
        (recipes.sinc, (0.0,), 1.0),
        (recipes.sinc, (2.0,), math.sin(2) / 2),
        (recipes.normalised_sinc, (0.0,), 1.0),
        (recipes.normalised_sinc, (0.5,), 2 / math.pi),
        (recipes.acot, (0.0,), math.pi / 2),
        (recipes.reciprocal_of("cos"), (1.0,), 1 / math.cos(1)),
        (recipes.of_reciprocal("acos"), (2.0,), math.acos(0.5)),
        (recipes.logaddexp, (0.3, 0.3), 0.3 + math.log(2)),
        (recipes.logaddexp, (-math.inf, -math.inf), -math.inf),
        (recipes.logaddexp, (math.inf, math.inf), math.inf),
        (recipes.logaddexp, (-math.inf, 3.0), 3.0),
        (recipes.logaddexp2, (-math.inf, -math.inf), -math.inf),
        (recipes.logaddexp2, (1.0, 1.0), 2.0),
        (recipes.expit, (-800.0,), math.exp(-400) ** 2),
        (recipes.log_expit, (-800.0,), -800.0),
        (recipes.ndtr, (1.5,), float(scipy.special.ndtr(1.5))),
        (recipes.degrees, (math.pi,), 180.0),
        (recipes.radians, (180.0,), math.pi),
        (recipes.erf2, (0.5, 1.5), math.erf(1.5) - math.erf(0.5)),
        (recipes.factorial, (4.0,), 24.0),
    ],
)
def test_a_recipe_has_its_value(recipe, args, expected):
    assert value(recipe, *args) == pytest.approx(expected, rel=1e-13, abs=1e-300)


def test_clip_takes_either_bound_or_none():
    for low, high, expected in [(None, None, 5), (6, None, 6), (None, 4, 4), (7, 4, 4)]:
        b = Builder()
        bounds = [None if bound is None else b.rational(bound) for bound in (low, high)]
        assert b.rational_value(recipes.clip(b, b.rational(5), *bounds)) == expected


@pytest.mark.parametrize("truths", [(p, q, r) for p in (0, 1) for q in (0, 1) for r in (0, 1)])
def test_connectives(truths):
    b = Builder()
    nodes = [b.boolean(bool(truth)) for truth in truths]
    assert recipes.xor(b, *nodes) == b.boolean(sum(truths) % 2 == 1)
    assert recipes.same(b, *nodes) == b.boolean(len(set(truths)) == 1)


@pytest.mark.parametrize("base", [1, 0, -3, Fraction(-1, 2)])
def test_there_is_no_logarithm_to_such_a_base(base):
    b = Builder()
    with pytest.raises(UnsupportedError, match=f"no logarithm to the base {base}"):
        recipes.log(b, b.input(0), b.rational(base))


def test_logarithms_to_a_base():
    b = Builder()
    x = b.input(0)
    assert recipes.log(b, x, b.rational(2)) == b.call("log2", x)
    assert recipes.log(b, x, b.rational(10)) == b.call("log10", x)
    assert b.ops[recipes.log(b, x, b.rational(3))] == "div"


def test_a_constant_divisor_costs_one_comparison():
    b = Builder()
    node = recipes.mod(b, b.input(0), b.rational(3))
    ops = finish("f", [Input("x")], [Output("out", (node,))], b).graph.ops
    assert [ops.count(op) for op in ("lt", "and", "or", "select")] == [1, 0, 0, 1]
