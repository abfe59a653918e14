"""The measure of bandwidth: its C, and that it does what it counts."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from tapeless.bench.stream import ARRAYS, load_stream, source


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


@pytest.mark.parametrize(("elements", "threads"), [(1, 1), (1, 3), (1000, 1), (1000, 2), (10, 4)])
def test_ways_of_any_size_and_number_of_threads(stream, elements, threads):
    ways = stream.ways(elements, 8, threads)
    expected = {name for name in ARRAYS if stream.nontemporal or "non-temporal" not in name}
    assert set(ways) == expected
    for way in ways.values():
        way.call()
        assert way.repeats >= 1


def test_bytes_count_not_elements(stream):
    """Single precision moves half the bytes, so the work is repeated twice as often."""
    wide, narrow = (stream.ways(1000, itemsize, 1)["copy"].repeats for itemsize in (8, 4))
    assert narrow == pytest.approx(2 * wide, rel=0.01)


def test_it_says_whether_it_has_nontemporal_stores(stream):
    assert isinstance(stream.library, ctypes.CDLL)
    assert stream.nontemporal or "x86" not in _machine()
