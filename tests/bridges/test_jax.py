"""Functions for JAX: its transformations, in both directions, to any order, against the same formula in jax.numpy."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

import tapeless as tl

jax = pytest.importorskip("jax")
jnp = jax.numpy

from tapeless.bridges import jax as bridge  # noqa: E402
from tapeless.bridges.pointwise import Pointwise  # noqa: E402


@pytest.fixture(autouse=True)
def wide():
    """64-bit numbers, which JAX has off by default."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def gelu_in_jax(x):
    return x * (1 + jax.scipy.special.erf(x / np.sqrt(2))) / 2


def damped_in_jax(A, g, w, t):
    return A * jnp.exp(-g * t) * jnp.cos(w * t)


def distance_in_jax(x, y):
    return jnp.sqrt(jnp.sum((x - y) ** 2, axis=-1))


def pair_in_jax(a, b):
    return a * jnp.sin(b), jnp.exp(a) * b**2


@pytest.fixture(scope="module")
def gelu():
    return tl.compile("gelu(x) = x*(1 + erf(x/sqrt(2)))/2")


@pytest.fixture(scope="module")
def damped():
    return tl.compile("damped(A, g, w, t) = A*exp(-g*t)*cos(w*t)")


@pytest.fixture(scope="module")
def distance():
    return tl.compile("distance(x[3], y[3]) = norm(x - y)")


@pytest.fixture(scope="module")
def pair():
    return tl.compile("pair(a, b) = a*sin(b), exp(a)*b**2")


def close(found, expected, rtol=1e-12):
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-13)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# ---- values


def test_values(gelu, pair, distance):
    x = numbers(1000)
    found = gelu.to_jax()(x)
    assert isinstance(found, jax.Array)
    np.testing.assert_array_equal(found, gelu(x))
    np.testing.assert_array_equal(jax.jit(gelu.to_jax())(x), gelu(x))
    close(pair.to_jax()(x, 2.0), pair(x, 2.0), 0)
    p, q = numbers(4, 50, 3), numbers(50, 3, seed=1)
    close(distance.to_jax()(p, q), distance(p, q), 0)
    close(distance.to_jax()(p[0, 0], q[0]), distance(p[0, 0], q[0]), 0)
    assert gelu.to_jax() is gelu.to_jax()
    assert gelu.to_jax().__name__ == "gelu"


def test_broadcasting_and_names(damped):
    A, t = numbers(5, 1), numbers(40, seed=1)
    close(damped.to_jax()(A, 0.5, 2.0, t), damped(A, 0.5, 2.0, t), 0)
    close(damped.to_jax()(t=t, A=A, w=2, g=0.5), damped(A, 0.5, 2.0, t), 0)
    close(damped.to_jax()(A, 0.5, 2.0, t[::-1]), damped(A, 0.5, 2.0, t[::-1]), 0)
    assert damped.to_jax()(1.0, 0.5, 2.0, 1.0).shape == ()


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 1)])
def test_no_points(damped, shape):
    t = np.ones(shape)
    run = jax.jit(damped.to_jax())
    assert run(1.0, 0.5, 2.0, t).shape == shape
    found = jax.grad(lambda A: damped.to_jax()(A, 0.5, 2.0, t).sum())(1.0)
    assert found == 0.0


def test_types(gelu):
    x = numbers(100)
    assert gelu.to_jax()(x.astype(np.float32)).dtype == np.float64
    np.testing.assert_array_equal(gelu.to_jax()(np.arange(5)), gelu(np.arange(5)))
    narrow = tl.compile("gelu(x) = x*(1 + erf(x/sqrt(2)))/2", dtype="float32")
    found = narrow.to_jax()(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, narrow(x))
    slope = jax.vmap(jax.grad(narrow.to_jax()))(jnp.asarray(x))
    assert slope.dtype == np.float64, "a gradient has the type of its primal"
    np.testing.assert_allclose(slope, gelu.grad(x)[0], atol=1e-6)


def test_refusals(gelu, damped, distance):
    with pytest.raises(tl.ArgumentError, match="complex"):
        gelu.to_jax()(1j)
    with pytest.raises(tl.ArgumentError, match="takes 1 inputs, not 2"):
        gelu.to_jax()(1.0, 2.0)
    with pytest.raises(tl.ArgumentError, match="misses w, t"):
        damped.to_jax()(1.0, 2.0)
    with pytest.raises(tl.ShapeError, match="do not broadcast"):
        damped.to_jax()(np.ones(2), np.ones(3), 1.0, 1.0)
    with pytest.raises(tl.ShapeError, match=r"last dimensions must be \(3,\)"):
        distance.to_jax()(np.ones(4), np.ones(3))


