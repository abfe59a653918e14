"""The public entry: text, sympy or a Python function in, a `Function` out."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from tapeless.assembly import Face, Member, assemble
from tapeless.errors import ArgumentError, LimitError, UnsupportedError
from tapeless.function import Function
from tapeless.kinds import TOGETHER
from tapeless.options import Options, names_of, read_options

if TYPE_CHECKING:
    from tapeless.ir.program import Program
    from tapeless.module import Module

Inputs = Any
"""Names, sympy symbols, or a mapping of names to core shapes."""
Shapes = dict[str, tuple[int, ...]] | None

MAX_SCALARS: Final = 1_000_000
"""Scalars of all inputs together that `inputs=` may give."""
MAX_AXES: Final = 32
"""Axes of an input."""


def compile(
    source: Any = None,
    /,
    *,
    name: str | None = None,
    inputs: Inputs = None,
    wrt: str | Iterable[str] | None = None,
    dtype: Any = "float64",
    assume: Mapping[str, Any] | None = None,
    accuracy: str | None = None,
    threads: int | None = None,
    cc: str | None = None,
    cache: bool = True,
) -> Any:
    """Compile a formula to C functions for its value and its derivatives.

    Parameters
    ----------
    source : str, sympy expression, sequence of them, sympy Matrix, Function, or callable
        A formula text (`"line(w, x, b) = w*x + b"`, or just `"w*x + b"`), sympy, or a Python function that is
        traced. The formulas of a sequence are the outputs out0, out1, ...; a Matrix, a matrix expression or an
        Array is one output with a shape, `(n,)` for a column. Left out, a decorator is returned.
    name : str, optional
        Name of the function; an identifier.
    inputs : sequence of str or Symbol, or mapping, optional
        The inputs in order; a mapping gives their core shapes: those of arrays that a Python function takes, and
        of an IndexedBase or DeferredVector in sympy (a MatrixSymbol has its own; a text says shapes in its header:
        `f(x[3]) = ...`). Required for sympy with more than one symbol; for a text without header the default is
        the order of first appearance.
    wrt : str or sequence of str, optional
        The inputs to differentiate by; the others are constants. Default: all.
    dtype : {"float64", "float32"}
        What is computed in.
    assume : mapping, optional
        Input -> range `(lo, hi)`, its ends included, or a sign: `"positive"`, `"negative"` (0 excluded),
        `"nonnegative"`, `"nonpositive"`. The code is made for inputs in these ranges: guards and absolute values that
        they decide are left out, in derivatives too. Outside of them nothing is promised of the results. Of an input
        with a shape it holds for every element. Checks draw their points from the ranges.
    accuracy : {None, "search"}
        With `"search"` each kernel is searched for sums that cancel on points from the ranges in `assume`, and other
        ways to compute them are taken where that measurably gains; `accuracy_report` of the function tells of it. It
        takes a few seconds for each kernel, once.
    threads : int, optional
        Upper limit of threads for one call.
    cc : str, optional
        The C compiler; default `TAPELESS_CC`, then cc, gcc, clang.
    cache : bool
        Whether to keep the library on disk for the next process.

    Returns
    -------
    Function

    Raises
    ------
    FormulaError
        For a text that cannot be read; it shows the place.
    ArgumentError
        For inputs that do not fit the formula, or options of a wrong kind. It is a TypeError.
    UnsupportedError
        For what C cannot express.
    CompilerError, CacheError
        Where C cannot be built or kept.
    """
    options = read_options(
        dtype=dtype, wrt=wrt, assume=assume, accuracy=accuracy, threads=threads, cc=cc, cache=cache
    )
    if source is None:
        return lambda function: _compile(function, name, inputs, options)
    return _compile(source, name, inputs, options)


def compile_module(
    sources: Mapping[str, Any],
    *,
    name: str = "functions",
    wrt: str | Iterable[str] | None = None,
    dtype: Any = "float64",
    assume: Mapping[str, Any] | None = None,
    accuracy: str | None = None,
    threads: int | None = None,
    cc: str | None = None,
    cache: bool = True,
) -> Module:
    """Compile several formulas into one C file and one library.

    Parameters
    ----------
    sources : mapping
        Name of the function -> what `compile` takes.
    name : str
        Name of the module and its C file; an identifier.
    wrt : str or sequence of str, optional
        The inputs to differentiate by; every function must have them.
    assume : mapping, optional
        Input -> range or sign, for each function that has the input.
    dtype, accuracy, threads, cc, cache
        As for `compile`.

    Returns
    -------
    Module
        The functions as attributes.

    Raises
    ------
    As `compile`.
    """
    if not isinstance(sources, Mapping):
        raise ArgumentError(
            f"compile_module takes a mapping of names to formulas, {{name: formula}}, not {type(sources).__name__}"
        )
    if not sources:
        raise ArgumentError("compile_module needs at least one formula, as {name: formula}")
    options = read_options(
        dtype=dtype, wrt=wrt, assume=assume, accuracy=accuracy, threads=threads, cc=cc, cache=cache
    )
    _check_name(name)
    for function in sources:
        _check_name(function)
    module = _module([_material(source, key, None) for key, source in sources.items()], options, name)
    _check_assume(options, [known for key in module for known in module[key].input_names])
    return module


def read(source: Any, *, name: str | None = None, inputs: Inputs = None) -> Program:
    """Read a formula without compiling it: no C compiler is needed.

    Parameters
    ----------
    source, name, inputs
        As for `compile`.

    Returns
    -------
    Program
        The formula as a graph.
    """
    return _material(source, name, inputs)[1]()


def compile_program(program: Program, options: Options | None = None) -> Function:
    """Compile a Program.

    Parameters
    ----------
    program
        The function as a graph.
    options
        How; the defaults of `compile` when None.
    """
    return _function(("program", program.digest()), lambda: program, options or Options())


def compile_transformed(
    function: Function,
    what: Sequence[object],
    transform: Callable[[Program], Program],
    *,
    kinds: tuple[str, ...],
    wrt: tuple[str, ...],
) -> Function:
    """Compile what a transform makes of a Function's Program; where that is cached, neither is read.

    Parameters
    ----------
    function
        The function that is transformed. Its options hold, but for `wrt`. The new inputs may hold several of its own:
        what is assumed of these goes into the program before it is transformed.
    what
        The transform and all that it depends on: texts and numbers, in tuples and lists.
    transform
        Program -> Program.
    kinds
        The kernels to build at once, `"forward"` among them; others follow when they are called.
    wrt
        The inputs of the new function to differentiate by.
    """
    options = function.options._replace(wrt=wrt, assume=())
    material = ("transformed", ascii(what), repr(function.options.assume), *function.material)
    return _function(material, lambda: transform(function.within_ranges()), options, kinds)


def retyped(function: Function, dtype: str) -> Function:
    """Return a compiled function computed in another dtype; its formula is read only if need be."""
    return _function(function.material, lambda: function.program, function.options._replace(dtype=dtype))


def compile_programs(programs: Sequence[Program], options: Options, name: str) -> Module:
    """Compile Programs into one module."""
    return _module([(("program", p.digest()), lambda p=p: p) for p in programs], options, name)  # type: ignore[misc]


def _compile(source: Any, name: str | None, inputs: Inputs, options: Options) -> Function:
    material, read = _material(source, name, inputs)
    function = _function(material, read, options)
    _check_assume(options, function.input_names)
    return function


def _check_assume(options: Options, known: Sequence[str]) -> None:
    for name, _ in options.assume:
        if name not in known:
            raise ArgumentError(f"assume names {name!r}; the inputs are {', '.join(dict.fromkeys(known))}")


Material = tuple[str, ...]


def _function(
    material: Material,
    read: Callable[[], Program],
    options: Options,
    kinds: tuple[str, ...] = TOGETHER,
) -> Function:
    read = _once(read, options.wrt)
    [built] = assemble([Member(material, read, kinds, options.wrt)], None, options)
    return Function.of(built, options, material, read)


def _module(
    functions: Sequence[tuple[Material, Callable[[], Program]]], options: Options, name: str
) -> Module:
    reads = [_once(read, options.wrt) for _, read in functions]
    members = [
        Member(material, read, TOGETHER, options.wrt)
        for (material, _), read in zip(functions, reads, strict=True)
    ]
    built = assemble(members, name, options)
    from tapeless.module import Module

    return Module(
        name,
        {
            b.face.name: Function.of(b, _own(options, b.face), m.material, read)
            for b, m, read in zip(built, members, reads, strict=True)
        },
    )


def _own(options: Options, face: Face) -> Options:
    """Return the options with the assumptions on other functions' inputs left out."""
    names = [name for name, _ in face.inputs]
    return options._replace(assume=tuple(row for row in options.assume if row[0] in names))


