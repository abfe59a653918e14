"""Arrays that a caller offers for results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tapeless.errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]

# Beyond this effort an exact answer to "do they share memory" is not worth having.
_OVERLAP_EFFORT = 10_000


def as_outputs(out: object, names: Sequence[str]) -> list[Array | None]:
    """Read `out=`: an array where there is one result, else a tuple with one array or None for each."""
    offered: Sequence[Any]
    if isinstance(out, (tuple, list)):
        offered = out
    elif len(names) == 1:
        offered = (out,)
    else:
        raise ArgumentError(
            f"out must be a tuple of {len(names)} arrays or None, one for each of {', '.join(names)}"
        )
    if len(offered) != len(names):
        raise ArgumentError(f"out has {len(offered)} entries, {len(names)} are needed: {', '.join(names)}")
    return list(offered)


def check_output(out: object, name: str, shape: tuple[int, ...]) -> None:
    """Raise unless `out` is an array that can take a result of that shape."""
    if not isinstance(out, np.ndarray):
        raise ArgumentError(f"out for {name} must be a NumPy array, not {type(out).__name__}")
    if isinstance(out, np.ma.MaskedArray):
        raise ArgumentError(f"out for {name} is a masked array; pass a plain one")
    if out.shape != shape:
        raise ShapeError(f"out for {name} has shape {out.shape}, the result has {shape}")
    if out.dtype.kind != "f":
        raise ArgumentError(
            f"out for {name} has dtype {out.dtype}, which cannot hold the result; use a floating one"
        )
    if not out.flags.writeable:
        raise ArgumentError(f"out for {name} is read-only")
    if _may_overlap_itself(out):
        raise ArgumentError(f"out for {name} is a view whose elements share memory; pass an array of its own")


def check_distinct(outs: Sequence[Array | None], names: Sequence[str]) -> None:
    """Raise where two of the arrays share memory."""
    for j, second in enumerate(outs):
        for i, first in enumerate(outs[:j]):
            if first is not None and second is not None and _share(first, second):
                raise ArgumentError(f"out for {names[i]} and out for {names[j]} share memory")


def _share(first: Array, second: Array) -> bool:
    if not np.may_share_memory(first, second):
        return False
    try:
        return np.shares_memory(first, second, max_work=_OVERLAP_EFFORT)  # type: ignore[arg-type]  # stubs
    except (RuntimeError, OverflowError):  # np.exceptions.TooHardError, under a name that changed
        return True


def _may_overlap_itself(array: Array) -> bool:
    """Whether two elements may share memory: no, where each stride steps over all that lies within it."""
    if array.flags.forc:
        return False
    span = array.itemsize
    for stride, extent in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True)):
        if extent <= 1:
            continue
        if stride < span:
            return True
        span += stride * (extent - 1)
    return False
