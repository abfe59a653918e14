"""Memory of large results: used again when nobody can see it, never before, and bounded."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import tapeless as tl
from tapeless.runtime import pool as pool_module
from tapeless.runtime.pool import SMALLEST, Pool, release_with_pool

DOUBLE = np.dtype("float64")
N = SMALLEST // 8 + 1000  # with room to the next size of block


def address(array):
    return array.__array_interface__["data"][0]


def page(array):
    """Where the block of an array begins: the array itself starts some lines in, each time at another place."""
    return address(array) // 4096


def test_a_buffer_serves_again_when_its_array_is_gone():
    pool = Pool()
    first = pool.empty((N,), DOUBLE)
    place = page(first)
    assert address(first) % 64 == 0
    del first
    second = pool.empty((N // 2, 2), DOUBLE)
    assert page(second) == place
    assert address(second) % 64 == 0


def test_an_array_or_view_that_somebody_holds_keeps_its_memory():
    pool = Pool()
    first = pool.empty((N,), DOUBLE)
    view = first[::2]
    window = memoryview(first)
    place = page(first)
    del first
    second = pool.empty((N,), DOUBLE)
    assert page(second) != place
    del view
    third = pool.empty((N,), DOUBLE)
    assert page(third) != place, "the memoryview still sees it"
    window.release()
    del window
    fourth = pool.empty((N,), DOUBLE)
    assert page(fourth) == place


@pytest.mark.parametrize("keep", [lambda a: a.reshape(2, -1), np.from_dlpack, lambda a: a.T.ravel("K")])
def test_whatever_looks_into_an_array_keeps_its_memory(keep):
    pool = Pool()
    first = pool.empty((N,), DOUBLE)
    first[:] = 7
    kept = keep(first)
    del first
    pool.empty((N,), DOUBLE)[:] = 8
    assert (np.asarray(kept) == 7).all()


def test_small_and_very_large_arrays_are_numpys_own():
    pool = Pool(limit=4 * SMALLEST)
    assert pool.empty((8,), DOUBLE).base is None
    assert pool.empty((5 * N,), DOUBLE).base is None


def test_much_smaller_arrays_do_not_take_a_large_buffer():
    pool = Pool()
    place = page(pool.empty((8 * N,), DOUBLE))
    assert page(pool.empty((N,), DOUBLE)) != place


def test_what_is_kept_is_bounded_and_can_be_let_go():
    pool = Pool(limit=3 * SMALLEST)
    held = [pool.empty((N,), DOUBLE) for _ in range(6)]
    for k, array in enumerate(held):
        array[:] = k
    assert [array[-1] for array in held] == list(range(6))
    assert pool.idle_bytes == 0
    last = held.pop()
    held.clear()
    assert 0 < pool.idle_bytes <= 3 * SMALLEST
    kept = pool.idle_bytes
    assert pool.release() == kept
    assert pool.idle_bytes == 0
    assert last[0] == 5


def test_the_limit_is_the_users(monkeypatch):
    monkeypatch.setenv("TAPELESS_POOL_LIMIT", "0")
    assert Pool().empty((N,), DOUBLE).base is None
    monkeypatch.setenv("TAPELESS_POOL_LIMIT", "much")
    with pytest.raises(tl.ArgumentError, match="TAPELESS_POOL_LIMIT='much' is not a number of bytes"):
        Pool().empty((N,), DOUBLE)


def test_memory_is_released_on_request():
    f = tl.compile("f(x) = 2*x")
    x = np.arange(float(2 * N))
    tl.release_memory()
    kept = f(x)
    f(x)
    released = tl.release_memory()
    assert released >= x.nbytes
    assert tl.release_memory() == 0
    np.testing.assert_array_equal(kept, 2 * x)


def test_what_else_keeps_memory_is_asked_as_well(monkeypatch):
    tl.release_memory()
    monkeypatch.setattr(pool_module, "_others", [lambda: 300, lambda: 21])
    release_with_pool(lambda: 4000)
    assert tl.release_memory() == 4321


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_fork_starts_without_idle_blocks():
    """Each of their pages would have to be copied from the parent's."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "0", "True"]


FORKING = """
import os
import numpy as np
from tapeless.runtime.pool import POOL
def make():
    return POOL.empty((1 << 18,), np.dtype("float64"))
kept = make()
kept[:] = 1
make()
print(POOL.idle_bytes > 0, flush=True)
if os.fork() == 0:
    print(POOL.idle_bytes, flush=True)
    make()[:] = 2
    os._exit(int((kept != 1).any()))
_, status = os.wait()
print(status == 0 and bool((kept == 1).all()))
"""


def test_blocks_come_back_while_the_interpreter_goes_down():
    text = """
import atexit, sys
import numpy as np
import tapeless as tl
f = tl.compile("f(x) = 2*x")
x = np.arange(400_000.0)
f(x)
class Late:
    def __init__(self):
        self.array = f(x)
        self.loop = self
    def __del__(self):
        self.array = None
late = Late()
sys.modules["late"] = late
atexit.register(lambda: f(x))
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_block_may_come_back_from_the_garbage_collector():
    pool = Pool()

    class Loop:
        pass

    for _ in range(50):
        loop = Loop()
        loop.self, loop.array = loop, pool.empty((N,), DOUBLE)
    del loop
    gc.collect()
    assert pool.idle_bytes > 0
    assert pool.empty((N,), DOUBLE).shape == (N,)


def test_results_that_are_kept_do_not_change():
    f = tl.compile("f(x) = 2*x")
    x = np.arange(float(2 * N))
    first = f(x)
    second = f(x + 1)
    np.testing.assert_array_equal(first, 2 * x)
    np.testing.assert_array_equal(second, 2 * x + 2)


def test_threads_never_share_a_buffer():
    pool, wrong = Pool(), []

    def work(number):
        for _ in range(50):
            array = pool.empty((N,), DOUBLE)
            array[:: N // 16] = number
            if not (array[:: N // 16] == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