def _once(read: Callable[[], Program], wrt: Sequence[str] | None) -> Callable[[], Program]:
    """Remember the Program, and check that it has the inputs that `wrt` names."""
    kept: list[Program] = []

    def again() -> Program:
        if not kept:
            program = read()
            known = program.input_names()
            for name in wrt or ():
                if name not in known:
                    raise ArgumentError(
                        f"wrt names {name!r}; the inputs of {program.name} are {', '.join(known)}"
                    )
            kept.append(program)
        return kept[0]

    return again


def _material(source: Any, name: str | None, inputs: Inputs) -> tuple[Material, Callable[[], Program]]:
    """Return what identifies a source, and how to read it."""
    if name is not None:
        _check_name(name)
    order, shapes = _read_inputs(inputs)
    if isinstance(source, str):
        material = ("text", source, name or "", *(("inputs", *order) if order is not None else ()))
        if shapes:
            material = (*material, "shapes", repr(sorted(shapes.items())))
        return material, lambda: _read_text(source, name, order, shapes)
    if isinstance(source, Function):
        program = _renamed(source, name, order, shapes)
    elif _is_sympy(source):
        program = _read_sympy(source, name, inputs, shapes)
    elif isinstance(source, list | tuple):
        raise ArgumentError(
            "a list of formulas holds sympy expressions and numbers, one for each output; for anything else "
            "give one formula text or one Python function"
        )
    elif callable(source):
        program = _read_function(source, name, inputs, order, shapes)
    else:
        raise ArgumentError(
            f"compile takes a formula text, sympy expressions or a Python function, not {type(source).__name__}"
        )
    return ("program", program.digest()), lambda: program


