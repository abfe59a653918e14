"""Memory for large results, used again once nobody holds the array that lay in it.

The first touch of fresh memory costs several times what writing to it costs. A large result is a view of a buffer
that is kept here too; when the view and all views of it are gone, the buffer serves another result.
"""

from __future__ import annotations

import sys
import threading
from math import prod
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SMALLEST = 1 << 20
"""Bytes from which a result is large; below, the allocator of the C library is as good."""
_LIMIT = 256 << 20
"""Bytes that are kept at most."""
_ALIGNMENT = 64
_IDLE = 3  # references to a buffer that nobody uses: the list, the loop variable, the argument of getrefcount


class Pool:
    """Buffers for large arrays.

    Parameters
    ----------
    limit
        Bytes to keep at most, in use or not.
    """

    __slots__ = ("_buffers", "_limit", "_lock")

    def __init__(self, limit: int = _LIMIT) -> None:
        self._limit = limit
        self._buffers: list[Array] = []
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialised C-contiguous array; a large one lies in a buffer of the pool."""
        size = prod(shape) * dtype.itemsize
        if size < SMALLEST or size > self._limit:
            return np.empty(shape, dtype)
        with self._lock:
            buffer = self._idle(size)
            if buffer is None:
                buffer = np.empty(size + _ALIGNMENT, np.uint8)
                self._keep(buffer)
        start = -buffer.ctypes.data % _ALIGNMENT
        return buffer[start : start + size].view(dtype).reshape(shape)

    def release(self) -> None:
        """Let go of all buffers; arrays that lie in them stay valid."""
        with self._lock:
            self._buffers.clear()

    def _idle(self, size: int) -> Array | None:
        for buffer in self._buffers:
            fits = size <= buffer.nbytes - _ALIGNMENT <= 2 * size
            if fits and sys.getrefcount(buffer) == _IDLE:
                return buffer
        return None

    def _keep(self, buffer: Array) -> None:
        """Keep a buffer, the oldest ones making room."""
        self._buffers.append(buffer)
        total = sum(kept.nbytes for kept in self._buffers)
        while total > self._limit + _ALIGNMENT:
            total -= self._buffers.pop(0).nbytes


POOL = Pool()
"""The pool of this process."""
