"""Functions inside code that Numba compiles.

Numba is given an overload: for the types of a call it gets a piece of Python that works out shapes and makes the
results, written here for these types, and an intrinsic that calls the kernel by its address. Numbers alone go
straight to the kernel, as does what is contiguous and of one shape; everything else goes through the driver, as in a
call from Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from tapeless.bridges.native import Native, native
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.kinds import kind_of

if TYPE_CHECKING:
    from tapeless.function import Function, Wrt
    from tapeless.runtime.signature import KernelSignature, Operand, Result

try:
    import numba
    from llvmlite import ir
    from numba.core import cgutils
    from numba.core.errors import TypingError
    from numba.extending import intrinsic, overload
except ImportError as error:
    raise UnsupportedError(
        f"f.to_numba() needs Numba ({error}); install it with: pip install 'tapeless[numba]'"
    ) from None

types = numba.types
_COTANGENTS_FIRST: Final = ("backward", "forward_backward")
_PAIRS: Final = ("jvp", "hvp")
_SHORT: Final = 16
_REFUSED: Final = ("sparse_jacobian", "sparse_hessian")


def to_numba(function: Function, kind: str, wrt: Wrt) -> Any:
    """Return a method of `function` as a dispatcher of Numba; see `Function.to_numba`."""
    kind = kind_of(kind).name
    if kind in _REFUSED:
        raise ArgumentError(
            f"{kind} makes sparse matrices, which Numba does not know; ask for jacobian or hessian"
        )
    caller = function._caller(kind, wrt)
    kernel = _Kernel(
        function.name if kind == "forward" else f"{function.name}_{kind}",
        caller.signature,
        native(caller, function.options),
    )
    shape = _Form(kind, len(function.input_names), len(function.output_names), isinstance(wrt, str))

    def method(*arguments: Any) -> Any:
        raise NotImplementedError("an overload stands for this")

    method.__name__ = method.__qualname__ = kernel.name

    @overload(method, strict=False, jit_options={"nogil": True})
    def chosen(*arguments: Any) -> Any:
        return _implementation(kernel, shape, arguments)

    def call(*arguments: Any) -> Any:
        return method(*arguments)

    call.__name__ = call.__qualname__ = kernel.name
    call.__doc__ = f"{kind} of {function!r}."
    return numba.njit(nogil=True)(call)


class _Kernel(NamedTuple):
    """A kernel by name, with what it takes and gives, and where it is."""

    name: str
    signature: KernelSignature
    native: Native


class _Form(NamedTuple):
    """How a method takes its arguments and gives its results.

    Attributes
    ----------
    kind
        The kind of kernel.
    inputs, outputs
        Numbers of inputs and outputs of the function.
    single
        Whether `wrt` is one name, so that the gradient comes alone.
    """

    kind: str
    inputs: int
    outputs: int
    single: bool

    def operands(self, arguments: Sequence[Any], expected: int) -> list[tuple[str, Any]]:
        """Return the expression and the type of each operand of the kernel, in its order."""
        given = [(f"arguments[{k}]", kind) for k, kind in enumerate(arguments)]
        if self.kind in _COTANGENTS_FIRST and given:
            first, *rest = given
            given = [*rest, *_members(*first)]
        elif self.kind in _PAIRS:
            given = [part for pair in given for part in _members(*pair)]
        if len(given) != expected:
            raise TypingError(f"{len(given)} arguments given, {expected} needed")
        return given

    def returned(self, results: Sequence[str]) -> str:
        """Return the expression of what the method returns."""

        def several(names: Sequence[str]) -> str:
            return names[0] if len(names) == 1 else _tuple(names)

        def gradients(names: Sequence[str]) -> str:
            return names[0] if self.single else _tuple(names)

        if self.kind in ("backward", "grad", "hvp"):
            return gradients(results)
        if self.kind in ("forward_backward", "value_and_grad"):
            return f"({several(results[: self.outputs])}, {gradients(results[self.outputs :])})"
        if self.kind == "jvp":
            return f"({several(results[: self.outputs])}, {several(results[self.outputs :])})"
        return several(results)


def _members(expression: str, kind: Any) -> list[tuple[str, Any]]:
    if isinstance(kind, types.BaseTuple):
        return [(f"{expression}[{k}]", member) for k, member in enumerate(kind.types)]
    return [(expression, kind)]


def _tuple(items: Sequence[str]) -> str:
    """Write a tuple, in pieces: Python makes a long one by way of a list, which Numba does not follow."""
    pieces = [items[k : k + _SHORT] for k in range(0, len(items), _SHORT)] or [()]
    return " + ".join(f"({''.join(f'{item}, ' for item in piece)})" for piece in pieces)


# ---- the code for a call of given types


class _Argument(NamedTuple):
    """An operand as it is given.

    Attributes
    ----------
    expression
        What it is called in the code.
    part
        The operand.
    dimensions
        Number of its batch dimensions.
    layout
        "C", "F" or "A" for an array, "" for a number.
    """

    expression: str
    part: Operand
    dimensions: int
    layout: str


def _implementation(kernel: _Kernel, form: _Form, arguments: Sequence[Any]) -> Callable[..., Any]:
    """Return Python that Numba compiles for these types."""
    operands = kernel.signature.operands
    given = [
        _argument(expression, kind, part, kernel.signature.dtype)
        for (expression, kind), part in zip(form.operands(arguments, len(operands)), operands, strict=True)
    ]
    parts: list[Operand | Result] = [*operands, *kernel.signature.results]
    flat = all(part.shape == () for part in parts)
    writer = _numbers if flat and not any(a.layout for a in given) else _arrays
    lines, names, namespace = writer(kernel, given, flat)
    body = [*lines, f"return {form.returned(names)}"]
    text = "def implementation(*arguments):\n" + "".join(f"    {line}\n" for line in body)
    exec(compile(text, f"<tapeless {kernel.name} for Numba>", "exec"), namespace)
    return namespace["implementation"]  # type: ignore[no-any-return]


def _argument(expression: str, kind: Any, part: Operand, dtype: str) -> _Argument:
    if isinstance(kind, types.Omitted | types.NoneType) and part.role == "cotangent":
        return _Argument("0.0", part, 0, "")
    if isinstance(kind, types.Number | types.Boolean) and not isinstance(kind, types.Complex):
        if part.shape and part.role != "cotangent":
            raise TypingError(f"{part.name} is a number, its shape must be {part.shape}")
        return _Argument(expression, part, 0, "")
    if not isinstance(kind, types.Array):
        raise TypingError(f"{part.name} is of type {kind}; a number or an array of {dtype} is needed")
    if str(kind.dtype) != dtype:
        raise TypingError(
            f"{part.name} is an array of {kind.dtype}, and the function computes in {dtype}; "
            f"pass {part.name}.astype(np.{dtype})"
        )
    if kind.ndim < len(part.shape):
        raise TypingError(f"{part.name} has {kind.ndim} dimensions, its last must be {part.shape}")
    return _Argument(expression, part, kind.ndim - len(part.shape), kind.layout)


Code = tuple[list[str], list[str], dict[str, Any]]
"""Lines, the names of the results in them, and what they call."""


def _numbers(kernel: _Kernel, given: Sequence[_Argument], flat: bool) -> Code:
    """Write a call with numbers alone."""
    values = _tuple([f"number({a.expression})" for a in given])
    names = [f"found[{k}]" for k in range(len(kernel.signature.results))]
    namespace = {"number": _dtype(kernel).type, "at_a_point": _at_a_point(kernel)}
    return [f"found = at_a_point({values})"], names, namespace


def _arrays(kernel: _Kernel, given: Sequence[_Argument], flat: bool) -> Code:
    """Write a call with arrays."""
    lines: list[str] = []
    arrays = [k for k, a in enumerate(given) if a.layout]
    counted = [k for k in arrays if given[k].part.role != "cotangent"]
    dimensions = max((given[k].dimensions for k in counted), default=0)
    extents = [f"n{d}" for d in range(dimensions)]
    for k in arrays:
        expression = given[k].expression
        # The lanes of a point must lie at equal distances.
        copied = given[k].part.shape and given[k].layout != "C"
        lines.append(f"a{k} = np.ascontiguousarray({expression})" if copied else f"a{k} = {expression}")
        for d, size in enumerate(given[k].part.shape, given[k].dimensions):
            lines += [
                f"if a{k}.shape[{d}] != {size}:",
                f"    raise ShapeError({_wrong_core(given[k].part)!r})",
            ]
    lines += [f"{extent} = 1" for extent in extents]
    for k in counted:
        for d in range(given[k].dimensions):
            extent = extents[dimensions - given[k].dimensions + d]
            lines += [
                f"if {extent} == 1:",
                f"    {extent} = a{k}.shape[{d}]",
                f"elif a{k}.shape[{d}] != 1 and a{k}.shape[{d}] != {extent}:",
                "    raise ShapeError('inputs do not broadcast together')",
            ]
    for k in arrays:
        if k not in counted:
            if given[k].dimensions != dimensions:
                raise TypingError(_wrong_cotangent(given[k].part))
            same = [f"a{k}.shape[{d}] == {extent}" for d, extent in enumerate(extents)]
            lines += [
                f"if not ({' and '.join(same) or 'True'}):",
                f"    raise ShapeError({_wrong_cotangent(given[k].part)!r})",
            ]
    names, made = _outputs(kernel, given, extents)
    lines += made
    numbers, values = _rows(kernel, given, extents)
    points = " * ".join(extents) or "1"
    lines += [f"points = {points}", "if points > 0:"]
    straight = _straight(kernel, given, extents) if flat else None
    namespace: dict[str, Any] = {
        "np": np,
        "number": _dtype(kernel).type,
        "ShapeError": ShapeError,
        "drive": _drive(kernel, len(extents), [bool(a.layout) for a in given]),
        "run": _run(kernel),
    }
    called = f"drive({numbers}, {values})"
    if straight is None:
        lines.append(f"    {called}")
    else:
        condition, pointers = straight
        lines += [
            f"    if {condition}:",
            f"        run(points, {pointers})",
            "    else:",
            f"        {called}",
        ]
    return lines, names, namespace


def _wrong_core(part: Operand) -> str:
    return f"the last dimensions of {part.name} must be {part.shape}"


def _wrong_cotangent(part: Operand) -> str:
    return f"cotangent {part.name} has not the shape of the output; pass that shape or a number"


def _outputs(
    kernel: _Kernel, given: Sequence[_Argument], extents: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Write how the results are made: zero where there may be nothing to sum, else left as they are."""
    names, lines = [], []
    for k, result in enumerate(kernel.signature.results):
        own = list(extents)
        if result.like is not None:
            like = given[result.like]
            own = [f"a{result.like}.shape[{d}]" for d in range(like.dimensions)]
        shape = [*own, *map(str, result.shape)]
        make = "np.empty" if result.like is None else "np.zeros"
        lines.append(f"r{k} = {make}(({', '.join(shape) or '1'},), number)")
        names.append(f"r{k}" if shape else f"r{k}[0]")
    return names, lines