def _renamed(function: Function, name: str | None, order: tuple[str, ...] | None, shapes: Shapes) -> Program:
    """Return the program of a Function under another name."""
    from dataclasses import replace  # not needed on a warm start

    program = function.program
    known = program.input_names()
    if order is not None and order != known:
        raise ArgumentError(
            f"{function.name} has the inputs {', '.join(known)}, but inputs= says {', '.join(order)}; leave inputs= "
            "out, or compile the formula anew"
        )
    _only_shapes({item.name: item.shape for item in program.inputs}, shapes)
    return program if name is None else replace(program, name=name)


def _read_text(text: str, name: str | None, order: tuple[str, ...] | None, shapes: Shapes) -> Program:
    from tapeless.frontend.symbolic import Argument, Result, program_from_sympy
    from tapeless.frontend.text import parse

    formula = parse(text)
    declared = {item.name: item for item in formula.inputs}
    if order is not None:
        if formula.declared and tuple(declared) != order:
            raise ArgumentError(
                f"the header names the inputs {', '.join(declared)}, but inputs= says {', '.join(order)}; "
                f"leave one of them out"
            )
        missing = [known for known in declared if known not in order]
        if missing:
            raise ArgumentError(f"inputs= misses {', '.join(missing)}")
    _only_shapes({known: item.shape for known, item in declared.items()}, shapes)
    arguments = [
        Argument(known, declared[known].symbols, declared[known].shape)
        if known in declared
        else Argument(known, (_symbol(known),))
        for known in (order if order is not None else declared)
    ]
    _need_inputs(arguments)
    results = [Result(*row) for row in formula.results]
    return program_from_sympy(results, arguments, name or formula.name or "f")


def _only_shapes(declared: Mapping[str, tuple[int, ...]], shapes: Shapes) -> None:
    """Refuse shapes that a formula does not have."""
    for name, shape in (shapes or {}).items():
        own = declared.get(name, ())
        if shape != own:
            have = f"has the shape {own}" if own else "is a scalar"
            raise UnsupportedError(
                f"inputs= gives {name!r} the shape {shape}, but in this formula it {have}; scalars, (), are "
                f"supported here, and the header of a text declares arrays: f({name}[3]) = {name}[0] + ..."
            )