def test_64_bits_turned_off(gelu):
    jax.config.update("jax_enable_x64", False)
    with pytest.raises(tl.ArgumentError, match=r"jax_enable_x64.*dtype='float32'"):
        gelu.to_jax()(1.0)
    narrow = tl.compile("gelu(x) = x*(1 + erf(x/sqrt(2)))/2", dtype="float32").to_jax()
    assert narrow(1.0).dtype == np.float32
    assert jax.grad(narrow)(1.0).dtype == np.float32


# ---- derivatives


def test_every_order_of_one_input(gelu):
    """jax.grad of jax.grad of ours, five times, is that of jax.numpy, and is `derivative` of `derivative`."""
    x = numbers(20)
    mine, theirs, derivative = gelu.to_jax(), gelu_in_jax, gelu
    for order in range(1, 5):
        mine, theirs = jax.grad(mine), jax.grad(theirs)
        found = jax.jit(jax.vmap(mine))(x)
        close(found, jax.jit(jax.vmap(theirs))(x), 1e-10)
        if order < 3:
            derivative = derivative.derivative("grad")
            close(found, derivative(x), 1e-12)


def test_forward_and_reverse_agree(damped):
    point = (1.3, 0.5, 2.0, numbers(7) ** 2)
    f, by = damped.to_jax(), (0, 1, 2, 3)
    expected = jax.jit(jax.jacrev(damped_in_jax, by))(*point)
    close(jax.jit(jax.jacrev(f, by))(*point), expected)
    close(jax.jit(jax.jacfwd(f, by))(*point), expected)
    tangents = (0.1, -0.2, 0.3, numbers(7, seed=2))
    close(jax.jvp(f, point, tangents), jax.jvp(damped_in_jax, point, tangents))
    close(jax.jvp(f, point, tangents), damped.jvp(point, tangents))
    value, pull = jax.vjp(f, *point)
    cotangent = numbers(7, seed=3)
    close(pull(cotangent), damped.backward(cotangent, *point))
    close(value, damped(*point), 0)


def test_a_tangent_is_not_zero(gelu):
    _, dot = jax.jvp(gelu.to_jax(), (1.0,), (1.0,))
    assert dot == pytest.approx(float(gelu.grad(1.0)[0]))
    _, push = jax.linearize(gelu.to_jax(), 1.0)
    assert push(2.0) == pytest.approx(2 * float(gelu.grad(1.0)[0]))


def loss_of(function):
    def loss(A, g, w, t):
        return (function(A, g, w, t) ** 2).sum() + function(A, g, w, 1.0).sum()

    return loss


def test_second_order_of_broadcast_inputs(damped):
    """Hessian blocks over inputs that were broadcast, so that sums are differentiated as well."""
    point = (numbers(2, 1), 0.5, numbers(3, seed=1), numbers(2, 3, seed=2) ** 2)
    mine, theirs = loss_of(damped.to_jax()), loss_of(damped_in_jax)
    by = (0, 1, 3)
    close(jax.jit(jax.grad(mine, by))(*point), jax.jit(jax.grad(theirs, by))(*point))
    expected = jax.jit(jax.hessian(theirs, by))(*point)
    for outer, inner in [(jax.jacfwd, jax.jacrev), (jax.jacrev, jax.jacrev), (jax.jacfwd, jax.jacfwd)]:
        close(jax.jit(outer(inner(mine, by), by))(*point), expected, 1e-11)


def test_third_order(damped):
    point = (1.3, 0.5, 2.0, 0.7)
    mine, theirs = (
        jax.jit(jax.jacfwd(jax.jacrev(jax.grad(f, 1), 2), (1, 3))) for f in (damped.to_jax(), damped_in_jax)
    )
    close(mine(*point), theirs(*point), 1e-11)


def test_shapes(distance):
    x, y = numbers(4, 3), numbers(3, seed=1)
    f = distance.to_jax()
    for transform in (jax.jacrev, jax.jacfwd, jax.hessian):
        close(jax.jit(transform(f, (0, 1)))(x, y), jax.jit(transform(distance_in_jax, (0, 1)))(x, y))
    close(jax.jacrev(f)(x[0], y), distance.jacobian(x[0], y, wrt="x")[0])
    close(jax.hessian(f)(x[0], y), distance.hessian(x[0], y, wrt="x"))


