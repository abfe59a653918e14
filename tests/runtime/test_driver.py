"""Sums over broadcast dimensions: accurate, and the same bits for the same values."""

import itertools
import math
import platform
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.errors import CacheError
from tapeless.runtime import cores
from tapeless.runtime import driver as driver_module
from tapeless.runtime.arrays import Caller
from tapeless.runtime.build import build
from tapeless.runtime.cache import Cache
from tapeless.runtime.driver import driver
from tapeless.runtime.load import load
from tapeless.runtime.signature import KernelSignature, Operand, Result

# v broadcast against `spread`; the kernel returns the cotangent, which is thereby summed to the shape of v.
OPERANDS = (Operand("g", role="cotangent"), Operand("v"), Operand("spread"))
RESULTS = (Result("v_bar", like=1),)
# The backward function of w*x + b.
LINE = (Operand("y", role="cotangent"), Operand("w"), Operand("x"), Operand("b"))
LINE_GRADIENTS = (Result("w_bar", like=1), Result("x_bar", like=2), Result("b_bar", like=3))
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24}


@pytest.fixture
def total(make):
    """Sum `values` over the dimensions that `shape` lacks."""

    def of(array, shape):
        # "copy" reads its first two operands: the cotangent, and v, of which it takes nothing.
        caller = make("copy", array.dtype.name, OPERANDS, RESULTS)
        return caller((array, np.zeros(shape, array.dtype), np.zeros(array.shape, array.dtype)))[0]

    return of


