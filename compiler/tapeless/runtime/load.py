"""Loading libraries, through cffi's ABI mode with declarations made ahead of time.

cffi parses C declarations with pycparser, which takes longer than loading. The tables below are what its
recompiler writes for the declarations beside them (a test regenerates them), so that at run time neither
pycparser nor cffi's Python part is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import _cffi_backend

from tapeless.errors import CacheError
from tapeless.runtime.library import Library
from tapeless.runtime.light import NamedTuple

# A C function as cffi presents it. Calls release the GIL.
CFunction = Callable[..., Any]


class Declaration(NamedTuple):
    """A C function type.

    Parameters
    ----------
    cdef
        The declaration, of a function named `f`.
    version, types, opcode
        What cffi's recompiler makes of it.
    """

    cdef: str
    version: int
    types: bytes
    opcode: bytes

    def ffi(self, symbols: Iterable[str] = ()) -> Any:
        """Return an FFI in which each of `symbols` is a function of this type."""
        functions: list[bytes | int] = []
        for symbol in sorted(symbols):  # cffi finds them by bisection
            functions += [self.opcode + symbol.encode("ascii"), 0]
        return _cffi_backend.FFI(
            "tapeless", _version=self.version, _types=self.types, _globals=tuple(functions)
        )


KERNEL = Declaration(
    cdef="void f(ptrdiff_t n, const void *const *in, void *const *out);",
    version=0x2601,
    types=(
        b"\x00\x00\x07\x0d\x00\x00\x1b\x01\x00\x00\x06\x03\x00\x00\x05\x03\x00\x00\x00\x0f\x00\x00\x07\x03"
        b"\x00\x00\x07\x03\x00\x00\x00\x01"
    ),
    opcode=b"\x00\x00\x00\x23",
)

# RTLD_NODELETE: nothing is ever unloaded, not even while the interpreter shuts down under running threads.
_NODELETE = getattr(os, "RTLD_NODELETE", 0)
_FLAGS = os.RTLD_NOW | os.RTLD_LOCAL | _NODELETE

# Path -> symbol -> function, for the whole process: each library is opened once and never closed. A path
# never changes its contents, so the table never goes stale. Two threads that open the same one get the same
# handle from the system, so there is no lock here (which a fork could leave locked for ever).
_loaded: dict[str, dict[str, CFunction]] = {}


def load(
    library: Library, symbols: Iterable[str], declaration: Declaration = KERNEL
) -> Mapping[str, CFunction]:
    """Open a library and return its functions by name.

    Parameters
    ----------
    library
        The library; its contents are verified before it is opened.
    symbols
        Names of the functions.
    declaration
        The type that they all have.

    Raises
    ------
    CacheError
        The file is damaged or gone, the system will not load it, or it lacks a symbol.
    """
    wanted = set(symbols)
    functions = _loaded.setdefault(library.path, {})
    missing = wanted - functions.keys()
    if missing:
        verify(library)
        functions.update(_open(library.path, missing, declaration))
    return {symbol: functions[symbol] for symbol in wanted}


def _open(path: str, symbols: Iterable[str], declaration: Declaration) -> dict[str, CFunction]:
    ffi = declaration.ffi(symbols)
    try:
        opened = ffi.dlopen(path, _FLAGS)
        return {symbol: getattr(opened, symbol) for symbol in symbols}
    except OSError as error:
        raise unloadable(error) from None
    except (AttributeError, ffi.error) as error:
        raise CacheError(f"the library {path} lacks a function: {error}") from None


def verify(library: Library) -> None:
    """Raise CacheError unless a library is what was built.

    Asked here as well as by the cache, for this is the last moment before its code can run.
    """
    if not library.is_intact():
        raise CacheError(f"the library {library.path} is damaged or gone; run again to rebuild it")


def unloadable(error: Exception) -> CacheError:
    """Return what to raise where the system will not load a library."""
    return CacheError(
        f"the library cannot be loaded: {error}. If its directory is mounted noexec, "
        "set TAPELESS_CACHE_DIR (or TMPDIR, with cache=False) to one that is not"
    )
