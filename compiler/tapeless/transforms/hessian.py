"""Second derivatives of one scalar output: the Hessian by edge pushing, and its product with a vector.

Source of edge pushing: Gower and Mello, "A new framework for the computation of Hessians", Optimization Methods
and Software 27 (2012) 251. One reverse sweep carries, beside the adjoints, the second-order adjoint of each pair of
nodes that interact nonlinearly, one number for (i, j) and (j, i). The conditions of `guards.py` are kept for each
pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, Pattern, Program, compacted, finish
from tapeless.transforms.activity import useful, varied
from tapeless.transforms.curvature import second_partials
from tapeless.transforms.forward import tangents
from tapeless.transforms.guards import PASSING, Contributions, domain, gather
from tapeless.transforms.links import Link, links
from tapeless.transforms.names import Names, lanes_of
from tapeless.transforms.reverse import adjoints


def hessian(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return the Hessian of the only output.

    Parameters
    ----------
    program
        A function with one scalar output.
    wrt
        Names of the inputs to differentiate by, in the order wanted; all primals when None.

    Returns
    -------
    Program
        Inputs: those of the program. Output: `hessian`, of shape (N, N) for N scalars in `wrt`.
    """
    program = compacted(program)
    builder, lanes = Builder(program.graph), lanes_of(program, wrt)
    upper = _edge_pushing(builder, program, lanes)
    n, zero = len(lanes), builder.rational(0)
    nodes = [zero] * (n * n)
    for (i, j), value in upper.items():
        nodes[i * n + j] = nodes[j * n + i] = value
    return _finished(program, builder, nodes, (n, n))


