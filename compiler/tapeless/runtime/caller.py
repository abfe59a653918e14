"""The fast caller (caller.c): an extension that calls kernels without Python code in between.

It is built once for each Python and NumPy. Where there is none, calls go through cffi, slower, with the same results.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.errors import ArgumentError
from tapeless.runtime.extension import VARIABLE, Extension, Found, text_beside
from tapeless.runtime.pool import limit_from_environment, release_with_pool

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.headers import Header


def _numpy_headers() -> tuple[Header, ...]:
    from tapeless.runtime.headers import numpy_headers

    return numpy_headers()


def _share_the_pool(extension: Any) -> None:
    """Bind the blocks that the extension keeps to the limit and the release of all memory for results."""
    with suppress(ArgumentError):  # whoever asks for a large result is told of it
        extension.limit(limit_from_environment())
    release_with_pool(extension.release)


EXTENSION: Final = Extension(
    "tapeless_caller",
    lambda: text_beside(__file__, "tapeless.runtime", "caller.c"),
    "calls take about two microseconds more",
    headers=_numpy_headers,
    depends=lambda: np.__version__,
    digested=True,
    ready=_share_the_pool,
)


def find(compiler: Compiler, cache: Cache | None) -> Found:
    """Return the fast caller; see `Extension.find`."""
    return EXTENSION.find(compiler, cache)


__all__ = ["EXTENSION", "VARIABLE", "Found", "find"]
