"""How a function shows itself in a notebook."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

import tapeless as tl
from gallery import GALLERY


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_formula_derivatives_operations_and_code(entry):
    f = tl.compile(entry.text)
    page = f._repr_html_()
    outputs = len(f.output_names)
    assert page.count('class="line v"') == outputs
    assert page.count('class="line d"') == outputs * len(f.input_names)
    assert "<details>" in page
    assert "<td>both in one pass</td>" in page
    latex = f._repr_latex_()
    assert latex.count(r"\frac{\partial") + latex.count(r"\frac{\mathrm{d}") >= outputs * len(f.input_names)
    assert latex.count("{") == latex.count("}")


def test_names_are_harmless():
    evil = r"\href{javascript:x}{<img src=x onerror=y>}$&#%_^~"
    f = tl.compile(sympy.Symbol(evil, real=True) ** 2)
    page, latex = f._repr_html_(), f._repr_latex_()
    assert "<img" not in page
    assert "<" not in latex
    assert r"\href" not in latex
    assert latex.replace(r"\{", "").replace(r"\}", "").count("{") == latex.replace(r"\{", "").replace(
        r"\}", ""
    ).count("}")
    assert latex.replace(r"\$", "").count("$") == 8


def test_a_derivative_that_c_lacks_is_said():
    page = tl.compile("besselj(x, 2)")._repr_html_()
    assert "not known" in page
    assert "<td>backward</td>" not in page


def test_a_large_function_shows_its_name_alone():
    f = tl.compile(lambda x: np.sum(np.sin(x) * np.cos(x) * np.exp(x)), inputs={"x": (1200,)})
    assert f._repr_html_() is None
    assert f._repr_latex_() is None
    middle = tl.compile(lambda x: x @ x, inputs={"x": (80,)})
    assert "too many to write out" in middle._repr_html_()