def _rows(kernel: _Kernel, given: Sequence[_Argument], extents: Sequence[str]) -> tuple[str, str]:
    """Write the integers and the numbers that `drive` takes: see there."""
    itemsize = _dtype(kernel).itemsize
    found = list(extents)
    values = []
    for k, a in enumerate(given):
        if not a.layout:
            values.append(f"number({a.expression})")
            found += ["0", str(a.part.lanes), "0", *("0" for _ in extents)]
            continue
        missing = len(extents) - a.dimensions
        strides = [f"(a{k}.strides[{d}] if a{k}.shape[{d}] != 1 else 0)" for d in range(a.dimensions)]
        found += [f"a{k}.ctypes.data", str(a.part.lanes), str(itemsize), *["0"] * missing, *strides]
    for k, result in enumerate(kernel.signature.results):
        own = len(extents) if result.like is None else given[result.like].dimensions
        strides = [f"(r{k}.strides[{d}] if r{k}.shape[{d}] != 1 else 0)" for d in range(own)]
        missing = len(extents) - own
        found += [f"r{k}.ctypes.data", str(result.lanes), str(itemsize), *["0"] * missing, *strides]
    return _tuple(found), _tuple(values)


def _straight(kernel: _Kernel, given: Sequence[_Argument], extents: Sequence[str]) -> tuple[str, str] | None:
    """Write when all lies as the kernel wants it, and the pointers of that case; None where it never does."""
    if not all(a.layout == "C" and a.dimensions == len(extents) for a in given):
        return None
    same = [f"a{k}.shape[{d}] == {extent}" for k in range(len(given)) for d, extent in enumerate(extents)]
    names = [*(f"a{k}" for k in range(len(given))), *(f"r{k}" for k in range(len(kernel.signature.results)))]
    return " and ".join([f"points <= {kernel.native.direct}", *same]), _tuple(
        [f"{name}.ctypes.data" for name in names]
    )


