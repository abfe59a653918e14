"""The generic functions: one function of Python that runs on numbers, reads as sympy and traces to a graph."""

import inspect
import math
import pickle
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import scipy.special
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import tapeless
from tapeless.errors import ArgumentError, TracingError
from tapeless.frontend import functions as tl
from tapeless.frontend.symbolic import Argument, Result, program_from_sympy
from tapeless.frontend.trace import program_from_function
from tapeless.ir.primitives import NAMELESS, PRIMITIVES
from tapeless.targets.reference import evaluate

ROWS = [row for name, row in PRIMITIVES.items() if name in tl.FUNCTIONS]
NAMES = [row.name for row in ROWS]


def _spread(function):
    def spread(*values):
        return function(*values)

    return spread


def traced_value(function, *args):
    names = [f"x{k}" for k in range(len(args))]
    program = program_from_function(_spread(function), inputs=names)
    return float(evaluate(program, dict(zip(names, args, strict=True)), 30)[0])


def symbolic_value(function, *args):
    symbols = [sympy.Symbol(f"x{k}", real=True) for k in range(len(args))]
    arguments = [Argument(symbol.name, (symbol,)) for symbol in symbols]
    program = program_from_sympy([Result("out", (function(*symbols),))], arguments, "f")
    return float(evaluate(program, {s.name: a for s, a in zip(symbols, args, strict=True)}, 30)[0])


# ---- a story


def gelu(x):
    return x * (1 + tl.erf(x / tl.sqrt(2))) / 2


def test_one_function_three_readings():
    points = np.linspace(-3, 3, 7)
    assert gelu(points) == pytest.approx([traced_value(gelu, x) for x in points], rel=1e-14)
    assert gelu(0.5) == pytest.approx(symbolic_value(gelu, 0.5), rel=1e-15)
    assert isinstance(gelu(sympy.Symbol("x")), sympy.Expr)


def test_every_callable_primitive_has_a_function():
    written = {"input", "rational", "named", "extern", "add", "sub", "mul", "div", "neg", "select"}
    callable_rows = {name for name, row in PRIMITIVES.items() if not row.boolean} - written - NAMELESS
    assert set(tl.__all__) == callable_rows | {"where", "clip", "maximum", "minimum"}
    for name in tl.__all__:
        assert getattr(tapeless, name) is getattr(tl, name)
        assert name in dir(tl)


# ---- agreement, row by row


def points_of(row):
    return st.tuples(
        *(
            st.integers(int(low), int(high)).map(float) if arg in row.whole else st.floats(low, high)
            for arg, (low, high) in zip(row.args if not row.nary else "ab", row.samples, strict=True)
        )
    )


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
@settings(max_examples=15)
@given(data=st.data())
def test_numbers_traces_and_sympy_agree(row, data):
    function = getattr(tl, row.name)
    args = tuple(arg + 0.0 for arg in data.draw(points_of(row)))  # the graph knows one zero only
    exact = pytest.approx(traced_value(function, *args), rel=1e-12, abs=1e-14)
    assert function(*args) == exact
    assert symbolic_value(function, *args) == exact
    arrays = [np.array([arg, arg]) for arg in args]
    assert function(*arrays).tolist() == [function(*args)] * 2


SPECIAL = [
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -1.0,
    -3.0,
    0.49999999999999994,
    1e300,
    5e-324,
    math.inf,
    -math.inf,
    math.nan,
]


@pytest.mark.parametrize(
    "name", ["erf", "erfc", "gamma", "loggamma", "round", "round_away", "logb", "heaviside", "sign"]
)
@pytest.mark.parametrize("x", SPECIAL)
def test_special_arguments_of_one(name, x):
    found = getattr(tl, name)(x)
    if name == "gamma" and x == 0:
        assert found == math.copysign(math.inf, x)
    else:
        assert float(found) == pytest.approx(traced_value(getattr(tl, name), x), rel=1e-13, nan_ok=True)


@pytest.mark.parametrize("name", ["remainder", "fdim", "fmax", "fmin", "max", "min"])
@pytest.mark.parametrize("a", SPECIAL)
@pytest.mark.parametrize("b", [0.0, 0.75, -2.0, math.inf, math.nan])
def test_special_arguments_of_two(name, a, b):
    found = getattr(tl, name)(a, b)
    assert float(found) == pytest.approx(traced_value(getattr(tl, name), a, b), rel=1e-13, nan_ok=True)


# ---- numbers and arrays


def test_the_dtype_is_what_numpy_would_choose():
    half = np.array([0.25, 0.5], np.float32)
    for name in ("exp", "erf", "heaviside", "gamma", "round_away", "fdim", "pow", "max", "logb"):
        function = getattr(tl, name)
        args = (half,) if len(inspect.signature(function).parameters) == 1 and name != "max" else (half, 2)
        assert function(*args).dtype == np.float32, name
    assert tl.exp([1, 2]).dtype == np.float64
    assert isinstance(tl.exp(1), np.float64)
    assert tl.pow(2, -1) == 0.5
    assert tl.hypot(np.float64(3), np.float32(4)).dtype == np.float64


