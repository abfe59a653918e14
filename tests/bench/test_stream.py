"""The measure of bandwidth: its C, and that it does what it counts."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from tapeless.bench.stream import ARRAYS, Stream, load_stream, source


@pytest.fixture(scope="module")
def stream():
    return load_stream()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("architecture", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_the_c_compiles_without_warnings(tmp_path, compiler, architecture):
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here")
    (tmp_path / "stream.c").write_text(source())
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    march = [f"-march={architecture}"] if "x86" in _machine() else []
    done = subprocess.run(
        [compiler, *flags, *march, "-c", "stream.c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _machine():
    import platform

    return platform.machine()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000, 1003])
@pytest.mark.parametrize("name", list(ARRAYS))
def test_every_element_is_written(stream, name, count):
    symbol = {"copy": "stream_copy", "triad": "stream_triad"}[name.partition(",")[0]]
    symbol += "_nontemporal" if "non-temporal" in name else ""
    raw = np.zeros(3 * (count + 16) * 8 + 64, np.uint8)
    start = -raw.ctypes.data % 64
    room = -(-count // 8) * 8 + 8
    arrays = [raw[start + k * room * 8 :][: count * 8].view(np.float64) for k in range(3)]
    a, b, c = arrays
    b[:], c[:] = np.arange(count), 0.5
    pointers = [array.ctypes.data for array in arrays[: ARRAYS[name]]]
    getattr(stream.library, symbol)(*pointers, count, 2)
    np.testing.assert_array_equal(a, b if "copy" in name else b + 3.0 * c)
    assert not raw[start + count * 8 : start + room * 8].any()


@pytest.mark.parametrize(("moved", "threads"), [(4, 1), (24, 3), (24_000, 1), (24_000, 2), (200, 4)])
def test_ways_of_any_size_and_number_of_threads(stream, moved, threads):
    ways = stream.ways(moved, threads)
    expected = {name for name in ARRAYS if stream.nontemporal or "non-temporal" not in name}
    assert set(ways) == expected
    for way in ways.values():
        way.call()
        assert way.repeats >= 1


class Recorder:
    """In place of the library: notes what its functions are called with."""

    def __init__(self, calls):
        self._calls = calls

    def __getattr__(self, name):
        return lambda *arguments: self._calls.append(arguments)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_all_measures_move_as_many_bytes(stream, threads):
    calls = []
    for way in Stream(Recorder(calls), stream.nontemporal).ways(48_000, threads).values():
        del calls[:]
        way.call()
        arrays = len(calls[0]) - 2
        places = [range(pointer, pointer + 8 * call[-2]) for call in calls for pointer in call[:arrays]]
        assert sum(map(len, places)) == 48_000
        assert all(one.stop <= two.start for one, two in pairwise(sorted(places, key=lambda r: r.start)))


def test_the_work_is_repeated_until_the_call_does_not_count(stream):
    assert stream.ways(1 << 30, 1)["copy"].repeats == 1
    assert stream.ways(1 << 12, 1)["copy"].repeats == 1 << 10


def test_it_says_whether_it_has_nontemporal_stores(stream):
    assert isinstance(stream.library, ctypes.CDLL)
    assert stream.nontemporal or "x86" not in _machine()
