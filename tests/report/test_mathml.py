"""MathML: what a browser shows is what the formula computes."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy

import mathml as reader
import tapeless as tl
from gallery import GALLERY
from tapeless.api import read
from tapeless.frontend.vocabulary import FUNCTIONS
from tapeless.kinds import derive
from tapeless.report import mathml
from tapeless.report.lets import named_parts
from tapeless.targets.formulas import formulas


def shown(text):
    [expression] = formulas(read(text)).values()
    return mathml.formula(expression)


def as_written(name):
    """The name of an input as its markup reads."""
    return "".join(reader.parse(mathml.name(name)).itertext())


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_gallery_reads_back_as_its_values(entry):
    """Value and Jacobian of every formula, computed from the markup, parts with names among them."""
    f = tl.compile(entry.text)
    rng = np.random.default_rng(0)
    for program, compute in ((f.program, f), (derive(f.program, "jacobian", f.wrt), f.jacobian)):
        found = named_parts(program)
        for _ in range(3):
            point = {name: float(rng.uniform(low, high)) for name, (low, high) in entry.ranges.items()}
            known = {as_written(name): value for name, value in point.items()}
            for part, expression in found.parts:
                known[as_written(part)] = reader.value(mathml.formula(expression), known)
            got = [reader.value(mathml.formula(expression), known) for expression in found.formulas]
            assert got == pytest.approx(np.ravel(compute(**point)).tolist(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "x - (y - z)", "x - (-y)", "-(x + y)", "-x*y", "-(x*y)/z", "(x + y)*(x - y)", "x*(y + z)/(x + 1)",
        "x/y/z", "x/(y/z)", "-x**2", "(-x)**2", "(x*y)**3", "(x/y)**2", "x**(y + 1)", "x**-2", "x**-0.5",
        "2**x", "x**y**z", "(x**y)**z", "1/x", "-1/x", "1/(x*y)", "2/3*x", "x*2/3", "0.1*x", "-0.001*x + 1e-9",
        "1e22*x", "3.5e-7/x", "sqrt(x)*y", "x*sqrt(2)", "sin(x)**2", "sin(x**2)", "log(x)*log(y)", "exp(-x*y)",
        "exp(x)**2", "exp(-(x + y)**2/(2*z**2))", "abs(x - y)**3", "max(x, y, 2)*z",
        "where(x < y, x, where(y >= z, y, -z))", "where(x < 1 and (y > 0 or z > 0), x, y)",
        "where(not x < 1, x, y)*2 - 1", "x + 2*pi*y", "x*(1 - y*(2 - z))", "x - y + z - 3", "3 - x",
        "1000000000*x", "12345678901*x", "x*cbrt(y)**2", "exp2(x)**2*log2(y) - log10(z)",
        "y*tanh(x)/cosh(x)**2", "x*y*(-2)", "(x + y)*z**2*(-1/7)",
    ],
)  # fmt: skip
def test_signs_bars_and_parentheses(text):
    f = tl.compile(text)
    for values in ((0.7, 1.9, 0.4), (1.3, 0.6, 2.2)):
        point = dict(zip("xyz", values, strict=True))
        known = {name: value for name, value in point.items() if name in f.input_names}
        assert reader.value(shown(text), known) == pytest.approx(float(f(**known)), rel=1e-12)


@pytest.mark.parametrize("spelling", sorted(FUNCTIONS))
def test_every_function_is_written_in_well_formed_markup(spelling):
    for count in (1, 2, 3):
        arguments = ", ".join("xyz"[:count])
        try:
            markup = shown(f"{spelling}({arguments})")
        except tl.TapelessError:
            continue
        tree = reader.parse(markup)
        assert reader.names(tree) >= set("xyz"[:count])
        return
    pytest.fail(f"{spelling} takes neither one, two nor three arguments")


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("x", ["x"]),
        ("sigma", ["σ"]),
        ("lambda", ["λ"]),
        ("Omega", ["Ω"]),
        ("x1", ["x", "1"]),
        ("x_max", ["x", "max"]),
        ("b_1_2", ["b", "1", ",", "2"]),
        ("delta_t", ["δ", "t"]),
        ("black_scholes", ["black_scholes"]),
        ("x[0, 1]", ["x", "0", ",", "1"]),
        ("out_bar", ["out", "¯"]),
        ("größe", ["größe"]),
        ("_", ["_"]),
        ("x; system('y')", ["x; system('y')"]),
    ],
)
def test_names(name, letters):
    assert list(reader.parse(mathml.name(name)).itertext()) == letters


def test_a_hostile_name_stays_a_name():
    evil = "<img src=x onerror=alert(1)>"
    markup = mathml.formula(sympy.Symbol(evil) ** 2)
    assert "".join(reader.parse(markup)[0].itertext()) == evil


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Fraction(3), "3"),
        (Fraction(1, 3), "13"),
        (Fraction(-1, 2), "−12"),
        (Fraction(44715, 10**6), "0.044715"),
        (Fraction(1, 10), "110"),
        (Fraction(1, 20), "0.05"),
        (Fraction(1191042972, 10), "119104297.2"),
        (Fraction(10) ** 30, "1030"),
        (Fraction(6, 10**34), "6·10−34"),
        (Fraction(22, 7 * 10**30), "3.142857142857143·10−30"),
        (Fraction(10) ** 400, "≈10400"),
    ],
)  # fmt: skip
def test_numbers(value, said):
    assert "".join(reader.parse(f"<mrow>{mathml.number(value)[0]}</mrow>").itertext()) == said


def test_a_sum_begins_with_a_term_that_is_not_negative():
    assert "".join(reader.parse(shown("-x + y")).itertext()) == "y−x"
    assert "".join(reader.parse(shown("-x - y")).itertext()).startswith("−")


def test_infinity_and_nothing():
    assert "∞" in shown("where(x < oo, x, -oo)")
    assert "undefined" in mathml.formula(sympy.nan)


def test_nothing_but_the_core_of_mathml():
    for entry, kind in itertools.product(GALLERY, ("forward", "jacobian")):
        program = derive(read(entry.text), kind, None)
        for expression in named_parts(program).formulas:
            reader.parse(mathml.math(mathml.formula(expression), block=True))
