"""JAX: `jit` of the formula and of its `vjp`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.bench.translate import Dialect, compiled, infix, translate

_TEMPLATES: Final = infix(
    sqrt="sqrt", cbrt="cbrt", exp="exp", exp2="exp2", expm1="expm1", log="log", log2="log2", log10="log10",
    log1p="log1p", sin="sin", cos="cos", tan="tan", asin="arcsin", acos="arccos", atan="arctan", atan2="arctan2",
    sinh="sinh", cosh="cosh", tanh="tanh", asinh="arcsinh", acosh="arccosh", atanh="arctanh", erf="erf", erfc="erfc",
    gamma="gamma", loggamma="gammaln", abs="abs", floor="floor", ceil="ceil", trunc="trunc", round="round",
    sign="sign", heaviside="heaviside({0}, 0.5)", hypot="hypot", copysign="copysign", fmod="fmod",
    max="maximum", min="minimum", fmax="fmax", fmin="fmin",
)  # fmt: skip


class Jax:
    """See `Prepared`."""

    reuses = False

    def __init__(self, problem: Problem) -> None:
        self._library: Any = import_module("jax")
        self._library.config.update("jax_enable_x64", True)
        self._problem = problem
        numbers = self._library.numpy
        special = self._library.scipy.special
        text = translate(problem.program, Dialect("jax", _TEMPLATES), problem.dtype)
        names = {name: getattr(special, name) for name in ("erf", "erfc", "gamma", "gammaln")}
        functions = {
            name: getattr(numbers, name)
            for template in _TEMPLATES.values()
            for name in (template.partition("(")[0],)
            if name.isidentifier() and name not in names
        }
        self._formula = compiled(text.function(), "formula", {**functions, **names})
        self._jitted: dict[str, Any] = {}

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        function = self._jitted.get(what)
        if function is None:
            function = self._jitted[what] = self._library.jit(self._function(what))
        ready = self._library.block_until_ready
        inputs = [self._library.numpy.asarray(lane) for lane in lanes]
        bars = [self._library.numpy.asarray(bar) for bar in cotangents]
        return lambda: ready(function(inputs, bars))

    def _function(self, what: str) -> Any:
        formula, vjp, numbers = self._formula, self._library.vjp, self._library.numpy
        wanted, dtype = self._problem.wrt_lanes, self._problem.dtype

        def values(inputs: Any) -> Any:
            shape = inputs[0].shape
            return [numbers.broadcast_to(numbers.asarray(y, dtype), shape) for y in formula(*inputs)]

        def forward(inputs: Any, _bars: Any) -> Any:
            return values(inputs)

        def backward(inputs: Any, bars: Any) -> Any:
            chosen = dict(zip(wanted, (inputs[k] for k in wanted), strict=True))

            def of(parts: Any) -> Any:
                return values([parts.get(k, x) for k, x in enumerate(inputs)])

            outs, pull = vjp(of, chosen)
            [slopes] = pull(list(bars) or [numbers.ones_like(y) for y in outs])
            slopes = [slopes[k] for k in wanted]
            return slopes if what == "backward" else [*outs, *slopes]

        return forward if what == "forward" else backward
