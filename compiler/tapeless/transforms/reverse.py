"""Reverse mode: one sweep from the outputs to the inputs, Program -> Program.

Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.2; the conditions are those of
`guards.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, Program, compacted, finish
from tapeless.transforms.activity import useful, varied
from tapeless.transforms.guards import Contributions, domain, gather
from tapeless.transforms.links import links
from tapeless.transforms.names import Names


def adjoints(builder: Builder, program: Program, lanes: Sequence[int], seeds: Mapping[int, int]) -> list[int]:
    """Sweep once and return the adjoint of each input scalar in `lanes`.

    Parameters
    ----------
    builder
        Started from the program's graph; the adjoints are appended.
    program
        What is differentiated.
    lanes
        The input scalars differentiated by.
    seeds
        Cotangent node of each output, by its position among `program.roots`.

    Returns
    -------
    list of int
        One node per lane; the rational 0 where no output depends on it.
    """
    graph = program.graph
    marks = varied(graph, lanes)
    roots = program.roots
    visit = useful(graph, [roots[position] for position in seeds], marks)
    always = builder.boolean(True)
    pending: dict[int, Contributions] = {}
    for position, seed in seeds.items():
        if marks[roots[position]]:
            pending.setdefault(roots[position], Contributions()).add(always, seed)

    found: dict[int, int] = {}
    wanted = set(lanes)

    def active(arg: int) -> bool:
        return bool(marks[arg])

    for node in reversed(visit):
        arrived = pending.pop(node, None)
        if arrived is None:
            continue
        if graph.ops[node] == "input":
            lane = graph.payloads[node]
            if lane in wanted:
                found[lane] = gather(builder, arrived, always)  # type: ignore[index]
            continue
        counts = domain(builder, arrived)
        bar = gather(builder, arrived, counts)
        for link in links(builder, node, active):
            condition = counts if link.guard is None else builder.and_(counts, link.guard)
            if builder.ops[condition] == "false":
                continue
            arg = graph.args[node][link.position]
            pending.setdefault(arg, Contributions()).add(condition, link.pull(bar))
    zero = builder.rational(0)
    return [found.get(lane, zero) for lane in lanes]


def vjp(program: Program, wrt: Sequence[str] | None = None, *, value: bool = False) -> Program:
    """Return the vector-Jacobian product.

    Parameters
    ----------
    program
        The function.
    wrt
        Names of the inputs to differentiate by, in the order wanted; all primals when None.
    value
        Also return the outputs of the program, first.

    Returns
    -------
    Program
        Inputs: those of the program, then one cotangent per output, `<output>_bar`. Outputs: one gradient per
        name in `wrt`, `<input>_bar`.
    """
    program = compacted(program)
    builder = Builder(program.graph)
    names = Names((*(item.name for item in program.inputs), *(output.name for output in program.outputs)))
    cotangents = tuple(
        Input(names.fresh(f"{output.name}_bar"), output.shape, "cotangent", output.name)
        for output in program.outputs
    )
    lane = program.lanes
    seeds = {}
    for position in range(len(program.roots)):
        seeds[position] = builder.input(lane + position)
    gradients = _gradients(builder, program, wrt, seeds, names=names, pattern="{}_bar")
    outputs = (*(program.outputs if value else ()), *gradients)
    return finish(program.name, (*program.inputs, *cotangents), outputs, builder)


def gradient(program: Program, wrt: Sequence[str] | None = None, *, value: bool = False) -> Program:
    """Return the gradient of a function with one scalar output; arguments as for `vjp`.

    Returns
    -------
    Program
        Inputs: those of the program. Outputs: `d<output>_d<input>` per name in `wrt`, each of its input's
        shape.
    """
    program = compacted(program)
    builder = Builder(program.graph)
    names = Names((*(item.name for item in program.inputs), *(output.name for output in program.outputs)))
    pattern = f"d{program.outputs[0].name}_d{{}}"
    gradients = _gradients(builder, program, wrt, {0: builder.rational(1)}, names=names, pattern=pattern)
    plain = tuple(Output(g.name, g.nodes, g.shape) for g in gradients)
    outputs = (*(program.outputs if value else ()), *plain)
    return finish(program.name, program.inputs, outputs, builder)


def _gradients(
    builder: Builder,
    program: Program,
    wrt: Sequence[str] | None,
    seeds: Mapping[int, int],
    *,
    names: Names,
    pattern: str,
) -> tuple[Output, ...]:
    wanted = program.input_names() if wrt is None else tuple(wrt)
    place = {item.name: (item, first) for item, first in zip(program.inputs, program.offsets, strict=True)}
    chosen = [place[name] for name in wanted]
    lanes = [first + k for item, first in chosen for k in range(item.size)]
    nodes = iter(adjoints(builder, program, lanes, seeds))
    return tuple(
        Output(
            names.fresh(pattern.format(item.name)),
            tuple(next(nodes) for _ in range(item.size)),
            item.shape,
            item.name,
        )
        for item, _ in chosen
    )
