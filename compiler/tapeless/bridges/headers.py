"""C that needs headers of its host, built once for each version of that host and kept in the cache.

Kernels need no headers. What stands between them and a host does: extension modules of Python, handlers of XLA.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tapeless.errors import CacheError, CompilerError, UnsupportedError

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.library import Library

_TIMEOUT: Final = 120.0


class Header(NamedTuple):
    """A header that must be there.

    Attributes
    ----------
    name
        As it is included.
    folder
        Where it is looked for.
    remedy
        What to do where it is missing.
    """

    name: str
    folder: str
    remedy: str


def python_headers() -> tuple[Header, ...]:
    """Return Python's own headers."""
    from sysconfig import get_path

    remedy = "install the headers of Python (on Debian and Ubuntu: apt install python3-dev)"
    return Header("Python.h", get_path("include"), remedy), Header(
        "pyconfig.h", get_path("platinclude"), remedy
    )


def build_extension(
    stem: str,
    source: str,
    *,
    made_for: str,
    headers: Sequence[Header],
    compiler: Compiler,
    cache: Cache | None,
) -> Library:
    """Build C against the headers of a host, or find it built.

    Parameters
    ----------
    stem
        File name of the source, without ".c".
    source
        The C text.
    made_for
        The versions that the result depends on and that the paths of the headers do not tell.
    headers
        The headers that it includes, apart from the C library's.
    compiler, cache
        As for `build`.

    Raises
    ------
    UnsupportedError
        Where a header is missing.
    CompilerError, CacheError
        As from `build`.
    """
    from tapeless.runtime.build import build

    folders = dict.fromkeys(header.folder for header in headers)
    try:
        return build(
            f"/* for {made_for} */\n{source}",
            stem=stem,
            compiler=compiler,
            extra_flags=(*(f"-I{folder}" for folder in folders), *linked_by_its_host()),
            timeout=_TIMEOUT,
            cache=cache,
        )
    except CompilerError:
        for header in headers:
            if not os.path.isfile(os.path.join(header.folder, header.name)):
                raise UnsupportedError(
                    f"{header.name} is needed and not there: no such file in {header.folder}; {header.remedy}"
                ) from None
        raise


def load_extension(name: str, library: Library) -> Any:
    """Import an extension module from a library.

    Raises
    ------
    CacheError
        The file is damaged or gone, or the system will not load it.
    """
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    verify(library)
    loader = ExtensionFileLoader(name, library.path)
    try:
        module = loader.create_module(ModuleSpec(name, loader, origin=library.path))
        loader.exec_module(module)
        return module
    except ImportError as error:
        raise CacheError(
            f"the library cannot be loaded: {error}. If its directory is mounted noexec, "
            "set TAPELESS_CACHE_DIR (or TMPDIR, with cache=False) to one that is not"
        ) from None


def verify(library: Library) -> None:
    """Raise CacheError unless a library is what was built: asked right before it is loaded."""
    if not library.is_intact():
        raise CacheError(f"the library {library.path} is damaged or gone; run again to rebuild it")


def linked_by_its_host() -> tuple[str, ...]:
    """Return the flags for a library that a host loads by one entry, and whose symbols are found when it does."""
    linked = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-s",)
    return ("-fvisibility=hidden", *linked)


def python_abi() -> str:
    """Return what an extension module of this Python depends on."""
    from _imp import extension_suffixes

    return f"{sys.implementation.name} {sys.version_info.releaselevel} {extension_suffixes()[0]}"
