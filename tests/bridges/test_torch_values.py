"""Formulas called with tensors: what comes out, of which dtype and shape, and what is refused."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import tapeless as tl

torch = pytest.importorskip("torch")

LINE = "line(w, x, b) = w*x + b"
PAIR = "pair(x[3], s) = s*x, dot(x, x) + s"


def tensor(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture(scope="module")
def line():
    return tl.compile(LINE).to_torch()


@pytest.fixture(scope="module")
def pair():
    return tl.compile(PAIR).to_torch()


# ---- values


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("shape", [(), (1,), (5,), (2, 3), (0,), (2, 0, 3), (5000,)])
def test_values_and_shape(line, shape, dtype):
    w, x, b = (tensor(*shape, dtype=dtype, seed=k) for k in range(3))
    out = line(w, x, b)
    assert type(out) is torch.Tensor
    assert out.dtype == dtype
    assert out.shape == shape
    assert not out.requires_grad
    torch.testing.assert_close(out, w * x + b)


@pytest.mark.parametrize("shapes", [((2, 3), (3,), ()), ((3, 1), (1, 4), (1, 1, 1)), ((1,), (5000,), ())])
def test_inputs_broadcast(line, shapes):
    w, x, b = (tensor(*shape, seed=k) for k, shape in enumerate(shapes))
    torch.testing.assert_close(line(w, x, b), w * x + b)


def test_core_dimensions_come_last(pair):
    x, s = tensor(4, 1, 3), tensor(2)
    scaled, total = pair(x, s)
    assert (scaled.shape, total.shape) == ((4, 2, 3), (4, 2))
    torch.testing.assert_close(scaled, x * s[:, None])
    torch.testing.assert_close(total, (x * x).sum(-1) + s)


LAYOUTS = {
    "transposed": lambda t: t.t().contiguous().t(),
    "every second": lambda t: t.repeat_interleave(2, dim=1)[:, ::2],
    "expanded": lambda t: t[:1].expand(4, 5),
    "one number": lambda t: t[:1, :1].expand(4, 5),
    "a part": lambda t: torch.nn.functional.pad(t, (1, 1, 1, 1))[1:-1, 1:-1],
    "reversed": lambda t: torch.from_numpy(t.numpy()[::-1].copy()).flip(0),
    "negative": torch._neg_view,
}


@pytest.mark.parametrize("points", [20, 20_000])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout(line, layout, points):
    plain = tensor(4, 5)
    odd = LAYOUTS[layout](plain)
    if points > 20:
        odd = odd[None].expand(points // 20, 4, 5)
    want = odd.clone() * 2 + odd.clone()
    torch.testing.assert_close(line(odd, torch.full(odd.shape, 2.0, dtype=odd.dtype), odd), want)
    leaf = odd.detach().requires_grad_()
    out = line(leaf, leaf, odd)
    torch.testing.assert_close(torch.autograd.grad(out, leaf, odd)[0], odd * 2 * odd)


def test_an_address_that_is_not_aligned(line):
    raw = torch.zeros(8 * 4 + 4, dtype=torch.uint8)
    odd = torch.frombuffer(raw.numpy(), dtype=torch.float64, offset=4, count=4)
    odd.copy_(torch.arange(4.0))
    assert odd.data_ptr() % 8
    torch.testing.assert_close(line(odd, odd, odd), odd * odd + odd)


@pytest.mark.parametrize("points", [3, 500_000])
def test_nothing_is_copied(points):
    f = tl.compile("x + 1").to_torch()
    x = torch.zeros(points, dtype=torch.float64)
    out = f(x)
    out.add_(1)
    assert x.sum() == 0
    assert out[0] == 2
    again = f(x)
    assert again[0] == 1
    assert out[0] == 2, "memory of a tensor in use was used again"


def test_special_values_pass_through(line):
    x = torch.tensor([float("nan"), float("inf"), -0.0, 5e-324], dtype=torch.float64)
    out = line(x, 1.0, torch.full((4,), -0.0, dtype=torch.float64))
    assert torch.equal(torch.nan_to_num(out, 7.0, 8.0), torch.nan_to_num(x, 7.0, 8.0))
    assert torch.signbit(out[2])


# ---- dtypes


def test_the_dtype_is_that_of_the_tensors_not_of_the_function():
    for compiled in ("float32", "float64"):
        f = tl.compile("exp(x)", dtype=compiled).to_torch()
        for dtype in (torch.float32, torch.float64):
            x = tensor(3, dtype=dtype).requires_grad_()
            out = f(x)
            assert out.dtype == dtype
            torch.testing.assert_close(out, x.exp(), rtol=1e-6, atol=0)
            assert torch.autograd.grad(out.sum(), x)[0].dtype == dtype


def test_mixed_dtypes_are_promoted_as_torch_does(line):
    single, double, number = (
        tensor(3, dtype=torch.float32),
        tensor(3),
        torch.tensor(2.0, dtype=torch.float64),
    )
    for w, x, b in [
        (single, double, single),
        (single, number, single),
        (number, single, 1.0),
        (number, number, 1),
    ]:
        out = line(w, x, b)
        assert out.dtype == (w * x + b).dtype
        torch.testing.assert_close(out, w * x + b)
    leaf = single.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(line(leaf, double, 1.0).sum(), leaf)
    torch.testing.assert_close(gradient, double.float())


def test_numbers_stand_among_tensors(line):
    x = tensor(3)
    torch.testing.assert_close(line(2, x, True), 2 * x + 1)
    torch.testing.assert_close(line(np.float32(2), x, np.float64(1)), 2 * x + 1)
    out = line(2, 3.0, 1)
    assert out.dtype == torch.float64
    assert out.shape == ()
    assert out == 7


def test_arguments_by_name(line):
    assert line(2.0, b=1.0, x=3.0) == 7
    with pytest.raises(tl.ArgumentError, match="misses x, b"):
        line(2.0)
    with pytest.raises(tl.ArgumentError, match="takes 3 inputs, not 4"):
        line(1.0, 2.0, 3.0, 4.0)
    with pytest.raises(tl.ArgumentError, match="no input 'y'"):
        line(1.0, 2.0, y=3.0)
    with pytest.raises(tl.ArgumentError, match="got 'w' twice"):
        line(1.0, 2.0, w=3.0)


# ---- autocast: as torch's operators that are computed in float32


def test_autocast_widens_half_precision(line):
    w = tensor(3, dtype=torch.float32).requires_grad_()
    x = tensor(3, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = line(w.bfloat16(), x, 1.0)
        assert out.dtype == torch.float32
        assert line(tensor(3), tensor(3), 1.0).dtype == torch.float64
        linear = torch.nn.Linear(3, 3)
        assert line(linear(w), 2.0, 1.0).dtype == torch.float32
    (gradient,) = torch.autograd.grad(out.sum(), w)
    torch.testing.assert_close(gradient, x.float())
    with pytest.raises(tl.ArgumentError, match=r"bfloat16.*x\.float\(\).*autocast"):
        line(w, x, 1.0)


# ---- refusals

REFUSED = {
    "integers": (lambda: torch.arange(3), r"x is of torch\.int64.*x\.to\(torch\.float32\)"),
    "truth values": (lambda: torch.ones(3, dtype=torch.bool), r"torch\.bool"),
    "half": (lambda: torch.ones(3, dtype=torch.float16), r"float16.*x\.float\(\)"),
    "complex": (lambda: torch.ones(3, dtype=torch.complex128), r"complex.*x\.real and x\.imag"),
    "sparse": (lambda: torch.eye(3, dtype=torch.float64).to_sparse(), r"not a dense tensor.*to_dense"),
    "sparse rows": (lambda: torch.eye(3, dtype=torch.float64).to_sparse_csr(), r"not a dense tensor"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(2)]), r"not a dense tensor"),
    "array": (lambda: np.ones(3), r"NumPy array.*from_numpy"),
    "None": (lambda: None, r"NoneType.*a tensor or a number"),
    "list": (lambda: [1.0], r"list"),
    "two devices": (lambda: torch.ones(3, dtype=torch.float64, device="meta"), r"one device.*meta"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSED)
def test_refusals_name_the_remedy(line, case):
    make, message = REFUSED[case]
    good = torch.ones(3, dtype=torch.float64)
    line(good, good, good)
    with pytest.raises(tl.ArgumentError, match=message):
        line(good, make(), good)
    with pytest.raises(tl.ArgumentError, match=message.replace("x is", "w is").replace("x\\.", "w\\.")):
        line(make(), good, good)


class Elsewhere(torch.Tensor):
    """Stands for a tensor on a graphics card."""

    @property
    def device(self):
        return torch.device("cuda", 0)


def fake_on_a_card():
    """A tensor of torch's own for a card that need not be there."""
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        return torch.empty(3, device="cuda")


