"""Which inputs are looked for, which are bound, and the function of one vector that results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapeless.api import compile_transformed
from tapeless.errors import ArgumentError, ShapeError
from tapeless.runtime.operands import as_operand

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.ir.program import Program

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Choice(NamedTuple):
    """The inputs of a function, divided.

    Attributes
    ----------
    free
        The inputs that stay open, in the order wanted.
    bound
        Input -> its value, an array of the function's dtype, in the function's order.
    """

    free: tuple[str, ...]
    bound: dict[str, Array]


def shapes_of(function: Function) -> dict[str, Shape]:
    """Return input -> core shape."""
    return dict(zip(function.input_names, function.input_shapes, strict=True))


def values_of(
    function: Function, what: str, given: Mapping[str, Any] | None, named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values given in a mapping and as keywords, together.

    Raises
    ------
    ArgumentError
        For a name that is no input, or that is given twice.
    """
    shown = f"{function.name}.{what}"
    if given is not None and not isinstance(given, Mapping):
        raise ArgumentError(f"{shown}: bound= is a mapping of names to values, not {given!r}")
    values: dict[str, Any] = dict(given or {})
    for name, value in named.items():
        if name in values:
            raise ArgumentError(f"{shown} got {name!r} twice, as a keyword and in bound=")
        values[name] = value
    for name in values:
        _known(function, shown, name)
    return values


def choose(
    function: Function, what: str, free: Iterable[Any], values: Mapping[str, Any], *, role: str
) -> Choice:
    """Divide the inputs into those that stay open and those that are bound.

    Parameters
    ----------
    function
        The function.
    what
        The method that asks, for messages.
    free
        Names of inputs that stay open, in order; none for all that are not bound.
    values
        Input -> value.
    role
        What an open input is called, for messages.

    Raises
    ------
    ArgumentError
        For unknown names, a name twice, an input that is neither open nor bound, or no open input.
    """
    shown = f"{function.name}.{what}"
    names, wanted = function.input_names, tuple(free)
    for item in wanted:
        _known(function, shown, item)
        if wanted.count(item) > 1:
            raise ArgumentError(f"{shown} names {item!r} twice")
        if item in values:
            raise ArgumentError(f"{shown}: {item!r} is {role} and bound at once; leave one out")
    if not wanted:
        wanted = tuple(name for name in names if name not in values)
    if not wanted:
        raise ArgumentError(f"{shown}: every input is bound, nothing is left to be {role}")
    missing = [name for name in names if name not in wanted and name not in values]
    if missing:
        raise ArgumentError(
            f"{shown} has no value for {', '.join(missing)}; an input is {role} or bound: {missing[0]}=..."
        )
    dtype = np.dtype(function.dtype)
    bound = {name: as_operand(values[name], name, dtype)[0] for name in names if name in values}
    return Choice(wanted, bound)


def _known(function: Function, shown: str, name: Any) -> None:
    if name not in function.input_names:
        known = ", ".join(function.input_names)
        raise ArgumentError(f"{shown} takes names of inputs, and {name!r} is none of them: {known}")


def differentiable(function: Function, what: str, names: Sequence[str]) -> None:
    """Raise where an input was compiled not to be differentiated by."""
    for name in names:
        if name not in function.wrt:
            raise ArgumentError(
                f"{function.name}.{what}: {function.name} was compiled to be differentiated by "
                f"{', '.join(function.wrt)}, not by {name}; bind {name}, or compile with wrt= that names it"
            )


def batch_of(function: Function, what: str, bound: Mapping[str, Array]) -> Shape:
    """Return the batch shape that bound values make together.

    Raises
    ------
    ShapeError
        Where one ends in another shape than its input's, or they do not broadcast.
    """
    shapes = shapes_of(function)
    batches: dict[str, Shape] = {}
    for name, value in bound.items():
        core = len(shapes[name])
        split = value.ndim - core
        if split < 0 or value.shape[split:] != shapes[name]:
            raise ShapeError(
                f"{function.name}.{what}: {name} has shape {value.shape}, its last dimensions must be {shapes[name]}"
            )
        batches[name] = value.shape[:split]
    try:
        return np.broadcast_shapes(*batches.values()) if batches else ()
    except ValueError:
        given = ", ".join(f"{name} {bound[name].shape}" for name in bound)
        raise ShapeError(f"{function.name}.{what}: the values do not broadcast together: {given}") from None


def packed(
    function: Function,
    vectors: Mapping[str, Sequence[str]],
    kept: Sequence[str],
    *,
    kinds: tuple[str, ...],
    wrt: tuple[str, ...],
    join: bool = False,
) -> Function:
    """Compile the same function with inputs laid out in vectors.

    Parameters
    ----------
    function
        The function.
    vectors
        Name of a vector -> the inputs it is made of.
    kept
        Inputs that stay as they are, after the vectors.
    kinds, wrt
        As for `compile_transformed`.
    join
        Whether all outputs become one vector.
    """
    rows = [(name, tuple(members), True) for name, members in vectors.items()]
    rows += [(name, (name,), False) for name in kept]

    def transform(program: Program) -> Program:
        from tapeless.transforms.pack import Packed, pack

        return pack(program, [Packed(*row) for row in rows], join=join)

    return compile_transformed(function, ("pack", rows, join), transform, kinds=kinds, wrt=wrt)


def free_name(name: str, taken: Iterable[str]) -> str:
    """Return `name`, lengthened until it is none of those taken."""
    names = set(taken)
    while name in names:
        name += "_"
    return name
