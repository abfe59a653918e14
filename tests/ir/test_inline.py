"""A program within another computes the same, and what is constant there folds."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest

from tapeless.ir.graph import Builder
from tapeless.ir.inline import inline
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.reference import evaluate


def inner_program():
    b = Builder()
    x, y = b.input(0), b.input(1)
    b.call("tan", y)  # what no output needs
    choice = b.select(b.compare("lt", b.rational(1), x), b.mul(x, y), b.mul(b.named("pi"), b.maximum(x, y)))
    outputs = [Output("out", (choice,)), Output("other", (b.sub(x, y),))]
    return finish("inner", [Input("x"), Input("y")], outputs, b, compact=False)


@pytest.mark.parametrize("at", [Fraction(1, 3), Fraction(-5, 2), Fraction(7)])
def test_a_grafted_program_has_its_values(at):
    inner = inner_program()
    b = Builder()
    a = b.input(0)
    nodes = inline(b, inner, [b.add(a, b.rational(1)), b.mul(a, a)])
    outer = finish("outer", [Input("a")], [Output(f"o{k}", (node,)) for k, node in enumerate(nodes)], b)
    expected = evaluate(inner, {"x": at + 1, "y": at * at}, 30)
    found = evaluate(outer, {"a": at}, 30)
    assert all(mpmath.almosteq(one, two) for one, two in zip(found, expected, strict=True))


def test_what_no_output_needs_stays_behind():
    b = Builder()
    inline(b, inner_program(), [b.input(0), b.input(1)])
    assert "tan" not in b.ops


def test_constants_fold_where_they_arrive():
    b = Builder()
    first, second = inline(b, inner_program(), [b.rational(2), b.rational(3)])
    assert (b.rational_value(first), b.rational_value(second)) == (6, -1)


def test_a_function_outside_the_table_comes_along():
    function = Extern("f", "module:f")
    b = Builder()
    inner = finish("inner", [Input("x")], [Output("out", (b.extern(function, b.input(0)),))], b)
    outer = Builder()
    lane = outer.input(5)
    [node] = inline(outer, inner, [lane])
    assert node == outer.extern(function, lane)
