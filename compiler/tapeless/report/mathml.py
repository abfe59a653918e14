"""Formulas for browsers: sympy expressions as presentation MathML, without a script or a font from elsewhere.

Only what browsers have in common is used (MathML Core, W3C 2025). Terms, factors and signs are set out as people
write them; nothing is evaluated.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import sympy
from sympy.codegen import cfunctions

from tapeless.ir.notation import is_decimal
from tapeless.report.markup import Markup, element, text

_LOWEST, _OR, _AND, _COMPARISON, _SUM, _PRODUCT, _POWER, _ATOM = range(8)
_LETTERS: Final = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi omicron pi rho sigma tau upsilon phi "
    "chi psi omega"
).split()
_GREEK: Final[dict[str, str]] = {
    **{letter: unicodedata.lookup(f"GREEK SMALL LETTER {letter}") for letter in _LETTERS},
    **{letter.title(): unicodedata.lookup(f"GREEK CAPITAL LETTER {letter}") for letter in _LETTERS},
    "lambda": "λ",
    "Lambda": "Λ",
}
_NAMED: Final[dict[Any, str]] = {
    sympy.pi: "π",
    sympy.E: "e",
    sympy.oo: "∞",
    sympy.EulerGamma: "γ",
    sympy.GoldenRatio: "φ",
    sympy.Catalan: "G",
}
_FUNCTIONS: Final[dict[Any, str]] = {
    sympy.Max: "max",
    sympy.Min: "min",
    sympy.sign: "sgn",
    sympy.Heaviside: "H",
    sympy.gamma: "Γ",
    sympy.loggamma: "ln Γ",
    sympy.log: "ln",
    sympy.asin: "arcsin",
    sympy.acos: "arccos",
    sympy.atan: "arctan",
    sympy.asinh: "arsinh",
    sympy.acosh: "arcosh",
    sympy.atanh: "artanh",
}
_BASES: Final[dict[Any, str]] = {cfunctions.log2: "2", cfunctions.log10: "10"}
_FENCES: Final[dict[Any, tuple[str, str]]] = {
    sympy.Abs: ("|", "|"),
    sympy.floor: ("⌊", "⌋"),
    sympy.ceiling: ("⌈", "⌉"),
}
_RELATIONS: Final[dict[Any, str]] = {
    sympy.Lt: "<",
    sympy.Le: "≤",
    sympy.Gt: ">",
    sympy.Ge: "≥",
    sympy.Eq: "=",
    sympy.Ne: "≠",
}
_APPLIED, _TIMES, _DOT, _MINUS = "\u2061", "\u2062", "·", "−"
_DIGITS: Final = 9
"""Longer numbers are written with a power of ten where that is shorter."""
_SHORT_EXPONENT: Final = 12
"""Operations in an exponent of e beyond which exp( ) is written."""
_PLAIN_QUOTIENT: Final = 12
_SIMPLE: Final = 1000
"""Up to these a quotient is written as a fraction; others as decimals where they end."""

_Written = tuple[Markup, int]
"""A formula, and how tightly its outermost operation binds."""


def math(content: Markup, *, block: bool = False, label: str = "") -> Markup:
    """Return the element that holds a formula."""
    return element("math", content, display="block" if block else None, aria_label=label or None)


def formula(expr: Any) -> Markup:
    """Return the markup of a sympy expression, without `<math>` around it."""
    return _write(expr)[0]


def row(*parts: Markup) -> Markup:
    """Return parts side by side."""
    return parts[0] if len(parts) == 1 else element("mrow", *parts)


def operator(symbol: str, **attributes: object) -> Markup:
    """Return an operator."""
    return element("mo", symbol, **attributes)


def equation(left: Markup, right: Markup) -> Markup:
    """Return left = right."""
    return element("mrow", left, operator("="), right)


def name(symbol: str) -> Markup:
    """Return the markup of a name: Greek letters, `x_1`, `x1` and `x[1]` with an index, `y_bar` with a bar."""
    base, index = symbol, ""
    if base.endswith("]") and "[" in base:
        base, _, index = base[:-1].partition("[")
    if base.endswith("_bar") and len(base) > 4:
        return _indexed(element("mover", name(base[:-4]), operator("¯", stretchy="false")), index)
    head, _, tail = base.partition("_")
    if head and tail.replace("_", "").isalnum() and (len(head) < 3 or head in _GREEK or tail.isdigit()):
        return _indexed(element("msub", _word(head), row(*_parts(tail))), index)
    letters = base.rstrip("0123456789")
    if letters and letters != base:
        return _indexed(element("msub", _word(letters), element("mn", base[len(letters) :])), index)
    return _indexed(_word(base), index)


def greek(symbol: str) -> str:
    """Return a Greek letter for its name, any other name as it is."""
    return _GREEK.get(symbol, symbol)


def derivative(of: Markup, by: Markup, *, partial: bool) -> Markup:
    """Return the quotient of differentials."""
    d = element("mi", "∂" if partial else "d", mathvariant="normal")
    return element("mfrac", element("mrow", d, of), element("mrow", d, by))


def _parts(tail: str) -> list[Markup]:
    found: list[Markup] = []
    for part in filter(None, tail.split("_")):
        if found:
            found.append(operator(","))
        found.append(element("mn", part) if part.isdigit() else _word(part))
    return found


def _word(symbol: str) -> Markup:
    return element("mi", greek(symbol) or "?")


def _indexed(base: Markup, index: str) -> Markup:
    if not index:
        return base
    digits = [part.strip() for part in index.split(",")]
    inner: list[Markup] = []
    for k, part in enumerate(digits):
        if k:
            inner.append(operator(","))
        inner.append(element("mn", part))
    return element("msub", base, row(*inner))


# ---- expressions


def _write(expr: Any) -> _Written:
    for kind, writer in _WRITERS:
        if isinstance(expr, kind):
            return writer(expr)
    return element("mtext", str(expr)), _ATOM


def _at(expr: Any, level: int) -> Markup:
    """Return a formula that may stand where one of this level is wanted."""
    written, own = _write(expr)
    return written if own >= level else fenced(written)


def fenced(content: Markup, left: str = "(", right: str = ")") -> Markup:
    """Return content in parentheses or others."""
    fence = {"fence": "true", "form": "prefix"}
    close = {"fence": "true", "form": "postfix"}
    return element("mrow", operator(left, **fence), content, operator(right, **close))


def _symbol(expr: Any) -> _Written:
    return name(str(expr)), _ATOM


def _rational(expr: Any) -> _Written:
    return number(Fraction(int(expr.p), int(expr.q)))


def number(value: Fraction) -> _Written:
    """Return a number as a decimal where it ends and is no simple fraction, else as a quotient."""
    if value < 0:
        written, level = number(-value)
        return element("mrow", operator(_MINUS, form="prefix"), written), min(level, _SUM)
    digits = len(str(value.denominator)) + len(str(value.numerator))
    if _is_decimal(value) or digits > 2 * _DIGITS:
        return _decimal(value)
    return element(
        "mfrac", element("mn", str(value.numerator)), element("mn", str(value.denominator))
    ), _PRODUCT


def _is_decimal(value: Fraction) -> bool:
    """Whether a number is better written as a decimal than as a quotient."""
    simple = value.denominator <= _PLAIN_QUOTIENT and value.numerator < _SIMPLE
    return value.denominator == 1 or (is_decimal(value) and not simple)


def _decimal(value: Fraction) -> _Written:
    try:
        short = repr(float(value))
    except OverflowError:
        short = f"{len(str(int(value))) - 1:d}"
        return element("mrow", operator("≈"), _scientific("1", short)), _PRODUCT
    exact = str(value.numerator) if value.denominator == 1 else short.removesuffix(".0")
    if len(exact) <= _DIGITS and "e" not in exact:
        return element("mn", exact), _ATOM
    mantissa, _, exponent = f"{float(value):.16e}".partition("e")
    for digits in range(1, 17):
        tried = f"{float(value):.{digits}e}"
        if float(tried) == float(value):
            mantissa, _, exponent = tried.partition("e")
            break
    mantissa = mantissa.rstrip("0").rstrip(".")
    if len(exact) <= len(mantissa) + 3 and "e" not in exact:
        return element("mn", exact), _ATOM
    return _scientific(mantissa, str(int(exponent))), _PRODUCT


def _scientific(mantissa: str, exponent: str) -> Markup:
    power = element(
        "msup",
        element("mn", "10"),
        row(operator(_MINUS, form="prefix"), element("mn", exponent[1:]))
        if exponent.startswith("-")
        else element("mn", exponent),
    )
    return power if mantissa == "1" else element("mrow", element("mn", mantissa), operator(_DOT), power)


def _named(expr: Any) -> _Written:
    return element("mi", _NAMED[expr], mathvariant=None), _ATOM


def _sum(expr: Any) -> _Written:
    terms = [_signed(term) for term in expr.args]
    first = next((k for k, (negative, _) in enumerate(terms) if not negative), 0)
    terms.insert(0, terms.pop(first))
    parts: list[Markup] = []
    for k, (negative, written) in enumerate(terms):
        if negative:
            parts.append(operator(_MINUS, form="prefix" if k == 0 else "infix"))
        elif k:
            parts.append(operator("+"))
        parts.append(written)
    return element("mrow", *parts), _SUM


def _signed(term: Any) -> tuple[bool, Markup]:
    """Return the sign of a term, and the term without it."""
    if isinstance(term, sympy.Rational):
        return bool(term < 0), number(abs(Fraction(int(term.p), int(term.q))))[0]
    if isinstance(term, sympy.Mul):
        negative, written, _ = _factors(term)
        return negative, written
    if term is -sympy.oo:
        return True, _named(sympy.oo)[0]
    return False, _at(term, _SUM + 1)


def _product(expr: Any) -> _Written:
    negative, written, level = _factors(expr)
    return (element("mrow", operator(_MINUS, form="prefix"), written), _SUM) if negative else (written, level)


def _factors(expr: Any) -> tuple[bool, Markup, int]:
    """Return the sign of a product, the product without it, and its level."""
    coefficient = Fraction(1)
    above: list[Any] = []
    below: list[Any] = []
    for factor in expr.args:
        if isinstance(factor, sympy.Rational):
            coefficient *= Fraction(int(factor.p), int(factor.q))
        elif isinstance(factor, sympy.Pow) and _is_negative_number(factor.exp):
            below.append(_inverse(factor))
        else:
            above.append(factor)
    negative, coefficient = coefficient < 0, abs(coefficient)
    top, bottom = coefficient.numerator, coefficient.denominator
    over: list[Markup] = []
    under: list[Markup] = []
    if bottom > 1 and _is_decimal(coefficient):
        over.append(_decimal(coefficient)[0])
    else:
        if top != 1:
            over.append(_decimal(Fraction(top))[0])
        if bottom != 1:
            under.append(_decimal(Fraction(bottom))[0])
    upper = _multiplied(over, above)
    if not below and not under:
        level = _PRODUCT if len(above) + len(over) > 1 else _level_of(over, above)
        return negative, upper, level
    return negative, element("mfrac", upper, _multiplied(under, below)), _PRODUCT


def _level_of(numbers: Sequence[Markup], factors: Sequence[Any]) -> int:
    return _write(factors[0])[1] if factors and not numbers else _ATOM


def _is_negative_number(expr: Any) -> bool:
    return isinstance(expr, sympy.Rational) and bool(expr < 0)


def _inverse(power: Any) -> Any:
    """Return what stands below the bar for a factor with a negative exponent, as a base and its positive exponent."""
    from tapeless.frontend.vocabulary import unevaluated

    exponent = -power.exp
    return power.base if exponent == 1 else unevaluated(sympy.Pow, power.base, exponent)


def _multiplied(numbers: Sequence[Markup], factors: Sequence[Any]) -> Markup:
    """Write factors side by side: numbers, names, powers, then functions and sums."""
    ordered = sorted(factors, key=_rank)
    if not numbers and not ordered:
        return element("mn", "1")
    if not numbers and len(ordered) == 1:
        return _write(ordered[0])[0]
    parts = list(numbers)
    for factor in ordered:
        if parts:
            digit = isinstance(factor, sympy.Number) or (
                isinstance(factor, sympy.Pow) and isinstance(factor.base, sympy.Number)
            )
            close = len(parts) == len(numbers) == 1 and isinstance(factor, sympy.Symbol | sympy.Pow)
            parts.append(
                operator(_DOT) if digit else operator(_TIMES, lspace="0" if close else "0.16em", rspace="0")
            )
        parts.append(_at(factor, _PRODUCT + 1))
    return row(*parts)


def _rank(factor: Any) -> int:
    base = factor.base if isinstance(factor, sympy.Pow) else factor
    if base in _NAMED:
        return 0
    if isinstance(base, sympy.Symbol):
        return 1 if not (isinstance(factor, sympy.Pow) and factor.exp == sympy.S.Half) else 2
    if isinstance(factor, sympy.Pow) and factor.exp == sympy.S.Half:
        return 2
    if isinstance(base, sympy.Add | sympy.Piecewise):
        return 4
    return 3


def _power(expr: Any) -> _Written:
    base, exponent = expr.args
    if _is_negative_number(exponent):
        return element("mfrac", element("mn", "1"), _write(_inverse(expr))[0]), _PRODUCT
    if exponent == sympy.S.Half:
        return element("msqrt", _write(base)[0]), _ATOM
    if isinstance(exponent, sympy.Rational) and exponent.p == 1:
        return element("mroot", _write(base)[0], element("mn", str(exponent.q))), _ATOM
    above = _write(exponent)[0]
    if base is sympy.E:
        return element("msup", element("mi", "e"), above), _POWER
    if isinstance(base, sympy.Function) and type(base) not in _FENCES and not isinstance(base, _UNAPPLIED):
        return _applied(element("msup", _function_name(base), above), base.args), _ATOM
    return element("msup", _at(base, _ATOM), above), _POWER


def _exponential(expr: Any) -> _Written:
    [exponent] = expr.args
    if sum(1 for _ in sympy.preorder_traversal(exponent)) > _SHORT_EXPONENT:
        return _applied(element("mi", "exp"), expr.args), _ATOM
    return element("msup", element("mi", "e"), _write(exponent)[0]), _POWER


def _fence(expr: Any) -> _Written:
    left, right = _FENCES[type(expr)]
    return fenced(_write(expr.args[0])[0], left, right), _ATOM


def _function(expr: Any) -> _Written:
    arguments = expr.args[:1] if isinstance(expr, sympy.Heaviside) else expr.args
    return _applied(_function_name(expr), arguments), _ATOM


def _function_name(expr: Any) -> Markup:
    kind = type(expr)
    if kind in _BASES:
        return element("msub", element("mi", "log"), element("mn", _BASES[kind]))
    return element(
        "mi", _FUNCTIONS.get(kind) or getattr(kind, "spelling", None) or kind.__name__, mathvariant="normal"
    )


def _applied(function: Markup, arguments: Sequence[Any]) -> Markup:
    inner: list[Markup] = []
    for k, argument in enumerate(arguments):
        if k:
            inner.append(operator(","))
        inner.append(_write(argument)[0])
    return element("mrow", function, operator(_APPLIED), fenced(row(*inner)))


def _piecewise(expr: Any) -> _Written:
    rows = []
    for k, (value, condition) in enumerate(expr.args):
        if condition is sympy.true or condition == True:  # noqa: E712 - sympy's truth
            said = element("mtext", "otherwise" if k else "always")
        else:
            said = element("mrow", element("mtext", "if\u00a0"), _write(condition)[0])
        cells = (
            element("mtd", _write(value)[0], columnalign="left"),
            element("mtd", said, columnalign="left"),
        )
        rows.append(element("mtr", *cells))
    table = element("mtable", rows, class_="cases")
    return table, _PRODUCT


def _relation(expr: Any) -> _Written:
    left, right = (_at(argument, _SUM) for argument in expr.args)
    return element("mrow", left, operator(_RELATIONS[type(expr)]), right), _COMPARISON


def _junction(word: str, level: int) -> Callable[[Any], _Written]:
    def write(expr: Any) -> _Written:
        parts: list[Markup] = []
        for argument in expr.args:
            if parts:
                parts.append(element("mtext", f"\u00a0{word}\u00a0"))
            parts.append(_at(argument, level + 1))
        return element("mrow", *parts), level

    return write


def _not(expr: Any) -> _Written:
    return element("mrow", element("mtext", "not\u00a0"), _at(expr.args[0], _ATOM)), _COMPARISON


_UNAPPLIED: Final = (sympy.exp, sympy.Piecewise, cfunctions.Cbrt, cfunctions.exp2)
_WRITERS: Final[tuple[tuple[Any, Callable[[Any], _Written]], ...]] = (
    (sympy.Symbol, _symbol),
    (sympy.Rational, _rational),
    (tuple({type(constant) for constant in _NAMED}), _named),
    (
        type(-sympy.oo),
        lambda _: (element("mrow", operator(_MINUS, form="prefix"), _named(sympy.oo)[0]), _SUM),
    ),
    (type(sympy.nan), lambda _: (element("mtext", "undefined"), _ATOM)),
    (type(sympy.true), lambda _: (element("mtext", "true"), _ATOM)),
    (type(sympy.false), lambda _: (element("mtext", "false"), _ATOM)),
    (sympy.Add, _sum),
    (sympy.Mul, _product),
    (sympy.Pow, _power),
    (sympy.exp, _exponential),
    (cfunctions.Cbrt, lambda expr: (element("mroot", _write(expr.args[0])[0], element("mn", "3")), _ATOM)),
    (cfunctions.exp2, lambda expr: (element("msup", element("mn", "2"), _write(expr.args[0])[0]), _POWER)),
    (sympy.Piecewise, _piecewise),
    (tuple(_FENCES), _fence),
    (tuple(_RELATIONS), _relation),
    (sympy.Or, _junction("or", _OR)),
    (sympy.And, _junction("and", _AND)),
    (sympy.Not, _not),
    (sympy.Function, _function),
    ((sympy.Max, sympy.Min), _function),
)
"""The first that fits writes."""

__all__ = ["derivative", "equation", "fenced", "formula", "math", "name", "number", "operator", "row", "text"]
