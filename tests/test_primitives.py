"""Every row of the table of primitives: value, derivatives, edges, domain, and the compiled C."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.ir import rules
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import OVER, PRIMITIVES, REAL
from tapeless.ir.program import Input, Output, finish
from tapeless.ir.rules import links
from tapeless.ir.special import NAMES as SPECIAL_FUNCTIONS
from tapeless.targets.reference import evaluate, evaluate_flat, nearest, numerical_gradient
from tapeless.testing import ulp_error

LEAVES = {"input", "rational", "named", "true", "false"}
LOGIC = {"and", "or", "not"}
EXTREMA = {"max", "min", "fmax", "fmin"}  # their rules are code: they depend on which arguments are constants
RULES_ARE_CODE = EXTREMA | {"logsumexp", "softmax"}
APART = {"select", "extern"}
SAMPLED = sorted(set(PRIMITIVES) - LEAVES - LOGIC - APART - SPECIAL_FUNCTIONS)  # those: test_special.py
COMPILED = [
    name for name in SAMPLED if name not in OVER
]  # an order is no input: see transforms/test_written_out.py
NUMERIC = [name for name in SAMPLED if not PRIMITIVES[name].boolean]
RULED = [name for name in NUMERIC if PRIMITIVES[name].rules is not None]
SLOPED = [
    (name, position) for name in RULED for position, rule in enumerate(PRIMITIVES[name].rules) if rule != "0"
]


def over(name):
    return lambda a, b: getattr(math, name)(a) / a


OWN = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda x: -x,
    "pow": math.pow,
    "fma": lambda a, b, c: float(Fraction(a) * Fraction(b) + Fraction(c)),
    "sqrt": math.sqrt,
    "cbrt": lambda x: math.copysign(abs(x) ** (1 / 3), x),
    "hypot": math.hypot,
    "exp2": lambda x: 2.0**x,
    "abs": abs,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "heaviside": lambda x: ((x > 0) - (x < 0) + 1) / 2,
    "round": round,
    "round_away": lambda x: math.copysign(math.floor(abs(x) + 0.5), x),
    "logb": lambda x: math.frexp(x)[1] - 1.0,
    "loggamma": math.lgamma,
    "expit": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "sech2": lambda x: 1 / math.cosh(x) ** 2,
    "gauss": lambda x: math.exp(-x * x),
    "inv_cosh": lambda x: 1 / math.cosh(x),
    "log_cosh": lambda x: math.log1p(2 * math.sinh(x / 2) ** 2),
    "versin": lambda x: 2 * math.sin(x / 2) ** 2,
    "bose": lambda x: 1 / math.expm1(x),
    "bose1": lambda x: -1 / math.expm1(-x),
    "xlogx": lambda x: x * math.log(x),
    "xlog1px": lambda x: (1 + x) * math.log1p(x),
    "powm1": lambda a, b: math.expm1(b * math.log(a)),
    "squares": lambda a, b: (a - b) * (a + b),
    "share": lambda a, b: a / (a + b),
    "square_share": lambda a, b: a * a / ((a - b) * (a + b)),
    "mean2": lambda a, b, c, d: (a * b + c * d) / (a + c),
    "quantum": lambda a, b: a / math.expm1(a / b),
    "exp_gap": lambda a, b: math.exp(a - b),
    "products": lambda a, b, c, d: float(Fraction(a) * Fraction(b) - Fraction(c) * Fraction(d)),
    "discriminant": lambda a, b, c: math.sqrt(b * b - 4 * a * c),
    "quadratic": lambda a, b, c: -2 * c / (b + math.sqrt(b * b - 4 * a * c)),
    "quadratic1": lambda a, b, c: 2 * c / (b + math.sqrt(b * b - 4 * a * c)) / math.sqrt(b * b - 4 * a * c),
    "einstein": lambda x: (x / 2 / math.sinh(x / 2)) ** 2,
    "norm2": math.hypot,
    "norm3": math.hypot,
    "logsumexp": lambda a, b: max(a, b) + math.log1p(math.exp(-abs(a - b))),
    "softmax": lambda a, b: 1 / (1 + math.exp(b - a)),
    **{name: over(name.removesuffix("_over")) for name in OVER},
    "fdim": lambda a, b: max(a - b, 0.0),
    "fmax": max,
    "fmin": min,
    "max": max,
    "min": min,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
}
"""The meaning in Python where the standard library has it by another name or not at all."""

CANCELLING = {"add", "sub", "fma", "fdim", "fmod", "remainder", "loggamma"}
"""Accurate relative to the arguments only, as Python's own function computes it."""


