"""Forward mode: tangents along with values, Program -> Program.

Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., section 3.1. The adjoint rules are linear in
the cotangent, so each also tells what a tangent of the argument adds to the tangent of the result. The conditions
are those of `guards.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input, Output, Program, compacted, finish
from tapeless.transforms.activity import useful, varied
from tapeless.transforms.guards import Tangent, carried, chosen, shown
from tapeless.transforms.links import links
from tapeless.transforms.names import Names


def tangents(builder: Builder, program: Program, seeds: Mapping[int, int]) -> list[int]:
    """Sweep once and return the tangent of each output scalar.

    Parameters
    ----------
    builder
        Started from the program's graph, or a continuation of it; the tangents are appended.
    program
        What is differentiated.
    seeds
        The tangent of each input scalar that has one.

    Returns
    -------
    list of int
        One node per root; the rational 0 where no seed reaches it.
    """
    graph = program.graph
    marks = varied(graph, seeds)
    always = builder.boolean(True)
    dots: dict[int, Tangent | None] = {}
    for node in useful(graph, program.roots, marks):
        op, args = graph.ops[node], graph.args[node]
        if op == "input":
            dots[node] = Tangent(seeds[graph.payloads[node]], always)  # type: ignore[index]
        elif op == "select":
            dots[node] = chosen(builder, args[0], dots.get(args[1]), dots.get(args[2]))
        else:
            edges = [
                (link, link.pull, dot)
                for link in links(builder, node, lambda arg: bool(marks[arg]))
                if (dot := dots[args[link.position]]) is not None
            ]
            dots[node] = carried(builder, node, edges)
    return [shown(builder, dots.get(root)) for root in program.roots]


def jvp(program: Program, wrt: Sequence[str] | None = None) -> Program:
    """Return the Jacobian-vector product.

    Parameters
    ----------
    program
        The function.
    wrt
        Names of the inputs that have a tangent; all primals when None.

    Returns
    -------
    Program
        Inputs: those of the program, then one tangent per name in `wrt`, `<input>_dot`. Outputs: those of the
        program, then their tangents, `<output>_dot`.
    """
    program = compacted(program)
    builder = Builder(program.graph)
    names = Names((*(item.name for item in program.inputs), *(output.name for output in program.outputs)))
    wanted = program.input_names() if wrt is None else tuple(wrt)
    place = {item.name: (item, first) for item, first in zip(program.inputs, program.offsets, strict=True)}
    tangent_inputs, seeds, lane = [], {}, program.lanes
    for name in wanted:
        item, first = place[name]
        tangent_inputs.append(Input(names.fresh(f"{name}_dot"), item.shape, "tangent", name))
        for k in range(item.size):
            seeds[first + k] = builder.input(lane)
            lane += 1

    dots = iter(tangents(builder, program, seeds))
    outputs = tuple(
        Output(names.fresh(f"{o.name}_dot"), tuple(next(dots) for _ in o.nodes), o.shape)
        for o in program.outputs
    )
    return finish(program.name, (*program.inputs, *tangent_inputs), (*program.outputs, *outputs), builder)
