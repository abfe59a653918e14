"""Functions inside code that Numba compiles: the methods as they are called from Python, with the same results."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import tapeless as tl

numba = pytest.importorskip("numba")

from tapeless.bridges import numba as bridge  # noqa: E402


@pytest.fixture(scope="module")
def damped():
    return tl.compile("damped(A, g, w, t) = A*exp(-g*t)*cos(w*t)")


@pytest.fixture(scope="module")
def distance():
    return tl.compile("distance(x[3], y[3]) = norm(x - y)")


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def same(found, expected):
    if isinstance(expected, tuple):
        assert isinstance(found, tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
        return
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


def test_numbers_in_a_loop(damped):
    f, slope = damped.to_numba(), damped.to_numba("grad", wrt="t")
    assert damped.to_numba() is f

    @numba.njit
    def total(t):
        value = 0.0
        rise = 0.0
        for k in range(t.size):
            value += f(1.0, 0.5, 2, t[k])
            rise += slope(1.0, 0.5, 2.0, t[k])
        return value, rise

    t = np.linspace(0.0, 3.0, 101)
    value, rise = total(t)
    assert value == pytest.approx(damped(1.0, 0.5, 2.0, t).sum())
    assert rise == pytest.approx(damped.grad(1.0, 0.5, 2.0, t, wrt="t").sum())


def test_arrays(damped):
    f = damped.to_numba()
    t = numbers(5, 40)
    A = numbers(5, 1, seed=1)
    for case in [
        (t, t, t, t),
        (A, 0.5, 2.0, t),
        (A, 0.5, 2.0, t[0]),
        (1.5, True, 2, t[:, ::-2]),
        (t.T, 0.5, 2.0, np.asfortranarray(t).T),
        (A[0, 0], 0.5, np.array(2.0), 1.0),
        (t[:0], 1.0, 1.0, t[:1]),
    ]:
        same(f(*case), damped(*case))


def test_parallel_loops(damped):
    slopes = damped.to_numba("grad")

    @numba.njit(parallel=True)
    def rise(t):
        out = np.empty_like(t)
        for k in numba.prange(t.shape[0]):
            out[k] = slopes(1.0, 0.5, 2.0, t[k])[3]
        return out

    t = numbers(500, 8)
    same(rise(t[:, 0].copy()), np.array([damped.grad(1.0, 0.5, 2.0, x)[3] for x in t[:, 0]]))
    same(rise(t), damped.grad(1.0, 0.5, 2.0, t)[3])


def test_kinds():
    f = tl.compile("decay(A, t) = A*exp(-t)*cos(2*t)")
    A, t, cotangent = numbers(5, 1), numbers(40, seed=1), numbers(5, 40, seed=2)
    same(f.to_numba("grad")(A, t), f.grad(A, t))
    same(f.to_numba("value_and_grad", wrt="A")(A, t), f.value_and_grad(A, t, wrt="A"))
    same(f.to_numba("hessian")(A, t), f.hessian(A, t))
    same(f.to_numba("jacobian", wrt=("t", "A"))(A, t), f.jacobian(A, t, wrt=("t", "A")))
    same(f.to_numba("backward")(1.0, A, t), f.backward(1.0, A, t))
    for seed in (cotangent, 1.0):
        same(f.to_numba("forward_backward")(seed, A, t), f.forward_backward(seed, A, t))
    tangents = (0.1, numbers(40, seed=3))
    same(f.to_numba("jvp")((A, t), tangents), f.jvp((A, t), tangents))
    same(f.to_numba("hvp")((A, t), tangents), f.hvp((A, t), tangents))
    with pytest.raises(tl.ArgumentError, match=r"sparse matrices.*jacobian"):
        f.to_numba("sparse_jacobian")
    with pytest.raises(tl.ArgumentError, match="no kind 'slope'"):
        f.to_numba("slope")


def test_sums_over_no_points(damped):
    method = damped.to_numba("backward")
    same(method(1.0, 1.5, 0.5, 2.0, np.ones(0)), damped.backward(1.0, 1.5, 0.5, 2.0, np.ones(0)))


def test_shapes_and_several_outputs(distance):
    x, y = numbers(6, 3), numbers(3, seed=1)
    f = distance.to_numba()
    for case in [(x, y), (x[0], y), (x[:, ::-1], y), (np.asfortranarray(x), y[::-1])]:
        same(f(*case), distance(*case))
    same(distance.to_numba("grad")(x, y), distance.grad(x, y))
    same(distance.to_numba("backward")(1.0, x, y), distance.backward(1.0, x, y))
    with pytest.raises(tl.ShapeError, match=r"last dimensions of x must be \(3,\)"):
        f(numbers(4), y)
    pair = tl.compile("pair(a, b) = a*sin(b), exp(a)*b**2")
    a = numbers(9)
    same(pair.to_numba()(a, 2.0), pair(a, 2.0))
    same(pair.to_numba("backward")((a, 1.0), a, 2.0), pair.backward((a, 1.0), a, 2.0))
    same(pair.to_numba("backward")((None, a), a, 2.0), pair.backward((None, a), a, 2.0))


def test_many_inputs():
    """More than Python puts into a tuple in one go."""
    names = [f"x{k}" for k in range(33)]
    f = tl.compile(f"wide({', '.join(names)}) = {' + '.join(f'{k}*{n}' for k, n in enumerate(names))}")
    values = [float(k) for k in range(33)]
    same(f.to_numba()(*values), f(*values))
    values[3] = numbers(5)
    same(f.to_numba()(*values), f(*values))


def test_float32():
    f = tl.compile("damped(A, t) = A*exp(-t)*cos(2*t)", dtype="float32")
    t = numbers(40).astype(np.float32)
    same(f.to_numba()(1.5, t), f(1.5, t))
    assert f.to_numba()(1.5, t).dtype == np.float32
    with pytest.raises(numba.TypingError, match=r"t is an array of float64.*float32.*astype\(np\.float32\)"):
        f.to_numba()(1.5, t.astype(float))


def test_refusals(damped):
    f, backward = damped.to_numba(), damped.to_numba("backward")
    for wrong, says in [
        ((1.0, 2.0), "2 arguments given, 4 needed"),
        ((1.0, 2.0, 3.0, 4j), "t is of type complex128; a number or an array of float64"),
        ((1.0, 2.0, 3.0, np.arange(3)), r"t is an array of int64.*astype\(np\.float64\)"),
        ((1.0, 2.0, 3.0, "x"), "t is of type"),
    ]:
        with pytest.raises(numba.TypingError, match=says):
            f(*wrong)
    with pytest.raises(tl.ShapeError, match="do not broadcast"):
        f(np.ones(2), np.ones(3), 1.0, 1.0)
    with pytest.raises(tl.ShapeError, match="cotangent out_bar has not the shape"):
        backward(np.ones(2), 1.0, 1.0, 1.0, np.ones(3))
    with pytest.raises(numba.TypingError, match="cotangent out_bar has not the shape"):
        backward(np.ones((1, 3)), 1.0, 1.0, 1.0, np.ones(3))


@pytest.mark.filterwarnings("ignore:Cannot cache compiled function")
def test_addresses_are_not_kept_on_disk(damped, tmp_path, monkeypatch):
    """Code that holds the address of a kernel would call into nowhere in another process."""
    f = damped.to_numba()

    @numba.njit(cache=True)
    def calls(t):
        return f(1.0, 0.5, 2.0, t)

    with pytest.warns(numba.NumbaWarning, match="dynamic globals"):
        calls(1.0)
    assert sum(calls.stats.cache_misses.values()) == 1
    assert not calls.stats.cache_hits


def test_without_numba(monkeypatch):
    f = tl.compile("lonely(x) = x + 1")
    monkeypatch.delitem(sys.modules, bridge.__name__)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(tl.UnsupportedError, match=r"needs Numba.*pip install 'tapeless\[numba\]'"):
        f.to_numba()