def own(name):
    return OWN.get(name) or getattr(math, name)


def arity(name):
    row = PRIMITIVES[name]
    return len(row.samples) if row.nary else len(row.args)


def program_of(name, count=None):
    """One node over inputs of its own, not simplified."""
    count = count or arity(name)
    builder = Builder()
    node = builder.node(name, tuple(builder.input(k) for k in range(count)))
    if PRIMITIVES[name].boolean:
        node = builder.node("select", (node, builder.rational(1), builder.rational(0)))
    inputs = [Input(f"a{k}") for k in range(count)]
    return finish(name, inputs, [Output("y", (node,))], builder)


def derived(build, count):
    """Build partials by the rules alone: inputs a0, a1, ..., y_bar; one output per argument."""
    builder = Builder()
    args = [builder.input(k) for k in range(count)]
    bar = builder.input(count)
    node = build(builder, args)
    zero = builder.rational(0)
    partials = [zero] * count
    for link in links(builder, node, lambda _: True):
        pulled = link.pull(bar)
        if link.guard is not None:
            pulled = builder.select(link.guard, pulled, zero)
        lane = builder.args[node][link.position]
        if builder.ops[lane] == "input":
            partials[builder.payloads[lane]] = builder.add(partials[builder.payloads[lane]], pulled)
    inputs = [Input(f"a{k}") for k in range(count)] + [Input("y_bar", role="cotangent", like="y")]
    return finish("pull", inputs, [Output(f"d{k}", (p,)) for k, p in enumerate(partials)], builder)


def partials_at(name, point, y_bar=1.0):
    program = derived(lambda b, args: b.node(name, tuple(args)), len(point))
    return evaluate_flat(program, [*point, y_bar], 60)


def distance(name, point):
    """Worst relative distance of the rules of `name` from the numerical gradient; None at a kink."""
    values = {f"a{k}": x for k, x in enumerate(point)}
    slopes = numerical_gradient(program_of(name, len(point)), values, 40)[0]
    if not all(slope.exists for slope in slopes):
        return None
    worst = 0.0
    for ours, slope in zip(partials_at(name, point), slopes, strict=True):
        if math.isnan(ours):
            return math.inf
        gap = abs(ours - slope.value)
        if gap:
            worst = max(worst, float(gap / abs(slope.value)) if slope.value else math.inf)
    return worst


def samples(name, count, seed=0):
    source = random.Random(f"{name} {seed}")
    return [tuple(source.uniform(*interval) for interval in PRIMITIVES[name].samples) for _ in range(count)]


# ---------------------------------------------------------------- the table as a whole


def test_every_row_is_tested():
    assert LEAVES | LOGIC | APART | set(SAMPLED) | SPECIAL_FUNCTIONS == set(PRIMITIVES)
    for name in SAMPLED:
        assert len(PRIMITIVES[name].samples) == arity(name) > 0
        assert callable(own(name))


def test_rows_without_rules():
    assert {name for name, row in PRIMITIVES.items() if row.rules is None} == {"extern"}


@pytest.mark.parametrize(
    "name", [n for n in PRIMITIVES if n not in LEAVES | LOGIC and not n.startswith("ext")]
)
def test_rules_and_guards_are_one_per_argument(name):
    row = PRIMITIVES[name]
    if name in RULES_ARE_CODE:
        assert row.rules == ()
    elif row.rules is not None:
        assert len(row.rules) == len(row.args)
        assert len(row.guards) in (0, len(row.args))


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("name", SAMPLED)
def test_value_is_that_of_the_standard_library(name):
    program, function = program_of(name), own(name)
    for point in samples(name, 20):
        [ours] = evaluate_flat(program, point, 30)
        theirs = function(*point)
        scale = abs(theirs) + (sum(map(abs, point)) if name in CANCELLING else 0)
        assert abs(float(ours) - theirs) <= 4e-15 * scale, (point, ours, theirs)


@pytest.mark.parametrize("p", [False, True])
@pytest.mark.parametrize("q", [False, True])
def test_logic(p, q):
    b = Builder()
    x, y, zero = b.input(0), b.input(1), b.rational(0)
    c, d = b.node("lt", (zero, x)), b.node("lt", (zero, y))
    one = b.rational(1)
    roots = [
        b.node("select", (node, one, zero))
        for node in (b.node("and", (c, d)), b.node("or", (c, d)), b.node("not", (c,)))
    ]
    roots += [b.node("select", (b.node("true"), one, zero)), b.node("select", (b.node("false"), one, zero))]
    program = finish("f", [Input("x"), Input("y")], [Output(f"r{k}", (r,)) for k, r in enumerate(roots)], b)
    found = evaluate(program, {"x": 1 if p else -1, "y": 1 if q else -1})
    assert found == (p and q, p or q, not p, 1, 0)


