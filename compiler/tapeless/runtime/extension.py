"""Extensions of Python that come as C text: built once for each Python, with the kernels' compiler, and cached."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from tapeless.errors import UnsupportedError
from tapeless.runtime import warm

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler

_FLAGS: Final = ("-fvisibility=hidden", "-s")
_DARWIN_FLAGS: Final = ("-fvisibility=hidden", "-undefined", "dynamic_lookup")


def extension(
    name: str, source: str, compiler: Compiler, cache: Cache | None, *, include: Sequence[str] = ()
) -> Any:
    """Return an extension module, from the cache or newly built.

    Parameters
    ----------
    name
        Name of the module, as in its `PyInit_<name>`.
    source
        Its C text.
    compiler, cache
        As for `build`.
    include
        Folders of headers besides those of Python.

    Raises
    ------
    UnsupportedError
        For a Python that it cannot serve, or one whose headers are not installed.
    CompilerError, CacheError
        Where it cannot be built, kept or loaded.
    """
    from _imp import extension_suffixes

    if sys.implementation.name != "cpython" or "t" in getattr(sys, "abiflags", ""):
        raise UnsupportedError("extensions are built for CPython with its global lock alone")
    python = [extension_suffixes()[0], sys.version_info.releaselevel]  # implementation, version and ABI
    key = warm.request_key(
        ["extension", name, source], {"python": python, "include": list(include)}, compiler
    )
    known = warm.recall(cache, key)
    if known is not None:
        return _imported(name, known[1].path)
    from tapeless.runtime.build import build  # starts processes: not needed on a warm start

    library = build(
        source,
        stem=name,
        compiler=compiler,
        optimize="-O2",
        extra_flags=(
            *(f"-I{folder}" for folder in (*_python_headers(), *include)),
            *(_DARWIN_FLAGS if sys.platform == "darwin" else _FLAGS),
        ),
        cache=cache,
    )
    warm.remember(cache, key, {}, library)
    return _imported(name, library.path)


def _python_headers() -> tuple[str, ...]:
    from sysconfig import get_path

    folders = tuple(dict.fromkeys((get_path("include"), get_path("platinclude"))))
    if not any(os.path.isfile(os.path.join(folder, "Python.h")) for folder in folders):
        raise UnsupportedError(
            f"the headers of Python are not installed: no Python.h in {folders[0]}. On Debian and Ubuntu they are "
            "in the package python3-dev"
        )
    return folders


def _imported(name: str, path: str) -> Any:
    """Import an extension from a file that has just been verified."""
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    loader = ExtensionFileLoader(name, path)
    module = loader.create_module(ModuleSpec(name, loader, origin=path))
    loader.exec_module(module)
    return module


__all__ = ["extension"]
