"""A Python function is written down as it runs: same numbers as NumPy, and a way out wherever it cannot be."""

# ruff: noqa: PLW0108
# What is traced is a Python function, so each construct stands in a lambda of its own.

import copy
import math
import operator
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import scipy.special
import sympy
from hypothesis import given
from hypothesis import strategies as st

import tapeless as tl
from tapeless.errors import ArgumentError, ShapeError, TapelessError, TracingError
from tapeless.frontend.trace import call_program, program_from_function
from tapeless.frontend.traced_ufuncs import (
    LOGIC as _LOGIC,
)
from tapeless.frontend.traced_ufuncs import (
    NUMBERS as _NUMBERS,
)
from tapeless.frontend.traced_ufuncs import (
    SCIPY as _SCIPY,
)
from tapeless.frontend.traced_ufuncs import (
    TESTS as _TESTS,
)
from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.reference import evaluate


def trace(function, **options):
    return program_from_function(function, **options)


def values(program, *args):
    """The outputs as floats."""
    named = dict(zip((item.name for item in program.inputs), args, strict=True))
    return [float(value) for value in evaluate(program, named, 30)]


def value(function, *args):
    [found] = values(trace(function), *args)
    return found


def ops(program):
    return list(program.graph.ops)


def output_names(program):
    return [item.name for item in program.outputs]


def refused(function, *words, kind=TracingError):
    """The message with which tracing `function` ends, holding all `words`."""
    with pytest.raises(kind) as caught:
        trace(function)
    assert isinstance(caught.value, TapelessError)
    for word in words:
        assert word in str(caught.value)
    return str(caught.value)


# ---- a story


def damped(A, g, w, t):
    return A * np.exp(-g * t) * np.cos(w * t)


def test_a_function_of_numpy_becomes_a_program():
    program = trace(damped)
    assert program.name == "damped"
    assert [item.name for item in program.inputs] == ["A", "g", "w", "t"]
    assert output_names(program) == ["out"]
    point = (2.0, 0.3, 5.0, 1.25)
    assert values(program, *point) == pytest.approx([damped(*point)], rel=1e-14)


def test_what_is_equal_is_one_node():
    program = trace(lambda x, y: np.sin(x * y) + np.sin(y * x))
    assert ops(program).count("sin") == 1


def test_loops_over_lists_are_written_out():
    def energy(x, y, z):
        total = 0
        for a, b in [(x, y), (y, z), (x, z)]:
            total += 1 / (a - b) ** 2
        return total

    assert value(energy, 1.0, 2.0, 4.0) == pytest.approx(1 + 1 / 4 + 1 / 9, rel=1e-15)


def test_nodes_grow_linearly_with_the_steps_of_a_loop():
    def steps(count):
        def chain(x):
            s = x
            for i in range(count):
                s = s + x * i
            return s

        return len(trace(chain).graph)

    assert steps(2000) - steps(1000) == steps(1000 + 2000) - steps(2000) <= 3 * 1000


# ---- operators

ARITHMETIC = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
}  # fmt: skip
COMPARISONS = {
    name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")
}  # fmt: skip
NUMBERS = [
    3, -2, 0.1, 2.5, True, Fraction(1, 3), Decimal("0.25"), np.float64(0.3), np.float32(0.7), np.int64(4),
    np.int8(-3), np.uint8(200), np.bool_(True), np.array(1.5), np.longdouble("0.1"), sympy.Integer(3),
    sympy.Rational(2, 7), sympy.pi, sympy.sqrt(2), sympy.Float("0.1"),
]  # fmt: skip


def plain(number):
    return float(sympy.N(number, 30)) if isinstance(number, sympy.Basic) else float(number)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda n: f"{type(n).__name__}-{n}")
@pytest.mark.parametrize("name", ARITHMETIC)
def test_every_kind_of_number_on_either_side(name, number):
    join = ARITHMETIC[name]
    x = 1.75
    assert value(lambda v: join(v, number), x) == pytest.approx(join(x, plain(number)), rel=1e-15)
    assert value(lambda v: join(number, v), x) == pytest.approx(join(plain(number), x), rel=1e-15)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("x", [1.0, 2.0, 3.0])