def _symbol(name: str) -> Any:
    import sympy

    return sympy.Symbol(name, real=True)


def _need_inputs(arguments: Sequence[object]) -> None:
    if not arguments:
        raise ArgumentError("the formula has no input: it is a constant, there is nothing to compile")


def _is_sympy(source: Any) -> bool:
    """Whether an object, or each of a sequence, is sympy's or a number; found without importing sympy."""
    if isinstance(source, list | tuple):
        return bool(source) and all(
            isinstance(item, int | float) or (not isinstance(item, list | tuple) and _is_sympy(item))
            for item in source
        )
    # A class may have no module: that of sympy.Function("f")(x) has None.
    return any((base.__module__ or "").partition(".")[0] == "sympy" for base in type(source).__mro__)


def _read_sympy(source: Any, name: str | None, inputs: Inputs, shapes: Shapes) -> Program:
    import sympy

    from tapeless.frontend.symbolic import Argument, Result, program_from_sympy

    outputs = [
        _output(item) for item in (source if isinstance(source, list | tuple | sympy.Tuple) else [source])
    ]
    formulas = [formula for row, _ in outputs for formula in row]
    if not formulas:
        raise ArgumentError(f"there is no formula in this empty {type(source).__name__}")
    free = sorted(_free_symbols(formulas), key=str)
    by_name: dict[str, Any] = {}
    for symbol in free:
        if str(symbol) in by_name:
            raise ArgumentError(
                f"two different symbols are called {str(symbol)!r} (perhaps one was made with assumptions such as "
                "real=True); make one of them and use it throughout, or give each a name of its own"
            )
        by_name[str(symbol)] = symbol
    if inputs is None:
        if len(free) > 1:
            line = f"tapeless.compile(expr, inputs=[{', '.join(map(str, free))}])"
            raise ArgumentError(f"the order of the inputs is not known; write {line}")
        symbols = free
    else:
        given = [inputs] if isinstance(inputs, str | sympy.Basic) else list(inputs)
        symbols = [by_name.get(item, _symbol(item)) if isinstance(item, str) else item for item in given]
    arguments = [Argument(*_elements(symbol, free, shapes)) for symbol in symbols]
    _only_shapes({argument.name: argument.shape for argument in arguments}, shapes)
    _need_inputs(arguments)
    taken = {argument.name for argument in arguments}
    count = len(outputs)
    names = [_free_name("out" if count == 1 else f"out{k}", taken) for k in range(count)]
    results = [Result(n, row, shape) for n, (row, shape) in zip(names, outputs, strict=True)]
    return program_from_sympy(results, arguments, name or "f")


def _output(item: Any) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """Return the formulas of one output and its shape: (n,) for a column, (r, c) for any other matrix."""
    import sympy

    from tapeless.frontend.symbolic_matrix import explicit

    if isinstance(item, sympy.Trace):
        matrix = explicit(item.arg)
        item = sympy.Add(*(matrix[i, i] for i in range(matrix.rows)))
    if isinstance(item, sympy.MatrixExpr):
        item = explicit(item)
    if isinstance(item, sympy.MatrixBase):
        shape = (item.rows,) if item.cols == 1 else (item.rows, item.cols)
        return tuple(_formula(entry) for entry in item.flat()), shape
    if isinstance(item, sympy.NDimArray):
        entries = sympy.flatten(item.tolist()) if item.shape else [item[()]]
        return tuple(_formula(entry) for entry in entries), tuple(map(int, item.shape))
    return (_formula(item),), ()


def _elements(
    symbol: Any, free: Sequence[Any], shapes: Shapes
) -> tuple[str, tuple[Any, ...], tuple[int, ...]]:
    """Return name, scalars and shape of an input: a symbol, a MatrixSymbol, or what has its shape in `inputs=`."""
    import sympy

    name = str(symbol)
    if isinstance(symbol, sympy.MatrixSymbol):
        if not all(extent.is_Integer for extent in symbol.shape):
            raise ArgumentError(
                f"the matrix {name} has the shape {symbol.shape}; its extents must be numbers"
            )
        rows, columns = map(int, symbol.shape)
        scalars = tuple(symbol[i, j] for i in range(rows) for j in range(columns))
        return name, scalars, (rows,) if columns == 1 else (rows, columns)
    shape = (shapes or {}).get(name, ())
    places = list(product(*map(range, shape)))
    bases = {item.base for item in free if isinstance(item, sympy.Indexed) and str(item.base) == name}
    if shape and bases:
        base = bases.pop()
        return name, tuple(base[at] for at in places), shape
    spelt = {
        f"{name}[{', '.join(map(str, at))}]": at for at in places
    }  # as a DeferredVector spells its elements
    if shape and any(str(item) in spelt for item in free):
        return name, tuple(sympy.Symbol(text) for text in spelt), shape
    return name, (symbol,), ()


