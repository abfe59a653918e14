"""The words of formulas: one table that joins primitives of the graph, sympy classes and names in text.

The text parser goes from a name to a sympy expression, the sympy reader from a class to a primitive, the sympy
writer back. sympy's own classes stand for primitives wherever it has them; what it lacks is defined here.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final

import mpmath
import sympy
from sympy.codegen import cfunctions
from sympy.core.operations import LatticeOp
from sympy.logic.boolalg import BooleanFunction

from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.special_meaning import MEANING, in_double

# ---- building without evaluation


def unevaluated(kind: Any, *args: Any) -> Any:
    """Build a sympy expression exactly as it is written: nothing folded, sorted, flattened or compared.

    `evaluate=False` is not enough: Max, Min, And and Or still drop repeated arguments and sort the rest,
    ExprCondPair searches and folds its condition, and cached constructors compare whole trees, by recursion.
    So the object is made below them, and what they set beside the arguments is set here.

    Parameters
    ----------
    kind
        The class.
    *args
        Its arguments, sympy objects all.
    """
    finish = _finish(kind)
    if finish is _gather:
        made = kind._from_args(args, is_commutative=True)
    else:
        made = sympy.Basic.__new__(kind, *args)
        if finish is not None:
            finish(made, args)
    hash(made)  # sympy keeps it; so hashes are made from the bottom up, and none recurses later
    return made


def _gather(made: Any, args: tuple[Any, ...]) -> None:
    """Stand for the classes with a constructor of their own for this."""


@cache
def _finish(kind: Any) -> Callable[[Any, tuple[Any, ...]], None] | None:
    """Return what sets the attributes that the objects of a class have beside their arguments."""
    if issubclass(kind, sympy.Add | sympy.Mul):
        return _gather
    counted = issubclass(kind, sympy.Function | BooleanFunction) and kind is not sympy.Piecewise
    nargs = kind.nargs if counted else None  # once for all: it is a property that makes a set

    def power(made: Any, args: tuple[Any, ...]) -> None:
        made.is_commutative = True

    def application(made: Any, args: tuple[Any, ...]) -> None:
        made.nargs = nargs

    def lattice(made: Any, args: tuple[Any, ...]) -> None:
        made._argset = frozenset(args)
        if nargs is not None:
            made.nargs = nargs

    if issubclass(kind, LatticeOp):
        return lattice
    if issubclass(kind, sympy.Pow):
        return power
    return None if nargs is None else application


# ---- what sympy lacks


class InOrder(sympy.Mul):
    """A product of formula text in which more follows a stroke: x/y/z is (x/y)/z, x/z*y is (x/z)*y.

    sympy's own products have no order.
    """

    __slots__ = ()


class RealFunction(sympy.Function):
    """A real function of C's <math.h> that sympy has no class for; it is never evaluated symbolically.

    Attributes
    ----------
    spelling
        Its name in formula text, and in print.
    """

    spelling: ClassVar[str]
    is_real = True

    def _numeric(self, *args: Any) -> Any:
        """Return the value at mpmath numbers."""
        raise NotImplementedError

    def _eval_mpmath(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return lambda *args: mpmath.mpf(self._numeric(*args)), self.args

    def _sympystr(self, printer: Any) -> str:
        return f"{self.spelling}({', '.join(printer._print(arg) for arg in self.args)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        name = r"\operatorname{" + self.spelling.replace("_", r"\_") + "}"
        power = "" if exp is None else f"^{{{exp}}}"
        arguments = ", ".join(printer._print(arg) for arg in self.args)
        return rf"{name}{power}\left({arguments}\right)"

    def _refuse_index(self, argindex: int) -> None:
        if not 1 <= argindex <= len(self.args):
            raise sympy.core.function.ArgumentIndexError(self, argindex)


class _Step(RealFunction):
    """A function that is constant between its jumps."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the derivative, 0 at the jumps as well."""
        self._refuse_index(argindex)
        return sympy.S.Zero


