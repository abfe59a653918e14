"""What a formula text is made of while it is read: operands, and what makes their expressions.

Equal subexpressions of one text are one sympy object. The value of every subexpression without a variable is
followed in double, or exactly while it is short, and has to be finite before sympy sees it; so 9**9**9 costs
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
import sympy

from tapeless.errors import FormulaError, LimitError
from tapeless.frontend import text_array
from tapeless.frontend.text_array import ShapeError
from tapeless.frontend.vocabulary import unevaluated

MAX_NODES: Final = 2_000_000
"""Different subexpressions of a formula."""
MAX_ELEMENTS: Final = 10_000_000
"""Elements of all arrays that a formula goes through, and products of its matrix products, together."""

_EXACT_BITS: Final = 4096
"""Constants are followed exactly up to this length, then in double."""

Value = int | Fraction | float
"""What a constant is worth; a double where exactness would be long."""


ARRAY: Final = "array"


class Operand(NamedTuple):
    """A subexpression that has been read.

    Attributes
    ----------
    expr
        The sympy expression; of an array, the operands that are its elements, in its shape.
    truth
        Whether it is a condition, not a number; `ARRAY` for an array, of either.
    value
        Its value, where it is a constant.
    start
        Where it starts in the text.
    """

    expr: Any
    truth: bool | str
    value: Value | None
    start: int


class Maker:
    """Makes expressions, and sees to it that equal ones are one object.

    This also keeps sympy's own comparisons flat, which happen wherever it hashes: two equal trees are found
    equal by identity and never walked.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._made: dict[tuple[Any, ...], Any] = {}
        self._literals: dict[Value, Any] = {}
        self._elements = 0

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

    def negative(self, operand: Operand) -> Any:
        """Return the expression -operand; the sign of a literal belongs to it."""
        if operand.expr is sympy.oo:
            return -sympy.oo
        if isinstance(operand.expr, sympy.Rational):
            return self.literal(-operand.value)  # type: ignore[operator, arg-type]
        return self.make(sympy.Mul, sympy.S.NegativeOne, operand.expr)

    def inverse(self, operand: Operand) -> Any:
        """Return the expression 1/operand."""
        return self.make(sympy.Pow, operand.expr, sympy.S.NegativeOne)

    def fail(self, message: str, start: int) -> NoReturn:
        """Refuse the text, with the place."""
        raise FormulaError(message, self.text, start)

    def elementwise(
        self, start: int, operands: list[Operand], build: Callable[[list[Operand]], Operand]
    ) -> Operand:
        """Return the array of what `build` makes of the elements at each place, by NumPy's broadcasting."""
        parts = [operand.expr if operand.truth is ARRAY else operand for operand in operands]
        shape = self.fitting(
            start, text_array.broadcast, [p.shape if isinstance(p, np.ndarray) else () for p in parts]
        )
        self.count(math.prod(shape) * len(parts))
        starts = [operand.start for operand in operands]
        found = [
            build([Operand(x[0], x[1], x[2], at) for x, at in zip(row, starts, strict=True)])
            for row in text_array.columns(parts, shape)
        ]
        return self.array(text_array.in_shape(found, shape), start)

    def array(self, elements: Any, start: int) -> Operand:
        """Return elements in a shape as an operand; one that is alone as itself."""
        if isinstance(elements, np.ndarray):
            return Operand(elements, ARRAY, None, start)
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

    def need_numbers(self, operand: Operand) -> None:
        """Refuse conditions where a number or an array of numbers is needed."""
        if operand.truth is ARRAY:
            if any(element.truth for element in operand.expr.flat):
                self.need_number(operand._replace(truth=True))
        else:
            self.need_number(operand)

    def need_number(self, operand: Operand) -> None:
        """Refuse a condition where a number is needed."""
        if operand.truth:
            self.fail(
                "this is true or false, not a number; write where(c, 1, 0) for a condition c", operand.start
            )

    def need_condition(self, operand: Operand, place: str) -> None:
        """Refuse a number where a condition is needed."""
        if operand.truth is not True:
            self.fail(f"{place} needs a condition, and this is a number; compare it: x != 0", operand.start)

    def constant(self, start: int, compute: Callable[..., Value], *values: Value) -> Value:
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
        if math.isinf(near) and not any(map(infinite, values)):
            self._too_large(start)
        if isinstance(value, Fraction) and _bits(value) > _EXACT_BITS:
            return near
        return value

    def _too_large(self, start: int) -> NoReturn:
        raise LimitError(
            "this constant is too large for a double, whose largest is 1.8e308", self.text, start
        )


def infinite(value: Value) -> bool:
    """Whether a value is infinite."""
    return isinstance(value, float) and math.isinf(value)


def _bits(value: int | Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def quotient(left: Value, right: Value) -> Value:
    """Return left/right, exactly where both are exact."""
    exact = not (isinstance(left, float) or isinstance(right, float))
    return Fraction(left) / Fraction(right) if exact else float(left) / float(right)


def power(base: Value, exponent: Value) -> Value:
    """Return base**exponent, exactly where both are exact and the power is short."""
    if (
        not isinstance(base, float)
        and isinstance(exponent, int)
        and abs(exponent) * _bits(base) <= _EXACT_BITS
    ):
        return Fraction(base) ** exponent
    return math.pow(float(base), float(exponent))
