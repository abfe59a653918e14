"""Low-level callables: what SciPy's C reads is right, stays alive, and travels."""

from __future__ import annotations

import copy
import ctypes
import gc
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sympy
from scipy import LowLevelCallable
from scipy.integrate import dblquad, nquad, quad
from scipy.ndimage import generic_filter

import tapeless as tl
import tapeless.targets.c.emit

DAMPED = "damped(x, a, b) = exp(-a*x)*cos(b*x)"
WINDOW = "int (double *, intptr_t, double *, void *)"


@pytest.fixture(scope="module")
def damped():
    return tl.compile(DAMPED)


def exact(a, b):
    return a / (a * a + b * b)


def test_an_integral_with_parameters_bound(damped):
    g = damped.low_level_callable(a=1.0, b=2.0)
    assert isinstance(g, LowLevelCallable)
    assert g.signature == "double (double, void *)"
    assert quad(g, 0, np.inf)[0] == pytest.approx(exact(1, 2), abs=1e-8)
    assert repr(g) == "<low-level callable damped(x; a=1, b=2), double (double, void *)>"


def test_the_value_is_that_of_the_function(damped):
    g = damped.low_level_callable(a=0.3, b=2.5)
    for x in (0.0, -0.0, 1e-300, 0.7, 12.0, np.inf, np.nan):
        value = g.function(x, g.user_data)
        assert value == pytest.approx(damped(x, 0.3, 2.5), rel=1e-15, nan_ok=True)


def test_variables_in_the_order_of_the_caller(damped):
    by_args = damped.low_level_callable("x", "b", a=1.0)
    assert by_args.signature == "double (int, double *, void *)"
    assert quad(by_args, 0, 40, args=(2.0,))[0] == pytest.approx(exact(1, 2), abs=1e-8)
    turned = damped.low_level_callable("b", "x", a=1.0)
    want, _ = nquad(lambda b, x: math.exp(-x) * math.cos(b * x), [[0, 1], [0, 3]])
    assert nquad(turned, [[0, 1], [0, 3]])[0] == pytest.approx(want, rel=1e-12)
    assert dblquad(turned, 0, 3, 0, 1)[0] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    ("signature", "variables", "bound"),
    [
        ("double (double)", ("x",), {}),
        ("double(double,void*)", ("x",), {}),
        ("double (double, void *)", ("x",), {"a": 1.0}),
        ("double (int, double *)", ("x",), {}),
        ("double (int, double*)", ("x", "a"), {}),
        ("double (int, double *, void *)", ("x",), {"a": 1.0}),
        ("double (int, double *, void *)", ("x", "a"), {}),
    ],
)
def test_every_signature_of_quad(signature, variables, bound):
    text = "f(x, a) = a*x**2" if "a" in {*variables, *bound} else "f(x) = x**2"
    g = tl.compile(text).low_level_callable(*variables, signature=signature, **bound)
    assert quad(g, 0, 3, args=(1.0,) * (len(variables) - 1))[0] == pytest.approx(9.0)


def test_inputs_with_a_shape():
    f = tl.compile("f(x, c[3]) = c[0] + c[1]*x + c[2]*x**2")
    assert quad(f.low_level_callable(c=[1, 2, 3]), 0, 1)[0] == pytest.approx(3.0)
    box = tl.compile("box(v[2], s) = s*v[0]*v[1]**2").low_level_callable("v", s=6.0)
    assert nquad(box, [[0, 1], [0, 1]])[0] == pytest.approx(1.0)


def test_one_of_several_outputs():
    polar = tl.compile("polar(t, r):\n    x = r*cos(t)\n    y = r*sin(t)\n    return x, y")
    assert quad(polar.low_level_callable(r=2.0, output="y"), 0, np.pi)[0] == pytest.approx(4.0)
    pair = tl.compile("pair(t) = [t, t**2]")
    assert quad(pair.low_level_callable(output="out[1]"), 0, 3)[0] == pytest.approx(9.0)
    with pytest.raises(tl.ArgumentError, match=r"outputs are x, y; name the one.*output="):
        polar.low_level_callable(r=2.0)
    with pytest.raises(tl.ArgumentError, match="no 'z'"):
        polar.low_level_callable(r=2.0, output="z")


def test_differentiation_under_the_integral_sign(damped):
    by_a = damped.derivative("grad", wrt="a").low_level_callable("x", a=1.0, b=2.0)
    a, b = 1.0, 2.0
    assert quad(by_a, 0, 60)[0] == pytest.approx((b * b - a * a) / (a * a + b * b) ** 2, abs=1e-8)


def test_a_filter():
    edge = tl.compile("edge(x[9]) = max(x[0], x[4], x[8]) - x[2]**2")
    image = np.random.default_rng(0).normal(size=(20, 30))
    want = generic_filter(image, lambda x: max(x[0], x[4], x[8]) - x[2] ** 2, size=3)
    g = edge.low_level_callable(signature=WINDOW)
    assert np.array_equal(generic_filter(image, g, size=3), want)
    with pytest.raises(RuntimeError):
        generic_filter(image, g, size=4)


def test_a_wrong_number_of_variables_is_nan_and_not_read(damped):
    g = damped.low_level_callable("x", "b", a=1.0)
    pair = (ctypes.c_double * 2)(0.5, 2.0)
    assert g.function(2, pair, g.user_data) == pytest.approx(damped(0.5, 1.0, 2.0))
    assert math.isnan(g.function(1, pair, g.user_data))
    assert math.isnan(g.function(-1, pair, g.user_data))


