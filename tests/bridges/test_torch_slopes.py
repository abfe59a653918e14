"""Slopes that the forward saves: the same gradients as those computed anew, from one product each."""

from __future__ import annotations

import copy
import pickle

import pytest

import tapeless as tl
from gallery import GALLERY

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck, gradgradcheck  # noqa: E402

from tapeless.bridges.torch.formula import Pullback  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::DeprecationWarning:torch")

SILU = "silu(x) = x/(1 + exp(-x))"
WAVE = "wave(a, x) = a*sin(x)*exp(a*x)"
LENGTH = "length(x[3], s) = s*norm(x)"


def leaf(*shape, dtype=torch.float64, seed=0, low=0.1, high=1.1):
    numbers = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return (low + (high - low) * numbers).requires_grad_()


def both(text, **options):
    function = tl.compile(text, **options)
    return function.to_torch(), function.to_torch(save_slopes=True)


@pytest.fixture
def pulled(monkeypatch):
    """Count the calls of kernels that compute slopes in a backward."""
    calls = []
    compute = Pullback.compute
    monkeypatch.setattr(Pullback, "compute", lambda self, *rest: (calls.append(1), compute(self, *rest))[1])
    return calls


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("points", [1, 50, 200_000])
def test_the_same_gradients(points, dtype, pulled):
    anew, saved = both(WAVE)
    a, x = leaf(points, dtype=dtype), leaf(points, dtype=dtype, seed=1)
    want = torch.autograd.grad(anew(a, x), (a, x), x.detach())
    assert len(pulled) == 1
    out = saved(a, x)
    torch.testing.assert_close(out, anew(a, x))
    for _ in range(2):
        torch.testing.assert_close(
            torch.autograd.grad(out, (a, x), x.detach(), retain_graph=True), want, rtol=1e-6, atol=0
        )
    torch.testing.assert_close(
        torch.autograd.grad(saved(a, x).sum(), (a, x)), torch.autograd.grad(anew(a, x).sum(), (a, x))
    )
    assert len(pulled) == 2


CASES = [
    (SILU, [(2, 3)]),
    (WAVE, [(2, 1), (3,)]),
    (WAVE, [(), (4,)]),
    (LENGTH, [(2, 3), (2,)]),
    (LENGTH, [(3,), (2, 2)]),
    (LENGTH, [(4, 1, 3), (2,)]),
    ("line(w, x, b) = w*x + b", [(3,), (1,), ()]),
]


@pytest.mark.parametrize(("text", "shapes"), CASES)
def test_checked_by_torch(text, shapes):
    _, saved = both(text)
    point = [leaf(*shape, seed=k) for k, shape in enumerate(shapes)]
    assert gradcheck(saved, point, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(saved, point)


@pytest.mark.parametrize("name", ["gelu", "black_scholes", "clip"])
def test_the_gallery(name):
    [entry] = [entry for entry in GALLERY if entry.name == name]
    _, saved = both(entry.text)
    ranges = [entry.ranges[name] for name in saved.input_names]
    point = [leaf(2, seed=k, low=low, high=high) for k, (low, high) in enumerate(ranges)]
    assert gradcheck(saved, point)
    assert gradgradcheck(saved, point)


def test_only_slopes_that_are_needed_are_saved():
    _, saved = both(WAVE)
    a, x = leaf(3), leaf(3, seed=1)
    out = saved(a.detach(), x)
    assert len(out.grad_fn.saved_tensors) == 3, "two inputs and one slope"
    (gradient,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(gradient, (a * torch.exp(a * x) * (torch.cos(x) + a * torch.sin(x))).detach())
    with torch.no_grad():
        assert saved(a, x).grad_fn is None
    _, constant = both(WAVE, wrt="x")
    constant(a, x).sum().backward()
    assert a.grad is None
    torch.testing.assert_close(x.grad, gradient)


def test_cotangents_and_saved_tensors_of_other_kinds():
    anew, saved = both(WAVE)
    a, x = leaf(3), leaf(3, seed=1)
    want = torch.autograd.grad(anew(a, x), (a, x), x.detach())
    for odd in (torch._neg_view(-x.detach()), x.detach().repeat_interleave(2)[::2]):
        torch.testing.assert_close(torch.autograd.grad(saved(a, x), (a, x), odd), want)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(force=True), torch.from_numpy):
        out = saved(a, x)
    torch.testing.assert_close(torch.autograd.grad(out, (a, x), x.detach()), want)
    out = saved(a, x)
    with torch.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_compiled_whole():
    _, saved = both(WAVE)
    torch._dynamo.reset()
    a, x = leaf(3), leaf(3, seed=1)
    compiled = torch.compile(saved, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(
        torch.autograd.grad(compiled(a, x).sum(), (a, x)), torch.autograd.grad(saved(a, x).sum(), (a, x))
    )


def test_copies_and_pickles():
    function = tl.compile(SILU)
    saved = function.to_torch(save_slopes=True)
    assert saved is function.to_torch(True)
    assert saved is not function.to_torch()
    module = tl.compile(WAVE).to_torch_module(parameters={"a": 0.5}, save_slopes=True)
    for kept in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert kept.function.save_slopes
        kept(leaf(3, dtype=torch.float32)).sum().backward()
        assert kept.a.grad is not None
    assert not pickle.loads(pickle.dumps(function.to_torch())).save_slopes


@pytest.mark.parametrize("text", ["pair(x) = x, x**2", "vector(x[3]) = 2*x"])
def test_other_outputs_are_refused(text):
    with pytest.raises(tl.ArgumentError, match=r"save_slopes=True is for.*leave it out"):
        tl.compile(text).to_torch(save_slopes=True)


def test_a_slope_that_c_cannot_express_is_an_error_of_the_forward():
    _, saved = both("besselj(x, 2)")
    torch.testing.assert_close(
        saved(torch.zeros(3, dtype=torch.float64)),
        torch.special.bessel_j0(torch.full((3,), 2.0, dtype=torch.float64)),
    )
    with pytest.raises(tl.DerivativeError):
        saved(leaf(3))