def test_comparisons_with_numbers_on_either_side(name, x):
    test = COMPARISONS[name]
    assert value(lambda v: np.where(test(v, 2), 1, 0), x) == test(x, 2)
    assert value(lambda v: np.where(test(np.float64(2), v), 1, 0), x) == test(2, x)


def test_powers_and_signs():
    assert value(lambda x, y: x**y + 2**x - x**-1, 2.0, 3.0) == 11.5
    assert value(lambda x: -x + +x + abs(-x), 3.0) == 3.0
    assert value(lambda x: math.floor(x) + 10 * math.ceil(x) + 100 * math.trunc(x), -1.5) == -112
    assert value(lambda x: round(x), 2.5) == 2
    assert value(lambda x: round(x, 1), 2.34) == pytest.approx(2.3)


def test_a_float_is_what_python_holds():
    program = trace(lambda x: x * 0.1)
    assert Fraction(0.1) in program.graph.payloads
    assert values(trace(lambda x: 0 * x + 0.1 + 0.2), 1.0) == [0.1 + 0.2]


@pytest.mark.parametrize("special", [math.nan, math.inf, -math.inf, np.float32("nan"), Decimal("-Infinity")])
def test_special_floats_are_constants(special):
    found = value(lambda x: np.where(x > 0, x, special), -1.0)
    assert found == float(special) or (math.isnan(found) and math.isnan(special))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(ARITHMETIC)),
        st.one_of(st.none(), st.floats(0.1, 3), st.integers(1, 9)),
        st.booleans(),
    ),
    max_size=12,
)


@given(STEPS, st.floats(0.5, 2), st.floats(0.5, 2))
def test_any_chain_of_operators_agrees_with_fractions(steps, a, b):
    def chain(x, y):
        s = x
        for name, constant, swap in steps:
            other = y if constant is None else constant
            s = ARITHMETIC[name](other, s) if swap else ARITHMETIC[name](s, other)
        return s

    # Fraction with float gives float: for the exact value the constants are fractions as well
    traced = trace(chain)
    steps = [(name, constant and Fraction(constant), swap) for name, constant, swap in steps]
    try:
        exact = chain(Fraction(a), Fraction(b))
    except ZeroDivisionError:
        return
    assert values(traced, a, b) == pytest.approx([float(exact)], rel=1e-14, abs=1e-300)


# ---- truth values


@pytest.mark.parametrize("x", [-1.0, 0.5, 2.0])
def test_logic_of_truth_values(x):
    def story(x):
        low, high = x > 0, x < 1
        return {
            "both": np.where(low & high, 1, 0),
            "one": np.where(low | high, 1, 0),
            "either": np.where(low ^ high, 1, 0),
            "neither": np.where(~(low | high), 1, 0),
            "same": np.where(low == high, 1, 0),
            "different": np.where(low != high, 1, 0),
            "true": np.where(low == True, 1, 0),  # noqa: E712
            "python": np.where(True & low, 1, 0),
            "numpy": np.where(np.bool_(True) & low, 1, 0),
            "choice": np.where(np.where(low, high, False), 1, 0),
        }

    low, high = x > 0, x < 1
    expected = {
        "both": low and high, "one": low or high, "either": low != high, "neither": not (low or high),
        "same": low == high, "different": low != high, "true": low, "python": low, "numpy": low,
        "choice": low and high,
    }  # fmt: skip
    program = trace(story)
    assert dict(zip(output_names(program), values(program, x), strict=True)) == expected


