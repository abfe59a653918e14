"""Plain C and a small Python file: a function without tapeless."""

from __future__ import annotations

import builtins
import keyword
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tapeless.assembly import build_source, lower_kinds
from tapeless.errors import ArgumentError, TapelessError
from tapeless.kinds import TOGETHER
from tapeless.options import Options
from tapeless.runtime import warm

if TYPE_CHECKING:
    from tapeless.ir.program import Input, Output, Program

_LINE: Final = 110
_TAKEN_MODULES: Final = sys.stdlib_module_names | {"numpy", "cffi", "_cffi_backend", "pycparser"}


class Files(NamedTuple):
    """The names of the files that `export` writes.

    Attributes
    ----------
    source, header, library
        The C file, its header and the built library; they share a plain ASCII name.
    python
        The Python file; it has the function's own name where that is ASCII, else the one of the C file.
    """

    source: str
    header: str
    library: str
    python: str


def _place(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put files in place, all or none of them as far as the disk allows.

    Each is written beside its place first: a library that a process has loaded must not change under it, and a
    disk that fills up leaves nothing half-written.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for name, content in contents.items():
            temporary = folder / f".{name}.{os.getpid()}"
            written.append((temporary, folder / name))
            temporary.write_bytes(content)
        for temporary, place in written:
            temporary.replace(place)
    finally:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)


def files_of(name: str) -> Files:
    """Return what the files of a function or module are called.

    Raises
    ------
    ArgumentError
        Where the Python file could not be imported, or would hide a module that it or others need.
    """
    from tapeless.targets.c.emit import c_name

    stem = c_name(name)
    python = name if name.isascii() and name.isidentifier() else stem
    if python in _TAKEN_MODULES or keyword.iskeyword(python):
        what = "is a keyword" if keyword.iskeyword(python) else "would hide the module of that name"
        raise ArgumentError(
            f"the exported Python file {python}.py {what}; compile with another name, as in name={python + '_f'!r}"
        )
    return Files(f"{stem}.c", f"{stem}.h", f"lib{stem}.so", f"{python}.py")


