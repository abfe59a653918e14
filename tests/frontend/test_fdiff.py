"""Where the table ends: rules asked of sympy, judged by mpmath's numerical differentiation."""

from __future__ import annotations

import pickle

import mpmath
import pytest
import sympy

from tapeless.errors import DerivativeError
from tapeless.frontend.fdiff import links, rule_of
from tapeless.frontend.symbolic import extern_of
from tapeless.ir.graph import Builder
from tapeless.ir.primitives import PRIMITIVES, Extern
from tapeless.ir.program import Input, Output, finish
from tapeless.targets.formulas import formulas


class Product(sympy.Function):
    """a*b, with a rule for each argument that returns a plain Python number where it may."""

    nargs = 2

    def fdiff(self, argindex=1):
        return self.args[2 - argindex] if argindex in (1, 2) else 0


class Offset(sympy.Function):
    """a + 1, whose rule is a Python int."""

    def fdiff(self, argindex=1):
        return 1


class Steps(sympy.Function):
    def fdiff(self, argindex=1):
        return 0


class Ruleless(sympy.Function):
    pass


class Broken(sympy.Function):
    def fdiff(self, argindex=1):
        raise ZeroDivisionError("oops")


class Complex(sympy.Function):
    def fdiff(self, argindex=1):
        return sympy.I


def pulled(function, *values, wrt, bar=1):
    """Node of the cotangent that argument `wrt` receives, as a formula evaluated by sympy."""
    b = Builder()
    args = [b.input(k) for k in range(len(values))]
    node = b.extern(extern_of(function), *args)
    (link,) = links(b, node, lambda arg: arg == args[wrt])
    assert (link.position, link.guard) == (wrt, None)
    inputs = [Input(f"x{k}") for k in range(len(values))]
    program = finish("f", inputs, [Output("out", (link.pull(b.rational(bar)),))], b)
    at = {sympy.Symbol(f"x{k}", real=True): sympy.Rational(value) for k, value in enumerate(values)}
    return formulas(program)["out"].xreplace(at).doit().evalf(30)


CASES = [
    (sympy.gamma, ("2.3",), 0),
    (sympy.loggamma, ("2.3",), 0),
    (sympy.digamma, ("1.7",), 0),
    (sympy.polygamma, ("2", "1.7"), 1),
    (sympy.Si, ("0.7",), 0),
    (sympy.Ci, ("0.7",), 0),
    (sympy.Shi, ("0.7",), 0),
    (sympy.Ei, ("0.7",), 0),
    (sympy.li, ("2.7",), 0),
    (sympy.fresnels, ("0.7",), 0),
    (sympy.fresnelc, ("0.7",), 0),
    (sympy.erfi, ("0.7",), 0),
    (sympy.erfinv, ("0.7",), 0),
    (sympy.LambertW, ("0.7",), 0),
    (sympy.besselj, ("1", "0.7"), 1),
    (sympy.besselk, ("1", "0.7"), 1),
    (sympy.uppergamma, ("1.5", "0.7"), 1),
    (sympy.zeta, ("2.5", "0.7"), 1),
    (sympy.expint, ("2", "0.7"), 1),
    (sympy.airyai, ("0.7",), 0),
    (sympy.airybiprime, ("0.7",), 0),
    (sympy.harmonic, ("2.3",), 0),
    (sympy.polylog, ("2", "0.3"), 1),
]


@pytest.mark.parametrize(("kind", "values", "wrt"), CASES, ids=str)
def test_a_rule_is_the_slope(kind, values, wrt):
    def function(t):
        exact = [sympy.Float(str(t), 40) if k == wrt else sympy.Rational(v) for k, v in enumerate(values)]
        return mpmath.mpmathify(kind(*exact).evalf(40))

    with mpmath.workdps(40):
        expected = mpmath.diff(function, mpmath.mpf(values[wrt]), h=mpmath.mpf(10) ** -12)
        found = mpmath.mpmathify(pulled(kind, *values, wrt=wrt))
        assert mpmath.almosteq(found, expected, rel_eps=1e-10)


def test_every_row_of_the_table_has_its_own_rules():
    assert [row.name for row in PRIMITIVES.values() if row.rules is None] == ["extern"]


def test_the_cotangent_is_a_factor():
    assert pulled(sympy.Si, "2.3", wrt=0, bar=3) == pytest.approx(3 * pulled(sympy.Si, "2.3", wrt=0))
    assert float(pulled(Product, "5", "7", wrt=0, bar=2)) == 14
    assert float(pulled(Product, "5", "7", wrt=1, bar=2)) == 10
    assert float(pulled(Offset, "5", wrt=0)) == 1


def test_only_active_arguments_and_slopes_get_a_link():
    b = Builder()
    one, two = b.input(0), b.input(1)
    node = b.extern(extern_of(Product), one, two)
    assert [link.position for link in links(b, node, lambda arg: True)] == [0, 1]
    assert [link.position for link in links(b, node, lambda arg: arg == two)] == [1]
    assert links(b, b.extern(extern_of(Steps), one), lambda arg: True) == []
    bessel = b.extern(extern_of(sympy.besselj), b.rational(0), two)  # no slope by the order: not asked for
    assert [link.position for link in links(b, bessel, lambda arg: arg == two)] == [1]


def test_at_a_removable_point_the_slope_is_the_limit():
    assert float(pulled(sympy.Si, "0", wrt=0)) == 1
    assert float(pulled(sympy.Shi, "0", wrt=0)) == 1
    assert float(pulled(sympy.LambertW, "0", wrt=0)) == 1


def test_a_rule_is_converted_once_and_travels():
    assert rule_of(sympy.gamma, 1, 0) is rule_of(sympy.gamma, 1, 0)
    rule = rule_of(sympy.gamma, 1, 0)
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize(
    ("kind", "arity", "position", "message"),
    [
        (sympy.besselj, 2, 0, "besselj by its argument number 1 is not known"),
        (sympy.uppergamma, 2, 0, "uppergamma by its argument number 1"),
        (sympy.polygamma, 2, 0, "polygamma"),
        (sympy.zeta, 1, 0, "derivative of zeta is not known"),
        (Ruleless, 1, 0, "Ruleless.*fdiff"),
        (Broken, 1, 0, "Broken.*wrt="),
        (Complex, 1, 0, "Complex.*complex"),
    ],
)
def test_no_rule_is_an_error_that_names_the_function_and_the_remedy(kind, arity, position, message):
    with pytest.raises(DerivativeError, match=message):
        rule_of(kind, arity, position)


def test_a_class_that_is_gone_is_an_error_that_names_it():
    b = Builder()
    node = b.extern(Extern("Gone", "nowhere.at.all:Gone"), b.input(0))
    with pytest.raises(DerivativeError, match=r"nowhere\.at\.all:Gone"):
        links(b, node, lambda arg: True)