class Trunc(_Step):
    """The whole part of x, towards zero."""

    spelling = "trunc"
    is_integer = True

    def _numeric(self, *args: Any) -> Any:
        return _trunc(*args)


class Round(_Step):
    """The nearest whole number, half to even (C's rint; round of Python, NumPy and torch)."""

    spelling = "round"
    is_integer = True

    def _numeric(self, *args: Any) -> Any:
        return mpmath.nint(*args)


class RoundAway(_Step):
    """The nearest whole number, half away from zero (C's round)."""

    spelling = "round_away"
    is_integer = True

    def _numeric(self, *args: Any) -> Any:
        # not trunc(x + 1/2): the sum rounds up just below 1/2
        size = abs(args[0])
        whole = mpmath.floor(size)
        return mpmath.sign(args[0]) * (whole + (size - whole >= 0.5))


class Logb(_Step):
    """The exponent of x: the floor of log2(abs(x))."""

    spelling = "logb"

    def _numeric(self, *args: Any) -> Any:
        return mpmath.frexp(args[0])[1] - 1 if args[0] else -mpmath.inf


class _Binary(RealFunction):
    nargs = 2

    def _pair(self) -> tuple[Any, Any]:
        x, y = self.args
        return x, y


class Fmod(_Binary):
    """The rest x - y*trunc(x/y), with the sign of x."""

    spelling = "fmod"

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative: 1 by x, -trunc(x/y) by y."""
        self._refuse_index(argindex)
        x, y = self._pair()
        return sympy.S.One if argindex == 1 else -Trunc(x / y)

    def _numeric(self, *args: Any) -> Any:
        x, y = args
        return x - y * _trunc(x / y)


class Remainder(_Binary):
    """The rest x - y*round(x/y), at most abs(y)/2 in size (IEEE 754 remainder)."""

    spelling = "remainder"

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative: 1 by x, -round(x/y) by y."""
        self._refuse_index(argindex)
        x, y = self._pair()
        return sympy.S.One if argindex == 1 else -Round(x / y)

    def _numeric(self, *args: Any) -> Any:
        x, y = args
        return x - y * mpmath.nint(x / y)


class Copysign(_Binary):
    """abs(x) with the sign of y; a real zero has no sign and counts as positive."""

    spelling = "copysign"

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative: sign(x)*copysign(1, y) by x, 0 by y."""
        self._refuse_index(argindex)
        x, y = self._pair()
        return sympy.sign(x) * Copysign(sympy.S.One, y) if argindex == 1 else sympy.S.Zero

    def _numeric(self, *args: Any) -> Any:
        x, y = args
        return -abs(x) if y < 0 else abs(x)


class Fdim(_Binary):
    """x - y where that is positive, else 0."""

    spelling = "fdim"

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative: 1 by x and -1 by y where x > y, else 0."""
        self._refuse_index(argindex)
        x, y = self._pair()
        return sympy.Piecewise((3 - 2 * argindex, x > y), (0, True))

    def _numeric(self, *args: Any) -> Any:
        x, y = args
        return x - y if x > y else mpmath.mpf(0)


