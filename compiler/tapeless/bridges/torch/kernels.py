"""The kernels of a formula, in either dtype, each built when it is first asked for.

A derivative is again a formula with kernels, so that derivatives of any order take the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tapeless.api import compile, retyped
from tapeless.assembly import Face, build_kernel
from tapeless.ir.graph import Graph
from tapeless.ir.program import Input, Program, compacted

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.options import Options
    from tapeless.runtime.arrays import Caller

Names = tuple[str, ...]


class Kernels:
    """The kernels of a compiled Function.

    Parameters
    ----------
    function
        Where its own kernels are.

    Attributes
    ----------
    face : Face
        Names and core shapes of inputs and outputs.
    wrt : tuple of str
        The inputs that derivatives may be taken by.
    prepared : bool
        Whether the kernel of the first derivative comes with that of the values.
    """

    prepared = True

    def __init__(self, function: Function) -> None:
        self.face: Face = function._face
        self.wrt: Names = function.wrt
        self._functions = {function.dtype: function}

    @property
    def options(self) -> Options:
        """How the kernels are built."""
        return next(iter(self._functions.values())).options

    @property
    def program(self) -> Program:
        """The formula."""
        return next(iter(self._functions.values())).program

    def caller(self, kind: str, wrt: Names, dtype: str) -> Caller:
        """Return the kernel of a kind, for the inputs named."""
        function = self._functions.get(dtype)
        if function is None:
            first = next(iter(self._functions.values()))
            function = self._functions.setdefault(dtype, retyped(first, dtype))
        return function._caller(kind, None if wrt == self.wrt else wrt)

    def product(self, dtype: str) -> Caller:
        """Return the kernel that multiplies two numbers, built as these are: its results lie in memory used again."""
        options = self.options
        return _product(dtype, options.threads, options.cc, options.cache)

    def derivative(self, kind: str, wrt: Names) -> Kernels:
        """Return the derivative at each point, nothing summed, as a formula of its own.

        Parameters
        ----------
        kind
            `"backward"`: the cotangents of `wrt` as functions of the inputs that they depend on, in order, and
            of all cotangents of the outputs. `"jvp"`: the tangents of the outputs alone, as functions of all
            inputs and the tangents of `wrt`.
        wrt
            The inputs to differentiate by.
        """
        from tapeless.kinds import derive, plain

        derived = derive(self.program, kind, wrt)
        if kind == "jvp":
            values = len(self.face.outputs)
            derived = compacted(replace(derived, outputs=derived.outputs[values:]))
        else:
            derived = _of_what_is_used(derived)
        return _Derived(plain(derived, f"{derived.name}_{kind}"), self.options)


class _Derived(Kernels):
    """The kernels of a derivative: one library each, for not all of them are needed."""

    prepared = False

    def __init__(self, program: Program, options: Options) -> None:
        self.face = Face.of(program)
        self.wrt = program.input_names()
        self._program = program
        assume = options.assume if options.accuracy is not None else ()
        self._options = options._replace(wrt=None, assume=assume)
        self._callers: dict[tuple[str, Names, str], Caller] = {}

    @property
    def options(self) -> Options:
        return self._options

    @property
    def program(self) -> Program:
        return self._program

    def caller(self, kind: str, wrt: Names, dtype: str) -> Caller:
        key = (kind, wrt, dtype)
        found = self._callers.get(key)
        if found is None:
            built = build_kernel(self._program, kind, wrt, self._options._replace(dtype=dtype))
            found = self._callers.setdefault(key, built)
        return found


@lru_cache(maxsize=16)
def _product(dtype: str, threads: int | None, cc: str | None, cache: bool) -> Caller:
    function: Function = compile("product(a, b) = a*b", dtype=dtype, threads=threads, cc=cc, cache=cache)
    return function._caller("forward", None)


def _of_what_is_used(program: Program) -> Program:
    """Return the program without the primals that no output depends on."""
    program = compacted(program)
    read = {lane for op, lane in zip(program.graph.ops, program.graph.payloads, strict=True) if op == "input"}
    inputs: list[Input] = []
    lanes: dict[int, int] = {}
    for item, first in zip(program.inputs, program.offsets, strict=True):
        own = range(first, first + item.size)
        if item.role != "primal" or read.intersection(own):
            inputs.append(item)
            lanes.update({lane: len(lanes) + k for k, lane in enumerate(own)})
    return replace(program, inputs=tuple(inputs), graph=_renumbered(program.graph, lanes))


def _renumbered(graph: Graph, lanes: dict[int, int]) -> Graph:
    payloads: Sequence[object] = [
        lanes[payload] if op == "input" else payload  # type: ignore[index]
        for op, payload in zip(graph.ops, graph.payloads, strict=True)
    ]
    return replace(graph, payloads=tuple(payloads))  # type: ignore[arg-type]


__all__ = ["Kernels"]
