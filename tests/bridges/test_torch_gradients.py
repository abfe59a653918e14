"""Gradients through torch's autograd: right, to any order, of the inputs asked for and no others."""

from __future__ import annotations

import threading

import pytest

import tapeless as tl
from gallery import GALLERY

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck, gradgradcheck  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:torch", "ignore::DeprecationWarning:torch")

LINE = "line(w, x, b) = w*x + b"


def tensor(*shape, dtype=torch.float64, seed=0, low=-1.0, high=1.0):
    numbers = torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return low + (high - low) * numbers


def leaf(*shape, **options):
    return tensor(*shape, **options).requires_grad_()


@pytest.fixture(scope="module")
def line():
    return tl.compile(LINE).to_torch()


# ---- against a function written by hand, and against numbers


class HandWritten(torch.autograd.Function):
    """w*x + b, as one writes it where there is nothing better."""

    @staticmethod
    def forward(ctx, w, x, b):
        ctx.save_for_backward(w, x)
        return w * x + b

    @staticmethod
    def backward(ctx, out_bar):
        w, x = ctx.saved_tensors
        return out_bar * x, out_bar * w, out_bar


def test_the_same_as_a_hand_written_function(line):
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    x = torch.tensor([[5.0, 6.0], [7.0, 8.0]], requires_grad=True)
    b = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
    out_bar = torch.tensor([[1.0, 0.5], [0.25, 2.0]])
    ours, theirs = line(w, x, b), HandWritten.apply(w, x, b)
    assert torch.equal(ours, theirs)
    for a, c in zip(
        torch.autograd.grad(ours, (w, x, b), out_bar),
        torch.autograd.grad(theirs, (w, x, b), out_bar),
        strict=True,
    ):
        assert torch.equal(a, c)


@pytest.mark.parametrize("entry", GALLERY, ids=lambda entry: entry.name)
def test_the_gallery(entry):
    """First derivatives in both modes, batched too, and second ones. Points drawn so lie away from all kinks."""
    f = tl.compile(entry.text).to_torch()
    point = [
        leaf(2, seed=k, low=entry.ranges[name][0], high=entry.ranges[name][1])
        for k, name in enumerate(f.input_names)
    ]
    assert gradcheck(
        f, point, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )
    assert gradgradcheck(f, point)


SHAPES = [
    (LINE, [(2, 3), (3,), ()]),
    (LINE, [(), (2, 1), (1, 3)]),
    ("pair(x[3], y[3], s) = s*sin(x)*y, dot(x, y)*exp(s)", [(2, 3), (3,), (4, 1)]),
    ("three(a, b) = a*b, exp(a), 2.5", [(2,), (3, 1)]),
    ("matrix(m[2,2], v[2]) = m @ v, det(m)", [(2, 2), (3, 2)]),
]


@pytest.mark.parametrize(("text", "shapes"), SHAPES)
def test_broadcasting_and_several_outputs(text, shapes):
    f = tl.compile(text).to_torch()
    point = [leaf(*shape, seed=k) for k, shape in enumerate(shapes)]
    assert gradcheck(f, point, check_forward_ad=True, check_batched_grad=True)
    assert gradgradcheck(f, point, check_fwd_over_rev=True, check_batched_grad=True)


