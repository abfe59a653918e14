"""Formula text to sympy, by a parser of our own.

Nothing is evaluated: no `eval`, `ast`, `sympify` or `parse_expr`, and sympy does no algebra either, every
expression stands as it was written. The parser is an operator-precedence parser with a stack of its own, so that
depth costs no Python frames; sums, products, comparisons and `if/else` chains are n-ary, so that length costs no
depth; one pass, linear time.

Equal subexpressions of one text are one sympy object, and so is a let wherever it is used.

An element `x[0]` of a declared array is the plain symbol called "x[0]" (`A[0, 1]` for two indices), the same that
shows it when formulas are printed. No name of a formula can hold a bracket, so it cannot be mistaken.
An array is a NumPy array of operands. Arithmetic with arrays repeats, for each element, what the scalar operator
does, so that a formula of arrays is the formulas of its elements and nothing beyond.

Constants: the value of every subexpression without a variable is followed in double, or exactly while it is
short, and has to be finite before sympy sees it; so 9**9**9 costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from itertools import chain, product
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

import numpy as np
import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from tapeless.errors import FormulaError, LimitError
from tapeless.frontend import text_array
from tapeless.frontend.lexer import KEYWORDS, Token, number, shown, tokens
from tapeless.frontend.text_array import FUNCTIONS_OF_ARRAYS, ShapeError
from tapeless.frontend.vocabulary import ADVICE, FUNCTIONS, InOrder, Word, unevaluated

MAX_LENGTH: Final = 10_000_000
"""Characters of a formula text."""
MAX_NESTING: Final = 1000
"""Parentheses, calls and powers within each other."""
MAX_NODES: Final = 2_000_000
"""Different subexpressions of a formula."""
MAX_SCALARS: Final = 1_000_000
"""Scalars of all declared inputs together."""
MAX_ELEMENTS: Final = 10_000_000
"""Elements of all arrays that a formula goes through, and products of its matrix products, together."""

_EXACT_BITS: Final = 4096
"""Constants are followed exactly up to this length, then in double."""


# ---- what the parser gives


@dataclass(frozen=True, slots=True)
class Declared:
    """An input of a formula.

    Attributes
    ----------
    name
        Its name, in Unicode normal form NFKC.
    shape
        Its shape; `()` for a scalar.
    """

    name: str
    shape: tuple[int, ...] = ()

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The real symbols that stand for its scalars in the formulas, in C order."""
        if not self.shape:
            return (_symbol(self.name),)
        return tuple(_element(self.name, index) for index in product(*map(range, self.shape)))


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula text that has been read.

    Attributes
    ----------
    name
        The name in the header, or None where there is none.
    inputs
        The inputs in the order of the header, else in the order in which they first appear.
    declared
        Whether a header gave the inputs.
    outputs
        One unevaluated sympy expression per output; for one with a shape, a tuple of them in C order.
    output_names
        One name per output, no two alike and none that of an input: the let's, where a let is returned as it is,
        else "out", or "out0", "out1", ... where there are several.
    output_shapes
        One shape per output; `()` for a scalar.
    """

    name: str | None
    inputs: tuple[Declared, ...]
    declared: bool
    outputs: tuple[Any, ...]
    output_names: tuple[str, ...]
    output_shapes: tuple[tuple[int, ...], ...]

    @property
    def results(self) -> Iterator[tuple[str, tuple[sympy.Expr, ...], tuple[int, ...]]]:
        """Name, elements in C order and shape of each output."""
        for name, output, shape in zip(self.output_names, self.outputs, self.output_shapes, strict=True):
            yield name, output if isinstance(output, tuple) else (output,), shape


def parse(text: str) -> Formula:
    """Read a formula text.

    Parameters
    ----------
    text
        `"w*x + b"`, `"line(w, x, b) = w*x + b"`, several outputs `"a*b, a + b"`, or lines of lets with a `return`,
        under a header `line(w, x, b):` or without one.

    Raises
    ------
    FormulaError
        A text that is no formula. The message shows the place and says what to write.
    LimitError
        A text beyond one of the limits.
    """
    if len(text) > MAX_LENGTH:
        raise LimitError(f"the formula has {len(text)} characters; the limit is {MAX_LENGTH}")
    return _Parser(text).formula()


def _symbol(name: str) -> sympy.Symbol:
    return sympy.Symbol(name, real=True)


def _element(name: str, index: tuple[int, ...]) -> sympy.Symbol:
    return _symbol(f"{name}[{', '.join(map(str, index))}]")


# ---- operands


_Value = int | Fraction | float
"""What a constant is worth; a double where exactness would be long."""


_ARRAY: Final = "array"


class _Operand(NamedTuple):
    """A subexpression that has been read.

    Attributes
    ----------
    expr
        The sympy expression; of an array, the operands that are its elements, in its shape.
    truth
        Whether it is a condition, not a number; `_ARRAY` for an array, of either.
    value
        Its value, where it is a constant.
    start
        Where it starts in the text.
    """

    expr: Any
    truth: bool | str
    value: _Value | None
    start: int


class _Maker:
    """Makes expressions, and sees to it that equal ones are one object.

    This also keeps sympy's own comparisons flat, which happen wherever it hashes: two equal trees are found
    equal by identity and never walked.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._made: dict[tuple[Any, ...], Any] = {}
        self._literals: dict[_Value, Any] = {}
        self._elements = 0
        self.arithmetic = text_array.Arithmetic(self._total, self._product, self._root)

    def make(self, kind: Any, *args: Any) -> Any:
        """Return the unevaluated expression of a class."""
        key = (kind, *map(id, args))
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= MAX_NODES:
                raise LimitError(f"the formula has more than {MAX_NODES} different subexpressions")
            # It keeps its arguments alive (or is its one argument), so that no id is used twice.
            made = self._made[key] = unevaluated(kind, *args)
        return made

    def literal(self, value: int | Fraction) -> Any:
        """Return a number as an exact sympy Rational."""
        made = self._literals.get(value)
        if made is None:
            exact = Fraction(value)
            made = sympy.Rational(exact.numerator, exact.denominator)
            self._literals[value] = made
        return made

    def negative(self, operand: _Operand) -> Any:
        """Return the expression -operand; the sign of a literal belongs to it."""
        if operand.expr is sympy.oo:
            return -sympy.oo
        if isinstance(operand.expr, sympy.Rational):
            return self.literal(-operand.value)  # type: ignore[operator, arg-type]
        return self.make(sympy.Mul, sympy.S.NegativeOne, operand.expr)

    def inverse(self, operand: _Operand) -> Any:
        """Return the expression 1/operand."""
        return self.make(sympy.Pow, operand.expr, sympy.S.NegativeOne)

    def fail(self, message: str, start: int) -> NoReturn:
        """Refuse the text, with the place."""
        raise FormulaError(message, self.text, start)

    def elementwise(
        self, start: int, operands: list[_Operand], build: Callable[[list[_Operand]], _Operand]
    ) -> _Operand:
        """Return the array of what `build` makes of the elements at each place, by NumPy's broadcasting."""
        parts = [operand.expr if operand.truth is _ARRAY else operand for operand in operands]
        shape = self.fitting(
            start, text_array.broadcast, [p.shape if isinstance(p, np.ndarray) else () for p in parts]
        )
        self.count(math.prod(shape) * len(parts))
        starts = [operand.start for operand in operands]
        found = [
            build([_Operand(x[0], x[1], x[2], at) for x, at in zip(row, starts, strict=True)])
            for row in text_array.columns(parts, shape)
        ]
        return self.array(text_array.in_shape(found, shape), start)

    def array(self, elements: Any, start: int) -> _Operand:
        """Return elements in a shape as an operand; one that is alone as itself."""
        if isinstance(elements, np.ndarray):
            return _Operand(elements, _ARRAY, None, start)
        return elements._replace(start=start)  # type: ignore[no-any-return]

    def count(self, elements: int) -> None:
        """Count elements that are about to be made, and refuse too many."""
        self._elements += elements
        if self._elements > MAX_ELEMENTS:
            raise LimitError(f"the arrays of the formula have more than {MAX_ELEMENTS} elements together")

    def fitting(self, start: int, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function of shapes, and refuse the text where they do not fit."""
        try:
            return function(*args)
        except ShapeError as error:
            raise FormulaError(str(error), self.text, start) from None

    def matmul(self, left: _Operand, right: _Operand) -> _Operand:
        """Return the product left @ right."""
        for operand in (left, right):
            if operand.truth is not _ARRAY:
                self.fail("@ multiplies arrays; write * for a number", operand.start)
            self.need_numbers(operand)
        self.count(text_array.cost_of_matmul(left.expr, right.expr))
        found = self.fitting(left.start, text_array.matmul, self.arithmetic, left.expr, right.expr)
        return self.array(found, left.start)

    def _total(self, terms: Any) -> _Operand:
        chain_: _Sum | None = None
        (last, negative), *before = reversed(terms)
        sign = "-" if negative else "+"
        for term, minus in reversed(before):
            if chain_ is None:
                assert not minus
                chain_ = _Sum(self, term, "+")
            else:
                chain_.operator = "-" if minus else "+"
                chain_.take(term, "+")
        if chain_ is None:
            return last  # type: ignore[no-any-return]
        chain_.operator = sign
        return chain_.close(last)

    def _product(self, left: _Operand, right: _Operand) -> _Operand:
        return _Product(self, left, "*").close(right)

    def _root(self, operand: _Operand) -> _Operand:
        return _Call(self, FUNCTIONS["sqrt"], operand.start).close(operand)

    def need_numbers(self, operand: _Operand) -> None:
        """Refuse conditions where a number or an array of numbers is needed."""
        if operand.truth is _ARRAY:
            if any(element.truth for element in operand.expr.flat):
                self.need_number(operand._replace(truth=True))
        else:
            self.need_number(operand)

    def need_number(self, operand: _Operand) -> None:
        """Refuse a condition where a number is needed."""
        if operand.truth:
            self.fail(
                "this is true or false, not a number; write where(c, 1, 0) for a condition c", operand.start
            )

    def need_condition(self, operand: _Operand, place: str) -> None:
        """Refuse a number where a condition is needed."""
        if operand.truth is not True:
            self.fail(f"{place} needs a condition, and this is a number; compare it: x != 0", operand.start)

    def constant(self, start: int, compute: Callable[..., _Value], *values: _Value) -> _Value:
        """Return the value of a constant from those of its parts, and refuse one that is not finite."""
        try:
            value = compute(*values)
            near = float(value)
        except OverflowError:
            self._too_large(start)
        except (ValueError, ZeroDivisionError):
            near = math.nan
        if math.isnan(near):
            self.fail(
                "this constant has no real value: a division by zero, or outside of a function's domain",
                start,
            )
        if math.isinf(near) and not any(map(_infinite, values)):
            self._too_large(start)
        if isinstance(value, Fraction) and _bits(value) > _EXACT_BITS:
            return near
        return value

    def _too_large(self, start: int) -> NoReturn:
        raise LimitError(
            "this constant is too large for a double, whose largest is 1.8e308", self.text, start
        )


def _infinite(value: _Value) -> bool:
    return isinstance(value, float) and math.isinf(value)


def _bits(value: int | Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _quotient(left: _Value, right: _Value) -> _Value:
    exact = not (isinstance(left, float) or isinstance(right, float))
    return Fraction(left) / Fraction(right) if exact else float(left) / float(right)


def _power(base: _Value, exponent: _Value) -> _Value:
    if (
        not isinstance(base, float)
        and isinstance(exponent, int)
        and abs(exponent) * _bits(base) <= _EXACT_BITS
    ):
        return Fraction(base) ** exponent
    return math.pow(float(base), float(exponent))


# ---- what is open while an expression is read: one class per level of precedence, tightest last

_BRACKET, _CHOICE, _OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER = range(10)


class _Open:
    """An operator, a call or a parenthesis whose last operand is still being read."""

    __slots__ = ("maker", "start")
    level: ClassVar[int]

    def __init__(self, maker: _Maker, start: int) -> None:
        self.maker = maker
        self.start = start

    def close(self, last: _Operand) -> _Operand:
        """Take the last operand and return the whole."""
        raise NotImplementedError


class _Chain(_Open):
    """Operands joined by operators of one level, any number."""

    __slots__ = ("operator",)

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        super().__init__(maker, first.start)
        self.operator = ""
        self.take(first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Take the operand before an operator."""
        raise NotImplementedError

    def so_far(self) -> _Operand:
        """Return what the operands taken make, without the operator that waits for the next."""
        raise NotImplementedError

    def with_arrays(self) -> _ArrayChain:
        """Return the chain that goes on from here with arrays."""
        return _ARRAY_CHAINS[type(self)](self.maker, self.so_far(), self.operator)


class _ArrayChain(_Chain):
    """Operands of which some are arrays: the chain of scalars is repeated for each element."""

    __slots__ = ("operands", "operators")
    kind: ClassVar[type[_Chain]]

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        self.operands: list[_Operand] = []
        self.operators: list[str] = []
        super().__init__(maker, first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Take the operand before an operator; one after @ is multiplied at once."""
        if self.operator == "@":
            operand = self.maker.matmul(self._joined(), operand)
            self.operands, self.operators = [], []
        self.operands.append(operand)
        self.operators.append(operator)
        self.operator = operator

    def _joined(self) -> _Operand:
        """Return what the operands make, element by element."""
        operands, operators, kind, maker = self.operands, self.operators, self.kind, self.maker
        if len(operands) == 1:
            return operands[0]

        def build(row: list[_Operand]) -> _Operand:
            made = kind(maker, row[0], operators[0])
            for operand, operator in zip(row[1:-1], operators[1:-1], strict=True):
                made.take(operand, operator)
            return made.close(row[-1])

        if all(operand.truth is not _ARRAY for operand in operands):
            return build(operands)
        return maker.elementwise(self.start, operands, build)

    def so_far(self) -> _Operand:
        """Return what the operands taken make."""
        return self._joined()

    def with_arrays(self) -> _ArrayChain:
        """Return the chain itself."""
        return self

    def close(self, last: _Operand) -> _Operand:
        """Make the array."""
        self.take(last, "")
        return self._joined()._replace(start=self.start)


class _Sum(_Chain):
    __slots__ = ("terms", "value")
    level = _SUM

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        self.terms: list[Any] = []
        self.value: _Value | None = 0
        super().__init__(maker, first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Take a term with the sign that stood before it."""
        if operand.truth:
            self.maker.need_number(operand)
        negative = self.operator == "-"
        self.terms.append(self.maker.negative(operand) if negative else operand.expr)
        if operand.value is None:
            self.value = None
        elif self.value is not None:
            value = -operand.value if negative else operand.value
            self.value = self.maker.constant(self.start, lambda a, b: a + b, self.value, value)
        self.operator = operator

    def close(self, last: _Operand) -> _Operand:
        """Make the Add."""
        if last.truth is _ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> _Operand:
        """Return the Add of the terms taken; a term alone as it is."""
        if len(self.terms) == 1:
            return _Operand(self.terms[0], False, self.value, self.start)
        return _Operand(self.maker.make(sympy.Add, *self.terms), False, self.value, self.start)


class _Product(_Chain):
    __slots__ = ("factors", "value")
    level = _PRODUCT

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        self.factors: list[Any] = []
        self.value: _Value | None = 1
        super().__init__(maker, first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Take a factor, inverted after a stroke."""
        if operand.truth:
            self.maker.need_number(operand)
        divisor = self.operator == "/"
        self.factors.append(self.maker.inverse(operand) if divisor else operand.expr)
        value = operand.value
        if value is None:
            self.value = None
        elif divisor and float(value) == 0:
            self._refuse_zero(operand)
        elif self.value is not None:
            compute = _quotient if divisor else lambda a, b: a * b
            self.value = self.maker.constant(self.start, compute, self.value, value)
        self.operator = operator

    def _refuse_zero(self, operand: _Operand) -> NoReturn:
        if isinstance(operand.value, float) or operand.value:
            raise LimitError(
                "this divisor is too small for a double: it would be 0", self.maker.text, operand.start
            )
        self.maker.fail("this divides by zero", operand.start)

    def close(self, last: _Operand) -> _Operand:
        """Make the Mul."""
        if last.truth is _ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> _Operand:
        """Return the Mul of the factors taken; 1/x is a power alone, and a factor alone as it is."""
        if len(self.factors) == 1:
            return _Operand(self.factors[0], False, self.value, self.start)
        factors = self.factors[1:] if self.factors[0] is sympy.S.One else self.factors
        kind = InOrder if any(map(_is_reciprocal, factors[:-1])) else sympy.Mul
        return _Operand(self.maker.make(kind, *factors), False, self.value, self.start)


def _is_reciprocal(expr: Any) -> bool:
    """Whether an expression is a power of a variable that stands below the bar."""
    if type(expr) is not sympy.Pow:
        return False
    base, exponent = expr.args
    return isinstance(exponent, sympy.Rational) and exponent.p < 0 and not isinstance(base, sympy.Rational)


class _Sign(_Open):
    """Any number of signs before an operand; two minuses make a plus."""

    __slots__ = ("negative",)
    level = _SIGN

    def __init__(self, maker: _Maker, start: int) -> None:
        super().__init__(maker, start)
        self.negative = False

    def close(self, last: _Operand) -> _Operand:
        """Make the negative."""
        if last.truth is _ARRAY:
            return self.maker.elementwise(self.start, [last], lambda row: self.close(row[0]))
        self.maker.need_number(last)
        if not self.negative:
            return last._replace(start=self.start)
        value = None if last.value is None else -last.value
        return _Operand(self.maker.negative(last), False, value, self.start)


class _Power(_Open):
    __slots__ = ("base",)
    level = _POWER

    def __init__(self, maker: _Maker, base: _Operand) -> None:
        super().__init__(maker, base.start)
        if base.truth is not _ARRAY:
            maker.need_number(base)
        self.base = base

    def close(self, last: _Operand) -> _Operand:
        """Make the Pow."""
        maker = self.maker
        if last.truth is _ARRAY or self.base.truth is _ARRAY:
            return maker.elementwise(
                self.start, [self.base, last], lambda row: _Power(maker, row[0]).close(row[1])
            )
        maker.need_number(last)
        base, exponent = self.base.value, last.value
        value: _Value | None = None
        if base is not None and exponent is not None:
            if base < 0 and exponent != int(exponent if not _infinite(exponent) else 0):
                self.maker.fail(
                    "a power of a negative number with a fractional exponent is not real; "
                    "the real cube root is cbrt(x), and -x**y is -(x**y)",
                    self.start,
                )
            value = self.maker.constant(self.start, _power, base, exponent)
        return _Operand(self.maker.make(sympy.Pow, self.base.expr, last.expr), False, value, self.start)


class _Comparison(_Chain):
    """One comparison, or several in a row, which all have to hold."""

    __slots__ = ("left", "relations", "taken")
    level = _COMPARISON

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        self.relations: list[Any] = []
        self.taken: list[tuple[_Operand, str]] = []
        self.left: Any = None
        super().__init__(maker, first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Compare with the operand before, in the order as written."""
        self.maker.need_number(operand)
        if self.operator:
            self.relations.append(self.maker.make(_RELATIONS[self.operator], self.left, operand.expr))
        self.left = operand.expr
        self.taken.append((operand, operator))
        self.operator = operator

    def with_arrays(self) -> _ArrayChain:
        """Return the chain that goes on with arrays; all that were compared so far are in it again."""
        found = _ArrayComparison(self.maker, self.taken[0][0], self.taken[0][1])
        for operand, operator in self.taken[1:]:
            found.take(operand, operator)
        return found

    def close(self, last: _Operand) -> _Operand:
        """Make the relation, or the And of several."""
        if last.truth is _ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        relations = self.relations
        expr = relations[0] if len(relations) == 1 else self.maker.make(sympy.And, *relations)
        return _Operand(expr, True, None, self.start)


class _Junction(_Chain):
    """Conditions joined by `and` or `or`."""

    __slots__ = ("conditions",)
    kind: ClassVar[Any]

    def __init__(self, maker: _Maker, first: _Operand, operator: str) -> None:
        self.conditions: list[Any] = []
        super().__init__(maker, first, operator)

    def take(self, operand: _Operand, operator: str) -> None:
        """Take a condition."""
        self.maker.need_condition(operand, f"the word {operator or self.operator}")
        self.conditions.append(operand.expr)
        self.operator = operator

    def close(self, last: _Operand) -> _Operand:
        """Make the And or Or."""
        if last.truth is _ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> _Operand:
        """Return the And or Or of the conditions taken; one alone as it is."""
        if len(self.conditions) == 1:
            return _Operand(self.conditions[0], True, None, self.start)
        return _Operand(self.maker.make(self.kind, *self.conditions), True, None, self.start)


class _And(_Junction):
    __slots__ = ()
    level = _AND
    kind = sympy.And


class _Or(_Junction):
    __slots__ = ()
    level = _OR
    kind = sympy.Or


class _Not(_Open):
    """Any number of `not` before a condition; two make none."""

    __slots__ = ("negative",)
    level = _NOT

    def __init__(self, maker: _Maker, start: int) -> None:
        super().__init__(maker, start)
        self.negative = False

    def close(self, last: _Operand) -> _Operand:
        """Make the Not: the logical one, not the opposite comparison, for a NaN makes both false."""
        if last.truth is _ARRAY:
            return self.maker.elementwise(self.start, [last], lambda row: self.close(row[0]))
        self.maker.need_condition(last, "the word not")
        expr = self.maker.make(sympy.Not, last.expr) if self.negative else last.expr
        return _Operand(expr, True, None, self.start)


class _Choice(_Open):
    """`a if c else b if d else e`, as one Piecewise."""

    __slots__ = ("pairs", "value", "waits_for_else")
    level = _CHOICE

    def __init__(self, maker: _Maker, first: _Operand, start: int) -> None:
        super().__init__(maker, first.start)
        self.pairs: list[tuple[_Operand, _Operand]] = []
        self.take_value(first, start)

    def take_value(self, value: _Operand, start: int) -> None:
        """Take the value before an `if`, which stands at `start`."""
        if value.truth is not _ARRAY:
            self.maker.need_number(value)
        self.value = value
        self.waits_for_else = start

    def take_condition(self, condition: _Operand) -> None:
        """Take the condition before an `else`."""
        if condition.truth is not _ARRAY:
            self.maker.need_condition(condition, "the word if")
        self.pairs.append((self.value, condition))
        self.waits_for_else = -1

    def close(self, last: _Operand) -> _Operand:
        """Make the Piecewise."""
        if self.waits_for_else >= 0:
            self.maker.fail("this if has no else; write a if c else b", self.waits_for_else)
        parts = [*chain.from_iterable(self.pairs), last]
        if any(part.truth is _ARRAY for part in parts):
            return self.maker.elementwise(self.start, parts, self._one)
        self.maker.need_number(last)
        return _Operand(_piecewise(self.maker, self.pairs, last), False, None, self.start)

    def _one(self, row: list[_Operand]) -> _Operand:
        """Make the choice of one element: value, condition, value, condition, ..., value."""
        made = _Choice(self.maker, row[0], self.start)
        made.take_condition(row[1])
        for value, condition in zip(row[2:-1:2], row[3:-1:2], strict=True):
            made.take_value(value, self.start)
            made.take_condition(condition)
        return made.close(row[-1])


def _piecewise(maker: _Maker, pairs: list[tuple[_Operand, _Operand]], last: _Operand) -> Any:
    parts = [maker.make(ExprCondPair, value.expr, condition.expr) for value, condition in pairs]
    parts.append(maker.make(ExprCondPair, last.expr, sympy.true))
    return maker.make(sympy.Piecewise, *parts)


class _Bracket(_Open):
    """Something that ends at a bracket, not at an operator."""

    __slots__ = ()
    level = _BRACKET
    closing: ClassVar[str] = ")"

    def comma(self, operand: _Operand, start: int) -> None:
        """Take the operand before a comma."""
        raise NotImplementedError


class _Line(_Bracket):
    """The bottom of the stack: the outputs of a line, separated by commas."""

    __slots__ = ("outputs",)
    closing = ""

    def __init__(self, maker: _Maker, start: int) -> None:
        super().__init__(maker, start)
        self.outputs: list[_Operand] = []

    def comma(self, operand: _Operand, start: int) -> None:
        """Take an output."""
        self.outputs.append(operand)


class _Parenthesis(_Bracket):
    __slots__ = ()

    def comma(self, operand: _Operand, start: int) -> None:
        """Refuse a tuple."""
        self.maker.fail("a comma within parentheses; write several outputs without them: a*b, a + b", start)

    def close(self, last: _Operand) -> _Operand:
        """Return the operand; it starts at its parenthesis."""
        return last._replace(start=self.start)


class _List(_Bracket):
    """An array written out: `[a, b]`, `[[a, b], [c, d]]`, with arrays for rows as well."""

    __slots__ = ("rows",)
    closing = "]"

    def __init__(self, maker: _Maker, start: int) -> None:
        super().__init__(maker, start)
        self.rows: list[_Operand] = []

    def comma(self, operand: _Operand, start: int) -> None:
        """Take a row."""
        self.rows.append(operand)

    def close(self, last: _Operand) -> _Operand:
        """Make the array."""
        maker = self.maker
        self.rows.append(last)
        rows = [row.expr if row.truth is _ARRAY else row for row in self.rows]
        found = maker.fitting(self.start, text_array.stacked, rows)
        maker.count(found.size)
        return maker.array(found, self.start)


class _Call(_Bracket):
    __slots__ = ("arguments", "word")

    def __init__(self, maker: _Maker, word: Word, start: int) -> None:
        super().__init__(maker, start)
        self.word = word
        self.arguments: list[_Operand] = []

    def comma(self, operand: _Operand, start: int) -> None:
        """Take an argument."""
        self.arguments.append(operand)

    def close(self, last: _Operand) -> _Operand:
        """Make the call."""
        word, arguments, maker = self.word, self.arguments, self.maker
        arguments.append(last)
        if len(arguments) == 1 and last.truth is _ARRAY and word.most is None:
            # max and min of an array: of its elements
            arguments = [element._replace(start=last.start) for element in last.expr.flat]
            if len(arguments) == 1:
                return arguments[0]
            self.arguments = arguments
        self._check_number()
        if word.name in FUNCTIONS_OF_ARRAYS:
            return self._of_arrays()
        if any(argument.truth is _ARRAY for argument in arguments):
            return maker.elementwise(self.start, arguments, self._one)
        if word is _WHERE:
            condition, yes, no = arguments
            maker.need_condition(condition, "where")
            maker.need_number(yes)
            maker.need_number(no)
            return _Operand(_piecewise(maker, [(yes, condition)], no), False, None, self.start)
        for argument in arguments:
            maker.need_number(argument)
        values = [argument.value for argument in arguments]
        base = values[1] if word.name == "log" and len(values) > 1 else None
        if base is not None and (base <= 0 or base == 1):
            maker.fail("there is no logarithm to this base; it is positive and not 1", arguments[1].start)
        known = [float(value) for value in values if value is not None]
        value = maker.constant(self.start, word.value, *known) if len(known) == len(values) else None
        expr = word.build(*(argument.expr for argument in arguments), make=maker.make)
        return _Operand(expr, False, value, self.start)

    def _one(self, row: list[_Operand]) -> _Operand:
        """Make the call of one element."""
        made = _Call(self.maker, self.word, self.start)
        made.arguments = row[:-1]
        return made.close(row[-1])

    def _of_arrays(self) -> _Operand:
        """Make the call of a function of whole arrays."""
        maker, name = self.maker, self.word.name
        for argument in self.arguments:
            if argument.truth is not _ARRAY:
                maker.fail(f"{name} takes an array, and this is one number or condition", argument.start)
            maker.need_numbers(argument)
            maker.count(argument.expr.size)
        parts = [argument.expr for argument in self.arguments]
        _, function = FUNCTIONS_OF_ARRAYS[name]
        return maker.array(maker.fitting(self.start, function, maker.arithmetic, *parts), self.start)

    def _check_number(self) -> None:
        word, count = self.word, len(self.arguments)
        if count < word.least or (word.most is not None and count > word.most):
            self.maker.fail(_wrong_number(word, count), self.start)


def _wrong_number(word: Word, count: int) -> str:
    if word.most is None:
        wanted = f"at least {word.least} arguments"
    elif word.most != word.least:
        wanted = f"{word.least} or {word.most} arguments"
    else:
        wanted = f"{word.least} argument{'s' if word.least > 1 else ''}"
    return f"{word.name} takes {wanted}, not {count}; write {word.signature}"


_OPENING: Final = frozenset("([")
_CLOSING: Final = frozenset(")]")
_RELATIONS: Final[dict[str, Any]] = {
    "<": sympy.StrictLessThan,
    "<=": sympy.LessThan,
    ">": sympy.StrictGreaterThan,
    ">=": sympy.GreaterThan,
    "==": sympy.Equality,
    "!=": sympy.Unequality,
}
_CHAINS: Final[dict[str, type[_Chain]]] = {
    "+": _Sum,
    "-": _Sum,
    "*": _Product,
    "/": _Product,
    "@": _Product,
    **dict.fromkeys(_RELATIONS, _Comparison),
    "and": _And,
    "or": _Or,
}
_WHERE: Final = Word("where", ("c", "a", "b"), unevaluated, float, "a where c holds, else b")
_OF_ARRAYS: Final = {
    name: Word(name, args, unevaluated, float) for name, (args, _) in FUNCTIONS_OF_ARRAYS.items()
}


class _ArraySum(_ArrayChain):
    __slots__ = ()
    level = _SUM
    kind = _Sum


class _ArrayProduct(_ArrayChain):
    __slots__ = ()
    level = _PRODUCT
    kind = _Product


class _ArrayComparison(_ArrayChain):
    __slots__ = ()
    level = _COMPARISON
    kind = _Comparison


class _ArrayAnd(_ArrayChain):
    __slots__ = ()
    level = _AND
    kind = _And


class _ArrayOr(_ArrayChain):
    __slots__ = ()
    level = _OR
    kind = _Or


_ARRAY_CHAINS: Final[dict[type[_Chain], type[_ArrayChain]]] = {
    one.kind: one for one in (_ArraySum, _ArrayProduct, _ArrayComparison, _ArrayAnd, _ArrayOr)
}


# ---- the parser

_RESERVED: Final = KEYWORDS | {"True", "False", "None", "pi", "oo"}
_CONSTANTS: Final[dict[str, tuple[Any, float]]] = {"pi": (sympy.pi, math.pi), "oo": (sympy.oo, math.inf)}
_NOT_NUMBERS: Final[dict[str, str]] = {
    "True": "True is reserved; a condition is a comparison, such as x > 0",
    "False": "False is reserved; a condition is a comparison, such as x > 0",
    "None": "None is reserved; it is no number",
}
_OTHER_CONSTANTS: Final[dict[str, str]] = {
    **dict.fromkeys(("inf", "Inf", "infinity", "Infinity"), "infinity is oo"),
    **dict.fromkeys(("e", "E"), "Euler's number is exp(1)"),
    **dict.fromkeys(("Pi", "PI", "π"), "the number is pi"),
}
_STATEMENTS: Final[dict[str, str]] = {
    "def": "leave the word def out: f(x, y): on a line of its own, or f(x, y) = x*y",
    "lambda": "write the formula itself, or f(x, y) = x*y",
    "let": f"leave the word let out: {'d = x - y'}",
    "is": "equality is written ==",
    "in": "a range is written as a comparison: 0 <= x <= 1",
    "for": "there are no loops; write every term",
    "while": "there are no loops; write every term",
    "import": "nothing is imported; a formula may call the functions of the table",
    "from": "nothing is imported; a formula may call the functions of the table",
    "xor": "write (p or q) and not (p and q)",
}


class _Parser:
    """Reads one text.

    Parameters
    ----------
    text
        The formula text.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.maker = _Maker(text)
        self.stream: Iterator[Token] = tokens(text)
        self.inputs: dict[str, Declared] = {}
        self.header: str | None = None  # as it is shown in messages
        self.lets: dict[str, int] = {}  # name -> where it was given
        # What a name stands for; constants, scalars and lets are found here at once
        self.known: dict[str, _Operand] = {
            name: _Operand(expr, False, value, 0) for name, (expr, value) in _CONSTANTS.items()
        }
        self.token: Token = ("end", "", 0)
        self.ahead: Token = ("end", "", 0)

    def fail(self, message: str, start: int) -> NoReturn:
        """Refuse the text, with the place."""
        raise FormulaError(message, self.text, start)

    # ---- lines

    def formula(self) -> Formula:
        """Read the whole text."""
        name, sign = self._read_header()
        if sign == ":" or (sign == "" and self._at_block()):
            outputs, names = self._block()
        else:
            if sign == "=":
                self._skip_newlines()
            outputs, names = self._outputs()
            self._skip_newlines()
            if self.token[0] != "end":
                self._refuse_second_line()
        for output in outputs:
            self.maker.need_numbers(output)
        return Formula(
            name,
            tuple(self.inputs.values()),
            self.header is not None,
            tuple(
                tuple(element.expr for element in output.expr.flat) if output.truth is _ARRAY else output.expr
                for output in outputs
            ),
            self._name_outputs(names),
            tuple(output.expr.shape if output.truth is _ARRAY else () for output in outputs),
        )

    def _advance(self) -> None:
        self.token, self.ahead = self.ahead, next(self.stream)

    def _skip_newlines(self) -> None:
        while self.token[0] == "newline":
            self._advance()

    def _at_block(self) -> bool:
        return self.token[0] == "return" or (self.token[0] == "name" and self.ahead[0] == "=")

    def _block(self) -> tuple[list[_Operand], list[str | None]]:
        """Read lets up to the `return`, and the outputs."""
        first = self.token
        while True:
            self._skip_newlines()
            kind, word, start = self.token
            if kind == "name" and self.ahead[0] == "=":
                self._let()
            elif kind == "return":
                self._advance()
                outputs = self._outputs()
                self._skip_newlines()
                if self.token[0] != "end":
                    self.fail("nothing may follow the line of the return", self.token[2])
                return outputs
            elif kind == "end":
                self._refuse_end(first)
            elif kind == "name" and self.ahead[0] == "name" and word in _STATEMENTS:
                self.fail(_STATEMENTS[word], start)
            elif kind == "if":
                self.fail("a choice is part of a formula: d = a if c else b, or where(c, a, b)", start)
            else:
                self._outputs()
                self.fail(
                    "this line gives no name to its formula; write d = ..., or return ... at the end", start
                )

    def _refuse_end(self, first: Token) -> NoReturn:
        if len(self.lets) == 1 and self.header is None:
            name = next(iter(self.lets))
            remedy = f"for one formula leave out {shown(name)} = , or end with the line: return {shown(name)}"
            self.fail(f"there is no return; {remedy}", first[2])
        self.fail("there is no return; end with a line such as: return a, b", len(self.text.rstrip()))

    def _refuse_second_line(self) -> NoReturn:
        start = self.token[2]
        if self._at_block():
            self.fail("lets and a return stand under a header that ends in a colon: f(x, y):", start)
        self.fail(
            "the formula ended on the line before; put parentheses around one that goes over several lines",
            start,
        )

    def _let(self) -> None:
        _, name, start = self.token
        self._check_new_name(name, start)
        if name in self.lets:
            line = self.text.count("\n", 0, self.lets[name]) + 1
            self.fail(f"{shown(name)} is given already in line {line}; take a new name", start)
        if name in self.inputs:
            if self.header is None:
                self.fail(f"{shown(name)} is used above as an input; give it before its first use", start)
            self.fail(f"{shown(name)} is an input of {self.header}; take a new name", start)
        self._advance()
        self._advance()
        operands, _ = self._outputs()
        if len(operands) > 1:
            self.fail(f"{shown(name)} takes one formula; write each on a line of its own", operands[1].start)
        self.lets[name] = start
        self.known[name] = operands[0]

    def _outputs(self) -> tuple[list[_Operand], list[str | None]]:
        """Read formulas separated by commas up to the end of the line; for each the let that it is, or None."""
        names: list[str | None] = []
        operands: list[_Operand] = []
        more = True
        while more:
            kind, word, _ = self.token
            operand, more = self._expression()
            is_let = kind == "name" and word in self.lets and self.known[word].expr is operand.expr
            names.append(word if is_let else None)
            operands.append(operand)
        return operands, names

    def _name_outputs(self, names: list[str | None]) -> tuple[str, ...]:
        taken = set(self.inputs) | {name for name in names if name}
        given: set[str] = set()
        found = []
        for k, let in enumerate(names):
            name = let or ("out" if len(names) == 1 else f"out{k}")
            while name in given or (name in taken and name != let):
                name += "_"
            given.add(name)
            found.append(name)
        return tuple(found)

    # ---- the header

    def _read_header(self) -> tuple[str | None, str]:
        """Read the header, where there is one, with the sign that ends it, and come to the formula."""
        buffer = self._first_tokens()
        (kind, name, start), (after, _, _), last = buffer[0], buffer[1], buffer[-1]
        if kind == "end":
            self.fail("the formula is empty; write one such as w*x + b", 0)
        if kind == "name" and after in ("name", ":") and name in ("def", "lambda"):
            self.fail(_STATEMENTS[name], start)
        if len(buffer) > 3 and last[0] in ("=", ":"):
            if name in _RESERVED:
                self.fail(f"{name} is reserved; call the function something else", start)
            parameters = buffer[2:-2]
            self._declare(parameters)
            self.header = f"{shown(name)}({shown(', '.join(self.inputs))})"
            self._advance()
            self._advance()
            return name, last[0]
        self.stream = chain(buffer, self.stream)
        self._advance()
        self._advance()
        return None, ""

    def _first_tokens(self) -> list[Token]:
        """Take the first two tokens, or, where they open a call, all up to the one after its parenthesis."""
        token = next(self.stream)
        while token[0] == "newline":
            token = next(self.stream)
        buffer = [token, next(self.stream)]
        if token[0] in ("name", *KEYWORDS) and buffer[1][0] == "(":
            while True:
                token = next(self.stream)
                buffer.append(token)
                if token[0] == ")":
                    buffer.append(next(self.stream))
                    break
                if token[0] in ("(", "end"):
                    break
        return buffer

    def _declare(self, parameters: list[Token]) -> None:
        """Read the inputs of a header."""
        rest = iter([*parameters, ("end", "", parameters[-1][2] if parameters else 0)])
        scalars = 0
        token = next(rest)
        while token[0] != "end":
            kind, name, start = token
            if kind != "name":
                self.fail("the name of an input belongs here, as in f(x, y)", start)
            self._check_new_name(name, start)
            if name in self.inputs:
                self.fail(f"two inputs are called {shown(name)}", start)
            token = next(rest)
            shape: tuple[int, ...] = ()
            if token[0] == "[":
                shape = self._indices(rest, "a shape", "x[3] or A[3, 3]")
                token = next(rest)
            scalars += self._declare_one(Declared(name, shape), start)
            if scalars > MAX_SCALARS:
                raise LimitError(f"the inputs have more than {MAX_SCALARS} scalars", self.text, start)
            if token[0] == ",":
                token = next(rest)
            elif token[0] != "end":
                self._refuse_parameter(token)

    def _declare_one(self, item: Declared, start: int) -> int:
        if any(extent < 1 for extent in item.shape):
            self.fail(f"a shape is made of numbers from 1: {shown(item.name)}[3]", start)
        self.inputs[item.name] = item
        if not item.shape:
            self.known[item.name] = _Operand(_symbol(item.name), False, None, start)
        return math.prod(item.shape)

    def _refuse_parameter(self, token: Token) -> NoReturn:
        kind, _, start = token
        reasons = {
            ":": "inputs have no types, only shapes: f(x, y[3])",
            "=": "inputs have no default values: f(x, y)",
        }
        self.fail(reasons.get(kind, "inputs are separated by commas: f(x, y)"), start)

    def _check_new_name(self, name: str, start: int) -> None:
        if name in _RESERVED:
            self.fail(f"{name} is reserved; take another name", start)

    # ---- expressions

    def _expression(self) -> tuple[_Operand, bool]:
        """Read one formula of a line; also return whether a comma follows. Stops after that comma, else before
        the end of the line.

        The hot loop: an operand, an operator, an operand, ... with what is open on a stack.
        """
        maker, known, advance = self.maker, self.known, self.stream.__next__
        token, ahead = self.token, self.ahead
        base = _Line(maker, token[2])
        stack: list[_Open] = [base]
        nesting = 0
        while True:
            # ---- an operand, and what may stand before it
            kind, word, start = token
            if kind == "name":
                following = ahead[0]
                if following == "(":
                    stack.append(_Call(maker, self._function(word, start), start))
                    nesting += 1
                    if nesting > MAX_NESTING:
                        self._refuse_nesting(start)
                    token, ahead = advance(), advance()
                    if token[0] == ")":
                        self.fail(_wrong_number(stack[-1].word, 0), start)  # type: ignore[attr-defined]
                    continue
                if following == "[":
                    operand = self._indexed(word, start)
                    ahead = advance()
                else:
                    found = known.get(word)
                    operand = (
                        self._variable(word, start)
                        if found is None
                        else _Operand(found.expr, found.truth, found.value, start)
                    )
            elif kind == "number":
                value = number(self.text, start, word)
                operand = _Operand(maker.literal(value), False, value, start)
            elif kind in _OPENING:
                stack.append(_Parenthesis(maker, start) if kind == "(" else _List(maker, start))
                nesting += 1
                if nesting > MAX_NESTING:
                    self._refuse_nesting(start)
                token, ahead = ahead, advance()
                continue
            elif kind in ("-", "+"):
                sign = stack[-1]
                if not isinstance(sign, _Sign):
                    sign = _Sign(maker, start)
                    stack.append(sign)
                sign.negative ^= kind == "-"
                token, ahead = ahead, advance()
                continue
            elif kind == "not":
                self._open_not(stack, start)
                token, ahead = ahead, advance()
                continue
            else:
                self._refuse_operand(token, stack)
            token, ahead = ahead, advance()

            # ---- what may stand after an operand; a closing bracket makes a new one
            while True:
                kind, word, start = token
                chain_of = _CHAINS.get(kind)
                if chain_of is not None:
                    level = chain_of.level
                    top = stack[-1]
                    while top.level > level:
                        operand = top.close(operand)
                        nesting -= top.level == _POWER
                        stack.pop()
                        top = stack[-1]
                    if operand.truth is _ARRAY or kind == "@":
                        self._take_array(stack, chain_of, operand, kind)
                    elif top.level == level:
                        top.take(operand, kind)  # type: ignore[attr-defined]
                    else:
                        stack.append(chain_of(maker, operand, kind))
                    break
                if kind == "**":
                    stack.append(_Power(maker, operand))
                    nesting += 1
                    if nesting > MAX_NESTING:
                        self._refuse_nesting(start)
                    break
                lowest = _CHOICE if kind in ("if", "else") else _BRACKET
                while stack[-1].level > lowest:
                    top = stack.pop()
                    operand = top.close(operand)
                    nesting -= top.level == _POWER
                top = stack[-1]
                if kind in _CLOSING:
                    if top.closing != kind:  # type: ignore[attr-defined]
                        self._refuse_closing(token, top)
                    stack.pop()
                    nesting -= 1
                    operand = top.close(operand)
                    token, ahead = ahead, advance()
                    continue
                if kind == ",":
                    if top is base:
                        self.token, self.ahead = ahead, advance()
                        return operand, True
                    top.comma(operand, start)  # type: ignore[attr-defined]
                    break
                if kind in ("if", "else"):
                    self._choose(stack, operand, kind, start)
                    break
                if kind in ("newline", "end") and top is base:
                    self.token, self.ahead = token, ahead
                    return operand, False
                self._refuse_operator(token, ahead, top)
            token, ahead = ahead, advance()

    def _take_array(self, stack: list[_Open], kind: type[_Chain], operand: _Operand, operator: str) -> None:
        """Take an operand of a chain with arrays."""
        top = stack[-1]
        if top.level == kind.level:
            assert isinstance(top, _Chain)
            stack[-1] = arrays = top.with_arrays()
            arrays.take(operand, operator)
        else:
            stack.append(_ARRAY_CHAINS[kind](self.maker, operand, operator))

    def _open_not(self, stack: list[_Open], start: int) -> None:
        top = stack[-1]
        if top.level > _NOT:
            self.fail("put parentheses around the not and its condition: (not c)", start)
        if not isinstance(top, _Not):
            top = _Not(self.maker, start)
            stack.append(top)
        top.negative = not top.negative

    def _choose(self, stack: list[_Open], operand: _Operand, word: str, start: int) -> None:
        """Take an `if` or `else` after an operand."""
        top = stack[-1]
        if word == "if":
            if not isinstance(top, _Choice):
                stack.append(_Choice(self.maker, operand, start))
            elif top.waits_for_else >= 0:
                self.fail(
                    "put parentheses around a choice within a condition: a if (p if c else q) > 0 else b",
                    start,
                )
            else:
                top.take_value(operand, start)
        elif isinstance(top, _Choice) and top.waits_for_else >= 0:
            top.take_condition(operand)
        else:
            self.fail("this else has no if; write a if c else b", start)

    # ---- names

    def _function(self, name: str, start: int) -> Word:
        """Return the function that is called."""
        if name == "where":
            return _WHERE
        word = FUNCTIONS.get(name) or _OF_ARRAYS.get(name)
        if word is not None:
            return word
        if name in _NOT_NUMBERS:
            self.fail(_NOT_NUMBERS[name], start)
        shown_name = shown(name)
        if name in self.known or name in self.inputs:
            self.fail(f"{shown_name} is not a function; for a product write {shown_name}*(...)", start)
        if name in ADVICE:
            self.fail(f"{shown_name} is not in the table of functions: {ADVICE[name]}", start)
        if self.header is not None and self.header.startswith(f"{name}("):
            self.fail(f"{shown_name} calls itself; a formula cannot", start)
        near = get_close_matches(name, (*FUNCTIONS, "where"), n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise FormulaError(
            f"{shown_name} is not a function known here{hint} The guide's page on functions lists all; "
            f"for a product write {shown_name}*(...)",
            self.text,
            start,
        )

    def _variable(self, name: str, start: int) -> _Operand:
        """Return what a name stands for that was not met before."""
        if name in _NOT_NUMBERS:
            self.fail(_NOT_NUMBERS[name], start)
        if name in self.inputs:
            return self._whole(self.inputs[name], start)
        if self.header is not None:
            known = [*self.inputs, *self.lets]
            near = get_close_matches(name, known[:1000], n=1)
            hint = f"did you mean {shown(near[0])}?" if near else "add it to the header"
            hint = _OTHER_CONSTANTS.get(name, hint)
            self.fail(
                f"{shown(name)} is no input of {self.header}, and no line above gives it; {hint}", start
            )
        self.inputs[name] = Declared(name)
        operand = _Operand(_symbol(name), False, None, start)
        self.known[name] = operand
        return operand

    def _whole(self, item: Declared, start: int) -> _Operand:
        """Return an input with a shape as an array."""
        elements = [_Operand(symbol, False, None, start) for symbol in item.symbols]
        self.maker.count(len(elements))
        array = self.maker.fitting(start, text_array.in_shape, elements, item.shape)
        operand = self.maker.array(array, start)
        self.known[item.name] = operand
        return operand

    def _indexed(self, name: str, start: int) -> _Operand:
        """Read the indices after a name and its bracket, and return the element, or the part of the array."""
        item, known = self.inputs.get(name), self.known.get(name)
        if item is not None and item.shape:
            shape = item.shape
        elif known is not None and known.truth is _ARRAY:
            shape = known.expr.shape
        else:
            if item is None and name in FUNCTIONS and known is None:
                self.fail(f"a function is called with parentheses: {shown(name)}(x)", start)
            self.fail(
                f"{shown(name)} has no elements; an array is an input with a shape in the header: "
                f"f({shown(name)}[3]) = ..., or a line that gives one: {shown(name)} = [x, y]",
                start,
            )
        index = self._places(f"{shown(name)}[0]")
        if len(index) > len(shape):
            self.fail(f"{shown(name)} has shape {shape}: {len(index)} indices are too many", start)
        for position, extent in zip(index, shape, strict=False):
            if isinstance(position, int) and not -extent <= position < extent:
                self.fail(f"{position} is out of range: {shown(name)} has shape {shape}", start)
        if item is not None and known is None and len(index) == len(shape):
            places = [
                position % extent
                for position, extent in zip(index, shape, strict=True)
                if isinstance(position, int)
            ]
            if len(places) == len(shape):  # one element; the array need not be made
                return _Operand(_element(name, tuple(places)), False, None, start)
        if known is None:
            assert item is not None
            known = self._whole(item, start)
        found = known.expr[index]
        if isinstance(found, np.ndarray) and not found.size:
            self.fail(f"this part is empty: {shown(name)} has shape {shape}", start)
        return self.maker.array(found, start)

    def _places(self, example: str) -> tuple[int | slice, ...]:
        """Read indices and slices of whole numbers, separated by commas, up to the closing bracket."""
        found: list[int | slice] = []
        parts: list[int | None] = [None]
        advance = self.stream.__next__
        while True:
            kind, word, start = advance()
            negative = kind == "-"
            if negative:
                kind, word, start = advance()
            if kind == "number":
                value = number(self.text, start, word)
                if not isinstance(value, int) or not word.replace("_", "").isdigit():
                    self.fail(f"an index is made of whole numbers: {example}", start)
                parts[-1] = -value if negative else value
                kind, word, start = advance()
            elif negative or (len(parts) == 1 and kind != ":"):
                self.fail(f"an index is made of whole numbers: {example}", start)
            if kind == ":" and len(parts) < 3:
                parts.append(None)
                continue
            if kind not in (",", "]"):
                self.fail(f"an index is made of whole numbers: {example}", start)
            if len(parts) > 1 and parts[2:] == [0]:
                self.fail("the step of a slice is not 0", start)
            place = slice(*parts) if len(parts) > 1 else parts[0]
            assert place is not None
            found.append(place)
            parts = [None]
            if kind == "]":
                return tuple(found)

    def _indices(self, rest: Iterator[Token], what: str, example: str) -> tuple[int, ...]:
        """Read whole numbers separated by commas up to the closing bracket."""
        found = []
        while True:
            kind, word, start = next(rest)
            negative = kind == "-"
            if negative:
                kind, word, start = next(rest)
            value = number(self.text, start, word) if kind == "number" else None
            if not isinstance(value, int) or not word.replace("_", "").isdigit():
                self.fail(f"{what} is made of whole numbers: {example}", start)
            found.append(-value if negative else value)
            kind, _, start = next(rest)
            if kind == "]":
                return tuple(found)
            if kind != ",":
                self.fail(f"{what} is made of whole numbers: {example}", start)

    # ---- what is refused

    def _refuse_nesting(self, start: int) -> NoReturn:
        raise LimitError(
            f"parentheses, calls or powers stand more than {MAX_NESTING} deep in each other; "
            "give names to parts of the formula",
            self.text,
            start,
        )

    def _refuse_operand(self, token: Token, stack: list[_Open]) -> NoReturn:
        """Refuse what stands where a number, a name or a parenthesis is needed."""
        kind, word, start = token
        top = stack[-1]
        if kind in ("end", "newline"):
            self._refuse_open(stack)
            self.fail("the formula stops where an operand is needed", start)
        if kind == ")":
            empty = isinstance(top, _Parenthesis)
            self.fail("empty parentheses" if empty else "an operand is needed before this parenthesis", start)
        if kind == ",":
            self.fail("an operand is needed before this comma", start)
        if kind == "]":
            self.fail("an operand is needed before this bracket", start)
        if kind == "if":
            self.fail("a choice is written a if c else b, or where(c, a, b)", start)
        if kind == "return":
            self.fail("return starts a line", start)
        if kind == "=" and top.level == _COMPARISON:
            self.fail("equality is written ==", start)
        self.fail(f"an operand is needed before {word}", start)

    def _refuse_open(self, stack: list[_Open]) -> None:
        """Refuse a parenthesis that is not closed."""
        for entry in reversed(stack):
            if isinstance(entry, _Parenthesis | _Call | _List):
                self._refuse_unclosed(entry)

    def _refuse_unclosed(self, entry: _Open) -> NoReturn:
        if isinstance(entry, _List):
            self.fail("this bracket is not closed", entry.start)
        start = self.text.index("(", entry.start)
        self.fail("this parenthesis is not closed", start)

    def _refuse_closing(self, token: Token, top: _Open) -> NoReturn:
        """Refuse a closing bracket that is not the one that is open."""
        kind, _, start = token
        if isinstance(top, _List):
            self.fail("this bracket is not closed", top.start)
        name = "parenthesis" if kind == ")" else "bracket"
        self.fail(f"there is no opening {name} for this one", start)

    def _refuse_operator(self, token: Token, ahead: Token, top: _Open) -> NoReturn:
        """Refuse what stands where an operator is needed."""
        kind, word, start = token
        if kind in ("end", "newline"):
            self._refuse_unclosed(top)
        if kind == "=":
            if isinstance(top, _Call):
                self.fail("arguments have no names: write log(x, 2); to compare write ==", start)
            self.fail("a name is given at the start of a line: d = x - y; to compare write ==", start)
        if kind == ":":
            self.fail("a colon ends a header, f(x, y): on a line of its own", start)
        before = self._before(start)
        if kind == "[":
            self.fail(
                "only a name has elements, an input with a shape or a line that is an array: x[0]", start
            )
        for neighbour in (word, before):
            if neighbour in _STATEMENTS:
                self.fail(_STATEMENTS[neighbour], self.text.rfind(neighbour, 0, start + len(neighbour)))
        if kind == "(":
            self.fail(f"an operator is missing; for a product write {before}*(...)", start)
        if kind == "not":
            self.fail("an operator is missing before not; conditions are joined by and, or", start)
        if kind in ("name", "number"):
            self.fail(f"an operator is missing; for a product write {before}*{shown(word)}", start)
        self.fail(f"{word} has no place here", start)

    def _before(self, start: int) -> str:
        """Return the end of the text before a place, for a message."""
        before = self.text[max(0, start - 200) : start].rstrip()
        count = 0
        while count < len(before) and (before[-1 - count].isalnum() or before[-1 - count] in "_."):
            count += 1
        return shown(before[len(before) - count :]) if count else "(...)"
