"""Several inputs laid out as one vector, all outputs as one: how optimisers and integrators see a function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tapeless.ir.graph import Builder
from tapeless.ir.inline import inline
from tapeless.ir.program import Input, Output, Program, finish


class Packed(NamedTuple):
    """An input of the packed function.

    Attributes
    ----------
    name
        Its name.
    members
        The inputs that it is made of, in order.
    vector
        Whether it is a vector of all their scalars; else it is one of the inputs as it was.
    """

    name: str
    members: tuple[str, ...]
    vector: bool = True


def pack(
    program: Program, inputs: Sequence[Packed], *, join: bool = False, only: int | None = None
) -> Program:
    """Return the same function of other inputs.

    Parameters
    ----------
    program
        The function.
    inputs
        The new inputs; together their members are the inputs of the program, each once.
    join
        Whether all outputs become one, a vector of all their scalars.
    only
        The one scalar of all outputs that is wanted, in their order; None for all.

    Returns
    -------
    Program
    """
    shapes = {item.name: item.shape for item in program.inputs}
    sizes = {item.name: item.size for item in program.inputs}
    builder = Builder()
    first: dict[str, int] = {}
    made: list[Input] = []
    lane = 0
    for part in inputs:
        for member in part.members:
            first[member] = lane
            lane += sizes[member]
        total = sum(sizes[member] for member in part.members)
        made.append(Input(part.name, (total,) if part.vector else shapes[part.members[0]]))
    nodes = [builder.input(k) for k in range(lane)]
    scalars = [nodes[first[item.name] + k] for item in program.inputs for k in range(item.size)]
    roots = inline(builder, program, scalars)
    if only is not None:
        outputs = [Output("out", (roots[only],))]
    elif join:
        outputs = [Output("out", roots, (len(roots),))]
    else:
        outputs, at = [], 0
        for output in program.outputs:
            count = len(output.nodes)
            outputs.append(Output(output.name, roots[at : at + count], output.shape))
            at += count
    return finish(program.name, made, outputs, builder)
