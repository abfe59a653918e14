"""sympy to Program: one walk over the expression tree, as a loop, reading classes and `.args` only.

Nothing of sympy's algebra is run here (no doit, subs, simplify, operators, or `==` on trees): that would be
slow, would recurse, and would choose rewrites that we want to choose ourselves. Shared subexpressions are
converted once; a tree may be as deep and a sum as long as memory allows.

Symbols stand for real numbers. A `Float` is the exact dyadic rational that it holds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import log2, prod
from typing import Any, Final

import sympy
from sympy.core.function import AppliedUndef
from sympy.logic import boolalg
from sympy.tensor.indexed import Indexed

from tapeless.errors import ArgumentError, UnsupportedError
from tapeless.frontend.vocabulary import PRIMITIVE_OF, InOrder
from tapeless.ir import recipes, special_recipes
from tapeless.ir.graph import ONE, ZERO, Builder
from tapeless.ir.notation import is_decimal
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Input, Output, Program, finish


@dataclass(frozen=True, slots=True)
class Argument:
    """An input as sympy sees it.

    Attributes
    ----------
    name
        Name of the input.
    symbols
        What stands for each of its scalars in the formulas, in C order.
    shape
        Its core shape; `()` for a scalar.
    """

    name: str
    symbols: tuple[sympy.Basic, ...]
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """An output as sympy sees it.

    Attributes
    ----------
    name
        Name of the output.
    formulas
        One formula per scalar, in C order.
    shape
        Its core shape; `()` for a scalar.
    """

    name: str
    formulas: tuple[sympy.Basic, ...]
    shape: tuple[int, ...] = ()


def program_from_sympy(results: Sequence[Result], arguments: Sequence[Argument], name: str) -> Program:
    """Convert sympy expressions to a Program.

    Parameters
    ----------
    results
        The outputs.
    arguments
        The inputs. An input that no formula uses is kept.
    name
        Name of the program.

    Raises
    ------
    ArgumentError
        A symbol that is no input, two symbols of one name, a symbol that is not real.
    UnsupportedError
        Something that has no meaning or no counterpart here; the message names the remedy.
    """
    reader = Reader(_lanes(arguments))
    outputs = []
    for result in results:
        if len(result.formulas) != prod(result.shape):
            raise ArgumentError(
                f"output {result.name!r} has shape {result.shape}, but {len(result.formulas)} formulas"
            )
        nodes = tuple(reader.number(formula) for formula in result.formulas)
        outputs.append(Output(result.name, nodes, result.shape))
    inputs = [Input(argument.name, argument.shape) for argument in arguments]
    return finish(name, inputs, outputs, reader.builder)


def _lanes(arguments: Sequence[Argument]) -> dict[sympy.Basic, int]:
    """Number the scalars of all inputs, and refuse what would make a name ambiguous."""
    lanes: dict[sympy.Basic, int] = {}
    names: set[str] = set()
    for argument in arguments:
        if argument.name in names:
            raise ArgumentError(f"two inputs are called {argument.name!r}; rename one of them")
        names.add(argument.name)
        if len(argument.symbols) != prod(argument.shape):
            raise ArgumentError(
                f"input {argument.name!r} has shape {argument.shape}, but {len(argument.symbols)} symbols"
            )
        for symbol in argument.symbols:
            if not isinstance(symbol, _LEAVES):
                raise ArgumentError(f"an input is a sympy Symbol, not {short(symbol)}")
            if symbol in lanes:
                raise ArgumentError(f"{short(symbol)} stands for two inputs")
            _refuse_unreal(symbol)
            lanes[symbol] = len(lanes)
    return lanes


_LEAVES: Final = (sympy.Symbol, Indexed, sympy.matrices.expressions.matexpr.MatrixElement)


def _refuse_unreal(symbol: sympy.Basic) -> None:
    if symbol.is_commutative is False or symbol.is_extended_real is False or symbol.is_imaginary:
        raise ArgumentError(
            f"{short(symbol)} is declared as something other than a real number; symbols are real here: "
            f"use symbols({short(symbol)!r}, real=True)"
        )


# ---- the walk


@dataclass(frozen=True, slots=True)
class _Row:
    """How one class is read.

    Attributes
    ----------
    build
        From the reader, the expression and the nodes of its parts to its node.
    takes
        What the parts have to be: "numbers", "truths" or "any" (the row looks itself).
    parts
        What is converted before the expression itself.
    """

    build: Callable[[Reader, Any, list[int]], int]
    takes: str = "numbers"
    parts: Callable[[sympy.Basic], Sequence[sympy.Basic]] = lambda expr: expr.args


class Reader:
    """Converts expressions into one builder; what two of them share is converted once.

    Parameters
    ----------
    lanes
        The input scalar that each symbol stands for.
    builder
        Where the nodes go; a new one if None.
    """

    def __init__(self, lanes: Mapping[sympy.Basic, int], builder: Builder | None = None) -> None:
        self.builder = Builder() if builder is None else builder
        self.lanes = lanes
        self._nodes: dict[int, int] = {}  # by id(): hashing or comparing a deep tree would recurse
        self._alive: list[sympy.Basic] = []  # so that no id is used twice

    def number(self, expr: sympy.Basic) -> int:
        """Convert a formula; refuse a truth value."""
        node = self.node(expr)
        if self.builder.is_boolean(node):
            raise UnsupportedError(
                f"{short(expr)} is true or false and cannot be an output; "
                "write where(c, 1, 0), in sympy Piecewise((1, c), (0, True))"
            )
        return node

    def node(self, expr: sympy.Basic) -> int:
        """Convert an expression."""
        nodes, alive = self._nodes, self._alive
        stack: list[tuple[sympy.Basic, _Row | None, Sequence[sympy.Basic]]] = [(expr, None, ())]
        while stack:
            item, row, parts = stack.pop()
            if id(item) in nodes:
                continue
            if row is None:
                kind: type = type(item)
                row = _row_of(kind) or _refuse(item)
                parts = row.parts(item)
                missing = [part for part in parts if id(part) not in nodes]
                if missing:
                    stack.append((item, row, parts))
                    stack.extend([(part, None, ()) for part in reversed(missing)])
                    continue
            args = [nodes[id(part)] for part in parts]
            if args and row.takes != "any":
                self._check(item, parts, args, row.takes == "truths")
            nodes[id(item)] = row.build(self, item, args)
            alive.append(item)
            alive.extend(parts)
        return nodes[id(expr)]

    def _check(self, expr: sympy.Basic, parts: Sequence[sympy.Basic], args: list[int], truths: bool) -> None:
        is_boolean = self.builder.is_boolean
        for part, arg in zip(parts, args, strict=True):
            if is_boolean(arg) is not truths:
                found, wanted = ("a number", "a truth value") if truths else ("a truth value", "a number")
                raise UnsupportedError(f"{short(part)} is {found} where {wanted} is needed, in {short(expr)}")


@cache
def _row_of(kind: type) -> _Row | None:
    """Find how to read a class; the result is kept, so that a node costs one look-up."""
    row = _ROWS.get(kind)
    if row is not None:
        return row
    if issubclass(kind, AppliedUndef) or kind in _REMEDIES:
        return None
    if issubclass(kind, sympy.Function):
        # A subclass of a function is a function of its own, whatever its parent.
        function = extern_of(kind)
        return _Row(lambda reader, _, args: reader.builder.extern(function, *args))
    for parent in kind.__mro__:  # Zero and One are Integers, Dummy is a Symbol
        if parent in _ROWS:
            return _ROWS[parent]
        if parent in _REMEDIES:
            return None
    return None


def extern_of(kind: type) -> Extern:
    """Return the payload for a function class outside the table, found again by its path."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    function = Extern(kind.__name__, path)
    try:
        found: object = class_of(function)
    except (ImportError, AttributeError):
        found = None
    if found is not kind:
        raise UnsupportedError(
            f"the function class {kind.__qualname__!r} cannot be found again as {path!r}, which its "
            "derivative and a pickled formula need; define it at the top level of a module"
        )
    return function