@pytest.mark.parametrize("name", ["lt", "le", "eq", "ne"])
def test_comparison_with_nan_is_false(name):
    program = program_of(name)
    for point in ((math.nan, 1.0), (1.0, math.nan), (math.nan, math.nan)):
        assert evaluate_flat(program, point, 20) == [1 if name == "ne" else 0]


# ---------------------------------------------------------------- derivatives


@pytest.mark.parametrize("name", RULED)
def test_rules_agree_with_numerical_gradients(name):
    compared = 0
    for point in samples(name, 12):
        found = distance(name, point)
        if found is not None:
            assert found < 1e-30, point
            compared += 1
    assert compared >= 10


@pytest.mark.parametrize("name", RULED)
def test_rules_agree_anywhere(name):
    @given(st.tuples(*(st.floats(*interval) for interval in PRIMITIVES[name].samples)))
    def run(point):
        found = distance(name, point)
        # None at a kink; what stands there is in the edges of the table
        assert found is None or found < 1e-30

    run()


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("count", [3, 4])
def test_extrema_of_several(name, count):
    source = random.Random(count)
    for _ in range(6):
        assert distance(name, tuple(source.uniform(-3, 3) for _ in range(count))) == 0


@pytest.mark.parametrize("name", RULED)
def test_rules_are_linear_in_the_cotangent(name):
    for point in samples(name, 4, seed=1):
        one = partials_at(name, point)
        for factor in (-2.5, 1e200, 0.0):
            many = partials_at(name, point, factor)
            for p, q in zip(one, many, strict=True):
                assert abs(factor * p - q) <= abs(q) * 1e-50


EDGES = [
    (name, edge) for name in PRIMITIVES if name not in SPECIAL_FUNCTIONS for edge in PRIMITIVES[name].edges
]


@pytest.mark.parametrize(("name", "edge"), EDGES, ids=[f"{n}{e.args}" for n, e in EDGES])
def test_edges(name, edge):
    for ours, wanted in zip(partials_at(name, edge.args), edge.partials, strict=True):
        assert float(ours) == pytest.approx(wanted, rel=1e-14, abs=0)


def test_the_branch_not_taken_receives_nothing():
    b = Builder()
    x, y, z = (b.input(k) for k in range(3))
    node = b.node("select", (b.node("lt", (x, b.rational(0))), y, z))
    found = {link.position: link for link in links(b, node, lambda _: True)}
    assert set(found) == {1, 2}
    for position, taken in ((1, -1.0), (2, 1.0)):
        pulled = b.select(found[position].guard, found[position].pull(y), b.rational(0))
        inputs = [Input("x"), Input("y"), Input("z")]
        program = finish("f", inputs, [Output("d", (pulled,))], b)
        for at in (-1.0, 1.0):
            assert evaluate_flat(program, [at, 5.0, 7.0], 20) == [5 if at == taken else 0]


# ---------------------------------------------------------------- ties


def extremum(op, count, constants=()):
    """Partials of an extremum of inputs and constants, as the builder makes it."""

    def build(b, args):
        method = b.maximum if op == "max" else b.minimum
        return method(*args, *(b.rational(c) for c in constants))

    return derived(build, count)


@pytest.mark.parametrize("op", ["max", "min"])
@pytest.mark.parametrize(
    ("point", "constants", "wanted"),
    [
        ((1, 1), (), (0.5, 0.5)),
        ((0, 0), (), (0.5, 0.5)),
        ((1, 1, 1), (), (1 / 3, 1 / 3, 1 / 3)),
        ((1, 0, 1), (), (0.5, 0, 0.5)),
        ((0,), (0,), (0,)),
        ((1,), (0,), (1,)),
        ((-1,), (0,), (0,)),
        ((1, 1), (0,), (0.5, 0.5)),
        ((0, 0), (0,), (0, 0)),
        ((0, -1), (0,), (0, 0)),
        ((2, 0), (0,), (1, 0)),
        ((2,), (1, 2), (0,)),
    ],
)
def test_ties_are_shared_by_distinct_arguments(op, point, constants, wanted):
    sign = 1 if op == "max" else -1
    program = extremum(op, len(point), [sign * c for c in constants])
    found = evaluate_flat(program, [*(sign * x for x in point), 1.0], 40)
    assert [float(p) for p in found] == pytest.approx(wanted, abs=0, rel=1e-15)


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_duplicates_count_once(op):
    b = Builder()
    x, y = b.input(0), b.input(1)
    assert getattr(b, op)(x, x) == x
    assert getattr(b, op)(x, y, x) == getattr(b, op)(x, y)
    assert getattr(b, op)(getattr(b, op)(x, y), x) == getattr(b, op)(x, y)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extrema_propagate_nan_to_the_value(name):
    for point in ((math.nan, 1.0), (1.0, math.nan)):
        assert math.isnan(evaluate_flat(program_of(name), point, 20)[0])
        assert evaluate_flat(program_of(f"f{name}"), point, 20) == [1]


