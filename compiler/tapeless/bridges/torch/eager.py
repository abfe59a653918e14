"""The quick way in eager mode: an autograd function that calls the kernels itself, past the dispatcher.

It serves plain CPU tensors while nothing looks over torch's shoulder. Its backward goes the way of the operators
where it is to be differentiated in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import _C, Tensor
from torch.autograd import forward_ad

from tapeless.bridges.torch.formula import Formula, Positions, Pullback
from tapeless.bridges.torch.operator import Point
from tapeless.bridges.torch.shapes import Shape, expanded
from tapeless.bridges.torch.tensors import DTYPES, TensorKernel, are_plain
from tapeless.errors import DerivativeError

is_grad_enabled = torch.is_grad_enabled
_transformed = _C._are_functorch_transforms_active
_modes = _C._len_torch_dispatch_stack
_tracing = _C._get_tracing_state


def is_eager() -> bool:
    """Whether nothing but plain reverse mode is going on: no transform, no forward mode, no mode, no tracer."""
    return not (_transformed() or forward_ad._current_level >= 0 or _modes() or _tracing() is not None)


class _Plan(NamedTuple):
    """What a backward needs for some inputs that need a gradient.

    Attributes
    ----------
    possible
        Whether C can express the derivative. Where it cannot, going the long way raises the error that says so.
    needed
        Marks those inputs.
    kept, dropped
        The inputs to save, and the others, of which the shape is enough.
    pullback
        Computes the gradients that take computing; None where there are none.
    picked
        The tensors that it takes, by their places among those saved and the cotangents; None where it takes them all.
    bare
        The shapes that it takes, by their places among those of `dropped`.
    repeats
        (position of an input, position of the cotangent that its gradient is).
    """

    possible: bool
    needed: Sequence[bool]
    kept: Positions
    dropped: Positions
    pullback: Pullback | None
    picked: Positions | None
    bare: Positions
    repeats: tuple[tuple[int, int], ...]


def autograd_function(formula: Formula, dtype: torch.dtype) -> Callable[..., Any]:
    """Return `apply(*tensors)` of an autograd function that computes a formula in a dtype, where `is_eager`.

    Its backward computes anew what it needs from the inputs.
    """
    count, n_results, cores = len(formula.names), formula.n_results, formula.outputs
    kernel = formula.compiled(dtype)
    direct = kernel.direct
    plans: dict[tuple[bool, ...], tuple[_Plan, _Plan]] = {}

    class Rules:
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> Any:
            results = direct(tensors, tensors[0]) or kernel(tensors)
            needed = ctx.needs_input_grad
            found = plans.get(needed)
            if found is None:
                found = plans[needed] = _plans(formula, needed, dtype)
            plan = found[0]
            for position, _ in plan.repeats:
                if tensors[position].shape != results[0].shape:
                    plan = found[1]
            ctx.plan = plan
            ctx.shapes = [tensors[k].shape for k in plan.dropped]
            ctx.save_for_backward(*[tensors[k] for k in plan.kept])
            if n_results == 1:
                return results[0]
            ctx.set_materialize_grads(False)
            return tuple(results)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            plan, saved = ctx.plan, ctx.saved_tensors
            if is_grad_enabled() or not is_eager() or not plan.possible:
                return _differentiable(formula, ctx, saved, cotangents)
            if n_results > 1:
                filled = _filled(cotangents, cores)
                if filled is None:
                    return (None,) * count
            else:
                filled = cotangents
            tensors = (*saved, *filled)
            if not are_plain(tensors, dtype):
                return _differentiable(formula, ctx, saved, cotangents)
            gradients = [None] * count
            for position, cotangent in plan.repeats:
                gradients[position] = filled[cotangent]
            pullback = plan.pullback
            if pullback is not None:
                if plan.picked is not None:
                    tensors = tuple([tensors[k] for k in plan.picked])
                found = pullback.compute(tensors, [ctx.shapes[k] for k in plan.bare])
                for position, gradient in zip(pullback.wanted, found):  # noqa: B905
                    gradients[position] = gradient
            return tuple(gradients)

    return _apply(formula.label, Rules)


def saving_function(formula: Formula, dtype: torch.dtype) -> Callable[..., Any]:
    """Return the like of `autograd_function` that computes the slopes with the values, and saves them.

    Its backward multiplies them by the cotangent. The formula has one output, without a shape.
    """
    count = len(formula.names)
    times = TensorKernel(formula.kernels.product(DTYPES[dtype]))
    plans: dict[tuple[bool, ...], tuple[_Plan, TensorKernel]] = {}

    class Rules:
        @staticmethod
        def forward(ctx: Any, *tensors: Tensor) -> Tensor:
            needed = ctx.needs_input_grad
            found = plans.get(needed)
            if found is None:
                found = plans[needed] = _plans(formula, needed, dtype)[1], formula.sloped(needed, dtype)
            plan, kernel = found
            result, *slopes = kernel.direct(tensors, tensors[0]) or kernel(tensors)
            ctx.plan = plan
            ctx.shapes = [tensors[k].shape for k in plan.dropped]
            # The inputs are there for a backward that is itself recorded.
            ctx.save_for_backward(*[tensors[k] for k in plan.kept], *slopes)
            return result

        @staticmethod
        def backward(ctx: Any, cotangent: Tensor) -> Any:
            plan: _Plan = ctx.plan
            tensors = ctx.saved_tensors
            saved, slopes = tensors[: len(plan.kept)], tensors[len(plan.kept) :]
            if is_grad_enabled() or not is_eager() or not are_plain((*tensors, cotangent), dtype):
                return _differentiable(formula, ctx, saved, (cotangent,))
            gradients: list[Tensor | None] = [None] * count
            for position, slope in zip(formula.wanted(plan.needed), slopes, strict=True):
                index = (..., *[None] * len(formula.cores[position]))
                along = cotangent[index]
                # Where the input was broadcast, autograd sums.
                [gradients[position]] = times.direct((slope, along), slope) or times((slope, along))
            return tuple(gradients)

    return _apply(f"{formula.label}_slopes", Rules)


def _apply(name: str, rules: type) -> Callable[..., Any]:
    made: Any = type(name, (rules, torch.autograd.Function), {})
    # Where there are no transforms, `Function.apply` comes to this, and takes 2 microseconds more.
    return super(torch.autograd.Function, made).apply  # type: ignore[no-any-return]


def _differentiable(
    formula: Formula, ctx: Any, saved: Sequence[Tensor], cotangents: Sequence[Tensor | None]
) -> tuple[Tensor | None, ...]:
    """Return the gradients through the operators, so that torch can record how they came about."""
    plan: _Plan = ctx.plan
    values: list[Any] = [None] * len(formula.names)
    shapes: list[Any] = [None] * len(formula.names)
    for position, tensor in zip(plan.kept, saved, strict=True):
        values[position], shapes[position] = tensor, tensor.shape
    for position, shape in zip(plan.dropped, ctx.shapes, strict=True):
        shapes[position] = shape
    return tuple(formula.pull(Point(values, shapes, ()), plan.needed, cotangents))


def _plans(formula: Formula, needed: Sequence[bool], dtype: torch.dtype) -> tuple[_Plan, _Plan]:
    """Return the plan where a gradient may be the cotangent as it came, and the one where all are computed."""
    wanted = formula.wanted(needed)
    try:
        whole = formula.pullback(wanted, dtype)
    except DerivativeError:
        impossible = _plan(formula, needed, (), None, ())._replace(possible=False)
        return impossible, impossible
    repeats = tuple(
        (position, same)
        for position, same in zip(whole.wanted, whole.repeats, strict=True)
        if same is not None
    )
    repeated = {position for position, _ in repeats}
    rest = tuple(position for position in wanted if position not in repeated)
    pullback = formula.pullback(rest, dtype) if rest else None
    return (
        _plan(formula, needed, whole.used, pullback, repeats),
        _plan(formula, needed, whole.used, whole, ()),
    )


def _plan(
    formula: Formula,
    needed: Sequence[bool],
    used: Positions,
    pullback: Pullback | None,
    repeats: tuple[tuple[int, int], ...],
) -> _Plan:
    read, shaped = ((), ()) if pullback is None else (pullback.used, pullback.bare)
    kept = tuple(sorted({*used, *read}))
    dropped = tuple(k for k in range(len(formula.names)) if k not in kept)
    cotangents = range(len(kept), len(kept) + formula.n_results)
    return _Plan(
        True,
        needed,
        kept,
        dropped,
        pullback,
        None if read == kept else (*map(kept.index, read), *cotangents),
        tuple(map(dropped.index, shaped)),
        repeats,
    )


def _filled(cotangents: Sequence[Tensor | None], cores: Sequence[Shape]) -> Sequence[Tensor] | None:
    """Return the cotangents, zeros for those that are None; None where all are."""
    for cotangent, core in zip(cotangents, cores, strict=True):
        if cotangent is not None:
            return expanded(cotangents, cotangent.shape[: cotangent.ndim - len(core)], cores)
    return None


__all__ = ["autograd_function", "is_eager", "saving_function"]
