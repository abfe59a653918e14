"""The bandwidth of memory in the same run: copy and triad after STREAM, with plain and with non-temporal stores."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from threading import Barrier
from typing import Any, Final

import numpy as np

from tapeless.bench.measure import Way
from tapeless.errors import CacheError
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import find_compiler

Array = np.ndarray[Any, Any]

ARRAYS: Final[dict[str, int]] = {
    "copy": 2,
    "triad": 3,
    "copy, non-temporal": 2,
    "triad, non-temporal": 3,
}
"""Measure -> numbers moved per element, as STREAM counts them: what is read and what is written."""

_SYMBOLS: Final = {
    "copy": "stream_copy",
    "triad": "stream_triad",
    "copy, non-temporal": "stream_copy_nontemporal",
    "triad, non-temporal": "stream_triad_nontemporal",
}
_ALIGNMENT: Final = 64
_STAGGER: Final = 17 * _ALIGNMENT
"""Arrays do not begin at equal places in a page: loads and stores there would wait for each other."""
_CALL_BYTES: Final = 1 << 22
"""Bytes that one call moves at least, so that the call itself, and starting threads, does not count."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The compiled measures."""

    library: ctypes.CDLL
    nontemporal: bool

    def ways(self, moved: int, threads: int) -> Mapping[str, Way]:
        """Return the measures, each reading and writing so many bytes in all its arrays together.

        A function that moves as many then has as good a chance to find them in a cache.

        Parameters
        ----------
        moved
            Bytes, rounded to whole elements; at least one element is moved.
        threads
            Threads that share the elements evenly; each goes over its part again and again, as in STREAM.
        """
        counts = {name: max(1, round(moved / (8 * arrays))) for name, arrays in ARRAYS.items()}
        buffers = [_buffers(-(-counts["copy"] // threads)) for _ in range(threads)]
        repeats = max(1, _CALL_BYTES // max(moved, 1))
        return {
            name: Way(self._call(name, count, buffers, repeats), repeats)
            for name, count in counts.items()
            if self.nontemporal or not name.endswith("non-temporal")
        }

    def _call(self, name: str, count: int, buffers: list[list[Array]], repeats: int) -> Callable[[], None]:
        function = getattr(self.library, _SYMBOLS[name])
        jobs = []
        part = -(-count // len(buffers))
        for arrays, first in zip(buffers, range(0, count, part), strict=False):
            pointers = [array.ctypes.data for array in arrays[: ARRAYS[name]]]
            jobs.append(partial(function, *pointers, min(part, count - first), repeats))
        if len(jobs) == 1:
            return partial(_keeping, buffers, jobs[0])
        executor = ThreadPoolExecutor(len(jobs))
        barrier = Barrier(len(jobs))

        def together(job: Callable[[], None]) -> None:
            barrier.wait()
            job()

        def call() -> None:
            for _ in executor.map(together, jobs):
                pass

        return partial(_keeping, buffers, call)


def load_stream(cc: str | None = None, *, cache: bool = True) -> Stream:
    """Build the measures, or find them built.

    Parameters
    ----------
    cc
        The C compiler; None to look for one.
    cache
        Whether the library is kept on disk.

    Raises
    ------
    CompilerError, CacheError
        As for any build.
    """
    found = build(source(), stem="stream", compiler=find_compiler(cc), cache=Cache() if cache else None)
    if not found.is_intact():
        raise CacheError(f"the library {found.path} is damaged or gone; run again to rebuild it")
    library = ctypes.CDLL(found.path)
    for name, symbol in _SYMBOLS.items():
        function = getattr(library, symbol)
        function.restype = None
        function.argtypes = [*[ctypes.c_void_p] * ARRAYS[name], ctypes.c_size_t, ctypes.c_size_t]
    return Stream(library, bool(library.stream_has_nontemporal()))


def source() -> str:
    """Return the text of stream.c."""
    return (files("tapeless.bench") / "stream.c").read_text(encoding="utf-8")


def _buffers(count: int) -> list[Array]:
    """Return three arrays, touched, aligned, and out of step with each other."""
    return [_aligned(count, k * _STAGGER, 1.0 + k) for k in range(3)]


def _aligned(count: int, offset: int, value: float) -> Array:
    raw = np.empty(count * 8 + _ALIGNMENT + offset, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT + offset
    array = raw[start : start + count * 8].view(np.float64)
    array.fill(value)
    return array


def _keeping(_arrays: object, call: Callable[[], None]) -> None:
    """Call, while the arrays that C points into are held."""
    call()