# ---- what calls C


def _dtype(kernel: _Kernel) -> np.dtype[Any]:
    return np.dtype(kernel.signature.dtype)


_POINTER: Final = ir.IntType(8).as_pointer()
_TABLE: Final = _POINTER.as_pointer()
_WORD: Final = ir.IntType(np.dtype(np.intp).itemsize * 8)
_KERNEL: Final = ir.FunctionType(ir.VoidType(), (_WORD, _TABLE, _TABLE))
_DRIVER: Final = ir.FunctionType(
    ir.IntType(32),
    (_POINTER, ir.IntType(32), ir.DoubleType(), _WORD, _WORD, _WORD.as_pointer(), _WORD, _TABLE, _WORD.as_pointer(),
     _WORD, _TABLE, _WORD.as_pointer()),
)  # fmt: skip


def _function(context: Any, builder: Any, kernel: _Kernel, address: int, kind: Any) -> Any:
    """Return a C function by its address; Numba then knows not to keep the code on disk."""
    return builder.bitcast(context.add_dynamic_addr(builder, address, info=kernel.name), kind.as_pointer())


def _table(builder: Any, pointers: Sequence[Any]) -> Any:
    """Return an array of pointers on the stack."""
    table = cgutils.alloca_once(builder, _POINTER, size=max(len(pointers), 1))
    for k, pointer in enumerate(pointers):
        builder.store(builder.bitcast(pointer, _POINTER), cgutils.gep_inbounds(builder, table, k))
    return table


