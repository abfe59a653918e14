"""Random formulas: values against mpmath, gradients against numerical ones, vjp against jvp."""

from __future__ import annotations

import math

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
UNARY = ("sin", "cos", "exp", "tanh", "atan", "asinh", "erf", "abs", "neg", "sqrt", "log", "expm1", "log1p", "cbrt")
BINARY = ("add", "sub", "mul", "div", "max", "min", "hypot", "atan2")

leaves = st.one_of(
    st.sampled_from(INPUTS),
    st.fractions(-3, 3, max_denominator=8).map(lambda f: ("rational", f)),
)


def grown(inner):
    condition = st.tuples(st.sampled_from(("lt", "le")), inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from(UNARY), inner),
        st.tuples(st.sampled_from(BINARY), inner, inner),
        st.tuples(st.just("pow"), inner, st.integers(-3, 4).map(lambda n: ("rational", n))),
        st.tuples(st.just("select"), condition, inner, inner),
    )


trees = st.recursive(leaves, grown, max_leaves=12)
points = st.tuples(*(st.floats(-2.5, 2.5).map(lambda v: round(v, 3)) for _ in INPUTS))


def program_of(*roots):
    b = Builder()
    lanes = {name: b.input(k) for k, name in enumerate(INPUTS)}

    def build(tree):
        if isinstance(tree, str):
            return lanes[tree]
        if tree[0] == "rational":
            return b.rational(tree[1])
        return b.call(tree[0], *map(build, tree[1:]))

    names = ["out"] if len(roots) == 1 else [f"out{k}" for k in range(len(roots))]
    outputs = [Output(name, (build(root),)) for name, root in zip(names, roots, strict=True)]
    return finish("f", [Input(name) for name in INPUTS], outputs, b)


def smooth_at(program, values):
    """The numerical gradient where the function is differentiable and tame, else None."""
    [value] = reference.evaluate(program, values, digits=30)
    if not mpmath.isfinite(value) or abs(value) > 1e8:
        return None
    [slopes] = reference.numerical_gradient(program, values, digits=25)
    if not all(slope.exists and abs(slope.value) < 1e8 for slope in slopes):
        return None
    return slopes


settings.register_profile("random", deadline=None)
slow = settings(max_examples=120, suppress_health_check=list(HealthCheck))


@slow
@given(trees, points)
def test_gradients_are_the_numerical_ones(tree, point):
    """The derived formulas in high precision against differences in high precision: no rounding to hide behind."""
    program = program_of(tree)
    values = dict(zip(INPUTS, point, strict=True))
    slopes = smooth_at(program, values)
    assume(slopes is not None)
    derived = reference.evaluate(gradient(program), values, digits=30)
    for got, slope in zip(derived, slopes, strict=True):
        assert abs(got - slope.value) <= 1e-15 * (1 + abs(slope.value)), (got, slope)


@slow
@given(trees, points, points)
def test_reverse_and_forward_mode_agree(tree, point, direction):
    """<v, J u> = <J^T v, u>, for second derivatives as well; both transforms share rules but not sweeps."""
    program = program_of(tree)
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
@given(st.lists(trees, min_size=1, max_size=3), st.lists(points, min_size=4, max_size=4))
def test_compiled_functions_do_what_their_graph_says(roots, batch):
    """The C against mpmath, value and gradients, through forward, backward and the fused pass."""
    program = program_of(*roots)
    assume(any(program.graph.ops[node] == "input" for node in program.graph.reachable(program.roots)))
    function = tl.api.compile_program(program)
    columns = [np.array(column) for column in zip(*batch, strict=True)]
    cotangents = tuple(1.0 + k for k in range(len(roots)))
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
        assert got == want or abs(got - want) <= 1e-7 * (1 + max(sizes)), (got, want)


@slow
@given(trees)
def test_emission_never_fails_on_a_formula_it_can_express(tree):
    program = program_of(tree)
    for dtype in ("float64", "float32"):
        source = emit([("f", [lower(vjp(program, value=True), "forward_backward", dtype)])], "f")
        assert source.text.count("{") == source.text.count("}")
