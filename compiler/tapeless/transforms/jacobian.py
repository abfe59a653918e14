"""The Jacobian: all outputs by all inputs, accumulated in one sweep, Program -> Program.

Each node carries its derivatives by the inputs that reach it (forward), or those of the outputs it reaches by it
(reverse); what is zero by structure is never built, and each partial is computed once for all of them. Source:
Griewank and Walther, Evaluating Derivatives, 2nd ed., sections 7.1 and 7.2 (sparse forward and reverse mode).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from tapeless.ir.graph import Builder
from tapeless.ir.program import Output, Pattern, Program, compacted, finish
from tapeless.transforms.activity import useful, varied
from tapeless.transforms.forward import jvp
from tapeless.transforms.guards import (
    PASSING,
    Contributions,
    Edge,
    Tangent,
    carried,
    chosen,
    domain,
    gather,
    shown,
)
from tapeless.transforms.links import Link, links
from tapeless.transforms.names import Names, lanes_of
from tapeless.transforms.simplify import cost, simplify
from tapeless.transforms.sparsity import colours, entries, reach, supports

_TRY_BOTH: Final = 20_000
"""Products up to which forward and reverse accumulation are both tried, for the smaller."""
_COMPRESS: Final = 200_000
"""Products beyond which a sparse Jacobian is computed from products with vectors, if colouring makes them few."""
_FEW: Final = 0.25
"""Colours per column at which they are few."""

Entries = dict[tuple[int, int], int]
"""(row, column) -> node."""


def jacobian(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return the Jacobian.

    Parameters
    ----------
    program
        The function.
    wrt
        Names of the inputs to differentiate by, in the order wanted; all primals when None.

    Returns
    -------
    Program
        Inputs: those of the program. Output: `jacobian`, of shape (M, N), all M output scalars by all N scalars of
        `wrt`, each in order.
    """
    program = compacted(program)
    lanes = lanes_of(program, wrt)
    rows, columns = len(program.roots), len(lanes)

    def dense(builder: Builder, found: Entries) -> Output:
        zero = builder.rational(0)
        nodes = tuple(found.get((i, j), zero) for i in range(rows) for j in range(columns))
        return Output(_name(program), nodes, (rows, columns))

    return _cheapest(program, lanes, dense)