def hard(shape, dtype, seed=0):
    """Values of mixed sign and size, whose sum cancels."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 7, shape)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 127, 129, 511, 512, 513, 4097, 100_003])
def test_full_sum_is_accurate(total, n, dtype):
    array = hard(n, dtype, n)
    exact = math.fsum(array.tolist())
    # Pairwise within a tile of 512 points, compensated beyond: a bound that does not grow with n.
    bound = 25 * 2.0**-53 * math.fsum(np.abs(array).tolist()) + ROUNDING[dtype] * abs(exact)
    assert abs(float(total(array, ())) - exact) <= bound


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(1000, 7), (7, 1000), (3, 50, 11, 2), (2, 40_000)])
def test_partial_sums_are_accurate(total, shape, dtype):
    array = hard(shape, dtype)
    for kept in itertools.product([False, True], repeat=len(shape)):
        small = tuple(n if keep else 1 for n, keep in zip(shape, kept, strict=True))
        axes = tuple(d for d, keep in enumerate(kept) if not keep)
        found = total(array, small)
        exact = fsum(array, axes)
        size = fsum(np.abs(array), axes)
        assert found.shape == small
        assert (
            np.abs(found.astype(float) - exact) <= 25 * 2.0**-53 * size + ROUNDING[dtype] * abs(exact)
        ).all()


def fsum(array, axes):
    moved = np.moveaxis(array, axes, range(len(axes)))
    flat = moved.reshape(-1, math.prod(moved.shape[len(axes) :]))
    sums = [math.fsum(column) for column in flat.T.tolist()]
    return np.array(sums).reshape([1 if d in axes else n for d, n in enumerate(array.shape)])


def test_sum_beyond_plain_double(total):
    # 1 + 1e-16 + 1e-16 + ...: a plain running sum stays at 1 for ever.
    array = np.full(1_000_000, 1e-16)
    array[0] = 1.0
    assert float(total(array, ())) == pytest.approx(1.0 + 999_999e-16, abs=25 * 2.0**-53)
    rows = np.full((4000, 3), 1e-16)
    rows[0] = 1.0
    np.testing.assert_allclose(total(rows, (3,)), 1.0 + 3999e-16, rtol=0, atol=25 * 2.0**-53)


def test_float32_sums_in_double(total):
    ones = np.full(1 << 25, 1.0, "float32")
    assert total(ones, ()) == 2.0**25


def layouts(array):
    """Return the same values, lying differently."""
    yield array
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=-1)[..., ::2]
    yield array[::-1].copy()[::-1]
    yield np.stack([array, array], axis=-1)[..., 0]
    yield np.concatenate([array, array])[: len(array)]
    raw = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[...] = array
    yield raw


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(300, 40), (40, 300), (5, 6, 700), (100_000,)])
def test_sums_do_not_depend_on_the_layout(make, total, shape, dtype):
    array = hard(shape, dtype)
    for kept in itertools.product([False, True], repeat=len(shape)):
        small = tuple(n if keep else 1 for n, keep in zip(shape, kept, strict=True))
        bits = {total(view, small).tobytes() for view in layouts(array)}
        assert len(bits) == 1
        out = np.empty([2 * n for n in small], dtype)[tuple(slice(None, None, 2) for _ in small)]
        caller = make("copy", dtype, OPERANDS, RESULTS)
        caller((array, np.zeros(small, dtype), np.zeros(shape, dtype)), out)
        assert out.tobytes() in bits


def test_sums_do_not_depend_on_how_the_shape_is_written(total):
    array = hard((30, 40, 50), "float64")
    bits = {
        total(array.reshape(shape), ()).tobytes() for shape in [(30, 40, 50), (60_000,), (1, 1200, 50, 1)]
    }
    assert len(bits) == 1


@pytest.mark.parametrize(
    ("special", "expected"),
    [
        ([np.inf], np.inf),
        ([-np.inf], -np.inf),
        ([np.inf, -np.inf], np.nan),
        ([np.nan], np.nan),
        ([np.nan, np.inf], np.nan),
    ],
)
@pytest.mark.parametrize("shape", [(), (1, 1), (1, 5), (2000, 1)])
def test_infinite_and_undefined_sums(total, special, expected, shape):
    array = np.ones((2000, 5))
    array[7 : 7 + len(special), 2] = special
    found = np.broadcast_to(total(array, shape), (1, 5) if shape == (1, 5) else shape)
    if shape == (2000, 1):
        np.testing.assert_array_equal(found[:7], 5.0)
        np.testing.assert_array_equal(found[7 : 7 + len(special), 0], special)
    else:
        np.testing.assert_array_equal(found.ravel()[2 if shape == (1, 5) else 0], expected)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=700), st.integers(1, 5))
def test_any_sum(make, values, columns):
    array = np.repeat(np.array(values)[:, None], columns, axis=1)
    caller = make("copy", "float64", OPERANDS, RESULTS)
    found = caller((array, np.zeros(columns), np.zeros(array.shape)))[0]
    exact, size = math.fsum(values), math.fsum(abs(v) for v in values)
    assert (np.abs(found - exact) <= 25 * 2.0**-53 * size).all()


def test_many_lanes(compiler, shared_cache):
    """A kernel with so many lanes that tiles get small."""
    lanes = 5000
    text = f"""
    #include <stddef.h>
    void negate(ptrdiff_t n, const void *const *in, void *const *out)
    {{
        for (int k = 0; k < {lanes}; k++)
            for (ptrdiff_t i = 0; i < n; i++)
                ((double *)out[k])[i] = -((const double *)in[k])[i];
    }}
    """
    function = load(build(text, compiler=compiler, cache=shared_cache), ["negate"])["negate"]
    operands, results = (Operand("x", (lanes,)),), (Result("y", (lanes,)),)
    caller = Caller(
        function, KernelSignature("negate", "float64", operands, results), driver(compiler, shared_cache)
    )
    x = np.random.default_rng(0).standard_normal((70, lanes))
    np.testing.assert_array_equal(caller((x,))[0], -x)
    summed = Caller(
        function,
        KernelSignature("negate", "float64", operands, (Result("y", (lanes,), like=0),)),
        driver(compiler, shared_cache),
    )
    np.testing.assert_array_equal(summed((x[:1],))[0], -x[:1])


def test_driver_is_built_at_the_first_call_that_needs_it(compiler, make, monkeypatch):
    cache = Cache()
    asked = driver(compiler, cache)
    assert cache.info().entries == 0
    found = asked()
    assert cache.info().entries == 1
    monkeypatch.setattr(driver_module, "_load", None)
    assert asked() is found
    assert callable(driver(compiler, cache, threads=1)()), "the same library, with another limit"


def test_driver_is_built_elsewhere_where_the_cache_cannot_be_written(compiler, monkeypatch):
    cache = Cache()

    def refuse(*_):
        raise CacheError("read-only")

    monkeypatch.setattr(Cache, "store", refuse)
    found = driver(compiler, cache)()
    assert callable(found)
    assert driver(compiler, cache)() is found


def test_driver_runs_without_a_cache(compiler):
    assert callable(driver(compiler, None)())


@pytest.mark.parametrize("level", ["-O1", "-O3"])
@pytest.mark.parametrize("command", ["gcc", "clang"])
@pytest.mark.parametrize("machine", [(), ("-march=x86-64",), ("-march=x86-64-v3",), ("-march=x86-64-v4",)])
def test_driver_compiles_without_a_warning(driver_folder, command, level, machine):
    if shutil.which(command) is None:
        pytest.skip(f"no {command} here")
    if machine and platform.machine() != "x86_64":
        pytest.skip("a processor of another kind")
    strict = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-shared", "-pthread")
    files = ("-o", "driver.so", "driver.c", "-lm")
    subprocess.run([command, level, *strict, *machine, *files], cwd=driver_folder, check=True)


@pytest.mark.parametrize(
    "streams",
    [
        (),
        ("-DSTREAM_FROM=0", "-DHALF_STAY=1e9", "-DSOME_STAY=1e9"),
        ("-DSTREAM_FROM=0", "-DHALF_STAY=0", "-DSOME_STAY=0"),
    ],
    ids=["in cache", "half of it streamed", "streamed"],
)
@pytest.mark.parametrize(
    "sanitizer", [(), ("address,undefined",), ("thread",)], ids=["plain", "memory", "threads"]
)
def test_driver_does_what_plain_loops_do(check_program, sanitizer, streams):
    """Any shapes, strides, broadcasts, sums and numbers of threads; under sanitizers as well."""
    program = check_program("driver_check.c", sanitizer, "-DLONGEST_REST=0", *streams)
    for seed in range(3):
        program(seed, 60 if sanitizer else 300)


def test_sums_do_not_depend_on_threads(compiler, shared_cache, pointers, monkeypatch):
    """Nor do other results: blocks are cut by the shape of the batch alone."""
    monkeypatch.setattr(cores, "_limit", 8)
    rng = np.random.default_rng(7)
    for rows, columns in [(300_000, 1), (40_000, 7), (7, 40_000), (300, 900), (3, 100_000)]:
        g = rng.standard_normal((rows, columns)) * 10.0 ** rng.integers(-9, 9, (rows, columns))
        w, x, b = rng.random((1, columns)), rng.random((rows, columns)), rng.random((rows, 1))
        # A cost by which helpers are worth it.
        signature = KernelSignature("line_backward", "float64", LINE, LINE_GRADIENTS, 40.0)
        found = set()
        for threads in (*range(1, 9), 4, 2):
            caller = Caller(
                pointers("float64")["line_backward"], signature, driver(compiler, shared_cache, threads)
            )
            found.add(tuple(result.tobytes() for result in caller((g, w, x, b))))
        assert len(found) == 1


def test_shaped_operands_are_transposed(make):
    """Rows of any small length, of either type, whole or cut out of longer ones."""
    for dtype in ("float64", "float32"):
        for points in (1, 3, 4, 5, 64, 1000):
            wide = np.arange(points * 5.0, dtype=dtype).reshape(points, 5)
            s = np.arange(1.0, points + 1, dtype=dtype)
            for x in (
                wide[:, :3].copy(),
                wide[:, 1:4],
                wide[:, :3].copy()[::-1],
                np.asfortranarray(wide[:, :3]),
            ):
                value, scaled = make("norm", dtype)((x, s))
                np.testing.assert_array_equal(scaled, s[:, None] * x)
                np.testing.assert_allclose(value, (scaled**2).sum(axis=1), rtol=1e-6)
                out = np.zeros((points, 7), dtype)
                make("norm", dtype)((x, s), (None, out[:, 2:5]))
                np.testing.assert_array_equal(out[:, 2:5], scaled)
                assert not out[:, :2].any()
                assert not out[:, 5:].any()


def test_large_results_are_streamed_to_any_place(make):
    """Beyond the caches: results of every alignment, contiguous or in rows; the memory around them is left alone."""
    n = (1 << 20) + 5
    w, x, b = (np.random.default_rng(k).random(n) for k in range(3))
    for shift in range(8):
        room = np.full(n + 16, -1.0)
        out = room[shift : shift + n]
        make("line")((w, x, b), out)
        np.testing.assert_array_equal(out, w * x + b)
        assert (room[:shift] == -1.0).all()
        assert (room[shift + n :] == -1.0).all()
    rows = np.random.default_rng(9).random((n // 2, 3))
    value, scaled = make("norm")((rows, w[: n // 2]))
    np.testing.assert_array_equal(scaled, w[: n // 2, None] * rows)
    np.testing.assert_allclose(value, (scaled**2).sum(axis=1), rtol=1e-14)


def test_batches_that_lie_alike_are_described_once(make):
    caller = make("line")
    x = np.arange(12.0).reshape(3, 4)
    for _ in range(3):
        np.testing.assert_array_equal(caller((x, x[:, :1], 1.0))[0], x * x[:, :1] + 1.0)
    assert len(caller._batches) == 1
    for columns in range(1, 60):
        y = np.ones((2, columns))
        np.testing.assert_array_equal(caller((y, y[:1], 1.0))[0], np.full((2, columns), 2.0))
    assert len(caller._batches) <= 32
