"""The broadcasting driver (driver.c): built at the first call that needs it, then cached like any library."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from tapeless.errors import CacheError
from tapeless.runtime.cores import thread_limit
from tapeless.runtime.light import NamedTuple
from tapeless.runtime.load import CFunction, Declaration, load
from tapeless.runtime.signature import KernelSignature

if TYPE_CHECKING:
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import Compiler
    from tapeless.runtime.library import Library

SYMBOL = "tapeless_drive"
_SIZES = {"float64": 8, "float32": 4}

DRIVER = Declaration(
    cdef="""
        int f(void (*kernel)(ptrdiff_t, const void *const *, void *const *), int itemsize, double cost,
              ptrdiff_t threads, ptrdiff_t dimensions, const ptrdiff_t *extent,
              ptrdiff_t n_in, const void *const *in, const ptrdiff_t *in_rows,
              ptrdiff_t n_out, void *const *out, const ptrdiff_t *out_rows);
    """,
    version=0x2601,
    types=(
        b"\x00\x00\x02\x0d\x00\x00\x0e\x03\x00\x00\x07\x01\x00\x00\x0e\x01\x00\x00\x1b\x01\x00\x00"
        b"\x1b\x01\x00\x00\x04\x03\x00\x00\x1b\x01\x00\x00\x14\x03\x00\x00\x06\x11\x00\x00\x1b\x01"
        b"\x00\x00\x13\x03\x00\x00\x06\x11\x00\x00\x00\x0f\x00\x00\x15\x0d\x00\x00\x1b\x01\x00\x00"
        b"\x08\x11\x00\x00\x0b\x11\x00\x00\x00\x0f\x00\x00\x15\x03\x00\x00\x15\x03\x00\x00\x00\x01"
    ),
    opcode=b"\x00\x00\x00\x23",
)

HEADERS = ("layout.h", "moves.h", "sums.h", "workers.h")

# Where vectors matter the source spells them out; a level above takes twice as long to compile and gains nothing.
_OPTIMIZE = "-O1"


class Batch(NamedTuple):
    """The batch of a call, as C takes it.

    Attributes
    ----------
    extents
        The batch shape.
    inputs, results
        For each operand and result in turn its number of lanes, the distance between lanes, and one stride per
        batch dimension, 0 where it is broadcast; all distances in bytes.
    """

    extents: Any
    inputs: Any
    results: Any


def describe(extents: Sequence[int], inputs: Sequence[int], results: Sequence[int]) -> Batch:
    """Convert the description of a batch to C, once for all calls that share it."""
    return Batch(_array(extents), _array(inputs), _array(results))


def direct_points(signature: KernelSignature) -> int:
    """Return how many points the kernel can as well be given directly, where all of it lies as it should.

    Beyond, the call is long enough for threads, or for results that go past the caches, to pay for the driver.
    """
    lanes = sum(o.lanes for o in signature.operands) + sum(r.lanes for r in signature.results)
    return int(_DIRECT / max(signature.cost, lanes * _LANE)) + 1


_DIRECT = 4000.0  # nanoseconds
_LANE = 0.1  # for reading or writing a number in cache


class Drive:
    """The driver with the number of threads that a function may have.

    Parameters
    ----------
    function
        The C function.
    threads
        The most threads of a call; None for as many as `thread_limit` allows.
    """

    __slots__ = ("_function", "_threads")

    def __init__(self, function: CFunction, threads: int | None) -> None:
        self._function = function
        self._threads = threads

    def __call__(
        self,
        kernel: CFunction,
        signature: KernelSignature,
        batch: Batch,
        inputs: Sequence[Any],
        results: Sequence[Any],
    ) -> None:
        """Run a kernel.

        Parameters
        ----------
        kernel, signature
            The kernel and its description.
        batch
            Where its operands lie, from `describe`.
        inputs, results
            Pointers to them.

        Raises
        ------
        MemoryError
            There is no memory for buffers; nothing has been written then.
        """
        limit = _MOST_THREADS[0] = thread_limit()
        if self._threads is not None and self._threads < limit:
            limit = self._threads
        head = (kernel, _SIZES[signature.dtype], signature.cost, limit, len(batch.extents), batch.extents)
        if self._function(*head, len(inputs), inputs, batch.inputs, len(results), results, batch.results):
            raise MemoryError("no memory for the buffers of a call")

    def lead(self, plan: Any, signature: KernelSignature, make: Callable[..., Any], large: int) -> None:
        """Tell the fast caller's plan of a kernel where the driver is, so that long calls need no Python either.

        Parameters
        ----------
        plan, signature
            The plan and the kernel's description.
        make
            Makes an array, from shape and dtype, of `large` bytes or more.
        large
            Bytes from which it is asked.
        """
        plan.lead(
            int(_FFI.cast(_ADDRESS, self._function)),
            int(_FFI.cast(_ADDRESS, _MOST_THREADS)),
            self._threads or 0,
            signature.cost,
            make,
            large,
        )


_FFI = DRIVER.ffi()
_ADDRESS = _FFI.typeof("uintptr_t")
_NUMBERS = _FFI.typeof("ptrdiff_t[]")


def _array(numbers: Sequence[int]) -> Any:
    return _FFI.new(_NUMBERS, numbers)


# The most threads of any call, for callers in C; 0 until it is known, and again in the child of a fork.
_MOST_THREADS = _array([0])


def _forget() -> None:
    _MOST_THREADS[0] = 0


os.register_at_fork(after_in_child=_forget)


# (compiler, cache directory) -> function, and with a number of threads -> driver, for the whole process.
_functions: dict[tuple[str, str | None], CFunction] = {}
_drivers: dict[tuple[str, str | None, int | None], Drive] = {}


def driver(compiler: Compiler, cache: Cache | None, threads: int | None = None) -> Callable[[], Drive]:
    """Return a function that gives the driver, building it the first time it is asked.

    Parameters
    ----------
    compiler, cache
        As for `build`.
    threads
        The most threads of a call; None for as many as `thread_limit` allows.
    """
    return partial(_get, compiler, cache, threads)


def _get(compiler: Compiler, cache: Cache | None, threads: int | None) -> Drive:
    library = (compiler.identity, cache.root if cache is not None else None)
    found = _drivers.get((*library, threads))
    if found is None:
        function = _function(compiler, cache)
        found = _drivers.setdefault((*library, threads), Drive(function, threads))
    return found


def address(compiler: Compiler, cache: Cache | None) -> int:
    """Return where the driver is, for callers in C, building it if need be."""
    return int(_FFI.cast("uintptr_t", _function(compiler, cache)))


def _function(compiler: Compiler, cache: Cache | None) -> CFunction:
    library = (compiler.identity, cache.root if cache is not None else None)
    found = _functions.get(library)
    if found is None:
        found = _functions.setdefault(library, _load(compiler, cache))
    return found


def _load(compiler: Compiler, cache: Cache | None) -> CFunction:
    from tapeless.runtime.build import build

    def make(cache: Cache | None) -> Library:
        return build(
            source(),
            stem="driver",
            headers=headers(),
            compiler=compiler,
            optimize=_OPTIMIZE,
            extra_flags=("-pthread",),
            cache=cache,
        )

    try:
        library = make(cache)
    except CacheError:
        # A cache that can only be read served the kernel; a call should not fail for it.
        if cache is None:
            raise
        library = make(None)
    return load(library, (SYMBOL,), DRIVER)[SYMBOL]


def default_driver() -> Drive:
    """Return the driver built with the default compiler and cache."""
    from tapeless.runtime.cache import Cache
    from tapeless.runtime.compiler import find_compiler

    return _get(find_compiler(), Cache(), None)


def source() -> str:
    """Return the text of driver.c, which includes `HEADERS`."""
    return _read("driver.c")


def headers() -> dict[str, str]:
    """Return the texts of the headers by name."""
    return {name: _read(name) for name in HEADERS}


def _read(name: str) -> str:
    from tapeless.runtime.extension import text_beside

    return text_beside(__file__, "tapeless.runtime", name)
