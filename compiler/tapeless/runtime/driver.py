"""The broadcasting driver (driver.c): built at the first call that needs it, then cached like any library."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tapeless.errors import CacheError
from tapeless.runtime.load import CFunction, Declaration, load

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler

SYMBOL = "tapeless_drive"

DRIVER = Declaration(
    cdef="""
        int f(void (*kernel)(ptrdiff_t, const void *const *, void *const *), int itemsize,
              ptrdiff_t dimensions, const ptrdiff_t *extent,
              ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
              ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows);
    """,
    version=0x2601,
    types=(
        b"\x00\x00\x02\x0d\x00\x00\x0c\x03\x00\x00\x07\x01\x00\x00\x1b\x01\x00\x00\x03\x03\x00\x00"
        b"\x1b\x01\x00\x00\x12\x03\x00\x00\x04\x11\x00\x00\x1b\x01\x00\x00\x11\x03\x00\x00\x04\x11"
        b"\x00\x00\x00\x0f\x00\x00\x13\x0d\x00\x00\x1b\x01\x00\x00\x06\x11\x00\x00\x09\x11\x00\x00"
        b"\x00\x0f\x00\x00\x13\x03\x00\x00\x13\x03\x00\x00\x00\x01"
    ),
    opcode=b"\x00\x00\x00\x23",
)

# Pointers and rows (see driver.c) of the inputs, or of the results.
Side = tuple[Sequence[Any], Sequence[int]]
# Called with kernel, itemsize, extents of the batch, inputs, results.
Drive = Callable[[CFunction, int, Sequence[int], Side, Side], None]

# (compiler, cache directory) -> driver, for the whole process.
_drivers: dict[tuple[str, str | None], Drive] = {}


def driver(compiler: Compiler, cache: Cache | None) -> Callable[[], Drive]:
    """Return a function that gives the driver, building it the first time it is asked.

    Parameters
    ----------
    compiler, cache
        As for `build`.
    """
    return partial(_get, compiler, cache)


def _get(compiler: Compiler, cache: Cache | None) -> Drive:
    key = (compiler.identity, cache.root if cache is not None else None)
    found = _drivers.get(key)
    if found is None:
        found = _drivers.setdefault(key, _make(compiler, cache))
    return found


def _make(compiler: Compiler, cache: Cache | None) -> Drive:
    from tapeless.runtime.build import build

    try:
        library = build(source(), stem="driver", compiler=compiler, cache=cache)
    except CacheError:
        # A cache that can only be read served the kernel; a call should not fail for it.
        if cache is None:
            raise
        library = build(source(), stem="driver", compiler=compiler, cache=None)
    function = load(library, (SYMBOL,), DRIVER)[SYMBOL]

    def drive(kernel: CFunction, itemsize: int, extents: Sequence[int], inputs: Side, results: Side) -> None:
        head = (kernel, itemsize, len(extents), extents)
        if function(*head, len(inputs[0]), *inputs, len(results[0]), *results):
            raise MemoryError("no memory for the buffers of a call")

    return drive


def default_driver() -> Drive:
    """Return the driver built with the default compiler and cache."""
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import find_compiler

    return _get(find_compiler(), Cache())


def source() -> str:
    """Return the text of driver.c."""
    return _read("driver.c")


def _read(name: str) -> str:
    try:
        with open(os.path.join(os.path.dirname(__file__), name), encoding="utf-8") as file:
            return file.read()
    except OSError:  # the package is a zip
        from importlib.resources import files

        return (files("tapeless.runtime") / name).read_text(encoding="utf-8")
