"""Which nodes a derivative has to visit."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tapeless.ir.graph import Graph


def varied(graph: Graph, lanes: Collection[int]) -> bytearray:
    """Mark the nodes that depend on an input scalar out of `lanes` through a real-valued path."""
    wanted = set(lanes)
    marks = bytearray(len(graph))
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if op == "input":
            marks[node] = graph.payloads[node] in wanted
        elif not graph.is_boolean(node):
            marks[node] = any(marks[arg] for arg in args)
    return marks


def useful(graph: Graph, roots: Iterable[int], marks: bytearray) -> list[int]:
    """Return the marked nodes that a root depends on through marked nodes, in topological order."""
    live = bytearray(len(graph))
    for root in roots:
        live[root] = marks[root]
    for node in range(len(graph) - 1, -1, -1):
        if live[node]:
            for arg in graph.args[node]:
                if marks[arg]:
                    live[arg] = 1
    return [node for node in range(len(graph)) if live[node]]
