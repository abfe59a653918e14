"""Memory of large results: used again when nobody can see it, never before, and bounded."""

from __future__ import annotations

import threading

import numpy as np

import tapeless as tl
from tapeless.runtime.pool import SMALLEST, Pool

DOUBLE = np.dtype("float64")
N = SMALLEST // 8


def address(array):
    return array.__array_interface__["data"][0]


def test_a_buffer_serves_again_when_its_array_is_gone():
    pool = Pool()
    first = pool.empty((N,), DOUBLE)
    place = address(first)
    assert place % 64 == 0
    del first
    assert address(pool.empty((N // 2, 2), DOUBLE)) == place


def test_an_array_or_view_that_somebody_holds_keeps_its_memory():
    pool = Pool()
    first = pool.empty((N,), DOUBLE)
    view = first[::2]
    window = memoryview(first)
    place = address(first)
    del first
    second = pool.empty((N,), DOUBLE)
    assert address(second) != place
    del view
    assert address(pool.empty((N,), DOUBLE)) != place, "the memoryview still sees it"
    window.release()
    del window
    third, fourth = pool.empty((N,), DOUBLE), pool.empty((N,), DOUBLE)
    assert place in (address(third), address(fourth))


def test_small_and_very_large_arrays_are_numpys_own():
    pool = Pool(limit=4 * SMALLEST)
    assert pool.empty((8,), DOUBLE).base is None
    assert pool.empty((5 * N,), DOUBLE).base is None


def test_much_smaller_arrays_do_not_take_a_large_buffer():
    pool = Pool()
    place = address(pool.empty((8 * N,), DOUBLE))
    assert address(pool.empty((N,), DOUBLE)) != place


def test_what_is_kept_is_bounded_and_can_be_let_go():
    pool = Pool(limit=3 * SMALLEST)
    held = [pool.empty((N,), DOUBLE) for _ in range(6)]
    for k, array in enumerate(held):
        array[:] = k
    assert [array[-1] for array in held] == list(range(6))
    assert sum(buffer.nbytes for buffer in pool._buffers) <= 3 * SMALLEST + 64
    pool.release()
    assert not pool._buffers
    assert held[0][0] == 0


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
