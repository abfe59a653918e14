"""Telling torch of an operation: an operator with a CPU kernel, a shape rule, derivatives and a batching rule.

`torch.library.register_autograd` would do for reverse mode, but an operator registered so has a forward-mode
derivative of zero, without a word, and fails under `torch.func.grad`. So the kernel for the dispatch key Autograd is
our own. It does what torch does for its own operators: record at the innermost level, compute on the level below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import _C
from torch._functorch.utils import enable_single_level_autograd_function
from torch.autograd import forward_ad
from torch.autograd.function import _SingleLevelFunction

if TYPE_CHECKING:
    from tapeless.bridges.torch.formula import Operation

NAMESPACE: Final = "tapeless"

_library = torch.library.Library(NAMESPACE, "FRAGMENT")
_operators: dict[str, Any] = {}
_lock = threading.Lock()


def register(operation: Operation) -> Any:
    """Return the operator of an operation; torch learns of it the first time, and for the rest of the process."""
    with _lock:
        found = _operators.get(operation.label)
        if found is None:
            found = _operators[operation.label] = _define(operation)
        return found


def _define(operation: Operation) -> Any:
    name, count = operation.label, len(operation.cores)
    tensors = [f"Tensor v{k}" for k in range(count)]
    shapes = [f"SymInt[] s{k}" for k in range(len(operation.extra_cores))]
    results = ", ".join(["Tensor"] * operation.n_results)
    _library.define(
        f"{name}({', '.join([*tensors, *shapes])}) -> {results if operation.n_results == 1 else f'({results})'}",
        tags=(torch.Tag.pt2_compliant_tag, torch.Tag.flexible_layout),
    )
    operator = getattr(getattr(torch.ops, NAMESPACE), name).default

    def returned(found: list[Any]) -> Any:
        return found[0] if operation.n_results == 1 else tuple(found)

    def compute(*arguments: Any) -> Any:
        return returned(operation.compute(arguments[:count], arguments[count:]))

    def shape(*arguments: Any) -> Any:
        found = operation.result_shapes([tensor.shape for tensor in arguments[:count]], arguments[count:])
        return returned([arguments[0].new_empty(shape) for shape in found])

    def mapped(info: Any, dims: tuple[Any, ...], *arguments: Any) -> Any:
        found = operation.mapped(info.batch_size, dims[:count], arguments[:count], arguments[count:])
        return returned(found), returned([0] * operation.n_results)

    _library.impl(name, compute, "CPU")
    torch.library.register_fake(f"{NAMESPACE}::{name}", shape, lib=_library)
    torch.library.register_vmap(f"{NAMESPACE}::{name}", mapped, lib=_library)
    _library.impl(name, _recording(operation, operator), "Autograd", with_keyset=True)
    return operator


def _recording(operation: Operation, operator: Any) -> Callable[..., Any]:
    """Return the kernel for the dispatch key Autograd."""
    from tapeless.bridges.torch.formula import Point

    count = len(operation.cores)

    def below(keyset: Any, arguments: tuple[Any, ...]) -> Any:
        with _C._AutoDispatchBelowAutograd():
            return operator.redispatch(keyset & _C._after_autograd_keyset, *arguments)

    class Rules:
        @staticmethod
        def forward(ctx: Any, keyset: Any, *arguments: Any) -> Any:
            # An autograd function computes with both modes turned off, yet the levels below may need them.
            with torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):
                results = below(keyset, arguments)
            tensors = arguments[:count]
            ctx.kept = operation.kept(ctx.needs_input_grad[1 : count + 1], tensors[0].dtype)
            ctx.shapes = [tensor.shape for tensor in tensors]
            ctx.extra = arguments[count:]
            ctx.save_for_backward(*[tensors[k] for k in ctx.kept])
            ctx.save_for_forward(*tensors)
            ctx.set_materialize_grads(False)
            return results

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
            return found[0] if operation.n_results == 1 else tuple(found)

    recorded: Any = type(operation.label, (Rules, _SingleLevelFunction), {})

    def record(keyset: Any, *arguments: Any) -> Any:
        transformed = _C._are_functorch_transforms_active()
        if not (
            transformed
            or forward_ad._current_level >= 0
            or (torch.is_grad_enabled() and _C._any_requires_grad(*arguments))
        ):
            return below(keyset, arguments)
        with enable_single_level_autograd_function() if transformed else nullcontext():
            return recorded.apply(keyset, *arguments)

    return record


__all__ = ["NAMESPACE", "register"]