@pytest.mark.parametrize("make", [lambda: tensor(3).as_subclass(Elsewhere), fake_on_a_card])
def test_other_devices_are_refused_with_the_way_there_and_back(line, make):
    with pytest.raises(tl.ArgumentError, match=r"x is on cuda:0.*CPU.*x\.cpu\(\).*\.to\('cuda:0'\)"):
        line(1.0, make(), 1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_guide_says_does_not_work(line):
    module = tl.compile("f(x, b) = x*b").to_torch_module(parameters={"b": 1.0})
    with pytest.raises(tl.ArgumentError, match="has no input 'out'"):
        line(1.0, tensor(3), 1.0, out=tensor(3))
    with pytest.raises(Exception, match="can't take variable number of arguments"):
        torch.jit.script(module)
    with pytest.raises(TypeError):
        torch.jit.script(line)
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        torch.load(buffer, weights_only=True)


def test_shapes_that_do_not_fit(line, pair):
    with pytest.raises(tl.ShapeError, match=r"do not broadcast.*w \(2,\), x \(3,\)"):
        line(tensor(2), tensor(3), 1.0)
    with pytest.raises(tl.ShapeError, match=r"x has shape \(2,\).*\(3,\)"):
        pair(tensor(2), 1.0)
    with pytest.raises(tl.ShapeError, match=r"x has shape \(\)"):
        pair(1.0, 1.0)


def test_an_array_function_refuses_tensors_and_names_the_bridge():
    f = tl.compile(LINE)
    with pytest.raises(tl.ArgumentError, match=r"torch tensor.*f\.to_torch\(\)$"):
        f(tensor(3), 1.0, 1.0)


def test_without_torch_the_extra_is_named():
    code = """
import sys
sys.modules["torch"] = None
import tapeless as tl
try:
    tl.compile("x + 1").to_torch()
except tl.UnsupportedError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'tapeless[torch]'" in done.stdout


def test_torch_is_imported_when_it_is_asked_for():
    code = "import sys, tapeless as tl; tl.compile('x + 1')(1.0); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- kinds of tensors


def test_subclasses_stay_what_they_are(line):
    class Named(torch.Tensor):
        pass

    out = line(tensor(3).as_subclass(Named), tensor(3), 1.0)
    assert type(out) is Named
    parameter = torch.nn.Parameter(tensor(3))
    assert type(line(parameter, parameter, 1.0)) is torch.Tensor


def test_a_torch_function_mode_sees_the_call(line):
    class Seen(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            names.append(getattr(function, "name", ""))
            return function(*args, **(kwargs or {}))

    x = tensor(3)
    line(x, x, x)
    names = []
    with Seen():
        line(x, x, x)
    assert names.count("line") == 1


def test_meta_and_fake_tensors_give_shapes(line, pair):
    from torch._subclasses import FakeTensorMode

    out = line(torch.empty(2, 3, device="meta"), torch.empty(3, device="meta"), 1.0)
    assert (out.device.type, out.shape, out.dtype) == ("meta", (2, 3), torch.float32)
    with FakeTensorMode() as mode:
        scaled, total = pair(mode.from_tensor(tensor(2, 3)), 1.0)
    assert (scaled.shape, total.shape) == ((2, 3), (2,))
    with pytest.raises(tl.ShapeError, match="do not broadcast"):
        line(torch.empty(2, device="meta"), torch.empty(3, device="meta"), 1.0)


def test_inference_mode(line):
    w = tensor(3).requires_grad_()
    with torch.inference_mode():
        out = line(w, tensor(3), 1.0)
        assert out.is_inference()
        inferred = tensor(3)
        torch.testing.assert_close(line(inferred, inferred, inferred), inferred * inferred + inferred)
    with torch.no_grad():
        assert not line(w, w, w).requires_grad


def test_a_default_device_and_a_default_dtype_change_nothing(line):
    with torch.device("cpu"):
        assert line(tensor(3), 2.0, 1.0).dtype == torch.float64
    assert line(1.0, 2.0, 3.0).dtype == torch.float64


# ---- copies


def test_copies_and_pickles():
    f = tl.compile(LINE, wrt=("x", "b")).to_torch()
    assert copy.copy(f) is f
    assert copy.deepcopy(f) is f
    again = pickle.loads(pickle.dumps(f))
    assert (again.name, again.input_names, again.function.wrt) == ("line", ("w", "x", "b"), ("x", "b"))
    assert again(2.0, 3.0, 1.0) == 7
    assert f.function.to_torch() is f
    assert again.function.to_torch() is again
    assert repr(f) == "<tapeless line(w, x, b) -> out, for torch>"


def test_two_callables_of_one_formula_share_their_operators():
    first, second = tl.compile(LINE).to_torch(), tl.compile(LINE).to_torch()
    assert first._operator is second._operator
    other = tl.compile("line(w, x, b) = w*x - b").to_torch()
    assert other._operator is not first._operator
    assert other(2.0, 3.0, 1.0) == 5


def test_names_that_torch_does_not_take():
    f = tl.compile("θ(α, self) = α*self").to_torch()
    assert f(2.0, 3.0) == 6
    x = tensor(3).requires_grad_()
    torch.testing.assert_close(torch.func.grad(lambda x: f(x, 2.0).sum())(x), torch.full_like(x, 2.0))


def test_no_warnings(line):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.from_numpy(np.arange(3.0)).requires_grad_()
        line(x, x, x).sum().backward()