def class_of(function: Extern) -> type[sympy.Function]:
    """Return the sympy class of a function outside the table."""
    module, _, name = function.path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def _refuse(expr: object) -> _Row:
    """Raise for what has no row."""
    if isinstance(expr, sympy.MatrixBase):
        raise UnsupportedError(
            "a Matrix stands where one number is needed; give a list of its elements: list(matrix)"
        )
    if isinstance(expr, AppliedUndef):
        raise UnsupportedError(f"{short(expr)}: the function {type(expr).__name__!r} has no definition")
    if not isinstance(expr, sympy.Basic):
        raise ArgumentError(f"a formula is a sympy expression, not {type(expr).__name__}")
    for parent in type(expr).__mro__:
        if parent in _REMEDIES:
            raise UnsupportedError(f"{short(expr)}: {_REMEDIES[parent]}")
    raise UnsupportedError(f"{short(expr)}: {type(expr).__name__} has no meaning as a real function here")


_SHOWN_NODES: Final = 40
_SHOWN_WIDTH: Final = 80


def short(expr: object) -> str:
    """Return an expression in at most 80 characters; a large one by its class, for printing recurses."""
    if not isinstance(expr, sympy.Basic):
        return type(expr).__name__
    stack, count = [expr], 0
    while stack:
        item = stack.pop()
        count += 1
        if count > _SHOWN_NODES or len(item.args) > _SHOWN_NODES:
            return f"{type(expr).__name__}(...) with {len(expr.args)} arguments"
        stack.extend(arg for arg in item.args if isinstance(arg, sympy.Basic))
    try:
        text = str(expr)
    except Exception:  # a printer of somebody else's class; our message matters more
        return f"{type(expr).__name__}(...)"
    return text if len(text) <= _SHOWN_WIDTH else text[: _SHOWN_WIDTH - 3] + "..."