class _Selection(_Binary):
    """Either of two arguments."""

    def _wins(self, mine: Any, other: Any) -> Any:
        raise NotImplementedError

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative: 1 for the argument taken, 1/2 at a tie."""
        self._refuse_index(argindex)
        mine, other = self._pair() if argindex == 1 else reversed(self._pair())
        half = sympy.S.Half
        return sympy.Piecewise((1, self._wins(mine, other)), (half, sympy.Eq(mine, other)), (0, True))


class Fmax(_Selection):
    """The larger of two, ignoring a NaN."""

    spelling = "fmax"

    def _wins(self, mine: Any, other: Any) -> Any:
        return sympy.Gt(mine, other)

    def _numeric(self, *args: Any) -> Any:
        return max(args)


class Fmin(_Selection):
    """The smaller of two, ignoring a NaN."""

    spelling = "fmin"

    def _wins(self, mine: Any, other: Any) -> Any:
        return sympy.Lt(mine, other)

    def _numeric(self, *args: Any) -> Any:
        return min(args)


# ---- special functions that sympy lacks


class SpecialFunction(RealFunction):
    """A special function of the table of primitives; its derivatives are those of the table."""

    def _numeric(self, *args: Any) -> Any:
        return MEANING[self.spelling](mpmath.mp, *args)

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the partial derivative, by the rule in the table."""
        self._refuse_index(argindex)
        row = PRIMITIVES[self.spelling]
        rule = row.rules[argindex - 1] if row.rules else ""
        if not rule:
            raise sympy.core.function.ArgumentIndexError(self, argindex)
        names = dict(zip(row.args, self.args, strict=True))
        return _from_rule(ast.parse(rule, mode="eval").body, {**names, "y": self, "y_bar": sympy.S.One})


