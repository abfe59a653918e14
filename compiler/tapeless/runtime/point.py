"""A kernel as a function of one point (point.c), for libraries that call back."""

from __future__ import annotations

from typing import Final

from tapeless.runtime.library import Library
from tapeless.runtime.load import KERNEL, load

SYMBOLS: Final = (
    "tapeless_number",
    "tapeless_number_data",
    "tapeless_numbers",
    "tapeless_numbers_data",
    "tapeless_window",
)
"""The functions of point.c."""


def addresses(library: Library) -> dict[str, int]:
    """Load a library that `source` went into, and return the addresses of these functions by name."""
    ffi = KERNEL.ffi()
    # Loaded as if they were kernels: only their addresses are used.
    return {name: int(ffi.cast("uintptr_t", found)) for name, found in load(library, SYMBOLS).items()}


def source(kernel: str, variables: int, bound: int) -> str:
    """Return C to stand behind that of a kernel in double.

    Parameters
    ----------
    kernel
        Its function that takes tables.
    variables, bound
        How many of its inputs come from the caller, and how many after them from memory.
    """
    return f"\n#define KERNEL {kernel}\n#define VARIABLES {variables}\n#define BOUND {bound}\n{_text()}"


def hidden(header: str) -> str:
    """Keep the functions of a header within the library: only then may the compiler put one in place of its call."""
    return f"{_visibility('push(hidden)')}{header}{_visibility('pop')}"


def _visibility(word: str) -> str:
    return f"#ifdef __GNUC__\n#pragma GCC visibility {word}\n#endif\n"


def _text() -> str:
    from tapeless.runtime.extension import text_beside

    return text_beside(__file__, "tapeless.runtime", "point.c")
