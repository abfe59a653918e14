"""Functions of dask arrays: every method works lazily, chunk by chunk.

A chunk of the batch is one task, which calls the method on the chunks of its arguments and gives all its results,
so that what is fused stays fused. The gradient of an argument that was broadcast is summed within each chunk by the
kernel's driver, and over the chunks by a tree that depends on the chunks alone: the same bits, whichever worker ends
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from tapeless.errors import ShapeError, UnsupportedError

if TYPE_CHECKING:
    from tapeless.function import Function, Wrt
    from tapeless.runtime.signature import KernelSignature, Result

try:
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph
except ImportError as error:
    raise UnsupportedError(
        f"f.to_dask() needs dask ({error}); install it with: pip install 'tapeless[dask]'"
    ) from None

_MOST_DIMENSIONS: Final = 64  # of a NumPy array


class Chunked:
    """A function for dask arrays. Made by `Function.to_dask`.

    Arguments are dask arrays, NumPy arrays or numbers; the chunks of the batch are made to agree, and what belongs to
    one point is brought into one chunk. Results are dask arrays: nothing is computed before `compute` or `persist`.

    Attributes
    ----------
    function : Function
        What is called on each chunk.
    """

    def __init__(self, function: Function) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"<{self.function!r} for dask arrays>"

    def __call__(self, /, *primals: Any, **named: Any) -> Any:
        """Evaluate the formula; as a call of the function."""
        results = _run(self.function, "forward", None, self.function._point(primals, named))
        return results[0] if len(results) == 1 else tuple(results)

    forward = __call__

    def grad(self, /, *primals: Any, wrt: Wrt = None, **named: Any) -> Any:
        """Return the derivative at each point; as `Function.grad`."""
        results = _run(self.function, "grad", wrt, self.function._point(primals, named))
        return results[0] if isinstance(wrt, str) else tuple(results)

    def value_and_grad(self, /, *primals: Any, wrt: Wrt = None, **named: Any) -> tuple[Any, Any]:
        """Return (value, gradient at each point) from one fused pass; as `Function.value_and_grad`."""
        results = _run(self.function, "value_and_grad", wrt, self.function._point(primals, named))
        return self.function._split(tuple(results), wrt)

    def backward(self, cotangents: Any, /, *primals: Any, wrt: Wrt = None, **named: Any) -> Any:
        """Return the vector-Jacobian product, summed where a primal was broadcast; as `Function.backward`."""
        results = self._with_cotangents("backward", cotangents, primals, named, wrt)
        return results[0] if isinstance(wrt, str) else tuple(results)

    def forward_backward(
        self, cotangents: Any, /, *primals: Any, wrt: Wrt = None, **named: Any
    ) -> tuple[Any, Any]:
        """Return outputs and gradients from one fused pass; as `Function.forward_backward`."""
        results = self._with_cotangents("forward_backward", cotangents, primals, named, wrt)
        return self.function._split(tuple(results), wrt)

    def _with_cotangents(
        self, kind: str, cotangents: Any, primals: tuple[Any, ...], named: dict[str, Any], wrt: Wrt
    ) -> list[Any]:
        point = self.function._point(primals, named)
        given = self.function._cotangents(cotangents)
        return _run(self.function, kind, wrt, (*point, *given))


class _Operand(NamedTuple):
    """An argument.

    Attributes
    ----------
    value
        A dask array, or a number.
    batch
        Its batch shape.
    labels
        One per dimension, None for a number: those of the batch count from its end, -1 for the last; those of a
        point are no other's.
    """

    value: Any
    batch: tuple[int, ...]
    labels: tuple[int, ...] | None


def _run(function: Function, kind: str, wrt: Wrt, values: Sequence[Any]) -> list[Any]:
    """Return the results of a method, lazily."""
    signature = function._caller(kind, wrt).signature
    operands = [
        _operand(value, part.name, part.shape, part.role, k)
        for k, (value, part) in enumerate(zip(values, signature.operands, strict=True))
    ]
    batch = _batch_shape(signature, operands)
    for operand, part in zip(operands, signature.operands, strict=True):
        if part.role == "cotangent" and operand.labels is not None and operand.batch != batch:
            raise ShapeError(
                f"cotangent {part.name} has shape {operand.value.shape}, the output has shape {batch + part.shape}; "
                "pass that shape or a scalar"
            )
    labels = tuple(range(-len(batch), 0))
    blocks = da.blockwise(
        _call_block,
        labels,
        *(item for operand in operands for item in (operand.value, operand.labels)),
        function=function,
        kind=kind,
        wrt=wrt,
        dimensions=tuple(len(operand.batch) for operand in operands),
        concatenate=True,
        meta=np.empty((0,) * len(batch), signature.dtype),
    )
    return [
        _result(blocks, position, result, operands, signature.dtype)
        for position, result in enumerate(signature.results)
    ]


def _operand(value: Any, name: str, core: tuple[int, ...], role: str, position: int) -> _Operand:
    if not isinstance(value, da.Array):
        value = np.asarray(value)
        if value.ndim == 0 and (not core or role == "cotangent"):
            return _Operand(value[()], (), None)
        value = da.from_array(value)
    split = value.ndim - len(core)
    if split < 0 or value.shape[split:] != core:
        raise ShapeError(f"{name} has shape {value.shape}, its last dimensions must be {core}")
    if core:
        value = value.rechunk({split + d: -1 for d in range(len(core))})
    own = (_MOST_DIMENSIONS * position + d for d in range(len(core)))
    return _Operand(value, value.shape[:split], (*range(-split, 0), *own))


def _batch_shape(signature: KernelSignature, operands: Sequence[_Operand]) -> tuple[int, ...]:
    pairs = list(zip(operands, signature.operands, strict=True))
    counted = [pair for pair in pairs if pair[1].role != "cotangent"]
    try:
        return np.broadcast_shapes(*(operand.batch for operand, _ in counted))
    except ValueError:
        given = ", ".join(f"{part.name} {np.shape(operand.value)}" for operand, part in counted)
        raise ShapeError(f"inputs do not broadcast together: {given}") from None


def _call_block(
    *values: Any, function: Function, kind: str, wrt: Wrt, dimensions: tuple[int, ...]
) -> tuple[Any, ...]:
    """Call a method on chunks; give its results as one flat tuple of arrays."""
    caller = function._caller(kind, wrt)
    return tuple(np.asarray(result) for result in caller(values))


def _result(blocks: Any, position: int, result: Result, operands: Sequence[_Operand], dtype: Any) -> Any:
    """Take one result out of the tuples of all blocks, and sum it over blocks if need be."""
    rank = blocks.ndim
    name = f"{blocks.name}-{position}-{tokenize(result.name)}"
    core = len(result.shape)
    own = None if result.like is None else operands[result.like]
    kept = [True] * rank
    if own is not None:
        # Along a dimension of the batch that it does not have, a block gives the sum over the block: one element.
        kept = [False] * (rank - len(own.batch)) + [extent != 1 for extent in own.batch]
        dtype = own.value.dtype if getattr(own.value, "dtype", np.dtype(int)).kind == "f" else np.dtype(dtype)
    chunks = [
        sizes if keep or sum(sizes) == 1 else (1,) * len(sizes)
        for keep, sizes in zip(kept, blocks.chunks, strict=True)
    ]
    graph = {(name, *key[1:], *(0,) * core): (_pick, key, position, rank + core) for key in _keys(blocks)}
    found = da.Array(
        HighLevelGraph.from_collections(name, graph, dependencies=[blocks]),
        name,
        chunks=(*chunks, *((extent,) for extent in result.shape)),
        meta=np.empty((0,) * (rank + core), dtype),
    )
    if own is None:
        return found
    summed = tuple(d for d in range(rank) if not kept[d])
    if any(len(chunks[d]) > 1 for d in summed):
        found = found.sum(axis=summed, keepdims=True, dtype=np.float64).astype(dtype)
    return found.reshape((*own.batch, *result.shape))


def _keys(blocks: Any) -> list[tuple[Any, ...]]:
    return [(blocks.name, *index) for index in np.ndindex(*blocks.numblocks)]


def _pick(results: tuple[Any, ...], position: int, rank: int) -> Any:
    """Return one result of a block, with all dimensions."""
    found = results[position]
    return found.reshape((1,) * (rank - found.ndim) + found.shape)