@pytest.mark.parametrize(
    "x", [2, True, Fraction(1, 2), Decimal("0.5"), np.int8(3), np.float32(2), [1, 2], (1.0,)]
)
def test_kinds_of_numbers(x):
    assert np.allclose(tl.exp(x), np.exp(np.asarray(x, float)))


def test_broadcasting():
    assert tl.maximum(np.ones((2, 1)), np.arange(3.0), 0.5).shape == (2, 3)
    assert tl.remainder(np.ones((2, 1)), np.arange(1.0, 4.0)).shape == (2, 3)


@pytest.mark.parametrize("bad", ["x", None, 1j, object(), np.array(["a"]), np.array([1j])])
def test_what_is_no_number_is_refused(bad):
    with pytest.raises(ArgumentError, match=r"tapeless\.exp takes"):
        tl.exp(bad)


def test_the_number_of_arguments_is_checked():
    with pytest.raises(ArgumentError, match=r"exp\(x\) takes 1 arguments, 2 were given"):
        tl.exp(1, 2)
    with pytest.raises(ArgumentError, match=r"hypot\(a, b\)"):
        tl.hypot(1)
    for wrong in ((), ([1, 2],), (np.ones(2),)):
        with pytest.raises(ArgumentError, match=r"tapeless\.max\(\*values\)"):
            tl.max(*wrong)


# ---- choices


@pytest.mark.parametrize("x", [-2.0, 0.5, 3.0])
def test_where_and_clip(x):
    for function in (
        lambda x: tl.where(x > 0, x, -1.5),
        lambda x: tl.clip(x, -1, 1),
        lambda x: tl.clip(x, None, 1),
        lambda x: tl.clip(x, 0),
        lambda x: tl.maximum(x, 0, 1) + tl.minimum(x, 0),
    ):
        assert function(x) == traced_value(function, x) == symbolic_value(function, x)
    assert tl.where(np.array([True, False]), 1, 2).tolist() == [1, 2]
    assert tl.clip(np.array([-3.0, 5.0]), 0, 1).tolist() == [0, 1]


def test_mixtures_go_to_the_richer_side():
    assert traced_value(lambda x: tl.hypot(x, sympy.Integer(4)), 3.0) == 5
    assert traced_value(lambda x: tl.where(True, x, 1), 3.0) == 3
    x = sympy.Symbol("x", real=True)
    assert tl.hypot(x, 3).args == (x, 3)
    assert symbolic_value(lambda x: tl.where(x > 0, 1, np.float64(2)), -1.0) == 2
    with pytest.raises(TracingError, match=r"tapeless\.hypot takes numbers, not str"):
        traced_value(lambda x: tl.hypot(x, "a"), 1.0)


def test_scipy_agrees():
    x = np.linspace(0.1, 5, 9)
    for ours, theirs in [("erf", "erf"), ("erfc", "erfc"), ("gamma", "gamma"), ("loggamma", "gammaln")]:
        assert getattr(tl, ours)(x) == pytest.approx(getattr(scipy.special, theirs)(x), rel=1e-13, abs=1e-15)


# ---- as objects


@pytest.mark.parametrize("name", tl.__all__)
def test_functions_show_and_travel(name):
    function = getattr(tl, name)
    assert function.__name__ == name
    assert function.__doc__.strip()
    assert str(inspect.signature(function)).startswith("(")
    assert pickle.loads(pickle.dumps(function)) is function


def test_signature_and_docstring_come_from_the_table():
    assert str(inspect.signature(tl.hypot)) == "(a, b, /)"
    assert str(inspect.signature(tl.max)) == "(*values)"
    assert "x receives y_bar/x" in tl.log.__doc__
    assert "x > 0" in tl.log.__doc__


def test_no_other_attribute():
    with pytest.raises(AttributeError, match="struve"):
        _ = tl.struve


def test_sympy_is_not_imported_for_numbers():
    code = """
import sys
from tapeless.frontend import functions
functions.exp(1), functions.erf(2.0), functions.where(True, 1, 2)
print("sympy" in sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_clip_of_a_traced_value_leaves_out_a_bound():
    for low, high in [(0, 1), (None, 1), (0, None), (None, None)]:
        program = program_from_function(lambda x, low=low, high=high: tl.clip(x, low, high) + 0, inputs=["x"])
        assert set(program.graph.ops) - {"input", "rational"} == ({"max"} if low == 0 else set()) | (
            {"min"} if high == 1 else set()
        )
