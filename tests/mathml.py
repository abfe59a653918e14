"""Presentation MathML read back as arithmetic, to hold what is shown against what is meant."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping

CORE = frozenset("math mrow mi mn mo mtext mfrac msqrt mroot msub msup mover mtable mtr mtd".split())
"""Elements of MathML Core that a page may use."""
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ln": math.log, "sin": math.sin, "cos": math.cos, "tan": math.tan, "tanh": math.tanh, "sinh": math.sinh,
    "cosh": math.cosh, "erf": math.erf, "erfc": math.erfc, "exp": math.exp, "max": max, "min": min,
    "log1p": math.log1p, "log2": math.log2, "log10": math.log10,
    "expm1": math.expm1, "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan,
    "atan2": math.atan2, "hypot": math.hypot, "sgn": lambda x: (x > 0) - (x < 0), "fmod": math.fmod,
}  # fmt: skip
_BINARY = {
    "+": "+",
    "−": "-",
    "\u2062": "*",
    "·": "*",
    ",": ",",
    "<": "<",
    "≤": "<=",
    ">": ">",
    "≥": ">=",
    "=": "==",
    "≠": "!=",
}
_WORDS = {"and": " and ", "or": " or ", "not": " not ", "otherwise": "True", "if": ""}


def parse(markup: str) -> ET.Element:
    """Parse markup, which must be well-formed and use no element but the core's."""
    tree = ET.fromstring(markup)
    unknown = {element.tag for element in tree.iter()} - CORE
    if unknown:
        raise AssertionError(f"not in MathML Core: {unknown}")
    return tree


def names(tree: ET.Element) -> set[str]:
    """All identifiers that are written."""
    return {"".join(element.itertext()) for element in tree.iter() if element.tag in ("mi", "msub")}


def value(markup: str, values: Mapping[str, float]) -> float:
    """Compute a formula from its markup.

    Parameters
    ----------
    markup
        A formula without an equals sign.
    values
        Name, as it is written, with its index behind it (`s1`, `x0`) -> number.
    """
    code = _read(parse(markup))
    table = {f"n{k}": number for k, number in enumerate(values.values())}
    places = {name: f"n{k}" for k, name in enumerate(values)}
    functions = {f"f_{name}": function for name, function in FUNCTIONS.items()}
    text = code
    for name in sorted(places, key=len, reverse=True):
        text = text.replace(f"⟦{name}⟧", places[name])
    return float(
        eval(
            text,
            {"__builtins__": {}},
            {**table, **functions, "abs": abs, "sqrt": math.sqrt, "floor": math.floor},
        )
    )


def _read(element: ET.Element) -> str:
    kids = list(element)
    tag, text = element.tag, "".join(element.itertext())
    if tag == "mn":
        return text
    if tag == "mi":
        return {"π": repr(math.pi), "e": repr(math.e)}.get(text, f"⟦{text}⟧")
    if tag == "msub":
        return f"⟦{text}⟧"
    if tag == "mfrac":
        return f"(({_read(kids[0])})/({_read(kids[1])}))"
    if tag == "msqrt":
        return f"sqrt({_row(kids)})"
    if tag == "mroot":
        return f"(({_read(kids[0])})**(1/({_read(kids[1])})))"
    if tag == "msup":
        return f"(({_read(kids[0])})**({_read(kids[1])}))"
    if tag == "mtable":
        rows = [(_read(row[0]), _read(row[1])) for row in kids]
        text = "0.0"
        for shown, condition in reversed(rows):
            text = f"(({shown}) if ({condition}) else {text})"
        return text
    if tag == "mtext":
        return _WORDS[text.replace("\u00a0", " ").strip()]
    return _row(kids)


def _row(kids: list[ET.Element]) -> str:
    """Read elements side by side; a name before an invisible application is a function."""
    parts: list[str] = []
    k = 0
    while k < len(kids):
        element = kids[k]
        text = "".join(element.itertext())
        if element.tag == "mo":
            fences = {"(": "(", ")": ")", "|": None}
            if text == "|":
                parts.append("abs(" if element.get("form") == "prefix" else ")")
            elif text in fences:
                parts.append(text)
            else:
                parts.append(_BINARY[text])
        elif k + 1 < len(kids) and "".join(kids[k + 1].itertext()) == "\u2061":
            argument = _read(kids[k + 2])
            if element.tag == "msub":
                parts.append(f"f_{text}{argument}")
            elif element.tag == "msup":
                parts.append(f"(f_{''.join(element[0].itertext())}{argument}**({_read(element[1])}))")
            else:
                parts.append(f"f_{text}{argument}")
            k += 2
        else:
            parts.append(_read(element))
        k += 1
    return "".join(parts)


__all__ = ["names", "parse", "value"]
