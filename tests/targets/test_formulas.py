"""Program to sympy: what people read, the same value, and no crash at any depth."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational

from tapeless.frontend.symbolic import Argument, Result, program_from_sympy
from tapeless.frontend.vocabulary import PRIMITIVE_OF
from tapeless.ir.graph import NAMED_CONSTANTS, Builder
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.formulas import formulas
from tapeless.targets.reference import evaluate

NAMES = ("x", "y", "z")
x, y, z = symbols = sympy.symbols("x y z", real=True)
ARGUMENTS = [Argument(name, (symbol,)) for name, symbol in zip(NAMES, symbols, strict=True)]


def convert(formula):
    return program_from_sympy([Result("out", (formula,))], ARGUMENTS, "f")


def built(build):
    """The program of what `build` makes of a builder and three inputs."""
    b = Builder()
    node = build(b, *(b.input(k) for k in range(3)))
    return finish("f", [Input(name) for name in NAMES], [Output("out", (node,))], b)


def shown(build):
    return str(formulas(built(build))["out"])


# ---- readable: what people write comes out as they wrote it


@pytest.mark.parametrize(
    "formula",
    [
        x * y + z,
        x - y,
        -x + y,
        -2 * x + y - 1,
        x / 2,
        2 * x / 3,
        x / 3,
        x / (y * z),
        -x / (2 * y),
        -y * sympy.sin(x),
        x**-2,
        1 / sympy.sqrt(x * y),
        x ** Rational(1, 3),
        x ** (-y),
        2**x,
        x**2 / y**3,
        1 / (1 + sympy.exp(-x)),
        sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi),
        x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
        sympy.exp(-x - y),
        sympy.Piecewise((x, x > 0)),
        sympy.Piecewise((x, x > 0), (y, sympy.And(x < -1, y > 0)), (z, True)),
        sympy.Piecewise((x, sympy.Or(sympy.Eq(x, y), x <= z)), (y, True)),
        sympy.Max(x, y, 3) - sympy.Min(x, z),
        sympy.besselj(0, x) + sympy.gamma(y) + sympy.loggamma(z),
        sympy.Heaviside(x) + sympy.sign(y) * sympy.floor(z),
        sympy.Abs(x) * sympy.atan2(y, x) * sympy.EulerGamma,
        sympy.tanh(x) ** 2 + sympy.acosh(y),
        -sympy.oo,
    ],
    ids=str,
)
def test_a_formula_comes_back_as_it_was(formula):
    assert formulas(convert(formula))["out"] == formula


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda b, p, q, r: b.mul(p, q), "x*y"),
        (lambda b, p, q, r: b.neg(b.mul(p, b.call("sin", q))), "-x*sin(y)"),
        (lambda b, p, q, r: b.div(p, b.mul(q, r)), "x/(y*z)"),
        (lambda b, p, q, r: b.div(b.div(p, q), r), "x/(y*z)"),
        (lambda b, p, q, r: b.sub(p, b.add(q, r)), "x - y - z"),
        (lambda b, p, q, r: b.div(p, b.call("sqrt", q)), "x/sqrt(y)"),
        (lambda b, p, q, r: b.select(b.compare("lt", p, q), p, b.named("nan")), "Piecewise((x, x < y))"),
        (
            lambda b, p, q, r: b.select(b.not_(b.compare("lt", p, q)), p, r),
            "Piecewise((z, x < y), (x, True))",
        ),
        (lambda b, p, q, r: b.compare("gt", p, b.rational(0)), "x > 0"),
    ],
)
def test_signs_and_reciprocals_stand_where_people_write_them(build, text):
    assert shown(build) == text


# ---- faithful: nothing is cancelled, expanded or distributed


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda b, p, q, r: b.mul(b.rational(Fraction(1, 10)), b.sub(p, q)), "(x - y)/10"),
        (lambda b, p, q, r: b.call("exp", b.call("log", p)), "exp(log(x))"),
        (lambda b, p, q, r: b.sub(b.call("log", p), b.call("log", p)), "-log(x) + log(x)"),
        (lambda b, p, q, r: b.pow(b.call("sqrt", p), b.rational(2)), "(sqrt(x))**2"),
        (lambda b, p, q, r: b.call("sqrt", b.pow(p, b.rational(2))), "sqrt(x**2)"),
        (lambda b, p, q, r: b.mul(b.rational(0), b.call("log", p)), "0*log(x)"),
        (lambda b, p, q, r: b.maximum(p, b.add(p, b.rational(1))), "Max(x, x + 1)"),
    ],
)
def test_nothing_is_evaluated(build, text):
    assert shown(build) == text


# ---- the same value


@pytest.mark.parametrize("op", sorted(PRIMITIVE_OF.values()))
def test_every_function_of_the_table_has_a_name_in_sympy(op):
    row = PRIMITIVES[op]
    program = built(lambda b, p, q, r: b.node(op, (p, q, r)[: 2 if row.nary else len(row.args)]))
    assert convert(formulas(program)["out"]) == program or op == "fma"


@pytest.mark.parametrize("name", NAMED_CONSTANTS)
def test_every_constant_has_a_name_in_sympy(name):
    program = built(lambda b, p, q, r: b.named(name))
    assert convert(formulas(program)["out"]).graph == program.graph


LEAVES = st.one_of(
    st.sampled_from([0, 1, 2]).map(lambda lane: ("input", lane)),
    st.fractions(-5, 5, max_denominator=7).map(lambda value: ("rational", value)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from("add sub mul div max min hypot atan2".split()), inner, inner),
        st.tuples(st.sampled_from("neg sqrt exp log sin tanh abs floor cbrt".split()), inner),
        st.tuples(st.just("power"), inner, st.sampled_from([-2, -1, 2, 3, Fraction(1, 2), Fraction(-3, 2)])),
        st.tuples(st.just("choice"), inner, inner, inner, inner),
    ),
    max_leaves=25,
)


def grow(b, tree):
    op, *args = tree
    if op == "input":
        return b.input(args[0])
    if op == "rational":
        return b.rational(args[0])
    if op == "power":
        return b.pow(grow(b, args[0]), b.rational(args[1]))
    nodes = [grow(b, arg) for arg in args]
    if op == "choice":
        return b.select(b.compare("lt", nodes[0], nodes[1]), nodes[2], nodes[3])
    return b.call(op, *nodes)


@given(TREES, st.tuples(*[st.fractions(-3, 3, max_denominator=9)] * 3))
def test_there_and_back_is_the_same_function(tree, point):
    program = built(lambda b, *_: grow(b, tree))
    back = convert(formulas(program)["out"])
    at = dict(zip(NAMES, point, strict=True))
    (expected,), (found,) = evaluate(program, at, 30), evaluate(back, at, 30)
    if not mpmath.isnan(expected):  # the way back may close a hole, never open one
        assert found == expected or mpmath.almosteq(found, expected, rel_eps=1e-12, abs_eps=1e-25)


# ---- large programs


def test_depth_is_no_limit():
    def deep(b, p, q, r):
        node = p
        for k in range(50_000):
            node = b.call("sin", node) if k % 3 else b.maximum(b.add(node, q), r)
        return node

    program = built(deep)
    first, second = formulas(program)["out"], formulas(program)["out"]
    assert hash(first) == hash(second)
    assert len(convert(first).graph) == len(program.graph)


def test_a_long_sum_and_a_long_choice_are_flat():
    def long(b, p, q, r):
        node = r
        for k in range(5_000):
            node = b.select(b.compare("lt", p, b.rational(k)), b.add(q, b.rational(k + 1)), node)
        return node

    assert len(formulas(built(long))["out"].args) == 5_001
    terms = sympy.symbols("t:5000")
    program = program_from_sympy(
        [Result("out", (sympy.Add(*terms, evaluate=False),))], [Argument("t", terms, (5000,))], "f"
    )
    assert len(formulas(program)["out"].args) == 5_000


def test_what_is_shared_stays_shared():
    def square(b, p, q, r):
        node = p
        for _ in range(200):
            node = b.mul(node, b.add(node, b.rational(1)))
        return node

    assert len(convert(formulas(built(square))["out"]).graph) < 8 * len(built(square).graph)


def test_what_has_other_users_is_written_for_each():
    b = Builder()
    p, q = b.input(0), b.input(1)
    both = b.mul(p, q)
    nodes = {"one": both, "two": b.add(b.mul(both, p), b.call("sin", both)), "three": b.neg(both)}
    program = finish(
        "f", [Input(name) for name in NAMES], [Output(name, (node,)) for name, node in nodes.items()], b
    )
    assert formulas(program) == {"one": x * y, "two": x * x * y + sympy.sin(x * y), "three": -x * y}
    program = finish("f", program.inputs, [Output("two", (nodes["two"],))], b)
    assert formulas(program) == {"two": x * x * y + sympy.sin(x * y)}
    program = finish("f", program.inputs, [Output("one", (both,)), Output("two", (nodes["three"],))], b)
    assert formulas(program) == {"one": x * y, "two": -x * y}


# ---- names and shapes


def test_names_and_shapes():
    hostile = 'x; system("touch x"); //'
    b = Builder()
    nodes = tuple(b.mul(b.input(k), b.input(4)) for k in range(4))
    inputs = [Input("m", (2, 2)), Input(hostile)]
    program = finish("f", inputs, [Output("v", nodes, (2, 2)), Output("s", nodes[:1])], b)
    found = formulas(program)
    h = sympy.Symbol(hostile, real=True)
    m = [[sympy.Symbol(f"m[{i}, {j}]", real=True) for j in range(2)] for i in range(2)]
    assert found["v"] == sympy.Array([[h * m[0][0], h * m[0][1]], [h * m[1][0], h * m[1][1]]])
    assert found["s"] == h * m[0][0]
