"""Programs in, callable kernels out: derive, lower, emit and build, or find all that in the cache.

This is where the two wings meet. On a cache hit nothing of the deriving wing is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from tapeless.errors import DerivativeError
from tapeless.kinds import Wrt
from tapeless.options import Options
from tapeless.runtime import warm
from tapeless.runtime.arrays import Caller
from tapeless.runtime.cache import Cache
from tapeless.runtime.caller import find
from tapeless.runtime.compiler import Compiler
from tapeless.runtime.driver import driver
from tapeless.runtime.library import Library
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.load import load
from tapeless.runtime.signature import KernelSignature

if TYPE_CHECKING:
    from tapeless.accuracy.report import KernelAccuracy
    from tapeless.ir.program import Program
    from tapeless.targets.c.kernel import Kernel, Source

_LARGE: Final = 2000
"""Statements and stores of one kernel beyond which the compiler is asked for less."""
_ALL: Final = ("-O3", "-fno-tree-loop-distribute-patterns")
"""What it is asked for else. gcc would turn each constant output into a call of memset, at most 32 numbers long, and
take minutes for a few hundred of them, as a matrix full of zeros has."""
_LESS: Final = ("-O1", "-fno-tree-bit-ccp", "-fno-tree-pta")
"""What it is asked for then. The two passes left out take a third of gcc's time and change nothing in such code."""
_ALL_KINDS: Final = 4000
"""Nodes of a program up to which all kinds asked for are built at once; of a larger one the first alone, and the
others when they are called."""


