"""The builder: what is equal is one node, and no identity changes a value or opens a domain."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.ir.graph import Builder
from tapeless.ir.notation import infix
from tapeless.ir.program import Input, Output, compacted, finish


@pytest.fixture
def b():
    return Builder()


def write(b, node, names="xyz"):
    return infix(b.freeze(), node, dict(enumerate(names)), 1000)


def test_equal_nodes_are_one_node(b):
    x, y = b.input(0), b.input(1)
    assert b.add(x, y) == b.add(y, x)
    assert b.mul(x, y) == b.mul(y, x)
    assert b.call("sin", x) == b.call("sin", x)
    assert b.sub(x, y) != b.sub(y, x)


def test_arguments_come_before_their_users(b):
    x = b.input(0)
    b.div(b.call("exp", b.mul(x, x)), b.add(x, b.rational(3)))
    graph = b.freeze()
    assert all(arg < node for node, args in enumerate(graph.args) for arg in args)


def test_rationals_fold_exactly(b):
    third = b.rational(Fraction(1, 3))
    assert b.rational_value(b.add(third, third)) == Fraction(2, 3)
    assert b.rational_value(b.pow(third, b.rational(-3))) == 27
    assert b.rational_value(b.call("sqrt", b.rational(Fraction(9, 4)))) == Fraction(3, 2)
    assert b.rational_value(b.call("cbrt", b.rational(-27))) == -3
    assert b.ops[b.call("sqrt", b.rational(2))] == "sqrt"
    assert b.ops[b.call("sqrt", b.rational(-4))] == "sqrt", "no real root: left for NaN"


def test_huge_rationals_are_left_as_operations(b):
    assert b.ops[b.pow(b.rational(3), b.rational(10**9))] == "pow"
    big = b.rational(Fraction(1, 10**600))
    assert b.ops[b.mul(big, big)] == "mul"


def test_division_by_a_power_of_two_is_a_product_any_other_stays(b):
    x = b.input(0)
    assert write(b, b.div(x, b.rational(4))) == "0.25*x"
    assert write(b, b.div(x, b.rational(3))) == "x/3"


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda b, x, y: b.add(x, b.neg(y)), "x - y"),
        (lambda b, x, y: b.sub(x, b.neg(y)), "x + y"),
        (lambda b, x, y: b.neg(b.sub(x, y)), "-(x - y)"),
        (lambda b, x, y: (b.sub(y, x), b.neg(b.sub(x, y)))[1], "y - x"),
        (lambda b, x, y: (b.div(b.rational(1), y), b.div(x, y))[1], "x*(1/y)"),
        (lambda b, x, y: b.mul(b.mul(b.rational(2), x), b.mul(b.rational(3), y)), "6*(x*y)"),
        (lambda b, x, y: b.mul(b.mul(b.rational(2), x), y), "2*x*y"),
        (lambda b, x, y: b.mul(b.neg(x), b.neg(y)), "x*y"),
        (lambda b, x, y: b.mul(x, b.mul(x, x)), "x**3"),
        (lambda b, x, y: b.mul(b.rational(2), b.mul(b.rational(3), x)), "6*x"),
        (lambda b, x, y: b.pow(b.neg(x), b.rational(2)), "x**2"),
        (lambda b, x, y: b.pow(x, b.rational(Fraction(1, 2))), "sqrt(x)"),
        (lambda b, x, y: b.div(x, b.div(b.rational(1), y)), "x*y"),
        (lambda b, x, y: b.call("sin", b.neg(x)), "-sin(x)"),
        (lambda b, x, y: b.call("cos", b.neg(x)), "cos(x)"),
        (lambda b, x, y: b.call("log", b.call("exp", x)), "x"),
        (lambda b, x, y: b.pow(b.named("e"), x), "exp(x)"),
        (lambda b, x, y: b.maximum(x, b.maximum(y, b.rational(0)), b.rational(-1)), "max(x, y, 0)"),
        (lambda b, x, y: b.select(b.compare("lt", x, y), x, x), "x"),
    ],
)
def test_identities(b, build, text):
    assert write(b, build(b, b.input(0), b.input(1))) == text


def _over_itself(b, node):
    return b.div(node, node)


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda b, x: b.call("exp", b.call("log", x)), "NaN for x < 0"),
        (lambda b, x: b.pow(b.call("sqrt", x), b.rational(2)), "NaN for x < 0"),
        (lambda b, x: b.sub(b.call("log", x), b.call("log", x)), "NaN for x < 0"),
        (lambda b, x: b.mul(b.rational(0), b.call("log", x)), "NaN for x < 0"),
        (lambda b, x: b.pow(b.call("log", x), b.rational(0)), "NaN for x < 0"),
        (lambda b, x: b.div(b.call("sqrt", x), b.call("sqrt", x)), "NaN for x < 0"),
        (lambda b, x: _over_itself(b, b.maximum(x, b.rational(0))), "NaN for x < 0"),
        (lambda b, x: _over_itself(b, b.call("floor", x)), "NaN for 0 <= x < 1"),
        (lambda b, x: b.div(b.rational(0), b.maximum(x, b.rational(0))), "NaN for x < 0"),
        (lambda b, x: b.div(b.sub(x, x), b.sub(x, x)), "0/0 everywhere"),
        (lambda b, x: b.pow(b.rational(1), b.call("log", x)), "NaN for x < 0"),
        (lambda b, x: b.call("sqrt", b.pow(x, b.rational(2))), "abs(x), not x"),
        (lambda b, x: b.pow(b.pow(x, b.rational(2)), b.rational(Fraction(1, 2))), "abs(x), not x"),
    ],
)
def test_no_identity_opens_a_domain(b, build, why):
    x = b.input(0)
    node = build(b, x)
    assert node != x, why
    assert b.rational_value(node) is None, why


def test_not_is_logical_and_never_turns_a_comparison_round(b):
    x, y = b.input(0), b.input(1)
    less = b.compare("lt", x, y)
    assert write(b, b.not_(less)) == "not x < y"
    assert b.not_(less) != b.compare("ge", x, y)
    assert b.not_(b.not_(less)) == less
    assert b.not_(b.compare("eq", x, y)) == b.compare("ne", x, y)


def conditions(depth=3):
    atom = st.integers(0, 3)
    return st.recursive(
        atom,
        lambda inner: st.one_of(
            st.tuples(st.just("not"), inner),
            st.tuples(st.sampled_from(["and", "or"]), inner, inner),
            st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
        ),
        max_leaves=12,
    )


@given(conditions())
def test_condition_algebra_keeps_the_truth_table(tree):
    b = Builder()
    atoms = [b.compare("lt", b.input(2 * k), b.input(2 * k + 1)) for k in range(4)]

    def build(t):
        if isinstance(t, int):
            return atoms[t]
        return b.call(t[0], *map(build, t[1:]))

    def truth(t, world):
        if isinstance(t, int):
            return world[t]
        values = [truth(arg, world) for arg in t[1:]]
        return not values[0] if t[0] == "not" else (all if t[0] == "and" else any)(values)

    root = build(tree)
    for bits in range(16):
        world = [bool(bits >> k & 1) for k in range(4)]
        values = {}
        for node, (op, args) in enumerate(zip(b.ops, b.args, strict=True)):
            if node in atoms:
                values[node] = world[atoms.index(node)]
            elif op in ("true", "false"):
                values[node] = op == "true"
            elif op in ("and", "or"):
                values[node] = (all if op == "and" else any)(values[a] for a in args)
            elif op == "not":
                values[node] = not values[args[0]]
        assert values[root] == truth(tree, world)


def test_complements_and_absorption(b):
    c, d = (b.compare("lt", b.input(k), b.input(k + 2)) for k in range(2))
    assert b.or_(c, b.not_(c)) == b.boolean(True)
    assert b.and_(c, b.not_(c)) == b.boolean(False)
    assert b.or_(c, b.and_(c, d)) == c
    assert b.or_(b.and_(c, d), b.and_(c, b.not_(d))) == c
    assert b.and_(c, b.or_(c, d)) == c


def test_a_condition_that_is_implied_is_left_out(b):
    """Of a < b and not b <= a, which a NaN makes true, the first is the stricter one."""
    x, y, z = (b.input(k) for k in range(3))
    less, not_more = b.compare("lt", x, y), b.not_(b.compare("le", y, x))
    assert b.and_(not_more, less) == less
    assert b.or_(less, not_more) == not_more
    other = b.compare("lt", x, z)
    assert b.and_(less, not_more, other) == b.and_(less, other)
    assert b.and_(other, not_more) != other


def test_the_number_of_an_input_is_not_its_value(b):
    """Lane 0 is not the rational 0, nor lane 1 the rational 1."""
    x, y, z = (b.input(k) for k in range(3))
    for first in (x, y, z):
        for op, sign in (("pow", "**"), ("div", "/"), ("mul", "*"), ("add", " + "), ("sub", " - ")):
            if first != z:
                assert write(b, b.call(op, first, z)) == f"{'xyz'[first]}{sign}z"
    assert write(b, b.div(x, b.div(y, z))) == "x/(y/z)"


def test_factors_are_merged_only_while_they_stay_tame(b):
    x, y = b.input(0), b.input(1)
    huge, tiny = b.rational(10**200), b.rational(Fraction(1, 10**200))
    assert write(b, b.mul(huge, b.mul(huge, x))) == "1e200*(1e200*x)"
    assert write(b, b.mul(b.mul(tiny, x), b.mul(tiny, y))) == "1e-200*x*(1e-200*y)"
    assert write(b, b.mul(b.rational(1000), b.mul(b.rational(Fraction(1, 8)), x))) == "125*x"


def test_repeated_factors_stay_short(b):
    node, factor = b.input(0), b.rational(Fraction(1.01))
    for _ in range(1000):
        node = b.mul(factor, node)
    assert max(p.denominator.bit_length() for p in b.payloads if isinstance(p, Fraction)) <= 256


def test_long_sums_are_pairwise_short_ones_as_written(b):
    xs = [b.input(k) for k in range(64)]
    total = b.sum(xs)
    depth = {}
    for node, args in enumerate(b.args):
        depth[node] = 1 + max((depth[a] for a in args), default=-1)
    assert depth[total] == 6
    assert write(b, b.sum(xs[:3])) == "x + y + z"


def test_deep_chains_need_no_recursion(b):
    x = b.input(0)
    node = x
    for _ in range(50_000):
        node = b.call("sin", b.mul(node, x))
    graph = b.freeze()
    assert len(graph.reachable([node])) == len(graph)


def test_builders_continue_graphs_with_the_same_ids(b):
    x = b.input(0)
    node = b.mul(b.rational(3), b.call("exp", x))
    again = Builder(b.freeze())
    assert again.mul(again.rational(3), again.call("exp", again.input(0))) == node


def test_compaction_drops_what_no_output_needs(b):
    x, y = b.input(0), b.input(1)
    b.call("sin", y)
    program = finish("f", [Input("x"), Input("y")], [Output("out", (b.mul(x, x),))], b, compact=False)
    small = compacted(program)
    assert len(small.graph) < len(program.graph)
    assert infix(small.graph, small.roots[0], {0: "x"}, 100) == "x**2"
    assert small.digest() == program.digest()


def test_digest_tells_functions_apart(b):
    x, y = b.input(0), b.input(1)
    inputs = [Input("x"), Input("y")]
    digests = {
        finish(name, inputs, [Output(out, (node,))], b).digest()
        for name in ("f", "g")
        for out in ("out", "z")
        for node in (b.sub(x, y), b.sub(y, x), b.rational(Fraction(1, 3)))
    }
    assert len(digests) == 12