def test_a_truth_value_counts_as_one_in_arithmetic():
    for function in (
        lambda x: x * (x > 0),
        lambda x: (x > 0) * x,
        lambda x: sum([x > 0, x > 1]) * x / 2 + 0 * x,
    ):
        for x in (-2.0, 3.0):
            assert value(function, x) == function(x)
    for function in (
        lambda x: 1 + (x > 0), lambda x: 1 - (x > 0), lambda x: (x > 0) - 1, lambda x: (x > 0) / 2,
        lambda x: 2 / ((x > 0) + 1), lambda x: (x > 0) ** 2, lambda x: 3 ** (x > 0), lambda x: np.add(x, x > 0),
        lambda x: np.float64(2) * (x > 0),
    ):  # fmt: skip
        assert value(function, 3.0) == function(3.0)


# ---- ufuncs

POINTS = {
    "arcsin": 0.4, "arccos": 0.4, "arctanh": 0.4, "logit": 0.3, "arccosh": 1.6, "float_power": 1.5,
}  # fmt: skip
SECOND = {"heaviside": 0.25, "ldexp": 3}


@pytest.mark.parametrize("name", [*_NUMBERS, *_TESTS])
@pytest.mark.parametrize("sign", [1, -1])
def test_ufuncs_agree_with_numpy(name, sign):
    ufunc = getattr(np, name)
    x = POINTS.get(name, 1.3)
    if sign < 0:
        if name.startswith(("log", "sqrt", "arccosh", "power", "float_power")) and name not in (
            "logaddexp",
            "logaddexp2",
        ):
            return
        x = -x
    boolean = name in _TESTS
    if ufunc.nin == 1:
        expected = ufunc(x)
        found = value(lambda v: np.where(ufunc(v), 1, 0) if boolean else ufunc(v), x)
        assert found == pytest.approx(float(expected), rel=1e-14)
        return
    y = SECOND.get(name, 0.7)
    expected = ufunc(x, y)
    found = value(lambda v: np.where(ufunc(v, y), 1, 0) if boolean else ufunc(v, y), x)
    assert found == pytest.approx(float(expected), rel=1e-13)
    if name == "ldexp":
        return
    found = value(lambda v, w: np.where(ufunc(v, w), 1, 0) if boolean else ufunc(v, w), x, y)
    assert found == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("name", [*_LOGIC])
@pytest.mark.parametrize("x", [-1.0, 0.5, 2.0])
def test_logical_ufuncs_agree_with_numpy(name, x):
    ufunc = getattr(np, name)
    args = lambda v: (v > 0, v < 1)[: ufunc.nin]  # noqa: E731
    assert value(lambda v: np.where(ufunc(*args(v)), 1, 0), x) == ufunc(*(np.bool_(c) for c in args(x)))


@pytest.mark.parametrize("x", [0.0, 2.0])
def test_logical_ufuncs_take_numbers(x):
    assert value(lambda v: np.where(np.logical_and(v, v < 9), 1, 0), x) == (x != 0)
    assert value(lambda v: np.where(v, 1, 0), x) == (x != 0)


@pytest.mark.parametrize("name", _SCIPY)
@pytest.mark.parametrize("x", [0.4, 0.9, -0.4, 2.5, -2.5])
def test_scipy_ufuncs_agree(name, x):
    ufunc = getattr(scipy.special, name)
    if ufunc.nin == 3:
        expected, program, args = ufunc(1.7, 0.6, x), trace(lambda x: ufunc(1.7, 0.6, x)), (x,)
    elif name in ("expn", "yn", "kn"):
        expected, program, args = ufunc(2, x), trace(lambda x: ufunc(2, x)), (x,)
    else:
        args = (x,) if ufunc.nin == 1 else (x, 1.7)
        expected = ufunc(*args)
        program = trace(lambda x: ufunc(x)) if ufunc.nin == 1 else trace(lambda x, y: ufunc(x, y))
    [found] = values(program, *args)
    assert found == pytest.approx(float(expected), rel=1e-12, nan_ok=True)


def test_xlogy_is_zero_at_zero():
    assert value(lambda x, y: scipy.special.xlogy(x, y), 0.0, 0.0) == 0
    assert value(lambda x, y: scipy.special.xlog1py(x, y), 0.0, -1.0) == 0
    assert math.isnan(value(lambda x, y: scipy.special.xlogy(x, y), 0.0, math.nan))


