"""Kernels called with tensors: CPU tensors in, CPU tensors out, no copies where the memory serves as it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from tapeless.bridges.torch.quick import find
from tapeless.runtime.arrays import Caller, short_calls
from tapeless.runtime.load import KERNEL

Array = np.ndarray[Any, Any]

DTYPES: Final = {torch.float64: "float64", torch.float32: "float32"}
"""What kernels compute in, by the tensors they are called with."""
_TYPES: Final = frozenset((torch.Tensor, torch.nn.Parameter))

_FFI = KERNEL.ffi()
# The type of a kernel, with addresses as integers, which is how torch hands them out.
_WITH_ADDRESSES = _FFI.typeof("void(*)(ptrdiff_t, const intptr_t *, const intptr_t *)")

_PATIENCE: Final = 4
"""How many times longer calls with tensors stay direct than those with arrays: tensors take some ten microseconds
more on the way to the driver."""

_empty_like = torch.empty_like


def _keys(tensor: Tensor) -> int:
    return int(torch._C._dispatch_keys(tensor).raw_repr())


def _usual_keys() -> frozenset[int]:
    with torch.inference_mode():
        inferred = torch.empty(0, device="cpu")
    return frozenset((_keys(torch.empty(0, device="cpu")), _keys(inferred)))


_USUAL: Final = _usual_keys()


def is_plain(tensor: Any) -> bool:
    """Whether something is a dense CPU tensor that holds its numbers itself.

    It is not where it is of a subclass, sparse, nested, the negative of what lies in memory, or a wrapper that a
    transform made.
    """
    return type(tensor) in _TYPES and _keys(tensor) in _USUAL


def _are_plain(tensors: Sequence[Any], dtype: torch.dtype) -> bool:
    for tensor in tensors:
        if type(tensor) not in _TYPES or tensor.dtype is not dtype or _keys(tensor) not in _USUAL:
            return False
    return True


_quick: Final = find().extension

are_plain: Final[Callable[[Sequence[Any], torch.dtype], bool]] = (
    _are_plain if _quick is None else _quick.are_plain
)
"""`are_plain(tensors, dtype)`: whether all of a tuple or list are plain and of a dtype."""


class TensorKernel:
    """A kernel that takes tensors.

    Parameters
    ----------
    caller
        The kernel in the manners of NumPy.
    given
        The operands that calls give, in order; the kernel does not read the others. All where None.

    Attributes
    ----------
    signature : KernelSignature
        Of the kernel.
    direct : callable
        `direct(tensors, like)` calls the kernel past all layers, if that can be done: with few points, plain tensors
        of one shape (a tuple or list, `like` one of them), and scalars at each point. It returns the list of results,
        of the same shape; None where the call takes more than this.
    """

    __slots__ = (
        "_caller",
        "_dtype",
        "_given",
        "_kernel",
        "_limit",
        "_n_results",
        "_torch_dtype",
        "direct",
        "signature",
    )

    def __init__(self, caller: Caller, given: Sequence[int] | None = None) -> None:
        self.signature = signature = caller.signature
        self._caller = caller
        self._kernel = _FFI.cast(_WITH_ADDRESSES, caller.address)
        self._dtype = np.dtype(signature.dtype)
        self._torch_dtype = next(dtype for dtype, name in DTYPES.items() if name == signature.dtype)
        self._given = tuple(range(len(signature.operands)) if given is None else given)
        self._n_results = len(signature.results)
        # Beyond, the call layer for arrays has more to offer: threads, memory that is used again.
        most, release = short_calls(signature)
        self._limit = _PATIENCE * most
        self.direct = self._way(release)

    def _way(self, release: int) -> Callable[[Sequence[Tensor], Tensor], list[Tensor] | None]:
        operands, results = self.signature.operands, self.signature.results
        if any(operand.shape for operand in operands) or any(result.shape for result in results):
            return _no_way
        if _quick is None or len(operands) > _quick.MOST_PARTS or len(results) > _quick.MOST_PARTS:
            return self._direct
        kernel: Callable[[Sequence[Tensor], Tensor], list[Tensor] | None] = _quick.Kernel(
            self._caller.address,
            self._torch_dtype,
            len(operands),
            self._given,
            len(results),
            self._limit,
            release,
        )
        return kernel

    def _direct(self, tensors: Sequence[Tensor], like: Tensor) -> list[Tensor] | None:
        points = like.numel()
        if not 0 < points < self._limit:
            return None
        # Written out: at this size every call counts.
        dtype, shape = self._torch_dtype, like.shape
        addresses = [0] * len(self.signature.operands)
        copies = []
        for position, tensor in zip(self._given, tensors, strict=True):
            if tensor.dtype is not dtype or tensor.shape != shape:
                return None
            address = tensor.data_ptr()
            if not tensor.is_contiguous() or address % self._dtype.itemsize:
                copies.append(tensor.clone(memory_format=torch.contiguous_format))
                address = copies[-1].data_ptr()
            addresses[position] = address
        if self._n_results == 1:
            result = _empty_like(like, memory_format=torch.contiguous_format)
            self._kernel(points, addresses, (result.data_ptr(),))
            return [result]
        results = [_empty_like(like, memory_format=torch.contiguous_format) for _ in range(self._n_results)]
        self._kernel(points, addresses, [result.data_ptr() for result in results])
        return results

    def __call__(self, operands: Sequence[Tensor | tuple[int, ...]]) -> list[Tensor]:
        """Call the kernel as NumPy functions are called.

        Parameters
        ----------
        operands
            All operands: for each a dense CPU tensor of the kernel's dtype; or a shape, for one that is not read.
        """
        arrays = [operand.numpy(force=True) if isinstance(operand, Tensor) else None for operand in operands]
        known: dict[Any, Array] = {}
        for array in arrays:
            if array is not None and (array.shape not in known or array.flags.c_contiguous):
                known[array.shape] = array
        # For one that is not read any array of its shape will do, best one that lies in order.
        for k, operand in enumerate(operands):
            if arrays[k] is None:
                found = known.get(operand)
                arrays[k] = np.broadcast_to(self._dtype.type(0), operand) if found is None else found
        return [torch.from_numpy(np.asarray(result)) for result in self._caller(arrays)]


def _no_way(tensors: Sequence[Tensor], like: Tensor) -> None:
    return None


__all__ = ["DTYPES", "TensorKernel", "are_plain", "is_plain"]
