"""Memory for large results, used again once nobody holds an array that lies in it.

The first touch of fresh memory costs several times what writing to it costs. So a large result lies in a block
that, when the array and all that looks into it are gone, serves another result.

That moment is told by an owner: the array's `base`, which all views, buffers and capsules of the array keep alive,
and whose end gives the block back. It may come in any thread, in the middle of anything, and while the interpreter
goes down. Hence there is no lock here, only operations of lists and dicts that are atomic by themselves, and a
race costs at most a block kept or let go too many.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from math import prod
from typing import Any, Final

import numpy as np

from tapeless.errors import ArgumentError
from tapeless.runtime.light import NamedTuple

Array = np.ndarray[Any, Any]

SMALLEST: Final = 1 << 18
"""Bytes from which a result lies in a block; the C library gives such memory back, and has to get it afresh."""
VARIABLE: Final = "TAPELESS_POOL_LIMIT"
_SHARE: Final = 8
"""Unless told otherwise, idle blocks take at most this part of the memory of the machine."""
_HUGE: Final = 2 << 20
"""Size and alignment of a huge page on x86-64, and on most others."""
_SETTING: Final = "/sys/kernel/mm/transparent_hugepage/enabled"
# Blocks all begin a page. Were arrays to do so as well, those of one call would fall into the same sets of the
# cache; so they start a few cache lines in, each at another place.
_STEP: Final = 5 * 64
_PAGE: Final = 4096


class _Block(NamedTuple):
    """Memory.

    Attributes
    ----------
    memory
        An `mmap.mmap`; it goes when its last reference goes.
    address, start, size
        Of the part of it that is used.
    """

    memory: Any
    address: int
    start: int
    size: int


class _Owner:
    """What an array in a block has as its base."""

    __slots__ = ("__array_interface__", "_block", "_give_back")

    def __init__(
        self,
        block: _Block,
        shift: int,
        shape: tuple[int, ...],
        kind: str,
        give_back: Callable[[_Block], None],
    ) -> None:
        self._block = block
        self._give_back = give_back
        self.__array_interface__ = {
            "shape": shape,
            "typestr": kind,
            "data": (block.address + shift, False),
            "version": 3,
        }

    def __del__(self) -> None:
        self._give_back(self._block)


class Pool:
    """Blocks for large arrays.

    Parameters
    ----------
    limit
        Bytes that are kept idle at most; by default `TAPELESS_POOL_LIMIT`, else an eighth of the machine's memory.
    """

    __slots__ = ("_advice", "_idle", "_limit", "_shifts", "_turns")

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        # Size -> (turn in which it was given back, block), the latest last.
        self._idle: dict[int, deque[tuple[int, _Block]]] = {}
        self._turns = count()
        self._shifts = count()
        self._advice: _Advice | None = None

    @property
    def limit(self) -> int:
        """Bytes that are kept idle at most."""
        if self._limit is None:
            self._limit = limit_from_environment()
        return self._limit

    @property
    def idle_bytes(self) -> int:
        """Bytes of the blocks that wait for a result."""
        return sum(size * len(queue) for size, queue in list(self._idle.items()))

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return an uninitialised C-contiguous array; a large one lies in a block, at a multiple of 64 bytes."""
        size = prod(shape) * dtype.itemsize
        if size < SMALLEST:
            return np.empty(shape, dtype)
        shift = next(self._shifts) * _STEP % _PAGE
        block = self._take(_rounded(size + shift))
        if block is None:
            return np.empty(shape, dtype)
        return np.asarray(_Owner(block, shift, shape, dtype.str, self._give_back))

    def release(self) -> int:
        """Return the blocks that nobody uses to the system; return their size in bytes."""
        released = 0
        for size, queue in list(self._idle.items()):
            while queue:
                try:
                    queue.pop()
                except IndexError:  # another thread was faster
                    break
                released += size
        return released

    def _take(self, size: int) -> _Block | None:
        """Return an idle block of this size or a new one; None where the system gives none."""
        if self.limit < size:
            return None
        queue = self._idle.setdefault(size, deque())
        try:
            return queue.pop()[1]
        except IndexError:
            if self._advice is None:
                self._advice = _advice()
        try:
            return _map(size, self._advice)
        except (OSError, ValueError, OverflowError):
            return None

    def _give_back(self, block: _Block) -> None:
        """Keep a block that nobody uses any more."""
        advice = self._advice
        if advice is not None and advice.free is not None and block.size >= advice.smallest_free:
            try:
                block.memory.madvise(advice.free, block.start, block.size)
            except OSError:
                self._advice = advice._replace(free=None)
        self._idle[block.size].append((next(self._turns), block))
        while self.idle_bytes > self.limit and self._drop_oldest():
            pass

    def _drop_oldest(self) -> bool:
        """Let the block go that has been idle for the longest; return whether there may be more."""
        oldest = []
        for queue in list(self._idle.values()):
            with suppress(IndexError):
                oldest.append((queue[0][0], queue))
        if not oldest:
            return False
        with suppress(IndexError):  # another thread may be faster
            min(oldest, key=lambda found: found[0])[1].popleft()
        return True


