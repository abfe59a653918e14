"""The graph of a formula as people would draw it: a box per input, operation and output, constants within."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, NamedTuple

from tapeless.errors import DerivativeError
from tapeless.ir.graph import Builder, Graph
from tapeless.ir.notation import infix
from tapeless.ir.primitives import PRIMITIVES, Extern
from tapeless.ir.program import Input, Output, Program, compacted, finish
from tapeless.kinds import derive
from tapeless.report.mathml import greek
from tapeless.targets.reference import evaluate_flat

MOST: Final = 60
"""Boxes that are drawn."""
_SUMS: Final = frozenset(("add", "sub", "neg"))
_PRODUCTS: Final = frozenset(("mul", "div", "neg"))
_SPELT: Final = {
    "sqrt": "√", "cbrt": "∛", "log": "ln", "lt": "<", "le": "≤", "eq": "=", "ne": "≠", "gamma": "Γ",
    "loggamma": "ln Γ", "abs": "|·|", "sign": "sgn", "heaviside": "H", "floor": "⌊·⌋", "ceil": "⌈·⌉",
}  # fmt: skip
_ORDERED: Final = frozenset(("atan2", "fmod", "remainder", "copysign", "fdim", "lt", "le", "fma"))
"""Operations of which one must know which argument is the first."""
_SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CONSTANT: Final = 10
"""Characters of a constant that fit into a box."""
_DIGITS: Final = 20


class Edge(NamedTuple):
    """An arrow: where it begins, by the number of its box, and what is written on it."""

    source: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A box of the drawing.

    Attributes
    ----------
    kind
        `"input"`, `"operation"` or `"output"`.
    label
        What is written in it.
    formula
        What it computes, in the notation of formula text; "" where that is long.
    rule
        The rule of its derivative, or "".
    edges
        The arrows that end here.
    value, adjoint
        At the point of the drawing: its value, and the derivative of the first output by it. None where there is
        none.
    """

    kind: str
    label: str
    formula: str
    rule: str
    edges: tuple[Edge, ...]
    value: float | None = None
    adjoint: float | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """The boxes of a formula, each after those that its arrows come from; none where they are too many."""

    boxes: tuple[Box, ...]
    operations: int


def flow(program: Program, point: Sequence[float] | None) -> Flow:
    """Return what is to be drawn of a program.

    Parameters
    ----------
    program
        The function.
    point
        One number per input scalar, for values and adjoints; None for neither.
    """
    program = compacted(program)
    drawer = _Drawer(program)
    if len(drawer.shown) + len(program.roots) > MOST:
        return Flow((), drawer.operations)
    numbers = _numbers(program, drawer.shown, point) if point is not None else {}
    return Flow(tuple(drawer.boxes(numbers)), drawer.operations)


