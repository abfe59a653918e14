"""From what a caller passes to tensors of one dtype, or a refusal that names the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Final

import torch
from torch import Tensor

from tapeless.bridges.torch.tensors import DTYPES
from tapeless.errors import ArgumentError

_HALVES: Final = (torch.float16, torch.bfloat16)
_DEVICES: Final = ("cpu", "meta")


def as_tensors(given: Sequence[Any], names: Sequence[str], dtype: torch.dtype) -> list[Tensor]:
    """Return one tensor per input, all of one dtype.

    Numbers become tensors without dimensions. Where dtypes differ the result is that of torch's own operators: of two
    floating dtypes the larger, tensors without dimensions giving way to others. Under autocast, tensors in half
    precision become float32.

    Parameters
    ----------
    given
        Tensors and numbers.
    names
        What to call each.
    dtype
        That of a call with numbers alone.

    Raises
    ------
    ArgumentError
        For anything that a formula cannot take.
    """
    tensors = [value for value in given if isinstance(value, Tensor)]
    for value, name in zip(given, names, strict=True):
        if isinstance(value, Tensor):
            _check(value, name)
        elif not isinstance(value, Real):
            raise ArgumentError(_foreign(value, name))
    common = _common_dtype(tensors, dtype)
    device = tensors[0].device if tensors else torch.device("cpu")
    if any(tensor.device != device for tensor in tensors):
        places = ", ".join(str(tensor.device) for tensor in tensors)
        raise ArgumentError(f"all tensors must be on one device, not on {places}")
    return [
        value.to(common)
        if isinstance(value, Tensor)
        else torch.full((), float(value), dtype=common, device=device)
        for value in given
    ]


def _common_dtype(tensors: Sequence[Tensor], dtype: torch.dtype) -> torch.dtype:
    if not tensors:
        return dtype
    leading = [tensor for tensor in tensors if tensor.ndim > 0] or tensors
    return torch.float64 if any(tensor.dtype == torch.float64 for tensor in leading) else torch.float32


def _check(tensor: Tensor, name: str) -> None:
    if tensor.device.type not in _DEVICES:
        raise ArgumentError(
            f"{name} is on {tensor.device}; compiled formulas run on the CPU: pass {name}.cpu(), and take the result "
            f"back with .to({str(tensor.device)!r})"
        )
    if tensor.layout != torch.strided or tensor.is_nested:
        raise ArgumentError(f"{name} is not a dense tensor; pass {name}.to_dense(), or its values")
    if tensor.dtype in DTYPES:
        return
    if tensor.dtype in _HALVES:
        if torch.is_autocast_enabled("cpu"):
            return
        raise ArgumentError(
            f"{name} is of {tensor.dtype}; formulas are computed in float32 and float64: pass {name}.float(). Under "
            "torch.autocast that is done for you"
        )
    if tensor.is_complex():
        raise ArgumentError(
            f"{name} is complex; pass its real and imaginary parts separately, {name}.real and {name}.imag"
        )
    raise ArgumentError(
        f"{name} is of {tensor.dtype}; formulas are computed in float32 and float64: pass {name}.to(torch.float32)"
    )


def _foreign(value: Any, name: str) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if kind == "numpy.ndarray":
        return (
            f"{name} is a NumPy array; pass torch.from_numpy({name}), or call the Function itself with arrays"
        )
    return f"{name} is of type {type(value).__qualname__}; pass a tensor or a number"


__all__ = ["as_tensors"]
