"""The ways into a formula: eager, under transforms, in forward mode, compiled. All give the same numbers."""

from __future__ import annotations

import pytest

import tapeless as tl

torch = pytest.importorskip("torch")

from torch.autograd import forward_ad  # noqa: E402
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning:torch", "ignore::DeprecationWarning", "ignore::FutureWarning:torch"
)

LINE = "line(w, x, b) = w*x + b"
WAVE = "wave(a, x) = a*sin(x)*exp(a*x)"
PAIR = "pair(x[3], s) = s*x*x, dot(x, x)*exp(s)"


def tensor(*shape, dtype=torch.float64, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.1


@pytest.fixture(scope="module")
def line():
    return tl.compile(LINE).to_torch()


@pytest.fixture(scope="module")
def wave():
    return tl.compile(WAVE).to_torch()


@pytest.fixture(scope="module")
def pair():
    return tl.compile(PAIR).to_torch()


def wave_in_torch(a, x):
    return a * torch.sin(x) * torch.exp(a * x)


def pair_in_torch(x, s):
    return s[..., None] * x * x, (x * x).sum(-1) * torch.exp(s)


def close(found, wanted):
    """Compare trees of tensors."""
    torch.testing.assert_close(found, wanted)


@pytest.fixture
def compiled():
    """Compile with nothing but the capture checked; each test starts from nothing."""
    torch._dynamo.reset()
    yield lambda f, backend="aot_eager", **options: torch.compile(
        f, fullgraph=True, backend=backend, **options
    )
    torch._dynamo.reset()


# ---- forward mode: right, and never silently zero


def dual_levels(f, primals, tangents):
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(*pair) for pair in zip(primals, tangents, strict=True)]
        value, tangent = forward_ad.unpack_dual(f(*duals))
    return value, tangent


def transformed(f, primals, tangents):
    return jvp(f, primals, tangents)


def compiled_dual_levels(f, primals, tangents):
    return torch.compile(lambda p, t: tuple(dual_levels(f, p, t)), fullgraph=True, backend="aot_eager")(
        primals, tangents
    )


def compiled_transform(f, primals, tangents):
    return torch.compile(lambda p, t: jvp(f, p, t), fullgraph=True, backend="aot_eager")(primals, tangents)


def batched(f, primals, tangents):
    return vmap(lambda *both: jvp(f, both[:2], both[2:]))(*primals, *tangents)


def after_a_graph_break(f, primals, tangents):
    def broken(p, t):
        with forward_ad.dual_level():
            duals = [forward_ad.make_dual(*pair) for pair in zip(p, t, strict=True)]
            torch._dynamo.graph_break()
            return tuple(forward_ad.unpack_dual(f(*duals)))

    return torch.compile(broken, backend="aot_eager")(primals, tangents)


def without_recording(f, primals, tangents):
    with torch.no_grad():
        return dual_levels(f, primals, tangents)


def through_the_operator(f, primals, tangents):
    return jvp(f._operator, primals, tangents)


