"""A Python function to Program: call it once with traced values, and take what it returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tapeless.errors import ArgumentError, ShapeError, TracingError
from tapeless.frontend.traced import Trace, Traced, builder_of
from tapeless.frontend.traced_array import Nodes, is_boolean, number_nodes, traced_numbers
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

    The function returns one number or array for one output, or a tuple, list, named tuple or mapping of them for
    several: its outermost sequence counts the outputs, and lists inside of it are arrays. `np.stack` makes one
    array of a list.

    Every parameter is an input. A parameter with a default is ambiguous (an input, or a constant?) and needs
    `inputs` or `shapes` to say which: listed it is an input, else it keeps its default as a constant.

    Parameters
    ----------
    function
        The function. It is called once, with traced values.
    name
        Name of the program; that of the function if None.
    shapes
        Core shapes of inputs by name; `()` for those not listed. An input with a shape is traced as an array.
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
    trace = Trace(items)
    values, lane = {}, 0
    for item in items:
        nodes = np.array([trace.input(k) for k in range(lane, lane + item.size)], np.intp)
        values[item.name] = traced_numbers(trace, nodes.reshape(item.shape))
        lane += item.size
    result = _call(function, signature, values)
    outputs = _outputs(trace, result, names)
    return finish(name or _name_of(function), items, outputs, trace)


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
        found = _with_rest(signature, found, rest, listed or tuple(shapes) or None)
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
    except TypeError as error:
        # What NumPy's own ufuncs make of a traced value in an array of objects.
        if not (str(error).startswith("loop of ufunc") and "Traced" in str(error)):
            raise
        raise TracingError(
            "a function of NumPy met an array of dtype object that holds traced values; collect the values in a list "
            "and write np.stack(values) for the array"
        ) from error
    except ValueError as error:
        # What NumPy makes of the refusal of __float__ when an element of an array is assigned.
        if not isinstance(error.__cause__, TracingError):
            raise
        raise TracingError(
            "an element of a NumPy array cannot be set to a traced value; collect the values in a list, and write "
            "np.stack(values) for the array"
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
        nodes = _output_nodes(builder, value, known)
        outputs.append(Output(free, tuple(nodes.ravel().tolist()), nodes.shape))
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


def _output_nodes(builder: Builder, value: Any, name: str) -> Nodes:
    what = f"output {name!r}"
    if is_boolean(value):
        raise TracingError(f"{what} is true or false and cannot be an output; write np.where(c, 1, 0)")
    if value is None:
        raise TracingError(f"{what} is None; return a number")
    if isinstance(value, Mapping):
        raise TracingError(
            f"{what} is itself a {type(value).__name__}; return one flat dict of numbers and arrays"
        )
    if callable(value) and not isinstance(value, Traced):
        raise TracingError(f"{what} is a function ({_name_of(value)}); call it, or return its result")
    try:
        nodes = number_nodes(builder, value, what)
    except TracingError as error:
        raise error if what in str(error) else TracingError(f"{what}: {error}") from None
    if not nodes.size:
        raise TracingError(f"{what} is empty, an array of shape {nodes.shape}; return at least one number")
    return nodes


# ---- one Program inside another


def call_program(program: Program, args: Sequence[Any]) -> Any:
    """Apply a program to values of which at least one is traced, as a call of its Function would.

    Parameters
    ----------
    program
        The program.
    args
        For each input a number or an array; axes in front of its core shape are batch axes, and broadcast.

    Returns
    -------
    TracedScalar, TracedArray, or tuple of them
        One value for one output, else a tuple; the batch axes in front.

    Raises
    ------
    ArgumentError
        Another number of arguments than it has inputs.
    ShapeError
        An argument without the core shape of its input, or batch axes that do not broadcast.
    """
    if len(args) != len(program.inputs):
        raise ArgumentError(f"{program.name} takes {len(program.inputs)} arguments, {len(args)} were given")
    builder = builder_of(args)
    if builder is None:
        raise TracingError(f"no argument of {program.name} is traced")
    batch, lanes = _lanes(builder, program, args)
    points = [inline(builder, program, row) for row in lanes.tolist()]
    columns = np.array(points, np.intp).reshape((*batch, len(program.roots)))
    values, start = [], 0
    for output in program.outputs:
        nodes = columns[..., start : start + len(output.nodes)]
        values.append(traced_numbers(builder, nodes.reshape((*batch, *output.shape))))
        start += len(output.nodes)
    return values[0] if len(values) == 1 else tuple(values)


def _lanes(builder: Builder, program: Program, args: Sequence[Any]) -> tuple[tuple[int, ...], Nodes]:
    """Return the batch shape, and for each of its points a row with the node of every input scalar."""
    arrays, batches = [], []
    for item, value in zip(program.inputs, args, strict=True):
        nodes = number_nodes(builder, value, program.name)
        split = nodes.ndim - len(item.shape)
        if split < 0 or nodes.shape[split:] != item.shape:
            raise ShapeError(f"{item.name} has shape {nodes.shape}, its last dimensions must be {item.shape}")
        arrays.append(nodes)
        batches.append(nodes.shape[:split])
    try:
        batch = np.broadcast_shapes(*batches)
    except ValueError:
        shapes = " and ".join(map(str, batches))
        raise ShapeError(f"{program.name}: the batch shapes {shapes} cannot be broadcast together") from None
    rows = [
        np.broadcast_to(nodes, (*batch, *item.shape)).reshape(-1, item.size)
        for item, nodes in zip(program.inputs, arrays, strict=True)
    ]
    return batch, np.concatenate(rows, axis=1)
