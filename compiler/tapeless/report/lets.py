"""Long formulas with names for what is used more than once, so that any of them can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tapeless.ir.graph import Builder, Graph
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Input, Output, Program, finish
from tapeless.targets.formulas import formulas

_WORTH: Final = 4
"""Operations of a shared part from which it gets a name."""
_LONGEST: Final = 60
"""Operations of a formula beyond which a part gets a name though it is used once."""
_SHORT: Final = 24
"""Operations of all formulas together up to which nothing gets a name."""

_PREFIXES: Final[tuple[str, ...]] = tuple("suvwpqzabcdefghijklmnorxy")


class Named(NamedTuple):
    """Formulas that refer to parts by name.

    Attributes
    ----------
    parts
        (name, sympy expression) in an order in which each stands before its use.
    formulas
        One sympy expression per root.
    """

    parts: tuple[tuple[str, Any], ...]
    formulas: tuple[Any, ...]


def named_parts(program: Program) -> Named:
    """Return the formulas of all output scalars of a program.

    Parameters
    ----------
    program
        The program. What it shares is named where repeating it would take more than a few operations.
    """
    program = finish_without_shape(program)
    graph, roots = program.graph, program.roots
    live = graph.reachable(roots)
    uses = Counter(arg for node in live for arg in graph.args[node])
    chosen = _chosen(graph, live, roots, uses)
    prefix = _prefix(program)
    names = {node: f"{prefix}_{k}" for k, node in enumerate(chosen, start=1)}
    rewritten = _cut(program, live, names)
    expressions = list(formulas(rewritten).values())
    return Named(
        tuple(zip(names.values(), expressions[: len(names)], strict=True)),
        tuple(expressions[len(names) :]),
    )


def finish_without_shape(program: Program) -> Program:
    """Return the program with a scalar output for each scalar of its outputs."""
    outputs = tuple(Output(f"r{k}", (node,)) for k, node in enumerate(program.roots))
    return Program(program.name, program.inputs, outputs, program.graph)


def _chosen(graph: Graph, live: Sequence[int], roots: Sequence[int], uses: Counter[int]) -> list[int]:
    def written_out(limit: int) -> int:
        sizes: dict[int, int] = {}
        for node in live:
            sizes[node] = min(limit, sum(sizes[arg] for arg in graph.args[node]) + bool(graph.args[node]))
        return sum(sizes[root] for root in roots)

    if written_out(_SHORT + 1) <= _SHORT:
        return []
    constant = graph.constants()
    size: dict[int, int] = {}
    found = []
    for node in live:
        own = sum(size[arg] for arg in graph.args[node]) + bool(graph.args[node])
        size[node] = own
        if constant[node] or graph.is_boolean(node) or not uses[node]:
            continue
        if (uses[node] > 1 and own >= _WORTH) or own > _LONGEST:
            found.append(node)
            size[node] = 0
    return found


def _prefix(program: Program) -> str:
    taken: list[str] = [item.name for item in program.inputs]
    for prefix in _PREFIXES:
        if not any(name == prefix or name.startswith(f"{prefix}_") for name in taken):
            return prefix
    longest: str = max(taken, key=len)
    return f"{longest}_part"


def _cut(program: Program, live: Sequence[int], names: dict[int, str]) -> Program:
    """Return a program in which the nodes named are inputs to their users, and outputs beside the roots."""
    graph, builder = program.graph, Builder()
    made: dict[int, int] = {}
    definitions: list[int] = []
    lane = program.lanes
    for node in live:
        op, payload = graph.ops[node], graph.payloads[node]
        inner = tuple(made[arg] for arg in graph.args[node])
        if isinstance(payload, Extern):
            made[node] = builder.extern(payload, *inner)
        else:  # as it stands: a name is no reason to simplify
            made[node] = builder.node(op, inner, payload)
        if node in names:
            definitions.append(made[node])
            made[node] = builder.input(lane)
            lane += 1
    inputs = (*program.inputs, *(Input(name) for name in names.values()))
    outputs = [Output(f"part{k}", (node,)) for k, node in enumerate(definitions)]
    outputs += [Output(f"root{k}", (made[root],)) for k, root in enumerate(program.roots)]
    return finish(program.name, inputs, outputs, builder)