def sparse_hessian(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return the entries of the upper triangle that are not zero by structure, row by row.

    Parameters
    ----------
    program, wrt
        As for `hessian`.

    Returns
    -------
    Program
        Output: `hessian`, of shape (number of entries,), with the `Pattern` of the entries, row <= column.
    """
    program = compacted(program)
    builder, lanes = Builder(program.graph), lanes_of(program, wrt)
    upper = _edge_pushing(builder, program, lanes)
    places = sorted(upper)
    pattern = Pattern((len(lanes), len(lanes)), tuple(i for i, _ in places), tuple(j for _, j in places))
    nodes = [upper[place] for place in places]
    return _finished(program, builder, nodes, (len(nodes),), pattern)


def hvp(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return the product of the Hessian with a vector: forward over reverse.

    Parameters
    ----------
    program, wrt
        As for `hessian`.

    Returns
    -------
    Program
        Inputs: those of the program, then one tangent per name in `wrt`, `<input>_dot`. Outputs: the product by
        input, `<input>_hvp`, each of its input's shape.
    """
    program = compacted(program)
    builder, lanes = Builder(program.graph), lanes_of(program, wrt)
    one = builder.rational(1)
    slopes = adjoints(builder, program, lanes, {0: one})
    names = Names((*(item.name for item in program.inputs), *(output.name for output in program.outputs)))
    by_name = {item.name: item for item in program.inputs}
    wanted = [by_name[name] for name in (program.input_names() if wrt is None else wrt)]
    directions = tuple(
        Input(names.fresh(f"{item.name}_dot"), item.shape, "tangent", item.name) for item in wanted
    )
    gradient = Program(program.name, program.inputs, (Output("slopes", tuple(slopes)),), builder.freeze())
    seeds = {lane: builder.input(program.lanes + k) for k, lane in enumerate(lanes)}
    products = iter(tangents(builder, gradient, seeds))
    outputs = tuple(
        Output(names.fresh(f"{item.name}_hvp"), tuple(next(products) for _ in range(item.size)), item.shape)
        for item in wanted
    )
    return finish(program.name, (*program.inputs, *directions), outputs, builder)


def _finished(
    program: Program,
    builder: Builder,
    nodes: Sequence[int],
    shape: tuple[int, ...],
    pattern: Pattern | None = None,
) -> Program:
    name = Names(item.name for item in program.inputs).fresh("hessian")
    return finish(
        program.name, program.inputs, (Output(name, tuple(nodes), shape, pattern=pattern),), builder
    )


@dataclass(slots=True)
class _Pairs:
    """Second-order adjoints on their way down: of each pair of nodes, kept at the one that is visited first."""

    rank: Sequence[int]
    at: dict[int, dict[int, Contributions]] = field(default_factory=dict)

    def add(self, i: int, j: int, condition: int, value: int) -> None:
        """Add what reaches the pair of nodes i and j under a condition."""
        first, then = (i, j) if self.rank[i] >= self.rank[j] else (j, i)
        self.at.setdefault(first, {}).setdefault(then, Contributions()).add(condition, value)


def _edge_pushing(builder: Builder, program: Program, lanes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return the entries (i, j), i <= j, of the Hessian that are not zero by structure."""
    graph, [root] = program.graph, program.roots
    marks = varied(graph, lanes)
    always = builder.boolean(True)
    pending: dict[int, Contributions] = {}
    if marks[root]:
        pending.setdefault(root, Contributions()).add(always, builder.rational(1))
    # Inputs come last, wherever they stand among the nodes: what reaches a pair of them is complete then.
    rank = [node - len(graph) if op == "input" else node for node, op in enumerate(graph.ops)]
    pairs = _Pairs(rank)
    place = {lane: k for k, lane in enumerate(lanes)}
    found: dict[tuple[int, int], int] = {}

    def active(arg: int) -> bool:
        return bool(marks[arg])

    for node in sorted(useful(graph, [root], marks), key=rank.__getitem__, reverse=True):
        arrived, crossing = pending.pop(node, None), pairs.at.pop(node, {})
        if graph.ops[node] == "input":
            here = place[graph.payloads[node]]  # type: ignore[index]
            for partner, contributions in crossing.items():
                there = place[graph.payloads[partner]]  # type: ignore[index]
                value = gather(builder, contributions, always)
                if builder.rational_value(value) != 0:
                    found[min(here, there), max(here, there)] = value
            continue
        if arrived is None:
            continue
        counts = domain(builder, arrived)
        bar = gather(builder, arrived, counts)
        edges = _Edges(builder, node, links(builder, node, active), graph.args[node])
        _push(builder, pairs, edges, node, crossing)
        _create(builder, pairs, edges, counts, bar)
        for link, arg in edges.each():
            condition = counts if link.guard is None else builder.and_(counts, link.guard)
            if builder.ops[condition] != "false":
                pending.setdefault(arg, Contributions()).add(condition, edges.pulled(link, bar))
    return found


@dataclass(slots=True)
class _Edges:
    """The edges of one node; each partial is computed once."""

    builder: Builder
    node: int
    links: Sequence[Link]
    args: Sequence[int]
    partials: dict[int, int] = field(default_factory=dict)

    def each(self) -> Iterator[tuple[Link, int]]:
        """Yield each edge with the argument it leads to."""
        for link in self.links:
            yield link, self.args[link.position]

    def pulled(self, link: Link, bar: int) -> int:
        """Return the partial times `bar`."""
        builder = self.builder
        if builder.ops[self.node] in PASSING:
            return link.pull(bar)
        if link.position not in self.partials:
            self.partials[link.position] = link.pull(builder.rational(1))
        return builder.mul(self.partials[link.position], bar)


def _push(
    builder: Builder, pairs: _Pairs, edges: _Edges, node: int, crossing: dict[int, Contributions]
) -> None:
    """Push the pairs of a node to its arguments."""
    two = builder.rational(2)
    for partner, contributions in crossing.items():
        counts = domain(builder, contributions)
        value = gather(builder, contributions, counts)
        if builder.rational_value(value) == 0:
            continue
        along = [
            (link, arg, condition, edges.pulled(link, value))
            for link, arg in edges.each()
            if (condition := _both(builder, counts, link.guard)) is not None
        ]
        if partner != node:
            for _, arg, condition, pulled in along:
                pairs.add(arg, partner, condition, builder.mul(two, pulled) if arg == partner else pulled)
            continue
        for k, (_, first, condition, pulled) in enumerate(along):
            for link, second, _, _ in along[k:]:
                both = _both(builder, condition, link.guard)
                if both is not None:
                    product = edges.pulled(link, pulled)
                    twice = first == second and link is not along[k][0]
                    pairs.add(first, second, both, builder.mul(two, product) if twice else product)


def _create(builder: Builder, pairs: _Pairs, edges: _Edges, counts: int, bar: int) -> None:
    """Add what the curvature of a node itself contributes."""
    by_position = {link.position: (link, arg) for link, arg in edges.each()}
    for i, j, curvature in second_partials(builder, edges.node, tuple(sorted(by_position))):
        (first, a), (second, b) = by_position[i], by_position[j]
        condition = _both(builder, counts, first.guard)
        condition = None if condition is None else _both(builder, condition, second.guard)
        if condition is None:
            continue
        value = builder.mul(bar, curvature)
        pairs.add(a, b, condition, builder.mul(builder.rational(2), value) if a == b and i != j else value)


def _both(builder: Builder, condition: int, guard: int | None) -> int | None:
    """Join two conditions; None where they exclude each other."""
    joined = condition if guard is None else builder.and_(condition, guard)
    return None if builder.ops[joined] == "false" else joined
