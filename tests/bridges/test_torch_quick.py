"""Kernels called straight with tensors: through the extension and without it, the same; everything else refused."""

from __future__ import annotations

import gc
import random
import subprocess
import sys
import threading

import pytest

import tapeless as tl

torch = pytest.importorskip("torch")

from tapeless.bridges.torch import quick, tensors  # noqa: E402
from tapeless.bridges.torch.tensors import TensorKernel  # noqa: E402
from tapeless.runtime.arrays import short_calls  # noqa: E402
from tapeless.runtime.compiler import which  # noqa: E402
from tapeless.runtime.extension import VARIABLE  # noqa: E402

QUICK = quick.find().extension
LINE = "line(w, x, b) = w*x + b"


def test_the_extension_is_there():
    """In an environment for development; where it may be missing it says why."""
    assert QUICK is not None, quick.find().reason


@pytest.fixture(params=["extension", "python"])
def way(request, monkeypatch):
    """Both ways to call a kernel directly."""
    monkeypatch.setattr(tensors, "_quick", QUICK if request.param == "extension" else None)
    return request.param


def kernel(text=LINE, dtype="float64", kind="forward", given=None):
    return TensorKernel(tl.compile(text, dtype=dtype)._caller(kind, None), given)


def number(*shape, dtype=torch.float64, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# ---- the kernel


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results(way, dtype):
    call = kernel(dtype=dtype).direct
    w, x, b = (number(2, 3, dtype=getattr(torch, dtype), seed=k) for k in range(3))
    (out,) = call((w, x, b), w)
    assert (type(out), out.dtype, out.shape, out.is_contiguous()) == (torch.Tensor, w.dtype, (2, 3), True)
    torch.testing.assert_close(out, w * x + b)
    assert torch.equal(call([w, x, b], b)[0], out)
    (out,) = call((w[0, 0], x[0, 0], b[0, 0]), w[0, 0])
    assert out.shape == ()


def test_several_results_and_operands_that_are_not_given(way):
    call = kernel(kind="backward", given=(0, 1, 3)).direct
    w, x, g = (number(4, seed=k) for k in range(3))
    found = call((w, x, g), g)
    for a, b in zip(found, (g * x, g * w, g), strict=True):
        torch.testing.assert_close(a, b)


def test_tensors_that_do_not_lie_in_order_are_copied(way):
    call = kernel().direct
    chance = random.Random(1)
    for _ in range(200):
        shape = [chance.randint(1, 4) for _ in range(chance.randint(0, 4))]
        operands = []
        for _ in range(3):
            order = list(range(len(shape)))
            chance.shuffle(order)
            base = number(*(shape[k] * 2 for k in order), seed=chance.randint(0, 99))
            view = base.permute([order.index(k) for k in range(len(shape))])
            view = view[tuple(slice(None, None, 2) for _ in shape)]
            if shape and chance.random() < 0.3:
                axis = chance.randrange(len(shape))
                view = view.narrow(axis, 0, 1).expand(shape)
            operands.append(view)
        (out,) = call(operands, operands[0])
        w, x, b = operands
        assert out.is_contiguous()
        torch.testing.assert_close(out, w * x + b)


def test_what_takes_more_is_left_alone(way):
    call = kernel().direct
    most = tensors._PATIENCE * short_calls(kernel().signature)[0] - 1
    w, long = number(4), number(most + 1)
    for operands in [
        (w, w, number(1)),
        (w, w, number()),
        (w, w, number(2, 2)),
        (w, w.float(), w),
        (w.float(), w.float(), w.float()),
        (long, long, long),
        (number(0), number(0), number(0)),
    ]:
        assert call(operands, operands[0]) is None
    edge = number(most)
    torch.testing.assert_close(call((edge, edge, edge), edge)[0], edge * edge + edge)
    shaped = kernel("f(x[3], s) = s*x").direct
    assert shaped((number(3), number(3)), number(3)) is None


def test_results_belong_to_the_caller(way):
    call = kernel("x + 1").direct
    x = number(50)
    first = call((x,), x)[0]
    kept = first.clone()
    for _ in range(100):
        call((x,), x)
    assert torch.equal(first, kept)
    assert first.resize_(10).shape == (10,)


def test_no_references_are_left(way):
    call = kernel(kind="backward").direct
    x = number(4, 4)
    operands = (x, x.t(), x, x)
    call(operands, x)
    before = sys.getrefcount(x), sys.getrefcount(operands)
    gc.collect()
    objects = len(gc.get_objects())
    for _ in range(100):
        call(operands, x)
        assert call((x, x, x, x.float()), x) is None
    gc.collect()
    assert (sys.getrefcount(x), sys.getrefcount(operands)) == before
    assert abs(len(gc.get_objects()) - objects) < 20


def test_many_threads(way):
    call = kernel(dtype="float64").direct
    want, wrong = number(3000) * 2, []

    def work(seed):
        x = number(3000)
        two, zero = torch.full_like(x, 2.0), torch.zeros_like(x)
        for _ in range(100):
            if not torch.equal(call((two, x, zero), x)[0], want):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- what is plain


class Named(torch.Tensor):
    pass


def odd_tensors():
    x = number(2, 2)
    kept = []
    torch.func.grad(lambda t: (kept.append(t), t.sum())[1])(x)
    torch.func.vmap(lambda t: (kept.append(t), t)[1])(x)
    return {
        "subclass": x.as_subclass(Named),
        "sparse": x.to_sparse(),
        "sparse rows": x.to_sparse_csr(),
        "negative": torch._neg_view(x),
        "zero": torch._efficientzerotensor((2, 2), dtype=torch.float64),
        "meta": x.to("meta"),
        "nested": torch.nested.nested_tensor([x, x]),
        "outlived a gradient": kept[0],
        "outlived a map": kept[1],
        "another dtype": x.float(),
        "integers": x.long(),
        "number": 1.0,
        "None": None,
        "array": x.numpy(),
    }


@pytest.mark.filterwarnings("ignore")
def test_plain_tensors_are_told_from_others():
    x = number(2, 2)
    with torch.inference_mode():
        inferred = number(2)
    usual = [
        *(x, x.t(), x[0, 0], number(0, 2), x.expand(3, 2, 2)),
        *(x.clone().requires_grad_(), torch.nn.Parameter(x), inferred),
    ]
    for are_plain in (QUICK.are_plain, tensors._are_plain):
        for tensor in usual:
            assert are_plain((tensor,), torch.float64)
            assert are_plain([x, tensor], torch.float64)
        assert are_plain((x.float(),), torch.float32)
        for name, odd in odd_tensors().items():
            assert not are_plain((x, odd), torch.float64), name
    assert all(map(tensors.is_plain, [*usual, x.float()]))


@pytest.mark.filterwarnings("ignore")
def test_an_odd_tensor_never_reaches_a_kernel():
    call = kernel().direct
    x = number(2, 2)
    for name, odd in odd_tensors().items():
        if name != "negative":  # which is for are_plain to see
            assert call((x, odd, x), x) is None, name


def test_misuse_of_the_extension_is_an_error():
    call = kernel().direct
    x = number(2)
    for arguments in [((x, x), x), ((x, x, x),), (x, x), ((x, x, x), x, x)]:
        with pytest.raises(TypeError):
            call(*arguments)
    with pytest.raises(TypeError):
        QUICK.are_plain((x,))
    for wrong in [
        (1, torch.int64, 1, (0,), 1, 9, 9),
        (1, torch.float64, 0, (), 1, 9, 9),
        (1, torch.float64, 2, (2,), 1, 9, 9),
        (1, torch.float64, 1, (-1,), 1, 9, 9),
        (1, torch.float64, 1, (0, 0), 1, 9, 9),
        (1, torch.float64, 65, (0,), 1, 9, 9),
        (1, torch.float64, 1, (0,), 65, 9, 9),
    ]:
        with pytest.raises(ValueError, match=r"kernel|slot"):
            QUICK.Kernel(*wrong)


def test_more_operands_than_the_extension_takes():
    names = [f"x{k}" for k in range(70)]
    call = kernel(f"f({', '.join(names)}) = {' + '.join(names)}").direct
    x = number(3)
    torch.testing.assert_close(call([x] * 70, x)[0], 70 * x)


# ---- with and without


SAME = """
import torch
import tapeless as tl
from tapeless.bridges.torch import quick
f = tl.compile("f(w, x, b) = w*sin(x) + b").to_torch()
x = torch.linspace(-1, 1, 50, dtype=torch.float64).requires_grad_()
for w in (x, x.detach(), 2.0, x[:1]):
    out = f(w, x, x)
    print(out.sum().item().hex(), torch.autograd.grad(out.sum(), x)[0].sum().item().hex())
"""


def test_turned_off_everything_is_the_same(monkeypatch):
    outputs = []
    for value, line in (
        ("1", "print(quick.find().extension is not None)"),
        ("0", "print(quick.find().reason)"),
    ):
        monkeypatch.setenv(VARIABLE, value)
        done = subprocess.run([sys.executable, "-c", SAME + line], capture_output=True, text=True, check=True)
        outputs.append(done.stdout.splitlines())
    assert outputs[0][:-1] == outputs[1][:-1]
    assert outputs[0][-1] == "True"
    assert outputs[1][-1] == f"turned off by {VARIABLE}=0"


def test_where_it_cannot_be_had_the_reason_is_told(monkeypatch, empty_cache):
    def found():
        quick.find.cache_clear()
        quick.EXTENSION.forget()
        return quick.find()

    with monkeypatch.context() as patch:
        patch.setattr(quick.EXTENSION, "read", lambda: "no C")
        refused = found()
        assert refused.extension is None
        assert "refused" in refused.reason
        assert "same results" in refused.remedy
    with monkeypatch.context() as patch:
        patch.setattr(quick, "_EXCHANGE", "__not_there__")
        assert "has no __not_there__" in found().reason
    monkeypatch.setattr(quick, "_connected", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr("time.time", lambda: 4e9)  # when the refusal is long forgotten
        assert "has another version" in found().reason
    with monkeypatch.context() as patch:
        patch.setenv("TAPELESS_CC", "/no/compiler")
        assert "/no/compiler" in found().reason
    monkeypatch.undo()
    quick.find.cache_clear()
    quick.EXTENSION.forget()


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_compiles_without_a_warning(cc):
    if which(cc) is None:
        pytest.skip(f"no {cc}")
    folders = [flag for folder in quick.EXTENSION.include_folders() for flag in ("-isystem", folder)]
    flags = [
        "-std=c11",
        "-O2",
        "-fsyntax-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-missing-field-initializers",
    ]
    done = subprocess.run(
        [cc, *flags, *folders, "-x", "c", "-"],
        input=quick.EXTENSION.read(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