class _Drawer:
    """Decides which nodes get a box, and what stands in it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        graph = self.graph = program.graph
        self.names = _lane_names(program)
        self.constant = graph.constants()
        live = graph.reachable(program.roots)
        self.operations = sum(bool(graph.args[node]) and not self.constant[node] for node in live)
        users: dict[int, list[int]] = {}
        for node in live:
            for arg in graph.args[node]:
                users.setdefault(arg, []).append(node)
        roots = Counter(program.roots)
        self.taken = {
            node
            for node in live
            if len(users.get(node, ())) == 1 and not roots[node] and self._joins(node, users[node][0])
        }
        lone = set(roots) if len(program.roots) else set()
        self.shown = [
            node for node in live if node not in self.taken and (not self.constant[node] or node in lone)
        ]

    def _joins(self, node: int, user: int) -> bool:
        """Whether a node is drawn as a part of its only user: a sum within a sum, a product within a product."""
        op, other = self.graph.ops[node], self.graph.ops[user]
        if self.constant[node]:
            return False
        if op in ("add", "sub"):
            return other in _SUMS
        if op in ("mul", "div"):
            return other in _PRODUCTS
        return op == "neg" and (other in _SUMS or other in _PRODUCTS)

    def boxes(self, numbers: dict[int, tuple[float, float]]) -> list[Box]:
        place: dict[int, int] = {}
        found: list[Box] = []
        # Inputs that nothing uses are not part of the drawing.
        for node in self.shown:
            op = self.graph.ops[node]
            label, arrows = self._content(node)
            value, adjoint = numbers.get(node, (None, None))
            found.append(
                Box(
                    "input" if op == "input" else "operation",
                    label,
                    infix(self.graph, node, self.names, 120),
                    _rule(op),
                    tuple(Edge(place[source], mark) for source, mark in arrows),
                    _shown(value),
                    _shown(adjoint),
                )
            )
            place[node] = len(found) - 1
        for output in self.program.outputs:
            for k, node in enumerate(output.nodes):
                label = f"{greek(output.name)}[{k}]" if output.shape else greek(output.name)
                found.append(Box("output", label, "", "", (Edge(place[node]),)))
        return found

    def _content(self, node: int) -> tuple[str, list[tuple[int, str]]]:
        """Return the label of a box and its arrows: the node each comes from, and its mark."""
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if op == "input":
            return greek(self.names[payload]), []  # type: ignore[index]
        if self.constant[node]:
            return self._constant(node), []
        if op in ("add", "sub") or (op == "neg" and self._is_sum(args[0])):
            return self._sum(node)
        if op in _PRODUCTS:
            return self._product(node)
        if op == "pow":
            return self._power(args)
        if op == "select":
            return self._choice(args)
        word = payload.name if isinstance(payload, Extern) else _SPELT.get(op, op)
        return self._call(word, op, args)

    def _is_sum(self, node: int) -> bool:
        return node in self.taken and self.graph.ops[node] in ("add", "sub")

    def _sum(self, root: int) -> tuple[str, list[tuple[int, str]]]:
        arrows: list[tuple[int, str]] = []
        constants: list[tuple[str, bool]] = []
        stack = [(root, False)]
        while stack:
            node, negative = stack.pop()
            op, args = self.graph.ops[node], self.graph.args[node]
            if op in _SUMS and (node == root or node in self.taken):
                if op == "neg":
                    stack.append((args[0], not negative))
                else:
                    stack.append((args[1], negative is (op == "add")))
                    stack.append((args[0], negative))
            elif self.constant[node]:
                constants.append((self._constant(node), negative))
            else:
                arrows.append((node, "−" if negative else ""))
        return _summed(arrows, constants)

    def _product(self, root: int) -> tuple[str, list[tuple[int, str]]]:
        arrows: list[tuple[int, str]] = []
        above: list[str] = []
        below: list[str] = []
        negative = False
        stack = [(root, False)]
        while stack:
            node, under = stack.pop()
            op, args = self.graph.ops[node], self.graph.args[node]
            if op in _PRODUCTS and (node == root or node in self.taken):
                if op == "neg":
                    negative = not negative
                    stack.append((args[0], under))
                else:
                    stack.append((args[1], under is (op == "mul")))
                    stack.append((args[0], under))
            elif self.constant[node]:
                text = self._constant(node)
                if text.startswith("−"):
                    negative, text = not negative, text[1:]
                (below if under else above).append(text)
            else:
                arrows.append((node, "÷" if under else ""))
        return _multiplied(arrows, [text for text in above if text != "1"], below, negative)

    def _power(self, args: Sequence[int]) -> tuple[str, list[tuple[int, str]]]:
        base, exponent = args
        if self.constant[exponent]:
            text = self._constant(exponent)
            raised = text.replace("−", "-")
            if raised.lstrip("-").isdigit():
                return f"·{raised.translate(_SUPERSCRIPT)}", [(base, "")]
            return f"·^{text}", [(base, "")]
        if self.constant[base]:
            return f"{self._constant(base)}^·", [(exponent, "")]
        return "xʸ", [(base, "x"), (exponent, "y")]

    def _choice(self, args: Sequence[int]) -> tuple[str, list[tuple[int, str]]]:
        marks = ("if", "then", "else")
        arrows = [(arg, mark) for arg, mark in zip(args, marks, strict=True) if not self.constant[arg]]
        said = [
            f"{mark} {self._constant(arg)}"
            for arg, mark in zip(args, marks, strict=True)
            if self.constant[arg]
        ]
        return ", ".join(said) or "choose", arrows

    def _call(self, word: str, op: str, args: Sequence[int]) -> tuple[str, list[tuple[int, str]]]:
        moving = [arg for arg in args if not self.constant[arg]]
        marked = len(moving) > 1 and op in _ORDERED
        arrows = [(arg, str(k + 1) if marked else "") for k, arg in enumerate(args) if not self.constant[arg]]
        if len(moving) == len(args):
            return word, arrows
        inner = [self._constant(arg) if self.constant[arg] else "·" for arg in args]
        if op in ("lt", "le", "eq", "ne"):
            return f"{inner[0]} {word} {inner[1]}", arrows
        return f"{word}({', '.join(inner)})", arrows

    def _constant(self, node: int) -> str:
        text = infix(self.graph, node, {}, 4 * _CONSTANT)
        if len(text) > _CONSTANT or not text:
            value = _finite(evaluate_flat(_single(self.graph, node), (), _DIGITS)[0])
            text = f"{value:.4g}"
        text = re.sub(r"sqrt\((\w+)\)", r"√\1", text)
        for word, sign in (("pi", "π"), ("sqrt", "√"), ("inf", "∞"), ("-", "−")):
            text = text.replace(word, sign)
        return text


def _summed(
    arrows: list[tuple[int, str]], constants: list[tuple[str, bool]]
) -> tuple[str, list[tuple[int, str]]]:
    said = [
        (text[1:], not negative) if text.startswith("−") else (text, negative) for text, negative in constants
    ]
    tail = "".join(f" {'−' if negative else '+'} {text}" for text, negative in said)
    if len(arrows) == 2 and not tail and sorted(mark for _, mark in arrows) == ["", "−"]:
        return "−", arrows
    if len(arrows) > 1:
        return f"+{' …' if tail else ''}{tail}", arrows
    [(node, mark)] = arrows
    if not tail:
        return f"{mark}·", [(node, "")]
    if mark and len(said) == 1 and not said[0][1]:
        return f"{said[0][0]} − ·", [(node, "")]
    return f"{mark}·{tail}", [(node, "")]


def _multiplied(
    arrows: list[tuple[int, str]], above: list[str], below: list[str], negative: bool
) -> tuple[str, list[tuple[int, str]]]:
    factor = " ".join(above)
    divisor = "".join(f" / {text}" for text in below)
    sign = "−" if negative else ""
    if len(arrows) == 1:
        [(node, mark)] = arrows
        if mark:
            return f"{sign}{factor or 1} / ·{divisor}", [(node, "")]
        if not factor and not divisor:
            return f"{sign}·", [(node, "")]
        return f"{sign}{factor} ·{divisor}".replace(" ·", " ·" if factor else "·"), [(node, "")]
    if len(arrows) == 2 and sorted(mark for _, mark in arrows) == ["", "÷"]:
        return f"{sign}{factor}{' ' if factor else ''}÷{divisor}", arrows
    if factor or divisor or negative:
        return f"{sign}{factor}{' ' if factor else ''}×{divisor}", arrows
    return "×", arrows


def _rule(op: str) -> str:
    row = PRIMITIVES.get(op)
    if row is None or not row.rules or not row.args or row.boolean:
        return ""
    if op in (*_SUMS, *_PRODUCTS):
        return ""
    rules = [rule for rule in row.rules if rule != "0"]
    return f"y = {op}({', '.join(row.args)}), each argument receives {'; '.join(rules)}" if rules else ""


def _lane_names(program: Program) -> dict[int, str]:
    from tapeless.targets.formulas import symbols_of

    symbols = [str(symbol) for item in program.inputs for symbol in symbols_of(item)]
    return dict(enumerate(symbols))


def _single(graph: Graph, node: int) -> Program:
    return compacted(Program("c", (), (Output("c", (node,)),), graph))


# ---- values and adjoints


def _numbers(
    program: Program, shown: Sequence[int], point: Sequence[float]
) -> dict[int, tuple[float, float]]:
    """Return value and adjoint of nodes: each is moved by an input of its own, one gradient gives all adjoints."""
    graph, builder = program.graph, Builder()
    wanted = {node for node in shown if not graph.is_boolean(node)}
    made: dict[int, int] = {}
    values: dict[int, int] = {}
    moved: list[int] = []
    for node in graph.reachable(program.roots):
        op, payload = graph.ops[node], graph.payloads[node]
        inner = tuple(made[arg] for arg in graph.args[node])
        made[node] = (
            builder.extern(payload, *inner)
            if isinstance(payload, Extern)
            else builder.node(op, inner, payload)
        )
        if node in wanted:
            values[node] = made[node]
            made[node] = builder.node("add", (made[node], builder.input(program.lanes + len(moved))))
            moved.append(node)
    if not moved:
        return {}
    shifts = Input("shift", (len(moved),))
    first = Output("out", (made[program.roots[0]],))
    inputs = (*program.inputs, shifts)
    moving = finish(program.name, inputs, [first], builder)
    lanes = [*point, *([0.0] * len(moved))]
    try:
        derived = derive(moving, "grad", ("shift",))
    except DerivativeError:  # the values alone would leave half of each box empty
        return {}
    adjoints = evaluate_flat(derived, lanes, _DIGITS)
    observed = Output("values", tuple(values[node] for node in moved), (len(moved),))
    plain = evaluate_flat(finish(program.name, inputs, [observed], builder), lanes, _DIGITS)
    return {
        node: (_finite(value), _finite(adjoint))
        for node, value, adjoint in zip(moved, plain, adjoints, strict=True)
    }


def _finite(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return float("nan")


def _shown(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


__all__ = ["MOST", "Box", "Edge", "Flow", "flow"]
