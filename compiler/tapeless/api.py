"""The public entry: text, sympy or a Python function in, a `Function` out."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tapeless.assembly import Member, assemble
from tapeless.errors import ArgumentError
from tapeless.function import Function
from tapeless.kinds import TOGETHER
from tapeless.module import Module
from tapeless.options import Options, names_of, read_options

if TYPE_CHECKING:
    from tapeless.ir.program import Program

Inputs = Any
"""Names, sympy symbols, or a mapping of names to core shapes."""


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
    source : str, sympy expression, sequence of them, or callable
        A formula text (`"line(w, x, b) = w*x + b"`, or just `"w*x + b"`), sympy, or a Python function that is
        traced. Left out, a decorator is returned.
    name : str, optional
        Name of the function; an identifier.
    inputs : sequence of str or Symbol, optional
        The inputs in order. Required for sympy with more than one symbol; for a text without header the
        default is the order of first appearance.
    wrt : str or sequence of str, optional
        The inputs to differentiate by; the others are constants. Default: all.
    dtype : {"float64", "float32"}
        What is computed in.
    assume : mapping, optional
        Input -> range `(lo, hi)` or a sign such as `"positive"`.
    accuracy : None
        Reserved.
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
    dtype: Any = "float64",
    cc: str | None = None,
    cache: bool = True,
    threads: int | None = None,
) -> Module:
    """Compile several formulas into one C file and one library.

    Parameters
    ----------
    sources : mapping
        Name of the function -> what `compile` takes.
    name : str
        Name of the module and its C file; an identifier.
    dtype, cc, cache, threads
        As for `compile`.

    Returns
    -------
    Module
        The functions as attributes.

    Raises
    ------
    As `compile`.
    """
    if not sources:
        raise ArgumentError("compile_module needs at least one formula, as {name: formula}")
    options = read_options(dtype=dtype, cc=cc, cache=cache, threads=threads)
    _check_name(name)
    materials, reads = [], []
    for function, source in sources.items():
        material, read = _material(source, function, None)
        materials.append(material)
        reads.append(read)
    return _module(list(zip(materials, reads, strict=True)), options, name)


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


def compile_programs(programs: Sequence[Program], options: Options, name: str) -> Module:
    """Compile Programs into one module."""
    return _module([(("program", p.digest()), lambda p=p: p) for p in programs], options, name)  # type: ignore[misc]


def _compile(source: Any, name: str | None, inputs: Inputs, options: Options) -> Function:
    material, read = _material(source, name, inputs)
    return _function(material, read, options)


Material = tuple[str, ...]


def _function(material: Material, read: Callable[[], Program], options: Options) -> Function:
    read = _once(read, options.wrt)
    [built] = assemble([Member(material, read, TOGETHER, options.wrt)], None, options)
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
    return Module(
        name,
        {
            b.face.name: Function.of(b, options, m.material, read)
            for b, m, read in zip(built, members, reads, strict=True)
        },
    )


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
    if isinstance(source, str):
        order = _input_names(inputs)
        material = ("text", source, name or "", *(("inputs", *order) if order is not None else ()))
        return material, lambda: _read_text(source, name, order)
    if isinstance(source, Function):
        program = source.program
    elif _is_sympy(source):
        program = _read_sympy(source, name, inputs)
    elif callable(source):
        program = _read_function(source, name, inputs)
    else:
        raise ArgumentError(
            f"compile takes a formula text, sympy expressions or a Python function, not {type(source).__name__}"
        )
    return ("program", program.digest()), lambda: program


def _read_text(text: str, name: str | None, order: tuple[str, ...] | None) -> Program:
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
    arguments = [
        Argument(known, declared[known].symbols, declared[known].shape)
        if known in declared
        else Argument(known, (_symbol(known),))
        for known in (order if order is not None else declared)
    ]
    _need_inputs(arguments)
    results = [Result(n, (e,)) for n, e in zip(formula.output_names, formula.outputs, strict=True)]
    return program_from_sympy(results, arguments, name or formula.name or "f")


def _symbol(name: str) -> Any:
    import sympy

    return sympy.Symbol(name, real=True)


def _need_inputs(arguments: Sequence[object]) -> None:
    if not arguments:
        raise ArgumentError("the formula has no input: it is a constant, there is nothing to compile")


def _is_sympy(source: Any) -> bool:
    """Whether an object, or the first of a sequence, is sympy's; found without importing sympy."""
    if isinstance(source, list | tuple):
        return bool(source) and all(_is_sympy(item) or isinstance(item, int | float) for item in source)
    return any(base.__module__.partition(".")[0] == "sympy" for base in type(source).__mro__)


def _read_sympy(source: Any, name: str | None, inputs: Inputs) -> Program:
    import sympy

    from tapeless.frontend.symbolic import Argument, Result, program_from_sympy

    formulas = list(source) if isinstance(source, list | tuple | sympy.Tuple) else [source]
    formulas = [sympy.sympify(item) if isinstance(item, int | float) else item for item in formulas]
    free = sorted(set().union(*(item.free_symbols for item in formulas)), key=str)
    if inputs is None:
        if len(free) > 1:
            line = f"tapeless.compile(expr, inputs=[{', '.join(map(str, free))}])"
            raise ArgumentError(f"the order of the inputs is not known; write {line}")
        symbols = free
    else:
        given = [inputs] if isinstance(inputs, str | sympy.Basic) else list(inputs)
        by_name = {str(symbol): symbol for symbol in free}
        symbols = [by_name.get(item, _symbol(item)) if isinstance(item, str) else item for item in given]
    arguments = [Argument(str(symbol), (symbol,)) for symbol in symbols]
    _need_inputs(arguments)
    taken = {argument.name for argument in arguments}
    count = len(formulas)
    names = [_free_name("out" if count == 1 else f"out{k}", taken) for k in range(count)]
    results = [Result(n, (formula,)) for n, formula in zip(names, formulas, strict=True)]
    return program_from_sympy(results, arguments, name or "f")


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _read_function(function: Callable[..., Any], name: str | None, inputs: Inputs) -> Program:
    from tapeless.frontend.trace import program_from_function

    shapes = dict(inputs) if isinstance(inputs, Mapping) else None
    order = _input_names(inputs) if shapes is None else None
    return program_from_function(function, name=name, shapes=shapes, inputs=order)


def _input_names(inputs: Inputs) -> tuple[str, ...] | None:
    if inputs is None:
        return None
    if isinstance(inputs, str):
        return (inputs,)
    return names_of((item if isinstance(item, str) else str(item) for item in inputs), "inputs")


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise ArgumentError(f"name must be an identifier and no keyword of Python, not {name!r}")


__all__ = ["compile", "compile_module", "compile_program", "compile_programs", "read"]
