"""The library behind a low-level callable: a function's C with an adapter for one point at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tapeless.runtime import warm
from tapeless.runtime.load import KERNEL, load

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.ir.program import Program
    from tapeless.runtime.library import Library

SYMBOLS: Final = (
    "tapeless_number",
    "tapeless_number_data",
    "tapeless_numbers",
    "tapeless_numbers_data",
    "tapeless_window",
)
"""The functions of adapter.c."""


def addresses(
    function: Function, variables: Sequence[str], bound: Sequence[str], output: int
) -> dict[str, int]:
    """Build the adapter, or find it built, and return the addresses of its functions.

    Parameters
    ----------
    function
        The function, in float64.
    variables, bound
        Its inputs: those that the caller passes, and those that are read from memory, in order.
    output
        Which of its output scalars is the value.
    """
    library = _library(function, tuple(variables), tuple(bound), output)
    ffi = KERNEL.ffi()
    # Loaded as if they were kernels: only their addresses are used.
    return {name: int(ffi.cast("uintptr_t", found)) for name, found in load(library, SYMBOLS).items()}


def _library(function: Function, variables: tuple[str, ...], bound: tuple[str, ...], output: int) -> Library:
    options = function.options
    compiler, cache = warm.compiler(options.cc), warm.cache(options.cache)
    key = warm.request_key(["adapter", function.material, variables, bound, output], options.key(), compiler)
    found = warm.recall(cache, key)
    if found is not None:
        return found[1]

    from dataclasses import replace  # not needed on a warm start

    from tapeless.assembly import build_source, lower_kinds
    from tapeless.targets.c.emit import emit

    program = _program(function.program, variables, bound, output)
    [(kernel, _)] = lower_kinds(program, ("forward",), (), function.dtype, whole=False)
    source = emit([(program.name, [kernel])], program.name)
    sizes = {item.name: item.size for item in function.program.inputs}
    [(_, symbol)] = source.symbols
    head = (
        f"\n#define KERNEL {symbol}_lanes\n"
        f"#define VARIABLES {sum(sizes[name] for name in variables)}\n"
        f"#define BOUND {sum(sizes[name] for name in bound)}\n"
    )
    library = build_source(replace(source, text=source.text + head + _text()), [kernel], compiler, cache)
    warm.remember(cache, key, {}, library)
    return library


def _program(program: Program, variables: tuple[str, ...], bound: tuple[str, ...], output: int) -> Program:
    from tapeless.transforms.pack import Packed, pack

    parts = [Packed("x", variables)] + ([Packed("bound", bound)] if bound else [])
    return pack(program, parts, only=output)


def _text() -> str:
    try:
        with open(os.path.join(os.path.dirname(__file__), "adapter.c"), encoding="utf-8") as file:
            return file.read()
    except OSError:  # the package is a zip
        from importlib.resources import files

        return (files(__package__) / "adapter.c").read_text(encoding="utf-8")
