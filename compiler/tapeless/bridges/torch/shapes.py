"""Shapes of batches: broadcast, expanded, with a new dimension in front. They may be symbolic."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tapeless.errors import ShapeError

Shape = Sequence[int]


def batch_of(names: Sequence[str], shapes: Sequence[Shape], cores: Sequence[Shape]) -> Shape:
    """Broadcast the batch shapes of operands, each the leading dimensions before its core shape.

    Raises
    ------
    ShapeError
        Where an operand does not end with its core shape, or the others do not broadcast.
    """
    for name, shape, core in zip(names, shapes, cores, strict=True):
        if len(shape) < len(core) or tuple(shape[len(shape) - len(core) :]) != tuple(core):
            raise ShapeError(f"{name} has shape {tuple(shape)}, its last dimensions must be {tuple(core)}")
    batches = [shape[: len(shape) - len(core)] for shape, core in zip(shapes, cores, strict=True)]
    try:
        batch: Shape = torch.broadcast_shapes(*batches)
        return batch
    except RuntimeError:
        given = ", ".join(f"{name} {tuple(shape)}" for name, shape in zip(names, shapes, strict=True))
        raise ShapeError(f"inputs do not broadcast together: {given}") from None


def expanded(cotangents: Sequence[Tensor | None], batch: Shape, cores: Sequence[Shape]) -> list[Tensor]:
    """Return cotangents over the whole batch, zeros for those that are None; at least one is a tensor."""
    like = next(cotangent for cotangent in cotangents if cotangent is not None)
    return [
        (like.new_zeros(()) if cotangent is None else cotangent).expand((*batch, *core))
        for cotangent, core in zip(cotangents, cores, strict=True)
    ]


def in_front(tensor: Tensor, dim: int | None, core: int, rank: int, size: int | None) -> Tensor:
    """Bring a mapped dimension to the front of a batch.

    Parameters
    ----------
    tensor
        The tensor; `dim` is its mapped dimension, None where it has none.
    core
        Number of its core dimensions.
    rank
        Number of batch dimensions of all operands together, without the mapped one.
    size
        For a tensor without a mapped dimension: the size of the one it is given, or None to leave it alone.
    """
    if dim is not None:
        tensor = tensor.movedim(dim, 0)
        index = (slice(None), *(None,) * (rank + core - tensor.ndim + 1))
        return tensor[index]
    if size is None:
        return tensor
    tensor = tensor[(None,) * (rank + core - tensor.ndim + 1)]
    return tensor.expand(size, *tensor.shape[1:])


def with_front(shape: Shape, core: int, rank: int, size: int) -> Shape:
    """Return what `in_front` makes of a shape."""
    return [size, *(1,) * (rank + core - len(shape)), *shape]


__all__ = ["Shape", "batch_of", "expanded", "in_front", "with_front"]
