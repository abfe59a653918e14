"""NumPy's functions on traced values, found by `__array_function__`: what is here can be traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any, Final

import numpy as np

from tapeless.errors import TapelessError, TracingError
from tapeless.frontend import traced_linalg as linalg
from tapeless.frontend.traced import condition, digits_of, truth
from tapeless.frontend.traced_array import (
    Nodes,
    apply,
    clip,
    elementwise,
    is_boolean,
    nodes_in_shape,
    number_nodes,
    trace_of,
    traced_numbers,
    traced_truths,
    where,
)
from tapeless.ir import recipes
from tapeless.ir.graph import Builder

Axis = int | Sequence[int] | None
Fold = Callable[[Builder, list[int]], int]


def apply_function(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply a function of NumPy to arguments of which at least one is, or holds, a traced value.

    Raises
    ------
    TracingError
        A function, or an option of it, that cannot be traced.
    TracingError
        Arguments whose shapes do not fit.
    """
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    build = _FUNCTIONS.get(function)
    if build is None:
        hint = _REMEDIES.get(function.__name__, "write it with operators and elementwise functions")
        raise TracingError(f"{name} cannot be traced; {hint}")
    try:
        return build(*args, **kwargs)
    except TapelessError:
        raise
    except TypeError as error:
        reason = str(error).rpartition("() ")[2]  # without the name of our own function
        raise TracingError(f"{name} cannot be traced with these arguments: {reason}") from None
    except (ValueError, IndexError) as error:  # NumPy's own words on shapes and axes
        raise TracingError(f"{name}: {error}") from None


def _axes(axis: Axis, ndim: int) -> list[int]:
    """Return axes as indices from 0; all for None."""
    if axis is None:
        return list(range(ndim))
    given = [index(one) for one in axis] if isinstance(axis, list | tuple) else [index(axis)]  # type: ignore[arg-type]
    for one in given:
        if not -ndim <= one < ndim:
            raise ValueError(f"axis {one} does not fit an array of {ndim} axes")
    found = [one % ndim for one in given]
    if len(set(found)) < len(found):
        raise ValueError(f"an axis stands twice in axis={axis!r}")
    return found


# ---- reductions


