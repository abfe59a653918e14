"""A formula as a layer of a model: trained, saved, copied, sent to other processes."""

from __future__ import annotations

import copy
import functools
import io
import pickle

import numpy as np
import pytest

import tapeless as tl

torch = pytest.importorskip("torch")

SWISH = "swish(x, beta) = x/(1 + exp(-beta*x))"
HUBER = "huber(r, delta) = where(abs(r) <= delta, r**2/2, delta*(abs(r) - delta/2))"
PLANE = "plane(x[2], n[2], d) = dot(x, n) + d"


def swish():
    return tl.compile(SWISH).to_torch_module(parameters={"beta": 1.0})


# ---- parameters by name


def test_parameters_buffers_and_inputs():
    plane = tl.compile(PLANE).to_torch_module(parameters={"n": [3, 4]}, buffers={"d": 0.5})
    assert [(name, p.dtype, p.shape) for name, p in plane.named_parameters()] == [("n", torch.float32, (2,))]
    assert list(plane.state_dict()) == ["n", "d"]
    assert plane.input_names == ("x",)
    assert plane(torch.tensor([1.0, 2.0])) == 11.5
    assert plane(x=torch.tensor([1.0, 2.0])) == 11.5
    assert repr(plane) == "FormulaModule(plane(x, n, d) -> out; has n, d)"


def test_a_module_without_parameters():
    act = tl.compile("softplus(x) = log(1 + exp(x))").to_torch_module()
    assert list(act.parameters()) == []
    x = torch.tensor([0.0, 100.0, -100.0], dtype=torch.float64)
    torch.testing.assert_close(act(x), torch.nn.functional.softplus(x))
    assert repr(torch.nn.Sequential(act)).count("softplus(x) -> out") == 1


def test_a_parameter_may_be_shared():
    beta = torch.nn.Parameter(torch.tensor(2.0))
    first, second = (tl.compile(SWISH).to_torch_module(parameters={"beta": beta}) for _ in range(2))
    assert first.beta is second.beta is beta


@pytest.mark.parametrize("kind", ["parameters", "buffers"])
@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([2.0, 3.0]),
        torch.tensor([2.0, 3.0], requires_grad=True) * 1,
        torch.tensor([2, 3]),
        np.array([2.0, 3.0]),
        np.array([2.0, 3.0], np.float32)[::-1][::-1],
        np.array([2, 3]),
        [2.0, 3],
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)
def test_values_are_copied(kind, value):
    """Training, `load_state_dict` and `share_memory` write into the module's memory, which is not the caller's."""
    module = tl.compile(PLANE).to_torch_module(**{kind: {"n": value}})
    assert module.n.is_floating_point()
    assert module.n.is_leaf
    with torch.no_grad():
        module.n.add_(1)
    assert module.n.tolist() == [3, 4]
    assert torch.as_tensor(value).tolist() == [2, 3]


def test_a_parameter_given_as_a_buffer_is_copied_too():
    weight = torch.nn.Parameter(torch.tensor([2.0, 3.0]))
    module = tl.compile(PLANE).to_torch_module(buffers={"n": weight})
    module.n.add_(1)
    assert weight.tolist() == [2, 3]
    assert not module.n.requires_grad


@pytest.mark.parametrize(
    ("value", "message"), [(1j, "complex"), (None, "cannot become a tensor"), ("1", "cannot become a tensor")]
)
def test_values_that_are_no_numbers(value, message):
    for kind in ("parameters", "buffers"):
        with pytest.raises(tl.ArgumentError, match=f"^beta .*{message}"):
            tl.compile(SWISH).to_torch_module(**{kind: {"beta": value}})


def test_wrong_names_and_shapes():
    f = tl.compile(PLANE, wrt=("x", "n"))
    for options, error, message in [
        ({"parameters": {"y": 1.0}}, tl.ArgumentError, "no input 'y'; its inputs are x, n, d"),
        (
            {"parameters": {"d": 1.0}},
            tl.ArgumentError,
            r"d is a constant of plane.*x, n; give it in buffers=",
        ),
        ({"parameters": {"n": [1.0] * 3}}, tl.ShapeError, r"n has shape \(3,\).*\(2,\)"),
        ({"parameters": {"n": 1.0}}, tl.ShapeError, r"n has shape \(\)"),
        (
            {"parameters": {"n": [1, 1]}, "buffers": {"n": [1, 1]}},
            tl.ArgumentError,
            "among the parameters and",
        ),
    ]:
        with pytest.raises(error, match=message):
            f.to_torch_module(**options)
    with pytest.raises(tl.ArgumentError, match="something called 'half'"):
        tl.compile("f(x, half) = x*half").to_torch_module(parameters={"half": 0.5})


