"""PyTorch on the processor: eager with `autograd.grad`, and `torch.compile` of the formula and of its `func.vjp`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.bench.translate import Dialect, compiled, infix, translate

_TEMPLATES: Final = infix(
    sqrt="sqrt", exp="exp", exp2="exp2", expm1="expm1", log="log", log2="log2", log10="log10",
    log1p="log1p", sin="sin", cos="cos", tan="tan", asin="arcsin", acos="arccos", atan="arctan", atan2="arctan2",
    sinh="sinh", cosh="cosh", tanh="tanh", asinh="arcsinh", acosh="arccosh", atanh="arctanh", erf="erf", erfc="erfc",
    loggamma="lgamma", abs="abs", floor="floor", ceil="ceil", trunc="trunc", round="round", sign="sign",
    hypot="hypot", copysign="copysign", fmod="fmod", max="maximum", min="minimum", fmax="fmax", fmin="fmin",
)  # fmt: skip
_TENSORS: Final = ("maximum", "minimum", "fmax", "fmin", "hypot", "arctan2", "where", "copysign", "fmod")
"""Functions that want tensors where a user may have a number."""


class Eager:
    """See `Prepared`."""

    reuses = False

    def __init__(self, problem: Problem) -> None:
        self._torch: Any = import_module("torch")
        self._torch.set_num_threads(problem.threads)
        self._problem = problem
        torch, dtype = self._torch, getattr(import_module("torch"), problem.dtype)
        text = translate(problem.program, Dialect("torch", _TEMPLATES), problem.dtype)
        names = {template.partition("(")[0] for template in _TEMPLATES.values()}
        functions = {name: getattr(torch, name) for name in names if name.isidentifier()}

        def tensor(value: Any) -> Any:
            return torch.tensor(value, dtype=dtype) if isinstance(value, float) else value

        def of_tensors(function: Any) -> Any:
            return lambda *args: function(*map(tensor, args))

        functions |= {name: of_tensors(functions[name]) for name in _TENSORS}
        formula = compiled(text.function(), "formula", functions)

        def values(*inputs: Any) -> tuple[Any, ...]:
            found = formula(*inputs)
            return tuple(
                y if isinstance(y, torch.Tensor) and y.shape else torch.full_like(inputs[0], y) for y in found
            )

        self._values = values

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        torch, values, wanted = self._torch, self._values, self._problem.wrt_lanes
        inputs = [torch.from_numpy(lane) for lane in lanes]
        if what == "forward":

            def forward() -> Any:
                with torch.no_grad():
                    return values(*inputs)

            return forward
        inputs = [x.clone().requires_grad_(k in wanted) for k, x in enumerate(inputs)]
        by = [inputs[k] for k in wanted]
        bars = [torch.from_numpy(bar) for bar in cotangents]

        def backward() -> Any:
            outs = values(*inputs)
            ups = bars or [torch.ones_like(y) for y in outs]
            kept = [(y, up) for y, up in zip(outs, ups, strict=True) if y.requires_grad]
            slopes = torch.autograd.grad(
                [y for y, _ in kept], by, [up for _, up in kept], allow_unused=True, materialize_grads=True
            )
            return slopes if what == "backward" else [*(y.detach() for y in outs), *slopes]

        return backward


class Compiled(Eager):
    """See `Prepared`. `func.vjp` inside `compile` makes one loop of value and slopes, the fastest form there is."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._compiled: dict[str, Any] = {}
        self._torch._dynamo.reset()  # it gives up after eight formulas in one process

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        torch = self._torch
        if what not in self._compiled:
            # dynamic: else it compiles anew for every size, and its loops are no faster then.
            self._compiled[what] = torch.compile(self._function(what), dynamic=True)
        function = self._compiled[what]
        inputs = [torch.from_numpy(lane) for lane in lanes]
        bars = [torch.from_numpy(bar) for bar in cotangents]

        def call() -> Any:
            with torch.no_grad():
                return function(inputs, bars)

        return call

    def _function(self, what: str) -> Any:
        torch, values, wanted = self._torch, self._values, self._problem.wrt_lanes

        def forward(inputs: Any, _bars: Any) -> Any:
            return values(*inputs)

        def backward(inputs: Any, bars: Any) -> Any:
            def of(*parts: Any) -> Any:
                chosen = dict(zip(wanted, parts, strict=True))
                return values(*(chosen.get(k, x) for k, x in enumerate(inputs)))

            outs, pull = torch.func.vjp(of, *(inputs[k] for k in wanted))
            slopes = pull(tuple(bars) or tuple(torch.ones_like(y) for y in outs))
            return slopes if what == "backward" else (*outs, *slopes)

        return forward if what == "forward" else backward
