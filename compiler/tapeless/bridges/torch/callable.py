"""What `Function.to_torch` gives: a callable that takes and returns tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import _C, Tensor
from torch.overrides import handle_torch_function, has_torch_function

from tapeless.bridges.torch.arguments import as_tensors
from tapeless.bridges.torch.eager import autograd_function, is_eager, saving_function
from tapeless.bridges.torch.formula import Formula
from tapeless.bridges.torch.kernels import Kernels
from tapeless.bridges.torch.tensors import DTYPES, are_plain, is_plain
from tapeless.errors import ArgumentError
from tapeless.function import Function

_DTYPES: Final = {name: dtype for dtype, name in DTYPES.items()}
_is_compiling = torch.compiler.is_compiling
_is_grad_enabled = torch.is_grad_enabled


class TorchFunction:
    """A compiled formula that takes and returns tensors, and takes part in what torch does with functions.

    Made by `Function.to_torch`. Tensors are on the CPU and of float32 or float64; the formula is computed in their
    dtype, whichever its own is. Numbers may stand among them. Batch dimensions broadcast and core dimensions come
    last, as for the Function.

    Attributes
    ----------
    function : Function
        The compiled formula.
    save_slopes : bool
        Whether eager forwards compute the slopes for their backwards.
    name : str
        Its name.
    input_names, output_names : tuple of str
        In order.
    """

    def __init__(self, function: Function, save_slopes: bool = False) -> None:
        if save_slopes and function.output_shapes != ((),):
            raise ArgumentError(
                f"save_slopes=True is for functions with one output that has no shape; {function.name} gives "
                f"{', '.join(function.output_names)}: leave it out"
            )
        self.function = function
        self.save_slopes = save_slopes
        self.name = function.name
        self.input_names = function.input_names
        self.output_names = function.output_names
        self._formula = Formula(_label(function), Kernels(function))
        # At hand before anything is traced, for a tracer cannot follow a registration.
        self._operator = self._formula.operator
        self._in_lists = self._formula.in_lists
        self._dtype = _DTYPES[function.dtype]
        self._constants = tuple(k for k, name in enumerate(self.input_names) if name not in function.wrt)
        self._quick: dict[torch.dtype, Callable[..., Any]] = {}

    def __call__(self, /, *primals: Any, **named: Any) -> Any:
        """Evaluate the formula.

        Parameters
        ----------
        *primals : Tensor or number
            One per input, in order; or by keyword.

        Returns
        -------
        Tensor, or tuple of Tensor
            One per output, of the broadcast shape.

        Raises
        ------
        ArgumentError
            For a wrong number of arguments, and for tensors of a kind or on a device that formulas do not take.
        ShapeError
            Where shapes do not broadcast.
        """
        if _is_compiling():
            return self._through_operator(self._tensors(self.function._bind(primals, named)))
        if named or len(primals) != len(self.input_names):
            primals = self.function._bind(primals, named)
        dtype = getattr(primals[0], "dtype", None)
        if (
            not is_eager()
            or _C._len_torch_function_stack()
            or dtype not in self._quick
            or not are_plain(primals, dtype)
        ):
            return self._at_length(primals)
        if not _is_grad_enabled() or not _C._any_requires_grad(*primals):
            return self._unrecorded(primals)
        if self._constants:
            return self._at_length(primals)
        return self._quick[dtype](*primals)

    def _at_length(self, primals: tuple[Any, ...]) -> Any:
        """Take any argument, or refuse it."""
        if has_torch_function(primals):
            return handle_torch_function(self, primals, *primals)
        tensors = self._tensors(primals)
        if not is_eager() or not all(map(is_plain, tensors)):
            return self._through_operator(tensors)
        if not _is_grad_enabled() or not any(tensor.requires_grad for tensor in tensors):
            return self._unrecorded(tensors)
        dtype = tensors[0].dtype
        quick = self._quick.get(dtype)
        if quick is None:
            make = saving_function if self.save_slopes else autograd_function
            quick = self._quick[dtype] = make(self._formula, dtype)
        return quick(*tensors)

    def _unrecorded(self, tensors: Sequence[Tensor]) -> Any:
        results = self._formula.compute(tensors)
        return results[0] if len(results) == 1 else tuple(results)

    def _through_operator(self, tensors: list[Tensor]) -> Any:
        if not self._in_lists:
            return self._operator(*tensors)
        results = self._operator(tensors, [], [])
        return results[0] if len(results) == 1 else tuple(results)

    def _tensors(self, primals: Sequence[Any]) -> list[Tensor]:
        tensors = as_tensors(primals, self.input_names, self._dtype)
        for k in self._constants:
            tensors[k] = tensors[k].detach()
        return tensors

    def __repr__(self) -> str:
        inputs, outputs = ", ".join(self.input_names), ", ".join(self.output_names)
        return f"<tapeless {self.name}({inputs}) -> {outputs}, for torch>"

    def __copy__(self) -> TorchFunction:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TorchFunction:
        return self

    def __reduce__(self) -> tuple[Callable[[Function, bool], TorchFunction], tuple[Function, bool]]:
        return Function.to_torch, (self.function, self.save_slopes)


def _label(function: Function) -> str:
    """Return a name for the operators that says what they are, the same in every process."""
    options = function.options
    if options.accuracy is None:  # then ranges decide nothing
        options = options._replace(assume=())
    digest = hashlib.sha256(repr((function.material, options)).encode()).hexdigest()[:12]
    name = function.name if function.name.isascii() else "formula"
    return f"{name}_{digest}"


__all__ = ["TorchFunction"]