def _formula(item: Any) -> Any:
    """Return one formula of a sympy source, or say what to write."""
    import sympy

    if isinstance(item, int | float):
        return sympy.sympify(item)
    if isinstance(item, type | sympy.Lambda):
        called = item.__name__ if isinstance(item, type) else str(item)
        raise ArgumentError(
            f"{called} is a function and no formula yet; apply it to a symbol: f(x) with x = sympy.Symbol('x')"
        )
    if isinstance(item, sympy.MatrixBase | sympy.Tuple):
        raise ArgumentError(
            f"a {type(item).__name__} inside of a sequence does not say how many outputs there are; list its elements"
        )
    if not isinstance(item, sympy.Basic):
        raise ArgumentError(f"{type(item).__name__} is no sympy expression; give an Expr, or a list of them")
    return item


def _free_symbols(formulas: Sequence[Any]) -> set[Any]:
    """Return the free symbols of formulas, looking at each object once, for it may be shared many times over."""
    import sympy

    found: set[Any] = set()
    seen: dict[int, Any] = {}
    stack = list(formulas)
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        # The plain property is that of the arguments together; classes that bind symbols have their own.
        owner = next(base for base in type(item).__mro__ if "free_symbols" in vars(base))
        if owner is sympy.Basic:
            stack.extend(item.args)
        else:
            found |= item.free_symbols
    return found


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _read_function(
    function: Callable[..., Any],
    name: str | None,
    inputs: Inputs,
    order: tuple[str, ...] | None,
    shapes: Shapes,
) -> Program:
    from tapeless.frontend.trace import program_from_function

    if isinstance(inputs, Mapping):
        order = None  # shapes may be given of some inputs only
    return program_from_function(function, name=name, shapes=shapes, inputs=order)


def _read_inputs(inputs: Inputs) -> tuple[tuple[str, ...] | None, Shapes]:
    """Return the names of the inputs in order, and the core shapes where `inputs` is a mapping."""
    if inputs is None:
        return None, None
    if isinstance(inputs, Mapping):
        shapes = {}
        for key, shape in inputs.items():
            if not isinstance(shape, tuple | list) or not all(type(extent) is int for extent in shape):
                raise ArgumentError(f"the shape of {key!r} is a tuple such as () or (3,), not {shape!r}")
            shapes[_input_name(key)] = tuple(shape)
        if any(len(shape) > MAX_AXES for shape in shapes.values()) or (
            sum(map(prod, shapes.values())) > MAX_SCALARS
        ):
            raise LimitError(
                f"inputs= gives more than {MAX_SCALARS} scalars or {MAX_AXES} axes; a formula is written out "
                "for each element, so leave out the axes over which it repeats: calls broadcast over those in front"
            )
        return names_of(shapes, "inputs"), shapes
    if isinstance(inputs, str) or _is_symbol(inputs):
        return (_input_name(inputs),), None
    if isinstance(inputs, set | frozenset) or not isinstance(inputs, Iterable):
        names_of(inputs, "inputs")  # says what is wrong
    return names_of([_input_name(item) for item in inputs], "inputs"), None


def _input_name(item: Any) -> str:
    if isinstance(item, str) or _is_symbol(item):
        return str(item)
    raise ArgumentError(f"inputs takes names or sympy symbols, not {item!r}")


def _is_symbol(item: Any) -> bool:
    return not isinstance(item, list | tuple | type) and _is_sympy(item)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ArgumentError(f"name must be an identifier and no keyword of Python, not {name!r}")


__all__ = ["compile", "compile_module", "compile_program", "compile_programs", "read"]
