"""Traps for derivatives: points where automatic differentiation, or plain arithmetic, goes wrong.

Each says what is right, in mpmath's functions of the inputs at 60 digits or as a number, and why. Where no limit
decides, the conventions at ties and edges do (docs/guide/derivatives.md); those say so. Tests and benchmarks take
them from here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

DIGITS = 60
Right = str | float | None
"""What is right: a number, an expression in the inputs, or None where nothing is asked."""


@dataclass(frozen=True)
class Trap:
    """A formula at a point.

    Attributes
    ----------
    name
        What it is about, in a few words.
    text
        The formula; its inputs in order of first appearance.
    at
        The inputs.
    value
        The right value.
    gradient
        The right derivative by each input.
    second
        The right second derivatives, the upper triangle row by row; empty where they are not asked for.
    why
        The reason, in a few words.
    single
        The inputs in float32, where those above are beyond it.
    benign
        Inputs where nothing happens, for the other elements of a vector; 0.75, 0.85, ... where empty.
    """

    name: str
    text: str
    at: tuple[float, ...]
    value: Right
    gradient: tuple[Right, ...]
    second: tuple[Right, ...]
    why: str
    single: tuple[float, ...] = ()
    benign: tuple[float, ...] = ()

    @property
    def others(self) -> tuple[float, ...]:
        """A point where nothing happens."""
        return self.benign or tuple(0.75 + 0.1 * k for k in range(len(self.at)))

    def point(self, dtype: str) -> tuple[float, ...]:
        """The inputs, for a dtype."""
        return self.single or self.at if dtype == "float32" else self.at


def right(wanted: Right, names: Sequence[str], point: Sequence[float]) -> Any:
    """Return a right result as an mpf, from the exact values of the inputs."""
    context = mpmath.mp.clone()
    context.dps = DIGITS
    if isinstance(wanted, str):
        scope = {name: getattr(context, name) for name in _KNOWN}
        scope |= {name: context.mpf(float(x)) for name, x in zip(names, point, strict=True)}
        exact = re.sub(r"\b\d+(\.\d+)?\b", r"mpf('\g<0>')", wanted)
        return context.mpf(
            eval(exact, {"__builtins__": {}, "mpf": context.mpf}, scope)
        )  # texts of this file alone
    return context.mpf(wanted)


_KNOWN = (
    "exp expm1 log log1p sqrt sin cos tan tanh sinh cosh sech erf erfc pi fabs atan asin hypot gamma".split()
)

INF = float("inf")
_BRANCH = "the branch not taken does not exist"
_CONSTANT = "convention: a tie with a constant has derivative 0"
_SHARED = "convention: a tie is shared by the distinct arguments that tie"
_LIMIT = "a removable point: the limit"
_OVERFLOW = "finite, though a step overflows"
_CANCELS = "no digit is lost, though a difference cancels"

TRAPS: tuple[Trap, ...] = (
    # ---- branches not taken
    Trap("sqrt beside a branch", "where(x > 0, sqrt(x), 0)", (-1.0,), 0, (0,), (0,), _BRANCH),
    Trap("sqrt at the end of its branch", "where(x > 0, sqrt(x), 0)", (0.0,), 0, (0,), (0,), _BRANCH),
    Trap("log beside a branch", "where(x > 0, log(x), x)", (-2.0,), -2, (1,), (0,), _BRANCH),
    Trap("log of zero beside a branch", "where(x > 0, x*log(x), 0)", (0.0,), 0, (0,), (0,), _BRANCH),
    Trap("a quotient by zero", "where(x != 0, y/x, 0)", (0.0, 1.0), 0, (0, 0), (0, 0, 0), _BRANCH),
    Trap("exp overflows beside a branch", "where(x < 80, exp(x), x)", (1000.0,), 1000, (1,), (0,), _BRANCH),
    Trap("a root of a negative", "where(abs(x) < 1, sqrt(1 - x**2), 0)", (2.0,), 0, (0,), (0,), _BRANCH),
    Trap("a power of a negative", "where(x > 0, x**y, 0)", (-1.0, 0.5), 0, (0, 0), (0, 0, 0), _BRANCH),
    Trap("nested, the inner not taken", "where(x > 0, where(x > 1, log(x - 1), x**2), 5)", (0.5,), 0.25, (1,),
         (2,), _BRANCH, benign=(1.75,)),
    Trap("nested, the outer not taken", "where(x > 0, where(x > 1, log(x - 1), x**2), 5)", (-0.5,), 5, (0,),
         (0,), _BRANCH, benign=(1.75,)),
    Trap("a log shared by two branches", "where(x > 1, log(x), where(x > 0, log(x)**2, -x))", (-1.0,), 1, (-1,),
         (0,), _BRANCH),
    Trap("a root under a condition and its opposite", "where(y > 0, sqrt(x)*y, where(x > 0, sqrt(x), x))",
         (-1.0, -1.0), -1, (0, 1), (0, 0, 0), _BRANCH),
    Trap("a condition that is NaN", "where(sqrt(x) > 1, sqrt(x), x)", (-1.0,), -1, (1,), (0,), _BRANCH),
    Trap("a branch shared with its condition", "where(log(x) > -1, log(x), -1)", (0.0,), -1, (0,), (0,), _BRANCH),
    Trap("acos outside its branch", "where(abs(x) <= 1, acos(x), 0)", (1.5,), 0, (0,), (0,), _BRANCH),
    Trap("a flat function, at its edge", "where(x > 0, exp(-1/x), 0)", (0.0,), 0, (0,), (0,), _BRANCH),
    Trap("a flat function, deep in its tail", "where(x > 0, exp(-1/x), 0)", (1e-160,), 0, (0,), (),
         "exp(-1/x) decays faster than any power of 1/x grows", single=(1e-20,)),
    Trap("max takes no log of zero", "max(log(x), 0)", (0.0,), 0, (0,), (0,), _BRANCH),
    Trap("min takes no pole", "min(1/x**2, 1)", (0.0,), 1, (0,), (0,), _BRANCH, benign=(2.0,)),
    Trap("min takes no overflow", "min(x, exp(x))", (1000.0,), 1000, (1,), (0,), _BRANCH),
    Trap("clip before log", "log(min(max(x, 0.001), 1))", (-5.0,), "-log(1000)", (0,), (0,), _BRANCH),
    Trap("a negative log clipped", "max(log(abs(x)), -10)", (0.0,), -10, (0,), (0,), _BRANCH),
    # ---- ties
    Trap("relu at 0", "max(x, 0)", (0.0,), 0, (0,), (0,), _CONSTANT),
    Trap("min with 0 at 0", "min(0, x)", (0.0,), 0, (0,), (0,), _CONSTANT),
    Trap("hinge at its corner", "max(0, 1 - x)", (1.0,), 0, (0,), (0,), _CONSTANT),
    Trap("clip at its end", "min(max(x, 0), 1)", (1.0,), 1, (0,), (0,), _CONSTANT),
    Trap("max of two", "max(x, y)", (1.0, 1.0), 1, (0.5, 0.5), (0, 0, 0), _SHARED),
    Trap("min of three", "min(x, y, z)", (2.0, 2.0, 2.0), 2, ("1/3", "1/3", "1/3"), (), _SHARED),
    Trap("max of two and a constant", "max(x, y, 1)", (1.0, 1.0), 1, (0, 0), (0, 0, 0), _CONSTANT),
    Trap("max of one twice", "max(x, x)", (1.0,), 1, (1,), (0,), "one argument, though it is written twice"),
    Trap("max with its own expansion", "max(x, expm1(x))", (0.0,), 0, (1,), (0.5,), _SHARED),
    Trap("max and min together", "max(x, y)*min(x, y)", (2.0, 2.0), 4, (2, 2), (), "it is x*y"),
    Trap("abs at 0", "abs(x)", (0.0,), 0, (0,), (0,), "convention: abs'(0) = 0"),
    Trap("x*abs(x) at 0", "x*abs(x)", (0.0,), 0, (0,), (0,), "convention: abs'(0) = 0"),
    Trap("x/(1 + abs(x)) at 0", "x/(1 + abs(x))", (0.0,), 0, (1,), (0,), "convention: abs'(0) = 0"),
    Trap("huber at its join", "where(abs(r) <= d, r**2/2, d*(abs(r) - d/2))", (1.0, 1.0), 0.5, (1, 0), (),
         "both branches have this slope"),
    Trap("a step times x", "x*sign(x)", (0.0,), 0, (0,), (0,), "convention: sign' = 0"),
    Trap("floor at a whole number", "x*floor(x)", (2.0,), 4, (2,), (0,), "convention: floor' = 0"),
    # ---- what is zero by structure
    Trap("root of a relu", "sqrt(max(x, 0))", (-1.0,), 0, (0,), (0,), "max(x, 0) is constant there"),
    Trap("root of a product with a relu", "sqrt(x*max(y, 0))", (1.0, -1.0), 0, (0, 0), (0, 0, 0),
         "the product is constant there"),
    Trap("power of a product with a relu", "(x*max(y, 0))**(1/3)", (1.0, -1.0), 0, (0, 0), (0, 0, 0),
         "the product is constant there"),
    Trap("root of a chosen zero", "sqrt(y*where(x > 0, x, 0))", (1.0, -1.0), 0, (0, 0), (0, 0, 0),
         "the product is constant there", benign=(0.75, 0.85)),
    Trap("norm of two relus", "sqrt(max(x, 0)**2 + max(y, 0)**2)", (-1.0, -1.0), 0, (0, 0), (0, 0, 0),
         "it is constant there"),
    Trap("root of abs at 0", "sqrt(abs(x))", (0.0,), 0, (0,), (), "convention: abs'(0) = 0 annihilates"),
    # ---- powers
    Trap("x**2 at 0 by a variable", "x**y", (0.0, 2.0), 0, (0, 0), (2, 0, 0), _LIMIT),
    Trap("x**1 at 0 by a variable", "x**y", (0.0, 1.0), 0, (1, 0), (), _LIMIT),
    Trap("x**0 at 0", "x**y", (0.0, 0.0), 1, (0, None), (), "x**0 is 1"),
    Trap("x**0.5 at 0", "x**y", (0.0, 0.5), 0, (INF, 0), (), "truly infinite"),
    Trap("a negative base", "x**y", (-2.0, 3.0), -8, (12, None), (), "whole powers exist"),
    Trap("x**2.5 at 0", "x**2.5", (0.0,), 0, (0,), (0,), _LIMIT),
    Trap("x**1.5 at 0", "x**1.5", (0.0,), 0, (0,), (INF,), _LIMIT),
    Trap("abs(x)**y at 0", "abs(x)**y", (0.0, 2.0), 0, (0, 0), (), _LIMIT),
    Trap("sqrt at 0", "sqrt(x)", (0.0,), 0, (INF,), (), "truly infinite"),
    # ---- norms
    Trap("norm at the origin", "sqrt(x**2 + y**2)", (0.0, 0.0), 0, (0, 0), (), "convention: the subgradient 0"),
    Trap("hypot at the origin", "hypot(x, y)", (0.0, 0.0), 0, (0, 0), (), "convention: the subgradient 0"),
    Trap("norm of three at the origin", "sqrt(x**2 + y**2 + z**2)", (0.0, 0.0, 0.0), 0, (0, 0, 0), (),
         "convention: the subgradient 0"),
    Trap("norm of four at the origin", "sqrt(w**2 + x**2 + y**2 + z**2)", (0.0,) * 4, 0, (0,) * 4, (0,) * 10,
         "convention: the subgradient 0, and no curvature"),
    Trap("a weighted norm at the origin", "sqrt(2*x**2 + y**2/3)", (0.0, 0.0), 0, (0, 0), (0, 0, 0),
         "convention: the subgradient 0, and no curvature"),
    Trap("sqrt(x**2) at 0", "sqrt(x**2)", (0.0,), 0, (0,), (), "convention: it is abs(x)"),
    Trap("norm cubed at the origin", "(x**2 + y**2)**1.5", (0.0, 0.0), 0, (0, 0), (0, 0, 0), _LIMIT),
    Trap("a large norm", "sqrt(x**2 + y**2)", (3e200, 4e200), "hypot(x, y)", ("x/hypot(x, y)", "y/hypot(x, y)"), (),
         _OVERFLOW, single=(3e30, 4e30)),
    Trap("a small norm", "sqrt(x**2 + y**2)", (3e-200, 4e-200), "hypot(x, y)", ("x/hypot(x, y)", "y/hypot(x, y)"),
         (), "the squares underflow", single=(3e-30, 4e-30)),
    Trap("a large norm of three", "sqrt(x**2 + y**2 + z**2)", (2e200, 3e200, 6e200), "sqrt(x*x + y*y + z*z)",
         ("x/sqrt(x*x + y*y + z*z)", "y/sqrt(x*x + y*y + z*z)", "z/sqrt(x*x + y*y + z*z)"), (), _OVERFLOW,
         single=(2e30, 3e30, 6e30)),
    # ---- removable points
    Trap("sin(x)/x at 0", "sin(x)/x", (0.0,), 1, (0,), ("-1/3",), _LIMIT),
    Trap("sin(x)/x guarded at 0", "where(x == 0, 1, sin(x)/x)", (0.0,), 1, (0,), ("-1/3",),
         "an equality marks a point, not a branch"),
    Trap("sin(x)/x near 0", "sin(x)/x", (1e-5,), "sin(x)/x", ("(cos(x) - sin(x)/x)/x",),
         ("(-sin(x) - 2*(cos(x) - sin(x)/x)/x)/x",), _CANCELS),
    Trap("sin(2*x)/x at 0", "sin(2*x)/x", (0.0,), 2, (0,), ("-8/3",), _LIMIT),
    Trap("(exp(x) - 1)/x at 0", "(exp(x) - 1)/x", (0.0,), 1, (0.5,), ("1/3",), _LIMIT),
    Trap("(exp(x) - 1)/x near 0", "(exp(x) - 1)/x", (1e-6,), "expm1(x)/x", ("(exp(x) - expm1(x)/x)/x",),
         ("(exp(x) - 2*(exp(x) - expm1(x)/x)/x)/x",), _CANCELS),
    Trap("log(1 + x)/x at 0", "log(1 + x)/x", (0.0,), 1, (-0.5,), ("2/3",), _LIMIT),
    Trap("log(1 + x)/x near 0", "log(1 + x)/x", (1e-6,), "log1p(x)/x", ("(1/(1 + x) - log1p(x)/x)/x",),
         (), _CANCELS),
    Trap("(1 - cos(x))/x**2 at 0", "(1 - cos(x))/x**2", (0.0,), 0.5, (0,), ("-1/3/4",), _LIMIT),
    Trap("(1 - cos(x))/x**2 near 0", "(1 - cos(x))/x**2", (1e-4,), "2*sin(x/2)**2/x**2",
         ("(sin(x) - 4*sin(x/2)**2/x)/x**2",), (), _CANCELS),
    Trap("x/(exp(x) - 1) at 0", "x/(exp(x) - 1)", (0.0,), 1, (-0.5,), ("1/3/2",), _LIMIT),
    Trap("x/(exp(x) - 1) far out", "x/(exp(x) - 1)", (1000.0,), 0, (0,), (0,), _OVERFLOW),
    Trap("tanh(x)/x at 0", "tanh(x)/x", (0.0,), 1, (0,), ("-2/3",), _LIMIT),
    Trap("tanh(x)/x near 0", "tanh(x)/x", (1e-5,), "tanh(x)/x", ("(sech(x)**2 - tanh(x)/x)/x",), (), _CANCELS),
    Trap("x*log(x) at 0", "x*log(x)", (0.0,), 0, (-INF,), (INF,), "the limit; the slope is truly infinite"),
    Trap("entropy at its end", "-p*log(p) - (1 - p)*log(1 - p)", (1.0,), 0, (-INF,), (), _LIMIT),
    # ---- overflow
    Trap("softplus far out", "log(1 + exp(x))", (1000.0,), 1000, (1,), (0,), _OVERFLOW),
    Trap("logistic far out", "1/(1 + exp(-x))", (-1000.0,), 0, (0,), (0,), _OVERFLOW),
    Trap("tanh far out", "tanh(x)", (300.0,), "tanh(x)", ("sech(x)**2",), ("-2*sech(x)**2*tanh(x)",),
         "1 - tanh(x)**2 is 0 long before the slope is", single=(30.0,)),
    Trap("1/cosh(x) far out", "1/cosh(x)", (800.0,), 0, (0,), (0,), _OVERFLOW),
    Trap("1/cosh(x) in its tail", "1/cosh(x)", (-700.0,), "sech(x)", ("-sech(x)*tanh(x)",), (), _OVERFLOW,
         single=(-80.0,)),
    Trap("log(cosh(x)) far out", "log(cosh(x))", (1000.0,), "x - log(2)", (1,), (0,), _OVERFLOW),
    Trap("sinh(x)/cosh(x) far out", "sinh(x)/cosh(x)", (1000.0,), 1, (0,), (0,), "it is tanh(x)"),
    Trap("log of a sum of exponentials", "log(exp(x) + exp(y))", (1000.0, 1000.0), "x + log(2)", (0.5, 0.5),
         (0.25, -0.25, 0.25), _OVERFLOW),
    Trap("log of three exponentials", "log(exp(x) + exp(y) + exp(z))", (-1000.0, -1001.0, -1002.0),
         "x + log(1 + exp(-1) + exp(-2))",
         ("1/(1 + exp(-1) + exp(-2))", "exp(-1)/(1 + exp(-1) + exp(-2))",
          "exp(-2)/(1 + exp(-1) + exp(-2))"), (), "all exponentials underflow"),
    Trap("softmax far out", "exp(x)/(exp(x) + exp(y))", (1000.0, 1001.0), "1/(1 + exp(1))",
         ("exp(1)/(1 + exp(1))**2", "-exp(1)/(1 + exp(1))**2"), (), _OVERFLOW),
    Trap("softmax of three far out", "exp(x)/(exp(x) + exp(y) + exp(z))", (1000.0, 1001.0, 1002.0),
         "1/(1 + exp(1) + exp(2))",
         ("(exp(1) + exp(2))/(1 + exp(1) + exp(2))**2", "-exp(1)/(1 + exp(1) + exp(2))**2",
          "-exp(2)/(1 + exp(1) + exp(2))**2"), (), _OVERFLOW),
    Trap("softmax of three, one of them nearly all", "exp(x)/(exp(x) + exp(y) + exp(z))", (40.0, 0.0, 1.0),
         "1/(1 + exp(-40) + exp(-39))", ("(exp(-40) + exp(-39))/(1 + exp(-40) + exp(-39))**2",
                                         "-exp(-40)/(1 + exp(-40) + exp(-39))**2",
                                         "-exp(-39)/(1 + exp(-40) + exp(-39))**2"), (), _CANCELS),
    Trap("log of a softmax", "log(exp(x)/(exp(x) + exp(y) + exp(z)))", (-900.0, 0.0, 1.0), "x - log(1 + exp(1))",
         (1, "-1/(1 + exp(1))", "-exp(1)/(1 + exp(1))"), (), "the quotient underflows", single=(-200.0, 0.0, 1.0)),
    Trap("a choice among three, one of them free", "exp(x)/(1 + exp(x) + exp(y))", (1000.0, 999.0), "1/(1 + exp(-1))",
         ("exp(-1)/(1 + exp(-1))**2", "-exp(-1)/(1 + exp(-1))**2"), (), _OVERFLOW),
    Trap("a quotient of exponentials far out", "exp(x)/exp(y)", (1000.25, 1000.0), "exp(0.25)",
         ("exp(0.25)", "-exp(0.25)"), ("exp(0.25)", "-exp(0.25)", "exp(0.25)"), _OVERFLOW),
    # ---- cancellation
    Trap("the small root of a quadratic", "(-b + sqrt(b**2 - 4*a*c))/(2*a)", (1e8, 2.0, 3.0),
         "2*c/(-b - sqrt(b*b - 4*a*c))", (None, None, "-1/sqrt(b*b - 4*a*c)"), (), _CANCELS, single=(1e4, 2.0, 3.0),
         benign=(5.0, 1.0, 2.0)),
    Trap("a weighted mean with one weight", "(v*x + w*y)/(v + w)", (1e12, 2.0, 1e-3, 5.0), "(v*x + w*y)/(v + w)",
         ("w*(x - y)/(v + w)**2", "v/(v + w)", "v*(y - x)/(v + w)**2", "w/(v + w)"), (), _CANCELS,
         single=(1e5, 2.0, 1e-3, 5.0)),
    Trap("a grating at its first order", "sin(3*x)**2/sin(x)**2", (1e-6,), "(3 - 4*sin(x)**2)**2",
         ("-16*sin(x)*cos(x)*(3 - 4*sin(x)**2)",), (), _CANCELS),
    Trap("a grating at 0", "sin(3*x)**2/sin(x)**2", (0.0,), 9, (0,), (-48,), _LIMIT),
    Trap("a sine of a large product", "sin(x*y)", (123456789.0, 987654321.0), "sin(x*y)",
         ("y*cos(x*y)", "x*cos(x*y)"), (), "what the product's rounding left out counts", single=(123456.0, 98765.0)),
    Trap("exp(x) - 1 near 0", "exp(x) - 1", (1e-10,), "expm1(x)", ("exp(x)",), ("exp(x)",), _CANCELS),
    Trap("log(1 + x) near 0", "log(1 + x)", (1e-10,), "log1p(x)", ("1/(1 + x)",), ("-1/(1 + x)**2",), _CANCELS),
    Trap("1 - cos(x) near 0", "1 - cos(x)", (1e-6,), "2*sin(x/2)**2", ("sin(x)",), ("cos(x)",), _CANCELS),
    Trap("1 - erf(x) far out", "1 - erf(x)", (8.0,), "erfc(x)", ("-2/sqrt(pi)*exp(-x**2)",), (), _CANCELS),
    Trap("1 - tanh(x) far out", "1 - tanh(x)", (25.0,), "2/(1 + exp(2*x))", ("-sech(x)**2",), (), _CANCELS),
    Trap("1 - tanh(x)**2 far out", "1 - tanh(x)**2", (25.0,), "sech(x)**2", ("-2*sech(x)**2*tanh(x)",), (), _CANCELS),
    Trap("1 - logistic far out", "1 - 1/(1 + exp(-x))", (50.0,), "1/(1 + exp(x))",
         ("-exp(x)/(1 + exp(x))**2",), (), _CANCELS),
    Trap("a difference of squares", "x**2 - y**2", (1.000000001, 1.0), "(x - y)*(x + y)", ("2*x", "-2*y"), (2, 0, -2),
         _CANCELS, single=(1.0000001, 1.0)),
    Trap("a difference of roots", "sqrt(x + 1) - sqrt(x)", (1e15,), "1/(sqrt(x + 1) + sqrt(x))",
         ("-1/(2*sqrt(x + 1)*sqrt(x)*(sqrt(x + 1) + sqrt(x)))",), (), _CANCELS, single=(1e6,)),
    Trap("a difference of reciprocals", "1/(x + 1) - 1/x", (1e10,), "-1/(x*(x + 1))",
         ("(2*x + 1)/(x*(x + 1))**2",), (), _CANCELS, single=(1e5,)),
    Trap("a difference of logarithms", "log(x + 1) - log(x)", (1e10,), "log1p(1/x)", ("-1/(x*(x + 1))",), (),
         _CANCELS, single=(1e5,)),
    Trap("a power less one", "1.5**x - 1", (1e-12,), "expm1(x*log(3/2))", ("log(3/2)*exp(x*log(3/2))",), (),
         _CANCELS),
)  # fmt: skip
"""All, each with a name of its own."""

BY_NAME = {trap.name: trap for trap in TRAPS}

TOLERANCE = {"float64": 1e-12, "float32": 2e-5}
"""Relative."""


def is_right(found: float, truth: Any, dtype: str) -> bool:
    """Tell whether a number is right: nothing to compare with, the same number, or near it."""
    if truth is None:
        return True
    wanted, found = float(np.dtype(dtype).type(truth)), float(found)
    if wanted == found or (wanted != wanted and found != found):
        return True
    slack = TOLERANCE[dtype] * abs(wanted) + (np.finfo(dtype).smallest_subnormal if wanted else 0)
    return bool(np.isfinite(wanted) and abs(found - wanted) <= slack)
