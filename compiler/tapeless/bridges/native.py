"""What a host that calls kernels from C or machine code of its own has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tapeless.runtime import driver, warm
from tapeless.runtime.cores import thread_limit

if TYPE_CHECKING:
    from tapeless.options import Options
    from tapeless.runtime.arrays import Caller


class Native(NamedTuple):
    """A kernel with the driver that runs it over batches.

    Attributes
    ----------
    kernel
        Where the kernel is: `void (ptrdiff_t n, const void *const *in, void *const *out)`.
    driver
        Where `tapeless_drive` is, see driver.c.
    cost
        Nanoseconds that a point takes, roughly.
    threads
        The most threads of a call.
    direct
        Points up to which the kernel can as well be called itself, where all of it lies as it should.
    """

    kernel: int
    driver: int
    cost: float
    threads: int
    direct: int


def native(caller: Caller, options: Options) -> Native:
    """Return a caller's kernel, with the driver built if need be.

    Parameters
    ----------
    caller
        The kernel, bound to its signature.
    options
        Those that its function was compiled with.
    """
    limit = thread_limit()
    return Native(
        kernel=caller.address,
        driver=driver.address(warm.compiler(options.cc), warm.cache(options.cache)),
        cost=caller.signature.cost,
        threads=limit if options.threads is None else min(limit, options.threads),
        direct=driver.direct_points(caller.signature),
    )