def test_what_is_bound_is_copied_and_lives_as_long_as_the_callable():
    values = np.array([1.0, 2.0, 3.0])
    f = tl.compile("f(x, c[3]) = c[0] + c[1]*x + c[2]*x**2")
    g = f.low_level_callable(c=values)
    values[:] = np.nan
    del f, values
    gc.collect()
    waste = [np.full(3, np.nan) for _ in range(1000)]
    assert quad(g, 0, 1)[0] == pytest.approx(3.0)
    assert len(waste) == 1000


def test_threads_share_one(damped):
    g = damped.low_level_callable("x", "b", a=1.0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda b: quad(g, 0, 40, args=(b,), limit=200)[0], np.linspace(0, 5, 64)))
    assert found == pytest.approx([exact(1.0, b) for b in np.linspace(0, 5, 64)], abs=1e-7)


def test_copies_and_pickles_give_the_same(damped):
    g = damped.low_level_callable("x", "b", a=1.0)
    for other in (copy.copy(g), copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert other.signature == g.signature
        assert quad(other, 0, 5, args=(2.0,)) == quad(g, 0, 5, args=(2.0,))


def test_another_process_needs_the_pickle_alone(damped, tmp_path):
    (tmp_path / "g").write_bytes(pickle.dumps(damped.low_level_callable(a=1.0, b=2.0)))
    code = """
import pickle, sys
from scipy.integrate import quad
print(quad(pickle.load(open(sys.argv[1], "rb")), 0, 40)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "g")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == pytest.approx(exact(1, 2), abs=1e-8)


def test_a_second_process_finds_it_in_the_cache(empty_cache):
    code = f"""
import sys, tapeless
g = tapeless.compile({DAMPED!r}).low_level_callable(a=1.0, b=2.0)
assert abs(g.function(0.0, g.user_data) - 1) < 1e-15
print("sympy" in sys.modules, "jinja2" in sys.modules)
"""
    for expected in ("True True", "False False"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_a_long_function_in_parts_and_units(empty_cache, monkeypatch):
    """The adapter goes into one unit alone; a workspace that no longer fits the stack is one per thread."""
    monkeypatch.setattr(tapeless.targets.c.emit, "_UNIT", 200)
    terms = " + ".join(f"sin({k}*x)/{k}*cos(x + {k}*a)" for k in range(1, 160))
    f = tl.compile(f"long(x, a) = {terms}")
    g = f.low_level_callable(a=0.25)
    points = np.linspace(0, 1, 50)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda x: g.function(x, g.user_data), points))
    assert found == pytest.approx(f(points, 0.25), rel=1e-12)


def test_any_name_and_c_sees_none_of_it():
    evil, safe = sympy.Symbol('x; system("touch x"); //', real=True), sympy.Symbol("double", real=True)
    f = tl.compile(evil**2 * safe, inputs=[evil, safe], name="int")
    g = f.low_level_callable(str(evil), bound={"double": 3.0})
    assert quad(g, 0, 1)[0] == pytest.approx(1.0)


def test_inputs_called_like_options():
    f = tl.compile("f(x, output, signature, bound) = x*output + signature*bound")
    g = f.low_level_callable("x", bound={"output": 2.0, "signature": 3.0, "bound": 0.0})
    assert quad(g, 0, 1)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("arguments", "named", "kind", "says"),
    [
        (("x",), {}, tl.ArgumentError, "no value for a, b"),
        ((), {"c": 1.0}, tl.ArgumentError, "'c' is none of them: x, a, b"),
        (("x", "x"), {"a": 1, "b": 1}, tl.ArgumentError, "names 'x' twice"),
        (("x", "a"), {"a": 1, "b": 1}, tl.ArgumentError, "bound at once"),
        ((), {"x": 1, "a": 1, "b": 1}, tl.ArgumentError, "every input is bound"),
        ((), {"a": [1.0, 2.0], "b": 1}, tl.ShapeError, "one value"),
        ((), {"a": "much", "b": 1}, tl.ArgumentError, "a holds text"),
        ((), {"a": 1, "bound": {"a": 1, "b": 1}}, tl.ArgumentError, "'a' twice"),
        ((), {"bound": 3}, tl.ArgumentError, "mapping"),
        ((), {"signature": "double (double)"}, tl.ArgumentError, "one variable, and there are 3"),
        ((), {"a": 1, "b": 1, "signature": "double (double)"}, tl.ArgumentError, "no place for bound"),
        ((), {"a": 1, "b": 1, "signature": "float (float)"}, tl.ArgumentError, "one of 'double"),
    ],
)
def test_what_does_not_fit_is_said(damped, arguments, named, kind, says):
    with pytest.raises(kind, match=says):
        damped.low_level_callable(*arguments, **named)


def test_single_precision_is_refused():
    with pytest.raises(tl.ArgumentError, match="dtype='float64'"):
        tl.compile("x**2", dtype="float32").low_level_callable()


def test_without_scipy_the_remedy_is_named():
    code = """
import sys
sys.modules["scipy"] = None
import tapeless
f = tapeless.compile("x**2")
print(f.objective().fun([3.0]))
try:
    f.low_level_callable()
except tapeless.UnsupportedError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("9.0\n")
    assert "tapeless[scipy]" in done.stdout
