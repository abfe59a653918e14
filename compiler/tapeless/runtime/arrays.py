"""Calling a kernel the way NumPy functions are called.

Arrays that lie exactly as the kernel wants them go straight to it, where there is a fast caller through that.
Everything else is prepared first: converted and kept apart from what it overlaps; then a batch that is broadcast or
strided goes through the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy import empty, ndarray

from tapeless.errors import ArgumentError, ShapeError
from tapeless.runtime.driver import Batch, Drive, default_driver, describe, direct_points
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.load import KERNEL, CFunction
from tapeless.runtime.operands import as_operand
from tapeless.runtime.outputs import as_outputs, check_distinct, check_output
from tapeless.runtime.pool import POOL, SMALLEST
from tapeless.runtime.signature import KernelSignature, Operand, Result

Array = ndarray[Any, Any]
Shape = tuple[int, ...]
_Lanes = tuple[Array, Operand | Result]

_FFI = KERNEL.ffi()
_from_buffer = _FFI.from_buffer
_cast = _FFI.cast
_VOID_POINTER = _FFI.typeof("void *")
_ADDRESS = _FFI.typeof("uintptr_t")
# Bits of ndarray.flags.num: NPY_ARRAY_C_CONTIGUOUS and NPY_ARRAY_ALIGNED.
_READY = 0x0001 | 0x0100
_SCALARS = {float, int, np.float64, np.float32}
# Operands, and results, that the fast caller takes at most.
_MOST_PARTS = 64
# Up to so many points writing a scalar out is quicker than the driver, and takes little memory.
_SMALL = 4096
# Up to so many lanes, pointing at each of a single point is quicker here than in the driver.
_FEW_LANES = 24
# Descriptions of batches that are kept.
_MOST_BATCHES = 32
# Elements from which a result may lie in the pool.
_POOLED = SMALLEST // 8
# Bytes from which a result lies there that the fast caller makes, which keeps smaller ones itself.
_LARGE = 1 << 20
# What the fast caller leaves to the driver, which knows of threads and of stores past the cache: calls whose results
# have so many elements, or that take so many nanoseconds.
_MANY = 1 << 15
_LONG = 20_000.0
# Nanoseconds from which it lets other threads run.
_NOTICEABLE = 2000.0
# Nanoseconds that reading or writing a number takes at least.
_LANE = 0.1


class _Prepared(NamedTuple):
    """An operand ready for the driver. A tuple, for one is made per operand and call."""

    array: Array
    batch: Shape
    gradient_dtype: np.dtype[Any]


class Caller:
    """A kernel bound to its signature.

    Parameters
    ----------
    kernel
        The C function.
    signature
        Its description.
    driver
        Gives the broadcasting driver, from `tapeless.runtime.driver.driver`; asked only when a call needs it.
        By default it is built with the default compiler and cache.
    fast
        The extension with the fast caller, or None.

    Attributes
    ----------
    signature
        The kernel's description.
    plan
        What the fast caller knows of this kernel, or None.
    """

    __slots__ = (
        "_batches",
        "_cotangents",
        "_counted",
        "_direct",
        "_driver",
        "_dtype",
        "_is_flat",
        "_kernel",
        "_lanes",
        "_leads",
        "_likes",
        "_n_flat",
        "_n_results",
        "_result_names",
        "plan",
        "signature",
    )

    def __init__(
        self,
        kernel: CFunction,
        signature: KernelSignature,
        driver: Callable[[], Drive] | None = None,
        fast: Any = None,
    ) -> None:
        self.signature = signature
        self._kernel = kernel
        self._driver = driver if driver is not None else default_driver
        self._dtype = np.dtype(signature.dtype)
        parts: list[Operand | Result] = [*signature.operands, *signature.results]
        self._is_flat = all(part.shape == () for part in parts)
        # Number of operands where all parts are scalars, else a number that no call has.
        self._n_flat = (len(signature.operands) or -1) if self._is_flat else -1
        self._n_results = len(signature.results)
        self._lanes = sum(part.lanes for part in parts)
        roles = [operand.role for operand in signature.operands]
        self._cotangents = [k for k, role in enumerate(roles) if role == "cotangent"]
        # Operands whose shapes make the batch.
        self._counted = [k for k, role in enumerate(roles) if role != "cotangent"] or self._cotangents
        self._direct = direct_points(signature)
        self._leads = False  # whether the plan knows of the driver
        self._batches: dict[Any, Batch] = {}
        self._likes = {result.like for result in signature.results}
        self._result_names = [result.name for result in signature.results]
        self.plan = _plan(fast, kernel, signature, self._dtype) if fast is not None else None

    @property
    def address(self) -> int:
        """Where the kernel is, for callers in C."""
        return int(_cast(_ADDRESS, self._kernel))

    def __call__(self, operands: Sequence[Any], out: Any = None) -> tuple[Any, ...]:
        """Call the kernel.

        Parameters
        ----------
        operands
            One value for each operand of the signature: arrays, scalars, nested lists.
        out
            None, or arrays to write results to: one array for a single result, else a tuple with an array or
            None for each.

        Returns
        -------
        tuple
            One entry for each result: the array from `out` if there was one, else a new C-contiguous array,
            or a NumPy scalar where the result's shape is `()`.

        Raises
        ------
        ArgumentError, ShapeError
            An argument that cannot be used; nothing has been written then.
        """
        plan = self.plan
        if plan is not None:
            found: tuple[Any, ...] = plan(operands if type(operands) is tuple else tuple(operands), out)
            if found is not NotImplemented:
                return found
        # All operands of one shape and exactly as the kernel wants them: no conversion, no broadcasting.
        # Written out, for at this size a comprehension or a helper costs as much as the kernel.
        if out is None and len(operands) == self._n_flat:
            dtype = self._dtype
            first = operands[0]
            if type(first) is ndarray and first.shape:
                shape = first.shape
                pointers = []
                for operand in operands:
                    if (
                        type(operand) is not ndarray
                        or operand.dtype is not dtype
                        or operand.shape != shape
                        or operand.flags.num & _READY != _READY
                    ):
                        break
                    pointers.append(_from_buffer(operand))
                else:
                    n = first.size
                    if n == 0 or n > self._direct:
                        return self._call_prepared(operands, None)
                    make = empty if n < _POOLED else POOL.empty
                    result = make(shape, dtype)
                    if self._n_results == 1:
                        self._kernel(n, pointers, [_from_buffer(result)])
                        return (result,)
                    results = [result]
                    targets = [_from_buffer(result)]
                    for _ in range(1, self._n_results):
                        result = make(shape, dtype)
                        results.append(result)
                        targets.append(_from_buffer(result))
                    self._kernel(n, pointers, targets)
                    return tuple(results)
            if plan is None:
                written_out = self._write_out(operands)
                if written_out is not None:
                    return self(written_out)
        return self._call_prepared(operands, out)

    def _write_out(self, operands: Sequence[Any]) -> list[Any] | None:
        """Replace scalars among small arrays of one shape by arrays, where no result is to be summed over them.

        Return None where that is not what was given.
        """
        arrays = [operand for operand in operands if type(operand) is ndarray and operand.shape]
        if not arrays or len(arrays) == len(operands) or arrays[0].size > _SMALL:
            return None
        shape = arrays[0].shape
        found: list[Any] = []
        for position, operand in enumerate(operands):
            if type(operand) is ndarray and operand.shape:
                if operand.shape != shape:
                    return None
                found.append(operand)
            elif type(operand) in _SCALARS and position not in self._likes:
                name = self.signature.operands[position].name
                full = empty(shape, self._dtype)
                full[...] = as_operand(operand, name, self._dtype)[0]
                found.append(full)
            else:
                return None
        return found

    def _call_prepared(self, values: Sequence[Any], out: Any) -> tuple[Any, ...]:
        operands = self._prepare(values)
        batch = self._batch_shape(operands)
        self._check_cotangents(operands, batch)

        shapes = [
            batch + result.shape if result.like is None else operands[result.like].array.shape
            for result in self.signature.results
        ]
        if out is None:
            make = empty if prod(batch) * self._lanes < _POOLED else POOL.empty
            fresh = [make(shape, self._dtype) for shape in shapes]
            self._run(operands, fresh, batch)
            return tuple([self._deliver(k, operands, target, None) for k, target in enumerate(fresh)])
        outs = as_outputs(out, self._result_names)
        for given, name, shape in zip(outs, self._result_names, shapes, strict=True):
            if given is not None:
                check_output(given, name, shape)
        check_distinct(outs, self._result_names)

        # Where C writes: the caller's array if it fits and overlaps no operand, else an array of our own.
        targets = [
            given
            if given is not None and self._is_target(given, len(result.shape), operands)
            else POOL.empty(shape, self._dtype)
            for given, shape, result in zip(outs, shapes, self.signature.results, strict=True)
        ]
        self._run(operands, targets, batch)
        return tuple(self._deliver(k, operands, target, outs[k]) for k, target in enumerate(targets))

    def _prepare(self, values: Sequence[Any]) -> list[_Prepared]:
        expected = self.signature.operands
        if len(values) != len(expected):
            names = ", ".join(operand.name for operand in expected)
            raise ArgumentError(f"{len(values)} arguments given, {len(expected)} needed: {names}")
        return [_prepare(value, part, self._dtype) for value, part in zip(values, expected, strict=True)]

    def _batch_shape(self, operands: Sequence[_Prepared]) -> Shape:
        """Broadcast the batch shapes of all operands but cotangents."""
        shapes = {operands[k].batch for k in self._counted}
        if len(shapes) > 1:
            shapes.discard(())
        if len(shapes) == 1:
            return shapes.pop()
        batch = [1] * max(map(len, shapes))
        for shape in shapes:
            for d, extent in enumerate(shape, len(batch) - len(shape)):
                if extent != 1 and batch[d] != extent:
                    if batch[d] != 1:
                        names = [operand.name for operand in self.signature.operands]
                        given = ", ".join(f"{names[k]} {operands[k].array.shape}" for k in self._counted)
                        raise ShapeError(f"inputs do not broadcast together: {given}")
                    batch[d] = extent
        return tuple(batch)

    def _check_cotangents(self, operands: Sequence[_Prepared], batch: Shape) -> None:
        for k in self._cotangents:
            operand = self.signature.operands[k]
            given, needed = operands[k].array.shape, batch + operand.shape
            if given and given != needed:
                raise ShapeError(
                    f"cotangent {operand.name} has shape {given}, the output has shape {needed}; "
                    "pass that shape or a scalar"
                )

    def _is_target(self, out: Array, core: int, operands: Sequence[_Prepared]) -> bool:
        return (
            out.dtype == self._dtype
            and _lane_stride(out, core) is not None
            and not any(np.may_share_memory(out, operand.array) for operand in operands)
        )

    def _run(self, operands: Sequence[_Prepared], targets: Sequence[Array], batch: Shape) -> None:
        points = prod(batch)
        if points == 0:
            for target in targets:
                target[...] = 0.0  # the sum over no points; results over the batch have no elements
            return
        inputs = list(zip([operand.array for operand in operands], self.signature.operands, strict=True))
        results = list(zip(targets, self.signature.results, strict=True))
        everything: list[_Lanes] = [*inputs, *results]
        if points <= self._direct and all(_is_ready(array) for array, _ in everything):
            if self._is_flat and all(array.shape == batch for array, _ in everything):
                pass_in = [_from_buffer(array) for array, _ in inputs]
                self._kernel(points, pass_in, [_from_buffer(array) for array, _ in results])
                return
            few = self._lanes <= _FEW_LANES
            if few and points == 1 and all(array.size == part.lanes for array, part in everything):
                self._kernel(1, _single_lanes(inputs), _single_lanes(results))
                return
        # A loop calls again and again with arrays that lie alike.
        key = (batch, *[(array.shape, array.strides) for array, _ in everything])
        described = self._batches.get(key)
        if described is None:
            described = describe(batch, _rows(inputs, batch), _rows(results, batch))
            if len(self._batches) >= _MOST_BATCHES:
                self._batches.clear()
            self._batches[key] = described
        drive = self._driver()
        drive(
            self._kernel,
            self.signature,
            described,
            [_address(array) for array, _ in inputs],
            [_address(array) for array, _ in results],
        )
        if self.plan is not None and not self._leads:
            drive.lead(self.plan, self.signature, POOL.empty, _LARGE)
            self._leads = True

    def _deliver(self, position: int, operands: Sequence[_Prepared], target: Array, out: Array | None) -> Any:
        if out is not None:
            if out is not target:
                np.copyto(out, target, casting="same_kind")
            return out
        like = self.signature.results[position].like
        if like is not None and operands[like].gradient_dtype != self._dtype:
            target = target.astype(operands[like].gradient_dtype)
        return target[()] if target.shape == () else target


def _plan(fast: Any, kernel: CFunction, signature: KernelSignature, dtype: np.dtype[Any]) -> Any:
    """Describe a kernel to the fast caller; None for one with more parts than it takes, or an empty one."""
    operands, results = signature.operands, signature.results
    if not 0 < len(operands) <= _MOST_PARTS or not 0 < len(results) <= _MOST_PARTS:
        return None
    if not all([operand.lanes for operand in operands] + [result.lanes for result in results]):
        return None
    return fast.Plan(
        int(_cast(_ADDRESS, kernel)),
        dtype,
        tuple((operand.shape, operand.role == "cotangent") for operand in operands),
        tuple((result.shape, -1 if result.like is None else result.like) for result in results),
        *short_calls(signature),
    )


def short_calls(signature: KernelSignature) -> tuple[int, int]:
    """Return the points from which a call is long, and those from which other threads should run meanwhile."""
    made = sum(result.lanes for result in signature.results)
    cost = max(signature.cost, _LANE * (made + sum(operand.lanes for operand in signature.operands)))
    # One point is never shared out.
    return min(-(-_MANY // made), max(2, int(_LONG / cost))), max(1, int(_NOTICEABLE / cost))


def _prepare(value: object, operand: Operand, dtype: np.dtype[Any]) -> _Prepared:
    array, gradient_dtype = as_operand(value, operand.name, dtype)
    core = len(operand.shape)
    if core == 0:
        return tuple.__new__(
            _Prepared, (array, array.shape, gradient_dtype)
        )  # quicker than calling the class
    if array.ndim == 0 and operand.role == "cotangent":
        return _Prepared(array, (), gradient_dtype)
    batch, own_core = array.shape[: array.ndim - core], array.shape[array.ndim - core :]
    if array.ndim < core or own_core != operand.shape:
        raise ShapeError(
            f"{operand.name} has shape {array.shape}, its last dimensions must be {operand.shape}"
        )
    if _lane_stride(array, core) is None:
        array = np.ascontiguousarray(array)
    return _Prepared(array, batch, gradient_dtype)


def _is_ready(array: Array) -> bool:
    return array.flags.num & _READY == _READY


def _lane_stride(array: Array, core: int) -> int | None:
    """Return the distance between the lanes of a point, None where they are not equally spaced."""
    stride = step = 0
    for d in range(array.ndim - 1, array.ndim - core - 1, -1):
        extent = array.shape[d]
        if extent == 1:
            continue
        if stride == 0:
            stride = step = array.strides[d]
            if stride == 0:
                return None
        elif array.strides[d] != step:
            return None
        step *= extent
    return stride


def _rows(arrays: Sequence[_Lanes], batch: Shape) -> list[int]:
    """Describe arrays to the driver: lanes, lane stride, batch strides of each, 0 where it is broadcast."""
    rows: list[int] = []
    for array, part in arrays:
        if array.shape == batch and not part.shape:
            rows += (1, 0, *array.strides)
            continue
        split = max(array.ndim - len(part.shape), 0)
        spread = array.ndim < len(part.shape)  # a scalar cotangent: the same value in every lane
        rows += (part.lanes, 0 if spread else _lane_stride(array, len(part.shape)) or 0)
        rows += [0] * (len(batch) - split)
        if not spread:
            shape, strides = array.shape, array.strides
            rows += [0 if shape[d] == 1 else strides[d] for d in range(split)]
    return rows


def _single_lanes(arrays: Sequence[_Lanes]) -> list[Any]:
    """Return the pointers of all lanes of a single point."""
    return [
        _from_buffer(array) + lane * array.itemsize for array, part in arrays for lane in range(part.lanes)
    ]


def _address(array: Array) -> Any:
    if array.flags.c_contiguous:
        return _from_buffer(array)
    return _cast(_VOID_POINTER, array.__array_interface__["data"][0])