def test_third_and_fourth_order():
    f = tl.compile("f(x, y) = sin(x)*exp(y)").to_torch()
    x, y = leaf(3), leaf(3, seed=1)
    value = f(x, y)
    for order in range(4):
        (value,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        want = [torch.cos, lambda x: -torch.sin(x), lambda x: -torch.cos(x), torch.sin][order](x) * y.exp()
        torch.testing.assert_close(value, want)


@pytest.mark.parametrize("points", [7, 100_000])
def test_sums_over_broadcast_dimensions(line, points):
    w, x, b = leaf(1), leaf(points), leaf(2, 1)
    line(w, x, b).sum().backward()
    assert (w.grad.shape, x.grad.shape, b.grad.shape) == ((1,), (points,), (2, 1))
    torch.testing.assert_close(w.grad, 2 * x.detach().sum().reshape(1))
    torch.testing.assert_close(b.grad, torch.full((2, 1), float(points), dtype=torch.float64))


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_no_points(line, shape):
    w, x = leaf(*shape), leaf()
    line(w, x, 1.0).sum().backward()
    assert w.grad.shape == shape
    assert x.grad == 0


# ---- what is asked for, and only that


def kernels_asked_for(f, monkeypatch):
    """Record (kind, wrt) of each kernel that a callable asks for."""
    from tapeless.bridges.torch.kernels import Kernels

    asked = []
    caller = Kernels.caller

    def spy(self, kind, wrt, dtype):
        asked.append((kind, wrt))
        return caller(self, kind, wrt, dtype)

    monkeypatch.setattr(Kernels, "caller", spy)
    return asked


@pytest.mark.parametrize("needed", ["w", "x", "wx", "wb", "wxb"])
def test_only_the_gradients_needed_are_compiled(needed, monkeypatch):
    f = tl.compile("f(w, x, b) = w*sin(x)*exp(b)").to_torch()
    asked = kernels_asked_for(f, monkeypatch)
    inputs = {name: tensor(3, seed=k).requires_grad_(name in needed) for k, name in enumerate("wxb")}
    f(**inputs).sum().backward()
    assert set(asked) == {("forward", ("w", "x", "b")), ("backward", tuple(needed))}
    for name, value in inputs.items():
        assert (value.grad is not None) == (name in needed)


def test_without_gradients_nothing_is_derived(monkeypatch):
    f = tl.compile("f(w, x) = w*sin(x)").to_torch()
    asked = kernels_asked_for(f, monkeypatch)
    f(tensor(3), tensor(3))
    with torch.no_grad():
        f(leaf(3), leaf(3))
    assert set(asked) == {("forward", ("w", "x"))}


def saved(out):
    """Return what autograd keeps for a result."""
    return out.grad_fn.saved_tensors


def test_only_what_the_backward_reads_is_saved(line):
    w, x, b = leaf(3), leaf(3), leaf(3)
    assert {id(t) for t in saved(line(w, x, b))} == {id(w), id(x)}
    assert [id(t) for t in saved(line(w.detach(), x, b))] != []
    assert saved(line(w.detach(), x.detach(), b)) == ()
    with torch.no_grad():
        values = tensor(3)
    out = line(w, values, b)
    b.data.add_(1)  # not read by the backward, so that it may change
    torch.testing.assert_close(torch.autograd.grad(out.sum(), w)[0], values)


def test_a_change_in_place_is_seen(line):
    w, x = leaf(3), tensor(3)
    out = line(w, x, 1.0)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@pytest.mark.parametrize("points", [3, 5000])
def test_constants_are_not_differentiated(points):
    f = tl.compile(LINE, wrt=("x", "b")).to_torch()
    w, x, b = leaf(points), leaf(points), leaf(points)
    f(w, x, b).sum().backward()
    assert w.grad is None
    torch.testing.assert_close(x.grad, w.detach())
    assert not f(w, 1.0, 1.0).requires_grad
    assert not torch.func.jvp(lambda w: f(w, 1.0, 1.0), (w,), (w,))[1].any()


def test_an_input_that_is_not_used_has_gradient_zero():
    f = tl.compile("f(x, y) = x**2 + 0*y").to_torch()
    x, y = leaf(3), leaf(3)
    f(x, y).sum().backward()
    assert torch.equal(y.grad, torch.zeros(3, dtype=torch.float64))


def test_outputs_that_are_not_used():
    f = tl.compile("f(x[3], s) = s*x, dot(x, x)").to_torch()
    x, s = leaf(2, 3), leaf(2)
    for used in (0, 1):
        gradients = torch.autograd.grad(f(x, s)[used].sum(), (x, s), create_graph=True)
        want = [(s[:, None].expand(2, 3), x.sum(-1)), (2 * x, torch.zeros(2))][used]
        for a, b in zip(gradients, want, strict=True):
            torch.testing.assert_close(a, b.to(a.dtype))
        (second,) = torch.autograd.grad(gradients[0].sum(), (s, x)[used])
        assert torch.isfinite(second).all()


def test_a_derivative_that_c_cannot_express_is_an_error_of_the_backward():
    f = tl.compile("besselj(x, 0)").to_torch()
    x = leaf(3, low=1, high=2)
    for transformed in (lambda: f(x), lambda: torch.func.vmap(f)(x)):
        out = transformed()
        torch.testing.assert_close(out, torch.zeros_like(x))
        with pytest.raises(tl.DerivativeError):
            out.sum().backward()


# ---- manners


@pytest.mark.parametrize("points", [3, 5000])
def test_cotangents_are_neither_changed_nor_kept(line, points):
    w, x, b = leaf(points), leaf(points), leaf(points)
    out_bar = tensor(points)
    before = out_bar.clone()
    out = line(w, x, b)
    first = torch.autograd.grad(out, (w, x, b), out_bar, retain_graph=True)
    second = torch.autograd.grad(out, (w, x, b), out_bar)
    assert torch.equal(out_bar, before)
    assert all(torch.equal(a, c) for a, c in zip(first, second, strict=True))
    out = line(w, x, b)
    out.backward(out_bar)
    b.grad.zero_()
    assert torch.equal(out_bar, before)
    with pytest.raises(RuntimeError, match="second time"):
        out.backward(out_bar)


def test_gradients_that_repeat_the_cotangent_do_not_share_memory():
    a, b = leaf(3), leaf(3)
    tl.compile("a + b").to_torch()(a, b).backward(torch.ones_like(a))
    a.grad.zero_()
    assert torch.equal(b.grad, torch.ones_like(b))


def test_gradients_accumulate(line):
    w = leaf(3)
    for _ in range(2):
        line(w, w, w).sum().backward()
    torch.testing.assert_close(w.grad, 2 * (2 * w.detach() + 1))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing(line, reentrant):
    from torch.utils.checkpoint import checkpoint

    w, x = leaf(3), leaf(3)
    out = checkpoint(lambda w, x: line(line(w, x, 1.0), x, 2.0), w, x, use_reentrant=reentrant)
    out.sum().backward()
    torch.testing.assert_close(w.grad, x.detach() ** 2)


def test_hooks_on_saved_tensors_are_obeyed(line):
    class Packed:
        def __init__(self, tensor):
            self.tensor = tensor.float().t()

    w, x = leaf(2, 3), leaf(2, 3)
    with torch.autograd.graph.saved_tensors_hooks(Packed, lambda packed: packed.tensor.t().double()):
        out = line(w, x, 1.0)
    (gradient,) = torch.autograd.grad(out.sum(), w)
    torch.testing.assert_close(gradient, x.detach().float().double(), rtol=0, atol=0)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t[0]):
        out = line(w, x, 1.0)
    with pytest.raises(Exception, match=r"shape|size"):
        torch.autograd.grad(out.sum(), w)


