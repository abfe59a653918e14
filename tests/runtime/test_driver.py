"""Sums over broadcast dimensions: accurate, and the same bits for the same values."""

import itertools
import math
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeless.errors import CacheError
from tapeless.runtime import driver as driver_module
from tapeless.runtime.cache import Cache
from tapeless.runtime.driver import driver, source
from tapeless.runtime.signature import Operand, Result

# v broadcast against `spread`; the kernel returns the cotangent, which is thereby summed to the shape of v.
OPERANDS = (Operand("g", role="cotangent"), Operand("v"), Operand("spread"))
RESULTS = (Result("v_bar", like=1),)
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
    from tapeless.runtime.arrays import Caller
    from tapeless.runtime.build import build
    from tapeless.runtime.load import load
    from tapeless.runtime.signature import KernelSignature

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
    monkeypatch.setattr(driver_module, "_make", None)
    assert asked() is found


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


def test_driver_compiles_without_a_warning(compiler, tmp_path):
    (tmp_path / "driver.c").write_text(source())
    strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
    subprocess.run(compiler.command("driver.c", "driver.so", extra=strict), cwd=tmp_path, check=True)


def test_driver_touches_only_what_it_may(compiler, tmp_path):
    """Under the sanitizers: odd shapes, strides, broadcasts and sums, against plain loops."""
    (tmp_path / "driver.c").write_text(source())
    (tmp_path / "main.c").write_text(SANITIZED)
    built = subprocess.run(
        [*compiler.argv, "-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         "-o", "main", "main.c", "-lm"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    if built.returncode:
        pytest.skip("this compiler has no sanitizers")
    run = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


SANITIZED = r"""
#include "driver.c"
#include <stdio.h>

static void both(ptrdiff_t n, const void *const *in, void *const *out)
{
    const double *a = in[0], *b = in[1];
    double *c = out[0], *d = out[1];
    for (ptrdiff_t i = 0; i < n; i++) { c[i] = a[i] + b[i]; d[i] = a[i] * b[i]; }
}

int main(void)
{
    ptrdiff_t sides[] = {1, 2, 3, 17, 600};
    for (int p = 0; p < 5; p++) for (int q = 0; q < 5; q++) for (int mask = 0; mask < 32; mask++) {
        ptrdiff_t rows = sides[p], columns = sides[q], extent[2] = {rows, columns};
        /* b and the sum lack the dimensions that the mask names; a and c are transposed, a is misaligned,
         * when it says so. */
        ptrdiff_t b_rows = mask & 1 ? 1 : rows, b_columns = mask & 2 ? 1 : columns;
        double *a = malloc((size_t)(rows * columns) * sizeof *a), *c = malloc((size_t)(rows * columns) * sizeof *c);
        double *b = malloc((size_t)(b_rows * b_columns) * sizeof *b);
        double *d = malloc((size_t)(b_rows * b_columns) * sizeof *d);
        char *odd = malloc((size_t)(rows * columns) * sizeof *a + 1), *a_data = mask & 16 ? odd + 1 : (char *)a;
        for (ptrdiff_t i = 0; i < rows * columns; i++) a[i] = (double)(i % 13);
        memcpy(odd + 1, a, (size_t)(rows * columns) * sizeof *a);
        for (ptrdiff_t i = 0; i < b_rows * b_columns; i++) b[i] = (double)(i % 7);
        ptrdiff_t s = sizeof(double);
        ptrdiff_t as[2] = {mask & 4 ? s : columns * s, mask & 4 ? rows * s : s};
        ptrdiff_t cs[2] = {mask & 8 ? s : columns * s, mask & 8 ? rows * s : s};
        ptrdiff_t bs[2] = {mask & 1 ? 0 : b_columns * s, mask & 2 ? 0 : s};
        ptrdiff_t in_rows[8] = {1, 0, as[0], as[1], 1, 0, bs[0], bs[1]};
        ptrdiff_t out_rows[8] = {1, 0, cs[0], cs[1], 1, 0, bs[0], bs[1]};
        const void *in[2] = {a_data, b};
        void *out[2] = {c, d};
        if (tapeless_drive(both, 8, 2, extent, 2, in, in_rows, 2, out, out_rows) != DONE) return 1;
        double *expected = calloc((size_t)(b_rows * b_columns), sizeof *expected);
        for (ptrdiff_t i = 0; i < rows; i++) for (ptrdiff_t j = 0; j < columns; j++) {
            ptrdiff_t k = (i * bs[0] + j * bs[1]) / s;
            double x = a[(i * as[0] + j * as[1]) / s], y = b[k];
            if (c[(i * cs[0] + j * cs[1]) / s] != x + y) { fprintf(stderr, "value at %td %td\n", i, j); return 1; }
            expected[k] += x * y;
        }
        for (ptrdiff_t k = 0; k < b_rows * b_columns; k++)
            if (d[k] != expected[k]) { fprintf(stderr, "sum %td of %td x %td\n", k, rows, columns); return 1; }
        free(a); free(odd); free(b); free(c); free(d); free(expected);
    }
    return 0;
}
"""
