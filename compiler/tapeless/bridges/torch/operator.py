"""Telling torch of an operation: an operator with a CPU kernel, a shape rule, derivatives and a batching rule.

`torch.library.register_autograd` would do for reverse mode, but an operator registered so has a forward-mode
derivative of zero, without a word, and fails under `torch.func.grad`. So the kernel for the dispatch key Autograd is
our own. It does what torch does for its own operators: record at the innermost level, compute on the level below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch import _C
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

from tapeless.bridges.torch.shapes import Shape

if TYPE_CHECKING:
    from tapeless.bridges.torch.formula import Operation

_NAMESPACE: Final = "tapeless"

_transformed = _C._are_functorch_transforms_active
_library = torch.library.Library(_NAMESPACE, "FRAGMENT")
_operators: dict[str, Any] = {}
_lock = threading.Lock()


class Point(NamedTuple):
    """Where an operation was computed.

    Attributes
    ----------
    values
        Its tensors; None for one that was not kept.
    shapes
        Their shapes.
    extra
        The shapes that it was given as such.
    """

    values: Sequence[Any]
    shapes: Sequence[Shape]
    extra: Sequence[Shape]


def register(operation: Operation) -> Any:
    """Return the operator of an operation; torch learns of it the first time, and for the rest of the process."""
    with _lock:
        found = _operators.get(operation.label)
        if found is None:
            found = _operators[operation.label] = _define(operation)
        return found


def _define(operation: Operation) -> Any:
    name = operation.label
    _library.define(
        f"{name}{_schema(operation)}", tags=(torch.Tag.pt2_compliant_tag, torch.Tag.flexible_layout)
    )
    operator = getattr(getattr(torch.ops, _NAMESPACE), name).default

    def returned(found: list[Any]) -> Any:
        if operation.in_lists:
            return found
        return found[0] if operation.n_results == 1 else tuple(found)

    def compute(*arguments: Any) -> Any:
        return returned(operation.compute(*operation.unpacked(arguments)))

    def shape(*arguments: Any) -> Any:
        tensors, extra = operation.unpacked(arguments)
        found = operation.result_shapes([tensor.shape for tensor in tensors], extra)
        return returned([tensors[0].new_empty(shape) for shape in found])

    def mapped(info: Any, dims: tuple[Any, ...], *arguments: Any) -> Any:
        tensors, extra = operation.unpacked(arguments)
        own = dims[0] if operation.in_lists else dims[: len(tensors)]
        found = operation.mapped(info.batch_size, own, tensors, extra)
        return returned(found), returned([0] * operation.n_results)

    _library.impl(name, compute, "CPU")
    torch.library.register_fake(f"{_NAMESPACE}::{name}", shape, lib=_library)
    torch.library.register_vmap(f"{_NAMESPACE}::{name}", mapped, lib=_library)
    _library.impl(name, _recording(operation, operator), "Autograd", with_keyset=True)
    return operator


def _schema(operation: Operation) -> str:
    if operation.in_lists:
        return "(Tensor[] values, SymInt[] extents, int[] ranks) -> Tensor[]"
    tensors = [f"Tensor v{k}" for k in range(len(operation.cores))]
    shapes = [f"SymInt[] s{k}" for k in range(len(operation.extra_cores))]
    results = ", ".join(["Tensor"] * operation.n_results)
    return f"({', '.join([*tensors, *shapes])}) -> {results if operation.n_results == 1 else f'({results})'}"


def _recording(operation: Operation, operator: Any) -> Callable[..., Any]:
    """Return the kernel for the dispatch key Autograd."""
    count = len(operation.cores)

    class Rules:
        @staticmethod
        def forward(ctx: Any, keyset: Any, *arguments: Any) -> Any:
            tensors, extra = arguments[:count], arguments[count:]
            keyset = keyset & _C._after_autograd_keyset
            # An autograd function computes with both modes turned off, yet the levels below may need them.
            with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True), _C._AutoDispatchBelowAutograd():
                results = operator.redispatch(keyset, *operation.packed(tensors, extra))
            ctx.kept = operation.kept(ctx.needs_input_grad[1 : count + 1], tensors[0].dtype)
            ctx.shapes = [tensor.shape for tensor in tensors]
            ctx.extra = extra
            ctx.save_for_backward(*[tensors[k] for k in ctx.kept])
            ctx.save_for_forward(*tensors)
            ctx.set_materialize_grads(False)
            return tuple(results) if operation.in_lists else results

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            values: list[Any] = [None] * count
            for position, tensor in zip(ctx.kept, ctx.saved_tensors, strict=True):
                values[position] = tensor
            point = Point(values, ctx.shapes, ctx.extra)
            found = operation.pull(point, ctx.needs_input_grad[1 : count + 1], cotangents)
            return (None, *found, *(None for _ in ctx.extra))

        @staticmethod
        def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
            point = Point(ctx.saved_tensors, ctx.shapes, ctx.extra)
            found = operation.push(point, tangents[:count])
            return found[0] if len(found) == 1 and not operation.in_lists else tuple(found)

    recorded: Any = type(operation.label, (Rules, _SingleLevelFunction), {})

    def record(keyset: Any, *arguments: Any) -> Any:
        tensors, extra = operation.unpacked(arguments)
        # Also where no gradient is recorded: whether a tensor has a tangent cannot be seen from here.
        with enable_single_level_autograd_function() if _transformed() else nullcontext():
            results = recorded.apply(keyset, *tensors, *extra)
        return list(results) if operation.in_lists else results

    return record


__all__ = ["Point", "register"]