# ---- leaves


def _symbol(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    lane = reader.lanes.get(expr)
    if lane is not None:
        return reader.builder.input(lane)
    text = short(expr)
    if any(short(known) == text for known in reader.lanes):
        raise ArgumentError(
            f"two different symbols are called {text!r}: the one in the formula is not the one among the "
            "inputs (sympy tells symbols with different assumptions apart); use one of them throughout, or rename one"
        )
    _refuse_unreal(expr)
    known_names = ", ".join(short(known) for known in list(reader.lanes)[:8]) or "none"
    raise ArgumentError(f"{text!r} is in the formula but not among the inputs (these are: {known_names})")


_EXPONENT_LIMIT: Final = 40_000
"""Bits; far outside of what a double holds."""


def _float(reader: Reader, expr: sympy.Float, args: list[int]) -> int:
    sign, mantissa, exponent, width = expr._mpf_
    if abs(exponent) + width > _EXPONENT_LIMIT:
        raise UnsupportedError(f"{short(expr)} is far outside the range of floating point")
    value = Fraction(-int(mantissa) if sign else int(mantissa))
    scaled = value * 2**exponent if exponent >= 0 else value / 2**-exponent
    return reader.builder.rational(scaled)


def _tribonacci(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    """The real root of t**3 = t**2 + t + 1: (1 + cbrt(19 - 3*sqrt(33)) + cbrt(19 + 3*sqrt(33)))/3."""
    b = reader.builder
    root = b.mul(b.rational(3), b.call("sqrt", b.rational(33)))
    parts = [b.call("cbrt", combine(b.rational(19), root)) for combine in (b.sub, b.add)]
    return b.div(b.sum([b.rational(1), *parts]), b.rational(3))


def _named(name: str, negative: bool = False) -> _Row:
    def build(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
        node = reader.builder.named(name)
        return reader.builder.neg(node) if negative else node

    return _Row(build, parts=lambda expr: ())


# ---- sums, products, powers

_MERGED_BITS: Final = 2048
"""Constants of a sum are merged up to this size."""
_SAFE: Final = 60
"""Coefficients within two to this power, either way, move freely within a product: in float32 as well, whose
range is twice as wide, they bring nothing of ordinary size out of range."""


def _add(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    """A sum: its constants merged exactly, at the place of the first."""
    b = reader.builder
    constant: Fraction | None = None
    place = 0
    row: list[int] = []
    for arg in args:
        value = b.rational_value(arg)
        if value is not None and _is_short(joined := value + (constant or ZERO)):
            if constant is None:
                place = len(row)
                row.append(arg)
            constant = joined
        else:
            row.append(arg)
    if constant is not None:
        row[place] = b.rational(constant)
    return b.sum(row)


def _is_short(value: Fraction) -> bool:
    return value.numerator.bit_length() + value.denominator.bit_length() <= _MERGED_BITS


def _factors(expr: sympy.Basic) -> list[sympy.Basic]:
    """Return the parts of a product, its powers opened so that reciprocals can be told from the rest."""
    parts: list[sympy.Basic] = []
    for arg in expr.args:
        if type(arg) is sympy.Pow:
            parts.extend(arg.args)
        else:
            parts.append(arg)
    return parts


class _Quotient:
    """A product under collection: its constants as one exact coefficient, its factors above and below the bar.

    Constants that are far from 1 stay factors at their places: moved or merged, they might overflow.

    Parameters
    ----------
    builder
        Where the nodes go.
    in_order
        Whether the order of the factors is meant, as in text: x/y/z is (x/y)/z, which may stay in range where
        x/(y*z) does not. sympy has no order: x*y**-1*z**-1 is printed, and read, as x/(y*z).
    """

    def __init__(self, builder: Builder, in_order: bool = False) -> None:
        self.builder = builder
        self.in_order = in_order
        self.literal: Fraction | None = None  # the product of the constants above the bar
        self.divisor: Fraction | None = None  # and of those below
        self.far: int | None = None  # where the last constant far from 1 stands among the factors
        self.factors: list[tuple[int, bool]] = []  # a node, and whether it stands below

    def times(self, node: int) -> None:
        """Take a factor above the bar."""
        value = self.builder.rational_value(node)
        if value is None:
            self.factors.append((node, False))
        elif (joined := _merged(self.literal, value)) is not None:
            self.literal = joined
        elif self.far is not None and (joined := _merged(self._far_value(), value)) is not None:
            self.factors.pop(self.far)
            self.far = None
            self.times(self.builder.rational(joined))
        else:
            self.far = len(self.factors)
            self.factors.append((node, False))

    def _far_value(self) -> Fraction | None:
        return None if self.far is None else self.builder.rational_value(self.factors[self.far][0])

    def divided_by(self, node: int) -> None:
        """Take a factor below the bar."""
        value = self.builder.rational_value(node)
        if value and (joined := _merged(self.divisor, value)) is not None:
            self.divisor = joined
        else:
            self.factors.append((node, True))

    def power(self, base: int, exponent: int) -> None:
        """Take a power, on the side where its exponent is positive."""
        b = self.builder
        value = b.rational_value(exponent)
        if b.payloads[base] == "e":
            self.times(base if value == 1 else b.call("exp", exponent))
        elif value is not None and value < 0:
            self.divided_by(b.pow(base, b.rational(-value)))
        else:
            self.times(b.pow(base, exponent))

    def node(self) -> int:
        """Return the quotient."""
        b = self.builder
        coefficient = self._coefficient()
        over, under, later = self._steps()
        negative = coefficient < 0
        if negative:
            coefficient = -coefficient
        if not over:
            value = b.rational(coefficient)
        elif coefficient.numerator == 1 and coefficient.denominator != 1 and self._divides(coefficient):
            value = b.product(over)
            under = [b.rational(coefficient.denominator), *under]
        else:
            value = b.mul(b.rational(coefficient), b.product(over))
        if under:
            value = b.div(value, b.product(under))
        for node, below in later:
            value = b.div(value, node) if below else b.mul(value, node)
        return b.neg(value) if negative else value

    def _coefficient(self) -> Fraction:
        """Return the one coefficient; what it cannot hold becomes a factor, or part of a constant that is one."""
        coefficient = ONE if self.literal is None else self.literal
        if self.divisor is not None:
            whole = _merged(self.literal, 1 / self.divisor)
            if whole is None:
                self.factors.append((self.builder.rational(self.divisor), True))
                self.divisor = None
            else:
                coefficient = whole
        far = self._far_value()
        if self.far is not None and far and coefficient:
            joined = coefficient * far
            if _scale(joined) <= max(_scale(far), 2 * _SAFE):
                self.factors[self.far] = (self.builder.rational(joined), False)
                return ONE
        return coefficient

    def _steps(self) -> tuple[list[int], list[int], list[tuple[int, bool]]]:
        """Return what is multiplied first, what divides that, and what comes after, step by step.

        Where the first factor is a constant or stands below the bar, the first that does neither comes before
        it: 1/x*y is y/x.
        """
        row = list(self.factors)

        def constant(node: int) -> bool:
            return self.builder.rational_value(node) is not None

        first = next((k for k, (node, below) in enumerate(row) if not (below or constant(node))), None)
        if first is not None:
            row.insert(0, row.pop(first))
        if self.in_order:
            start = next((k for k, (_, below) in enumerate(row) if below), len(row))
            split = start + 1 if start < len(row) and not constant(row[start][0]) else start
            early, later = row[:split], row[split:]
        else:
            early = [(node, below) for node, below in row if not (below and constant(node))]
            later = [(node, below) for node, below in row if below and constant(node)]
        over = [node for node, below in early if not below]
        if first is None:  # constants alone, and too far from 1 to be one
            later = [*((node, False) for node in over[1:]), *later]
            over = over[:1]
        return over, [node for node, below in early if below], later

    def _divides(self, reciprocal: Fraction) -> bool:
        """Whether to divide by q rather than to multiply by 1/q.

        x/3 is a division, rounded once. 0.1*x is a product, as written: much cheaper, and about as good.
        """
        return self.divisor is not None or not is_decimal(reciprocal)


def _merged(constant: Fraction | None, value: Fraction) -> Fraction | None:
    """Return the product of two constants where it may stand for both, None where they have to stay apart."""
    joined = value if constant is None else constant * value
    return joined if not joined or _scale(joined) <= _SAFE else None


def _scale(value: Fraction) -> float:
    """Return how far a constant is from 1, in powers of two."""
    return abs(log2(abs(value.numerator)) - log2(value.denominator))


def _mul(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    quotient = _Quotient(reader.builder, type(expr) is InOrder)
    parts = iter(args)
    for arg in expr.args:
        if type(arg) is sympy.Pow:
            quotient.power(next(parts), next(parts))
        else:
            quotient.times(next(parts))
    return quotient.node()


def _pow(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    quotient = _Quotient(reader.builder)
    quotient.power(args[0], args[1])
    return quotient.node()


# ---- functions


def _function(build: Callable[..., int], takes: str = "numbers") -> _Row:
    return _Row(lambda reader, _, args: build(reader.builder, *args), takes)


def _call(op: str) -> _Row:
    return _Row(lambda reader, _, args: reader.builder.call(op, *args))


# ---- truth values and choice


def _piecewise_parts(expr: sympy.Basic) -> list[sympy.Basic]:
    return [part for pair in expr.args for part in pair.args]


def _piecewise(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
    """Nested choices, the first true condition wins; NaN where none is."""
    b = reader.builder
    conditions = args[1::2]
    values = args[0::2]
    for condition in conditions:
        if not b.is_boolean(condition):
            raise UnsupportedError(f"a condition is a number where a truth value is needed, in {short(expr)}")
    if len({b.is_boolean(value) for value in values}) > 1:
        raise UnsupportedError(f"truth values and numbers are mixed in {short(expr)}")
    node = b.boolean(False) if b.is_boolean(values[0]) else b.named("nan")
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        node = b.select(condition, value, node)
    return node


def _equality(op: str) -> _Row:
    def build(reader: Reader, expr: sympy.Basic, args: list[int]) -> int:
        b = reader.builder
        left, right = args
        kinds = {b.is_boolean(left), b.is_boolean(right)}
        if kinds == {False}:
            return b.compare(op, left, right)
        if kinds == {True}:
            return recipes.same(b, left, right) if op == "eq" else b.not_(recipes.same(b, left, right))
        raise UnsupportedError(f"{short(expr)} compares a number with a truth value")

    return _Row(build, "any")


def _truth(build: Callable[..., int]) -> _Row:
    return _function(build, "truths")


# ---- the table

_HEADS: Final[dict[type, _Row]] = {
    # leaves
    **dict.fromkeys(_LEAVES, _Row(_symbol, parts=lambda expr: ())),
    sympy.Integer: _Row(lambda reader, expr, _: reader.builder.rational(int(expr.p))),
    sympy.Rational: _Row(lambda reader, expr, _: reader.builder.rational(Fraction(int(expr.p), int(expr.q)))),
    sympy.Float: _Row(_float),
    type(sympy.pi): _named("pi"),
    type(sympy.E): _named("e"),
    type(sympy.EulerGamma): _named("euler_gamma"),
    type(sympy.GoldenRatio): _named("golden_ratio"),
    type(sympy.Catalan): _named("catalan"),
    type(sympy.TribonacciConstant): _Row(_tribonacci),
    type(sympy.oo): _named("inf"),
    type(-sympy.oo): _named("inf", negative=True),
    type(sympy.nan): _named("nan"),
    # arithmetic
    sympy.Add: _Row(_add),
    sympy.Mul: _Row(_mul, parts=_factors),
    InOrder: _Row(_mul, parts=_factors),
    sympy.Pow: _Row(_pow),
    sympy.UnevaluatedExpr: _Row(lambda reader, _, args: args[0], "any"),
    # truth values and choice
    type(sympy.true): _Row(lambda reader, _, args: reader.builder.boolean(True)),
    type(sympy.false): _Row(lambda reader, _, args: reader.builder.boolean(False)),
    sympy.Eq: _equality("eq"),
    sympy.Ne: _equality("ne"),
    sympy.StrictLessThan: _function(lambda b, x, y: b.compare("lt", x, y)),
    sympy.LessThan: _function(lambda b, x, y: b.compare("le", x, y)),
    sympy.StrictGreaterThan: _function(lambda b, x, y: b.compare("gt", x, y)),
    sympy.GreaterThan: _function(lambda b, x, y: b.compare("ge", x, y)),
    sympy.And: _truth(Builder.and_),
    sympy.Or: _truth(Builder.or_),
    sympy.Not: _truth(Builder.not_),
    sympy.Nand: _truth(lambda b, *c: b.not_(b.and_(*c))),
    sympy.Nor: _truth(lambda b, *c: b.not_(b.or_(*c))),
    sympy.Xor: _truth(recipes.xor),
    boolalg.Xnor: _truth(lambda b, *c: b.not_(recipes.xor(b, *c))),
    sympy.Implies: _truth(lambda b, p, q: b.or_(b.not_(p), q)),
    sympy.Equivalent: _truth(recipes.same),
    sympy.ITE: _truth(Builder.select),
    sympy.Piecewise: _Row(_piecewise, "any", _piecewise_parts),
}

_IDENTITIES: Final[dict[type, _Row]] = {
    sympy.log: _function(recipes.log),
    sympy.sec: _function(recipes.reciprocal_of("cos")),
    sympy.csc: _function(recipes.reciprocal_of("sin")),
    sympy.cot: _function(recipes.reciprocal_of("tan")),
    sympy.sech: _function(recipes.reciprocal_of("cosh")),
    sympy.csch: _function(recipes.reciprocal_of("sinh")),
    sympy.coth: _function(recipes.reciprocal_of("tanh")),
    sympy.asec: _function(recipes.of_reciprocal("acos")),
    sympy.acsc: _function(recipes.of_reciprocal("asin")),
    sympy.acot: _function(recipes.acot),
    sympy.asech: _function(recipes.of_reciprocal("acosh")),
    sympy.acsch: _function(recipes.of_reciprocal("asinh")),
    sympy.acoth: _function(recipes.of_reciprocal("atanh")),
    sympy.sinc: _function(recipes.sinc),
    sympy.Mod: _function(recipes.mod),
    sympy.frac: _function(recipes.frac),
    sympy.Heaviside: _function(recipes.heaviside),
    sympy.factorial: _function(recipes.factorial),
    sympy.trigamma: _function(special_recipes.trigamma),
    sympy.harmonic: _function(special_recipes.harmonic),
    sympy.LambertW: _function(special_recipes.lambertw),
    sympy.zeta: _function(special_recipes.zeta),
    sympy.elliptic_e: _function(special_recipes.elliptic_e),
    sympy.lowergamma: _function(special_recipes.lower_gamma),
    sympy.uppergamma: _function(special_recipes.upper_gamma),
    sympy.expint: _function(special_recipes.expint),
    sympy.li: _function(special_recipes.log_integral),
    sympy.betainc: _function(special_recipes.incomplete_beta),
    sympy.betainc_regularized: _function(special_recipes.regularised_beta),
    sympy.jn: _function(special_recipes.spherical("besselj")),
    sympy.yn: _function(special_recipes.spherical("bessely")),
    sympy.erfi: _function(special_recipes.erfi),
    sympy.erf2: _function(recipes.erf2),
    # of a real number
    sympy.re: _function(lambda b, x: x),
    sympy.im: _function(lambda b, x: b.rational(0)),
    sympy.conjugate: _function(lambda b, x: x),
    sympy.adjoint: _function(lambda b, x: x),
    sympy.transpose: _function(lambda b, x: x),
}

_ROWS: Final[dict[type, _Row]] = {
    **{kind: _call(op) for kind, op in PRIMITIVE_OF.items()},
    **_IDENTITIES,
    **_HEADS,
}

_UNEVALUATED: Final = "it is not evaluated; call .doit() on it first"

_REMEDIES: Final[dict[type, str]] = {
    type(sympy.I): "complex numbers have no place here; write the real and the imaginary part as formulas",
    type(sympy.zoo): "complex infinity is not a real number; the formula divides by zero",
    sympy.arg: "the argument of a complex number; for two real numbers write atan2(y, x)",
    sympy.DiracDelta: "it is no function; a step Heaviside(x) has derivative 0 here",
    sympy.binomial: "write it with gamma: .rewrite(gamma)",
    sympy.Sum: _UNEVALUATED,
    sympy.Product: _UNEVALUATED,
    sympy.Integral: _UNEVALUATED,
    sympy.Derivative: _UNEVALUATED,
    sympy.Subs: _UNEVALUATED,
    sympy.Limit: _UNEVALUATED,
    sympy.Order: "a formula is exact; call .removeO() on it first",
    sympy.Tuple: "a tuple stands where one number is needed",
    sympy.Contains: "write the condition with comparisons: .as_set().as_relational(x)",
    sympy.matrices.expressions.matexpr.MatrixExpr: "a matrix stands where one number is needed; "
    "give its elements as a list of formulas",
}
