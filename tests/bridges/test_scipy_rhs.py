"""Right-hand sides: states as one vector, with the Jacobian that implicit methods want."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import sympy
from scipy.integrate import odeint, solve_ivp
from scipy.sparse import issparse

import tapeless as tl

ROBERTSON = """
robertson(x, y, z, k1, k2, k3):
    r1 = k1*x
    r2 = k2*y*z
    r3 = k3*y**2
    return r2 - r1, r1 - r2 - r3, r3
"""
FORCED = "forced(w, x, t, v):\n    return v, cos(w*t) - x"


@pytest.fixture(scope="module")
def robertson():
    return tl.compile(ROBERTSON)


@pytest.fixture(scope="module")
def forced():
    return tl.compile(FORCED)


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_stiff_problem(robertson, method, sparse):
    """Reference: Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.10."""
    r = robertson.rhs(k1=0.04, k2=1e4, k3=3e7, sparse=sparse)
    start = {"x": 1, "y": 0, "z": 0}
    found = solve_ivp(**r.arguments((0, 40), start, method=method, rtol=1e-8, atol=1e-12))
    assert found.success
    assert found.y[:, -1] == pytest.approx([0.7158271, 9.185535e-6, 0.2841637], rel=1e-6)
    assert r.unpack(found.y)["x"].shape == found.t.shape


@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853"])
def test_explicit_methods_get_no_jacobian(forced, method):
    """SciPy warns of arguments that a method does not use; warnings are errors here."""
    r = forced.rhs(w=0.5)
    found = solve_ivp(**r.arguments((0, 10), [0, 0], method=method, rtol=1e-9, atol=1e-9))
    t = found.t[-1]
    assert found.y[0, -1] == pytest.approx((np.cos(t / 2) - np.cos(t)) / 0.75, abs=1e-6)


def test_the_time_is_the_input_called_t_or_the_one_named(forced):
    r = forced.rhs("x", "v", w=2.0)
    assert r.time == "t"
    assert r.fun(0.3, [1.0, 5.0]).tolist() == [5.0, np.cos(0.6) - 1.0]
    assert repr(r) == "<right-hand side forced(t; x, v)>"
    other = forced.rhs("x", "v", time="w", t=2.0)
    assert other.fun(0.3, [1.0, 5.0]).tolist() == [5.0, np.cos(0.6) - 1.0]
    fixed = forced.rhs(w=2.0, t=0.3)
    assert fixed.time is None
    assert fixed.fun(99.0, [1.0, 5.0]).tolist() == [5.0, np.cos(0.6) - 1.0]


def test_the_state_in_the_order_asked(forced):
    turned = tl.compile("f(x, v) :\n return [-x, v]").rhs("v", "x")
    assert turned.fun(0.0, [2.0, 3.0]).tolist() == [-3.0, 2.0]
    assert turned.jac(0.0, [2.0, 3.0]).tolist() == [[0.0, -1.0], [1.0, 0.0]]
    assert turned.unpack([2.0, 3.0]) == {"v": 2.0, "x": 3.0}


def test_many_states_at_once(robertson):
    r = robertson.rhs(k1=0.04, k2=1e4, k3=3e7)
    states = np.random.default_rng(0).uniform(size=(3, 7))
    assert np.array_equal(r.fun(0.0, states), np.stack([r.fun(0.0, y) for y in states.T], axis=1))
    assert np.array_equal(r(0.0, states), r.fun(0.0, states))


def test_the_jacobian(robertson):
    r = robertson.rhs(k1=0.04, k2=1e4, k3=3e7)
    y, step = np.array([0.8, 1e-5, 0.2]), 1e-7
    want = np.array([(r.fun(0, y + step * e) - r.fun(0, y - step * e)) / (2 * step) for e in np.eye(3)]).T
    assert np.allclose(r.jac(0, y), want, rtol=1e-5, atol=1e-3)
    sparse = robertson.rhs(k1=0.04, k2=1e4, k3=3e7, sparse=True).jac(0, y)
    assert issparse(sparse)
    assert np.array_equal(sparse.toarray(), r.jac(0, y))


def test_a_state_with_a_shape():
    """Heat along a rod; the Jacobian has three diagonals."""

    def heat(u, k):
        edge = np.concatenate([u[:1], u, u[-1:]])
        return k * (edge[2:] - 2 * u + edge[:-2])

    n = 40
    r = tl.compile(heat, inputs={"u": (n,), "k": ()}).rhs("u", k=100.0, sparse=True)
    start = np.zeros(n)
    start[0] = n
    assert r.jac(0, start).nnz == 3 * n - 2
    found = solve_ivp(**r.arguments((0, 100), start, method="BDF", rtol=1e-6))
    assert found.y[:, -1] == pytest.approx(np.ones(n), abs=1e-3)


def test_in_odeint(forced):
    r = forced.rhs(w=0.5)
    t = np.linspace(0, 5, 20)
    found = odeint(r.fun, [0.0, 0.0], t, Dfun=r.jac, tfirst=True, rtol=1e-10, atol=1e-10)
    assert found[:, 0] == pytest.approx((np.cos(t / 2) - np.cos(t)) / 0.75, abs=1e-8)


def test_copies_and_pickles(forced):
    r = forced.rhs(w=0.5)
    for other in (copy.copy(r), copy.deepcopy(r), pickle.loads(pickle.dumps(r))):
        assert np.array_equal(other.fun(0.1, [1.0, 2.0]), r.fun(0.1, [1.0, 2.0]))
        assert other.time == r.time


def test_any_name():
    evil, time = sympy.Symbol("y; import os", real=True), sympy.Symbol("now", real=True)
    f = tl.compile([-evil * time], inputs=[evil, time])
    r = f.rhs(time="now")
    assert solve_ivp(**r.arguments((0, 1), [1.0], rtol=1e-8)).y[0, -1] == pytest.approx(
        np.exp(-0.5), rel=1e-6
    )


@pytest.mark.parametrize(
    ("state", "named", "kind", "says"),
    [
        ((), {}, tl.ShapeError, "2 derivatives, and the state has 3 numbers"),
        (("x",), {"w": 1.0, "v": 1.0}, tl.ShapeError, "the state has 1 numbers"),
        (("x", "v"), {}, tl.ArgumentError, "no value for w"),
        (("x", "q"), {"w": 1.0}, tl.ArgumentError, "'q' is none of them"),
        ((), {"w": 1.0, "q": 1.0}, tl.ArgumentError, "'q' is none of them"),
        ((), {"w": [1.0, 2.0]}, tl.ShapeError, "one value"),
        ((), {"w": 1.0, "time": "q"}, tl.ArgumentError, "no scalar input; there are w, x, t, v"),
        ((), {"w": 1.0, "time": "w"}, tl.ArgumentError, "'w' is the time"),
        (("x", "t"), {"w": 1.0, "time": "t"}, tl.ArgumentError, "'t' is the time"),
        ((), {"w": 1.0, "x": 1.0, "v": 1.0}, tl.ArgumentError, "no state is left"),
    ],
)
def test_what_does_not_fit_is_said(forced, state, named, kind, says):
    with pytest.raises(kind, match=says):
        forced.rhs(*state, **named)