def test_wrong_calls():
    module = swish()
    x = torch.zeros(2)
    with pytest.raises(tl.ArgumentError, match=r"swish\(x\) takes 1 inputs, not 2"):
        module(x, x)
    with pytest.raises(tl.ArgumentError, match="misses x"):
        module()
    with pytest.raises(tl.ArgumentError, match=r"beta cannot be given by name.*of its own"):
        module(x, beta=1.0)
    with pytest.raises(tl.ArgumentError, match=r"y cannot be given by name.*has none"):
        module(y=x)


def test_dtypes_follow_the_module():
    module = swish().double()
    assert module(torch.zeros(2, dtype=torch.float64)).dtype == torch.float64
    assert module.float()(torch.zeros(2)).dtype == torch.float32


def test_parametrized_and_called_with_other_parameters():
    module = swish()

    class Positive(torch.nn.Module):
        def forward(self, raw):
            return raw.exp()

    x = torch.tensor([0.5, -1.0])
    torch.nn.utils.parametrize.register_parametrization(module, "beta", Positive())
    e = torch.tensor(1.0).exp()
    torch.testing.assert_close(module(x), x * torch.sigmoid(e * x))
    plain = swish()
    called = functools.partial(torch.func.functional_call, plain)
    torch.testing.assert_close(called({"beta": torch.tensor(3.0)}, (x,)), x * torch.sigmoid(3 * x))
    betas = torch.tensor([1.0, 2.0])
    several = torch.func.vmap(lambda beta: called({"beta": beta}, (x,)))(betas)
    torch.testing.assert_close(several, x * torch.sigmoid(betas[:, None] * x))


# ---- a small model, with an activation and a loss of its own, trained to convergence


def model_and_data():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-2, 2, 64, dtype=torch.float64)[:, None]
    y = torch.sin(2 * x) + 0.3 * x
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 12), swish(), torch.nn.Linear(12, 12), swish(), torch.nn.Linear(12, 1)
    ).double()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.5)
    return model, x, y


def test_a_model_converges():
    model, x, y = model_and_data()
    huber = tl.compile(HUBER, wrt="r").to_torch()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=60, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = huber(model(x) - y, 1.0).mean()
        value.backward()
        return value

    first = loss().item()
    optimizer.step(loss)
    assert loss().item() < 2e-3 * first
    assert model[1].beta != 1, "the slope of the activation is trained too"


def test_a_fit_of_named_parameters_recovers_them():
    f = tl.compile("decay(t, A, g, w) = A*exp(-g*t)*cos(w*t)")
    t = torch.linspace(0, 3, 50, dtype=torch.float64)
    y = f.to_torch()(t, 2.0, 0.5, 3.0)
    module = f.to_torch_module(parameters={"A": 1.5, "g": 0.3, "w": 2.8}).double()
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        value = ((module(t) - y) ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    found = [module.A.item(), module.g.item(), module.w.item()]
    assert found == pytest.approx([2.0, 0.5, 3.0], rel=1e-6)


# ---- saved, copied, sent


def test_saved_copied_and_pickled():
    model, x, _ = model_and_data()
    want = model(x)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for again in (loaded, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(again(x), want)
        again(x).sum().backward()
        assert again[1].beta is not model[1].beta
        assert again[1].beta.grad is not None
    assert model[1].beta.grad is None
    state = io.BytesIO()
    torch.save(model.state_dict(), state)
    state.seek(0)
    fresh, _, _ = model_and_data()
    with torch.no_grad():
        fresh[1].beta.fill_(5.0)
    fresh.load_state_dict(torch.load(state, weights_only=True))
    assert torch.equal(fresh(x), want)


class Transformed(torch.utils.data.Dataset):
    """Items that go through a formula in the worker, gradient and all."""

    def __init__(self, f):
        self.f = f

    def __len__(self):
        return 4

    def __getitem__(self, index):
        x = torch.full((3,), float(index), dtype=torch.float64, requires_grad=True)
        out = self.f(x, 2.0, 1.0)
        out.sum().backward()
        return out.detach(), x.grad


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_data_loader(start):
    f = tl.compile("line(w, x, b) = w*x + b").to_torch()
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    f(x, x, x).sum().backward()  # the parent has used it before its children do
    torch.set_num_threads(torch.get_num_threads())
    loader = torch.utils.data.DataLoader(
        Transformed(f), batch_size=2, num_workers=1, multiprocessing_context=start
    )
    values, slopes = (torch.cat(parts) for parts in zip(*loader, strict=True))
    torch.testing.assert_close(values[:, 0], torch.tensor([1.0, 3.0, 5.0, 7.0], dtype=torch.float64))
    assert torch.equal(slopes, torch.full((4, 3), 2.0, dtype=torch.float64))


def train_a_step(model, x, results):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(x).sum().backward()
    optimizer.step()
    results.put(model.beta.item())


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_model_shared_between_processes(start):
    context = torch.multiprocessing.get_context(start)
    model = swish()
    model.share_memory()
    before = model.beta.item()
    results = context.SimpleQueue()
    process = context.Process(target=train_a_step, args=(model, torch.ones(3), results))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == 0
    assert results.get() == model.beta.item() != before
