"""Formulas in the words of other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tapeless.api import read
from tapeless.bench.translate import Dialect, compiled, infix, nested, translate
from tapeless.errors import UnsupportedError

NUMPY = Dialect("numpy", infix(sqrt="sqrt", exp="exp", max="maximum", min="minimum", log="log"))
NAMES = {name: getattr(np, name) for name in ("sqrt", "exp", "maximum", "minimum", "log", "where")}
X = np.array([-1.5, -0.5, 0.25, 2.0])
Y = np.array([0.5, 1.0, 0.0, -3.0])


def run(text, *arguments):
    return compiled(translate(read(text), NUMPY, "float64").function(), "formula", NAMES)(*arguments)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x*y - 3", X * Y - 3),
        ("-x/(1 + y**2)", -X / (1 + Y**2)),
        ("exp(x) + sqrt(2)*exp(x)", (1 + math.sqrt(2)) * np.exp(X)),
        ("max(x, y, 0)", np.maximum(np.maximum(X, Y), 0)),
        ("where(x < y and not x == 2, x, y)", np.where((X < Y) & (X != 2), X, Y)),
        ("where(not x < y and x > -1, x, y)", np.where(~(X < Y) & (X > -1), X, Y)),
        ("x**-2*y", X**-2.0 * Y),
        ("x - (y - (x - 1))", X - (Y - (X - 1))),
        ("where(x > 0, oo, -oo) + 0*y", np.where(X > 0, math.inf, -math.inf) + 0 * Y),
    ],
)
def test_the_value_is_that_of_the_formula(text, expected):
    with np.errstate(divide="ignore"):
        [found] = run(text, X, Y) if "y" in text else run(text, X)
    np.testing.assert_allclose(found, expected, rtol=1e-15)


def test_what_is_shared_is_computed_once():
    lines = translate(read("exp(x)*exp(x) + exp(x)"), NUMPY, "float64").lines
    assert sum("exp" in line for line in lines) == 1


def test_roots_are_written_as_roots():
    source = translate(read("x**0.5 + (1 + x)**-0.5"), NUMPY, "float64").function()
    assert source.count("sqrt") == 2
    assert "**" not in source


def test_no_name_of_the_user_stands_in_the_source():
    source = translate(read("evil(open, exit) = open*exit"), NUMPY, "float64").function()
    assert "open" not in source
    assert "exit" not in source
    assert "evil" not in source


def test_the_source_sees_nothing_of_python():
    with pytest.raises(NameError):
        compiled("def formula():\n    return open\n", "formula", {})()


def test_a_constant_is_rounded_once():
    [line] = translate(read("x*sqrt(2)/3"), NUMPY, "float64").lines[-1:]
    assert "sqrt" not in line
    assert "[" not in line


def test_several_outputs_and_shapes():
    program = read("f(x[2], y):\n    return y*x, x[0] + x[1]")
    found = compiled(translate(program, NUMPY, "float64").function(), "formula", NAMES)(1.0, 2.0, 10.0)
    assert found == (10.0, 20.0, 3.0)


def test_one_expression_holds_all():
    [text] = nested(read("exp(x)*(1 + exp(x)) - (x - 1)"), NUMPY, "float64")
    assert text.count("exp") == 2
    assert eval(text, {"x0": 2.0, "exp": math.exp}) == math.exp(2.0) * (1 + math.exp(2.0)) - 1.0


def test_what_a_library_lacks_is_named():
    with pytest.raises(UnsupportedError, match="numpy has no erf"):
        translate(read("erf(x)"), NUMPY, "float64")
    with pytest.raises(UnsupportedError, match="too long"):
        nested(read(_doubled(16)), NUMPY, "float64")


def _doubled(times):
    """A value used twice, again and again: as a tree it has two to that power leaves."""
    lines = ["f(x):", "    y0 = exp(x)"]
    lines += [f"    y{k + 1} = exp(y{k}) + y{k}" for k in range(times)]
    return "\n".join([*lines, f"    return y{times}"])
