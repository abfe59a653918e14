"""Formula text to sympy, by a parser of our own.

Nothing is evaluated: no `eval`, `ast`, `sympify` or `parse_expr`, and sympy does no algebra either, every
expression stands as it was written. The parser is an operator-precedence parser with a stack of its own, so that
depth costs no Python frames; sums, products, comparisons and `if/else` chains are n-ary, so that length costs no
depth; one pass, linear time.

Equal subexpressions of one text are one sympy object, and so is a let wherever it is used. What operands are
stands in text_operands.py, what an operator or a call makes of them in text_constructs.py.

An element `x[0]` of a declared array is the plain symbol called "x[0]" (`A[0, 1]` for two indices), the same that
shows it when formulas are printed. No name of a formula can hold a bracket, so it cannot be mistaken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, product
from typing import Any, Final, NoReturn

import numpy as np
import sympy

from tapeless.errors import FormulaError, LimitError
from tapeless.frontend import text_array
from tapeless.frontend.lexer import KEYWORDS, Token, number, shown, tokens
from tapeless.frontend.text_constructs import (
    ARRAY_CHAINS,
    BRACKET,
    CHAINS,
    CHOICE,
    CLOSING,
    COMPARISON,
    NOT,
    OF_ARRAYS,
    OPENING,
    POWER,
    WHERE,
    Call,
    Chain,
    Choice,
    Line,
    List,
    Not,
    Open,
    Parenthesis,
    Power,
    Sign,
    wrong_number,
)
from tapeless.frontend.text_operands import ARRAY, Maker, Operand
from tapeless.frontend.vocabulary import ADVICE, FUNCTIONS, Word

MAX_LENGTH: Final = 10_000_000
"""Characters of a formula text."""
MAX_NESTING: Final = 1000
"""Parentheses, calls and powers within each other."""
MAX_SCALARS: Final = 1_000_000
"""Scalars of all declared inputs together."""


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
        self.maker = Maker(text)
        self.stream: Iterator[Token] = tokens(text)
        self.inputs: dict[str, Declared] = {}
        self.header: str | None = None  # as it is shown in messages
        self.lets: dict[str, int] = {}  # name -> where it was given
        # What a name stands for; constants, scalars and lets are found here at once
        self.known: dict[str, Operand] = {
            name: Operand(expr, False, value, 0) for name, (expr, value) in _CONSTANTS.items()
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
                tuple(element.expr for element in output.expr.flat) if output.truth is ARRAY else output.expr
                for output in outputs
            ),
            self._name_outputs(names),
            tuple(output.expr.shape if output.truth is ARRAY else () for output in outputs),
        )

    def _advance(self) -> None:
        self.token, self.ahead = self.ahead, next(self.stream)

    def _skip_newlines(self) -> None:
        while self.token[0] == "newline":
            self._advance()

    def _at_block(self) -> bool:
        return self.token[0] == "return" or (self.token[0] == "name" and self.ahead[0] == "=")

    def _block(self) -> tuple[list[Operand], list[str | None]]:
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

    def _outputs(self) -> tuple[list[Operand], list[str | None]]:
        """Read formulas separated by commas up to the end of the line; for each the let that it is, or None."""
        names: list[str | None] = []
        operands: list[Operand] = []
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
            self.known[item.name] = Operand(_symbol(item.name), False, None, start)
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

    def _expression(self) -> tuple[Operand, bool]:
        """Read one formula of a line; also return whether a comma follows. Stops after that comma, else before
        the end of the line.

        The hot loop: an operand, an operator, an operand, ... with what is open on a stack.
        """
        maker, known, advance = self.maker, self.known, self.stream.__next__
        token, ahead = self.token, self.ahead
        base = Line(maker, token[2])
        stack: list[Open] = [base]
        nesting = 0
        while True:
            # ---- an operand, and what may stand before it
            kind, word, start = token
            if kind == "name":
                following = ahead[0]
                if following == "(":
                    stack.append(Call(maker, self._function(word, start), start))
                    nesting += 1
                    if nesting > MAX_NESTING:
                        self._refuse_nesting(start)
                    token, ahead = advance(), advance()
                    if token[0] == ")":
                        self.fail(wrong_number(stack[-1].word, 0), start)  # type: ignore[attr-defined]
                    continue
                if following == "[":
                    operand = self._indexed(word, start)
                    ahead = advance()
                else:
                    found = known.get(word)
                    operand = (
                        self._variable(word, start)
                        if found is None
                        else Operand(found.expr, found.truth, found.value, start)
                    )
            elif kind == "number":
                value = number(self.text, start, word)
                operand = Operand(maker.literal(value), False, value, start)
            elif kind in OPENING:
                stack.append(Parenthesis(maker, start) if kind == "(" else List(maker, start))
                nesting += 1
                if nesting > MAX_NESTING:
                    self._refuse_nesting(start)
                token, ahead = ahead, advance()
                continue
            elif kind in ("-", "+"):
                sign = stack[-1]
                if not isinstance(sign, Sign):
                    sign = Sign(maker, start)
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
                chain_of = CHAINS.get(kind)
                if chain_of is not None:
                    level = chain_of.level
                    top = stack[-1]
                    while top.level > level:
                        operand = top.close(operand)
                        nesting -= top.level == POWER
                        stack.pop()
                        top = stack[-1]
                    if operand.truth is ARRAY or kind == "@":
                        self._take_array(stack, chain_of, operand, kind)
                    elif top.level == level:
                        top.take(operand, kind)  # type: ignore[attr-defined]
                    else:
                        stack.append(chain_of(maker, operand, kind))
                    break
                if kind == "**":
                    stack.append(Power(maker, operand))
                    nesting += 1
                    if nesting > MAX_NESTING:
                        self._refuse_nesting(start)
                    break
                lowest = CHOICE if kind in ("if", "else") else BRACKET
                while stack[-1].level > lowest:
                    top = stack.pop()
                    operand = top.close(operand)
                    nesting -= top.level == POWER
                top = stack[-1]
                if kind in CLOSING:
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

    def _take_array(self, stack: list[Open], kind: type[Chain], operand: Operand, operator: str) -> None:
        """Take an operand of a chain with arrays."""
        top = stack[-1]
        if top.level == kind.level:
            assert isinstance(top, Chain)
            stack[-1] = arrays = top.with_arrays()
            arrays.take(operand, operator)
        else:
            stack.append(ARRAY_CHAINS[kind](self.maker, operand, operator))

    def _open_not(self, stack: list[Open], start: int) -> None:
        top = stack[-1]
        if top.level > NOT:
            self.fail("put parentheses around the not and its condition: (not c)", start)
        if not isinstance(top, Not):
            top = Not(self.maker, start)
            stack.append(top)
        top.negative = not top.negative

    def _choose(self, stack: list[Open], operand: Operand, word: str, start: int) -> None:
        """Take an `if` or `else` after an operand."""
        top = stack[-1]
        if word == "if":
            if not isinstance(top, Choice):
                stack.append(Choice(self.maker, operand, start))
            elif top.waits_for_else >= 0:
                self.fail(
                    "put parentheses around a choice within a condition: a if (p if c else q) > 0 else b",
                    start,
                )
            else:
                top.take_value(operand, start)
        elif isinstance(top, Choice) and top.waits_for_else >= 0:
            top.take_condition(operand)
        else:
            self.fail("this else has no if; write a if c else b", start)

    # ---- names

    def _function(self, name: str, start: int) -> Word:
        """Return the function that is called."""
        if name == "where":
            return WHERE
        word = FUNCTIONS.get(name) or OF_ARRAYS.get(name)
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

    def _variable(self, name: str, start: int) -> Operand:
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
        operand = Operand(_symbol(name), False, None, start)
        self.known[name] = operand
        return operand

    def _whole(self, item: Declared, start: int) -> Operand:
        """Return an input with a shape as an array."""
        elements = [Operand(symbol, False, None, start) for symbol in item.symbols]
        self.maker.count(len(elements))
        array = self.maker.fitting(start, text_array.in_shape, elements, item.shape)
        operand = self.maker.array(array, start)
        self.known[item.name] = operand
        return operand

    def _indexed(self, name: str, start: int) -> Operand:
        """Read the indices after a name and its bracket, and return the element, or the part of the array."""
        item, known = self.inputs.get(name), self.known.get(name)
        if item is not None and item.shape:
            shape = item.shape
        elif known is not None and known.truth is ARRAY:
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
                return Operand(_element(name, tuple(places)), False, None, start)
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

    def _refuse_operand(self, token: Token, stack: list[Open]) -> NoReturn:
        """Refuse what stands where a number, a name or a parenthesis is needed."""
        kind, word, start = token
        top = stack[-1]
        if kind in ("end", "newline"):
            self._refuse_open(stack)
            self.fail("the formula stops where an operand is needed", start)
        if kind == ")":
            empty = isinstance(top, Parenthesis)
            self.fail("empty parentheses" if empty else "an operand is needed before this parenthesis", start)
        if kind == ",":
            self.fail("an operand is needed before this comma", start)
        if kind == "]":
            self.fail("an operand is needed before this bracket", start)
        if kind == "if":
            self.fail("a choice is written a if c else b, or where(c, a, b)", start)
        if kind == "return":
            self.fail("return starts a line", start)
        if kind == "=" and top.level == COMPARISON:
            self.fail("equality is written ==", start)
        self.fail(f"an operand is needed before {word}", start)

    def _refuse_open(self, stack: list[Open]) -> None:
        """Refuse a parenthesis that is not closed."""
        for entry in reversed(stack):
            if isinstance(entry, Parenthesis | Call | List):
                self._refuse_unclosed(entry)

    def _refuse_unclosed(self, entry: Open) -> NoReturn:
        if isinstance(entry, List):
            self.fail("this bracket is not closed", entry.start)
        start = self.text.index("(", entry.start)
        self.fail("this parenthesis is not closed", start)

    def _refuse_closing(self, token: Token, top: Open) -> NoReturn:
        """Refuse a closing bracket that is not the one that is open."""
        kind, _, start = token
        if isinstance(top, List):
            self.fail("this bracket is not closed", top.start)
        name = "parenthesis" if kind == ")" else "bracket"
        self.fail(f"there is no opening {name} for this one", start)

    def _refuse_operator(self, token: Token, ahead: Token, top: Open) -> NoReturn:
        """Refuse what stands where an operator is needed."""
        kind, word, start = token
        if kind in ("end", "newline"):
            self._refuse_unclosed(top)
        if kind == "=":
            if isinstance(top, Call):
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
