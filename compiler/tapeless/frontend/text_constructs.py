"""What is open while a formula text is read: operators, calls and parentheses that wait for an operand.

One class per level of precedence. The parser keeps them on a stack; a class makes its expression when it is
closed. Sums, products, comparisons and `if/else` chains are n-ary, so that length costs no depth. Arithmetic with
arrays repeats, for each element, what the scalar operator does, so that a formula of arrays is the formulas of its
elements and nothing beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar, Final, NoReturn

import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from tapeless.errors import LimitError
from tapeless.frontend import text_array
from tapeless.frontend.text_array import FUNCTIONS_OF_ARRAYS
from tapeless.frontend.text_operands import ARRAY, Maker, Operand, Value, infinite, power, quotient
from tapeless.frontend.vocabulary import FUNCTIONS, InOrder, Word, unevaluated

BRACKET, CHOICE, OR, AND, NOT, COMPARISON, SUM, PRODUCT, SIGN, POWER = range(10)
"""Levels of precedence, tightest last."""


class Open:
    """An operator, a call or a parenthesis whose last operand is still being read."""

    __slots__ = ("maker", "start")
    level: ClassVar[int]

    def __init__(self, maker: Maker, start: int) -> None:
        self.maker = maker
        self.start = start

    def close(self, last: Operand) -> Operand:
        """Take the last operand and return the whole."""
        raise NotImplementedError


class Chain(Open):
    """Operands joined by operators of one level, any number."""

    __slots__ = ("operator",)

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        super().__init__(maker, first.start)
        self.operator = ""
        self.take(first, operator)

    def take(self, operand: Operand, operator: str) -> None:
        """Take the operand before an operator."""
        raise NotImplementedError

    def so_far(self) -> Operand:
        """Return what the operands taken make, without the operator that waits for the next."""
        raise NotImplementedError

    def with_arrays(self) -> ArrayChain:
        """Return the chain that goes on from here with arrays."""
        return ARRAY_CHAINS[type(self)](self.maker, self.so_far(), self.operator)


class ArrayChain(Chain):
    """Operands of which some are arrays: the chain of scalars is repeated for each element."""

    __slots__ = ("operands", "operators")
    kind: ClassVar[type[Chain]]

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        self.operands: list[Operand] = []
        self.operators: list[str] = []
        super().__init__(maker, first, operator)

    def take(self, operand: Operand, operator: str) -> None:
        """Take the operand before an operator; one after @ is multiplied at once."""
        if self.operator == "@":
            operand = _matmul(self.maker, self._joined(), operand)
            self.operands, self.operators = [], []
        self.operands.append(operand)
        self.operators.append(operator)
        self.operator = operator

    def _joined(self) -> Operand:
        """Return what the operands make, element by element."""
        operands, operators, kind, maker = self.operands, self.operators, self.kind, self.maker
        if len(operands) == 1:
            return operands[0]

        def build(row: list[Operand]) -> Operand:
            made = kind(maker, row[0], operators[0])
            for operand, operator in zip(row[1:-1], operators[1:-1], strict=True):
                made.take(operand, operator)
            return made.close(row[-1])

        if all(operand.truth is not ARRAY for operand in operands):
            return build(operands)
        return maker.elementwise(self.start, operands, build)

    def so_far(self) -> Operand:
        """Return what the operands taken make."""
        return self._joined()

    def with_arrays(self) -> ArrayChain:
        """Return the chain itself."""
        return self

    def close(self, last: Operand) -> Operand:
        """Make the array."""
        self.take(last, "")
        return self._joined()._replace(start=self.start)


class Sum(Chain):
    """Terms that are added and subtracted."""

    __slots__ = ("terms", "value")
    level = SUM

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        self.terms: list[Any] = []
        self.value: Value | None = 0
        super().__init__(maker, first, operator)

    def take(self, operand: Operand, operator: str) -> None:
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

    def close(self, last: Operand) -> Operand:
        """Make the Add."""
        if last.truth is ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> Operand:
        """Return the Add of the terms taken; a term alone as it is."""
        if len(self.terms) == 1:
            return Operand(self.terms[0], False, self.value, self.start)
        return Operand(self.maker.make(sympy.Add, *self.terms), False, self.value, self.start)


class Product(Chain):
    """Factors and divisors in a row."""

    __slots__ = ("factors", "value")
    level = PRODUCT

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        self.factors: list[Any] = []
        self.value: Value | None = 1
        super().__init__(maker, first, operator)

    def take(self, operand: Operand, operator: str) -> None:
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
            compute = quotient if divisor else lambda a, b: a * b
            self.value = self.maker.constant(self.start, compute, self.value, value)
        self.operator = operator

    def _refuse_zero(self, operand: Operand) -> NoReturn:
        if isinstance(operand.value, float) or operand.value:
            raise LimitError(
                "this divisor is too small for a double: it would be 0", self.maker.text, operand.start
            )
        self.maker.fail("this divides by zero", operand.start)

    def close(self, last: Operand) -> Operand:
        """Make the Mul."""
        if last.truth is ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> Operand:
        """Return the Mul of the factors taken; 1/x is a power alone, and a factor alone as it is."""
        if len(self.factors) == 1:
            return Operand(self.factors[0], False, self.value, self.start)
        factors = self.factors[1:] if self.factors[0] is sympy.S.One else self.factors
        kind = InOrder if any(map(_is_reciprocal, factors[:-1])) else sympy.Mul
        return Operand(self.maker.make(kind, *factors), False, self.value, self.start)


def _is_reciprocal(expr: Any) -> bool:
    """Whether an expression is a power of a variable that stands below the bar."""
    if type(expr) is not sympy.Pow:
        return False
    base, exponent = expr.args
    return isinstance(exponent, sympy.Rational) and exponent.p < 0 and not isinstance(base, sympy.Rational)


class Sign(Open):
    """Any number of signs before an operand; two minuses make a plus."""

    __slots__ = ("negative",)
    level = SIGN

    def __init__(self, maker: Maker, start: int) -> None:
        super().__init__(maker, start)
        self.negative = False

    def close(self, last: Operand) -> Operand:
        """Make the negative."""
        if last.truth is ARRAY:
            return self.maker.elementwise(self.start, [last], lambda row: self.close(row[0]))
        self.maker.need_number(last)
        if not self.negative:
            return last._replace(start=self.start)
        value = None if last.value is None else -last.value
        return Operand(self.maker.negative(last), False, value, self.start)


class Power(Open):
    """A base that waits for its exponent."""

    __slots__ = ("base",)
    level = POWER

    def __init__(self, maker: Maker, base: Operand) -> None:
        super().__init__(maker, base.start)
        if base.truth is not ARRAY:
            maker.need_number(base)
        self.base = base

    def close(self, last: Operand) -> Operand:
        """Make the Pow."""
        maker = self.maker
        if last.truth is ARRAY or self.base.truth is ARRAY:
            return maker.elementwise(
                self.start, [self.base, last], lambda row: Power(maker, row[0]).close(row[1])
            )
        maker.need_number(last)
        base, exponent = self.base.value, last.value
        value: Value | None = None
        if base is not None and exponent is not None:
            if base < 0 and exponent != int(exponent if not infinite(exponent) else 0):
                self.maker.fail(
                    "a power of a negative number with a fractional exponent is not real; "
                    "the real cube root is cbrt(x), and -x**y is -(x**y)",
                    self.start,
                )
            value = self.maker.constant(self.start, power, base, exponent)
        return Operand(self.maker.make(sympy.Pow, self.base.expr, last.expr), False, value, self.start)


class Comparison(Chain):
    """One comparison, or several in a row, which all have to hold."""

    __slots__ = ("left", "relations", "taken")
    level = COMPARISON

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        self.relations: list[Any] = []
        self.taken: list[tuple[Operand, str]] = []
        self.left: Any = None
        super().__init__(maker, first, operator)

    def take(self, operand: Operand, operator: str) -> None:
        """Compare with the operand before, in the order as written."""
        self.maker.need_number(operand)
        if self.operator:
            self.relations.append(self.maker.make(_RELATIONS[self.operator], self.left, operand.expr))
        self.left = operand.expr
        self.taken.append((operand, operator))
        self.operator = operator

    def with_arrays(self) -> ArrayChain:
        """Return the chain that goes on with arrays; all that were compared so far are in it again."""
        found = ArrayComparison(self.maker, self.taken[0][0], self.taken[0][1])
        for operand, operator in self.taken[1:]:
            found.take(operand, operator)
        return found

    def close(self, last: Operand) -> Operand:
        """Make the relation, or the And of several."""
        if last.truth is ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        relations = self.relations
        expr = relations[0] if len(relations) == 1 else self.maker.make(sympy.And, *relations)
        return Operand(expr, True, None, self.start)


class Junction(Chain):
    """Conditions joined by `and` or `or`."""

    __slots__ = ("conditions",)
    kind: ClassVar[Any]

    def __init__(self, maker: Maker, first: Operand, operator: str) -> None:
        self.conditions: list[Any] = []
        super().__init__(maker, first, operator)

    def take(self, operand: Operand, operator: str) -> None:
        """Take a condition."""
        self.maker.need_condition(operand, f"the word {operator or self.operator}")
        self.conditions.append(operand.expr)
        self.operator = operator

    def close(self, last: Operand) -> Operand:
        """Make the And or Or."""
        if last.truth is ARRAY:
            return self.with_arrays().close(last)
        self.take(last, "")
        return self.so_far()

    def so_far(self) -> Operand:
        """Return the And or Or of the conditions taken; one alone as it is."""
        if len(self.conditions) == 1:
            return Operand(self.conditions[0], True, None, self.start)
        return Operand(self.maker.make(self.kind, *self.conditions), True, None, self.start)


class And(Junction):
    """Conditions joined by `and`."""

    __slots__ = ()
    level = AND
    kind = sympy.And


class Or(Junction):
    """Conditions joined by `or`."""

    __slots__ = ()
    level = OR
    kind = sympy.Or


class Not(Open):
    """Any number of `not` before a condition; two make none."""

    __slots__ = ("negative",)
    level = NOT

    def __init__(self, maker: Maker, start: int) -> None:
        super().__init__(maker, start)
        self.negative = False

    def close(self, last: Operand) -> Operand:
        """Make the Not: the logical one, not the opposite comparison, for a NaN makes both false."""
        if last.truth is ARRAY:
            return self.maker.elementwise(self.start, [last], lambda row: self.close(row[0]))
        self.maker.need_condition(last, "the word not")
        expr = self.maker.make(sympy.Not, last.expr) if self.negative else last.expr
        return Operand(expr, True, None, self.start)


class Choice(Open):
    """`a if c else b if d else e`, as one Piecewise."""

    __slots__ = ("pairs", "value", "waits_for_else")
    level = CHOICE

    def __init__(self, maker: Maker, first: Operand, start: int) -> None:
        super().__init__(maker, first.start)
        self.pairs: list[tuple[Operand, Operand]] = []
        self.take_value(first, start)

    def take_value(self, value: Operand, start: int) -> None:
        """Take the value before an `if`, which stands at `start`."""
        if value.truth is not ARRAY:
            self.maker.need_number(value)
        self.value = value
        self.waits_for_else = start

    def take_condition(self, condition: Operand) -> None:
        """Take the condition before an `else`."""
        if condition.truth is not ARRAY:
            self.maker.need_condition(condition, "the word if")
        self.pairs.append((self.value, condition))
        self.waits_for_else = -1

    def close(self, last: Operand) -> Operand:
        """Make the Piecewise."""
        if self.waits_for_else >= 0:
            self.maker.fail("this if has no else; write a if c else b", self.waits_for_else)
        parts = [*chain.from_iterable(self.pairs), last]
        if any(part.truth is ARRAY for part in parts):
            return self.maker.elementwise(self.start, parts, self._one)
        self.maker.need_number(last)
        return Operand(_piecewise(self.maker, self.pairs, last), False, None, self.start)

    def _one(self, row: list[Operand]) -> Operand:
        """Make the choice of one element: value, condition, value, condition, ..., value."""
        made = Choice(self.maker, row[0], self.start)
        made.take_condition(row[1])
        for value, condition in zip(row[2:-1:2], row[3:-1:2], strict=True):
            made.take_value(value, self.start)
            made.take_condition(condition)
        return made.close(row[-1])


def _piecewise(maker: Maker, pairs: list[tuple[Operand, Operand]], last: Operand) -> Any:
    parts = [maker.make(ExprCondPair, value.expr, condition.expr) for value, condition in pairs]
    parts.append(maker.make(ExprCondPair, last.expr, sympy.true))
    return maker.make(sympy.Piecewise, *parts)


class Bracket(Open):
    """Something that ends at a bracket, not at an operator."""

    __slots__ = ()
    level = BRACKET
    closing: ClassVar[str] = ")"

    def comma(self, operand: Operand, start: int) -> None:
        """Take the operand before a comma."""
        raise NotImplementedError


class Line(Bracket):
    """The bottom of the stack: the outputs of a line, separated by commas."""

    __slots__ = ("outputs",)
    closing = ""

    def __init__(self, maker: Maker, start: int) -> None:
        super().__init__(maker, start)
        self.outputs: list[Operand] = []

    def comma(self, operand: Operand, start: int) -> None:
        """Take an output."""
        self.outputs.append(operand)


class Parenthesis(Bracket):
    """A parenthesis around one operand."""

    __slots__ = ()

    def comma(self, operand: Operand, start: int) -> None:
        """Refuse a tuple."""
        self.maker.fail("a comma within parentheses; write several outputs without them: a*b, a + b", start)

    def close(self, last: Operand) -> Operand:
        """Return the operand; it starts at its parenthesis."""
        return last._replace(start=self.start)


class List(Bracket):
    """An array written out: `[a, b]`, `[[a, b], [c, d]]`, with arrays for rows as well."""

    __slots__ = ("rows",)
    closing = "]"

    def __init__(self, maker: Maker, start: int) -> None:
        super().__init__(maker, start)
        self.rows: list[Operand] = []

    def comma(self, operand: Operand, start: int) -> None:
        """Take a row."""
        self.rows.append(operand)

    def close(self, last: Operand) -> Operand:
        """Make the array."""
        maker = self.maker
        self.rows.append(last)
        rows = [row.expr if row.truth is ARRAY else row for row in self.rows]
        found = maker.fitting(self.start, text_array.stacked, rows)
        maker.count(found.size)
        return maker.array(found, self.start)


class Call(Bracket):
    """A call of a function and the arguments read so far."""

    __slots__ = ("arguments", "word")

    def __init__(self, maker: Maker, word: Word, start: int) -> None:
        super().__init__(maker, start)
        self.word = word
        self.arguments: list[Operand] = []

    def comma(self, operand: Operand, start: int) -> None:
        """Take an argument."""
        self.arguments.append(operand)

    def close(self, last: Operand) -> Operand:
        """Make the call."""
        word, arguments, maker = self.word, self.arguments, self.maker
        arguments.append(last)
        if len(arguments) == 1 and last.truth is ARRAY and word.most is None:
            # max and min of an array: of its elements
            arguments = [element._replace(start=last.start) for element in last.expr.flat]
            if len(arguments) == 1:
                return arguments[0]
            self.arguments = arguments
        self._check_number()
        if word.name in FUNCTIONS_OF_ARRAYS:
            return self._of_arrays()
        if any(argument.truth is ARRAY for argument in arguments):
            return maker.elementwise(self.start, arguments, self._one)
        if word is WHERE:
            condition, yes, no = arguments
            maker.need_condition(condition, "where")
            maker.need_number(yes)
            maker.need_number(no)
            return Operand(_piecewise(maker, [(yes, condition)], no), False, None, self.start)
        for argument in arguments:
            maker.need_number(argument)
        values = [argument.value for argument in arguments]
        base = values[1] if word.name == "log" and len(values) > 1 else None
        if base is not None and (base <= 0 or base == 1):
            maker.fail("there is no logarithm to this base; it is positive and not 1", arguments[1].start)
        known = [float(value) for value in values if value is not None]
        value = maker.constant(self.start, word.value, *known) if len(known) == len(values) else None
        expr = word.build(*(argument.expr for argument in arguments), make=maker.make)
        return Operand(expr, False, value, self.start)

    def _one(self, row: list[Operand]) -> Operand:
        """Make the call of one element."""
        made = Call(self.maker, self.word, self.start)
        made.arguments = row[:-1]
        return made.close(row[-1])

    def _of_arrays(self) -> Operand:
        """Make the call of a function of whole arrays."""
        maker, name = self.maker, self.word.name
        for argument in self.arguments:
            if argument.truth is not ARRAY:
                maker.fail(f"{name} takes an array, and this is one number or condition", argument.start)
            maker.need_numbers(argument)
            maker.count(argument.expr.size)
        parts = [argument.expr for argument in self.arguments]
        _, function = FUNCTIONS_OF_ARRAYS[name]
        return maker.array(maker.fitting(self.start, function, _arithmetic(maker), *parts), self.start)

    def _check_number(self) -> None:
        word, count = self.word, len(self.arguments)
        if count < word.least or (word.most is not None and count > word.most):
            self.maker.fail(wrong_number(word, count), self.start)


def _arithmetic(maker: Maker) -> text_array.Arithmetic:
    """Return the arithmetic of operands, with which arrays are multiplied and summed."""

    def total(terms: Sequence[tuple[Operand, bool]]) -> Operand:
        open_sum: Sum | None = None
        *before, (last, negative) = terms
        for term, minus in before:
            if open_sum is None:
                assert not minus
                open_sum = Sum(maker, term, "+")
            else:
                open_sum.operator = "-" if minus else "+"
                open_sum.take(term, "+")
        if open_sum is None:
            return last
        open_sum.operator = "-" if negative else "+"
        return open_sum.close(last)

    def product(left: Operand, right: Operand) -> Operand:
        return Product(maker, left, "*").close(right)

    def root(operand: Operand) -> Operand:
        return Call(maker, FUNCTIONS["sqrt"], operand.start).close(operand)

    return text_array.Arithmetic(total, product, root)


def _matmul(maker: Maker, left: Operand, right: Operand) -> Operand:
    """Return the product left @ right."""
    for operand in (left, right):
        if operand.truth is not ARRAY:
            maker.fail("@ multiplies arrays; write * for a number", operand.start)
        maker.need_numbers(operand)
    maker.count(text_array.cost_of_matmul(left.expr, right.expr))
    found = maker.fitting(left.start, text_array.matmul, _arithmetic(maker), left.expr, right.expr)
    return maker.array(found, left.start)


def wrong_number(word: Word, count: int) -> str:
    """Return what to say of a call with so many arguments."""
    if word.most is None:
        wanted = f"at least {word.least} arguments"
    elif word.most != word.least:
        wanted = f"{word.least} or {word.most} arguments"
    else:
        wanted = f"{word.least} argument{'s' if word.least > 1 else ''}"
    return f"{word.name} takes {wanted}, not {count}; write {word.signature}"


OPENING: Final = frozenset("([")
CLOSING: Final = frozenset(")]")
_RELATIONS: Final[dict[str, Any]] = {
    "<": sympy.StrictLessThan,
    "<=": sympy.LessThan,
    ">": sympy.StrictGreaterThan,
    ">=": sympy.GreaterThan,
    "==": sympy.Equality,
    "!=": sympy.Unequality,
}
CHAINS: Final[dict[str, type[Chain]]] = {
    "+": Sum,
    "-": Sum,
    "*": Product,
    "/": Product,
    "@": Product,
    **dict.fromkeys(_RELATIONS, Comparison),
    "and": And,
    "or": Or,
}
WHERE: Final = Word("where", ("c", "a", "b"), unevaluated, float, "a where c holds, else b")
OF_ARRAYS: Final = {
    name: Word(name, args, unevaluated, float) for name, (args, _) in FUNCTIONS_OF_ARRAYS.items()
}


class ArraySum(ArrayChain):
    """Sums of which some operands are arrays."""

    __slots__ = ()
    level = SUM
    kind = Sum


class ArrayProduct(ArrayChain):
    """Products of which some operands are arrays."""

    __slots__ = ()
    level = PRODUCT
    kind = Product


class ArrayComparison(ArrayChain):
    """Comparisons of which some operands are arrays."""

    __slots__ = ()
    level = COMPARISON
    kind = Comparison


class ArrayAnd(ArrayChain):
    """Conditions joined by `and`, in arrays."""

    __slots__ = ()
    level = AND
    kind = And


class ArrayOr(ArrayChain):
    """Conditions joined by `or`, in arrays."""

    __slots__ = ()
    level = OR
    kind = Or


ARRAY_CHAINS: Final[dict[type[Chain], type[ArrayChain]]] = {
    one.kind: one for one in (ArraySum, ArrayProduct, ArrayComparison, ArrayAnd, ArrayOr)
}