def _folding(what: str, fold: Fold) -> Callable[..., Any]:
    def build(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        builder = trace_of((a,))
        return _folded(builder, number_nodes(builder, a, what), axis, keepdims, fold)

    return build


def _folded(builder: Builder, nodes: Nodes, axis: Axis, keepdims: bool, fold: Fold) -> Any:
    axes = _axes(axis, nodes.ndim)
    found = linalg.reduced(builder, nodes, axes, fold)
    return traced_numbers(builder, np.expand_dims(found, axes) if keepdims else found)


def _junction(join: Callable[..., int]) -> Callable[..., Any]:
    def build(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        builder = trace_of((a,))
        nodes = nodes_in_shape(builder, a, condition)
        assert nodes is not None
        axes = _axes(axis, nodes.ndim)
        found = linalg.reduced(builder, nodes, axes, lambda b, row: join(b, *row))
        return traced_truths(builder, np.expand_dims(found, axes) if keepdims else found)

    return build


_sum: Final = _folding("np.sum", Builder.sum)
_prod: Final = _folding("np.prod", Builder.product)
_max: Final = _folding("np.max", linalg.largest)
_min: Final = _folding("np.min", linalg.smallest)
_all: Final = _junction(Builder.and_)
_any: Final = _junction(Builder.or_)


def _count(a: Any, axis: Axis) -> int:
    shape = a.shape
    return int(np.prod([shape[k] for k in _axes(axis, len(shape))], dtype=int))


def _mean(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return _sum(a, axis, keepdims=keepdims) / _count(a, axis)


def _var(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    centred = a - _mean(a, axis, keepdims=True) if np.ndim(a) else a - a
    return _sum(centred**2, axis, keepdims=keepdims) / (_count(a, axis) - ddof)


def _std(a: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    return apply("sqrt", (_var(a, axis, ddof=ddof, keepdims=keepdims),))


def _running(what: str, join: Callable[[Builder, int, int], int]) -> Callable[..., Any]:
    def build(a: Any, axis: int | None = None) -> Any:
        builder = trace_of((a,))
        nodes = number_nodes(builder, a, what)
        if axis is None:
            nodes, axis = nodes.ravel(), 0
        [along] = _axes(axis, nodes.ndim)
        front = np.moveaxis(nodes, along, 0)
        made: list[Nodes] = []
        for row in front:
            made.append(elementwise(builder, join, (made[-1], row)) if made else np.asarray(row))
        found = np.stack(made) if made else front
        return traced_numbers(builder, np.moveaxis(found, 0, along))

    return build


_cumsum: Final = _running("np.cumsum", Builder.add)
_cumprod: Final = _running("np.cumprod", Builder.mul)


folded: Final = {"np.add": _sum, "np.multiply": _prod, "np.maximum": _max, "np.minimum": _min}
"""What the `reduce` of a ufunc is."""
accumulated: Final = {"np.add": _cumsum, "np.multiply": _cumprod}
"""What its `accumulate` is."""


def _diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    for _ in range(n):
        [along] = _axes(axis, a.ndim)
        later, earlier = [slice(None)] * a.ndim, [slice(None)] * a.ndim
        later[along], earlier[along] = slice(1, None), slice(None, -1)
        a = a[tuple(later)] - a[tuple(earlier)]
    return a


# ---- structure: NumPy itself, on the nodes


def _nodes_of_kind(builder: Builder, values: Sequence[Any], what: str) -> tuple[list[Nodes], bool]:
    """Return the nodes of each value, all truth values or all numbers, and whether they are truth values."""
    truths = bool(values) and all(map(is_boolean, values))
    if not truths:
        return [number_nodes(builder, value, what) for value in values], False
    found = [nodes_in_shape(builder, value, truth) for value in values]
    return [nodes for nodes in found if nodes is not None], True


def _wrapped(builder: Builder, nodes: Any, truths: bool) -> Any:
    return (traced_truths if truths else traced_numbers)(builder, nodes)


def _structural(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that only moves elements, on the nodes of its first argument."""

    def build(a: Any, /, *args: Any, **kwargs: Any) -> Any:
        builder = trace_of((a,))
        [nodes], truths = _nodes_of_kind(builder, (a,), f"np.{function.__name__}")
        found = function(nodes, *args, **kwargs)
        if isinstance(found, list | tuple):
            return type(found)(_wrapped(builder, part, truths) for part in found)
        return _wrapped(builder, found, truths)

    return build


def _joining(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that joins several arrays, on their nodes."""

    def build(arrays: Any, axis: int | None = 0, **kwargs: Any) -> Any:
        items = list(arrays)
        builder = trace_of(items)
        nodes, truths = _nodes_of_kind(builder, items, f"np.{function.__name__}")
        if function in (np.stack, np.concatenate):
            kwargs["axis"] = axis
        elif axis != 0:
            raise TypeError("axis")
        return _wrapped(builder, function(nodes, **kwargs), truths)

    return build


def _append(a: Any, values: Any, axis: int | None = None) -> Any:
    if axis is None:
        builder = trace_of((a, values))
        nodes, truths = _nodes_of_kind(builder, (a, values), "np.append")
        return _wrapped(builder, np.concatenate([row.ravel() for row in nodes]), truths)
    return _FUNCTIONS[np.concatenate]((a, values), axis)


def _broadcast_arrays(*arrays: Any) -> Any:
    shape = np.broadcast_shapes(*(np.shape(array) for array in arrays))
    return [np.broadcast_to(array, shape) for array in arrays]


def _filled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that puts zeros beside the elements it keeps."""

    def build(a: Any, /, k: int = 0) -> Any:
        builder = trace_of((a,))
        nodes = number_nodes(builder, a, f"np.{function.__name__}")
        zero = builder.rational(0)
        return traced_numbers(
            builder, function(nodes - zero, k) + zero
        )  # zeros of NumPy become the node of 0

    return build


# ---- products


def _bilinear(what: str, product: Callable[[Builder, Nodes, Nodes], Nodes]) -> Callable[..., Any]:
    def build(a: Any, b: Any) -> Any:
        builder = trace_of((a, b))
        return traced_numbers(
            builder, product(builder, number_nodes(builder, a, what), number_nodes(builder, b, what))
        )

    return build


def _outer_nodes(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    return elementwise(builder, Builder.mul, (a.reshape(-1, 1), b.reshape(1, -1)))


def _vdot_nodes(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    return linalg.inner(builder, a.ravel(), b.ravel())


def _kron_nodes(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    ndim = max(a.ndim, b.ndim)
    first, second = a.reshape((1,) * (ndim - a.ndim) + a.shape), b.reshape((1,) * (ndim - b.ndim) + b.shape)
    left = np.expand_dims(first, [2 * k + 1 for k in range(ndim)])
    right = np.expand_dims(second, [2 * k for k in range(ndim)])
    shape = np.multiply(first.shape, second.shape)
    return elementwise(builder, Builder.mul, (left, right)).reshape(shape)


def _vecdot_nodes(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    return linalg.einsum(builder, "...i,...i->...", (a, b))


def _convolved(builder: Builder, a: Nodes, b: Nodes) -> Nodes:
    """Return the full convolution of two vectors."""
    left, right = a.ravel().tolist(), b.ravel().tolist()
    terms: list[list[int]] = [[] for _ in range(len(left) + len(right) - 1)]
    for i, p in enumerate(left):
        for j, q in enumerate(right):
            terms[i + j].append(builder.mul(p, q))
    return np.array([builder.sum(row) for row in terms], np.intp)


dot: Final = _bilinear("np.dot", linalg.dot)
matmul: Final = _bilinear("np.matmul", linalg.matmul)
vecdot: Final = _bilinear("np.vecdot", _vecdot_nodes)


def _convolve(a: Any, v: Any, mode: str = "full") -> Any:
    full = _bilinear("np.convolve", _convolved)(a, v)
    if mode == "full":
        return full
    longer, shorter = max(np.size(a), np.size(v)), min(np.size(a), np.size(v))
    if mode not in ("same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {mode!r}")
    start = (shorter - 1) // 2 if mode == "same" else shorter - 1
    return full[start : start + (longer if mode == "same" else longer - shorter + 1)]


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    builder = trace_of((a, b))
    left, right = (number_nodes(builder, value, "np.tensordot") for value in (a, b))
    if isinstance(axes, int):
        first, second = list(range(left.ndim - axes, left.ndim)), list(range(axes))
    else:
        first, second = ([one] if isinstance(one, int) else list(one) for one in axes)
    pair = (_axes(first, left.ndim), _axes(second, right.ndim))
    return traced_numbers(builder, linalg.tensordot(builder, left, right, pair))


def _einsum(subscripts: Any, *operands: Any, optimize: object = False) -> Any:
    if not isinstance(subscripts, str):
        raise TracingError("np.einsum is traced with its subscripts as text: np.einsum('ij,jk->ik', A, B)")
    builder = trace_of(operands)
    arrays = [number_nodes(builder, value, "np.einsum") for value in operands]
    return traced_numbers(builder, linalg.einsum(builder, subscripts, arrays))


def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, **options: int) -> Any:
    if "axis" in options:
        axisa = axisb = axisc = options.pop("axis")
    if options:
        raise TypeError(", ".join(options))
    builder = trace_of((a, b))
    left = np.moveaxis(number_nodes(builder, a, "np.cross"), axisa, -1)
    right = np.moveaxis(number_nodes(builder, b, "np.cross"), axisb, -1)
    if left.shape[-1] != 3 or right.shape[-1] != 3:
        raise TracingError(
            f"np.cross takes vectors of 3 elements, not arrays of the shapes {left.shape} and {right.shape}; in the "
            "plane write a[0]*b[1] - a[1]*b[0]"
        )
    parts = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        plus = elementwise(builder, Builder.mul, (left[..., i], right[..., j]))
        minus = elementwise(builder, Builder.mul, (left[..., j], right[..., i]))
        parts.append(elementwise(builder, Builder.sub, (plus, minus)))
    return traced_numbers(builder, np.moveaxis(np.stack(parts, -1), -1, axisc))


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return _sum(np.diagonal(a, offset, axis1, axis2), -1)


# ---- linear algebra


def _of_matrices(what: str, function: Callable[[Builder, Nodes], Nodes]) -> Callable[..., Any]:
    def build(a: Any) -> Any:
        builder = trace_of((a,))
        return traced_numbers(builder, function(builder, number_nodes(builder, a, what)))

    return build


def _norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    builder = trace_of((x,))
    nodes = number_nodes(builder, x, "np.linalg.norm")
    axes = None if axis is None else tuple(_axes(axis, nodes.ndim))
    found = linalg.norm(builder, nodes, ord, axes)
    if keepdims:
        found = np.expand_dims(found, _axes(axis, nodes.ndim))
    return traced_numbers(builder, found)


def _matrix_power(a: Any, n: int) -> Any:
    count = index(n)
    if count < 0:
        a, count = np.linalg.inv(a), -count
    result: Any = None
    while count:
        if count % 2:
            result = a if result is None else matmul(result, a)
        count //= 2
        a = matmul(a, a) if count else a
    return np.broadcast_to(np.eye(a.shape[-1]), a.shape) if result is None else result


# ---- choice and rounding


def _np_where(chosen: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise TracingError("np.where needs three arguments: np.where(c, a, b)")
    return where(chosen, *choices)


def _np_clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return clip(a, a_min if min is None else min, a_max if max is None else max)


def _np_round(a: Any, decimals: int = 0) -> Any:
    digits = digits_of(decimals)
    builder = trace_of((a,))
    nodes = number_nodes(builder, a, "np.round")
    return traced_numbers(
        builder, elementwise(builder, lambda b, x: recipes.round_to(b, x, digits), (nodes,))
    )


def _np_select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise TracingError(f"np.select: {len(condlist)} conditions, but {len(choicelist)} choices")
    builder = trace_of((*condlist, *choicelist, default))
    result = traced_numbers(builder, number_nodes(builder, default, "np.select"))
    for chosen, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(chosen, choice, result)
    return result


def _np_sinc(x: Any) -> Any:
    builder = trace_of((x,))
    return traced_numbers(
        builder, elementwise(builder, recipes.normalised_sinc, (number_nodes(builder, x, "np.sinc"),))
    )


def _np_polyval(p: Any, x: Any) -> Any:
    builder = trace_of((x, p))
    at = number_nodes(builder, x, "np.polyval")
    value = np.asarray(builder.rational(0))
    for coefficient in number_nodes(builder, p, "np.polyval"):
        value = elementwise(builder, Builder.mul, (value, at))
        value = elementwise(builder, Builder.add, (value, coefficient))
    return traced_numbers(builder, value)


def _constant(value: float) -> Callable[..., Any]:
    return lambda a, **options: np.full(np.shape(a), value)[()]


_FUNCTIONS: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    np.where: _np_where,
    np.clip: _np_clip,
    np.round: _np_round,
    np.around: _np_round,
    np.select: _np_select,
    np.sinc: _np_sinc,
    np.polyval: _np_polyval,
    np.fix: lambda x: apply("trunc", (x,)),
    np.sum: _sum,
    np.prod: _prod,
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.max: _max,
    np.amax: _max,
    np.min: _min,
    np.amin: _min,
    np.ptp: lambda a, axis=None, **options: _max(a, axis, **options) - _min(a, axis, **options),
    np.all: _all,
    np.any: _any,
    np.cumsum: _cumsum,
    np.cumprod: _cumprod,
    np.diff: _diff,
    np.dot: dot,
    np.inner: _bilinear("np.inner", linalg.inner),
    np.vdot: _bilinear("np.vdot", _vdot_nodes),
    np.outer: _bilinear("np.outer", _outer_nodes),
    np.kron: _bilinear("np.kron", _kron_nodes),
    np.convolve: _convolve,
    np.tensordot: _tensordot,
    np.einsum: _einsum,
    np.cross: _cross,
    np.trace: _trace,
    np.linalg.norm: _norm,
    np.linalg.det: _of_matrices("np.linalg.det", linalg.det),
    np.linalg.inv: _of_matrices("np.linalg.inv", linalg.inv),
    np.linalg.solve: _bilinear("np.linalg.solve", linalg.solve),
    np.linalg.matrix_power: _matrix_power,
    **{
        function: _structural(function)
        for function in (
            np.transpose, np.reshape, np.ravel, np.squeeze, np.expand_dims, np.swapaxes, np.moveaxis, np.rollaxis,
            np.broadcast_to, np.tile, np.repeat, np.take, np.roll, np.flip, np.flipud, np.fliplr, np.rot90,
            np.diagonal, np.copy, np.real, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.split,
            np.array_split, np.hsplit, np.vsplit, np.delete,
        )
    },
    **{
        function: _joining(function)
        for function in (np.stack, np.concatenate, np.hstack, np.vstack, np.dstack, np.column_stack)
    },
    **{function: _filled(function) for function in (np.diag, np.tril, np.triu)},
    np.append: _append,
    np.broadcast_arrays: _broadcast_arrays,
    np.zeros_like: _constant(0.0),
    np.ones_like: _constant(1.0),
    np.full_like: lambda a, fill_value, **options: np.broadcast_to(fill_value, np.shape(a))[()],
    np.shape: lambda a: a.shape,
    np.ndim: lambda a: a.ndim,
    np.size: lambda a, axis=None: _count(a, axis),
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
}  # fmt: skip

_REMEDIES: Final[dict[str, str]] = {
    "block": "write np.concatenate, np.hstack or np.vstack",
    "piecewise": "write np.where(c, a, b) or np.select",
    "nan_to_num": "write np.where(np.isnan(x), 0, x)",
    "isclose": "write abs(x - y) < tolerance",
    "allclose": "write abs(x - y) < tolerance",
    "empty_like": "collect the elements in a list and write np.stack(values)",
    "linspace": "write a + (b - a)*np.linspace(0, 1, n)",
    **dict.fromkeys(
        ("argmax", "argmin", "sort", "argsort", "median", "nonzero", "unique", "searchsorted", "partition"),
        "the order of the elements is not known while tracing; np.max, np.min and np.where choose between values",
    ),
    **dict.fromkeys(
        (
            "eig",
            "eigh",
            "eigvals",
            "eigvalsh",
            "svd",
            "qr",
            "cholesky",
            "pinv",
            "lstsq",
            "matrix_rank",
            "cond",
        ),
        "np.linalg.norm, det, inv and solve can be",
    ),
}
