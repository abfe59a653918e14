"""What a formula does at the ends of its domain and at kinks: the rows of the table that it uses."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Graph
from tapeless.ir.primitives import PRIMITIVES, REAL, Edge, Primitive
from tapeless.ir.program import Program

_SIGNS: Final = {"div": "a/b", "pow": "a**b", "select": "a if c else b"}


@dataclass(frozen=True, slots=True)
class Convention:
    """One function.

    Attributes
    ----------
    function
        How it is written.
    domain
        Where it has a value.
    edges
        What holds at its special points, in words.
    """

    function: str
    domain: str
    edges: str


def conventions(program: Program) -> list[Convention]:
    """Return what is worth knowing of the functions that a program uses; constants count for nothing."""
    graph = program.graph
    constant = graph.constants()
    used = {
        graph.ops[node]
        for node in graph.reachable(program.roots)
        if graph.args[node] and not constant[node] and not _is_harmless(graph, node, constant)
    }
    return [
        Convention(
            _SIGNS.get(row.name) or f"{row.name}({', '.join(row.args).replace('*', 'a, b, ...')})",
            "all real numbers" if row.domain == REAL else row.domain,
            "the branch not taken contributes nothing, in no derivative"
            if row.name == "select"
            else "; ".join(dict.fromkeys(_words(row, edge) for edge in row.edges)),
        )
        for row in PRIMITIVES.values()
        if row.name in used and (row.domain not in (REAL, "unknown") or row.edges or row.name == "select")
    ]


def _is_harmless(graph: Graph, node: int, constant: bytearray) -> bool:
    """Whether a quotient or a power has a value and a derivative everywhere, for a constant stands in it."""
    if graph.ops[node] not in ("div", "pow"):
        return False
    second = graph.args[node][1]
    if not constant[second]:
        return False
    power = graph.payloads[second]
    return graph.ops[node] == "div" or (isinstance(power, Fraction) and power.denominator == 1 and power > 0)


def _words(row: Primitive, edge: Edge) -> str:
    place = ", ".join(f"{value:g}" for value in edge.args)
    return f"at {place if len(edge.args) == 1 else f'({place})'}: {edge.why}"