def test_several_outputs_and_only_some_used(pair):
    a, b = numbers(6), numbers(6, seed=1)
    f = pair.to_jax()
    expected = jax.jit(jax.jacrev(pair_in_jax, (0, 1)))(a, b)
    close(jax.jit(jax.jacfwd(f, (0, 1)))(a, b), expected)
    close(jax.jit(jax.jacrev(f, (0, 1)))(a, b), expected)
    for used in (0, 1):
        mine, theirs = (
            jax.jit(jax.hessian(lambda a, h=h, used=used: h(a, b)[used].sum())) for h in (f, pair_in_jax)
        )
        close(mine(a), theirs(a))


def test_transposes_of_transposes(damped):
    """The pullback is linear in the cotangent, and its transpose is the pushforward, broadcasts and sums included."""
    point = (numbers(3, 1), 0.5, 2.0, numbers(3, 4, seed=1) ** 2)
    for f in (damped.to_jax(), damped_in_jax):
        _, pull = jax.vjp(f, *point)
        push_again = jax.linear_transpose(pull, jnp.ones((3, 4)))
        tangents = (numbers(3, 1, seed=5), 0.1, jnp.asarray(0.2), numbers(3, 4, seed=6))
        close(push_again(tangents)[0], jax.jvp(damped_in_jax, point, tangents)[1])


def test_the_branch_not_taken_in_every_order():
    f = tl.compile("safe(x) = where(x > 0, sqrt(x), 0)").to_jax()
    slope = jax.grad(f)
    for _ in range(3):
        assert slope(-1.0) == 0.0
        slope = jax.grad(slope)


def test_constants_refuse_tangents():
    f = tl.compile("pinned(a, b) = a*b", wrt="a").to_jax()
    assert jax.grad(f)(2.0, 3.0) == 3.0
    with pytest.raises(tl.ArgumentError, match=r"by a and not by b.*stop_gradient"):
        jax.grad(f, 1)(2.0, 3.0)
    assert jax.grad(lambda a, b: f(a, jax.lax.stop_gradient(b)), 1)(2.0, 3.0) == 0.0


def test_integers_have_no_tangent(damped):
    found = jax.grad(lambda A, n: damped.to_jax()(A, 0.5, n, 1.0))(1.5, 2)
    close(found, damped.grad(1.5, 0.5, 2.0, 1.0)[0])


# ---- batches and control flow


def test_vmap(damped, pair, distance):
    A, t = numbers(5), numbers(6, 5, seed=1)
    f = damped.to_jax()
    expected = damped(A, 0.5, 2.0, t)
    close(jax.vmap(f, (None, None, None, 0))(A, 0.5, 2.0, t), expected, 0)
    close(jax.vmap(f, (0, None, None, 1), 1)(A, 0.5, 2.0, t), expected, 0)
    nested = jax.vmap(jax.vmap(f, (0, None, None, 0)), (None, None, None, 0))
    close(nested(A, 0.5, 2.0, t), expected, 0)
    close(jax.jit(nested)(A, 0.5, 2.0, t), expected, 0)
    close(jax.vmap(pair.to_jax(), (None, 0))(1.5, t), pair(1.5, t), 0)
    x, y = numbers(3, 7), numbers(2, 3, seed=1)
    close(jax.vmap(jax.vmap(distance.to_jax(), (None, 0)), (1, None))(x, y), distance(x.T[:, None], y), 0)


def test_derivatives_of_vmap_and_vmap_of_derivatives(damped):
    A, t = numbers(5), numbers(6, 5, seed=1) ** 2

    def total(f):
        return lambda A, g: (jax.vmap(f, (None, None, None, 0))(A, g, 2.0, t) ** 2).sum()

    mine, theirs = total(damped.to_jax()), total(damped_in_jax)
    for transform in (jax.grad, jax.hessian):
        found = jax.jit(transform(mine, (0, 1)))(A, 0.5)
        close(found, jax.jit(transform(theirs, (0, 1)))(A, 0.5), 1e-11)
    per_row = jax.vmap(jax.grad(lambda A, t: (damped.to_jax()(A, 0.5, 2.0, t) ** 2).sum(), (0, 1)), (None, 0))
    expected = jax.vmap(jax.grad(lambda A, t: (damped_in_jax(A, 0.5, 2.0, t) ** 2).sum(), (0, 1)), (None, 0))
    close(per_row(A, t), expected(A, t))


