"""Traced arrays: the nodes of numbers or truth values in the shape of a NumPy array.

The structure (indexing, reshaping, broadcasting) is NumPy's own, at work on an integer array of nodes; only
arithmetic appends to the builder, one element after the other. A traced array never changes: `x += 1` binds a
new one, and there is no assignment to elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from tapeless.errors import TracingError
from tapeless.frontend.traced import (
    BRACKETS,
    NOT_A_NUMBER,
    Build,
    Traced,
    TracedBoolean,
    TracedElement,
    TracedScalar,
    as_number,
    builder_of,
    condition,
    leaked,
    operand,
    truth,
)
from tapeless.ir import recipes
from tapeless.ir.graph import Builder

Nodes = NDArray[np.intp]
"""Nodes of a builder in the shape of a value."""

Take = Callable[[Builder, Any], "int | None"]
"""From a builder and one value to its node; None for what is no such value."""


class TracedArrayBase(Traced):
    """What traced arrays of numbers and of truth values share: structure.

    Parameters
    ----------
    builder
        Holds the nodes.
    nodes
        The nodes, in the shape of the array; never written to.
    """

    __slots__ = ("nodes",)

    def __init__(self, builder: Builder, nodes: Nodes) -> None:
        self.builder = builder
        self.nodes = nodes

    def __repr__(self) -> str:
        return f"<traced array of shape {self.shape}>"

    # ---- structure

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each axis."""
        return self.nodes.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.nodes.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.nodes.size

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return self._like(self.nodes.T)

    @property
    def mT(self) -> Any:
        """The matrices transposed."""
        return self._like(np.swapaxes(self.nodes, -1, -2))

    @property
    def flat(self) -> Iterator[Any]:
        """The elements in C order."""
        return iter(self._like(self.nodes.ravel()))

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Any]:
        builder, element = self.builder, self._element
        if self.nodes.ndim == 1:
            return iter([element(builder, node) for node in self.nodes.tolist()])
        return iter([type(self)(builder, row) for row in self.nodes])

    def __getitem__(self, key: Any) -> Any:
        nodes = self.nodes
        try:
            # The reads of inner loops, x[i] and A[i, j], without NumPy's own way to an element.
            if type(key) is int:
                if nodes.ndim == 1:
                    return self._element(self.builder, nodes.item(key))
            elif type(key) is tuple:
                if len(key) == nodes.ndim == 2 and type(key[0]) is type(key[1]) is int:
                    return self._element(self.builder, nodes.item(key))
                if any(isinstance(part, Traced) for part in key):
                    raise TracingError(_INDEX)
            elif isinstance(key, Traced):
                raise TracingError(_INDEX)
            found = nodes[key]
        except IndexError as error:
            raise TracingError(
                f"the index {key!r} does not fit a traced array of shape {self.shape}: {error}"
            ) from None
        return self._like(found if isinstance(found, np.ndarray) else int(found))

    def __setitem__(self, key: object, value: object) -> NoReturn:
        raise TracingError(
            "a traced array cannot be changed in place; collect the elements in a list and write "
            "np.stack(values), or choose with np.where"
        )

    def __contains__(self, value: object) -> NoReturn:
        raise TracingError(
            "whether a value is in a traced array is not known while tracing; write np.any(x == value) in a condition"
        )

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TracingError("a traced array is no function; is a * missing before the bracket?")

    def tolist(self) -> list[Any]:
        """Return the elements as nested lists."""
        return [row.tolist() if isinstance(row, TracedArrayBase) else row for row in self]

    def _like(self, nodes: Any) -> Any:
        """Return nodes of this builder and kind as an array, or as an element where there is one only."""
        return self._wrapped(self.builder, nodes)

    @classmethod
    def _wrapped(cls, builder: Builder, nodes: Any) -> Any:
        if type(nodes) is int:
            return cls._element(builder, nodes)
        if nodes.ndim:
            return cls(builder, nodes)
        return cls._element(builder, int(nodes))

    _element: type[TracedElement]

    # ---- methods that are functions of NumPy

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """Return the elements in another shape."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)  # type: ignore[call-overload]

    def transpose(self, *axes: Any) -> Any:
        """Return the array with its axes permuted; reversed without arguments."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)


