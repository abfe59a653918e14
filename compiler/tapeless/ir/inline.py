"""One Program inside another: its nodes, appended to a builder."""

from __future__ import annotations

from collections.abc import Sequence

from tapeless.ir.graph import Builder
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Program


def inline(builder: Builder, program: Program, args: Sequence[int]) -> tuple[int, ...]:
    """Graft a program into a builder; what no output needs stays behind.

    Parameters
    ----------
    builder
        Where the nodes go.
    program
        What is grafted.
    args
        The node of `builder` that stands for each of its input scalars.

    Returns
    -------
    tuple of int
        The nodes of its outputs, in order.
    """
    graph = program.graph
    found: dict[int, int] = {}
    for node in graph.reachable(program.roots):
        op, payload = graph.ops[node], graph.payloads[node]
        inner = [found[arg] for arg in graph.args[node]]
        if isinstance(payload, Extern):
            found[node] = builder.extern(payload, *inner)
        elif op == "input":
            found[node] = args[payload]  # type: ignore[index]
        elif payload is not None:
            found[node] = builder.node(op, (), payload)
        else:  # through `call`, for an argument may be a constant here
            found[node] = builder.call(op, *inner)
    return tuple(found[root] for root in program.roots)
