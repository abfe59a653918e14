"""Reverse and forward mode: right, cheap, and blind to the branch that is not taken."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest

import tapeless as tl
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.c.counts import op_counts
from tapeless.targets.c.lower import lower
from tapeless.targets.reference import evaluate
from tapeless.transforms.forward import jvp
from tapeless.transforms.reverse import gradient, vjp


def function(arity, build, names="xyzuvw"):
    """A Program of `arity` inputs from a function on (builder, *nodes); several nodes make several outputs."""
    b = Builder()
    nodes = build(b, *(b.input(k) for k in range(arity)))
    nodes = nodes if isinstance(nodes, tuple) else (nodes,)
    outputs = [Output(f"out{k}" if len(nodes) > 1 else "out", (n,)) for k, n in enumerate(nodes)]
    return finish("f", [Input(name) for name in names[:arity]], outputs, b)


def run(program, *values):
    """Evaluate at high precision; floats out."""
    named = dict(zip((item.name for item in program.inputs), values, strict=True))
    return [float(mpmath.mpf(v)) for v in evaluate(program, named)]


def slopes(program, *values, order=1):
    """The gradient by our rules, `order` times for a function of one input."""
    for _ in range(order):
        program = gradient(program)
    return run(program, *values)


def test_line_is_the_tutorial():
    line = vjp(function(3, lambda b, w, x, c: b.add(b.mul(w, x), c)))
    assert [item.name for item in line.inputs] == ["x", "y", "z", "out_bar"]
    assert [out.name for out in line.outputs] == ["x_bar", "y_bar", "z_bar"]
    assert [out.like for out in line.outputs] == ["x", "y", "z"]
    assert run(line, 2, 3, 5, 7) == [21, 14, 7]


def test_shared_work_is_counted_once():
    """Baur and Strassen: value and gradient within a small multiple of the value, whatever the inputs."""
    n = 100
    b = Builder()
    program = finish(
        "p",
        [Input(f"x{k}") for k in range(n)],
        [Output("out", (b.product([b.input(k) for k in range(n)]),))],
        b,
    )
    value = op_counts(lower(program, "forward", "float64"))["total"]
    both = op_counts(lower(gradient(program, value=True), "value_and_grad", "float64"))["total"]
    assert value == n - 1
    assert both <= 3 * value


def test_deep_nesting_is_linear():
    program = function(1, lambda b, x: _nested(b, x, 2000))
    assert len(gradient(program).graph) < 40 * 2000


def _nested(b, x, depth):
    for _ in range(depth):
        x = b.mul(b.call("sin", x), x)
    return x


def test_inputs_without_influence_get_zero_and_wrt_chooses():
    f = function(3, lambda b, x, y, z: b.mul(x, y))
    assert run(vjp(f), 2, 3, 5, 1) == [3, 2, 0]
    assert [o.name for o in vjp(f, ["y"]).outputs] == ["y_bar"]
    assert run(vjp(f, ["y", "x"]), 2, 3, 5, 1) == [2, 3]


def test_several_outputs_and_an_output_that_is_an_input():
    f = function(2, lambda b, x, y: (b.mul(x, y), x, x))
    assert run(vjp(f), 2, 3, 10, 100, 1000) == [30 + 1100, 20]


def test_names_of_derivatives_never_collide():
    f = function(1, lambda b, x: b.mul(x, x), names=["out_bar"])
    derived = vjp(f)
    names = [item.name for item in derived.inputs] + [out.name for out in derived.outputs]
    assert len(set(names)) == len(names)


BRANCHES = [
    # (build, point, slope): the branch not taken is outside its domain, infinite or NaN
    (lambda b, x: b.select(b.compare("gt", x, b.rational(0)), b.call("sqrt", x), b.rational(0)), -1.0, 0.0),
    (lambda b, x: b.select(b.compare("gt", x, b.rational(0)), b.call("log", x), x), -2.0, 1.0),
    (lambda b, x: b.select(b.compare("gt", x, b.rational(0)), b.call("log", x), x), 0.0, 1.0),
    (lambda b, x: b.maximum(b.call("sqrt", x), b.rational(-1)), 4.0, 0.25),
    (lambda b, x: b.maximum(x, b.rational(0)), 0.0, 0.0),
    (lambda b, x: b.maximum(x, b.rational(0)), 3.0, 1.0),
    (lambda b, x: b.minimum(b.maximum(x, b.rational(0)), b.rational(6)), 6.0, 0.0),
    (lambda b, x: b.call("abs", b.call("cbrt", x)), 0.0, 0.0),
    (lambda b, x: b.call("hypot", x, b.mul(b.rational(2), x)), 0.0, 0.0),
    (lambda b, x: b.call("abs", x), -3.0, -1.0),
]


@pytest.mark.parametrize(("build", "point", "slope"), BRANCHES)
def test_the_branch_not_taken_does_not_exist(build, point, slope):
    assert slopes(function(1, build), point) == [slope]


def test_a_log_shared_by_two_branches_and_a_condition():
    def build(b, x):
        log = b.call("log", x)
        zero, one = b.rational(0), b.rational(1)
        inner = b.select(b.compare("gt", log, zero), b.mul(log, log), b.neg(log))
        outer = b.select(b.compare("gt", x, zero), inner, b.mul(x, x))
        return b.add(outer, b.select(b.compare("gt", x, one), b.call("sqrt", b.sub(x, one)), zero))

    f = function(1, build)
    assert slopes(f, -3.0) == [-6.0]
    assert slopes(f, 0.5) == [-2.0]
    assert slopes(f, -3.0, order=2) == [2.0]
    assert slopes(f, 0.5, order=2) == [4.0]
    x = mpmath.mpf(3)
    want = 2 * mpmath.log(x) / x + 1 / (2 * mpmath.sqrt(x - 1))
    assert slopes(f, 3.0)[0] == pytest.approx(float(want), rel=1e-15)


def test_one_node_under_a_condition_and_its_opposite_is_not_masked():
    def build(b, x):
        c = b.compare("gt", x, b.rational(1))
        e = b.call("exp", x)
        return b.select(c, b.mul(b.rational(2), e), b.mul(b.rational(3), e))

    f = function(1, build)
    assert slopes(f, 2.0)[0] == pytest.approx(2 * math.e**2)
    assert slopes(f, 0.0)[0] == pytest.approx(3.0)
    selects = list(vjp(f).graph.ops).count("select")
    assert selects == 1, "complementary contributions are one choice, and the sum needs no mask"


def test_masks_stand_only_where_needed():
    relu = vjp(function(1, lambda b, x: b.maximum(b.call("exp", b.mul(x, x)), b.rational(2))))
    assert relu.graph.ops.count("select") == 1


def test_ties_are_shared_by_distinct_arguments():
    f = function(3, lambda b, x, y, z: b.maximum(x, y, z))
    assert run(vjp(f), 2, 2, 2, 3) == pytest.approx([1, 1, 1])
    assert run(vjp(f), 2, 2, 1, 1) == [0.5, 0.5, 0]
    g = function(3, lambda b, x, y, z: b.maximum(x, y, b.rational(2)))
    assert run(vjp(g), 2, 2, 0, 1) == [0, 0, 0], "a tie with a constant gives 0"
    assert run(vjp(g), 3, 3, 0, 1) == [0.5, 0.5, 0]


def test_an_irrational_constant_is_a_constant_at_a_tie():
    for op in ("max", "fmax"):
        f = function(1, lambda b, x, op=op: b.call(op, x, b.call("sqrt", b.rational(4))))
        assert run(vjp(f), 2, 1) == [0]
    g = function(1, lambda b, x: b.maximum(x, b.mul(b.rational(2), b.named("pi"))))
    assert "0.5" not in str(g)
    assert vjp(g).graph.payloads.count(Fraction(1, 2)) == 0
    h = function(2, lambda b, x, y: b.call("fmin", x, y))
    assert run(vjp(h), 2, 2, 1) == [0.5, 0.5]
    assert run(vjp(h), 1, math.nan, 1) == [1, 0]


def test_guards_of_a_long_chain_cost_linearly():
    def chain(n):
        def build(b, x, y):
            for k in range(n):
                x = b.select(b.compare("lt", x, y), b.mul(y, b.rational(k + 2)), b.mul(b.rational(3), x))
            return x

        program = gradient(function(2, build), value=True)
        return op_counts(lower(program, "value_and_grad", "float64"))["total"]

    short, long = chain(50), chain(200)
    assert long <= 4.6 * short


def test_the_derivative_of_a_wide_maximum_is_linear():
    def wide(n):
        b = Builder()
        node = b.maximum(*(b.call("sin", b.input(k)) for k in range(n)))
        program = finish("m", [Input(f"x{k}") for k in range(n)], [Output("out", (node,))], b)
        return len(gradient(program).graph)

    assert wide(400) <= 4.1 * wide(100)


def test_forward_mode_is_blind_to_the_branch_not_taken_too():
    for build, point, slope in BRANCHES:
        derived = jvp(function(1, build))
        assert run(derived, point, 1.0)[1] == slope


def test_a_derivative_the_table_lacks_names_the_function():
    from tapeless.errors import DerivativeError

    f = function(2, lambda b, x, y: b.mul(y, b.call("besselj", x, y)))
    lower(f, "forward", "float64")
    with pytest.raises(DerivativeError, match="besselj by its argument v is not known"):
        vjp(f)


@pytest.mark.parametrize(
    ("text", "at", "wanted"),
    [
        ("sqrt(x*max(y, 0))", (1.0, -1.0), (0, 0)),
        ("sqrt(x*min(y, 0))", (-1.0, 1.0), (0, 0)),
        ("sqrt(2*x*where(y > 0, y, 0) + 0)", (1.0, -1.0), (0, 0)),
        ("cbrt(sin(x*max(y, 0)))", (1.0, -1.0), (0, 0)),
        ("sqrt(x*max(y, 0)**2/3)", (1.0, -1.0), (0, 0)),
        ("sqrt(x*y)", (0.0, 1.0), (float("inf"), None)),
        ("sqrt(x*max(y, 0))", (4.0, 1.0), (0.25, 1.0)),
    ],
)
def test_what_is_zero_by_structure_is_not_moved(text, at, wanted):
    """An infinite slope counts only where its argument is not constantly zero."""
    for found, slope in zip(tl.compile(text).grad(*at), wanted, strict=True):
        assert slope is None or found == slope


def test_a_nan_is_not_zero_by_structure():
    for text in ("sqrt(x*max(y, 0))", "sqrt(x*min(y, 0))", "sqrt(x*fdim(y, 2))"):
        assert math.isnan(tl.compile(text).grad(1.0, math.nan)[0])