def _at_a_point(kernel: _Kernel) -> Any:
    """Return an intrinsic that calls the kernel with numbers and gives numbers."""
    inputs, outputs = len(kernel.signature.operands), len(kernel.signature.results)
    kind = numba.from_dtype(_dtype(kernel))

    @intrinsic
    def at_a_point(typing: Any, values: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = context.get_value_type(kind)
            cells = [cgutils.alloca_once(builder, number) for _ in range(inputs + outputs)]
            for cell, value in zip(cells, cgutils.unpack_tuple(builder, arguments[0]), strict=False):
                builder.store(value, cell)
            function = _function(context, builder, kernel, kernel.native.kernel, _KERNEL)
            tables = _table(builder, cells[:inputs]), _table(builder, cells[inputs:])
            builder.call(function, (_WORD(1), *tables))
            found = [builder.load(cell) for cell in cells[inputs:]]
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(kind, outputs)(types.UniTuple(kind, inputs)), generate

    return at_a_point


def _run(kernel: _Kernel) -> Any:
    """Return an intrinsic that calls the kernel for n points, with the address of every input and result."""
    inputs, outputs = len(kernel.signature.operands), len(kernel.signature.results)

    @intrinsic
    def run(typing: Any, points: Any, addresses: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            n, words = arguments
            pointers = [builder.inttoptr(word, _POINTER) for word in cgutils.unpack_tuple(builder, words)]
            function = _function(context, builder, kernel, kernel.native.kernel, _KERNEL)
            builder.call(
                function, (n, _table(builder, pointers[:inputs]), _table(builder, pointers[inputs:]))
            )
            return context.get_dummy_value()

        return types.void(types.intp, types.UniTuple(types.intp, inputs + outputs)), generate

    return run


def _drive(kernel: _Kernel, dimensions: int, are_arrays: Sequence[bool]) -> Any:
    """Return an intrinsic that calls the driver.

    It takes integers and numbers. The integers: the extents of the batch; then for each operand and each result its
    address (ignored for an operand that is a number), its number of lanes, the distance between lanes, and one stride
    per dimension. The numbers: those operands that are numbers, in order.
    """
    inputs, outputs = len(kernel.signature.operands), len(kernel.signature.results)
    row = dimensions + 3
    kind = numba.from_dtype(_dtype(kernel))
    taken = (
        types.UniTuple(types.intp, dimensions + (inputs + outputs) * row),
        types.UniTuple(kind, are_arrays.count(False)) if not all(are_arrays) else types.Tuple(()),
    )

    def stored(builder: Any, words: Sequence[Any]) -> Any:
        array = cgutils.alloca_once(builder, _WORD, size=max(len(words), 1))
        for k, word in enumerate(words):
            builder.store(word, cgutils.gep_inbounds(builder, array, k))
        return array

    @intrinsic
    def drive(typing: Any, integers: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            words = cgutils.unpack_tuple(builder, arguments[0])
            values = iter(cgutils.unpack_tuple(builder, arguments[1]) if not all(are_arrays) else ())
            rows = [words[dimensions + k * row : dimensions + (k + 1) * row] for k in range(inputs + outputs)]
            pointers = []
            for position, (address, *_) in enumerate(rows):
                if position < inputs and not are_arrays[position]:
                    cell = cgutils.alloca_once(builder, context.get_value_type(kind))
                    builder.store(next(values), cell)
                    pointers.append(cell)
                else:
                    pointers.append(builder.inttoptr(address, _POINTER))
            sides = []
            for part in (slice(0, inputs), slice(inputs, None)):
                side = [word for _, *numbers in rows[part] for word in numbers]
                count = _WORD(len(rows[part]))
                sides += [count, _table(builder, pointers[part]), stored(builder, side)]
            head = (
                context.add_dynamic_addr(builder, kernel.native.kernel, info=kernel.name),
                ir.IntType(32)(_dtype(kernel).itemsize),
                ir.DoubleType()(kernel.native.cost),
                _WORD(kernel.native.threads),
                _WORD(dimensions),
                stored(builder, words[:dimensions]),
            )
            status = builder.call(
                _function(context, builder, kernel, kernel.native.driver, _DRIVER), (*head, *sides)
            )
            with builder.if_then(cgutils.is_not_null(builder, status), likely=False):
                context.call_conv.return_user_exc(
                    builder, MemoryError, ("no memory for the buffers of a call",)
                )
            return context.get_dummy_value()

        return types.void(*taken), generate

    return drive
