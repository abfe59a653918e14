"""C that needs headers of its host, built once for each version of that host and kept in the cache.

Kernels need no headers. What stands between them and a host does: extension modules of Python, handlers of XLA.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from tapeless.errors import CompilerError, UnsupportedError

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

    def is_there(self) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(os.path.join(self.folder, self.name))

    def absence(self) -> str:
        """Say that there is none."""
        return f"{self.name} is needed and not there: no such file in {self.folder}"


def python_headers() -> tuple[Header, ...]:
    """Return Python's own headers."""
    from sysconfig import get_path

    remedy = "install the headers of Python (on Debian and Ubuntu: apt install python3-dev)"
    return Header("Python.h", get_path("include"), remedy), Header(
        "pyconfig.h", get_path("platinclude"), remedy
    )


def numpy_headers() -> tuple[Header, ...]:
    """Return the headers that NumPy brings."""
    import numpy as np

    return (
        Header(
            "numpy/arrayobject.h", np.get_include(), "install NumPy from a wheel, which holds its headers"
        ),
    )


def folders(headers: Iterable[Header]) -> tuple[str, ...]:
    """Return where headers are looked for, each folder once."""
    return tuple(dict.fromkeys(header.folder for header in headers))


def first_missing(headers: Iterable[Header]) -> Header | None:
    """Return the first header that is not there."""
    return next((header for header in headers if not header.is_there()), None)


def build_against(
    headers: Sequence[Header],
    source: str,
    *,
    stem: str,
    optimize: str = "-O3",
    compiler: Compiler,
    cache: Cache | None,
) -> Library:
    """Build a library that a host loads by one entry, or find it built.

    Parameters
    ----------
    headers
        The headers that it includes, apart from the C library's.
    source
        The C text. What it depends on besides, and the paths of the headers do not tell, it must name: versions
        of the host in a comment will do.
    stem, optimize, compiler, cache
        As for `build`.

    Raises
    ------
    UnsupportedError
        Where a header is missing. One that the compiler has found elsewhere is not missed.
    CompilerError, CacheError
        As from `build`.
    """
    from tapeless.runtime.build import build

    try:
        return build(
            source,
            stem=stem,
            compiler=compiler,
            optimize=optimize,
            extra_flags=(*(f"-I{folder}" for folder in folders(headers)), *linked_by_its_host()),
            timeout=_TIMEOUT,
            cache=cache,
        )
    except CompilerError:
        missing = first_missing(headers)
        if missing is None:
            raise
        raise UnsupportedError(f"{missing.absence()}; {missing.remedy}") from None


def linked_by_its_host() -> tuple[str, ...]:
    """Return the flags for a library whose one entry is seen, and whose symbols are found when it is loaded."""
    linked = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-s",)
    return ("-fvisibility=hidden", *linked)
