"""Traced arrays: NumPy's shapes, broadcasting and indexing over traced scalars.

The elements lie in a NumPy array of objects, so that slicing, reshaping, stacking and broadcasting are NumPy's own;
arithmetic is done element by element with the operations of `traced.py`, and sums go to the builder as wholes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, Final, NoReturn

import numpy as np

from tapeless.errors import TracingError
from tapeless.frontend import traced
from tapeless.frontend.traced import Traced, TracedScalar, nodes_of

Items = np.ndarray[Any, Any]
"""An array of objects: traced scalars and numbers."""

_LARGEST: Final = 6
"""Rows of a matrix up to which determinants and inverses are expanded."""


class TracedArray:
    """A traced array. It cannot be changed in place.

    Parameters
    ----------
    items
        The elements.
    """

    __slots__ = ("items",)

    _tapeless_traced_ = True
    _op_priority = 1000.0

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, items: Items) -> None:
        self.items = items

    def __repr__(self) -> str:
        return f"<traced array of shape {self.shape}>"

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(self.items.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.items.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.items.size

    @property
    def T(self) -> TracedArray:
        """The transpose."""
        return TracedArray(self.items.T)

    @property
    def flat(self) -> Iterator[Any]:
        """The elements in C order."""
        return iter(self.items.flat)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Any]:
        if not self.ndim:
            raise TracingError("a traced array without dimensions cannot be iterated over")
        return (_wrapped(item) for item in self.items)

    def __getitem__(self, index: Any) -> Any:
        try:
            found = self.items[index]
        except IndexError as error:
            raise TracingError(
                f"the index {index!r} does not fit a traced array of shape {self.shape}: {error}"
            ) from None
        return TracedArray(found) if type(found) is np.ndarray else found

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise TracingError(
            "a traced array cannot be changed in place; collect the elements in a list and write "
            "np.stack(values), or choose with np.where"
        )

    def __bool__(self) -> NoReturn:
        raise TracingError(
            f"whether a traced array of shape {self.shape} is true is not known while tracing; write "
            "np.where(c, a, b) for a if c else b"
        )

    def __float__(self) -> NoReturn:
        raise TracingError("a traced array has no value while tracing; leave float() out")

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise TracingError(
            "a traced array cannot become a NumPy array; leave np.array and np.asarray out, and write "
            "np.stack([...]) to join traced values"
        )

    # ---- NumPy's methods

    def reshape(self, *shape: Any) -> TracedArray:
        """Return the elements in another shape."""
        return TracedArray(self.items.reshape(*shape))

    def ravel(self) -> TracedArray:
        """Return the elements in one row."""
        return TracedArray(self.items.ravel())

    flatten = ravel

    def transpose(self, *axes: Any) -> TracedArray:
        """Return the array with its axes in another order."""
        return TracedArray(self.items.transpose(*axes))

    def copy(self) -> TracedArray:
        """Return the array itself, which cannot change."""
        return self

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the sum over axes."""
        return reduced(_total, self, axis, keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the product over axes."""
        return reduced(_multiplied, self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the mean over axes."""
        return _mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the largest element over axes."""
        return reduced(_largest, self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Return the smallest element over axes."""
        return reduced(_smallest, self, axis, keepdims)

    def dot(self, other: Any) -> Any:
        """Return the dot product."""
        return _dot(self, other)

    def trace(self) -> Any:
        """Return the sum of the diagonal."""
        return _total(list(self.items.diagonal()))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return ufunc_on_arrays(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return function_on_arrays(function, args, kwargs)


def _operator(ufunc: np.ufunc, *, swapped: bool = False) -> Callable[[TracedArray, Any], Any]:
    def method(self: TracedArray, other: Any) -> Any:
        operands = (other, self) if swapped else (self, other)
        return ufunc_on_arrays(ufunc, "__call__", operands, {})

    return method


for _name, _function in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "pow": np.power,
    "floordiv": np.floor_divide, "mod": np.remainder, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "matmul": np.matmul,
}.items():  # fmt: skip
    setattr(TracedArray, f"__{_name}__", _operator(_function))
    setattr(TracedArray, f"__r{_name}__", _operator(_function, swapped=True))
for _name, _function in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(TracedArray, f"__{_name}__", _operator(_function))
for _name, _function in {
    "neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert,
}.items():  # fmt: skip
    setattr(
        TracedArray,
        f"__{_name}__",
        lambda self, _function=_function: ufunc_on_arrays(_function, "__call__", (self,), {}),
    )


# ---- between values and arrays of objects


def is_array(value: object) -> bool:
    """Whether a value has several elements: a traced array, a NumPy array, a list or a tuple."""
    return isinstance(value, TracedArray | list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def items_of(value: Any) -> Items:
    """Return the elements of anything: a traced array, a NumPy array, nested lists, one value."""
    if isinstance(value, TracedArray):
        return value.items
    if isinstance(value, np.ndarray):
        return value.astype(object)
    if isinstance(value, list | tuple):
        parts = [items_of(part) for part in value]
        shapes = {part.shape for part in parts}
        if len(shapes) > 1:
            raise TracingError(f"a list with rows of different shapes is no array: {sorted(shapes)}")
        return np.stack(parts) if parts else np.empty(0, object)
    return filled([value], ())


def filled(values: Sequence[Any], shape: tuple[int, ...]) -> Items:
    """Return objects as an array of a shape; one by one, for NumPy would look into them."""
    row = np.empty(len(values), object)
    for k, value in enumerate(values):
        row[k] = value
    return row.reshape(shape)


def _wrapped(items: Any) -> Any:
    if not isinstance(items, np.ndarray):
        return items
    return TracedArray(items) if items.ndim else items[()]


def elementwise(function: Callable[..., Any], *operands: Any) -> Any:
    """Apply a function of scalars to all elements, broadcast together."""
    arrays = [items_of(operand) for operand in operands]
    try:
        together = np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise TracingError(f"the shapes {shapes} do not broadcast together") from None
    values = [function(*row) for row in zip(*(array.flat for array in together), strict=True)]
    return _wrapped(filled(values, together[0].shape))


def reduced(
    function: Callable[[list[Any]], Any], value: Any, axis: Any = None, keepdims: bool = False
) -> Any:
    """Apply a function of a list of scalars along axes."""
    items = items_of(value)
    axes = tuple(range(items.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    try:
        axes = (
            tuple(np.lib.array_utils.normalize_axis_index(a, items.ndim) for a in axes)
            if hasattr(np.lib, "array_utils")
            else tuple(range(items.ndim)[a] for a in axes)
        )
    except (IndexError, np.exceptions.AxisError):
        raise TracingError(f"axis {axis} does not fit an array of shape {items.shape}") from None
    kept = [d for d in range(items.ndim) if d not in axes]
    shape = tuple(items.shape[d] for d in kept)
    rows = items.transpose(*kept, *axes).reshape(prod(shape), -1)
    values = [function(list(row)) for row in rows]
    if keepdims:
        shape = tuple(1 if d in axes else extent for d, extent in enumerate(items.shape))
    return _wrapped(filled(values, shape))


# ---- reductions of lists of scalars


def _total(values: list[Any]) -> Any:
    builder = traced.builder_of(values)
    if builder is None:
        return sum(values)
    return TracedScalar(builder, builder.sum(nodes_of(builder, values, "sum")))


def _multiplied(values: list[Any]) -> Any:
    builder = traced.builder_of(values)
    if builder is None:
        return prod(values)
    return TracedScalar(builder, builder.product(nodes_of(builder, values, "prod")))


def _extreme(op: str) -> Callable[[list[Any]], Any]:
    def extreme(values: list[Any]) -> Any:
        if not values:
            raise TracingError(f"the {op} of no elements is not defined")
        builder = traced.builder_of(values)
        if builder is None:
            return max(values) if op == "max" else min(values)
        return TracedScalar(builder, builder.call(op, *nodes_of(builder, values, op)))

    return extreme


_largest = _extreme("max")
_smallest = _extreme("min")


def _logical(op: str) -> Callable[[list[Any]], Any]:
    def logical(values: list[Any]) -> Any:
        total = values[0]
        for value in values[1:]:
            total = total & value if op == "and" else total | value
        return total

    return logical


def _mean(value: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return reduced(lambda row: _total(row) / len(row), value, axis, keepdims)


# ---- ufuncs


_REDUCTIONS: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "add": _total,
    "multiply": _multiplied,
    "maximum": _largest,
    "minimum": _smallest,
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
}


def ufunc_on_arrays(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Apply a ufunc, or its `reduce`, to operands of which at least one is a traced array."""
    name = ufunc.__name__
    if any(not is_array(value) and not _is_number(value) for value in inputs):
        return NotImplemented
    if method == "reduce" and name in _REDUCTIONS and getattr(np, name, None) is ufunc:
        given = {
            key: value for key, value in kwargs.items() if value is not np._NoValue and value is not None
        }
        axis = kwargs.get("axis", 0)
        if set(given) <= {"axis", "keepdims"}:
            return reduced(_REDUCTIONS[name], inputs[0], axis, bool(given.get("keepdims", False)))
    if method == "__call__" and ufunc is np.matmul and not kwargs:
        return _matmul(*inputs)
    if method != "__call__" or kwargs:
        what = f"np.{name}.{method}" if method != "__call__" else f"np.{name} with {', '.join(kwargs)}="
        raise TracingError(
            f"{what} of traced values cannot be traced; write it elementwise or as a sum, and collect what would "
            "be written into an array in a list: np.stack(values)"
        )

    def scalar(*values: Any) -> Any:
        if any(isinstance(value, Traced) for value in values):
            return traced.apply_ufunc(ufunc, values)
        return ufunc(*values)

    return elementwise(scalar, *inputs)


def _is_number(value: Any) -> bool:
    return isinstance(value, Traced | int | float | np.generic | np.ndarray) or hasattr(
        value, "as_integer_ratio"
    )


# ---- NumPy's functions


def _matmul(a: Any, b: Any) -> Any:
    first, second = items_of(a), items_of(b)
    if not first.ndim or not second.ndim:
        raise TracingError("@ multiplies arrays; write * for numbers")
    left = first if first.ndim > 1 else first[np.newaxis, :]
    right = second if second.ndim > 1 else second[:, np.newaxis]
    if left.shape[-1] != right.shape[-2]:
        raise TracingError(f"@ of shapes {first.shape} and {second.shape}: the inner extents differ")
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    left = np.broadcast_to(left, (*batch, *left.shape[-2:]))
    right = np.broadcast_to(right, (*batch, *right.shape[-2:]))
    shape = (*batch, left.shape[-2], right.shape[-1])
    values = [
        _total([p * q for p, q in zip(left[tuple(at)][i], right[tuple(at)][:, j], strict=True)])
        for *at, i, j in np.ndindex(*shape)
    ]
    found = filled(values, shape)
    if second.ndim == 1:
        found = found[..., 0]
    if first.ndim == 1:
        found = found[..., 0] if second.ndim == 1 else found[..., 0, :]
    return _wrapped(found)


def _dot(a: Any, b: Any) -> Any:
    first, second = items_of(a), items_of(b)
    if not first.ndim or not second.ndim:
        return elementwise(lambda p, q: p * q, a, b)
    if second.ndim > 2:
        raise TracingError("np.dot of more than two dimensions cannot be traced; write np.einsum")
    return _matmul(a, b)


def _inner(a: Any, b: Any) -> Any:
    return _einsum("i,i->", a, b)


def _outer(a: Any, b: Any) -> Any:
    return elementwise(
        lambda p, q: p * q, TracedArray(items_of(a).reshape(-1, 1)), TracedArray(items_of(b).ravel())
    )


def _cross(a: Any, b: Any) -> Any:
    u, v = items_of(a), items_of(b)
    if u.shape != (3,) or v.shape != (3,):
        raise TracingError(f"np.cross takes two vectors of three, not {u.shape} and {v.shape}")
    return _wrapped(
        filled([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]], (3,))
    )


def _einsum(subscripts: str, *operands: Any) -> Any:
    arrays = [items_of(operand) for operand in operands]
    inner, _, result = subscripts.replace(" ", "").partition("->")
    labels = inner.split(",")
    if "." in subscripts or len(labels) != len(arrays):
        raise TracingError(
            f"np.einsum({subscripts!r}) of {len(arrays)} operands cannot be traced; name each index"
        )
    if "->" not in subscripts:
        joined = "".join(labels)
        result = "".join(sorted(label for label in set(joined) if joined.count(label) == 1))
    extents: dict[str, int] = {}
    for row, array in zip(labels, arrays, strict=True):
        if len(row) != array.ndim or any(
            extents.setdefault(label, extent) != extent
            for label, extent in zip(row, array.shape, strict=True)
        ):
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise TracingError(f"np.einsum: {subscripts!r} does not fit the shapes {shapes}")
    summed = [label for label in extents if label not in result]
    values = []
    for at in np.ndindex(*(extents[label] for label in result)):
        index = dict(zip(result, at, strict=True))
        terms = []
        for over in np.ndindex(*(extents[label] for label in summed)):
            index.update(zip(summed, over, strict=True))
            terms.append(
                _multiplied(
                    [a[tuple(index[label] for label in row)] for row, a in zip(labels, arrays, strict=True)]
                )
            )
        values.append(_total(terms))
    return _wrapped(filled(values, tuple(extents[label] for label in result)))


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    items = items_of(x)
    if items.ndim > 1 and axis is None and ord not in (None, "fro"):
        raise TracingError("np.linalg.norm of a matrix is traced for the Frobenius norm alone")
    size = TracedArray(items)
    if ord in (None, 2, "fro"):
        return elementwise(np.sqrt, reduced(lambda row: _total([v * v for v in row]), size, axis, keepdims))
    if ord == 1:
        return reduced(lambda row: _total([abs(v) for v in row]), size, axis, keepdims)
    if ord == np.inf:
        return reduced(lambda row: _largest([abs(v) for v in row]), size, axis, keepdims)
    raise TracingError(f"np.linalg.norm with ord={ord!r} cannot be traced; 1, 2 and np.inf can")


def _square(a: Any, what: str) -> Items:
    items = items_of(a)
    if items.ndim != 2 or items.shape[0] != items.shape[1]:
        raise TracingError(f"np.linalg.{what} takes a square matrix, not one of shape {items.shape}")
    if len(items) > _LARGEST:
        raise TracingError(
            f"np.linalg.{what} of {len(items)} rows cannot be traced: without pivoting it would lose accuracy, and "
            f"expanded it would be too long beyond {_LARGEST}; solve the system outside the formula"
        )
    return items


def _minor(items: Items, rows: tuple[int, ...], columns: tuple[int, ...], known: dict[Any, Any]) -> Any:
    """Return a determinant by the first of `rows`; minors of the same rows and columns are computed once."""
    if not rows:
        return 1
    if (rows, columns) not in known:
        terms = [
            (items[rows[0], c] if k % 2 == 0 else -items[rows[0], c])
            * _minor(items, rows[1:], columns[:k] + columns[k + 1 :], known)
            for k, c in enumerate(columns)
        ]
        known[rows, columns] = _total(terms)
    return known[rows, columns]


def _det(a: Any) -> Any:
    items = _square(a, "det")
    every = tuple(range(len(items)))
    return _minor(items, every, every, {})


def _inv(a: Any) -> Any:
    """Return the adjugate over the determinant: right whatever the pivots are."""
    items = _square(a, "inv")
    every, known = tuple(range(len(items))), dict[Any, Any]()
    whole = _minor(items, every, every, known)
    values = []
    for i in every:
        for j in every:
            minor = _minor(items, every[:j] + every[j + 1 :], every[:i] + every[i + 1 :], known)
            values.append((minor if (i + j) % 2 == 0 else -minor) / whole)
    return TracedArray(filled(values, items.shape))


def _solve(a: Any, b: Any) -> Any:
    _square(a, "solve")
    return _matmul(_inv(a), b)


def _cumsum(a: Any, axis: int | None = None) -> Any:
    items = items_of(a).ravel() if axis is None else np.moveaxis(items_of(a), axis, -1)
    found = np.empty(items.shape, object)
    for at in np.ndindex(*items.shape[:-1]):
        total: Any = 0
        for k in range(items.shape[-1]):
            total = total + items[at][k]
            found[at][k] = total
    return TracedArray(found if axis is None else np.moveaxis(found, -1, axis))


def _where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise TracingError("np.where needs three arguments: np.where(c, a, b)")

    def choose(c: Any, a: Any, b: Any) -> Any:
        if not any(isinstance(value, Traced) for value in (c, a, b)):
            return a if c else b
        return traced.where(c, a, b)

    return elementwise(choose, condition, *choices)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    if low is None and high is None:
        return a
    if low is None:
        return elementwise(lambda x, m: traced.clip(x, None, m), a, high)
    if high is None:
        return elementwise(traced.clip, a, low)
    return elementwise(traced.clip, a, low, high)


def _reduction(function: Callable[[list[Any]], Any]) -> Callable[..., Any]:
    return lambda a, axis=None, keepdims=False: reduced(function, a, axis, keepdims)


def _rounded(a: Any, decimals: int = 0) -> Any:
    return elementwise(lambda x: round(x, decimals), a)


def _constant(value: int) -> Callable[..., Any]:
    return lambda a, *rest, **more: np.full(items_of(a).shape, float(value))


_OWN: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    np.where: _where,
    np.clip: _clip,
    np.sum: _reduction(_total),
    np.prod: _reduction(_multiplied),
    np.max: _reduction(_largest),
    np.min: _reduction(_smallest),
    np.amax: _reduction(_largest),
    np.amin: _reduction(_smallest),
    np.all: _reduction(_logical("and")),
    np.any: _reduction(_logical("or")),
    np.mean: _mean,
    np.cumsum: _cumsum,
    np.dot: _dot,
    np.inner: _inner,
    np.vdot: lambda a, b: _inner(TracedArray(items_of(a).ravel()), TracedArray(items_of(b).ravel())),
    np.outer: _outer,
    np.cross: _cross,
    np.einsum: _einsum,
    np.round: _rounded,
    np.around: _rounded,
    np.linalg.norm: _norm,
    np.linalg.det: _det,
    np.linalg.inv: _inv,
    np.linalg.solve: _solve,
    np.zeros_like: _constant(0),
    np.ones_like: _constant(1),
    np.shape: lambda a: items_of(a).shape,
    np.ndim: lambda a: items_of(a).ndim,
    np.size: lambda a: items_of(a).size,
    np.trace: lambda a: _total(list(items_of(a).diagonal())),
    np.diff: lambda a: _wrapped(items_of(a)[..., 1:] - items_of(a)[..., :-1]),
}
"""NumPy's functions that compute."""

_MOVING: Final = frozenset(
    (
        np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.concatenate, np.reshape, np.ravel,
        np.transpose, np.moveaxis, np.swapaxes, np.squeeze, np.expand_dims, np.broadcast_to, np.roll, np.flip,
        np.fliplr, np.flipud, np.rot90, np.diag, np.diagonal, np.triu, np.tril, np.take, np.repeat, np.tile,
        np.append, np.atleast_1d, np.atleast_2d, np.copy, np.real, np.block, np.split, np.array_split,
    )
)  # fmt: skip
"""NumPy's functions that only move elements: its own, on the objects."""


def function_on_arrays(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply one of NumPy's functions to arguments of which at least one is traced."""
    name = getattr(function, "__name__", str(function))
    try:
        if function in _OWN:
            return _OWN[function](*args, **kwargs)
        if function in _MOVING:
            found = function(*(_unwrapped(arg) for arg in args), **kwargs)
            return [_wrapped(part) for part in found] if isinstance(found, list) else _wrapped(found)
    except TracingError:
        raise
    except (TypeError, ValueError, IndexError, np.exceptions.AxisError) as error:
        raise TracingError(f"np.{name} cannot be traced with these arguments: {error}") from None
    raise TracingError(
        f"np.{name} cannot be traced for arrays; write it with operators, elementwise functions, sums and indexing"
    )


def known(function: Callable[..., Any]) -> bool:
    """Whether a function of NumPy can be traced for arrays."""
    return function in _OWN or function in _MOVING


def _unwrapped(value: Any) -> Any:
    if isinstance(value, TracedArray | Traced):
        return items_of(value)
    if isinstance(value, list | tuple) and any(
        isinstance(part, TracedArray | Traced | list) for part in value
    ):
        return type(value)(_unwrapped(part) for part in value)
    return value