# ---------------------------------------------------------------- domains

HAS_VALUES_OUTSIDE = {"pow", "powm1", "gamma", "loggamma", "quantum"}
"""Beyond the stated domain these exist at some points, as in C."""


def inside(name, point):
    row = PRIMITIVES[name]
    if row.domain == REAL:
        return True
    names = dict(zip(row.args, point, strict=True))
    return eval(compile(row.domain, name, "eval"), {"__builtins__": {}}, names)


@pytest.mark.parametrize("name", SAMPLED)
def test_samples_lie_in_the_domain(name):
    corners = itertools.product(*PRIMITIVES[name].samples)
    for point in itertools.chain(corners, samples(name, 50)):
        assert inside(name, point) is True
        [value] = evaluate_flat(program_of(name), point, 20)
        assert math.isfinite(value)


@pytest.mark.parametrize("name", sorted(set(NUMERIC) - HAS_VALUES_OUTSIDE))
def test_no_finite_value_outside_the_domain(name):
    grid = (-2.5, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 2.5)
    for point in itertools.product(grid, repeat=arity(name)):
        [value] = evaluate_flat(program_of(name), point, 20)
        assert math.isfinite(value) == inside(name, point), point


# ---------------------------------------------------------------- the check itself is checked


@pytest.mark.parametrize(("name", "position"), SLOPED)
def test_a_wrong_rule_is_noticed(name, position, monkeypatch):
    row = PRIMITIVES[name]
    scaled = tuple(f"1.001*({rule})" if k == position else rule for k, rule in enumerate(row.rules))
    monkeypatch.setitem(PRIMITIVES, name, dataclasses.replace(row, rules=scaled))
    found = [d for point in samples(name, 12) if (d := distance(name, point)) is not None]
    assert max(found) > 5e-4


@pytest.mark.parametrize("name", ["max", "min"])
def test_a_wrong_share_is_noticed(name, monkeypatch):
    def wrong(builder, node, free):
        return lambda bar: builder.mul(builder.rational(Fraction("1.001")), bar)

    monkeypatch.setattr(rules, "_sharer", wrong)
    assert max(distance(name, point) for point in samples(name, 4)) > 5e-4


@pytest.mark.parametrize(
    ("name", "guards"),
    [("abs", ("",)), ("hypot", ("", "")), ("fdim", ("a >= b", "a >= b")), ("copysign", ("a > 0", ""))],
)
def test_a_wrong_guard_is_noticed(name, guards, monkeypatch):
    row = PRIMITIVES[name]
    monkeypatch.setitem(PRIMITIVES, name, dataclasses.replace(row, guards=guards))
    at_edges = [
        float(ours) != wanted
        for edge in row.edges
        for ours, wanted in zip(partials_at(name, edge.args), edge.partials, strict=True)
    ]
    inner = [d > 1e-30 for point in samples(name, 12) if (d := distance(name, point)) is not None]
    assert any(at_edges) or any(inner)


# ---------------------------------------------------------------- the compiled C

SPECIAL = (0.0, 1.0, -1.0, 0.5, -2.5, 2.5, 1e-30, -1e30, math.inf, -math.inf, math.nan)
ULP = {"gamma": 12, "loggamma": 8, "erfc": 8, "pow": 4}
"""Where the C library itself is allowed more than 4 ulp."""

REFLECTED = {"gamma", "loggamma"}
"""Near their negative zeros no C library is accurate; compared for positive arguments and special values."""

SQUARING = {"square_share", "discriminant", "quadratic", "quadratic1"}
"""Whose squares leave the range of float32, as those of the formulas they stand for."""

MEANS = {"mean2"}
"""Where the sum of numbers of either sign may cancel; compared for positive ones."""

needs_compiler = pytest.mark.skipif(
    importlib.util.find_spec("tapeless.api") is None, reason="tapeless.api is not there"
)