WAYS = [
    dual_levels,
    transformed,
    compiled_dual_levels,
    compiled_transform,
    batched,
    after_a_graph_break,
    without_recording,
    through_the_operator,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_has_a_tangent(wave, way):
    torch._dynamo.reset()
    primals, tangents = (tensor(4), tensor(4, seed=1)), (tensor(4, seed=2), tensor(4, seed=3))
    value, tangent = way(wave, primals, tangents)
    want = jvp(wave_in_torch, primals, tangents)
    assert torch.all(tangent != 0)
    close((value, tangent), want)


def test_a_tangent_of_some_inputs(pair):
    x, s, t = tensor(2, 3), tensor(2), tensor(2)
    with forward_ad.dual_level():
        scaled, total = pair(x, forward_ad.make_dual(s, t))
        close(forward_ad.unpack_dual(scaled).tangent, t[:, None] * x * x)
        close(forward_ad.unpack_dual(total).tangent, t * pair_in_torch(x, s)[1])


# ---- torch.func


def test_vjp_and_grad(wave, pair):
    a, x = tensor(4), tensor(4, seed=1)
    value, pull = vjp(wave, a, x)
    want, pull_in_torch = vjp(wave_in_torch, a, x)
    close((value, pull(x)), (want, pull_in_torch(x)))
    close(
        grad(lambda x: pair(x, a)[1].sum())(tensor(4, 3)),
        grad(lambda x: pair_in_torch(x, a)[1].sum())(tensor(4, 3)),
    )


def total_of_pair(pair):
    def total(x, s):
        first, second = pair(x, s)
        return (first * first).sum() + second.sum()

    return total


ORDERS = {
    "jacrev": jacrev,
    "jacfwd": jacfwd,
    "hessian": hessian,
    "reverse twice": lambda f, argnums: jacrev(jacrev(f, argnums), argnums),
    "forward twice": lambda f, argnums: jacfwd(jacfwd(f, argnums), argnums),
    "reverse over forward": lambda f, argnums: jacrev(jacfwd(f, argnums), argnums),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("shapes", [((3,), ()), ((2, 3), ()), ((3,), (2,)), ((2, 1, 3), (2,))])
def test_matrices_of_derivatives(pair, order, shapes):
    point = tuple(tensor(*shape, seed=k) for k, shape in enumerate(shapes))
    both = (0, 1)
    close(
        ORDERS[order](total_of_pair(pair), argnums=both)(*point),
        ORDERS[order](total_of_pair(pair_in_torch), argnums=both)(*point),
    )


def test_third_derivative_at_each_point(wave):
    a, x = tensor(4), tensor(4, seed=1)
    third = [vmap(grad(grad(grad(f, 1), 1), 0)) for f in (wave, wave_in_torch)]
    close(third[0](a, x), third[1](a, x))


@pytest.mark.parametrize("dims", [(0, 0), (1, 0), (None, 0), (0, None), (-1, -1), (2, 0), (1, None)])
def test_vmap_over_any_dimension(pair, dims):
    shapes = {None: (4, 3), 0: (5, 4, 3), 1: (4, 5, 3), 2: (4, 3, 5), -1: (4, 3, 5)}
    x = tensor(*shapes[dims[0]])
    s = tensor(*{None: (4,), 0: (5, 4), -1: (4, 5)}[dims[1]], seed=1)
    close(vmap(pair, in_dims=dims)(x, s), vmap(pair_in_torch, in_dims=dims)(x, s))
    for f in (pair, pair_in_torch):
        vmap(f, in_dims=dims, out_dims=1)(x, s)
    slopes = [
        vmap(jacrev(total_of_pair(f), argnums=(0, 1)), in_dims=dims)(x, s) for f in (pair, pair_in_torch)
    ]
    close(*slopes)
    twice = [vmap(hessian(total_of_pair(f), argnums=1), in_dims=dims)(x, s) for f in (pair, pair_in_torch)]
    close(*twice)


def test_nested_vmap_with_inputs_of_different_ranks(line):
    w, x, b = tensor(5, 2, 3), tensor(4, 3), tensor(5)
    inner = vmap(line, in_dims=(None, 0, None))
    found = vmap(inner, in_dims=(0, None, 0))(w, x, b)
    close(found, w[:, None] * x[None, :, None] + b[:, None, None, None])

    def slopes(f):
        return vmap(
            vmap(grad(lambda w, x, b: f(w, x, b).sum(), argnums=(0, 1, 2)), (None, 0, None)), (0, None, 0)
        )

    close(slopes(line)(w, x, b), slopes(lambda w, x, b: w * x + b)(w, x, b))


def test_gradients_batched_by_autograd(line, wave):
    """Which torch does by a vmap of its own, older than torch.func."""
    w, x = tensor(3).requires_grad_(), tensor(2, 3).requires_grad_()
    out_bars = tensor(4, 2, 3)
    for f, g in ((lambda w, x: line(w, x, 1.0), lambda w, x: w * x + 1), (wave, wave_in_torch)):
        found, want = (torch.autograd.grad(h(w, x), (w, x), out_bars, is_grads_batched=True) for h in (f, g))
        close(found, want)
    jacobian = torch.autograd.functional.jacobian
    close(jacobian(wave, (w, x), vectorize=True), jacobian(wave_in_torch, (w, x)))
    close(jacobian(wave, (w, x), vectorize=True, strategy="forward-mode"), jacobian(wave_in_torch, (w, x)))


def test_transforms_within_autograd(wave):
    """A graph recorded around a transform, and a tensor that has outlived its transform."""
    a, x = tensor(3).requires_grad_(), tensor(3, seed=1)

    def mixed(f):
        return torch.autograd.grad(jacrev(lambda x: f(a, x).sum())(x).sum(), a)

    close(mixed(wave), mixed(wave_in_torch))
    kept = []
    grad(lambda x: (kept.append(x), x.sum())[1])(x)
    close(wave(a, kept[0]), wave_in_torch(a, x))


def test_linearize_and_functional_call(wave):
    a, x = tensor(3), tensor(3, seed=1)
    value, push = torch.func.linearize(lambda x: wave(a, x), x)
    close((value, push(x)), jvp(lambda x: wave_in_torch(a, x), (x,), (x,)))


# ---- more tensors than torch's operators take one by one


def many_in_torch(*values):
    return sum(values[:-1]) * values[-1].exp(), values[0] * values[1]


@pytest.mark.parametrize("count", [35, 70])
def test_many_inputs(count, compiled):
    """From 33 inputs on a tangent, from 65 on the value itself takes more than 64 tensors."""
    names = [f"x{k}" for k in range(count)]
    total = " + ".join(names[:-1])
    f = tl.compile(f"f({', '.join(names)}) = ({total})*exp({names[-1]}), x0*x1").to_torch()
    point = [tensor(3, seed=k).requires_grad_() for k in range(count)]
    plain = tuple(value.detach() for value in point)
    assert f._formula.in_lists == (count > 64)

    def all_of(f, compile=lambda f: f):
        first, second = compile(f)(*point)
        slopes = torch.autograd.grad((first * second).sum(), point)
        second_order = torch.autograd.grad(
            torch.autograd.grad(f(*point)[0].sum(), point[-1], create_graph=True)[0].sum(), point[:2]
        )
        pushed = jvp(f, plain, plain)
        mapped = vmap(grad(lambda *v: f(*v)[0], argnums=(0, count - 1)))(*plain)
        return first, second, slopes, second_order, pushed, mapped

    close(all_of(f), all_of(many_in_torch))
    close(all_of(f, compiled), all_of(many_in_torch))


# ---- operators as torch wants them


def operators(text, shapes):
    """Return (operator, arguments) of a formula, its pullback, its pushforward, and their derivatives."""
    f = tl.compile(text).to_torch()
    formula = f._formula
    point = [tensor(*shape, seed=k).requires_grad_() for k, shape in enumerate(shapes)]
    every = tuple(range(len(point)))
    pullback = formula.pullback(every, torch.float64)
    results = f(*point)
    cotangents = [torch.ones_like(out) for out in (results if isinstance(results, tuple) else (results,))]
    back = [*(point[k] for k in pullback.used), *cotangents]
    return {
        "values": (formula.operator, point),
        "pullback": (pullback.operator, [*back, *(point[k].shape for k in pullback.bare)]),
        "pushforward": (formula.pushforward(every).operator, [*point, *point]),
        "second pullback": (
            (second := pullback.derivative.pullback(tuple(range(len(back))), torch.float64)).operator,
            [*(back[k] for k in second.used), *(torch.ones_like(point[k]) for k in pullback.wanted)]
            + [back[k].shape for k in second.bare],
        ),
    }


@pytest.mark.parametrize("name", ["values", "pullback", "pushforward", "second pullback"])
@pytest.mark.parametrize(
    ("text", "shapes"), [(WAVE, [(3,), (3,)]), (LINE, [(3,), (3,), (3,)]), (PAIR, [(2, 3), (2,)])]
)
def test_opcheck(text, shapes, name):
    operator, arguments = operators(text, shapes)[name]
    checked = torch.library.opcheck(operator, arguments)
    assert set(checked.values()) == {"SUCCESS"}
    assert len(checked) == 4


# ---- torch.compile

ACTIVATION = "act(x, beta) = x/(1 + exp(-beta*x))"
LOSS = "loss(r, delta) = where(abs(r) <= delta, r**2/2, delta*(abs(r) - delta/2))"


class Model(torch.nn.Module):
    """Three formulas with layers of torch between them."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 5, dtype=torch.float64)
        self.act = tl.compile(ACTIVATION).to_torch_module(parameters={"beta": torch.tensor(1.5).double()})
        self.line = tl.compile(LINE).to_torch()
        self.scale = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))
        self.loss = tl.compile(LOSS, wrt="r").to_torch()

    def forward(self, x, target):
        hidden = self.line(self.scale, self.act(self.first(x)), b=0.5)
        return self.loss(hidden.sum(-1) - target, 1.0).mean()


def run(model, f, x, target):
    model.zero_grad()
    out = f(x, target)
    out.backward()
    return [out.detach(), *(p.grad.clone() for p in model.parameters())]


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_a_model_is_compiled_whole(compiled, backend):
    torch.manual_seed(0)
    model = Model()
    x, target = tensor(7, 3), tensor(7)
    close(run(model, compiled(model, backend), x, target), run(model, model, x, target))
    explained = torch._dynamo.explain(model)(x, target)
    assert explained.graph_break_count == 0
    names = [str(node.target) for graph in explained.graphs for node in graph.graph.nodes]
    assert sum("tapeless" in name for name in names) == 3


def test_dynamic_shapes(compiled, wave):
    from torch._dynamo.testing import CompileCounterWithBackend

    counter = CompileCounterWithBackend("aot_eager")
    f = compiled(lambda a, x: wave(a, x * 2).sum(), counter, dynamic=True)
    for points in (3, 5, 8):
        a, x = tensor(1).requires_grad_(), tensor(points, seed=1).requires_grad_()
        found = torch.autograd.grad(f(a, x), (a, x))
        close(found, torch.autograd.grad(wave_in_torch(a, x * 2).sum(), (a, x)))
    assert counter.frame_count == 1


def test_derivatives_are_compiled_whole(compiled, wave):
    a, x = tensor(3), tensor(3, seed=1)

    def of(f):
        return lambda a, x: (
            grad(lambda x: f(a, x).sum())(x),
            hessian(lambda x: f(a, x).sum())(x),
            vmap(grad(f, argnums=(0, 1)))(a, x),
        )

    close(compiled(of(wave))(a, x), of(wave_in_torch)(a, x))


def test_arguments_by_name_numbers_and_errors_when_compiled(compiled, line):
    x = tensor(3)
    f = compiled(lambda x: line(b=1, x=x, w=2.0), "eager")
    close(f(x), 2 * x + 1)
    with pytest.raises(Exception, match="int64"):
        compiled(lambda x: line(x.long(), x, x), "eager")(x)
    with pytest.raises(Exception, match="do not broadcast"):
        compiled(lambda x: line(x[:2], x, x), "eager")(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert compiled(lambda x: line(x.bfloat16(), 1.0, 1.0), "eager")(x).dtype == torch.float32


def test_constants_stay_constant_when_compiled(compiled):
    f = tl.compile(LINE, wrt="x").to_torch()
    w, x = tensor(3).requires_grad_(), tensor(3, seed=1).requires_grad_()
    out = compiled(lambda w, x: f(w, x, w))(w, x)
    first, second = torch.autograd.grad(out.sum(), (w, x), allow_unused=True)
    assert first is None
    close(second, w.detach())


def test_only_what_is_needed_is_saved_when_compiled(compiled, line):
    """An addend is not read by the backward, so that the compiled graph need not keep it."""
    w, x = tensor(3).requires_grad_(), tensor(3, seed=1)
    residual = tensor(3, seed=2).requires_grad_()
    out = compiled(line)(w, x, residual)
    with torch.no_grad():
        residual.add_(1)
    close(torch.autograd.grad(out.sum(), (w, residual)), (x, torch.ones(3, dtype=torch.float64)))


def test_export_and_make_fx(line):
    from torch.fx.experimental.proxy_tensor import make_fx

    class Layer(torch.nn.Module):
        def forward(self, x):
            return line(2.0, x, 1.0)

    x = tensor(3)
    close(torch.export.export(Layer(), (x,)).module()(x), 2 * x + 1)
    graph = make_fx(lambda x: line(x, x, x))(x)
    assert "tapeless" in graph.code
    close(graph(2 * x), 4 * x * x + 2 * x)


def test_tracing_records_the_operator(line):
    traced = torch.jit.trace(lambda x: line(x, x, 1.0), (tensor(3),))
    close(traced(tensor(5)), tensor(5) ** 2 + 1)


def test_functions_searched_over_other_ranges_are_other_operators():
    text = "f(x) = exp(x) - 2 + exp(-x)"
    near, far = (
        tl.compile(text, accuracy="search", assume={"x": ends}).to_torch() for ends in ((-2, 2), (1, 2))
    )
    x = torch.tensor(1e-6, dtype=torch.float64)
    assert near(x).item() == pytest.approx(1e-12 + 1e-24 / 12, rel=1e-15)
    assert far(x).item() != near(x).item()  # nothing cancels in its range, so nothing was replaced