def _function(name: str, numpy_name: str = "") -> Any:
    """Return the method that is the function of NumPy with the array first."""

    def method(self: TracedArrayBase, *args: Any, **kwargs: Any) -> Any:
        return getattr(np, numpy_name or name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Return np.{numpy_name or name} of the array."
    return method


for _name in (
    "ravel",
    "squeeze",
    "swapaxes",
    "diagonal",
    "copy",
    "repeat",
    "take",
    "all",
    "any",
    "sum",
    "prod",
):
    setattr(TracedArrayBase, _name, _function(_name))
TracedArrayBase.flatten = _function("flatten", "ravel")  # type: ignore[attr-defined]


def _binary(build: Build, take: Take, *, turned: bool = False) -> Callable[[Any, Any], Any]:
    """Return the method of an operator, with the array on the right if `turned`."""

    def method(self: TracedArrayBase, other: Any) -> Any:
        builder = self.builder
        if isinstance(self, TracedBooleanArray) and take is operand and is_boolean(other):
            raise TracingError(NOT_A_NUMBER)
        right = nodes_in_shape(builder, other, take)
        if right is None:
            return NotImplemented
        left = nodes_in_shape(builder, self, take)
        assert left is not None
        pair = (right, left) if turned else (left, right)
        kind = TracedArray if take is operand else TracedBooleanArray
        return kind._wrapped(builder, elementwise(builder, build, pair))

    return method


def _comparing(op: str) -> Callable[[Any, Any], Any]:
    def build(b: Builder, x: int, y: int) -> int:
        return b.compare(op, x, y)

    def method(self: TracedArray, other: Any) -> Any:
        if is_boolean(other, traced=True):
            raise TracingError(BRACKETS)
        right = nodes_in_shape(self.builder, other, operand)
        if right is None:
            return NotImplemented
        nodes = elementwise(self.builder, build, (self.nodes, right))
        return TracedBooleanArray._wrapped(self.builder, nodes)

    return method


def _unary(build: Build) -> Callable[[Any], Any]:
    def method(self: TracedArrayBase) -> Any:
        return type(self)(self.builder, elementwise(self.builder, build, (self.nodes,)))

    return method


class TracedArray(TracedArrayBase):
    """A traced array of real numbers.

    Parameters
    ----------
    builder
        Holds the nodes.
    nodes
        The nodes, in the shape of the array; never written to.
    """

    __slots__ = ()

    _element = TracedScalar

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of real numbers in NumPy; what is computed with is decided when the program is compiled."""
        return np.dtype(float)

    @property
    def real(self) -> TracedArray:
        """The array itself."""
        return self

    __add__ = _binary(Builder.add, operand)
    __radd__ = _binary(Builder.add, operand, turned=True)
    __sub__ = _binary(Builder.sub, operand)
    __rsub__ = _binary(Builder.sub, operand, turned=True)
    __mul__ = _binary(Builder.mul, operand)
    __rmul__ = _binary(Builder.mul, operand, turned=True)
    __truediv__ = _binary(Builder.div, operand)
    __rtruediv__ = _binary(Builder.div, operand, turned=True)
    __rpow__ = _binary(Builder.pow, operand, turned=True)
    __neg__ = _unary(Builder.neg)
    __abs__ = _unary(recipes.primitive("abs"))
    __lt__ = _comparing("lt")
    __le__ = _comparing("le")
    __gt__ = _comparing("gt")
    __ge__ = _comparing("ge")
    __eq__ = _comparing("eq")
    __ne__ = _comparing("ne")
    __hash__ = object.__hash__

    def __pow__(self, other: Any, modulus: object = None) -> Any:
        if modulus is not None:
            raise TracingError("pow with a modulus works on integers; leave the third argument out")
        return _array_power(self, other)

    def __pos__(self) -> TracedArray:
        return self

    def __round__(self, digits: int | None = None) -> Any:
        return np.round(self, digits or 0)

    def __matmul__(self, other: Any) -> Any:
        return np.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return np.matmul(other, self)

    def __and__(self, other: object) -> NoReturn:
        raise TracingError(BRACKETS)

    __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = __invert__ = __and__


_array_power = _binary(Builder.pow, operand)

for _name in ("mean", "max", "min", "var", "std", "cumsum", "cumprod", "dot", "trace", "clip", "round"):
    setattr(TracedArray, _name, _function(_name))


class TracedBooleanArray(TracedArrayBase):
    """A traced array of truth values. In arithmetic with numbers they count as 1 or 0.

    Parameters
    ----------
    builder
        Holds the nodes.
    nodes
        The nodes, in the shape of the array; never written to.
    """

    __slots__ = ()

    _element = TracedBoolean

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of truth values."""
        return np.dtype(bool)

    __and__ = _binary(Builder.and_, truth)
    __rand__ = _binary(Builder.and_, truth, turned=True)
    __or__ = _binary(Builder.or_, truth)
    __ror__ = _binary(Builder.or_, truth, turned=True)
    __xor__ = __ne__ = _binary(recipes.xor, truth)
    __rxor__ = _binary(recipes.xor, truth, turned=True)
    __eq__ = _binary(recipes.same, truth)
    __invert__ = _unary(Builder.not_)
    __hash__ = object.__hash__

    __add__ = _binary(Builder.add, operand)
    __radd__ = _binary(Builder.add, operand, turned=True)
    __sub__ = _binary(Builder.sub, operand)
    __rsub__ = _binary(Builder.sub, operand, turned=True)
    __mul__ = _binary(Builder.mul, operand)
    __rmul__ = _binary(Builder.mul, operand, turned=True)
    __truediv__ = _binary(Builder.div, operand)
    __rtruediv__ = _binary(Builder.div, operand, turned=True)
    __pow__ = _binary(Builder.pow, operand)
    __rpow__ = _binary(Builder.pow, operand, turned=True)

    def __lt__(self, other: object) -> NoReturn:
        raise TracingError(BRACKETS)

    __le__ = __gt__ = __ge__ = __lt__

    def __neg__(self) -> NoReturn:
        raise TracingError(NOT_A_NUMBER)

    __pos__ = __abs__ = __round__ = __neg__


_INDEX: Final = (
    "the index depends on the inputs: which elements a traced value or condition chooses is not known while "
    "tracing; write np.where(c, x, 0), or np.sum(np.where(c, x, 0)) for the sum of those chosen"
)


# ---- operands in shape


def is_boolean(value: Any, *, traced: bool = False) -> bool:
    """Whether a value is one of truth values; only traced ones count with `traced`."""
    if isinstance(value, TracedBoolean | TracedBooleanArray):
        return True
    if traced:
        return False
    if isinstance(value, np.ndarray):
        return bool(value.dtype == np.bool_)
    if isinstance(value, list | tuple) and value:
        return all(map(is_boolean, value))
    return isinstance(value, bool | np.bool_)


def is_array(value: Any) -> bool:
    """Whether a value has axes: a traced or plain array, a list or tuple."""
    return isinstance(value, TracedArrayBase | list | tuple) or (
        isinstance(value, np.ndarray) and value.ndim > 0
    )


def nodes_in_shape(builder: Builder, value: Any, take: Take = operand) -> Nodes | None:
    """Return the nodes of a value in its shape: of a traced array, an array of numbers, nested lists, a number.

    Parameters
    ----------
    builder
        The trace that the value has to belong to.
    value
        What NumPy would take for an array.
    take
        From one element to its node: `operand` for numbers, `truth` or `condition` for truth values.

    Returns
    -------
    ndarray of int, or None
        None where an element is none that `take` takes.

    Raises
    ------
    TracingError
        A traced value of another trace.
    TracingError
        Nested lists of unequal lengths.
    """
    if isinstance(value, TracedArrayBase):
        if value.builder is not builder:
            raise TracingError(leaked(value))
        if take is operand:
            if isinstance(value, TracedArray):
                return value.nodes
            return elementwise(builder, as_number, (value.nodes,))
        if isinstance(value, TracedBooleanArray):
            return value.nodes
        element = value._element
        found = [take(builder, element(builder, node)) for node in value.nodes.ravel().tolist()]
        return _in_shape(found, value.shape)
    if isinstance(value, np.ndarray) and value.ndim:
        # tolist gives Python's own numbers, exactly those of the array; a longdouble has none.
        items = np.asarray(value).ravel()  # a matrix has two axes whatever is done to it
        return _in_shape(
            [take(builder, item) for item in (items if items.dtype.itemsize > 8 else items.tolist())],
            value.shape,
        )
    if isinstance(value, list | tuple):
        rows = [nodes_in_shape(builder, row, take) for row in value]
        kept = [row for row in rows if row is not None]
        if len(kept) < len(rows):
            return None
        if len({row.shape for row in kept}) > 1:
            shapes = " and ".join(sorted({str(row.shape) for row in kept})[:2])
            raise TracingError(f"a list with rows of different shapes is no array: {shapes}")
        return np.stack(kept) if kept else np.zeros(0, np.intp)
    node = take(builder, value)
    return None if node is None else np.asarray(node, np.intp)


def _in_shape(found: list[int | None], shape: tuple[int, ...]) -> Nodes | None:
    return None if None in found else np.array(found, np.intp).reshape(shape)


def number_nodes(builder: Builder, value: Any, what: str) -> Nodes:
    """Return the nodes of numbers in their shape, `what` naming the function in the message for anything else."""
    nodes = nodes_in_shape(builder, value)
    if nodes is None:
        raise TracingError(f"{what} takes numbers, not {_culprit(builder, value)}")
    return nodes


def _culprit(builder: Builder, value: Any) -> str:
    """Return the type of the first element that is no number."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, list | tuple):
            pending.extend(reversed(value))
        elif isinstance(value, np.ndarray) and value.ndim:
            if value.dtype != object:
                return f"an array of dtype {value.dtype}"
            pending.extend(reversed(value.ravel().tolist()))
        elif not isinstance(value, Traced) and operand(builder, value) is None:
            break
    return type(value).__name__


def elementwise(builder: Builder, build: Build, arrays: Sequence[Nodes]) -> Nodes:
    """Apply `build` to the elements of arrays of nodes, with NumPy's broadcasting.

    Raises
    ------
    TracingError
        Shapes that do not broadcast.
    """
    if len(arrays) == 1:
        [only] = arrays
        made = [build(builder, node) for node in only.ravel().tolist()]
        return np.array(made, np.intp).reshape(only.shape)
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise TracingError(f"the shapes {shapes} do not broadcast together") from None
    columns = [np.broadcast_to(array, shape).ravel().tolist() for array in arrays]
    made = [build(builder, *row) for row in zip(*columns, strict=True)]
    return np.array(made, np.intp).reshape(shape)


def traced_numbers(builder: Builder, nodes: Any) -> Any:
    """Return nodes of numbers as a traced array, or as a traced number where there is one without axes."""
    return TracedArray._wrapped(builder, nodes)


def traced_truths(builder: Builder, nodes: Any) -> Any:
    """Return nodes of truth values likewise."""
    return TracedBooleanArray._wrapped(builder, nodes)


# ---- functions of traced values


def trace_of(values: Sequence[Any]) -> Builder:
    """Return the builder of the first traced value, of which there must be one."""
    builder = builder_of(values)
    if builder is None:
        raise TracingError("no value here is traced, and NumPy asked for one to be")
    return builder


def mapped(builder: Builder, build: Build, values: Sequence[Any], take: Take, what: str) -> Any:
    """Apply `build` to numbers or arrays element by element: a node for numbers alone, else nodes in shape.

    Raises
    ------
    TracingError
        A value that `take` does not take, `what` naming the function.
    """
    if not any(map(is_array, values)):
        nodes = [take(builder, value) for value in values]
        if None not in nodes:
            return build(builder, *nodes)
    arrays = []
    for value in values:
        found = nodes_in_shape(builder, value, take)
        if found is None:
            raise TracingError(f"{what} takes numbers, not {_culprit(builder, value)}")
        arrays.append(found)
    return elementwise(builder, build, arrays)


def apply(op: str, values: Sequence[Any], what: str = "") -> Any:
    """Return the primitive `op` of numbers and arrays of which at least one is traced, element by element."""
    builder = trace_of(values)
    if all(is_boolean(value, traced=True) for value in values):
        raise TracingError(NOT_A_NUMBER)
    return traced_numbers(builder, mapped(builder, recipes.primitive(op), values, operand, what or op))


def where(chosen: Any, a: Any, b: Any) -> Any:
    """Return `a` where the condition holds, else `b`, element by element; at least one of the three is traced."""
    builder = trace_of((chosen, a, b))
    if is_boolean(a) and is_boolean(b):
        take, wrap = truth, traced_truths
    else:
        take, wrap = operand, traced_numbers
    if not (is_array(chosen) or is_array(a) or is_array(b)):
        nodes = condition(builder, chosen), take(builder, a), take(builder, b)
        if None not in nodes:
            return wrap(builder, Builder.select(builder, *nodes))  # type: ignore[arg-type]
    conditions = nodes_in_shape(builder, chosen, condition)
    if conditions is None:
        raise TracingError(f"the condition of where is a comparison, not {type(chosen).__name__}")
    arrays = [conditions]
    for value in (a, b):
        found = nodes_in_shape(builder, value, take)
        if found is None:
            raise TracingError(f"where takes numbers, not {_culprit(builder, value)}")
        arrays.append(found)
    return wrap(builder, elementwise(builder, Builder.select, arrays))


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    """Return `x`, not less than `low` and not more than `high`; None for no bound."""
    if x is None:
        raise TracingError("clip takes numbers, not NoneType")
    builder = trace_of((x, low, high))
    if low is not None:
        x = traced_numbers(builder, mapped(builder, Builder.maximum, (x, low), operand, "clip"))
    if high is not None:
        x = traced_numbers(builder, mapped(builder, Builder.minimum, (x, high), operand, "clip"))
    return x