POINTS = 40


def value_points(name):
    points = samples(name, POINTS)
    if name not in MEANS:
        numbers = [
            x
            for x in SPECIAL
            if name not in SQUARING or x != x or x in (0, math.inf, -math.inf) or 1e-9 < abs(x) < 1e9
        ]
        points += itertools.product(numbers, repeat=min(arity(name), 2))
    points = [(*point, *(1.0,) * (arity(name) - len(point))) for point in points]
    if name in REFLECTED:
        points = [point for point in points if not point[0] < 0 or math.isinf(point[0])]
    return points


def slope_points(name, dtype):
    def fits(edge):
        sizes = [abs(x) for x in (*edge.args, *edge.partials) if x]
        return dtype == "float64" or all(1e-38 < size < 1e38 or math.isinf(size) for size in sizes)

    return samples(name, POINTS) + [edge.args for edge in PRIMITIVES[name].edges if fits(edge)]


class Library:
    """All primitives as one compiled function, each with inputs and an output of its own."""

    def __init__(self, names, dtype):
        from tapeless.api import compile_program
        from tapeless.options import Options

        self.names, self.dtype = names, dtype
        builder = Builder()
        inputs, outputs = [], []
        for name in names:
            args = []
            for k in range(arity(name)):
                args.append(builder.input(len(inputs)))
                inputs.append(Input(f"{name}_{k}"))
            node = builder.node(name, tuple(args))
            if PRIMITIVES[name].boolean:
                node = builder.node("select", (node, builder.rational(1), builder.rational(0)))
            outputs.append(Output(f"y_{name}", (node,)))
        program = finish(f"primitives_{dtype}", inputs, outputs, builder)
        self.function = compile_program(program, Options(dtype=dtype))

    def arguments(self, points):
        """Columns for all inputs; shorter lists of points are filled up with their first."""
        longest = max(map(len, points.values()))
        columns = []
        for name in self.names:
            rows = points[name] + [points[name][0]] * (longest - len(points[name]))
            columns.extend(np.array(column, self.dtype) for column in zip(*rows, strict=True))
        return columns

    def by_name(self, columns):
        found, k = {}, 0
        for name in self.names:
            found[name] = columns[k : k + arity(name)]
            k += arity(name)
        return found

    def values(self):
        """Name -> (point, value) at every point for values."""
        points = {name: value_points(name) for name in self.names}
        arguments = self.arguments(points)
        with np.errstate(all="ignore"):
            results = self.function.forward(*arguments)
        own = self.by_name(arguments)
        return {
            name: [
                (tuple(float(c[k]) for c in own[name]), float(results[position][k]))
                for k in range(len(points[name]))
            ]
            for position, name in enumerate(self.names)
        }

    def slopes(self):
        """Name -> (point, partials) at every point for derivatives."""
        points = {name: slope_points(name, self.dtype) for name in self.names}
        arguments = self.arguments(points)
        own = self.by_name(arguments)
        results = self.by_name(self.function.backward((1.0,) * len(self.names), *arguments))
        return {
            name: [
                (tuple(float(c[k]) for c in own[name]), tuple(float(g[k]) for g in results[name]))
                for k in range(len(points[name]))
            ]
            for name in self.names
        }


@pytest.fixture(scope="module", params=["float64", "float32"])
def library(request):
    ruled = Library(COMPILED, request.param)
    return request.param, ruled.values(), ruled.slopes()


@needs_compiler
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_values(library, name):
    dtype, values, _ = library
    program = program_of(name)
    for point, value in values[name]:
        [truth] = evaluate_flat(program, point, 40)
        assert ulp_error(value, truth, dtype) <= ULP.get(name, 4), (point, value, float(truth))


@needs_compiler
@pytest.mark.parametrize("name", [name for name in RULED if name in COMPILED])
def test_compiled_derivatives(library, name):
    dtype, _, slopes = library
    tolerance = 1e-13 if dtype == "float64" else 2e-5
    for point, partials in slopes[name]:
        for ours, truth in zip(partials, partials_at(name, point), strict=True):
            wanted = nearest(truth, dtype)
            assert ours == pytest.approx(wanted, rel=tolerance, abs=tolerance / 10), point


@needs_compiler
def test_compiled_edges(library):
    dtype, _, slopes = library
    tolerance = 1e-15 if dtype == "float64" else 1e-6
    for name, edge in EDGES:
        for point, partials in slopes.get(name, ()):
            if point == edge.args:
                assert partials == pytest.approx(edge.partials, rel=tolerance, abs=0), (name, point)