IN_DOUBLE = {
    "add": operator.add, "sub": operator.sub, "exp": np.exp, "log1p": np.log1p, "le": operator.le, "lt": operator.lt,
    "eq": operator.eq, "mul": operator.mul, "select": lambda c, a, b: a if c else b,
}  # fmt: skip


def in_double(program, *args):
    """The first output as double arithmetic gives it, overflow included."""
    found = []
    columns = zip(program.graph.ops, program.graph.args, program.graph.payloads, strict=True)
    with np.errstate(over="ignore", invalid="ignore"):
        for op, at, payload in columns:
            leaf = np.float64(args[payload] if op == "input" else payload) if payload is not None else None
            found.append(IN_DOUBLE[op](*(found[k] for k in at)) if leaf is None else leaf)
    return found[program.roots[0]]


INFINITE = [
    (-np.inf, -np.inf), (np.inf, np.inf), (np.inf, -np.inf), (-np.inf, np.inf), (3.0, -np.inf), (np.nan, -np.inf)
]  # fmt: skip


def test_logaddexp_does_not_overflow_and_may_start_at_nothing():
    program = trace(lambda x, y: np.logaddexp(x, y))
    for x, y in [
        (1000.0, 1001.0),
        (-1000.0, -1001.0),
        (1000.0, -1000.0),
        (-9.0, 2000.0),
        (0.5, 0.5),
        *INFINITE,
    ]:
        assert in_double(program, x, y) == pytest.approx(quiet(np.logaddexp, x, y), rel=1e-15, nan_ok=True)
    assert ops(trace(lambda x: np.logaddexp(-np.inf, x))) == ["input"]


def test_the_logistic_function_has_no_overflow_in_either_branch():
    program = trace(lambda x: scipy.special.expit(x))
    assert ops(program).count("expit") == 1
    assert values(program, -800.0)[0] == pytest.approx(math.exp(-700) * math.exp(-100), rel=1e-12, abs=0)


def test_a_ufunc_of_the_same_name_is_not_trusted(monkeypatch):
    theirs = scipy.special.gamma
    monkeypatch.setattr(scipy.special, "gamma", scipy.special.gammaln)
    refused(lambda x: theirs(x), "gamma cannot be traced")


# ---- NumPy functions


@pytest.mark.filterwarnings("ignore:.*fix.*:DeprecationWarning")  # np.fix, from NumPy 2.5 on
@pytest.mark.parametrize("x", [-2.0, -0.25, 0.0, 0.75, 3.5])
def test_numpy_functions_agree(x):
    for function in (
        lambda x: np.where(x > 0, x, 2 * x),
        lambda x: np.clip(x, -1, 1),
        lambda x: np.clip(x, None, 1),
        lambda x: np.clip(x, a_min=-1, a_max=None),
        lambda x: np.round(x) + np.around(3 * x, 1) + np.fix(x),
        lambda x: np.select([x < 0, x < 1], [-x, x * x], 7.0) + 0 * x,
        lambda x: np.select([x < 0], [-x]) + 0 * x,
        lambda x: np.sinc(x),
        lambda x: np.polyval([1.0, -2.0, 3.0], x),
        lambda x: np.dot(x, 3.0) + np.inner(2.0, x) + np.vdot(x, x),
        lambda x: np.sum(x) + np.max(x) - np.mean(x) + np.real(x) + np.copy(x),
        lambda x: np.where(x > 0, np.ones_like(x), np.zeros_like(x)) + np.full_like(x, 2.0) + 0 * x,
        lambda x: x + len(np.shape(x)) + np.ndim(x) + np.size(x),
        lambda x: np.abs(x) + np.fabs(x),
        lambda x: np.rint(2 * x) + np.heaviside(x, 0.25),
    ):
        assert value(function, x) == pytest.approx(float(function(x)), rel=1e-14, abs=1e-15)


