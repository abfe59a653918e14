"""A node of the graph as one line of the field's infix notation."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Graph
from tapeless.ir.primitives import Extern

_SUM, _NEGATIVE, _PRODUCT, _POWER, _ATOM = 10, 15, 20, 30, 100
_LOWEST: Final = 0
_INFIX: Final[dict[str, tuple[str, int, int, int]]] = {
    # symbol, own level, level demanded of the left and of the right operand
    "add": (" + ", _SUM, _SUM, _SUM),
    "sub": (" - ", _SUM, _SUM, _SUM + 1),
    "mul": ("*", _PRODUCT, _PRODUCT, _PRODUCT + 1),
    "div": ("/", _PRODUCT, _PRODUCT, _PRODUCT + 1),
    "pow": ("**", _POWER, _POWER + 1, _POWER),
    "lt": (" < ", 5, 6, 6),
    "le": (" <= ", 5, 6, 6),
    "eq": (" == ", 5, 6, 6),
    "ne": (" != ", 5, 6, 6),
}
_WORDS: Final[dict[str, tuple[str, int]]] = {"and": (" and ", 3), "or": (" or ", 2)}


def infix(graph: Graph, root: int, names: Mapping[int, str], width: int) -> str:
    """Write `root` as one line of at most `width` characters; "" where it is longer.

    Parameters
    ----------
    graph
        The graph.
    root
        The node.
    names
        Input scalar -> the name to write for it.
    width
        Give up beyond this many characters, so that shared nodes cannot blow the text up.
    """
    done: dict[int, tuple[str, int]] = {}
    for node in graph.reachable((root,)):
        text, level = _write(graph, node, names, done)
        # A node that is too long makes everything that uses it too long.
        if len(text) > width:
            return ""
        done[node] = (text, level)
    return done[root][0]


def listing(graph: Graph, roots: Mapping[str, int], names: Mapping[int, str], width: int = 100) -> list[str]:
    """Write `roots` as lines `name = formula`, with a line of its own for what is used more than once.

    Parameters
    ----------
    graph
        The graph.
    roots
        Name -> node, in the order wanted.
    names
        Input scalar -> the name to write for it.
    width
        Formulas longer than this are cut into several lines.

    Returns
    -------
    list of str
        In an order in which each name stands before its use.
    """
    live = graph.reachable(roots.values())
    uses = dict.fromkeys(live, 0)
    for node in live:
        for arg in graph.args[node]:
            uses[arg] += 1
    prefix = "t"
    while any(
        name.startswith(prefix) and name[len(prefix) :].isdigit() for name in (*names.values(), *roots)
    ):
        prefix += "_"
    done: dict[int, tuple[str, int]] = {}
    lines: list[str] = []
    for node in live:
        text, level = _write(graph, node, names, done)
        inner = bool(graph.args[node]) and not _is_constant(graph, node)
        if inner and ((uses[node] > 1 and len(text) > _SHORT) or len(text) > width):
            name = f"{prefix}{len(lines)}"
            lines.append(f"{name} = {text}")
            text, level = name, _ATOM
        done[node] = text, level
    return lines + [f"{name} = {done[node][0]}" for name, node in roots.items()]


_SHORT: Final = 8
"""A shared formula not longer than this is repeated rather than named."""


def _is_constant(graph: Graph, node: int) -> bool:
    return all(graph.ops[inner] != "input" for inner in graph.reachable((node,)))


def _write(
    graph: Graph, node: int, names: Mapping[int, str], done: Mapping[int, tuple[str, int]]
) -> tuple[str, int]:
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]

    def operand(position: int, level: int) -> str:
        text, own = done[args[position]]
        return text if own >= level else f"({text})"

    if op == "input":
        return names[payload], _ATOM  # type: ignore[index]
    if isinstance(payload, Fraction):
        return _number(payload)
    if isinstance(payload, Extern):
        return f"{payload.name}({', '.join(done[arg][0] for arg in args)})", _ATOM
    if op == "named":
        return str(payload), _ATOM
    if op in _INFIX:
        symbol, own, left, right = _INFIX[op]
        first = graph.payloads[args[0]]
        if op in ("mul", "div") and type(first) is Fraction and first < 0:
            return f"{done[args[0]][0]}{symbol}{operand(1, right)}", _NEGATIVE
        return f"{operand(0, left)}{symbol}{operand(1, right)}", own
    if op in _WORDS:
        word, own = _WORDS[op]
        return word.join(operand(k, own + 1) for k in range(len(args))), own
    if op == "neg":
        return f"-{operand(0, _PRODUCT)}", _NEGATIVE
    if op == "not":
        return f"not {operand(0, 5)}", 4
    if op == "select":
        return f"where({', '.join(done[arg][0] for arg in args)})", _ATOM
    return f"{op}({', '.join(done[arg][0] for arg in args)})" if args else op, _ATOM


def is_decimal(value: Fraction) -> bool:
    """Whether a rational is a finite decimal."""
    denominator = value.denominator
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator == 1


def _number(value: Fraction) -> tuple[str, int]:
    """Write a rational as a decimal where that is exact and short, else as a quotient, else rounded."""
    level = _ATOM if value >= 0 else _SUM
    if value.numerator.bit_length() > _DIGITS or value.denominator.bit_length() > _DIGITS:
        return _rounded(value), level
    if value.denominator == 1:
        return str(value.numerator), level
    for digits in (6, 17):
        decimal = f"{float(value):.{digits}g}"
        if Fraction(decimal) == value:
            return decimal, level
    return f"{value.numerator}/{value.denominator}", _PRODUCT if value >= 0 else _SUM


_DIGITS: Final = 128
"""Rationals of more bits are shown rounded."""


def _rounded(value: Fraction) -> str:
    from decimal import MAX_EMAX, MIN_EMIN, Context

    context = Context(prec=17, Emax=MAX_EMAX, Emin=MIN_EMIN)
    quotient = context.divide(
        context.create_decimal(value.numerator), context.create_decimal(value.denominator)
    )
    return str(quotient.normalize(context)).lower().replace("e+", "e")
