"""A formula as a layer: some of its inputs are parameters, the others arrive with each call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tapeless.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from tapeless.function import Function


class FormulaModule(torch.nn.Module):
    """A formula as a `torch.nn.Module`.

    Parameters
    ----------
    function : Function
        The formula.
    parameters : mapping, optional
        Input -> first value of the parameter that it becomes: a number, anything else that `torch.as_tensor` takes,
        of which the numbers are copied, or an `nn.Parameter` to share. What is not floating becomes torch's default
        dtype.
    buffers : mapping, optional
        Input -> value that stays with the module and is not trained; always copied.
    save_slopes : bool, default: False
        As for `Function.to_torch`.

    Attributes
    ----------
    function : TorchFunction
        What is called.
    input_names : tuple of str
        The inputs that a call takes, in order.

    Raises
    ------
    ArgumentError
        For a name that is no input, that the formula is not differentiated by, or that every module uses itself, and
        for a value that is no real number or array of them.
    ShapeError
        For a value that does not end with the core shape of its input.
    """

    def __init__(
        self,
        function: Function,
        parameters: Mapping[str, Any] | None = None,
        buffers: Mapping[str, Any] | None = None,
        *,
        save_slopes: bool = False,
    ) -> None:
        super().__init__()
        parameters, buffers = dict(parameters or {}), dict(buffers or {})
        self.function = function.to_torch(save_slopes)
        names = self.function.input_names
        for name in (*parameters, *buffers):
            self._check_name(function, name)
        for name, value in parameters.items():
            if name in buffers:
                raise ArgumentError(f"{name} is among the parameters and among the buffers")
            if name not in function.wrt:
                raise ArgumentError(
                    f"{name} is a constant of {function.name}, which is differentiated by {', '.join(function.wrt)}; "
                    "give it in buffers="
                )
            shared = isinstance(value, torch.nn.Parameter)
            self.register_parameter(name, value if shared else torch.nn.Parameter(_copied(name, value)))
        for name, value in buffers.items():
            self.register_buffer(name, _copied(name, value))
        for name in (*parameters, *buffers):
            self._check_shape(function, name)
        self._held = (*parameters, *buffers)
        self.input_names = tuple(name for name in names if name not in self._held)

    def _check_name(self, function: Function, name: str) -> None:
        names = self.function.input_names
        if name not in names:
            raise ArgumentError(f"{function.name} has no input {name!r}; its inputs are {', '.join(names)}")
        if hasattr(self, name):
            raise ArgumentError(f"every torch module has something called {name!r}; call the input otherwise")

    def _check_shape(self, function: Function, name: str) -> None:
        core = function.input_shapes[self.function.input_names.index(name)]
        shape = tuple(getattr(self, name).shape)
        if shape[len(shape) - len(core) :] != core:
            raise ShapeError(f"{name} has shape {shape}, its last dimensions must be {core}")

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Evaluate the formula with the module's parameters, at inputs in order or by name."""
        if named or len(inputs) != len(self.input_names):
            inputs = self._bound(inputs, named)
        rest = iter(inputs)
        return self.function(
            *[getattr(self, name) if name in self._held else next(rest) for name in self.function.input_names]
        )

    def _bound(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        names = self.input_names
        shown = f"the module {self.function.name}({', '.join(names)})"
        if len(inputs) > len(names):
            raise ArgumentError(f"{shown} takes {len(names)} inputs, not {len(inputs)}")
        for name in named:
            if name not in names[len(inputs) :]:
                why = (
                    "has that of its own, or by position" if name in self.function.input_names else "has none"
                )
                raise ArgumentError(f"{name} cannot be given by name: {shown} {why}")
        missing = [name for name in names[len(inputs) :] if name not in named]
        if missing:
            raise ArgumentError(f"{shown} misses {', '.join(missing)}")
        return (*inputs, *[named[name] for name in names[len(inputs) :]])

    def extra_repr(self) -> str:
        """Return the formula's inputs and outputs, for the module's `repr`."""
        inputs, outputs = ", ".join(self.function.input_names), ", ".join(self.function.output_names)
        held = f"; has {', '.join(self._held)}" if self._held else ""
        return f"{self.function.name}({inputs}) -> {outputs}{held}"


def _copied(name: str, value: Any) -> Tensor:
    """Return a value as a floating tensor with memory of its own: training must not change what was given."""
    try:
        tensor = torch.as_tensor(value).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(f"{name} cannot become a tensor: {error}") from None
    if tensor.is_complex():
        raise ArgumentError(f"{name} is complex; inputs of formulas are real")
    is_number = isinstance(value, int | float)
    dtype = torch.get_default_dtype() if is_number or not tensor.is_floating_point() else tensor.dtype
    return tensor.to(dtype, copy=True)


__all__ = ["FormulaModule"]
