"""One row per kind of callable: its transform, and the signature that the call layer works by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tapeless.errors import ArgumentError
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.signature import COST, KernelSignature, Operand, Result

if TYPE_CHECKING:
    from tapeless.ir.program import Program
    from tapeless.transforms.ranges import Assumed

Wrt = Sequence[str] | None


class Kind(NamedTuple):
    """A kind of kernel.

    Attributes
    ----------
    name
        Its name, as in `op_counts(kind)`.
    transform
        Program -> Program, for the inputs named.
    single
        Whether the function must have one scalar output.
    """

    name: str
    transform: Callable[[Program, Wrt], Program]
    single: bool = False


def _forward(program: Program, wrt: Wrt) -> Program:
    return program


def _backward(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.reverse import vjp

    return vjp(program, wrt)


def _forward_backward(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.reverse import vjp

    return vjp(program, wrt, value=True)


def _grad(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.reverse import gradient

    return gradient(program, wrt)


def _value_and_grad(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.reverse import gradient

    return gradient(program, wrt, value=True)


def _jvp(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.forward import jvp

    return jvp(program, wrt)


def _jacobian(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.jacobian import jacobian

    return jacobian(program, wrt)


def _sparse_jacobian(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.jacobian import sparse_jacobian

    return sparse_jacobian(program, wrt)


def _hessian(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.hessian import hessian

    return hessian(program, wrt)


def _sparse_hessian(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.hessian import sparse_hessian

    return sparse_hessian(program, wrt)


def _hvp(program: Program, wrt: Wrt) -> Program:
    from tapeless.transforms.hessian import hvp

    return hvp(program, wrt)


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("forward", _forward),
        Kind("backward", _backward),
        Kind("forward_backward", _forward_backward),
        Kind("grad", _grad, single=True),
        Kind("value_and_grad", _value_and_grad, single=True),
        Kind("jvp", _jvp),
        Kind("jacobian", _jacobian),
        Kind("sparse_jacobian", _sparse_jacobian),
        Kind("hessian", _hessian, single=True),
        Kind("sparse_hessian", _sparse_hessian, single=True),
        Kind("hvp", _hvp, single=True),
    )
}
"""All kinds by name."""

ALIASES: Final = {"vjp": "backward", "gradient": "grad"}
TOGETHER: Final = ("forward", "backward", "forward_backward")
"""The kinds that one library holds from the start; the others are built when first asked for."""


def kind_of(name: str) -> Kind:
    """Return a kind by name or alias.

    Raises
    ------
    ArgumentError
        For any other name.
    """
    kind = KINDS.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if kind is None:
        raise ArgumentError(f"there is no kind {name!r}; there are {', '.join((*KINDS, *ALIASES))}")
    return kind


def derive(program: Program, kind: str, wrt: Wrt, assume: Assumed = ()) -> Program:
    """Apply the transform of a kind, simplifying before and after, for inputs in the ranges that are assumed.

    Raises
    ------
    ArgumentError
        Where the kind needs one scalar output and the function has another number.
    """
    row = kind_of(kind)
    if row.single and (len(program.outputs) != 1 or program.outputs[0].shape):
        outputs = [o.name + (f" of shape {o.shape}" if o.shape else "") for o in program.outputs]
        raise ArgumentError(
            f"{kind} needs a function with one scalar output; {program.name} has {', '.join(outputs)}. Use jacobian, "
            "or backward with a cotangent for each."
        )
    from tapeless.ir.collection import collection_paused
    from tapeless.transforms.simplify import simplify

    with collection_paused():
        return simplify(row.transform(simplify(program, assume, join=False), wrt), assume)


def signature(program: Program, symbol: str, dtype: str, cost: float = COST) -> KernelSignature:
    """Return the signature of the kernel that computes `program`, in about `cost` nanoseconds a point."""
    from tapeless.runtime.sparse import Entries

    position = {item.name: k for k, item in enumerate(program.inputs)}
    owner = [k for k, item in enumerate(program.inputs) for _ in range(item.size)]
    used = {owner[lane] for lane in _lanes_read(program)}
    return KernelSignature(
        symbol=symbol,
        dtype=dtype,
        operands=tuple(
            Operand(item.name, item.shape, item.role, k in used) for k, item in enumerate(program.inputs)
        ),
        results=tuple(
            Result(
                output.name,
                output.shape,
                position[output.like] if output.like else None,
                Entries(*output.pattern) if output.pattern else None,
                _repeated(program, output.nodes),
            )
            for output in program.outputs
        ),
        cost=cost,
    )


def _lanes_read(program: Program) -> list[int]:
    """Return the input scalars that an output depends on."""
    graph = program.graph
    return [graph.payloads[k] for k in graph.reachable(program.roots) if graph.ops[k] == "input"]  # type: ignore[misc]


def _repeated(program: Program, nodes: Sequence[int]) -> int | None:
    """Return the position of the input whose scalars the nodes are, in order; None where they are anything else."""
    graph = program.graph
    lanes = [graph.payloads[node] for node in nodes if graph.ops[node] == "input"]
    for k, (item, first) in enumerate(zip(program.inputs, program.offsets, strict=True)):
        if len(lanes) == len(nodes) and lanes == list(range(first, first + item.size)):
            return k
    return None


def plain(program: Program, name: str) -> Program:
    """Return a derivative as a function of its own: every input a primal, nothing summed."""
    from tapeless.ir.program import Input, Output, Program

    return Program(
        name,
        tuple(Input(item.name, item.shape) for item in program.inputs),
        tuple(Output(output.name, output.nodes, output.shape) for output in program.outputs),
        program.graph,
    )
