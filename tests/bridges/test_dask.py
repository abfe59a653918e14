"""Functions of dask arrays: chunk by chunk, on one machine's threads and on a cluster of processes."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tapeless as tl

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

from tapeless.bridges import dask as bridge  # noqa: E402


@pytest.fixture(scope="module")
def line():
    return tl.compile("line(w, x, b) = w*x*x + b")


@pytest.fixture(scope="module")
def distance():
    return tl.compile("distance(x[3], y[3]) = norm(x - y)")


@pytest.fixture(autouse=True)
def in_threads():
    with dask.config.set(scheduler="threads"):
        yield


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def same(found, expected, rtol=0.0):
    assert found.shape == np.shape(expected)
    assert found.dtype == np.asarray(expected).dtype
    computed = found.compute()
    assert computed.dtype == found.dtype
    assert computed.shape == found.shape
    np.testing.assert_allclose(computed, expected, rtol=rtol, atol=rtol)


# ---- ufuncs


def test_a_ufunc_is_lazy_and_keeps_chunks(line):
    x = numbers(100, 30)
    lazy = da.from_array(x, chunks=(13, 10))
    found = line.ufunc(2.0, lazy, x[0])
    assert isinstance(found, da.Array)
    assert found.chunks == lazy.chunks
    same(found, line(2.0, x, x[0]))
    assert da.sum(line.ufunc(2.0, lazy, 1.0)).compute() == pytest.approx(line(2.0, x, 1.0).sum())


def test_a_ufunc_with_one_gradient():
    cube = tl.compile("cube(x) = x*x*x")
    x = numbers(50)
    same(cube.grad_ufunc(da.from_array(x, chunks=7)), cube.grad(x)[0])


def test_a_generalised_ufunc(distance):
    x = numbers(50, 3)
    lazy = da.from_array(x, chunks=(7, 3))
    found = da.apply_gufunc(distance.ufunc, distance.ufunc.signature, lazy, x[0], output_dtypes=float)
    same(found, distance(x, x[0]))


def test_the_function_itself_refuses(line):
    with pytest.raises(tl.ArgumentError, match=r"x is a dask array.*f\.ufunc.*f\.to_dask\(\)"):
        line(2.0, da.ones(3), 1.0)


def test_xarray_over_dask(line):
    xr = pytest.importorskip("xarray")
    x = numbers(100, 30)
    array = xr.DataArray(da.from_array(x, chunks=(13, 10)), dims=("time", "place"))
    found = line.ufunc(2.0, array, 1.0)
    assert isinstance(found.data, da.Array)
    np.testing.assert_array_equal(found, line(2.0, x, 1.0))
    grads = xr.apply_ufunc(
        line.grad_ufunc,
        2.0,
        array,
        1.0,
        output_core_dims=[[]] * 3,
        dask="parallelized",
        output_dtypes=[float] * 3,
    )
    assert isinstance(grads[0].data, da.Array)
    for got, expected in zip(grads, line.grad(2.0, x, 1.0), strict=True):
        np.testing.assert_array_equal(got, expected)


# ---- methods


def test_values_and_gradients_at_each_point(line):
    x, w = numbers(100, 30), numbers(30, seed=1)
    lazy = da.from_array(x, chunks=(13, 10))
    f = line.to_dask()
    same(f(w, lazy, 1.0), line(w, x, 1.0))
    same(f(b=1.0, w=w, x=lazy), line(w, x, 1.0))
    for found, expected in zip(f.grad(w, lazy, 1.0), line.grad(w, x, 1.0), strict=True):
        same(found, expected)
    value, slope = f.value_and_grad(w, lazy, 1.0, wrt="x")
    same(value, line(w, x, 1.0))
    same(slope, line.grad(w, x, 1.0, wrt="x"))


@pytest.mark.parametrize("chunks", [(100, 30), (33, 10)])
def test_backward_sums_over_chunks(line, chunks):
    x, cotangent = numbers(100, 30), numbers(100, 30, seed=3)
    lazy, seeds = da.from_array(x, chunks=chunks), da.from_array(cotangent, chunks=(50, 30))
    f = line.to_dask()
    for w in (numbers(30, seed=1), numbers(1, 30, seed=1), numbers(100, 1, seed=1), 0.5, np.float32(0.5)):
        for b in (1.0, da.from_array(x[:, :1], chunks=(9, 1))):
            given = b if isinstance(b, float) else x[:, :1]
            found = f.backward(seeds, w, lazy, b)
            for got, expected in zip(found, line.backward(cotangent, w, x, given), strict=True):
                same(got, expected, 1e-6 if got.dtype == np.float32 else 1e-12)
    outputs, (w_bar, *_) = f.forward_backward(1.0, 0.5, lazy, 1.0)
    same(outputs, line(0.5, x, 1.0))
    same(w_bar, line.backward(1.0, 0.5, x, 1.0)[0], 1e-12)
    same(f.backward(1.0, 0.5, lazy, 1.0, wrt="w"), line.backward(1.0, 0.5, x, 1.0, wrt="w"), 1e-12)


def test_shapes_and_several_outputs(distance):
    x, y = numbers(50, 3), numbers(3, seed=1)
    lazy = da.from_array(x, chunks=(7, 2))
    same(distance.to_dask()(lazy, y), distance(x, y))
    for found, expected in zip(
        distance.to_dask().backward(1.0, lazy, y), distance.backward(1.0, x, y), strict=True
    ):
        same(found, expected, 1e-12)
    pair = tl.compile("pair(a, b[2]) = a*b[0], exp(a)*b")
    a, b = numbers(20), numbers(20, 2, seed=1)
    lazy = da.from_array(b, chunks=(6, 1))
    for found, expected in zip(pair.to_dask()(a, lazy), pair(a, b), strict=True):
        same(found, expected)
    cotangents = (numbers(20, seed=4), None)
    found = pair.to_dask().backward(cotangents, a, lazy)
    for got, expected in zip(found, pair.backward(cotangents, a, b), strict=True):
        same(got, expected)


def test_float32_sums_in_double(line):
    narrow = tl.compile("line(w, x, b) = w*x*x + b", dtype="float32")
    x = np.array([1e4] + [1.0] * 63, np.float32)
    w = np.float32(0.0)
    found = narrow.to_dask().backward(1.0, w, da.from_array(x, chunks=1), w, wrt="w")
    assert found.dtype == np.float32
    assert found.compute() == np.float32(1e8 + 63)


def test_the_same_bits_in_any_order_of_chunks(line):
    x = da.from_array(numbers(10_000), chunks=333)
    w_bar = line.to_dask().backward(1.0, 0.5, x, 1.0, wrt="w")
    with dask.config.set(scheduler="synchronous"):
        expected = w_bar.compute()
    for workers in (1, 2, 4, 8):
        assert w_bar.compute(num_workers=workers) == expected


def test_wrong_shapes(line, distance):
    x = da.ones((4, 3), chunks=2)
    with pytest.raises(tl.ShapeError, match="do not broadcast"):
        line.to_dask()(np.ones(2), x, 1.0)
    with pytest.raises(tl.ShapeError, match="cotangent out_bar has shape"):
        line.to_dask().backward(np.ones(3), 1.0, x, 1.0)
    with pytest.raises(tl.ShapeError, match=r"last dimensions must be \(3,\)"):
        distance.to_dask()(da.ones(4), np.ones(3))
    with pytest.raises(tl.ArgumentError, match="misses b"):
        line.to_dask()(1.0, x)


def test_names_are_the_same_for_the_same_work(line):
    from dask.base import tokenize

    x = da.ones((4, 3), chunks=2)
    assert line.to_dask()(1.0, x, 2.0).name == line.to_dask()(1.0, x, 2.0).name
    assert line.to_dask()(1.0, x, 2.0).name != line.to_dask()(1.0, x, 3.0).name
    assert tokenize(line) != tokenize(tl.compile("line(w, x, b) = w*x*x - b"))
    assert tokenize(line.ufunc) == tokenize(line.ufunc)
    with dask.config.set({"tokenize.ensure-deterministic": True}):
        tokenize(line, line.ufunc)


def test_without_dask(line, monkeypatch):
    monkeypatch.delitem(sys.modules, bridge.__name__)
    monkeypatch.setitem(sys.modules, "dask.array", None)
    with pytest.raises(tl.UnsupportedError, match=r"needs dask.*pip install 'tapeless\[dask\]'"):
        line.to_dask()


# ---- a cluster

LIMIT = 256 << 20
"""Memory of each of the two workers, in bytes."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two processes with little memory each, and a cache that is empty: they have to build what they are sent."""
    distributed = pytest.importorskip("distributed")
    cache = tmp_path_factory.mktemp("cache")
    cache.chmod(0o700)
    with (
        dask.config.set({"distributed.worker.memory.spill": False}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=LIMIT,
            dashboard_address=":0",
            local_directory=str(tmp_path_factory.mktemp("workers")),
            env={"TAPELESS_CACHE_DIR": str(cache)},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.cache = cache
        yield client


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_an_array_larger_than_memory(client, line, capsys):
    """Forward and backward of 640 MB, in chunks of 8 MB, with workers that have 512 MB together."""
    from distributed import progress

    x = da.random.default_rng(0).normal(size=80_000_000, chunks=1_000_000)
    assert x.nbytes > 2 * LIMIT
    value, (w_bar, _, b_bar) = line.to_dask().forward_backward(1.0, 0.5, x, 1.0)
    futures = client.compute([value.sum(), w_bar, b_bar, (x * x).sum()])
    progress(futures, notebook=False)
    total, by_w, by_b, squares = client.gather(futures)
    assert "100% Completed" in capsys.readouterr().out
    assert by_b == x.size
    np.testing.assert_allclose(by_w, squares, rtol=1e-13)
    np.testing.assert_allclose(total, 0.5 * squares + x.size, rtol=1e-13)
    assert any(client.cache.rglob("*.so")), "the workers built the library"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_ufuncs_reach_the_workers(client, line, distance):
    x = numbers(5000)
    lazy = da.from_array(x, chunks=777)
    with dask.config.set(scheduler=client):
        same(line.ufunc(2.0, lazy, 1.0), line(2.0, x, 1.0))
        points = numbers(500, 3)
        found = da.apply_gufunc(
            distance.ufunc,
            distance.ufunc.signature,
            da.from_array(points, chunks=(70, 3)),
            points[0],
            output_dtypes=float,
        )
        same(found, distance(points, points[0]))
    assert client.submit(line.ufunc, 2.0, 3.0, 1.0).result() == line(2.0, 3.0, 1.0)
    assert client.submit(line, 2.0, 3.0, 1.0).result() == line(2.0, 3.0, 1.0)
