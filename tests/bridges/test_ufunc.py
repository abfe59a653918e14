"""Functions as NumPy ufuncs: what np.exp can be asked, they can be asked too."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest

import tapeless as tl
from tapeless.bridges import ufunc as bridge

GELU = "gelu(x) = x*(1 + erf(x/sqrt(2)))/2"
MOST = bridge._MOST_OPERANDS


@pytest.fixture(scope="module")
def gelu():
    return tl.compile(GELU)


@pytest.fixture(scope="module")
def line():
    return tl.compile("line(w, x, b) = w*x + b")


@pytest.fixture(scope="module")
def logaddexp():
    return tl.compile("softer(a, b) = max(a, b) + log1p(exp(-abs(a - b)))")


@pytest.fixture(scope="module")
def distance():
    return tl.compile("distance(x[3], y[3]) = norm(x - y)")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- values


def test_it_is_a_ufunc(gelu, line):
    assert type(gelu.ufunc) is np.ufunc
    assert gelu.ufunc is gelu.ufunc
    assert gelu.ufunc.__name__ == "gelu"
    assert "float64" in gelu.ufunc.__doc__
    assert gelu.ufunc.types == ["f->f", "d->d"]
    assert gelu.ufunc.signature is None
    assert (line.ufunc.nin, line.ufunc.nout) == (3, 1)
    assert (line.grad_ufunc.nin, line.grad_ufunc.nout) == (3, 3)


@pytest.mark.parametrize("n", [0, 1, 2, 511, 512, 513, 5000])
def test_values_are_those_of_the_function(gelu, line, n):
    w, x, b = numbers(3, n)
    np.testing.assert_array_equal(gelu.ufunc(x), gelu(x))
    np.testing.assert_array_equal(line.ufunc(w, x, b), line(w, x, b))
    for found, expected in zip(line.grad_ufunc(w, x, b), line.grad(w, x, b), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_strided_and_broadcast_arrays(line):
    w, x = numbers(700, 3), numbers(1400, 6, seed=1)
    cases = [
        (w[:, 1], x[::2, 0], 2.0),
        (w[::-1], x[::2, ::2], w[:, :1]),
        (w.T, x[:700, :3].T, np.asfortranarray(w).T),
        (2.0, x, 0.5),
        (w[:, 0][:, None], x[0, ::-1], 1.0),
        (np.broadcast_to(3.0, (700, 3)), w, w[0]),
    ]
    for case in cases:
        np.testing.assert_array_equal(line.ufunc(*case), line(*case))


def test_long_calls(gelu, line, distance):
    """Long enough for the driver and its threads."""
    w, x = numbers(2, 200_000)
    np.testing.assert_array_equal(gelu.ufunc(x), gelu(x))
    for case in [(w, x, w), (w[::-1], x, 2.0), (2.0, x, x[:1]), (w[::2], x[1::2], x[::-2])]:
        np.testing.assert_array_equal(line.ufunc(*case), line(*case))
        for found, expected in zip(line.grad_ufunc(*case), line.grad(*case), strict=True):
            np.testing.assert_array_equal(found, expected)
    out = np.empty(400_000)
    line.ufunc(w, x, 1.0, out=out[::2])
    np.testing.assert_array_equal(out[::2], line(w, x, 1.0))
    p = numbers(50_000, 3)
    for points in (p, p[:, ::-1], np.asfortranarray(p)):
        np.testing.assert_array_equal(distance.ufunc(points, p[0]), distance(points, p[0]))
        for found, expected in zip(
            distance.grad_ufunc(points, p[0]), distance.grad(points, p[0]), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def test_add_reduce(gelu):
    x = np.linspace(-3, 3, 1001)
    assert np.add.reduce(gelu.ufunc(x)) == np.add.reduce(gelu(x))


def test_out_and_where(gelu, line):
    x = numbers(1000)
    out = np.full(1000, 7.0)
    assert gelu.ufunc(x, out=out, where=x > 0) is out
    np.testing.assert_array_equal(out, np.where(x > 0, gelu(x), 7.0))
    narrow = np.empty(1000, np.float32)
    gelu.ufunc(x, out=narrow)
    np.testing.assert_array_equal(narrow, gelu(x).astype(np.float32))
    with pytest.raises(TypeError, match="Cannot cast"):
        gelu.ufunc(x, out=np.empty(1000, np.int64))
    w_bar = np.empty(1000)
    found = line.grad_ufunc(x, x, x, out=(w_bar, None, None))
    assert found[0] is w_bar
    np.testing.assert_array_equal(w_bar, x)


def test_results_that_overlap_inputs(gelu, line):
    start = numbers(3000)
    for target, source in [
        (slice(None), slice(None)),
        (slice(1, None), slice(None, -1)),
        (slice(None, -1), slice(1, None)),
        (slice(None), slice(None, None, -1)),
        (slice(0, 1000, 2), slice(0, 500)),
    ]:
        x = start.copy()
        gelu.ufunc(x[source], out=x[target])
        np.testing.assert_array_equal(x[target], gelu(start[source]))
    x = start.copy()
    line.ufunc(x, x, x, out=x)
    np.testing.assert_array_equal(x, line(start, start, start))
    x, other = start.copy(), np.empty_like(start)
    line.grad_ufunc(x, 2.0, 1.0, out=(x, other, None))
    assert (x == 2.0).all()
    np.testing.assert_array_equal(other, start)


def test_outer_reduce_accumulate_at(logaddexp):
    a = numbers(20, 700)
    mine, numpys = logaddexp.ufunc, np.logaddexp
    same = np.testing.assert_allclose
    for axis in (0, 1):
        same(mine.reduce(a, axis=axis), numpys.reduce(a, axis=axis), rtol=1e-13)
        same(mine.accumulate(a, axis=axis), numpys.accumulate(a, axis=axis), rtol=1e-13)
    same(mine.reduce(a[0], initial=3.0, where=a[0] > 0), numpys.reduce(a[0], initial=3.0, where=a[0] > 0))
    same(mine.reduceat(a[0], [0, 5, 300]), numpys.reduceat(a[0], [0, 5, 300]), rtol=1e-13)
    same(mine.outer(a[0, :9], a[1, :8]), numpys.outer(a[0, :9], a[1, :8]), rtol=1e-13)
    x, y = a[0, :10].copy(), a[0, :10].copy()
    mine.at(x, [1, 1, 3], 0.5)
    numpys.at(y, [1, 1, 3], 0.5)
    same(x, y, rtol=1e-13)
    with pytest.raises(ValueError, match="no identity"):
        mine.reduce([])


def test_types(gelu):
    x = numbers(1000)
    narrow = x.astype(np.float32)
    found = gelu.ufunc(narrow)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, gelu(narrow).astype(np.float32))
    assert gelu.ufunc(narrow[::3]).dtype == np.float32
    assert gelu.ufunc(np.arange(4)).dtype == np.float64
    assert gelu.ufunc(np.float16(1.0)).dtype == np.float32
    assert gelu.ufunc(2.0) == gelu(2.0)
    assert gelu.ufunc(x, dtype=np.float32, casting="same_kind").dtype == np.float32
    np.testing.assert_array_equal(gelu.ufunc(x.astype(">f8")), gelu(x))
    for wrong in (x + 0j, x.astype("M8[s]"), np.array(["a"])):
        with pytest.raises(TypeError):
            gelu.ufunc(wrong)


def test_a_float32_function_says_so_by_its_results():
    narrow = tl.compile(GELU, dtype="float32")
    x = numbers(1000)
    assert narrow.ufunc.types == ["f->f", "d->f"]
    np.testing.assert_array_equal(narrow.ufunc(x), narrow(x))
    np.testing.assert_array_equal(narrow.ufunc(x.astype(np.float32)), narrow(x))
    assert narrow.ufunc(np.arange(3)).dtype == np.float32


def test_no_warnings_and_the_flags_of_others_stay():
    safe = tl.compile("safe_log(x) = where(x > 0, log(x), 0)").ufunc
    x = np.array([-1.0, 0.0, 2.0, np.nan])
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        np.testing.assert_allclose(safe(x), [0.0, 0.0, np.log(2.0), 0.0])
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            np.log(safe(x))


# ---- shapes


def test_generalised(distance):
    x, y = numbers(5, 50, 3), numbers(50, 3, seed=1)
    assert distance.ufunc.signature == "(3),(3)->()"
    assert distance.grad_ufunc.signature == "(3),(3)->(3),(3)"
    np.testing.assert_array_equal(distance.ufunc(x, y), distance(x, y))
    np.testing.assert_array_equal(
        distance.ufunc(x[:, ::-2, ::-1], y[::2, ::-1]), distance(x[:, ::-2, ::-1], y[::2, ::-1])
    )
    for found, expected in zip(distance.grad_ufunc(x, y), distance.grad(x, y), strict=True):
        np.testing.assert_array_equal(found, expected)
    moved = distance.ufunc(np.moveaxis(x, -1, 0), y.T, axes=[0, 0, ()])
    np.testing.assert_array_equal(moved, distance(x, y))
    assert distance.ufunc(x.astype(np.float32), y.astype(np.float32)).dtype == np.float32
    out = np.empty((5, 50))
    assert distance.ufunc(x, y, out=out) is out
    with pytest.raises(ValueError, match="core dimension"):
        distance.ufunc(numbers(4), numbers(4))


def test_matrices_and_several_outputs():
    f = tl.compile("both(A[2, 3], x[3]) = A @ x, x*2")
    A, x = numbers(600, 2, 3), numbers(600, 3, seed=1)
    assert f.ufunc.signature == "(2,3),(3)->(2),(3)"
    for found, expected in zip(f.ufunc(A, x), f(A, x), strict=True):
        np.testing.assert_array_equal(found, expected)
    x0 = x.copy()
    f.ufunc(A, x, out=(None, x))
    np.testing.assert_array_equal(x, 2 * x0)


def test_many_lanes():
    f = tl.compile(lambda x: np.sum(x * x), inputs={"x": (100,)}, name="square")
    x = numbers(300, 100)
    np.testing.assert_array_equal(f.ufunc(x), f(x))
    np.testing.assert_array_equal(f.grad_ufunc(x), f.grad(x)[0])


def test_more_operands_than_a_ufunc_has():
    names = ", ".join(f"x{k}" for k in range(MOST))
    f = tl.compile(f"wide({names}) = {names.replace(', ', ' + ')}")
    with pytest.raises(tl.ArgumentError, match=rf"at most {MOST} inputs and outputs.*{MOST} and 1.*shape"):
        f.ufunc  # noqa: B018


def test_wrt_chooses_the_outputs(line):
    f = tl.compile("line(w, x, b) = w*x + b", wrt=("b", "w"))
    assert f.grad_ufunc.nout == 2
    b_bar, w_bar = f.grad_ufunc(2.0, 3.0, 4.0)
    assert (b_bar, w_bar) == (1.0, 3.0)


def test_several_outputs_have_no_gradient():
    f = tl.compile("two(a) = a, 2*a")
    with pytest.raises(tl.ArgumentError, match="one scalar output"):
        f.grad_ufunc  # noqa: B018


# ---- life


def test_names_that_others_take_for_numpys_are_changed():
    for name in ("add", "power", "mul", "divmod"):
        assert tl.compile(f"{name}(a, b) = a - 2*b").ufunc.__name__ == f"{name}_"


def test_pickles_and_copies(gelu, distance):
    for made in (gelu.ufunc, gelu.grad_ufunc, distance.ufunc):
        again = pickle.loads(pickle.dumps(made))
        assert type(again) is np.ufunc
        assert (again.__name__, again.signature) == (made.__name__, made.signature)
    assert pickle.loads(pickle.dumps(gelu.ufunc))(0.7) == gelu(0.7)
    assert copy.copy(gelu.ufunc) is gelu.ufunc
    assert copy.deepcopy(gelu.ufunc) is gelu.ufunc
    assert pickle.loads(pickle.dumps(np.exp)) is np.exp


def test_another_process_reads_the_pickle(gelu, tmp_path):
    """With another cache, so that it has to build all of it."""
    path = tmp_path / "ufunc.pickle"
    path.write_bytes(pickle.dumps(gelu.ufunc))
    (tmp_path / "cache").mkdir(mode=0o700)
    code = f"import pickle; print(repr(float(pickle.load(open({str(path)!r}, 'rb'))(0.7))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": "/usr/bin:/bin",
            "TAPELESS_CACHE_DIR": str(tmp_path / "cache"),
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == repr(float(gelu(0.7)))


def test_a_ufunc_goes_with_its_function():
    f = tl.compile("gone(x) = x*x*x + 1")
    f.ufunc, f.grad_ufunc  # noqa: B018
    seen = weakref.ref(f)
    kept = f.ufunc
    del f
    gc.collect()
    assert seen() is not None, "the ufunc can be pickled as long as it is there"
    assert kept(2.0) == 9.0
    del kept
    gc.collect()
    assert seen() is None


def test_without_headers(gelu, tmp_path, monkeypatch, empty_cache):
    monkeypatch.setattr(bridge, "_loaded", {})
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    f = tl.compile("bare(x) = x + 1")
    with pytest.raises(tl.UnsupportedError, match=r"Python\.h.*python3-dev"):
        f.ufunc  # noqa: B018


def test_threads(line):
    from concurrent.futures import ThreadPoolExecutor

    w, x = numbers(20_000), numbers(40_000, seed=1)[::2]
    expected = line(w, x, 1.0)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: line.ufunc(w, x, 1.0), range(32)):
            np.testing.assert_array_equal(found, expected)


# ---- other libraries


def test_subclasses_and_overrides(gelu):
    class Tagged(np.ndarray):
        pass

    x = numbers(5).view(Tagged)
    assert type(gelu.ufunc(x)) is Tagged

    class Overriding:
        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            return ufunc, method, len(inputs), options

    assert gelu.ufunc(Overriding(), where=True) == (gelu.ufunc, "__call__", 1, {"where": True})


def test_pandas(gelu, line):
    pd = pytest.importorskip("pandas")
    series = pd.Series([0.1, -2.0, 3.0], index=["a", "b", "c"], name="x")
    found = gelu.ufunc(series)
    assert isinstance(found, pd.Series)
    assert list(found.index) == ["a", "b", "c"]
    assert found.name == "x"
    np.testing.assert_array_equal(found, gelu(series.to_numpy()))
    other = pd.Series([1.0, 2.0, 3.0], index=["c", "b", "a"])
    aligned = line.ufunc(series, other, 0.0)
    np.testing.assert_allclose(aligned[["a", "b", "c"]], series.to_numpy() * [3.0, 2.0, 1.0])
    w_bar, x_bar, b_bar = line.grad_ufunc(series, 2.0, 1.0)
    assert (w_bar == 2.0).all()
    pd.testing.assert_series_equal(x_bar, series)
    assert (b_bar == 1.0).all()
    frame = pd.DataFrame({"u": [1.0, 2.0], "v": [3.0, 4.0]})
    expected = pd.DataFrame(gelu(frame.to_numpy()), columns=frame.columns)
    pd.testing.assert_frame_equal(gelu.ufunc(frame), expected)


def test_xarray(gelu, line):
    xr = pytest.importorskip("xarray")
    x = xr.DataArray(
        numbers(4, 3), dims=("time", "place"), coords={"time": [1, 2, 3, 4]}, attrs={"unit": "m"}
    )
    found = gelu.ufunc(x)
    assert isinstance(found, xr.DataArray)
    assert found.dims == ("time", "place")
    np.testing.assert_array_equal(found, gelu(x.to_numpy()))
    w = xr.DataArray([1.0, 2.0, 3.0], dims="place")
    assert line.ufunc(w, x, 0.5).dims == ("place", "time"), "dimensions go by name"
    grads = line.grad_ufunc(w, x, 0.5)
    np.testing.assert_array_equal(grads[0].transpose("time", "place"), x)


def test_xarray_core_dimensions(distance):
    xr = pytest.importorskip("xarray")
    x = xr.DataArray(numbers(3, 50), dims=("axis", "point"))
    y = xr.DataArray(numbers(3), dims="axis")
    found = xr.apply_ufunc(distance.ufunc, x, y, input_core_dims=[["axis"], ["axis"]])
    assert found.dims == ("point",)
    np.testing.assert_array_equal(found, distance(x.to_numpy().T, y.to_numpy()))
    by_x, by_y = xr.apply_ufunc(
        distance.grad_ufunc, x, y, input_core_dims=[["axis"], ["axis"]], output_core_dims=[["axis"], ["axis"]]
    )
    np.testing.assert_array_equal(by_x, -by_y)