def test_clip_with_the_names_of_numpy_2():
    assert (
        value(lambda x: np.clip(x, min=0, max=1) if np.__version__ >= "2.1" else np.clip(x, 0, 1), 3.0) == 1
    )


# ---- what cannot be traced says what to write


def if_statement(x):
    if x > 0:
        return x
    return -x


def while_loop(x):
    while x > 1:
        x = x / 2
    return x


REFUSED = [
    (if_statement, ["`0 < x`", "np.where(c, a, b)"]),
    (while_loop, ["np.where(c, a, b)"]),
    (lambda x: x if x else 1, ["`x`", "np.where"]),
    (lambda x: max(x, 0), ["np.maximum(x, 0)"]),
    (lambda x: min(0, x), ["np.minimum"]),
    (lambda x: sorted([x, 1])[0], ["np.maximum"]),
    (lambda x: 0 < x < 1, ["(0 < x) & (x < 1)"]),
    (lambda x: x > 0 and x < 1, ["& (x < 1)"]),
    (lambda x: not x > 0, ["~ for not"]),
    (lambda x: x in [1, 2], ["not known while tracing"]),
    (lambda x: math.exp(x), ["np.exp(x)", "math"]),
    (lambda x: float(x), ["float()"]),
    (lambda x: int(x), ["np.trunc(x)"]),
    (lambda x: complex(x), ["complex()"]),
    (lambda x: range(x), ["range"]),
    (lambda x: [1, 2][x], ["index"]),
    (lambda x: [0] * x, ["repetition"]),
    (lambda x: tuple(x), ["`x` is one number", "parameter of its own"]),
    (lambda x: len(x), ["length"]),
    (lambda x: x[0], ["indexed"]),
    (lambda x: x.__setitem__(0, 1), ["assigned"]),
    (lambda x: x(1), ["missing before the bracket"]),
    (lambda x: x // 2, ["np.floor_divide(x, y)"]),
    (lambda x: 2 // x, ["np.floor_divide(x, y)"]),
    (lambda x: x % 2, ["np.mod(x, y)", "np.fmod(x, y)"]),
    (lambda x: 2 % x, ["np.mod(x, y)"]),
    (lambda x: divmod(x, 2), ["np.floor_divide(x, y)"]),
    (lambda x: np.divmod(x, 2), ["np.divmod", "np.floor_divide(x, y)"]),
    (lambda x: pow(x, 2, 3), ["modulus"]),
    (lambda x: x @ x, ["write *"]),
    (lambda x: x << 1, ["2**n"]),
    (lambda x: x ^ 2, ["x**y"]),
    (lambda x: (x > 0) & x, ["in brackets"]),
    (lambda x: 0 < (x & x) < 1, ["in brackets"]),
    (lambda x: (x > 0) < 1, ["in brackets"]),
    (lambda x: x < (x > 0), ["in brackets"]),
    (lambda x: ~x, ["write -x"]),
    (lambda x: (x > 0) + (x > 1), ["np.where(c, 1, 0)"]),
    (lambda x: -(x > 0), ["np.where(c, 1, 0)"]),
    (lambda x: np.exp(x > 0), ["np.where(c, 1, 0)"]),
    (lambda x: x + 1j, ["complex"]),
    (lambda x: 1j * x, ["complex"]),
    (lambda x: np.array([x, x]), ["`x`", "np.stack([a, b, c])"]),
    (lambda x: np.asarray(x), ["Leave np.array and np.asarray out"]),
    (lambda x: np.sum([x, x]), ["sum(values)"]),
    (lambda x: np.max([x, x]), ["tapeless.maximum(*values)"]),
    (lambda x: np.linalg.norm([x, x]), ["np.sqrt(sum("]),
    (lambda x: np.piecewise(x, [x > 0], [1]), ["np.piecewise", "np.select"]),
    (lambda x: np.interp(x, [0, 1], [0, 1]), ["np.interp"]),
    (lambda x: np.where(x > 0), ["three arguments"]),
    (lambda x: np.select([x > 0], [x, x]), ["1 conditions"]),
    (lambda x: np.sum(x, axis=0), ["np.sum", "axis"]),
    (lambda x: np.add(x, 1, out=np.zeros(1)), ["list"]),
    (lambda x: np.add(x, 1, where=False), ["np.where(c, a, b)"]),
    (lambda x: np.add.reduce(x), ["np.add.reduce"]),
    (lambda x: np.multiply.outer(x, [1.0]), ["np.multiply.outer"]),
    (lambda x: np.modf(x), ["np.trunc(x)"]),
    (lambda x: np.spacing(x), ["np.spacing cannot be traced"]),
    (lambda x: np.ldexp(x, x), ["np.exp2"]),
    (lambda x: scipy.special.sici(x), ["sici cannot be traced"]),
    (lambda x: x + sympy.Symbol("q"), ["sympy symbol q", "parameter"]),
    (lambda x: sympy.Symbol("q") * x, ["sympy symbol q"]),
    (lambda x: sympy.sin(x), ["np.sin(x)"]),
    (lambda x: np.where("c", x, x), ["comparison"]),
    (lambda x: np.where(x > 0, "a", x), ["not str"]),
    (lambda x: None, ["forget return"]),
    (lambda x: (x, None), ["'out1'", "None"]),
    (lambda x: x > 0, ["np.where(c, 1, 0)"]),
    (lambda x: True, ["np.where(c, 1, 0)"]),
    (lambda x: "x", ["not str"]),
    (lambda x: (), ["nothing"]),
    (lambda x: {}, ["nothing"]),
    (lambda x: ((x, (x, x)), x), ["different shapes"]),
    (lambda x: ((x, {"a": x}), x), ["dict"]),
    (lambda x: ([], x), ["empty"]),
    (lambda x: {1: x}, ["identifiers"]),
    (lambda x: {"a b": x}, ["identifiers"]),
    (lambda x: {x}, ["set"]),
    (lambda x: np.sin, ["sin"]),
    (lambda x: (y for y in [x]), ["generator"]),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: "-".join(case[1])[:50])
def test_refused_with_a_way_out(case):
    refused(case[0], *case[1])


def test_an_in_place_operator_on_an_array_names_the_list():
    def function(x):
        total = np.zeros(1)
        total += x
        return total[0]

    refused(function, "list")

    def assigned(x):
        total = np.zeros(1)
        total[0] = x
        return total[0]

    refused(assigned, "list")


def test_foreign_objects_keep_pythons_own_error():
    with pytest.raises(TypeError, match="unsupported operand"):
        trace(lambda x: x + "a")
    with pytest.raises(TypeError):
        trace(lambda x: np.add(x, object()))
    program = trace(lambda x: x if x is not None and (x == None) is False else 0)  # noqa: E711
    assert ops(program) == ["input"]


def test_a_value_of_another_trace_is_recognised():
    kept = []

    def leak(x):
        kept.append(x)
        return x

    trace(leak)
    for function in (
        lambda y: y + kept[0], lambda y: np.add(kept[0], y), lambda y: kept[0], lambda y: np.where(y > 0, kept[0], y),
        lambda y: (y > 0) & (kept[0] > 0), lambda y: y * (kept[0] > 0),
    ):  # fmt: skip
        refused(function, "another trace")


def test_the_error_of_the_function_itself_passes():
    def broken(x):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(broken)


# ---- inputs


def test_parameters_in_all_their_kinds():
    def function(a, /, b, *, c):
        return a + 10 * b + 100 * c

    program = trace(function)
    assert [item.name for item in program.inputs] == ["a", "b", "c"]
    assert values(program, 1.0, 2.0, 3.0) == [321.0]


def test_an_input_that_is_not_used_is_kept():
    assert [item.name for item in trace(lambda x, y: x).inputs] == ["x", "y"]


def test_a_default_asks_what_is_meant():
    def function(x, k=2.0, m=3.0):
        return k * x + m

    with pytest.raises(ArgumentError, match=r"'k' has a default.*functools\.partial"):
        trace(function)
    assert values(trace(function, inputs=["x"]), 5.0) == [13.0]
    assert values(trace(function, inputs=["x", "m"]), 5.0, 1.0) == [11.0]
    assert values(trace(partial(function, k=4.0, m=0.0)), 5.0) == [20.0]
    assert values(trace(partial(function, 5.0, m=0.0), inputs=["k"]), 3.0) == [15.0]


def test_star_args_need_names():
    def total(*terms):
        return sum(terms)

    with pytest.raises(ArgumentError, match="how many"):
        trace(total)
    program = trace(total, inputs=["a", "b", "c"])
    assert values(program, 1.0, 2.0, 4.0) == [7.0]
    with pytest.raises(ArgumentError, match="different names"):
        trace(total, inputs=["a", "a"])

    def mixed(x, *rest, k):
        return x * sum(rest) + k

    assert values(trace(mixed, inputs=["x", "a", "b", "k"]), 2.0, 3.0, 4.0, 5.0) == [19.0]


@pytest.mark.parametrize("listed", [["y", "x"], ["x"], ["x", "y", "z"], []])
def test_inputs_that_disagree_with_the_signature(listed):
    with pytest.raises(ArgumentError, match="the parameters are x, y"):
        trace(lambda x, y: x + y, inputs=listed)


def test_signatures_that_do_not_say_what_the_inputs_are():
    with pytest.raises(ArgumentError, match=r"\*\*options"):
        trace(lambda x, **options: x)
    with pytest.raises(ArgumentError, match="no input"):
        trace(lambda: 1)
    with pytest.raises(ArgumentError, match="names 'z'"):
        trace(lambda x: x, shapes={"z": ()})
    with pytest.raises(ArgumentError, match="cannot be seen"):
        trace(dict)


def test_generators_and_coroutines_are_refused():
    def generator(x):
        yield x

    async def coroutine(x):
        return x

    refused(generator, "plain function")
    refused(coroutine, "plain function")


def test_names():
    class Model:
        def __call__(self, x):
            return x

        def method(self, x):
            return x

    assert trace(lambda x: x).name == "f"
    assert trace(damped, name="other").name == "other"
    assert trace(partial(damped, g=1.0)).name == "damped"
    assert trace(Model().method).name == "method"
    assert trace(Model()).name == "Model"


# ---- outputs

Pair = namedtuple("Pair", "total difference")


def test_how_outputs_are_named():
    assert output_names(trace(lambda x: x + 1)) == ["out"]
    assert output_names(trace(lambda x: (x,))) == ["out"]
    assert output_names(trace(lambda x, y: [x, y, x + y])) == ["out0", "out1", "out2"]
    assert output_names(trace(lambda x, y: {"s": x + y, "d": x - y})) == ["s", "d"]
    assert output_names(trace(lambda x, y: Pair(x + y, x - y))) == ["total", "difference"]


def test_an_output_never_has_the_name_of_an_input():
    assert output_names(trace(lambda out: out + 1)) == ["out_"]
    assert output_names(trace(lambda x, x_: {"x": x, "x__": x_})) == ["x___", "x__"]
    assert output_names(trace(lambda x: {"x": x, "x_": x})) == ["x__", "x_"]


@pytest.mark.parametrize("constant", [1, 0.5, Fraction(1, 3), np.float32(2), np.array(3.0), sympy.pi])
def test_an_output_may_be_constant(constant):
    assert value(lambda x: constant, 1.0) == pytest.approx(plain(constant), rel=1e-15)


# ---- traced values as objects


def test_traced_values_print_their_formula():
    seen = []

    def function(x, y):
        seen.extend([repr(x * y), f"{x:.3f}", repr(x < y), copy.deepcopy(x) is x, {x: 1}[x]])
        for i in range(6000):
            y = y + x * i
        seen.append(repr(x))
        return y

    trace(function)
    assert seen == ["<traced x*y>", "<traced x>", "<traced x < y>", True, 1, "<traced value>"]


# ---- programs inside programs


def test_a_program_called_while_tracing_is_written_in():
    inner = trace(lambda a, b: (a * b + 1, np.where(a > b, a, b)))

    def outer(x):
        product, larger = call_program(inner, (x, 3))
        return product * larger

    program = trace(outer)
    assert values(program, 5.0) == [16.0 * 5.0]
    assert ops(program).count("input") == 1


def test_an_inlined_program_folds_its_constants():
    inner = trace(lambda a, b: np.exp(a) * b + scipy.special.gamma(b))
    program = trace(lambda x: call_program(inner, (0, x)))
    assert "exp" not in ops(program)


def test_a_program_is_called_with_what_it_takes():
    inner = trace(lambda a, b: a)
    shaped = finish("shaped", [Input("v", (1,))], [Output("o", (0,))], _one_input())
    for program, args, kind, words in [
        (inner, lambda x: (x,), ArgumentError, "takes 2 arguments"),
        (inner, lambda x: (x, "a"), TracingError, "not str"),
        (inner, lambda x: (1, 2), TracingError, "no argument"),
        (shaped, lambda x: (x,), ShapeError, r"v has shape \(\), its last dimensions must be \(1,\)"),
    ]:
        with pytest.raises(kind, match=words):
            trace(lambda x, program=program, args=args: call_program(program, args(x)), inputs=["x"])


def _one_input():
    builder = Builder()
    builder.input(0)
    return builder


# ---- remainders, as NumPy's


@pytest.mark.parametrize(
    ("x", "y"),
    [(5.0, 0.1), (1e17, 3.0), (5.0, math.inf), (-5.0, math.inf), (5.0, -math.inf), (-7.5, 2.0), (7.5, -2.0),
     (-6.0, 3.0), (0.3, 0.1), (-1e-20, 3.0), (5.0, 0.0)],
)  # fmt: skip
def test_remainders_are_those_of_numpy(x, y):
    assert compiled(np.mod, x, y) == pytest.approx(quiet(np.mod, x, y), rel=0, abs=0, nan_ok=True)
    assert compiled(np.remainder, x, y) == pytest.approx(quiet(np.remainder, x, y), rel=0, abs=0, nan_ok=True)
    assert compiled(np.floor_divide, x, y) == pytest.approx(quiet(np.floor_divide, x, y), rel=0, abs=0)


def compiled(ufunc, x, y):
    """The value in C, with both as inputs."""
    return float(tl.compile(lambda x, y: ufunc(x, y))(x, y))


def quiet(ufunc, x, y):
    with np.errstate(all="ignore"):
        return float(ufunc(x, y))


def test_logaddexp_at_a_tie_and_at_minus_infinity():
    f = tl.compile(lambda x, y: np.logaddexp(x, y))
    assert f(-np.inf, -np.inf) == -np.inf
    assert f.grad(0.7, 0.7) == (0.5, 0.5)
    assert f.grad(-np.inf, -np.inf) == (0.5, 0.5)
    assert f.op_counts()["total"] <= 16


# ---- what makes no sense


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: round(x, 400), "10\\*\\*400 is beyond the range"),
        (lambda x: np.round(x, -301), "at most 300"),
        (lambda x: round(x, 1.5), "whole number of digits, not 1.5"),
        (lambda x: round(x, "2"), "whole number of digits, not '2'"),
    ],
)
def test_digits_that_make_no_sense_are_refused(function, words):
    with pytest.raises(TracingError, match=words):
        trace(function)
    assert value(lambda x: round(x, np.int64(1)), 2.34) == pytest.approx(2.3)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (3, r"such as \(3,\)"),
        (7, r"such as \(7,\)"),
        (None, "the shape None"),
        ((0,), "from 1"),
        ((2.5,), "whole numbers"),
        ("3", "'3'"),
    ],
)
def test_shapes_that_are_none_are_refused(shape, words):
    with pytest.raises(ArgumentError, match=words):
        trace(lambda x: x + 1, shapes={"x": shape})
    assert ops(trace(lambda x: x, shapes={"x": ()})) == ["input"]
