"""The table of identities: both sides are the same function, and neither exists where the other does not."""

from __future__ import annotations

import random
import re

import pytest

from tapeless.accuracy import identities
from tapeless.accuracy.identities import Remainder, alternatives, expansions, variables
from tapeless.accuracy.signs import Signs
from tapeless.api import read
from tapeless.ir.graph import Builder
from tapeless.targets.reference import context_of_bits, evaluate_nodes, number

BITS = 400
CLOSE = 2.0**-250
BOTH = (-3.0, 3.0)
CASES = {
    "normal form": ["1/(x + 1) - 2/x + 1/(x - 1)", "(x + y)**2 - x**2", "1/sqrt(x) - 1/sqrt(y)"],
    "conjugate": ["sqrt(x) - sqrt(y)", "sqrt(x**2 + y) - x", "x + sqrt(x**2 - y)", "2*sqrt(x) - 3*y"],
    "cubes": ["cbrt(x) - cbrt(y)", "x**(1/3) - y**(1/3)", "cbrt(x) - 2"],
    "squares": ["tan(x)**2 - sin(y)**2", "exp(x)**4 - sin(y)**2"],
    "powers": ["x**0.3 - y**0.3", "3*x**0.7 - 3*y**0.7"],
    "common factor": ["x*sin(y) - x*cos(y)", "x/exp(y) - y/exp(y)", "x*y - x", "x - x*y"],
    "order": ["sin(x) + exp(y) - sin(y)", "log(x) + y - log(y)"],
    "sines": ["sin(x) - sin(y)", "sin(x) + sin(y)", "2*sin(y) - 2*sin(x + y)"],
    "cosines": ["cos(x) - cos(y)", "cos(x) + cos(y)"],
    "tangents": ["tan(x) - tan(y)"],
    "hyperbolic": ["sinh(x) - sinh(y)", "cosh(x) - cosh(y)"],
    "exponentials": ["exp(x) - exp(y)", "exp(x) - exp(-x)", "expm1(x) - expm1(y)", "3*exp(y) - 3*exp(x)"],
    "hyperbolic cosine": ["exp(x) - 2 + exp(-x)", "cosh(x) - 1", "expm1(x) + expm1(-x)", "3*cosh(x) + y - 3"],
    "less one": ["cos(x) - 1", "2 - 2*cos(x)", "exp(x) - 1", "1 - erf(x)", "tanh(x) - 1", "1 - tanh(x)"],
    "logarithms": ["log(x) - log(y)", "log1p(x) - log1p(y)"],
    "near one": ["log(x/y)", "log((1 + x)/(1 - x))"],
    "arc cosine": ["acos(1 - x*y)", "acos(1 - x)"],
    "area cosine": ["acosh(1 + x)", "acosh(x/y)"],
    "arc tangents": ["atan(x) - atan(y)"],
    "area tangents": ["atanh(x) - atanh(y)"],
    "growth": ["(1 + x)**y - 1", "(1 + x/y)**y", "2 - 2*(1 + x)**y"],
}


def forms(text, ranges=None):
    """Return builder, root and alternatives of a formula as written: nothing of it is simplified."""
    program = read(text)
    builder = Builder(program.graph)
    [root] = program.roots
    signs = Signs(builder, program.inputs, ranges or {})
    return program, builder, root, list(alternatives(builder, root, signs))


def points(program, count=60, seed=3):
    source = random.Random(seed)
    found = [[source.uniform(*BOTH) for _ in range(program.lanes)] for _ in range(count)]
    return found + [[x, *[x * (1 + 1e-9)] * (program.lanes - 1)] for x, *_ in found[:20]]


