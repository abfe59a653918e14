"""Random formulas: values against mpmath, gradients against numerical ones, vjp against jvp."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tapeless as tl
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets import reference
from tapeless.targets.c.emit import emit
from tapeless.targets.c.lower import lower
from tapeless.transforms.forward import jvp
from tapeless.transforms.reverse import gradient, vjp

INPUTS = ("x", "y", "z")
UNARY = (
    "sin",
    "cos",
    "exp",
    "tanh",
    "atan",
    "asinh",
    "erf",
    "abs",
    "neg",
    "sqrt",
    "log",
    "expm1",
    "log1p",
    "cbrt",
)
BINARY = ("add", "sub", "mul", "div", "max", "min", "hypot", "atan2")

# Straight-line code: each step applies an operation to earlier values, so that values are shared as in real
# formulas. The constants come first, then the inputs, then the results of the steps.
CONSTANTS = (Fraction(1, 2), Fraction(2), Fraction(-3, 2))
places = st.integers(0, 99)
steps = st.one_of(
    st.tuples(st.sampled_from(UNARY), places),
    st.tuples(st.sampled_from(BINARY), places, places),
    st.tuples(st.just("pow"), places, st.integers(-3, 4)),
    st.tuples(st.sampled_from(("lt", "le")), places, places, places, places),
)
codes = st.lists(steps, min_size=5, max_size=14)
points = st.tuples(*(st.floats(-2.5, 2.5).map(lambda v: round(v, 3) + 0.0) for _ in INPUTS))


def program_of(code, outputs=1):
    """The last values of the code as outputs; a single one is joined to the one before it, so that more is live."""
    b = Builder()
    inputs = [b.input(k) for k in range(len(INPUTS))]
    values = [*(b.rational(c) for c in CONSTANTS), *inputs]

    def value(place):
        return values[-1 - place % len(values)]  # small places mean recent values: chains, not stars

    for op, *args in code:
        if op == "pow":
            values.append(b.pow(value(args[0]), b.rational(args[1])))
        elif op in ("lt", "le"):
            values.append(b.select(b.compare(op, *map(value, args[:2])), *map(value, args[2:])))
        else:
            values.append(b.call(op, *map(value, args)))
    roots = [b.add(values[-1], b.mul(values[-2], inputs[0]))] if outputs == 1 else values[-outputs:]
    names = ["out"] if outputs == 1 else [f"out{k}" for k in range(outputs)]
    made = [Output(name, (root,)) for name, root in zip(names, roots, strict=True)]
    return finish("f", [Input(name) for name in INPUTS], made, b)


def smooth_at(program, values):
    """The numerical gradient where the function is differentiable and every value on the way tame, else None."""
    ctx = reference.context(30)
    lanes = [reference.number(ctx, value) for value in values.values()]
    inner = reference.evaluate_nodes(program.graph, range(len(program.graph)), lanes, ctx)
    if not all(isinstance(v, bool) or (ctx.isfinite(v) and abs(v) < 1e8) for v in inner):
        return None
    for op, args in zip(program.graph.ops, program.graph.args, strict=True):
        values_in = [inner[arg] for arg in args]
        if op in ("sqrt", "cbrt", "abs") and not values_in[0]:
            return None  # conventions, not limits: the table's own tests look at each by itself
        if op in ("max", "min", "lt", "le", "hypot") and (values_in[0] == values_in[1] or not any(values_in)):
            return None
    [slopes] = reference.numerical_gradient(program, values, digits=25)
    if not all(slope.exists and abs(slope.value) < 1e8 for slope in slopes):
        return None
    return slopes


slow = settings(max_examples=250, suppress_health_check=list(HealthCheck))


@slow
@given(codes, points)
def test_gradients_are_the_numerical_ones(code, point):
    """The derived formulas in high precision against differences in high precision: no rounding to hide behind."""
    program = program_of(code)
    values = dict(zip(INPUTS, point, strict=True))
    slopes = smooth_at(program, values)
    assume(slopes is not None)
    derived = reference.evaluate(gradient(program), values, digits=30)
    for got, slope in zip(derived, slopes, strict=True):
        assert abs(got - slope.value) <= 1e-15 * (1 + abs(slope.value)), (got, slope)


@slow
@given(codes, points, points)
def test_reverse_and_forward_mode_agree(code, point, direction):
    """<v, J u> = <J^T v, u>, for second derivatives as well; both transforms share rules but not sweeps."""
    program = program_of(code)
    first = gradient(program)
    for derived in (program, first):
        values = dict(zip(INPUTS, point, strict=True))
        assume(all(mpmath.isfinite(v) for v in reference.evaluate(derived, values, digits=30)))
        if derived is program:
            assume(smooth_at(program, values) is not None)
        pushed = jvp(derived)
        pulled = vjp(derived)
        count = len(derived.outputs)
        weights = [1 + k for k in range(count)]
        tangents = dict(zip((i.name for i in pushed.inputs), (*point, *direction), strict=True))
        cotangents = dict(zip((i.name for i in pulled.inputs), (*point, *weights), strict=True))
        forward = reference.evaluate(pushed, tangents, digits=30)[count:]
        backward = reference.evaluate(pulled, cotangents, digits=30)
        assume(all(mpmath.isfinite(v) for v in (*forward, *backward)))
        left = sum(w * d for w, d in zip(weights, forward, strict=True))
        right = sum(u * g for u, g in zip(direction, backward, strict=True))
        scale = 1 + sum(abs(u * g) for u, g in zip(direction, backward, strict=True))
        assert abs(left - right) <= 1e-20 * scale * 1e5


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(codes, st.integers(1, 3), st.lists(points, min_size=4, max_size=4))
def test_compiled_functions_do_what_their_graph_says(code, count, batch):
    """The C against mpmath, value and gradients, through forward, backward and the fused pass."""
    program = program_of(code, count)
    assume(any(program.graph.ops[node] == "input" for node in program.graph.reachable(program.roots)))
    function = tl.api.compile_program(program)
    columns = [np.array(column) for column in zip(*batch, strict=True)]
    cotangents = tuple(1.0 + k for k in range(count))
    outs, grads = function.forward_backward(cotangents, *columns)
    for got, want in zip(grads, function.backward(cotangents, *columns), strict=True):
        assert np.allclose(got, want, rtol=1e-10, atol=1e-10, equal_nan=True)
    outs = outs if isinstance(outs, tuple) else (outs,)
    pulled = vjp(program)
    for k, point in enumerate(batch):
        values = dict(zip(INPUTS, point, strict=True))
        for got, want in zip(outs, reference.evaluate(program, values), strict=True):
            agree(got[k], want, program, values)
        bars = dict(zip((i.name for i in pulled.inputs), (*point, *cotangents), strict=True))
        for got, want in zip(grads, reference.evaluate(pulled, bars), strict=True):
            agree(got[k], want, pulled, bars)


def agree(got, want, program, values):
    """Close, or as close as the magnitudes of what was added up allow; skip points next to a domain's edge."""
    want = float(want)
    if math.isfinite(want) and abs(want) < 1e6:
        graph = program.graph
        lanes = [values[item.name] for item in program.inputs]
        ctx = reference.context(40)
        inner = reference.evaluate_nodes(
            graph, range(len(graph)), [reference.number(ctx, v) for v in lanes], ctx
        )
        sizes = [abs(float(v)) for v in inner if not isinstance(v, bool)]
        if any(not math.isfinite(size) or size > 1e6 or 0 < size < 1e-6 for size in sizes):
            return
        # C tells -0 from +0, and atan2 jumps there; mpmath has one zero.
        if any(op == "atan2" and not inner[args[0]] for op, args in zip(graph.ops, graph.args, strict=True)):
            return
        assert got == want or abs(got - want) <= 1e-7 * (1 + max(sizes)), (got, want)


@slow
@given(codes)
def test_emission_never_fails_on_a_formula_it_can_express(code):
    program = program_of(code)
    for dtype in ("float64", "float32"):
        source = emit([("f", [lower(vjp(program, value=True), "forward_backward", dtype)])], "f")
        assert source.text.count("{") == source.text.count("}")