def sparse_jacobian(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return what a sparse Jacobian is made of.

    Parameters
    ----------
    program, wrt
        As for `jacobian`.

    Returns
    -------
    Program
        Inputs: those of the program. Output: `jacobian`, the entries that are not zero by structure, row by row,
        with their `Pattern`. Where these are very many and colouring makes few groups of columns, the
        Jacobian-vector product instead; its pattern then gives the colour of each column.
    """
    program = compacted(program)
    lanes = lanes_of(program, wrt)
    shape = len(program.roots), len(lanes)
    masks = supports(program.graph, lanes)
    rows = [masks[root] for root in program.roots]
    if _forward_work(program, masks) > _COMPRESS:
        colour = colours(rows, len(lanes))
        if max(colour, default=0) + 1 <= _FEW * len(lanes):
            return _compressed(program, wrt, shape, entries(rows), colour)

    def values(builder: Builder, found: Entries) -> Output:
        places = sorted(place for place, node in found.items() if builder.rational_value(node) != 0)
        pattern = Pattern(shape, tuple(i for i, _ in places), tuple(j for _, j in places))
        return Output(_name(program), tuple(found[p] for p in places), (len(places),), pattern=pattern)

    return _cheapest(program, lanes, values)


def _name(program: Program) -> str:
    return Names(item.name for item in program.inputs).fresh("jacobian")


def _compressed(
    program: Program,
    wrt: Sequence[str] | None,
    shape: tuple[int, int],
    places: Sequence[tuple[int, int]],
    colour: Sequence[int],
) -> Program:
    product = jvp(program, wrt)
    dots = product.outputs[len(program.outputs) :]
    nodes = tuple(node for output in dots for node in output.nodes)
    pattern = Pattern(shape, tuple(i for i, _ in places), tuple(j for _, j in places), tuple(colour))
    output = Output(_name(program), nodes, (len(nodes),), pattern=pattern)
    return compacted(replace(product, outputs=(output,)))


def _cheapest(program: Program, lanes: Sequence[int], shown: Callable[[Builder, Entries], Output]) -> Program:
    """Accumulate in the direction that costs less; where that is not plain, in both."""
    forward_work = _forward_work(program, supports(program.graph, lanes))
    reverse_work = _reverse_work(program, lanes)
    both = max(forward_work, reverse_work) <= _TRY_BOTH
    candidates = []
    for way, work in ((_reverse, reverse_work), (_forward, forward_work)):
        if both or work == min(forward_work, reverse_work):
            builder = Builder(program.graph)
            found = way(builder, program, lanes)
            output = shown(builder, found)
            candidates.append(finish(program.name, program.inputs, [output], builder))
    if len(candidates) == 1:
        return candidates[0]
    return min((simplify(candidate) for candidate in candidates), key=lambda c: cost(c.graph))


def _forward_work(program: Program, masks: Sequence[int]) -> int:
    """Return the number of products that forward accumulation takes, at most."""
    return sum(masks[arg].bit_count() for args in program.graph.args for arg in args)


def _reverse_work(program: Program, lanes: Sequence[int]) -> int:
    graph = program.graph
    marks, below = varied(graph, lanes), reach(graph, program.roots)
    return sum(below[node].bit_count() for node, args in enumerate(graph.args) for arg in args if marks[arg])


def _times(builder: Builder, node: int, link: Link) -> Callable[[int], int]:
    """Return what multiplies by the partial of an edge; the partial is computed once."""
    if builder.ops[node] in PASSING:
        return link.pull
    partial = link.pull(builder.rational(1))
    return lambda value: builder.mul(partial, value)


def _forward(builder: Builder, program: Program, lanes: Sequence[int]) -> Entries:
    graph = program.graph
    marks = varied(graph, lanes)
    column = {lane: k for k, lane in enumerate(lanes)}
    always, one = builder.boolean(True), builder.rational(1)
    dots: dict[int, dict[int, Tangent]] = {}
    for node in useful(graph, program.roots, marks):
        op, args = graph.ops[node], graph.args[node]
        if op == "input":
            dots[node] = {column[graph.payloads[node]]: Tangent(one, always)}  # type: ignore[index]
        elif op == "select":
            first, second = dots.get(args[1], {}), dots.get(args[2], {})
            dots[node] = {
                k: chosen(builder, args[0], first.get(k), second.get(k)) for k in sorted({*first, *second})
            }
        else:
            edges: dict[int, list[Edge]] = {}
            for link in links(builder, node, lambda arg: bool(marks[arg])):
                times = _times(builder, node, link)
                for k, dot in dots[args[link.position]].items():
                    edges.setdefault(k, []).append((link, times, dot))
            dots[node] = {}
            for k, given in edges.items():
                made = carried(builder, node, given)
                if made is not None:
                    dots[node][k] = made
    return {
        (i, j): shown(builder, dot)
        for i, root in enumerate(program.roots)
        for j, dot in dots.get(root, {}).items()
    }


def _reverse(builder: Builder, program: Program, lanes: Sequence[int]) -> Entries:
    graph = program.graph
    marks = varied(graph, lanes)
    column = {lane: k for k, lane in enumerate(lanes)}
    always, one = builder.boolean(True), builder.rational(1)
    pending: dict[int, dict[int, Contributions]] = {}
    for i, root in enumerate(program.roots):
        if marks[root]:
            pending.setdefault(root, {})[i] = Contributions({always: [one]})
    found: Entries = {}
    for node in reversed(useful(graph, program.roots, marks)):
        arrived = pending.pop(node, {})
        if graph.ops[node] == "input":
            j = column[graph.payloads[node]]  # type: ignore[index]
            found.update({(i, j): gather(builder, given, always) for i, given in arrived.items()})
            continue
        edges = [
            (graph.args[node][link.position], link.guard, _times(builder, node, link))
            for link in links(builder, node, lambda arg: bool(marks[arg]))
        ]
        for i, given in arrived.items():
            counts = domain(builder, given)
            bar = gather(builder, given, counts)
            for arg, guard, times in edges:
                condition = counts if guard is None else builder.and_(counts, guard)
                if builder.ops[condition] != "false":
                    pending.setdefault(arg, {}).setdefault(i, Contributions()).add(condition, times(bar))
    return found
