"""Formula text to tokens, one at a time, each with its place in the text; and literals to exact numbers.

What has no place in a formula is refused here, each with what to write instead. Nothing is ever evaluated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from tapeless.errors import FormulaError, LimitError

MAX_DIGITS: Final = 1000
"""Digits of one literal. No double needs more than 767 to be told from its neighbours."""
MAX_NAME: Final = 1000
"""Characters of one name."""

Token = tuple[str, str, int]
"""Kind, text and place. The kind is "name", "number", "newline" or "end", else the word or sign itself."""

KEYWORDS: Final = frozenset({"if", "else", "and", "or", "not", "return"})
"""Words with a kind of their own."""

_DIGITS = r"[0-9](?:_?[0-9])*"
_TOKEN: Final = re.compile(
    rf"""[ \t\r\f\v]*(?:
      (?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)
    | (?P<number>(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?)
    | (?P<refused>\*\*=|//=?|:=|->|\+=|-=|\*=|/=|=<|=>|<>|<<|>>|&&|\|\||!(?!=))
    | (?P<symbol>\*\*|<=|>=|==|!=|[-+*/@()<>,=:\[\]])
    | (?P<newline>\n)
    | (?P<comment>\#[^\n]*)
    | (?P<end>\Z)
    | (?P<other>.)
    )""",
    re.VERBOSE | re.DOTALL,
)

_LET = "a line gives a name to a formula with =: d = x - y"
_SIGNS: Final[dict[str, str]] = {
    "^": "powers are written **: x**2",
    "//": "for the whole part of a quotient write floor(x/y)",
    "%": "for the rest of a division write fmod(x, y), of the sign of x, or x - y*floor(x/y), of the sign of y",
    "&": "conditions are joined by the word and",
    "&&": "conditions are joined by the word and",
    "|": "conditions are joined by the word or; the absolute value of x is abs(x)",
    "||": "conditions are joined by the word or",
    "~": "a condition is negated by the word not",
    "!": "a condition is negated by the word not; the factorial of n is gamma(n + 1)",
    "<>": "unequal is written !=",
    "=<": "at most is written <=",
    "=>": "at least is written >=",
    "<<": "for x*2**n write ldexp(x, n)",
    ">>": "for x/2**n write ldexp(x, -n)",
    "->": _LET,
    ":=": _LET,
    "+=": "each name is given once; take a new name: e = d + x",
    "-=": "each name is given once; take a new name: e = d - x",
    "*=": "each name is given once; take a new name: e = d*x",
    "/=": "each name is given once; take a new name: e = d/x; unequal is written !=",
    "//=": "each name is given once",
    "**=": "each name is given once",
    "'": "a formula holds no text in quotes",
    '"': "a formula holds no text in quotes",
    "`": "leave the quotes out",
    "{": "use parentheses: (x + 1)*y",
    "}": "use parentheses: (x + 1)*y",
    ";": "write one formula on each line, or several results separated by commas",
    ".": "names have no attributes; write sin(x), not np.sin(x), and a number as 0.5",
    "?": "write a if c else b, or where(c, a, b)",
    "$": "leave it out",
    "\\": "LaTeX is not read; a formula in parentheses may go over several lines without a backslash",
    "×": "a product is written *",
    "·": "a product is written *",
    "⋅": "a product is written *",
    "∙": "a product is written *",
    "∗": "a product is written *",
    "÷": "a quotient is written /",
    "∕": "a quotient is written /",
    "⁄": "a quotient is written /",
    "−": "minus is written with the plain sign -",
    "–": "minus is written with the plain sign -",
    "—": "minus is written with the plain sign -",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "∧": "write and",
    "∨": "write or",
    "¬": "write not",
    "√": "write sqrt(x)",
    "∞": "write oo",
    "²": "write x**2",
    "³": "write x**3",
    "“": "a formula holds no text in quotes",
    "”": "a formula holds no text in quotes",
    "‘": "a formula holds no text in quotes",
    "’": "a formula holds no text in quotes; leave the prime of a derivative out",
}
_OTHER_BASE: Final = re.compile(r"[xX][0-9a-fA-F]|[bB][01]|[oO][0-7]")
_SHOWN: Final = 24


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a formula text; after the last one, "end" for ever.

    Line ends within parentheses and brackets, blanks and comments are left out. Names are normalised to NFKC,
    as Python does with its own.

    Raises
    ------
    FormulaError
        At a character or a number that has no place in a formula.
    LimitError
        At a name that is too long.
    """
    depth = 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        assert kind is not None
        start = found.start(kind)
        word = found[kind]
        if kind == "name":
            if not word.isascii():
                word = _normalised(text, start, word)
            if len(word) > MAX_NAME:
                raise LimitError(f"a name has more than {MAX_NAME} characters", text, start)
            yield (word if word in KEYWORDS else "name"), word, start
        elif kind == "symbol":
            if word in "([":
                depth += 1
            elif word in ")]":
                depth -= 1
            yield word, word, start
        elif kind == "number":
            end = found.end()
            if end < len(text) and (text[end] in "_." or text[end].isalpha()):
                _refuse_glued(text, start, end)
            yield kind, word, start
        elif kind == "newline":
            if depth <= 0:
                yield kind, word, start
        elif kind in ("refused", "other"):
            raise FormulaError(_hint(word), text, start)
    end = len(text)
    while True:
        yield "end", "", end


def number(text: str, start: int, word: str) -> int | Fraction:
    """Return the exact value of a literal.

    Parameters
    ----------
    text, start
        The formula text and the place of the literal, for errors.
    word
        The literal.

    Raises
    ------
    LimitError
        A literal with too many digits, or one that a double cannot hold: 1e400, 1e-5000.
    """
    word = word.replace("_", "").lower()
    mantissa, _, exponent = word.partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits = whole + decimals
    if len(digits) > MAX_DIGITS:
        raise LimitError(f"a number has {len(digits)} digits; the limit is {MAX_DIGITS}", text, start)
    # In double first: it bounds the exponent before any power of ten is made, however many digits that has.
    near = float(word)
    if near == float("inf"):
        raise LimitError("a number is too large for a double, whose largest is 1.8e308", text, start)
    if near == 0:
        if digits.strip("0"):
            raise LimitError("a number is too small for a double, whose smallest is 5e-324", text, start)
        return 0
    shift = int(exponent or 0) - len(decimals)
    if shift >= 0:
        scale: int = 10**shift
        return int(digits) * scale
    value = Fraction(int(digits), 10**-shift)
    return value.numerator if value.denominator == 1 else value


def shown(word: str) -> str:
    """Return a word of the text for a message, cut to a readable length."""
    return word if len(word) <= _SHOWN else word[: _SHOWN - 3] + "..."


def _normalised(text: str, start: int, word: str) -> str:
    """Return a name with letters beyond ASCII in normal form, as Python reads it."""
    if word.isidentifier():
        return unicodedata.normalize("NFKC", word)
    for offset, character in enumerate(word):
        if not (character if offset == 0 else "a" + character).isidentifier():
            raise FormulaError(_hint(character), text, start + offset)
    raise AssertionError(word)


def _hint(sign: str) -> str:
    if sign in _SIGNS:
        return f"{sign} has no place in a formula: {_SIGNS[sign]}"
    name = unicodedata.name(sign, f"U+{ord(sign):04X}")
    shown_sign = f"{sign} " if sign.isprintable() and not sign.isspace() else ""
    return f"{shown_sign}({name}) has no place in a formula"


def _refuse_glued(text: str, start: int, end: int) -> None:
    """Refuse a number with a letter, a point or an underscore right after it."""
    digits = text[start:end]
    following = re.compile(r"\w*").match(text, end)
    assert following is not None
    word = following[0]
    if digits == "0" and _OTHER_BASE.match(word):
        raise FormulaError("numbers are decimal; write this one in base 10", text, start)
    if word in ("j", "J"):
        raise FormulaError(
            f"there are no complex numbers; if {word} is a variable, write {shown(digits)}*{word}",
            text,
            start,
        )
    if text[end] == ".":
        raise FormulaError("a number has one decimal point", text, end)
    if text[end] == "_":
        raise FormulaError("in a number, an underscore stands between two digits: 1_000", text, end)
    raise FormulaError(
        f"an operator is missing: for a product write {shown(digits)}*{shown(word)}", text, end
    )
