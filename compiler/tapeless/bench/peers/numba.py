"""numba: one compiled loop over the formulas that tapeless derived, without fastmath, into arrays used again."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.bench.translate import Dialect, compiled, translate
from tapeless.transforms.written_out import written_out

_MATH: Final = (
    "sqrt exp expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc "
    "gamma hypot copysign fmod floor ceil trunc"
).split()
_TEMPLATES: Final = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0}*{1}",
    "div": "{0}/{1}",
    "neg": "-{0}",
    "pow": "{0}**{1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} and {1}",
    "or": "{0} or {1}",
    "not": "not {0}",
    "select": "{1} if {0} else {2}",
    **{op: f"{op}({{0}})" for op in _MATH},
    **{op: f"{op}({{0}}, {{1}})" for op in ("atan2", "hypot", "copysign", "fmod")},
    "loggamma": "lgamma({0})",
    "abs": "fabs({0})",
    # As one would write them by hand.
    "sech2": "1/cosh({0})**2",
    "gauss": "exp(-({0}*{0}))",
    "expit": "1/(1 + exp(-({0})))",
    "softplus": "log(1 + exp({0}))",
    "norm2": "sqrt({0}*{0} + {1}*{1})",
    "norm3": "sqrt({0}*{0} + {1}*{1} + {2}*{2})",
    "max": "{0} if {0} > {1} or {0} != {0} else {1}",
    "min": "{0} if {0} < {1} or {0} != {0} else {1}",
    "sign": "{0} if {0} != {0} else real({0} > 0) - real({0} < 0)",
}


class Numba:
    """See `Prepared`."""

    reuses = True

    def __init__(self, problem: Problem) -> None:
        self._library: Any = import_module("numba")
        self._library.set_num_threads(min(problem.threads, self._library.config.NUMBA_NUM_THREADS))
        self._problem = problem
        self._loops: dict[str, tuple[Any, int]] = {}

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        if what not in self._loops:
            self._loops[what] = self._make(what)
        loop, count = self._loops[what]
        outs = [np.empty_like(lanes[0]) for _ in range(count)]
        arguments = (*lanes, *cotangents, *outs)

        def call() -> list[Array]:
            loop(*arguments)
            return outs

        return call

    def _make(self, what: str) -> tuple[Any, int]:
        import math

        problem = self._problem
        single = problem.dtype == "float32"
        spell = (lambda value: f"real({value!r})") if single else repr
        derived = written_out(problem.derived(what))
        text = translate(derived, Dialect("numba", _TEMPLATES, spell), problem.dtype)
        source = loop_source(text.lanes, text.lines, text.results, parallel=problem.threads > 1)
        names = {name: getattr(math, name) for name in (*_MATH, "lgamma", "fabs")}
        scalar = np.float32 if single else np.float64
        namespace = {**names, "real": scalar, "prange": self._library.prange, "range": range, "len": len}
        function = compiled(source, "loop", namespace)
        # error_model: without it a division is a branch that raises, and no loop is vectorised.
        decorate = self._library.njit(
            fastmath=False, error_model="numpy", nogil=True, parallel=problem.threads > 1
        )
        return decorate(function), len(text.results)


def loop_source(lanes: Sequence[str], lines: Sequence[str], results: Sequence[str], *, parallel: bool) -> str:
    """Return the source of `loop(inputs..., outputs...)`, which computes every point."""
    ins = [f"a{k}" for k in range(len(lanes))]
    outs = [f"r{k}" for k in range(len(results))]
    body = [
        *(f"{lane} = {name}[i]" for lane, name in zip(lanes, ins, strict=True)),
        *lines,
        *(f"{out}[i] = {result}" for out, result in zip(outs, results, strict=True)),
    ]
    count = f"len({outs[0]})"
    head = (
        f"def loop({', '.join((*ins, *outs))}):\n    for i in {'prange' if parallel else 'range'}({count}):\n"
    )
    return head + "".join(f"        {line}\n" for line in body)
