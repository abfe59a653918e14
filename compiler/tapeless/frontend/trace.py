"""A Python function to Program: call it once with traced values, and take what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from tapeless.errors import ArgumentError, ShapeError, TracingError
from tapeless.frontend.traced import Trace, Traced, TracedBoolean, TracedScalar, builder_of, nodes_of
from tapeless.frontend.traced_array import TracedArray, filled, is_array, items_of
from tapeless.ir.graph import Builder
from tapeless.ir.inline import inline
from tapeless.ir.program import Input, Output, Program, finish


def program_from_function(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    inputs: Sequence[str] | None = None,
) -> Program:
    """Trace a Python function.

    Every parameter is an input. A parameter with a default is ambiguous (an input, or a constant?) and needs
    `inputs` or `shapes` to say which: listed it is an input, else it keeps its default as a constant.

    Parameters
    ----------
    function
        The function. It is called once, with traced values.
    name
        Name of the program; that of the function if None.
    shapes
        Core shapes of inputs by name; `()` for those not listed.
    inputs
        The parameters that are inputs, in the order of the signature; names for what `*args` takes.

    Raises
    ------
    ArgumentError
        The signature does not say what the inputs are.
    TracingError
        The function does what cannot be traced, or returns what is no number.
    """
    signature = _signature(function)
    shapes = shapes or {}
    _check_shapes(shapes)
    names = _inputs(function, signature, inputs, shapes)
    items = [Input(known, tuple(int(n) for n in shapes.get(known, ()))) for known in names]
    labels = [label for item in items for label in _labels(item)]
    trace = Trace(labels)
    lanes = iter([TracedScalar(trace, trace.input(lane)) for lane in range(len(labels))])
    values = {
        item.name: TracedArray(filled([next(lanes) for _ in range(item.size)], item.shape))
        if item.shape
        else next(lanes)
        for item in items
    }
    result = _call(function, signature, values)
    outputs = _outputs(trace, result, names)
    return finish(name or _name_of(function), items, outputs, trace)


def _labels(item: Input) -> list[str]:
    """Name the scalars of an input as a formula would."""
    if not item.shape:
        return [item.name]
    return [f"{item.name}[{', '.join(map(str, at))}]" for at in np.ndindex(*item.shape)]


# ---- the signature


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    plain = inspect.unwrap(function)
    if inspect.iscoroutinefunction(plain) or inspect.isgeneratorfunction(plain):
        raise TracingError(
            f"{_name_of(function)} is a generator or a coroutine; write a plain function that returns a "
            "number or a tuple of numbers"
        )
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        raise ArgumentError(
            f"the parameters of {_name_of(function)} cannot be seen; wrap it: lambda x: {_name_of(function)}(x)"
        ) from None


def _name_of(function: Any) -> str:
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    return name if isinstance(name, str) and name.isidentifier() else "f"  # a lambda's is <lambda>


def _bound(function: Any) -> set[str]:
    """Return the parameters that functools.partial has filled by keyword."""
    found: set[str] = set()
    while isinstance(function, partial):
        found |= set(function.keywords)
        function = function.func
    return found


def _check_shapes(shapes: Mapping[str, Any]) -> None:
    for known, shape in shapes.items():
        sequence = isinstance(shape, list | tuple)
        if sequence and all(isinstance(n, int | np.integer) and n >= 1 for n in shape):
            continue
        whole = isinstance(shape, int | np.integer) and not isinstance(shape, bool) and shape >= 1
        example = f"({shape},)" if whole else "(3,)"
        raise ArgumentError(
            f"inputs gives {known!r} the shape {shape!r}; a shape is a tuple of whole numbers from 1, such as "
            f"{example}, and () for a scalar"
        )


def _inputs(
    function: Callable[..., Any],
    signature: inspect.Signature,
    listed: Sequence[str] | None,
    shapes: Mapping[str, tuple[int, ...]],
) -> tuple[str, ...]:
    """Decide which parameters are inputs."""
    bound = _bound(function)
    found: list[str] = []
    rest = None
    for parameter in signature.parameters.values():
        known = parameter.name
        if parameter.kind is parameter.VAR_POSITIONAL:
            rest = known
        elif parameter.kind is parameter.VAR_KEYWORD:
            raise ArgumentError(f"**{known} does not say what the inputs are; name each parameter")
        elif parameter.default is parameter.empty or known in shapes or known in (listed or ()):
            found.append(known)
        elif listed is None and known not in bound:
            raise ArgumentError(
                f"parameter {known!r} has a default: is it an input or a constant? Remove the default to make it "
                f"an input; to keep {parameter.default!r} as a constant, say what the inputs are "
                f"(inputs=[{', '.join(map(repr, found))}]) or fill it with functools.partial"
            )
    if rest is not None:
        found = _with_rest(signature, found, rest, listed)
    for known in shapes:
        if known not in found:
            raise ArgumentError(f"inputs names {known!r}; the parameters are {', '.join(found) or 'none'}")
    if listed is not None and tuple(listed) != tuple(found):
        raise ArgumentError(
            f"the parameters are {', '.join(found) or 'none'}, but inputs= says {', '.join(listed)}; "
            "leave inputs= out, or list the parameters in their order"
        )
    if not found:
        raise ArgumentError("the formula has no input: it is a constant, there is nothing to compile")
    return tuple(found)


def _with_rest(
    signature: inspect.Signature, found: list[str], rest: str, listed: Sequence[str] | None
) -> list[str]:
    """Add the names that `inputs` gives to what `*args` takes."""
    if listed is None:
        raise ArgumentError(
            f"*{rest} does not say how many inputs there are; name each parameter, or list the inputs: "
            "inputs=['x', 'y']"
        )
    keyword_only = {p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    before = [known for known in found if known not in keyword_only]
    after = [known for known in found if known in keyword_only]
    if list(listed[: len(before)]) != before:
        return found
    middle = [known for known in listed[len(before) :] if known not in after]
    if len(set(listed)) != len(listed) or not all(map(str.isidentifier, middle)):
        raise ArgumentError(f"inputs={list(listed)!r} must be different names")
    return [*before, *middle, *after]


def _call(function: Callable[..., Any], signature: inspect.Signature, values: Mapping[str, Any]) -> Any:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    left = dict(values)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            kept = {p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
            for known in [known for known in left if known not in kept]:
                positional.append(left.pop(known))
        elif parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.name in left:
                keywords[parameter.name] = left.pop(parameter.name)
        else:  # a constant between inputs takes its place by its default
            positional.append(left.pop(parameter.name, parameter.default))
    try:
        return function(*positional, **keywords)
    except ValueError as error:
        # What NumPy makes of the refusal of __float__ when an element of an array is assigned.
        if not isinstance(error.__cause__, TracingError):
            raise
        raise TracingError(
            "an element of a NumPy array cannot be set to a traced value; collect values in a list"
        ) from error


# ---- the result


def _outputs(builder: Builder, result: Any, inputs: Sequence[str]) -> list[Output]:
    named = _named_results(result)
    keys = [known for known, _ in named]
    taken = {*inputs, *keys}
    outputs = []
    for known, value in named:
        free = known
        if known in inputs:
            while free in taken:
                free += "_"
            taken.add(free)
        outputs.append(_output(builder, value, free, f"output {known!r}"))
    return outputs


def _named_results(result: Any) -> list[tuple[str, Any]]:
    if result is None:
        raise TracingError("the function returned None; did you forget return?")
    if isinstance(result, Mapping):
        for key in result:
            if not isinstance(key, str) or not key.isidentifier():
                raise TracingError(f"the key {key!r} cannot name an output; keys must be identifiers")
        named = list(result.items())
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        named = list(zip(result._fields, result, strict=True))
    elif isinstance(result, list | tuple):
        named = [(f"out{k}" if len(result) > 1 else "out", value) for k, value in enumerate(result)]
    else:
        named = [("out", result)]
    if not named:
        raise TracingError("the function returned nothing to compute; return at least one number")
    return named


def _output(builder: Builder, value: Any, name: str, what: str) -> Output:
    """Return an output: of one number, or of an array or nested list of numbers."""
    if isinstance(value, Mapping):
        raise TracingError(f"{what} is itself a dict; return one flat dict of numbers and arrays")
    if not is_array(value):
        return Output(name, (_output_node(builder, value, what),))
    items = items_of(value)
    if not items.size:
        raise TracingError(f"{what} is empty; return at least one number")
    return Output(name, tuple(_output_node(builder, item, what) for item in items.flat), items.shape)


def _output_node(builder: Builder, value: Any, what: str) -> int:
    if isinstance(value, TracedBoolean | bool | np.bool_):
        raise TracingError(f"{what} is true or false and cannot be an output; write np.where(c, 1, 0)")
    if value is None:
        raise TracingError(f"{what} is None; return a number")
    if isinstance(value, Mapping):
        raise TracingError(f"{what} holds a dict; return numbers and arrays")
    if callable(value) and not isinstance(value, Traced):
        raise TracingError(f"{what} is a function ({_name_of(value)}); call it, or return its result")
    [node] = nodes_of(builder, (value,), what)
    return node


# ---- one Program inside another


def call_program(program: Program, args: Sequence[Any]) -> Any:
    """Apply a program to arguments of which at least one is traced, as a call of its Function would.

    Parameters
    ----------
    program
        The function.
    args
        One per input: of its core shape, or with further dimensions in front, which broadcast.

    Returns
    -------
    TracedScalar, TracedArray or tuple of them
        One value for one output, else a tuple.

    Raises
    ------
    ArgumentError
        For a wrong number of arguments.
    ShapeError
        For an argument whose last dimensions are not those of its input, or where the others do not broadcast.
    """
    if len(args) != len(program.inputs):
        raise ArgumentError(f"{program.name} takes {len(program.inputs)} arguments, {len(args)} were given")
    arrays = [items_of(arg) for arg in args]
    builder = builder_of([item for array in arrays for item in array.flat])
    if builder is None:
        raise TracingError(f"no argument of {program.name} is traced")
    batches = []
    for item, array in zip(program.inputs, arrays, strict=True):
        split = array.ndim - len(item.shape)
        if split < 0 or array.shape[split:] != item.shape:
            raise ShapeError(
                f"{item.name} has shape {array.shape}, its last dimensions must be {item.shape}"
                if item.shape
                else f"{item.name} has shape {array.shape}"
            )
        batches.append(array.shape[:split])
    try:
        batch = np.broadcast_shapes(*batches)
    except ValueError:
        shapes = ", ".join(f"{i.name} {a.shape}" for i, a in zip(program.inputs, arrays, strict=True))
        raise ShapeError(f"inputs do not broadcast together: {shapes}") from None
    count = prod(batch)
    rows = [
        np.broadcast_to(a, (*batch, *i.shape)).reshape(count, -1)
        for i, a in zip(program.inputs, arrays, strict=True)
    ]
    points = [
        inline(builder, program, nodes_of(builder, [v for row in rows for v in row[k]], program.name))
        for k in range(count)
    ]
    values: list[Any] = []
    first = 0
    for output in program.outputs:
        nodes = [node for point in points for node in point[first : first + len(output.nodes)]]
        first += len(output.nodes)
        scalars = [TracedScalar(builder, node) for node in nodes]
        shape = (*batch, *output.shape)
        values.append(TracedArray(filled(scalars, shape)) if shape else scalars[0])
    return values[0] if len(values) == 1 else tuple(values)
