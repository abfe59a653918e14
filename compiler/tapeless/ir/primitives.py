"""The one table of primitives: what each means, its domain, its adjoint rules, its conventions at edges.

Notation of the rules: the arguments are `x` (one), `a, b` (two) or `a, b, c` (three); the result is `y`; its
cotangent is `y_bar`. A rule is the cotangent that the argument receives and is linear in `y_bar`, so the same
text serves reverse mode (put in the cotangent) and forward mode (put in the tangent of that argument).

`guards` say where the edge to an argument counts at all: where the guard is false the argument receives
exactly nothing, whatever the rule would give there (a NaN included). They carry the conventions at ties and
edges.

A rule of `"0"` means that the derivative is zero wherever it exists; a rule of `""` that it is not known, and who
asks for it gets an error. `rules=None` means that the table ends here and sympy's `fdiff` is asked. The table knows
no target. The special functions have a file of their own, special.py.

References: DLMF is the NIST Digital Library of Mathematical Functions; C11 is ISO/IEC 9899:2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tapeless.ir.primitive import REAL, Edge, Interval, Primitive
from tapeless.ir.primitive import unary as _unary
from tapeless.ir.special import SPECIAL

_X = ("x",)
_AB = ("a", "b")
_BOTH: tuple[Interval, ...] = ((-3.0, 3.0), (-3.0, 3.0))
_PLUS: tuple[Interval, ...] = ((0.05, 5.0),)
_NO_SLOPE = ("0",)
_STEP = "piecewise constant: derivative 0, at the jumps as well"


def _compare(name: str, commutative: bool = False) -> Primitive:
    return Primitive(
        name, _AB, ("0", "0"), samples=_BOTH, commutative=commutative, boolean=True, source="C11 6.5.8, 6.5.9"
    )


_ROWS: tuple[Primitive, ...] = (
    # ---- leaves: the payload holds the lane, the number or the name
    Primitive("input", (), (), samples=(), cost=0.0),
    Primitive("rational", (), (), samples=(), cost=0.0),
    Primitive("named", (), (), samples=(), cost=0.0),
    # ---- arithmetic
    Primitive("add", _AB, ("y_bar", "y_bar"), samples=_BOTH, commutative=True, source="sum rule"),
    Primitive("sub", _AB, ("y_bar", "-y_bar"), samples=_BOTH, source="sum rule"),
    Primitive("mul", _AB, ("y_bar*b", "y_bar*a"), samples=_BOTH, commutative=True, source="product rule"),
    Primitive("div", _AB, ("y_bar/b", "-(y_bar/b)*y"), domain="b != 0", samples=((-3.0, 3.0), (0.3, 4.0)),
              cost=4.0, source="quotient rule with y = a/b"),
    Primitive("neg", _X, ("-y_bar",), source="sum rule"),
    Primitive("pow", _AB, ("y_bar*b*a**(b - 1)", "y_bar*y*log(a)"), ("b != 0", "a != 0"),
              domain="a >= 0 or b == floor(b)", samples=((0.1, 4.0), (-3.0, 3.0)), cost=20.0,
              source="DLMF 4.2.26; x**y at x = 0: the limit",
              edges=(Edge((0.0, 2.0), (0.0, 0.0), "limit"), Edge((0.0, 1.0), (1.0, 0.0), "limit"),
                     Edge((0.0, 0.5), (float("inf"), 0.0), "truly infinite"),
                     Edge((3.0, 0.0), (0.0, 1.0986122886681098), "x**0 is constant in x"))),
    Primitive("fma", ("a", "b", "c"), ("y_bar*b", "y_bar*a", "y_bar"), samples=(*_BOTH, (-3.0, 3.0)),
              source="product rule; C11 7.12.13.1"),
    # ---- powers and roots
    _unary("sqrt", "y_bar/(2*y)", "y**2 = x", domain="x >= 0", samples=_PLUS, cost=5.0,
           edges=(Edge((0.0,), (float("inf"),), "truly infinite"),)),
    _unary("cbrt", "y_bar/(3*y**2)", "y**3 = x", samples=((-5.0, 5.0),), cost=12.0,
           edges=(Edge((0.0,), (float("inf"),), "truly infinite"),)),
    Primitive("hypot", _AB, ("y_bar*(a/y)", "y_bar*(b/y)"), ("y != 0", "y != 0"), samples=_BOTH,
              commutative=True, cost=10.0, source="y**2 = a**2 + b**2; the subgradient 0 at the origin",
              edges=(Edge((0.0, 0.0), (0.0, 0.0), "subgradient at the origin"),
                     Edge((3e200, 4e200), (0.6, 0.8), "no overflow"),
                     Edge((3e-200, 4e-200), (0.6, 0.8), "no underflow"))),
    # ---- exponentials and logarithms
    _unary("exp", "y_bar*y", "DLMF 4.7.3", cost=8.0),
    _unary("exp2", "y_bar*y*log(2)", "DLMF 4.7.3", cost=8.0),
    _unary("expm1", "y_bar*exp(x)", "DLMF 4.7.3; exp(x), for y + 1 cancels at large negative x", cost=12.0),
    _unary("log", "y_bar/x", "DLMF 4.7.1", domain="x > 0", samples=_PLUS, cost=8.0),
    _unary("log2", "y_bar/(x*log(2))", "DLMF 4.7.1", domain="x > 0", samples=_PLUS, cost=8.0),
    _unary("log10", "y_bar/(x*log(10))", "DLMF 4.7.1", domain="x > 0", samples=_PLUS, cost=8.0),
    _unary("log1p", "y_bar/(1 + x)", "DLMF 4.7.1", domain="x > -1", samples=((-0.9, 5.0),), cost=10.0),
    # ---- trigonometric
    _unary("sin", "y_bar*cos(x)", "DLMF 4.20.1", cost=10.0),
    _unary("cos", "-y_bar*sin(x)", "DLMF 4.20.2", cost=10.0),
    _unary("tan", "y_bar*(1 + y**2)", "DLMF 4.20.3", samples=((-1.4, 1.4),), cost=15.0),
    _unary("asin", "y_bar/sqrt((1 - x)*(1 + x))", "DLMF 4.24.7", domain="-1 <= x <= 1",
           samples=((-0.99, 0.99),), cost=12.0,
           edges=(Edge((1.0,), (float("inf"),), "truly infinite"),)),
    _unary("acos", "-y_bar/sqrt((1 - x)*(1 + x))", "DLMF 4.24.8", domain="-1 <= x <= 1",
           samples=((-0.99, 0.99),), cost=12.0,
           edges=(Edge((1.0,), (float("-inf"),), "truly infinite"),)),
    _unary("atan", "y_bar/(1 + x**2)", "DLMF 4.24.9", cost=12.0),
    Primitive("atan2", _AB, ("y_bar*(b/hypot(a, b))/hypot(a, b)", "-y_bar*(a/hypot(a, b))/hypot(a, b)"),
              ("hypot(a, b) != 0", "hypot(a, b) != 0"), samples=((0.2, 3.0), (-3.0, 3.0)), cost=20.0,
              source="DLMF 4.23.39 with tan y = a/b; hypot, so that the squares cannot overflow",
              edges=(Edge((0.0, 0.0), (0.0, 0.0), "no derivative at the origin: 0"),
                     Edge((3e200, 4e200), (1.6e-201, -1.2e-201), "no overflow"))),
    # ---- hyperbolic
    _unary("sinh", "y_bar*cosh(x)", "DLMF 4.34.1", cost=15.0),
    _unary("cosh", "y_bar*sinh(x)", "DLMF 4.34.2", cost=15.0),
    _unary("tanh", "y_bar*sech2(x)", "DLMF 4.34.3; 1 - y**2 loses every digit at large x", cost=12.0),
    _unary("asinh", "y_bar/hypot(1, x)", "DLMF 4.38.9", cost=15.0),
    _unary("acosh", "y_bar/(sqrt(x - 1)*sqrt(x + 1))", "DLMF 4.38.10", domain="x >= 1",
           samples=((1.05, 6.0),), cost=15.0, edges=(Edge((1.0,), (float("inf"),), "truly infinite"),)),
    _unary("atanh", "y_bar/((1 - x)*(1 + x))", "DLMF 4.38.11", domain="-1 < x < 1",
           samples=((-0.95, 0.95),), cost=15.0),
    # ---- forms that overflow or lose digits when they are computed as they are written: see transforms/stable.py
    _unary("expit", "y_bar*y*expit(-x)", "y = 1/(1 + exp(-x))", cost=13.0),
    _unary("softplus", "y_bar*expit(x)", "y = log(1 + exp(x))", cost=20.0),
    _unary("sech2", "-2*y_bar*y*tanh(x)", "y = 1/cosh(x)**2", cost=13.0),
    _unary("gauss", "-2*y_bar*y*x", "y = exp(-x**2)", cost=9.0),
    _unary("inv_cosh", "-y_bar*y*tanh(x)", "y = 1/cosh(x)", cost=19.0),
    _unary("log_cosh", "y_bar*tanh(x)", "y = log(cosh(x))", cost=25.0),
    _unary("versin", "y_bar*sin(x)", "y = 1 - cos(x) = 2*sin(x/2)**2", cost=13.0),
    _unary("bose", "-y_bar*y*bose1(x)", "y = 1/(exp(x) - 1)", domain="x != 0", samples=((0.1, 3.0),), cost=16.0),
    _unary("bose1", "-y_bar*y*bose(x)", "y = exp(x)/(exp(x) - 1), which is 1 + bose(x)", domain="x != 0",
           samples=((0.1, 3.0),), cost=12.0),
    _unary("xlogx", "y_bar*(1 + log(x))", "y = x*log(x), 0 at 0", domain="x >= 0", samples=_PLUS, cost=11.0,
           edges=(Edge((0.0,), (float("-inf"),), "truly infinite"),)),
    _unary("xlog1px", "y_bar*(1 + log1p(x))", "y = (1 + x)*log(1 + x), 0 at -1", domain="x >= -1",
           samples=((-0.9, 5.0),), cost=14.0, edges=(Edge((-1.0,), (float("-inf"),), "truly infinite"),)),
    Primitive("powm1", _AB, ("y_bar*b*a**(b - 1)", "y_bar*a**b*log(a)"), ("b != 0", "a != 0"),
              domain="a >= 0 or b == floor(b)", samples=((0.1, 4.0), (-3.0, 3.0)), cost=30.0,
              source="y = a**b - 1; DLMF 4.2.26"),
    Primitive("squares", _AB, ("2*y_bar*a", "-2*y_bar*b"), samples=_BOTH, cost=3.0,
              source="y = a**2 - b**2 = (a - b)*(a + b)"),
    Primitive("share", _AB, ("y_bar/(a + b)*(b/(a + b))", "-y_bar/(a + b)*y"), domain="a + b != 0",
              samples=((0.3, 4.0), (0.3, 4.0)), cost=5.0,
              source="y = a/(a + b), where 1 - y in the quotient rule cancels"),
    Primitive("square_share", _AB, ("-2*y_bar*(b/squares(a, b))*(b/squares(a, b))*a", "2*y_bar*y*(b/squares(a, b))"),
              domain="a**2 != b**2", samples=((2.0, 4.0), (0.3, 1.5)), cost=7.0,
              source="y = a**2/(a**2 - b**2), where 1 - y in the quotient rule cancels"),
    Primitive("mean2", ("a", "b", "c", "d"),
              ("y_bar/(a + c)*(c/(a + c))*(b - d)", "y_bar*(a/(a + c))", "y_bar/(a + c)*(a/(a + c))*(d - b)",
               "y_bar*(c/(a + c))"), domain="a + c != 0", samples=((0.3, 4.0),)*4,
              cost=8.0, source="y = (a*b + c*d)/(a + c), where b - y in the quotient rule cancels"),
    Primitive("quantum", _AB,
              ("y_bar*where(a/b < 0, -1 - exp(-abs(a/b))*(expm1_over(-abs(a/b), 1) - expm1_over(-abs(a/b), 0))"
               "/expm1_over(-abs(a/b), 0)/expm1_over(-abs(a/b), 0), "
               "exp(-abs(a/b))*(expm1_over(-abs(a/b), 1) - expm1_over(-abs(a/b), 0))"
               "/expm1_over(-abs(a/b), 0)/expm1_over(-abs(a/b), 0))", "y_bar*einstein(a/b)"), domain="b != 0",
              samples=((-3.0, 3.0), (0.3, 4.0)), cost=25.0,
              source="y = a/(exp(a/b) - 1), b at a = 0: b*B(a/b) with B(x) = x/(exp(x) - 1) = B(-x) - x",
              edges=(Edge((0.0, 2.0), (-0.5, 1.0), "the limit"), Edge((-3e5, 2.0), (-1.0, 0.0), "nothing cancels"),
                     Edge((3e5, 2.0), (0.0, 0.0), "no infinity over infinity"))),
    _unary("einstein",
           "y_bar*x*exp(-abs(x))*((expm1_over(-abs(x), 2) - expm1_over(-abs(x), 0))*expm1_over(-abs(x), 0)"
           " - 2*(expm1_over(-abs(x), 1) - expm1_over(-abs(x), 0))*expm1_over(-abs(x), 1))"
           "/expm1_over(-abs(x), 0)/expm1_over(-abs(x), 0)/expm1_over(-abs(x), 0)",
           "y = (x/(2*sinh(x/2)))**2 = B(x) - x*B'(x), so that y' = -x*B''(x), where B'' is even", cost=25.0,
           edges=(Edge((0.0,), (0.0,), "the limit"), Edge((1e5,), (0.0,), "no infinity over infinity"))),
    Primitive("exp_gap", _AB, ("y_bar*y", "-y_bar*y"), samples=_BOTH, cost=14.0,
              source="y = exp(a - b), the difference not rounded",
              edges=(Edge((1000.0, 1000.0), (1.0, -1.0), "no infinity over infinity"),)),
    Primitive("products", ("a", "b", "c", "d"), ("y_bar*b", "y_bar*a", "-y_bar*d", "-y_bar*c"),
              samples=((1.5, 4.0), (1.5, 4.0), (0.3, 1.2), (0.3, 1.2)), cost=9.0,
              source="y = a*b - c*d, the products not rounded"),
    Primitive("discriminant", ("a", "b", "c"), ("-2*y_bar*(c/y)", "y_bar*(b/y)", "-2*y_bar*(a/y)"),
              domain="b*b >= 4*a*c", samples=((0.3, 2.0), (4.5, 6.0), (0.3, 2.0)), cost=14.0,
              source="y = sqrt(b**2 - 4*a*c), the products not rounded"),
    Primitive("quadratic", ("a", "b", "c"),
              ("y_bar*y*quadratic1(a, b, c)", "y_bar*quadratic1(a, b, c)", "-y_bar/discriminant(a, b, c)"),
              domain="b*b >= 4*a*c and (a != 0 or b > 0)", samples=((0.3, 2.0), (4.5, 6.0), (0.3, 2.0)), cost=24.0,
              source="y = (sqrt(b**2 - 4*a*c) - b)/(2*a), so that a*y**2 + b*y + c = 0 and 2*a*y + b is the root"),
    Primitive("quadratic1", ("a", "b", "c"),
              ("y_bar*(y/discriminant(a, b, c)**2)*(2*c - discriminant(a, b, c)*quadratic(a, b, c))",
               "-2*y_bar*(c/discriminant(a, b, c)**3)", "y_bar*(b/discriminant(a, b, c)**3)"),
              domain="b*b > 4*a*c and (a != 0 or b > 0)", samples=((0.3, 2.0), (4.5, 6.0), (0.3, 2.0)), cost=30.0,
              source="y is the slope by b of the root above: -quadratic(a, b, c)/discriminant(a, b, c)"),
    Primitive("norm2", _AB, ("y_bar*(a/y)", "y_bar*(b/y)"), ("y != 0", "y != 0"), samples=_BOTH, commutative=True,
              cost=9.0, source="y**2 = a**2 + b**2; the subgradient 0 at the origin",
              edges=(Edge((0.0, 0.0), (0.0, 0.0), "subgradient at the origin"),
                     Edge((3e200, 4e200), (0.6, 0.8), "no overflow"),
                     Edge((3e-200, 4e-200), (0.6, 0.8), "no underflow"))),
    Primitive("norm3", ("a", "b", "c"), ("y_bar*(a/y)", "y_bar*(b/y)", "y_bar*(c/y)"), ("y != 0",) * 3,
              samples=(*_BOTH, (-3.0, 3.0)), commutative=True, cost=12.0,
              source="y**2 = a**2 + b**2 + c**2; the subgradient 0 at the origin",
              edges=(Edge((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "subgradient at the origin"),
                     Edge((2e200, 3e200, 6e200), (2/7, 3/7, 6/7), "no overflow"))),
    Primitive("logsumexp", ("*",), (), samples=_BOTH, commutative=True, cost=20.0,
              source="y = log(exp(a) + exp(b) + ...); each argument receives y_bar*exp(a - y)"),
    Primitive("softmax", ("*",), (), samples=_BOTH, cost=20.0,
              source="y = exp(a)/(exp(a) + exp(b) + ...); dy/da is y times the sum of the others, which is 1 - y"),
    # The derivative of order b of f(a)/a: a removable point at 0, where all orders have limits.
    *(Primitive(f"{name}_over", _AB, (f"y_bar*{name}_over(a, b + 1)", "0"), domain=domain,
                samples=(interval, (0.0, 0.0)), cost=cost, source=f"the derivative of whole order b of {name}(a)/a",
                edges=(Edge((0.0, 0.0), (slope, 0.0), "the limit"),))
      for name, slope, interval, domain, cost in (
          ("sin", 0.0, (-3.0, 3.0), "b >= 0", 16.0),
          ("expm1", 0.5, (-3.0, 3.0), "b >= 0", 18.0),
          ("log1p", -0.5, (-0.9, 3.0), "a > -1 and b >= 0", 18.0),
          ("tanh", 0.0, (-3.0, 3.0), "b >= 0", 18.0),
      )),
    # ---- error and gamma functions
    _unary("erf", "y_bar*(2/sqrt(pi))*gauss(x)", "DLMF 7.10.1", cost=18.0),
    _unary("erfc", "-y_bar*(2/sqrt(pi))*gauss(x)", "DLMF 7.10.1", cost=16.0),
    _unary("gamma", "y_bar*y*digamma(x)", "DLMF 5.2.2", domain="x > 0", samples=((0.2, 6.0),), cost=50.0),
    _unary("loggamma", "y_bar*digamma(x)", "DLMF 5.2.2", domain="x > 0", samples=((0.2, 9.0),), cost=40.0),
    *SPECIAL,
    # ---- kinks and steps
    Primitive("abs", _X, ("where(x < 0, -y_bar, y_bar)",), ("x != 0",), source="abs'(0) = 0",
              edges=(Edge((0.0,), (0.0,), "tie"),)),
    Primitive("sign", _X, _NO_SLOPE, source=_STEP, edges=(Edge((0.0,), (0.0,), _STEP),)),
    Primitive("heaviside", _X, _NO_SLOPE, source=f"H(0) = 1/2; {_STEP}",
              edges=(Edge((0.0,), (0.0,), _STEP),)),
    Primitive("floor", _X, _NO_SLOPE, source=_STEP, edges=(Edge((2.0,), (0.0,), _STEP),)),
    Primitive("ceil", _X, _NO_SLOPE, source=_STEP, edges=(Edge((2.0,), (0.0,), _STEP),)),
    Primitive("trunc", _X, _NO_SLOPE, source=_STEP, edges=(Edge((2.0,), (0.0,), _STEP),)),
    Primitive("round", _X, _NO_SLOPE, source=f"half to even, C11 7.12.9.4; {_STEP}",
              edges=(Edge((2.5,), (0.0,), _STEP),)),
    Primitive("round_away", _X, _NO_SLOPE, source=f"half away from zero, C11 7.12.9.6; {_STEP}",
              edges=(Edge((2.5,), (0.0,), _STEP),)),
    Primitive("logb", _X, _NO_SLOPE, source=f"C11 7.12.6.11; {_STEP}", domain="x != 0", samples=_PLUS,
              edges=(Edge((2.0,), (0.0,), _STEP),)),
    Primitive("copysign", _AB, ("y_bar*sign(a)*copysign(1, b)", "0"), ("a != 0", ""), samples=_BOTH,
              source="y = abs(a)*sign(b); C11 7.12.11.1", edges=(Edge((0.0, -2.0), (0.0, 0.0), "tie"),)),
    Primitive("fmod", _AB, ("y_bar", "y_bar*round((y - a)/b)"), domain="b != 0",
              samples=((-7.0, 7.0), (0.7, 3.0)), cost=20.0, source="y = a - b*trunc(a/b); C11 7.12.10.1"),
    Primitive("remainder", _AB, ("y_bar", "y_bar*round((y - a)/b)"), domain="b != 0",
              samples=((-7.0, 7.0), (0.7, 3.0)), cost=20.0, source="y = a - b*rint(a/b); C11 7.12.10.2"),
    Primitive("fdim", _AB, ("y_bar", "-y_bar"), ("a > b", "a > b"), samples=_BOTH,
              source="y = max(a - b, 0); C11 7.12.12.1", edges=(Edge((1.0, 1.0), (0.0, 0.0), "tie with 0"),)),
    # ---- extrema; their rules depend on which arguments are constants: see rules.py
    Primitive("fmax", _AB, (), samples=_BOTH, commutative=True,
              source="C11 7.12.12.2, ignores NaN; ties as for max",
              edges=(Edge((1.0, 1.0), (0.5, 0.5), "a tie is shared"),)),
    Primitive("fmin", _AB, (), samples=_BOTH, commutative=True,
              source="C11 7.12.12.3, ignores NaN; ties as for min",
              edges=(Edge((1.0, 1.0), (0.5, 0.5), "a tie is shared"),)),
    Primitive("max", ("*",), (), samples=_BOTH, commutative=True,
              source="a tie is shared by the distinct arguments that tie; with a constant: 0",
              edges=(Edge((1.0, 1.0), (0.5, 0.5), "a tie is shared"),)),
    Primitive("min", ("*",), (), samples=_BOTH, commutative=True,
              source="a tie is shared by the distinct arguments that tie; with a constant: 0",
              edges=(Edge((1.0, 1.0), (0.5, 0.5), "a tie is shared"),)),
    # ---- truth values and choice
    _compare("lt"),
    _compare("le"),
    _compare("eq", commutative=True),
    _compare("ne", commutative=True),
    Primitive("true", (), (), samples=(), boolean=True, cost=0.0),
    Primitive("false", (), (), samples=(), boolean=True, cost=0.0),
    Primitive("and", ("*",), (), samples=(), commutative=True, boolean=True, cost=0.5),
    Primitive("or", ("*",), (), samples=(), commutative=True, boolean=True, cost=0.5),
    Primitive("not", ("c",), ("0",), samples=(), boolean=True, cost=0.5),
    Primitive("select", ("c", "a", "b"), ("0", "y_bar", "y_bar"), ("", "c", "not c"), samples=(),
              source="the branch not taken does not exist"),
    # ---- a function that the table does not know, by its sympy name; the payload is an `Extern`
    Primitive("extern", ("*",), None, domain="unknown", samples=(), cost=50.0, source="sympy's fdiff"),
)  # fmt: skip

PRIMITIVES: Final[dict[str, Primitive]] = {row.name: row for row in _ROWS}
"""All primitives by name, in the order of the table."""

OVER: Final = ("sin_over", "expm1_over", "log1p_over", "tanh_over")
"""The derivatives, of any order, of quotients f(x)/x."""

NAMELESS: Final = frozenset(
    "expit softplus sech2 gauss inv_cosh log_cosh versin bose bose1 xlogx xlog1px powm1 squares share "
    "square_share mean2 exp_gap quantum einstein products discriminant quadratic quadratic1 norm2 norm3 "
    "logsumexp softmax".split()
) | frozenset(OVER)
"""Functions that a formula does not call by name: what they stand for is recognised, see transforms/stable.py."""


__all__ = ("NAMELESS", "PRIMITIVES", "REAL", "Edge", "Extern", "Interval", "Primitive")


@dataclass(frozen=True, slots=True)
class Extern:
    """A function outside the table, known to sympy.

    Attributes
    ----------
    name
        The name it is shown by.
    path
        `module:qualified name` of the sympy class, so that a Program can travel between processes.
    """

    name: str
    path: str
