"""The derivative rules of a formula as operations on tensors, of any order.

Two operations suffice. A `Formula` computes outputs point by point. A `Pullback` computes cotangents of inputs,
summed over the dimensions in which an input was broadcast. The derivative of either is made of formulas and pullbacks
that are derived when they are needed, so that this goes on for ever.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from tapeless.bridges.torch.kernels import Kernels
from tapeless.bridges.torch.operator import Point, register
from tapeless.bridges.torch.shapes import Shape, batch_of, expanded, in_front, with_front
from tapeless.bridges.torch.tensors import DTYPES, TensorKernel
from tapeless.errors import DerivativeError
from tapeless.runtime.arrays import Caller

Tensors = Sequence[Tensor]
Optional = Sequence[Tensor | None]
Positions = tuple[int, ...]

_MOST_ARGUMENTS: Final = 64
"""Arguments that an operator of torch takes at most."""


class Operation(ABC):
    """A function of tensors, and shapes after them, with its derivatives.

    Attributes
    ----------
    label : str
        Its name, unique in the process.
    names : tuple of str
        What the tensors are called in messages.
    cores, extra_cores : tuple of shapes
        The core shape of each tensor, and of each tensor whose shape alone it takes.
    n_results : int
        How many tensors it returns.
    """

    label: str
    names: tuple[str, ...]
    cores: tuple[Shape, ...]
    extra_cores: tuple[Shape, ...] = ()
    n_results: int

    def __init__(self) -> None:
        self._operator: Any = None

    @property
    def operator(self) -> Any:
        """The torch operator; registered when first asked for."""
        if self._operator is None:
            self._operator = register(self)
        return self._operator

    def __call__(self, tensors: Tensors, extra: Sequence[Shape] = ()) -> list[Tensor]:
        """Compute the results through the operator, so that they can be differentiated again."""
        results = self.operator(*self.packed(tensors, extra))
        return [results] if isinstance(results, Tensor) else list(results)

    @property
    def in_lists(self) -> bool:
        """Whether the operator takes and returns lists, for tensors are more than torch takes one by one."""
        return max(len(self.cores) + len(self.extra_cores), self.n_results) > _MOST_ARGUMENTS

    def packed(self, tensors: Tensors, extra: Sequence[Shape]) -> tuple[Any, ...]:
        """Return the arguments of the operator."""
        if not self.in_lists:
            return (*tensors, *extra)
        extents = [extent for shape in extra for extent in shape]
        return [*tensors], extents, [len(shape) for shape in extra]

    def unpacked(self, arguments: Sequence[Any]) -> tuple[Tensors, Sequence[Shape]]:
        """Return tensors and shapes from the arguments of the operator."""
        count = len(self.cores)
        if not self.in_lists:
            return arguments[:count], arguments[count:]
        tensors, extents, ranks = arguments
        rest = iter(extents)
        return tensors, [tuple(itertools.islice(rest, rank)) for rank in ranks]

    @abstractmethod
    def compute(self, tensors: Tensors, extra: Sequence[Shape]) -> list[Tensor]:
        """Compute the results from CPU tensors of one dtype."""

    @abstractmethod
    def result_shapes(self, shapes: Sequence[Shape], extra: Sequence[Shape]) -> list[Shape]:
        """Return the shapes of the results."""

    @abstractmethod
    def kept(self, needed: Sequence[bool], dtype: torch.dtype) -> Positions:
        """Return the positions of the tensors that `pull` reads where those marked need a cotangent."""

    @abstractmethod
    def pull(self, point: Point, needed: Sequence[bool], cotangents: Optional) -> list[Tensor | None]:
        """Return the cotangent of each tensor: None where it is not needed, or where none arrives."""

    @abstractmethod
    def push(self, point: Point, tangents: Optional) -> list[Tensor | None]:
        """Return the tangent of each result: None where none of those given counts."""

    @abstractmethod
    def mapped(
        self, size: int, dims: Sequence[int | None], tensors: Tensors, extra: Sequence[Shape]
    ) -> list[Tensor]:
        """Compute the results for each index along the given dimensions; those come first in the results."""

    def _rank(self, dims: Sequence[int | None], tensors: Tensors) -> int:
        """Return the number of batch dimensions besides the mapped one."""
        ranks: list[int] = [
            tensor.ndim - (dim is not None) - len(core)
            for dim, tensor, core in zip(dims, tensors, self.cores, strict=True)
        ]
        return max(ranks)


class Formula(Operation):
    """A formula: its outputs at each point of a batch.

    Parameters
    ----------
    label
        Its name, unique in the process.
    kernels
        The formula itself.
    """

    def __init__(self, label: str, kernels: Kernels) -> None:
        super().__init__()
        self.label = label
        self.kernels = kernels
        self.names = tuple(name for name, _ in kernels.face.inputs)
        self.cores = tuple(core for _, core in kernels.face.inputs)
        self.outputs = tuple(core for _, core in kernels.face.outputs)
        self.n_results = len(self.outputs)
        self.variable = tuple(self.names.index(name) for name in kernels.wrt)
        self._compiled: dict[torch.dtype, TensorKernel] = {}
        self._sloped: dict[tuple[Positions, torch.dtype], TensorKernel] = {}
        self._pullbacks: dict[Positions, Pullback] = {}
        self._pushforwards: dict[Positions, Formula] = {}

    def compiled(self, dtype: torch.dtype) -> TensorKernel:
        """Return the kernel for a dtype."""
        found = self._compiled.get(dtype)
        if found is None:
            caller = self.kernels.caller("forward", self.kernels.wrt, DTYPES[dtype])
            found = self._compiled.setdefault(dtype, TensorKernel(caller))
        return found

    def sloped(self, needed: Sequence[bool], dtype: torch.dtype) -> TensorKernel:
        """Return the kernel of the only output and of its slopes by those inputs of `wanted`.

        Raises
        ------
        DerivativeError
            Where C cannot express a slope.
        """
        wanted = self.wanted(needed)
        found = self._sloped.get((wanted, dtype))
        if found is None:
            names = tuple(self.names[k] for k in wanted)
            caller = self.kernels.caller("value_and_grad", names, DTYPES[dtype])
            found = self._sloped.setdefault((wanted, dtype), TensorKernel(caller))
        return found

    def wanted(self, needed: Sequence[bool]) -> Positions:
        """Return the inputs that need a cotangent and may have one, in the order of the kernels."""
        return tuple(k for k in self.variable if needed[k])

    def pullback(self, wanted: Positions, dtype: torch.dtype) -> Pullback:
        """Return the pullback to some inputs; what it reads is found from the kernel for `dtype`."""
        found = self._pullbacks.get(wanted)
        if found is None:
            found = self._pullbacks.setdefault(wanted, Pullback(self, wanted, dtype))
        return found

    def pushforward(self, moving: Positions) -> Formula:
        """Return the tangents of the outputs as a formula in the inputs and the tangents of some of them."""
        found = self._pushforwards.get(moving)
        if found is None:
            kernels = self.kernels.derivative("jvp", tuple(self.names[k] for k in moving))
            made = Formula(f"{self.label}_jvp_{_spelled(moving)}", kernels)
            found = self._pushforwards.setdefault(moving, made)
        return found

    def compute(self, tensors: Tensors, extra: Sequence[Shape] = ()) -> list[Tensor]:
        kernel = self.compiled(tensors[0].dtype)
        return kernel.direct(tensors, tensors[0]) or kernel(tensors)

    def result_shapes(self, shapes: Sequence[Shape], extra: Sequence[Shape] = ()) -> list[Shape]:
        batch = batch_of(self.names, shapes, self.cores)
        return [(*batch, *core) for core in self.outputs]

    def kept(self, needed: Sequence[bool], dtype: torch.dtype) -> Positions:
        wanted = self.wanted(needed)
        if not wanted:
            return ()
        if self.kernels.prepared:
            try:
                return self.pullback(wanted, dtype).used
            except DerivativeError:
                pass  # raised again if the gradient is asked for
        return tuple(range(len(self.names)))

    def pull(self, point: Point, needed: Sequence[bool], cotangents: Optional) -> list[Tensor | None]:
        wanted = self.wanted(needed)
        found: list[Tensor | None] = [None] * len(self.names)
        given = next((k for k, cotangent in enumerate(cotangents) if cotangent is not None), None)
        if not wanted or given is None:
            return found
        first = cotangents[given]
        assert first is not None
        pullback = self.pullback(wanted, first.dtype)
        batch = first.shape[: first.ndim - len(self.outputs[given])]
        results = pullback(
            [*(point.values[k] for k in pullback.used), *expanded(cotangents, batch, self.outputs)],
            [point.shapes[k] for k in pullback.bare],
        )
        for position, result in zip(wanted, results, strict=True):
            found[position] = result
        return found

    def push(self, point: Point, tangents: Optional) -> list[Tensor | None]:
        moving = self.wanted([tangent is not None for tangent in tangents])
        if not moving:
            return [None] * self.n_results
        return [*self.pushforward(moving)([*point.values, *(tangents[k] for k in moving)])]

    def mapped(
        self, size: int, dims: Sequence[int | None], tensors: Tensors, extra: Sequence[Shape]
    ) -> list[Tensor]:
        rank = self._rank(dims, tensors)
        return self(
            [
                in_front(tensor, dim, len(core), rank, None)
                for tensor, dim, core in zip(tensors, dims, self.cores, strict=True)
            ]
        )


class Pullback(Operation):
    """The cotangents of some inputs of a formula, each of its input's shape.

    It takes the inputs that it depends on, the cotangents of all outputs, each over the whole batch, and the shapes
    of those inputs whose cotangents it computes without depending on them.

    Parameters
    ----------
    formula
        The formula.
    wanted
        Positions of the inputs.
    dtype
        A dtype of which there will be a kernel anyway.

    Attributes
    ----------
    used, bare : tuple of int
        The inputs taken as tensors, and those taken as shapes.
    """

    def __init__(self, formula: Formula, wanted: Positions, dtype: torch.dtype) -> None:
        super().__init__()
        self.label = f"{formula.label}_vjp_{_spelled(wanted)}"
        self.formula = formula
        self.wanted = wanted
        self._names = tuple(formula.names[k] for k in wanted)
        self._compiled: dict[torch.dtype, TensorKernel] = {}
        signature = self._caller(dtype).signature
        count = len(formula.names)
        self.used = tuple(k for k in range(count) if signature.operands[k].used)
        self.bare = tuple(k for k in wanted if k not in self.used)
        self.repeats = tuple(
            None if result.same is None else result.same - count for result in signature.results
        )
        cotangents = signature.operands[count:]
        self.names = (*(formula.names[k] for k in self.used), *(operand.name for operand in cotangents))
        self.cores = (*(formula.cores[k] for k in self.used), *formula.outputs)
        self.extra_cores = tuple(formula.cores[k] for k in self.bare)
        self.n_results = len(wanted)
        self._derivative: Formula | None = None

    @property
    def derivative(self) -> Formula:
        """The same at each point, nothing summed, as a formula in the tensors that this takes."""
        if self._derivative is None:
            kernels = self.formula.kernels.derivative("backward", self._names)
            self._derivative = Formula(f"{self.label}_each", kernels)
        return self._derivative

    def compiled(self, dtype: torch.dtype) -> TensorKernel:
        """Return the kernel for a dtype."""
        found = self._compiled.get(dtype)
        if found is None:
            count = len(self.formula.names)
            given = (*self.used, *range(count, count + len(self.formula.outputs)))
            found = self._compiled.setdefault(dtype, TensorKernel(self._caller(dtype), given))
        return found

    def _caller(self, dtype: torch.dtype) -> Caller:
        return self.formula.kernels.caller("backward", self._names, DTYPES[dtype])

    def compute(self, tensors: Tensors, extra: Sequence[Shape]) -> list[Tensor]:
        last = tensors[-1]
        kernel = self.compiled(last.dtype)
        shape = last.shape
        for given in extra:
            if tuple(given) != shape:
                return kernel(self._operands(tensors, extra))
        return kernel.direct(tensors, last) or kernel(self._operands(tensors, extra))

    def _operands(self, tensors: Tensors, extra: Sequence[Shape]) -> list[Any]:
        cotangents = tensors[len(self.used) :]
        batch = self._batch([cotangent.shape for cotangent in cotangents])
        found: list[Any] = [(*batch, *core) for core in self.formula.cores]
        for position, shape in zip(self.bare, extra, strict=True):
            found[position] = tuple(shape)
        for position, tensor in zip(self.used, tensors, strict=False):
            found[position] = tensor
        return [*found, *cotangents]

    def _batch(self, cotangents: Sequence[Shape]) -> Shape:
        return cotangents[0][: len(cotangents[0]) - len(self.formula.outputs[0])]

    def result_shapes(self, shapes: Sequence[Shape], extra: Sequence[Shape]) -> list[Shape]:
        known = {**dict(zip(self.used, shapes, strict=False)), **dict(zip(self.bare, extra, strict=True))}
        return [known[k] for k in self.wanted]

    def kept(self, needed: Sequence[bool], dtype: torch.dtype) -> Positions:
        return tuple(range(len(self.names)))

    def pull(self, point: Point, needed: Sequence[bool], cotangents: Optional) -> list[Tensor | None]:
        if all(cotangent is None for cotangent in cotangents):
            return [None] * len(self.names)
        # What was summed over the batch came from every point of it.
        batch = self._batch(point.shapes[len(self.used) :])
        cores = [self.formula.cores[k] for k in self.wanted]
        return self.derivative.pull(point, needed, expanded(cotangents, batch, cores))

    def push(self, point: Point, tangents: Optional) -> list[Tensor | None]:
        shapes = self.result_shapes(point.shapes, point.extra)
        return [
            None if tangent is None else tangent.sum_to_size(shape)
            for tangent, shape in zip(self.derivative.push(point, tangents), shapes, strict=True)
        ]

    def mapped(
        self, size: int, dims: Sequence[int | None], tensors: Tensors, extra: Sequence[Shape]
    ) -> list[Tensor]:
        rank = self._rank(dims, tensors)
        results = self(
            [
                in_front(tensor, dim, len(core), rank, size)
                for tensor, dim, core in zip(tensors, dims, self.cores, strict=True)
            ],
            [
                with_front(shape, len(core), rank, size)
                for shape, core in zip(extra, self.extra_cores, strict=True)
            ],
        )
        logical = [
            (*tensor.shape[:dim], *tensor.shape[dim + 1 :]) if dim is not None else tensor.shape
            for tensor, dim in zip(tensors, dims, strict=True)
        ]
        shapes = self.result_shapes(logical, extra)
        return [result.reshape(size, *shape) for result, shape in zip(results, shapes, strict=True)]


def _spelled(positions: Positions) -> str:
    return "_".join(map(str, positions))


__all__ = ["Formula", "Operation", "Positions", "Pullback"]