def export(functions: Sequence[tuple[Program, Options]], name: str, folder: str | os.PathLike[str]) -> Path:
    """Write the C file, its header, the library and the Python file; `files_of(name)` says their names.

    Parameters
    ----------
    functions
        Programs with the options they were compiled with; all of one dtype.
    name
        Name of the files, an identifier.
    folder
        Where; it is made if need be.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ArgumentError
        For a folder that is no path, or a name that no Python file should have.
    TapelessError
        Where the folder cannot be written.
    CompilerError
        Where the library cannot be built.
    """
    from tapeless.targets.c.emit import c_name, emit
    from tapeless.targets.c.templates import environment

    try:
        folder = Path(folder)
    except TypeError:
        raise ArgumentError(f"folder must be a path, not {folder!r}") from None
    files = files_of(name)
    options = functions[0][1]
    groups = [
        [made.kernel for made in lower_kinds(program, TOGETHER, chosen.wrt, chosen, whole=True)]
        for program, chosen in functions
    ]
    source = emit(
        [(program.name, group) for (program, _), group in zip(functions, groups, strict=True)], name
    )
    every = [kernel for group in groups for kernel in group]
    library = build_source(source, every, warm.compiler(options.cc), warm.cache(options.cache))
    symbols = dict(source.symbols)
    single = len(groups) == 1
    names = python_names(
        [program.name for program, _ in functions],
        reserved={*dir(builtins), *(TOGETHER if single else ())},
        generated=[c_name(program.name) for program, _ in functions],
    )
    fields = {
        "stem": source.name,
        "dtype": options.dtype,
        "single": single,
        "functions": [
            _fields(called, program, chosen, {k.kind: symbols[f"{program.name}.{k.kind}"] for k in group})
            for called, (program, chosen), group in zip(names, functions, groups, strict=True)
        ],
    }
    python = environment().get_template("python/module.py.j2").render(fields)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _place(
            folder,
            {
                files.source: source.text.encode(),
                files.header: source.header.encode(),
                files.library: Path(library.path).read_bytes(),
                files.python: python.encode(),
            },
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise TapelessError(f"cannot write to {folder}: {reason}. Choose another folder.") from error
    return folder


def python_names(names: Sequence[str], reserved: Iterable[str], generated: Sequence[str]) -> list[str]:
    """Return a Python name for each of `names`, all different.

    A name that is a public ASCII identifier stays as it is; with an underscore after it where it is reserved or
    a keyword. The others get their `generated` name.
    """
    taken = {*reserved, *keyword.kwlist}
    chosen: dict[int, str] = {}
    fits = [name.isascii() and name.isidentifier() and not name.startswith("_") for name in names]
    # What a user wrote comes first, so that no generated name takes its place.
    for position in sorted(range(len(names)), key=lambda k: (not fits[k], names[k] in taken)):
        name = names[position] if fits[position] else generated[position]
        while name in taken:
            name += "_"
        taken.add(name)
        chosen[position] = name
    return [chosen[position] for position in range(len(names))]


def _fields(called: str, program: Program, options: Options, symbols: dict[str, str]) -> dict[str, Any]:
    """Return what the Python file says of one function."""
    inputs = _part_names(program.inputs, "arg")
    outputs = _part_names(program.outputs, "out")
    order = [item.name for item in program.inputs]
    wrt = [order.index(name) for name in options.wrt or order]
    cotangents = python_names(["cotangents"], inputs, ["cotangents"])[0]
    shapes = f"_shapes_of_{called}"
    docs = {
        "forward": f"Return {_few(outputs, 'the outputs')}.",
        "backward": f"Return the gradients of {_few([inputs[k] for k in wrt], 'the inputs')}, summed over what "
        "broadcasts.",
        "forward_backward": "Return (outputs, gradients) from one pass.",
    }
    kernels = []
    for kind, symbol in symbols.items():
        first = [] if kind == "forward" else [cotangents]
        primals = wrapped("(", inputs, ")", 12, single=True)
        kernels.append(
            {
                "kind": kind,
                "symbol": f"{symbol}_lanes",
                "head": "    " + wrapped(f"def {kind}(", [*first, *("/" for _ in first), *inputs], "):", 4),
                "doc": docs[kind],
                "body": "        "
                + wrapped(f"return _{kind}(", [f"_lib.{symbol}_lanes", shapes, *first, primals], ")", 8),
            }
        )
    cores = [
        "inputs=" + wrapped("(", [str(item.shape) for item in program.inputs], ")", 4, single=True, before=7),
        "outputs="
        + wrapped("(", [str(item.shape) for item in program.outputs], ")", 4, single=True, before=8),
        "wrt=" + wrapped("(", [str(k) for k in wrt], ")", 4, single=True, before=4),
    ]
    return {
        "name": called,
        "listing": _listing(
            f"{called}({', '.join(map(_declared, inputs, program.inputs))}) -> "
            f"{', '.join(map(_declared, outputs, program.outputs))}"
        ),
        "shapes": wrapped(f"{shapes} = _Shapes(", cores, ")", 0),
        "kernels": kernels,
    }


def _part_names(parts: Sequence[Input | Output], letters: str) -> list[str]:
    names = [part.name for part in parts]
    return python_names(names, (), [f"{letters}{position}" for position in range(len(names))])


def _declared(name: str, part: Input | Output) -> str:
    return f"{name}[{', '.join(map(str, part.shape))}]" if part.shape else name


def _few(names: Sequence[str], otherwise: str) -> str:
    text = ", ".join(names)
    return text if len(text) <= 50 else f"{otherwise}, in order"


def _listing(text: str) -> str:
    return textwrap.fill(
        text, _LINE, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def wrapped(
    head: str, items: Sequence[str], tail: str, indent: int, *, single: bool = False, before: int = 0
) -> str:
    """Write a list in brackets on one line, or where that is too long in the lines of a formatter.

    Parameters
    ----------
    head, tail
        What comes before and after, brackets included.
    items
        The items.
    indent
        Columns that the line is indented by.
    single
        Whether one item is a tuple, which needs its comma.
    before
        Columns that are already filled.
    """
    comma = "," if single and len(items) == 1 else ""
    line = f"{head}{', '.join(items)}{comma}{tail}"
    if "\n" not in line and indent + before + len(line) + 1 <= _LINE:
        return line
    inner = " " * (indent + 4)
    rows = ", ".join(items)
    if not single and "\n" not in rows and len(inner) + len(rows) <= _LINE:
        return f"{head}\n{inner}{rows}\n{' ' * indent}{tail}"
    return f"{head}\n" + "".join(f"{inner}{item},\n" for item in items) + " " * indent + tail