class _Advice(NamedTuple):
    """What to tell the system about blocks.

    Attributes
    ----------
    huge
        The advice to use huge pages, or None.
    free
        The advice that contents are of no more use, so that the system may take the pages when it runs short of
        memory, or None.
    smallest_free
        Size from which that is said.
    """

    huge: int | None
    free: int | None
    smallest_free: int = 8 * _HUGE


def _advice() -> _Advice:
    import mmap

    huge: int | None = getattr(mmap, "MADV_HUGEPAGE", None)
    try:
        with open(_SETTING, encoding="ascii") as file:
            if "[never]" in file.read():
                huge = None
    except OSError:
        huge = None
    # Page by page the second advice would cost more than it is worth.
    return _Advice(huge, getattr(mmap, "MADV_FREE", None) if huge is not None else None)


def _map(size: int, advice: _Advice) -> _Block:
    import mmap

    huge = advice.huge if size >= _HUGE else None
    memory = mmap.mmap(
        -1,
        size + (_HUGE if huge is not None else 0),
        flags=mmap.MAP_PRIVATE | getattr(mmap, "MAP_ANONYMOUS", 0),
    )
    address = np.frombuffer(memory, np.uint8).__array_interface__["data"][0]
    start = -address % _HUGE if huge is not None else 0
    if huge is not None:
        with suppress(OSError):
            memory.madvise(huge, start, size)
    return _Block(memory, address + start, start, size)


def _rounded(size: int) -> int:
    """Round up to one of four sizes for each power of two; pages that are never touched cost nothing."""
    step = 1 << max((size - 1).bit_length() - 3, 16)
    return -(-size // step) * step


def limit_from_environment() -> int:
    """Return the bytes that the user lets wait; unless told, a share of the machine's memory.

    Raises
    ------
    ArgumentError
        `TAPELESS_POOL_LIMIT` is not a number of bytes.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if text:
        if not (text.isascii() and text.isdecimal()):
            raise ArgumentError(f"{VARIABLE}={text!r} is not a number of bytes; 0 keeps nothing")
        return int(text)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _SHARE
    except (ValueError, OSError):
        return 1 << 30


POOL: Final = Pool()
"""The pool of this process."""

# In a child each page would have to be copied from the parent's before it is written.
os.register_at_fork(after_in_child=POOL.release)


# What else keeps memory for results.
_others: list[Callable[[], int]] = []


def release_with_pool(release: Callable[[], int]) -> None:
    """Have a function that returns memory to the system, and tells how many bytes, called by `release_memory`."""
    _others.append(release)


def release_memory() -> int:
    """Return the memory that is kept for large results to the system.

    Arrays that are in use stay as they are, and so does the memory that they lie in.

    Returns
    -------
    int
        Bytes that were returned.

    Notes
    -----
    Memory is kept because using it again is several times faster than getting it afresh: at most an eighth of the
    machine's memory, or as many bytes as `TAPELESS_POOL_LIMIT` says.
    """
    return POOL.release() + sum([release() for release in _others])