def _from_rule(tree: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return a term of a rule of the table as sympy."""
    match tree:
        case ast.Constant(value=value):
            return sympy.Rational(str(value))
        case ast.Name(id="pi"):
            return sympy.pi
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(operand=operand):
            return -_from_rule(operand, names)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_from_rule(left, names), _from_rule(right, names))
        case ast.Call(
            func=ast.Name(id="where"), args=[ast.Compare(left=left, comparators=[right]), here, there]
        ):
            point = sympy.Eq(_from_rule(left, names), _from_rule(right, names))
            return sympy.Piecewise((_from_rule(here, names), point), (_from_rule(there, names), True))
        case ast.Call(func=ast.Name(id="gauss"), args=[arg]):
            return sympy.exp(-(_from_rule(arg, names) ** 2))
        case ast.Call(func=ast.Name(id=name), args=args):
            return FUNCTIONS[name].build(*(_from_rule(arg, names) for arg in args))
    raise ValueError(f"a rule with {ast.unparse(tree)!r} has no form in sympy")


_ARITHMETIC: Final[Mapping[type, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: operator.pow,
    }
)


class LogBeta(SpecialFunction):
    """The logarithm of the beta function of positive numbers."""

    spelling = "lbeta"
    nargs = 2


class Erfcx(SpecialFunction):
    """exp(x**2)*erfc(x)."""

    spelling = "erfcx"
    nargs = 1


class Ierfcx(SpecialFunction):
    """exp(x**2) times the n-th repeated integral of erfc."""

    spelling = "ierfcx"
    nargs = 2


class LogNdtr(SpecialFunction):
    """The logarithm of the standard normal distribution function."""

    spelling = "log_ndtr"
    nargs = 1


class Ndtri(SpecialFunction):
    """The inverse of the standard normal distribution function."""

    spelling = "ndtri"
    nargs = 1


class Dawson(SpecialFunction):
    """Dawson's integral, exp(-x**2) times the integral of exp(t**2) from 0 to x."""

    spelling = "dawson"
    nargs = 1


class DawsonSlope(SpecialFunction):
    """The derivative of Dawson's integral, 1 - 2*x*dawson(x)."""

    spelling = "dawson_slope"
    nargs = 1


class Logit(SpecialFunction):
    """log(x/(1 - x))."""

    spelling = "logit"
    nargs = 1


class LambertWLower(SpecialFunction):
    """The branch -1 of Lambert's W: y*exp(y) = x with y <= -1."""

    spelling = "lambertw_lower"
    nargs = 1


class DigammaGap(SpecialFunction):
    """digamma(a + b) - digamma(a)."""

    spelling = "digamma_gap"
    nargs = 2


class GammaInc(SpecialFunction):
    """The lower incomplete gamma function over gamma(a)."""

    spelling = "gammainc"
    nargs = 2


class GammaIncC(SpecialFunction):
    """The upper incomplete gamma function over gamma(a)."""

    spelling = "gammaincc"
    nargs = 2


class GammaIncByShape(SpecialFunction):
    """The derivative of the lower incomplete gamma function over gamma(a) by a."""

    spelling = "gammainc_by_shape"
    nargs = 2


class GammaDensity(SpecialFunction):
    """x**(a - 1)*exp(-x)/gamma(a)."""

    spelling = "gamma_density"
    nargs = 2


class BetaInc(SpecialFunction):
    """The incomplete beta function over beta(a, b)."""

    spelling = "betainc"
    nargs = 3


class BetaIncByA(SpecialFunction):
    """The derivative of the incomplete beta function over beta(a, b) by a."""

    spelling = "betainc_by_a"
    nargs = 3


class BetaIncByB(SpecialFunction):
    """The derivative of the incomplete beta function over beta(a, b) by b."""

    spelling = "betainc_by_b"
    nargs = 3


class BetaDensity(SpecialFunction):
    """x**(a - 1)*(1 - x)**(b - 1)/beta(a, b)."""

    spelling = "beta_density"
    nargs = 3


class EllipticD(SpecialFunction):
    """(K(m) - E(m))/m of the complete elliptic integrals."""

    spelling = "elliptic_d"
    nargs = 1


def _trunc(x: Any) -> Any:
    return mpmath.floor(x) if x >= 0 else mpmath.ceil(x)


# ---- values in double, for constants in formula text


def _cbrt(x: float) -> float:
    return math.copysign(abs(x) ** (1 / 3), x)


def _sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


def _heaviside(x: float) -> float:
    return (1 + _sign(x)) / 2


def _round_away(x: float) -> float:
    whole = math.floor(abs(x))
    return math.copysign(whole + (abs(x) - whole >= 0.5), x)


def _logb(x: float) -> float:
    if not x:
        raise ZeroDivisionError
    return float(math.frexp(x)[1] - 1)


def _fdim(x: float, y: float) -> float:
    return max(x - y, 0.0)


def _inverse(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: 1 / function(x)


def _of_inverse(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: function(1 / x)


# ---- the table


@dataclass(frozen=True, slots=True)
class Word:
    """A function that formula text may call.

    Attributes
    ----------
    name
        Its name; other spellings are keys of `FUNCTIONS` to the same word.
    args
        Names of its arguments; `"..."` at the end stands for any number more.
    build
        From the arguments to the sympy expression, unevaluated; `make=` takes the place of `unevaluated`.
    value
        Its value in double. Raises where there is none: `OverflowError` beyond the range of a double,
        `ValueError` or `ZeroDivisionError` outside the domain.
    meaning
        What it computes, in the notation of formula text; "" where the name says it.
    optional
        How many of the last arguments may be left out.
    also
        Its other spellings.
    """

    name: str
    args: tuple[str, ...]
    build: Callable[..., Any]
    value: Callable[..., float]
    meaning: str = ""
    optional: int = 0
    also: tuple[str, ...] = ()

    @property
    def most(self) -> int | None:
        """The largest number of arguments; None for any number."""
        return None if self.args[-1] == "..." else len(self.args)

    @property
    def least(self) -> int:
        """The smallest number of arguments."""
        return len(self.args) - self.optional - (self.args[-1] == "...")

    @property
    def signature(self) -> str:
        """How it is called, as `log(x, base)`."""
        return f"{self.name}({', '.join(self.args)})"


_X: Final = ("x",)
_XY: Final = ("x", "y")
_MANY: Final = ("x", "y", "...")
_MAKERS: Final[dict[Any, Callable[..., Any]]] = {
    # H(0) = 1/2, as sympy's and NumPy's users mostly choose
    sympy.Heaviside: lambda x, make=unevaluated: make(sympy.Heaviside, x, sympy.S.Half),
}


def _of_class(kind: Any) -> Callable[..., Any]:
    return _MAKERS.get(kind, lambda *args, make=unevaluated: make(kind, *args))


@dataclass(frozen=True, slots=True)
class _Entry:
    """A primitive with its class, and the word for it."""

    primitive: str
    kind: Any
    word: Word


def _entry(
    primitive: str,
    kind: Any,
    value: Callable[..., float],
    args: tuple[str, ...] = _X,
    *,
    also: tuple[str, ...] = (),
    meaning: str = "",
) -> _Entry:
    return _Entry(primitive, kind, Word(primitive, args, _of_class(kind), value, meaning, also=also))


def _special(name: str, kind: Any, *, also: tuple[str, ...], meaning: str) -> _Entry:
    """Return the entry of a special function, its arguments as in the table of primitives."""
    return _entry(name, kind, in_double(name), PRIMITIVES[name].args, also=also, meaning=meaning)


_ENTRIES: Final = (
    _entry("exp", sympy.exp, math.exp),
    _entry("exp2", cfunctions.exp2, lambda x: math.pow(2, x), meaning="2**x"),
    _entry("expm1", cfunctions.expm1, math.expm1, meaning="exp(x) - 1, accurate near 0"),
    _entry("log2", cfunctions.log2, math.log2),
    _entry("log10", cfunctions.log10, math.log10),
    _entry("log1p", cfunctions.log1p, math.log1p, meaning="log(1 + x), accurate near 0"),
    _entry("sin", sympy.sin, math.sin),
    _entry("cos", sympy.cos, math.cos),
    _entry("tan", sympy.tan, math.tan),
    _entry("asin", sympy.asin, math.asin, also=("arcsin",)),
    _entry("acos", sympy.acos, math.acos, also=("arccos",)),
    _entry("atan", sympy.atan, math.atan, also=("arctan",)),
    _entry(
        "atan2",
        sympy.atan2,
        math.atan2,
        ("y", "x"),
        also=("arctan2",),
        meaning="the angle of the point (x, y)",
    ),
    _entry("sinh", sympy.sinh, math.sinh),
    _entry("cosh", sympy.cosh, math.cosh),
    _entry("tanh", sympy.tanh, math.tanh),
    _entry("asinh", sympy.asinh, math.asinh, also=("arcsinh",)),
    _entry("acosh", sympy.acosh, math.acosh, also=("arccosh",)),
    _entry("atanh", sympy.atanh, math.atanh, also=("arctanh",)),
    _entry("cbrt", cfunctions.Cbrt, _cbrt, also=("Cbrt",), meaning="the real cube root, also of negative x"),
    _entry("hypot", cfunctions.hypot, math.hypot, _XY, meaning="sqrt(x**2 + y**2), without overflow"),
    _entry("erf", sympy.erf, math.erf),
    _entry("erfc", sympy.erfc, math.erfc, meaning="1 - erf(x), accurate for large x"),
    _entry("gamma", sympy.gamma, math.gamma, also=("tgamma",)),
    _entry("loggamma", sympy.loggamma, math.lgamma, also=("lgamma",), meaning="the logarithm of gamma(x)"),
    *(
        _special(name, kind, also=also, meaning=meaning)
        for name, kind, also, meaning in (
            ("digamma", sympy.digamma, ("psi",), "the derivative of loggamma(x)"),
            ("digamma_gap", DigammaGap, (), "digamma(a + b) - digamma(a)"),
            ("polygamma", sympy.polygamma, (), "the n-th derivative of digamma(x), n a whole number"),
            ("beta", sympy.beta, (), "gamma(a)*gamma(b)/gamma(a + b)"),
            ("lbeta", LogBeta, ("betaln",), "log(beta(a, b))"),
            ("erfinv", sympy.erfinv, (), "the inverse of erf"),
            ("erfcinv", sympy.erfcinv, (), "the inverse of erfc"),
            ("erfcx", Erfcx, (), "exp(x**2)*erfc(x)"),
            ("ierfcx", Ierfcx, (), "exp(x**2) times the n-th repeated integral of erfc"),
            ("log_ndtr", LogNdtr, (), "log(erfc(-x/sqrt(2))/2)"),
            ("ndtri", Ndtri, (), "the inverse of ndtr"),
            ("dawson", Dawson, ("dawsn",), "exp(-x**2) times the integral of exp(t**2) from 0 to x"),
            ("dawson_slope", DawsonSlope, (), "1 - 2*x*dawson(x)"),
            ("logit", Logit, (), "log(x/(1 - x))"),
            ("lambertw", sympy.LambertW, (), "y with y*exp(y) = x and y >= -1"),
            ("lambertw_lower", LambertWLower, (), "y with y*exp(y) = x and y <= -1"),
            ("gammainc", GammaInc, (), "the lower incomplete gamma function, over gamma(a)"),
            ("gammaincc", GammaIncC, (), "the upper incomplete gamma function, over gamma(a)"),
            ("gammainc_by_shape", GammaIncByShape, (), "the derivative of gammainc(a, x) by a"),
            ("gamma_density", GammaDensity, (), "x**(a - 1)*exp(-x)/gamma(a)"),
            ("betainc", BetaInc, (), "the incomplete beta function from 0 to x, over beta(a, b)"),
            ("betainc_by_a", BetaIncByA, (), "the derivative of betainc(a, b, x) by a"),
            ("betainc_by_b", BetaIncByB, (), "the derivative of betainc(a, b, x) by b"),
            ("beta_density", BetaDensity, (), "x**(a - 1)*(1 - x)**(b - 1)/beta(a, b)"),
            (
                "expint",
                sympy.expint,
                ("expn",),
                "the integral of exp(-x*t)/t**n from t = 1, n a whole number",
            ),
            ("expi", sympy.Ei, ("Ei",), "the exponential integral Ei(x)"),
            ("besselj", sympy.besselj, ("jv",), "the Bessel function J of order v"),
            ("bessely", sympy.bessely, ("yv",), "the Bessel function Y of order v"),
            ("besseli", sympy.besseli, ("iv",), "the modified Bessel function I of order v"),
            ("besselk", sympy.besselk, ("kv",), "the modified Bessel function K of order v"),
            ("airyai", sympy.airyai, (), "Ai(x)"),
            ("airyai_slope", sympy.airyaiprime, (), "the derivative of Ai(x)"),
            ("airybi", sympy.airybi, (), "Bi(x)"),
            ("airybi_slope", sympy.airybiprime, (), "the derivative of Bi(x)"),
            ("elliptic_k", sympy.elliptic_k, ("ellipk",), "the complete elliptic integral K, of x = k**2"),
            ("elliptic_e", sympy.elliptic_e, ("ellipe",), "the complete elliptic integral E, of x = k**2"),
            ("elliptic_d", EllipticD, (), "(elliptic_k(x) - elliptic_e(x))/x"),
            ("zeta", sympy.zeta, (), "the sum of (a + k)**-s over k = 0, 1, ...; a = 1 for Riemann's"),
        )
    ),
    _entry("abs", sympy.Abs, abs, also=("Abs", "fabs", "absolute")),
    _entry("sign", sympy.sign, _sign, meaning="-1, 0 or 1"),
    _entry("heaviside", sympy.Heaviside, _heaviside, also=("Heaviside",), meaning="0, 1/2 or 1"),
    _entry("floor", sympy.floor, math.floor),
    _entry("ceil", sympy.ceiling, math.ceil, also=("ceiling",)),
    _entry("trunc", Trunc, math.trunc, meaning="rounded towards 0"),
    _entry(
        "round", Round, round, also=("rint", "nearbyint"), meaning="the nearest whole number, half to even"
    ),
    _entry(
        "round_away", RoundAway, _round_away, meaning="the nearest whole number, half away from 0; C's round"
    ),
    _entry("logb", Logb, _logb, meaning="floor(log2(abs(x)))"),
    _entry("fmod", Fmod, math.fmod, _XY, meaning="x - y*trunc(x/y), of the sign of x"),
    _entry("remainder", Remainder, math.remainder, _XY, meaning="x - y*round(x/y), between -y/2 and y/2"),
    _entry("copysign", Copysign, math.copysign, _XY, meaning="abs(x) with the sign of y"),
    _entry("fdim", Fdim, _fdim, _XY, meaning="max(x - y, 0)"),
    _entry("fmax", Fmax, max, _XY, meaning="the larger, ignoring a NaN"),
    _entry("fmin", Fmin, min, _XY, meaning="the smaller, ignoring a NaN"),
    _entry("max", sympy.Max, max, _MANY, also=("Max", "maximum"), meaning="the largest; NaN if one is NaN"),
    _entry("min", sympy.Min, min, _MANY, also=("Min", "minimum"), meaning="the smallest; NaN if one is NaN"),
)

PRIMITIVE_OF: Final[Mapping[Any, str]] = MappingProxyType(
    {
        **{entry.kind: entry.primitive for entry in _ENTRIES},
        sympy.log: "log",
        # sympy's C functions for what Pow, Add and Mul express as well
        cfunctions.Sqrt: "sqrt",
        cfunctions.fma: "fma",
    }
)
"""The primitive that each sympy class stands for; no two classes share one. Arithmetic and logic are not here."""


_Make = Callable[..., Any]


def _sqrt(x: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Pow, x, sympy.S.Half)


def _pow(x: Any, y: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Pow, x, y)


def _square(x: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Pow, x, sympy.Integer(2))


def _fma(x: Any, y: Any, z: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Add, make(sympy.Mul, x, y), z)


def _ldexp(x: Any, n: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Mul, x, make(sympy.Pow, sympy.Integer(2), n))


def _ndtr(x: Any, make: _Make = unevaluated) -> Any:
    t = make(sympy.Mul, sympy.S.NegativeOne, x, make(sympy.Pow, sympy.Integer(2), -sympy.S.Half))
    return make(sympy.Mul, sympy.S.Half, make(sympy.erfc, t))


def _e1(x: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.expint, sympy.S.One, x)


def _clip(x: Any, low: Any, high: Any, make: _Make = unevaluated) -> Any:
    return make(sympy.Min, make(sympy.Max, x, low), high)


def _log(x: float, base: float = math.e) -> float:
    return math.log(x) if base is math.e else math.log(x) / math.log(base)


def _written(
    name: str,
    kind: Any,
    value: Callable[[float], float],
    meaning: str,
) -> Word:
    # The class itself: how it is rewritten stands once, where sympy's classes are read.
    also = (f"arc{name[1:]}",) if name[0] == "a" else ()
    return Word(name, _X, _of_class(kind), value, meaning, also=also)


_REWRITTEN: Final = (
    Word("sqrt", _X, _sqrt, math.sqrt, "x**(1/2)"),
    Word(
        "log", ("x", "base"), _of_class(sympy.log), _log, "natural; with a base, log(x)/log(base)", 1, ("ln",)
    ),
    Word("pow", _XY, _pow, math.pow, "x**y"),
    Word("square", _X, _square, lambda x: x * x, "x**2"),
    Word("fma", ("x", "y", "z"), _fma, lambda x, y, z: x * y + z, "x*y + z"),
    Word("ldexp", ("x", "n"), _ldexp, lambda x, n: x * math.pow(2, n), "x*2**n"),
    Word(
        "clip",
        ("x", "low", "high"),
        _clip,
        lambda x, low, high: min(max(x, low), high),
        "min(max(x, low), high)",
        also=("clamp",),
    ),
    Word(
        "trigamma", _X, _of_class(sympy.trigamma), lambda x: in_double("polygamma")(1.0, x), "polygamma(1, x)"
    ),
    Word("ndtr", _X, _ndtr, lambda x: math.erfc(-x / math.sqrt(2)) / 2, "erfc(-x/sqrt(2))/2"),
    Word("e1", _X, _e1, lambda x: in_double("expint")(1.0, x), "expint(1, x)", also=("E1", "exp1")),
    _written("sec", sympy.sec, _inverse(math.cos), "1/cos(x)"),
    _written("csc", sympy.csc, _inverse(math.sin), "1/sin(x)"),
    _written("cot", sympy.cot, _inverse(math.tan), "1/tan(x)"),
    _written("sech", sympy.sech, _inverse(math.cosh), "1/cosh(x)"),
    _written("csch", sympy.csch, _inverse(math.sinh), "1/sinh(x)"),
    _written("coth", sympy.coth, _inverse(math.tanh), "1/tanh(x)"),
    _written("asec", sympy.asec, _of_inverse(math.acos), "acos(1/x), for abs(x) >= 1"),
    _written("acsc", sympy.acsc, _of_inverse(math.asin), "asin(1/x), for abs(x) >= 1"),
    _written(
        "acot",
        sympy.acot,
        lambda x: _of_inverse(math.atan)(x) if x else math.pi / 2,
        "atan(1/x), between -pi/2 and pi/2; acot(0) = pi/2",
    ),
    _written("asech", sympy.asech, _of_inverse(math.acosh), "acosh(1/x), for 0 < x <= 1"),
    _written("acsch", sympy.acsch, _of_inverse(math.asinh), "asinh(1/x)"),
    _written("acoth", sympy.acoth, _of_inverse(math.atanh), "atanh(1/x), for abs(x) > 1"),
)

WORDS: Final[tuple[Word, ...]] = (*(entry.word for entry in _ENTRIES), *_REWRITTEN)
"""All functions of formula text, each once."""

FUNCTIONS: Final[Mapping[str, Word]] = MappingProxyType(
    {name: word for word in WORDS for name in (word.name, *word.also)}
)
"""All functions of formula text by each of their spellings."""

ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sinc": "it is sin(x)/x to some and sin(pi*x)/(pi*x) to others; write the one you mean",
        "sigmoid": "write 1/(1 + exp(-x))",
        "expit": "write 1/(1 + exp(-x))",
        "logistic": "write 1/(1 + exp(-x))",
        "relu": "write max(x, 0)",
        "softplus": "write log(1 + exp(x))",
        "silu": "write x/(1 + exp(-x))",
        "swish": "write x/(1 + exp(-x))",
        "gelu": "write x*(1 + erf(x/sqrt(2)))/2",
        "exp10": "write 10**x",
        "factorial": "write gamma(n + 1)",
        "mod": "write fmod(x, y), of the sign of x, or x - y*floor(x/y), of the sign of y",
        "Mod": "write fmod(x, y), of the sign of x, or x - y*floor(x/y), of the sign of y",
        "root": "write x**(1/n)",
        "reciprocal": "write 1/x",
        "Sum": "write the sum of an array as sum(x), any other out: x0 + x1",
        "matmul": "write A @ B",
        "inv": "trace a Python function with np.linalg.inv",
        "solve": "trace a Python function with np.linalg.solve",
        "prod": "write the product out: x0*x1",
        "Piecewise": "write where(c, a, b) or a if c else b",
        "select": "write where(c, a, b)",
        "float": "numbers need no conversion; leave it out",
        "int": "write trunc(x), floor(x) or round(x)",
        "frac": "write x - floor(x)",
        "frexp": "it gives two numbers; write logb(x) for the exponent",
        "modf": "it gives two numbers; write trunc(x) and x - trunc(x)",
        "diff": "derivatives are made of the whole formula; ask the compiled function for them",
        "Derivative": "derivatives are made of the whole formula; ask the compiled function for them",
        "Function": "a formula holds known functions only",
        "Rational": "write p/q; it is exact",
        "Integer": "write the number itself; it is exact",
        "Float": "write the number itself",
    }
)
"""What to write for functions that people look for and the table lacks."""