class Face(NamedTuple):
    """What is known of a function without its Program.

    Attributes
    ----------
    name
        Its name.
    inputs, outputs
        (name, core shape) in order.
    """

    name: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]

    @classmethod
    def of(cls, program: Program) -> Face:
        """Return the face of a program."""
        return cls(
            program.name,
            tuple((item.name, item.shape) for item in program.inputs),
            tuple((item.name, item.shape) for item in program.outputs),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain lists."""
        return {"name": self.name, "inputs": list(self.inputs), "outputs": list(self.outputs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Face:
        """Read what `to_json` wrote."""
        return cls(
            data["name"],
            tuple((name, tuple(shape)) for name, shape in data["inputs"]),
            tuple((name, tuple(shape)) for name, shape in data["outputs"]),
        )


class Member(NamedTuple):
    """A function as it goes into a library.

    Attributes
    ----------
    material
        What identifies it before it is read: ("text", text), ("program", digest), with further options.
    program
        Makes the Program; not called on a cache hit.
    kinds
        The kernels wanted.
    wrt
        The inputs to differentiate by.
    """

    material: tuple[str, ...]
    program: Callable[[], Program]
    kinds: tuple[str, ...]
    wrt: Wrt = None


class Built(NamedTuple):
    """A member's kernels, loaded.

    Attributes
    ----------
    face
        Its names and shapes.
    callers
        Kind -> callable. A kind that C cannot express is missing, and of a large function all but the first.
    library
        The shared object.
    fast
        The extension with the fast caller, or None.
    accuracy
        What a search for accuracy did to each kernel, as `KernelAccuracy.to_json` wrote it; none without a search.
    """

    face: Face
    callers: dict[str, Caller]
    library: Library
    fast: Any = None
    accuracy: tuple[dict[str, Any], ...] = ()


class Lowered(NamedTuple):
    """A kernel before it is emitted.

    Attributes
    ----------
    kernel
        Its statements.
    program
        What it computes.
    accuracy
        What a search did to it; None without a search.
    """

    kernel: Kernel
    program: Program
    accuracy: KernelAccuracy | None = None


def assemble(members: Sequence[Member], name: str | None, options: Options) -> list[Built]:
    """Return the kernels of all members out of one library.

    Parameters
    ----------
    members
        The functions.
    name
        Name of the C file; None for that of the only function.
    options
        How to build.

    Raises
    ------
    CompilerError, CacheError
        Where the library cannot be built or kept.
    UnsupportedError
        Where C has no function for what a formula needs.
    """
    compiler, cache = warm.compiler(options.cc), warm.cache(options.cache)
    request = [[m.material, m.kinds, m.wrt] for m in members]
    key = warm.request_key(request, {**options.key(), "name": name}, compiler, cache)
    found = warm.recall(cache, key)
    if found is not None:
        payload, library = found
        return _load(payload, library, compiler, cache, options.threads)

    from tapeless.ir.collection import collection_paused  # of the deriving wing

    with collection_paused():
        programs = [member.program() for member in members]
        kernels = [
            lower_kinds(
                program,
                member.kinds if len(program.graph) <= _ALL_KINDS else member.kinds[:1],
                member.wrt,
                options,
                whole=len(member.kinds) > 1,
            )
            for program, member in zip(programs, members, strict=True)
        ]
        source, payload = _emit(programs, kernels, name, options.dtype)
    every = [made.kernel for group in kernels for made in group]
    library = build_source(source, every, compiler, cache)
    warm.remember(cache, key, payload, library)
    return _load(payload, library, compiler, cache, options.threads)


def build_kernel(program: Program, kind: str, wrt: Wrt, options: Options) -> Caller:
    """Return the kernel of one kind of a program that no Function stands for, in a library of its own.

    Raises
    ------
    CompilerError, CacheError, DerivativeError, UnsupportedError
        As `assemble`.
    """
    member = Member(("program", program.digest()), lambda: program, (kind,), wrt)
    [built] = assemble([member], None, options)
    return built.callers[kind]


def lower_kinds(
    program: Program, kinds: Sequence[str], wrt: Wrt, options: Options, *, whole: bool
) -> list[Lowered]:
    """Derive and lower a program for each kind, searching for accuracy in between where that is asked for.

    With `whole`, a derivative that C cannot express is left out: its error is raised when it is asked for.
    """
    from tapeless.kinds import derive
    from tapeless.targets.c.lower import lower

    found = []
    for kind in kinds:
        try:
            derived, accuracy = derive(program, kind, wrt, options.assume), None
            if options.accuracy is not None:
                from tapeless.accuracy.search import search

                by = () if kind == "forward" else tuple(wrt or program.input_names())
                derived, accuracy = search(derived, kind, by, dict(options.assume), options.dtype)
            kernel = lower(derived, kind, options.dtype, options.assume)
            found.append(Lowered(kernel, derived, accuracy))
        except DerivativeError:
            if not whole:
                raise
    return found


def module_source(functions: Sequence[tuple[Program, Options]], kinds: Sequence[str], name: str) -> Source:
    """Return the C text of functions together."""
    from tapeless.targets.c.emit import emit

    groups = []
    for program, options in functions:
        lowered = lower_kinds(program, kinds, options.wrt, options, whole=len(kinds) > 1)
        groups.append((program.name, [made.kernel for made in lowered]))
    return emit(groups, name)


def _emit(
    programs: Sequence[Program],
    kernels: Sequence[list[Lowered]],
    name: str | None,
    dtype: str,
) -> tuple[Source, dict[str, Any]]:
    from tapeless.kinds import signature
    from tapeless.targets.c.cost import nanoseconds
    from tapeless.targets.c.emit import emit

    source = emit(
        [(p.name, [made.kernel for made in ks]) for p, ks in zip(programs, kernels, strict=True)],
        name or programs[0].name,
    )
    symbols = dict(source.symbols)
    rows = []
    for program, group in zip(programs, kernels, strict=True):
        signatures = {
            kernel.kind: signature(
                derived,
                f"{symbols[f'{program.name}.{kernel.kind}']}_lanes",
                dtype,
                nanoseconds(kernel, vectorised=_size(kernel) <= _LARGE),
            ).to_json()
            for kernel, derived, _ in group
        }
        row = {**Face.of(program).to_json(), "kernels": signatures}
        searched = [made.accuracy.to_json() for made in group if made.accuracy is not None]
        rows.append({**row, "accuracy": searched} if searched else row)
    return source, {"functions": rows}


def build_source(
    source: Source, kernels: Iterable[Kernel], compiler: Compiler, cache: Cache | None
) -> Library:
    """Build the C text of some kernels, asking the compiler for less where one of them is long."""
    from tapeless.runtime.build import build  # starts processes: not needed on a warm start

    optimize, *flags = _LESS if max(map(_size, kernels), default=0) > _LARGE else _ALL
    return build(
        source.text,
        stem=source.name,
        headers={f"{source.name}.h": source.header},
        compiler=compiler,
        optimize=optimize,
        extra_flags=flags,
        units=source.units,
        cache=cache,
    )


def point_library(
    material: Sequence[object], program: Callable[[], Program], counts: tuple[int, int], options: Options
) -> Library:
    """Return a function as C for one point at a time, with the functions of `runtime/point.c`.

    Parameters
    ----------
    material
        What identifies the function and its inputs before it is read, in tuples and lists of texts and numbers.
    program
        Makes the Program, in float64 and with one output; not called on a cache hit.
    counts
        How many input scalars come from the caller, and how many after them from memory.
    options
        How to build.

    Raises
    ------
    CompilerError, CacheError, UnsupportedError
        As `assemble`.
    """
    compiler, cache = warm.compiler(options.cc), warm.cache(options.cache)
    key = warm.request_key(("point", material, counts), options.key(), compiler, cache)
    found = warm.recall(cache, key)
    if found is not None:
        return found[1]

    from dataclasses import replace  # all of this is not needed on a warm start

    from tapeless.runtime import point
    from tapeless.targets.c.emit import emit

    made = program()
    # The program's inputs are others than the function's: `program` sees to what is assumed of those.
    [(kernel, _, _)] = lower_kinds(made, ("forward",), (), options._replace(assume=()), whole=False)
    source = emit([(made.name, [kernel])], made.name)
    [(_, symbol)] = source.symbols
    text = source.text + point.source(f"{symbol}_lanes", *counts)
    alone = replace(source, text=text, header=point.hidden(source.header))
    library = build_source(alone, [kernel], compiler, cache)
    warm.remember(cache, key, {}, library)
    return library


def _size(kernel: Kernel) -> int:
    return len(kernel.statements) + len(kernel.stores)


def _load(
    payload: dict[str, Any],
    library: Library,
    compiler: Compiler,
    cache: Cache | None,
    threads: int | None,
) -> list[Built]:
    drive, fast = driver(compiler, cache, threads), find(compiler, cache).extension
    signatures = [
        {kind: KernelSignature.from_json(data) for kind, data in row["kernels"].items()}
        for row in payload["functions"]
    ]
    pointers = load(library, [s.symbol for group in signatures for s in group.values()])
    return [
        Built(
            Face.from_json(row),
            {kind: Caller(pointers[s.symbol], s, drive, fast) for kind, s in group.items()},
            library,
            fast,
            tuple(row.get("accuracy", ())),
        )
        for row, group in zip(payload["functions"], signatures, strict=True)
    ]