def test_scan_checkpoint_and_cond(damped):
    def steps(f):
        def step(carry, t):
            carry = carry + 0.1 * f(carry, 0.5, 2.0, t)
            return carry, carry

        return lambda A, ts: jax.lax.scan(jax.checkpoint(step), A, ts)[1].sum()

    ts = jnp.linspace(0.0, 1.0, 8)
    mine, theirs = steps(damped.to_jax()), steps(damped_in_jax)
    close(jax.value_and_grad(mine, (0, 1))(1.0, ts), jax.value_and_grad(theirs, (0, 1))(1.0, ts))
    close(jax.jit(jax.hessian(mine))(1.0, ts), jax.jit(jax.hessian(theirs))(1.0, ts))
    chosen = jax.grad(lambda A: jax.lax.cond(A > 0, lambda: damped.to_jax()(A, 0.5, 2.0, 1.0), lambda: 0.0))
    close(chosen(1.5), damped.grad(1.5, 0.5, 2.0, 1.0)[0])


def test_gradients_pass_jaxs_own_check(distance):
    from jax.test_util import check_grads

    check_grads(jax.jit(distance.to_jax()), (numbers(2, 3), numbers(3, seed=1)), order=2)


def test_threads(damped):
    from concurrent.futures import ThreadPoolExecutor

    t = numbers(3, 5000)
    run = jax.jit(jax.grad(lambda A, t: damped.to_jax()(A, 0.5, 2.0, t).sum()))
    expected = run(numbers(3, 1), t)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: run(numbers(3, 1), t), range(16)):
            np.testing.assert_array_equal(found, expected)


# ---- between JAX and C


def test_other_platforms_are_refused(gelu):
    with pytest.raises(tl.UnsupportedError, match=r"gelu was compiled for the CPU .* cuda.*device_put"):
        jax.jit(gelu.to_jax()).trace(1.0).lower(lowering_platforms=("cuda",))


def test_a_program_names_its_kernels_alike_in_every_process(gelu):
    code = (
        "import tapeless as tl\nfrom tapeless.bridges.pointwise import Pointwise\n"
        "p = Pointwise.of(tl.compile('gelu(x) = x*(1 + erf(x/sqrt(2)))/2'))\n"
        "print(p.key, p.adjoint((0,)).key, p.tangent((0,)).key)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    formula = Pointwise.of(gelu)
    keys = [formula.key, formula.adjoint((0,)).key, formula.tangent((0,)).key]
    assert list(map(int, done.stdout.split())) == keys
    assert len(set(keys)) == 3
    assert Pointwise.of(tl.compile("gelu(x) = x*(1 + erf(x/sqrt(2)))/3")).key not in keys
    text = jax.jit(gelu.to_jax()).lower(1.0).as_text()
    assert str(keys[0]) in text
    assert str(formula.caller.address) not in text


def test_a_kernel_that_the_process_does_not_have(gelu):
    gelu.to_jax()(1.0)
    plan = np.array([1234567, 8, 1, 0, 1, 8, 1, 8], np.int64)
    call = jax.ffi.ffi_call("tapeless", jax.ShapeDtypeStruct((), np.float64))
    with pytest.raises(Exception, match="a tapeless function that this process does not have"):
        call(1.0, plan=plan)


def test_pickles(damped):
    again = pickle.loads(pickle.dumps(damped.to_jax()))
    assert again(1.0, 0.5, 2.0, 1.0) == damped.to_jax()(1.0, 0.5, 2.0, 1.0)


def test_more_lanes_than_fit_on_the_stack():
    f = tl.compile(lambda x: np.sum(x * x), inputs={"x": (100,)}, name="square").to_jax()
    x = numbers(100)
    close(f(x), np.sum(x * x))
    close(jax.grad(f)(x), 2 * x)
    close(jax.vmap(jax.grad(f))(numbers(5, 100)), 2 * numbers(5, 100))


def test_without_jax(monkeypatch):
    f = tl.compile("lonely(x) = x + 1")
    monkeypatch.delitem(sys.modules, bridge.__name__)
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(tl.UnsupportedError, match=r"needs JAX.*pip install 'tapeless\[jax\]'"):
        f.to_jax()
