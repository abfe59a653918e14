"""Plain C and a small Python file: a function without tapeless."""

from __future__ import annotations

import keyword
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapeless.assembly import lower_kinds
from tapeless.errors import TapelessError
from tapeless.kinds import TOGETHER, signature
from tapeless.options import Options

if TYPE_CHECKING:
    from tapeless.ir.program import Program
    from tapeless.targets.c.kernel import Kernel


def export(functions: Sequence[tuple[Program, Options]], name: str, folder: Path) -> Path:
    """Write `<name>.c`, `<name>.h`, `lib<name>.so` and `<name>.py`.

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
    TapelessError
        Where the folder cannot be written.
    CompilerError
        Where the library cannot be built.
    """
    from tapeless.runtime.build import build
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import find_compiler
    from tapeless.targets.c.emit import emit
    from tapeless.targets.c.templates import environment

    options = functions[0][1]
    groups = [
        (program, lower_kinds(program, TOGETHER, chosen.wrt, chosen.dtype, whole=True))
        for program, chosen in functions
    ]
    source = emit([(program.name, [kernel for kernel, _ in group]) for program, group in groups], name)
    library = build(
        source.text,
        stem=source.name,
        headers={f"{source.name}.h": source.header},
        compiler=find_compiler(options.cc),
        cache=Cache() if options.cache else None,
    )
    symbols = dict(source.symbols)
    python_fields = {
        "stem": source.name,
        "dtype": options.dtype,
        "single": len(groups) == 1,
        "functions": [_python_fields(program, group, symbols, options.dtype) for program, group in groups],
    }
    python = environment().get_template("python/module.py.j2").render(python_fields)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{source.name}.c").write_text(source.text, encoding="utf-8")
        (folder / f"{source.name}.h").write_text(source.header, encoding="utf-8")
        (folder / f"{name}.py").write_text(python, encoding="utf-8")
        shutil.copyfile(library.path, folder / f"lib{source.name}.so")
    except OSError as error:
        raise TapelessError(f"cannot write to {folder}: {error.strerror}. Choose another folder.") from error
    return folder


def _python_fields(
    program: Program, group: Sequence[tuple[Kernel, Program]], symbols: dict[str, str], dtype: str
) -> dict[str, Any]:
    """Return what the Python file says of one function."""
    kernels = []
    for kernel, derived in group:
        shape = signature(derived, f"{symbols[f'{program.name}.{kernel.kind}']}_lanes", dtype)
        likes = tuple(result.like for result in shape.results)
        kernels.append({"kind": kernel.kind, "symbol": shape.symbol, "likes": repr(likes)})
    return {
        "name": _python_name(program.name, "function", set()),
        "inputs": _python_names([item.name for item in program.inputs], "arg"),
        "outputs": _python_names([item.name for item in program.outputs], "out"),
        "kernels": kernels,
    }


def _python_names(names: Sequence[str], fallback: str) -> list[str]:
    taken = {"cotangents", "results", "outputs", "gradients"}
    return [_python_name(name, f"{fallback}{position}", taken) for position, name in enumerate(names)]


def _python_name(name: str, fallback: str, taken: set[str]) -> str:
    """Return a name that may stand in Python: the user's where it is a free ASCII identifier."""
    fits = name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    chosen = name if fits and name not in taken else fallback
    while chosen in taken:
        chosen += "_"
    taken.add(chosen)
    return chosen
