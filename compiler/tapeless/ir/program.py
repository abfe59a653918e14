"""Program: named, shaped inputs and outputs over a graph."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import NamedTuple

from tapeless.ir.graph import Builder, Graph, Payload
from tapeless.ir.primitives import Extern


@dataclass(frozen=True, slots=True)
class Input:
    """An input by name.

    Attributes
    ----------
    name
        Its name.
    shape
        Its core shape; `()` for a scalar.
    role
        `"primal"`, `"cotangent"` or `"tangent"`.
    like
        For a cotangent the name of its output, for a tangent that of its input; else "".
    """

    name: str
    shape: tuple[int, ...] = ()
    role: str = "primal"
    like: str = ""

    @property
    def size(self) -> int:
        """Number of scalars."""
        return prod(self.shape)


class Pattern(NamedTuple):
    """Where the entries of a sparse matrix are.

    Attributes
    ----------
    shape
        (rows, columns).
    rows, columns
        Row and column of each entry, ordered by row, then by column.
    colours
        Empty where the entries are computed one by one. Else the colour of each column: an output of the program
        is a product of the matrix with a vector, and columns of one colour are found from one such product.
    """

    shape: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    colours: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """An output by name.

    Attributes
    ----------
    name
        Its name.
    nodes
        One node per scalar, in C order.
    shape
        Its core shape; `()` for a scalar.
    like
        The name of the input whose shape it shares (a gradient), or "".
    pattern
        For the entries of a sparse matrix, where they are; else None.
    """

    name: str
    nodes: tuple[int, ...]
    shape: tuple[int, ...] = ()
    like: str = ""
    pattern: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A function as a graph. Input scalars are numbered through all inputs in order ("lanes").

    Attributes
    ----------
    name
        Name of the function.
    inputs
        The inputs; scalar number k of all of them is `input` node with payload k.
    outputs
        The outputs.
    graph
        The graph.
    """

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    graph: Graph

    @property
    def roots(self) -> tuple[int, ...]:
        """The nodes of all outputs, in order."""
        return tuple(node for output in self.outputs for node in output.nodes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first lane of each input."""
        found, lane = [], 0
        for item in self.inputs:
            found.append(lane)
            lane += item.size
        return tuple(found)

    @property
    def lanes(self) -> int:
        """Number of input scalars."""
        return sum(item.size for item in self.inputs)

    def input_names(self, role: str = "primal") -> tuple[str, ...]:
        """Names of the inputs of a role."""
        return tuple(item.name for item in self.inputs if item.role == role)

    def digest(self) -> str:
        """Return a digest of everything that decides the emitted code."""
        small = compacted(self)
        graph = small.graph
        payloads = [_spell(payload) for payload in graph.payloads if payload is not None]
        # Whole columns at a time; the operations tell which nodes have a payload.
        parts = (
            repr((self.name, self.inputs)),
            *(repr((output.name, output.shape, output.like, output.nodes)) for output in small.outputs),
            " ".join(graph.ops),
            repr(graph.args),
            repr(payloads),
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _spell(payload: Payload) -> str:
    if isinstance(payload, Fraction):  # hexadecimal has no limit on digits, and is faster
        return f"{payload.numerator:x}/{payload.denominator:x}"
    return repr(payload) if isinstance(payload, Extern) else str(payload)


def finish(
    name: str, inputs: Sequence[Input], outputs: Sequence[Output], builder: Builder, *, compact: bool = True
) -> Program:
    """Close a builder into a Program; with `compact`, nodes that no output needs are left behind."""
    program = Program(name, tuple(inputs), tuple(outputs), builder.freeze())
    return compacted(program) if compact else program


def compacted(program: Program) -> Program:
    """Return the program without the nodes that no output needs."""
    graph = program.graph
    live = graph.reachable(program.roots)
    if len(live) == len(graph):
        return program
    number = [0] * len(graph)
    for k, node in enumerate(live):
        number[node] = k
    place = number.__getitem__
    ops, args, payloads = graph.ops, graph.args, graph.payloads
    columns = Graph(
        tuple([ops[node] for node in live]),
        tuple([tuple(map(place, args[node])) for node in live]),
        tuple([payloads[node] for node in live]),
    )
    outputs = tuple(replace(o, nodes=tuple(map(place, o.nodes))) for o in program.outputs)
    return Program(program.name, program.inputs, outputs, columns)
