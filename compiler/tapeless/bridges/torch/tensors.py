"""Kernels called with tensors: CPU tensors in, CPU tensors out, no copies where the memory serves as it lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from tapeless.runtime.arrays import Caller
from tapeless.runtime.load import KERNEL

Tensor = torch.Tensor
Array = np.ndarray[Any, Any]

DTYPES: Final = {torch.float64: "float64", torch.float32: "float32"}
"""What kernels compute in, by the tensors they are called with."""
DIRECT: Final = 4096
"""Elements up to which a kernel is called straight with the addresses of contiguous tensors. Beyond, the call layer for
arrays has more to offer: threads, memory that is used again."""

_FFI = KERNEL.ffi()
# The same type as that of a kernel, with addresses as integers, which is how torch hands them out.
_WITH_ADDRESSES = _FFI.typeof("void(*)(ptrdiff_t, const intptr_t *, const intptr_t *)")

_empty_like = torch.empty_like


class TensorKernel:
    """A kernel that takes tensors.

    Parameters
    ----------
    caller
        The kernel in the manners of NumPy.

    Attributes
    ----------
    signature : KernelSignature
        Of the kernel.
    flat : bool
        Whether all operands and results are scalars at each point: then tensors of one shape can go straight to it.
    """

    __slots__ = ("_addressed", "_caller", "_dtype", "_n_results", "flat", "signature")

    def __init__(self, caller: Caller) -> None:
        self.signature = signature = caller.signature
        self._caller = caller
        self._addressed = _FFI.cast(_WITH_ADDRESSES, caller._kernel)
        self._dtype = np.dtype(signature.dtype)
        self._n_results = len(signature.results)
        self.flat = all(part.shape == () for part in (*signature.operands, *signature.results))

    def direct(self, points: int, addresses: list[int], like: Tensor) -> list[Tensor]:
        """Call a flat kernel with contiguous operands of one shape, which is that of `like`."""
        if self._n_results == 1:
            made = _empty_like(like)
            self._addressed(points, addresses, (made.data_ptr(),))
            return [made]
        results = [_empty_like(like) for _ in range(self._n_results)]
        self._addressed(points, addresses, [result.data_ptr() for result in results])
        return results

    def __call__(self, operands: Sequence[Tensor | tuple[int, ...]]) -> list[Tensor]:
        """Call the kernel as NumPy functions are called.

        Parameters
        ----------
        operands
            For each a CPU tensor of the kernel's dtype; or a shape, for one whose numbers are not read.
        """
        arrays = [
            operand.numpy(force=True) if isinstance(operand, Tensor) else self._blank(operand)
            for operand in operands
        ]
        return [torch.from_numpy(np.asarray(result)) for result in self._caller(arrays)]

    def _blank(self, shape: tuple[int, ...]) -> Array:
        return np.broadcast_to(self._dtype.type(0), shape)


def is_ready(tensor: Tensor, shape: Sequence[int]) -> bool:
    """Whether a tensor is of a shape and lies in C order, so that its address is all that a kernel needs."""
    return tensor.shape == shape and tensor.is_contiguous() and not tensor.is_neg()


__all__ = ["DIRECT", "DTYPES", "TensorKernel", "is_ready"]