def agree(builder, root, other, rows):
    """Count the points at which both sides are the same number; fail where they are not the same."""
    graph, ctx = builder.freeze(), context_of_bits(BITS)
    equal = 0
    for row in rows:
        left, right = evaluate_nodes(graph, [root, other], [number(ctx, x) for x in row], ctx)
        if ctx.isnan(left) or ctx.isnan(right):
            assert ctx.isnan(left), (row, left, right)
            assert ctx.isnan(right), (row, left, right)
            continue
        scale = max(abs(left), abs(right), ctx.mpf(2) ** -60)
        assert abs(left - right) <= scale * CLOSE, (row, left, right)
        equal += 1
    return equal


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in CASES.items() for text in texts])
def test_both_sides_are_the_same_function_on_the_same_domain(name, text):
    program, builder, root, found = forms(text)
    assert name in {made.name for made in found}
    for made in found:
        assert agree(builder, root, made.node, points(program)) > 5, made


def test_every_row_of_the_table_is_tried():
    table = identities.__doc__.split("====\n")[2]
    rows = set(re.findall(r"^(\w[\w ]*?)  ", table, re.MULTILINE))
    assert rows == {*CASES, "series", "regimes"}


def test_an_identity_with_a_condition_is_guarded_unless_the_ranges_prove_it():
    def plain(text, **ranges):
        return [made for made in forms(text, ranges)[3] if made.name == "logarithms" and not made.near]

    assert not plain("log(x) - log(y)")
    assert not plain("log(x) - log(y)", x=(1.0, 2.0))
    assert plain("log(x) - log(y)", x=(1.0, 2.0), y=(0.5, 4.0))


def test_a_domain_that_would_be_lost_is_kept_by_a_guard():
    # Over the reals log(y) cancels; for y < 0 there is still no number.
    found = forms("x*(log(y) + 1) - x*log(y)")[3]
    normal = [made for made in found if made.name == "normal form"]
    assert normal
    assert all(made.near for made in normal)


SERIES = [
    "x - sin(x)", "exp(x) - 1 - x", "1/x - 1/tan(x)", "sqrt(1 + x) - 1 - x/2", "log1p(x) - x", "atan(x) - tanh(x)",
    "asin(x) - x", "cosh(x) - cos(x)", "(1 + x)**(1/3) - 1 - x/3", "expit(x) - 0.5 - x/4", "asinh(x) - atanh(x)",
    "exp(-x**2) - 1/(1 + x**2)", "sech(x)**2 - cos(x)",
]  # fmt: skip


@pytest.mark.parametrize("text", SERIES)
def test_a_series_leaves_out_less_than_a_rounding(text):
    _, builder, root, _ = forms(text.replace("expit(x)", "1/(1 + exp(-x))").replace("sech(x)", "(1/cosh(x))"))
    [variable] = [v for v in variables(builder, root) if builder.ops[v] == "input"]
    found = list(expansions(builder, root, variable, root, Remainder(2.0**-57, 0.0)))
    assert found
    graph, ctx = builder.freeze(), context_of_bits(BITS)
    for made in found:
        reach = float(builder.rational_value(builder.args[made.when][1]))
        for part in (1e-9, 0.01, 0.3, 0.7, 0.999, -0.5, -0.999):
            left, right = evaluate_nodes(graph, [root, made.form], [ctx.mpf(part * reach)], ctx)
            assert abs(left - right) <= abs(left) * 2.0**-55, (made, part)


def test_nothing_is_expanded_that_has_no_series_in_rationals():
    for text in ("exp(x) - 3*x", "sin(x + 1)", "log(x)", "abs(x) - x**2", "sqrt(x) - x", "x*y - sin(x)"):
        program, builder, root, _ = forms(text)
        inputs = [n for n in range(len(program.graph)) if builder.ops[n] == "input"]
        if text != "exp(x) - 3*x":
            assert not list(expansions(builder, root, inputs[0], root, Remainder(2.0**-57, 0.0))), text
    # A polynomial is its own series.
    _, builder, root, _ = forms("x**3 - 2*x")
    assert not list(expansions(builder, root, 0, root, Remainder(2.0**-57, 0.0)))


def test_a_variable_is_what_all_goes_through():
    _, builder, root, _ = forms("exp(x*y) - 1 - x*y")
    [variable] = variables(builder, root)
    assert builder.ops[variable] == "mul"
    _, builder, root, _ = forms("exp(x*y) - y")
    assert not variables(builder, root)