def test_sparse_and_subclassed_cotangents(line):
    class Named(torch.Tensor):
        pass

    w, x = leaf(2, 2), leaf(2, 2)
    out_bar = torch.eye(2, dtype=torch.float64)
    for odd in (out_bar.as_subclass(Named), torch._neg_view(-out_bar)):
        (gradient,) = torch.autograd.grad(line(w, x, 1.0), w, odd)
        torch.testing.assert_close(gradient.as_subclass(torch.Tensor), out_bar * x)


def test_backward_within_forward_mode(line):
    """The graph was made without forward mode; the cotangent has a tangent."""
    import torch.autograd.forward_ad as forward

    w, x = leaf(3), leaf(3)
    out = line(w, x, 1.0)
    with forward.dual_level():
        out_bar = forward.make_dual(tensor(3), tensor(3, seed=1))
        (gradient,) = torch.autograd.grad(out, w, out_bar)
        torch.testing.assert_close(forward.unpack_dual(gradient).tangent, tensor(3, seed=1) * x)


def test_many_threads_at_once(line):
    w = tensor(100)
    want = 2 * w + 1
    wrong = []

    def work():
        for _ in range(50):
            own = w.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(line(own, own, own).sum(), own)
            if not torch.equal(gradient, want):
                wrong.append(gradient)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_assumptions_hold_for_the_inputs_in_derivatives_of_any_order():
    """The code is that of positive numbers: outside of them the difference shows where it is used."""
    f = tl.compile("abs(x)*y**3", assume={"x": "positive"}).to_torch()
    x, y = torch.tensor([-2.0], requires_grad=True), torch.tensor([-3.0], requires_grad=True)
    [by_y] = torch.autograd.grad(f(x, y).sum(), y, create_graph=True)
    [twice] = torch.autograd.grad(by_y.sum(), y, create_graph=True)
    [mixed] = torch.autograd.grad(twice.sum(), x)
    assert (by_y.item(), twice.item(), mixed.item()) == (-54.0, 36.0, -18.0)
    plain = tl.compile("abs(x)*y**3").to_torch()
    assert plain(x, y).item() == -f(x, y).item() == -54.0
