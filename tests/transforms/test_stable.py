"""Forms that overflow or lose digits: recognised, right where the form as written is not, to any order."""

from __future__ import annotations

import numpy as np
import pytest

import tapeless as tl
from tapeless.ir.notation import infix
from tapeless.kinds import derive
from tapeless.transforms.stable import stable

FORMS = [
    ("1 + erf(x)", "erfc(-x)"),
    ("erf(x) + 1", "erfc(-x)"),
    ("1 - erf(x)", "erfc(x)"),
    ("erf(x) - 1", "-erfc(x)"),
    ("1/2 + erf(x)/2", "0.5*erfc(-x)"),
    ("1/(1 + exp(-x))", "expit(x)"),
    ("y/(exp(x) + 1)", "y*expit(-x)"),
    ("exp(x)/(1 + exp(x))", "expit(x)"),
    ("y*exp(x)/(1 + exp(x))", "y*expit(x)"),
    ("1 - 1/(1 + exp(x))", "expit(x)"),
    ("(1 + exp(x))**(-2)", "expit(-x)**2"),
    ("log(1 + exp(x))", "softplus(x)"),
    ("log1p(exp(x*y))", "softplus(x*y)"),
    ("exp(-x**2)", "gauss(x)"),
    ("y/cosh(x)**2", "y*sech2(x)"),
    ("1 - tanh(x)**2", "sech2(x)"),
    ("cosh(x)**(-4)", "sech2(x)**2"),
]
OTHERS = [
    "2 + erf(x)",
    "1 + erf(x)*y",
    "1/(2 + exp(x))",
    "log(2 + exp(x))",
    "exp(x**2)",
    "y/cosh(x)",
    "1 - tanh(x)",
]


def shown(program):
    names = dict(enumerate(item.name for item in program.inputs))
    return infix(program.graph, program.roots[0], names, 200)


@pytest.mark.parametrize(("text", "expected"), FORMS, ids=[text for text, _ in FORMS])
def test_a_form_is_recognised(text, expected):
    assert shown(stable(tl.compile(text).program)) == expected


@pytest.mark.parametrize("text", OTHERS)
def test_others_stay(text):
    program = tl.compile(text).program
    assert stable(program) is program


@pytest.mark.parametrize("text", [text for text, _ in FORMS])
def test_value_and_slopes_stay(text):
    """Judged by the formula as written, in many digits."""
    f = tl.compile(text)
    report = f.check(ranges={"x": (-3, 3), **({"y": (0.5, 2)} if "y" in f.input_names else {})}, points=20)
    assert report.ok, str(report)


def test_the_formula_is_shown_as_read():
    assert str(tl.compile("log(1 + exp(x))").formulas["out"]) == "log(exp(x) + 1)"
    assert "softplus" not in str(tl.compile("log(1 + exp(x))").backward_formulas)
    names = str([tl.compile(text).backward_formulas for text, _ in FORMS])
    assert not any(name in names for name in ("expit", "sech2", "gauss"))


@pytest.mark.parametrize(
    ("text", "at", "value", "slope"),
    [
        ("log(1 + exp(x))", 1000.0, 1000.0, 1.0),
        ("log(1 + exp(x))", -700.0, np.exp(-700.0), np.exp(-700.0)),
        ("x/(1 + exp(-x))", -800.0, -0.0, 0.0),
        ("x/(1 + exp(-x))", 800.0, 800.0, 1.0),
        ("tanh(x)", 300.0, 1.0, 4 * np.exp(-600.0)),
        ("1 + erf(x)", -20.0, 5.3958656116079005e-176, 2 / np.sqrt(np.pi) * np.exp(-400.0)),
    ],
)
def test_far_out(text, at, value, slope):
    f = tl.compile(text)
    assert f(at) == pytest.approx(value, rel=1e-13, abs=0)
    assert f.grad(at)[0] == pytest.approx(slope, rel=1e-13, abs=0)


def test_second_derivatives_far_out():
    f = tl.compile("log(1 + exp(x))")
    assert f.hessian(800.0)[0, 0] == 0.0
    assert f.hessian(-500.0)[0, 0] == pytest.approx(np.exp(-500.0), rel=1e-13)


def test_a_program_without_forms_is_not_copied():
    program = tl.compile("x*sin(x)").program
    assert stable(program) is program
    assert derive(program, "forward", None).roots
