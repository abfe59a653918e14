"""The fast caller (caller.c): an extension that calls kernels without Python code in between.

It is built once for each Python and NumPy, with the C compiler that builds the kernels, and kept in the same cache.
Nothing depends on it: where it cannot be built or loaded, calls go through cffi, slower and with the same results.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.errors import ArgumentError, CompilerError, TapelessError
from tapeless.runtime import warm
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.pool import limit_from_environment, release_with_pool

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.library import Library

VARIABLE: Final = "TAPELESS_CALLER"
"""Environment variable that turns the fast caller off when it is "0"."""
_MODULE: Final = "tapeless_caller"
_SOURCE: Final = "caller.c"
_TIMEOUT: Final = 120.0
# A compiler's refusal stays in the cache so long: else each process would wait for it again.
_REFUSED_FOR: Final = 86400.0
_FLAGS: Final = ("-fvisibility=hidden", "-s")
_DARWIN_FLAGS: Final = ("-fvisibility=hidden", "-undefined", "dynamic_lookup")
_SLOWER: Final = "nothing to do: calls take about two microseconds more, with the same results"


class Found(NamedTuple):
    """What came of looking for the fast caller.

    Attributes
    ----------
    extension
        The module, or None.
    path
        Its file, or "".
    reason, remedy
        Where there is none: why, and what to do.
    """

    extension: Any
    path: str = ""
    reason: str = ""
    remedy: str = ""


class _MissingError(Exception):
    """Why there is no fast caller, and what to do."""

    def __init__(self, reason: str, remedy: str = _SLOWER) -> None:
        self.found = Found(None, "", reason, remedy)
        super().__init__(reason, remedy)


_OFF: Final = Found(None, "", f"turned off by {VARIABLE}=0", f"unset {VARIABLE}")
_UNCACHED: Final = Found(
    None, "", "not built without a cache", "leave cache=False out, so that it is built once and kept"
)

# What this process has loaded, at most one entry; and, by compiler and cache, what could not be had, so that it is
# tried once. Entries are only ever added, each in one step, so that threads need no lock.
_loaded: dict[str, Found] = {}
_missing: dict[tuple[str, str], Found] = {}


def find(compiler: Compiler, cache: Cache | None) -> Found:
    """Return the fast caller: loaded, else found in the cache, else built. Never raises.

    Parameters
    ----------
    compiler
        The C compiler.
    cache
        Where it is looked for and kept; where None, only one that is loaded already is used.
    """
    if os.environ.get(VARIABLE) == "0":
        return _OFF
    loaded = _loaded.get(_MODULE)
    if loaded is not None:
        return loaded
    if cache is None:
        return _UNCACHED
    asked = (compiler.identity, cache.root)
    if asked in _missing:
        return _missing[asked]
    try:
        library = _library(compiler, cache)
        return _loaded.setdefault(_MODULE, Found(_import(library.path), library.path))
    except _MissingError as missing:
        found = missing.found
    except Exception as error:  # no call shall fail for want of a faster one
        found = Found(None, "", _first_line(error), _SLOWER)
    return _missing.setdefault(asked, found)


def _library(compiler: Compiler, cache: Cache) -> Library:
    """Return the extension, verified, from the cache or newly built."""
    if sys.implementation.name != "cpython":
        raise _MissingError(f"not for {sys.implementation.name}")
    if "t" in getattr(sys, "abiflags", ""):
        raise _MissingError("not for Python without the GIL")
    key = _key(compiler, cache)
    known = cache.recall(key)
    if known is not None:
        return known[1]
    refused = cache.noted(key)
    if refused is not None and time.time() - refused["time"] < _REFUSED_FOR:
        raise _MissingError(refused["message"])
    library = _build(compiler, cache, key)
    cache.remember(key, {}, library)
    return library


def _key(compiler: Compiler, cache: Cache | None = None) -> str:
    """Return the key in the cache: all that the extension depends on, found without looking for headers."""
    from _imp import extension_suffixes

    python = [extension_suffixes()[0], sys.version_info.releaselevel]  # implementation, version and ABI
    return warm.request_key("fast caller", {"python": python, "numpy": np.__version__}, compiler, cache)


def _build(compiler: Compiler, cache: Cache, key: str) -> Library:
    from tapeless.runtime.build import build

    folders = _include_folders()
    if os.path.isdir(cache.root) and not os.access(cache.root, os.W_OK):
        raise _MissingError(
            f"not in the cache {cache.root}, which cannot be written",
            "compile a formula once where it can be written",
        )
    flags = _DARWIN_FLAGS if sys.platform == "darwin" else _FLAGS
    try:
        return build(
            _source(),
            stem="caller",
            compiler=compiler,
            optimize="-O2",
            extra_flags=(*(f"-I{folder}" for folder in folders), *flags),
            timeout=_TIMEOUT,
            cache=cache,
        )
    except CompilerError as error:
        cache.note(key, {"message": str(error), "time": time.time()})
        raise _MissingError(str(error)) from None


def _include_folders() -> tuple[str, ...]:
    """Return the folders of the headers of Python and NumPy."""
    from sysconfig import get_path

    python = tuple(dict.fromkeys((get_path("include"), get_path("platinclude"))))
    if not any(os.path.isfile(os.path.join(folder, "Python.h")) for folder in python):
        raise _MissingError(
            f"the headers of Python are not installed: no Python.h in {python[0]}",
            "install them (on Debian and Ubuntu: apt install python3-dev); until then calls take about two "
            "microseconds more",
        )
    return (*python, np.get_include())


def _source() -> str:
    try:
        with open(os.path.join(os.path.dirname(__file__), _SOURCE), encoding="utf-8") as file:
            return file.read()
    except OSError:  # the package is a zip
        from importlib.resources import files

        return (files("tapeless.runtime") / _SOURCE).read_text(encoding="utf-8")


def _import(path: str) -> Any:
    """Import the extension from a file that has just been verified."""
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    loader = ExtensionFileLoader(_MODULE, path)
    module = loader.create_module(ModuleSpec(_MODULE, loader, origin=path))
    loader.exec_module(module)
    with suppress(ArgumentError):  # whoever asks for a large result is told of it
        module.limit(limit_from_environment())
    release_with_pool(module.release)
    return module


def _first_line(error: Exception) -> str:
    text = str(error) if isinstance(error, TapelessError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0]
