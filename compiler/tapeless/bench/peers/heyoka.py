"""heyoka: expressions, their gradient by `diff_tensors`, compiled by LLVM to a `cfunc` that takes batches."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.bench.translate import Dialect, compiled, infix, translate
from tapeless.errors import UnsupportedError

_TEMPLATES: Final = {
    op: template
    for op, template in infix(
        sqrt="sqrt", exp="exp", expm1="expm1", log="log", log1p="log1p", sin="sin", cos="cos", tan="tan",
        asin="asin", acos="acos", atan="atan", atan2="atan2", sinh="sinh", cosh="cosh", tanh="tanh", asinh="asinh",
        acosh="acosh", atanh="atanh", erf="erf",
        # Its erfc is not vectorised, and four times as slow; this loses digits in the tail.
        erfc="1.0 - erf({0})",
        abs="sqrt({0}*{0})",
        lt="lt", le="lte", eq="eq", ne="neq",
    ).items()
    if op != "not"
} | {
    "select": "select({0}, {1}, {2})",
    "and": "logical_and([{0}, {1}])",
    "or": "logical_or([{0}, {1}])",
    "max": "select(gt({0}, {1}), {0}, {1})",
    "min": "select(lt({0}, {1}), {0}, {1})",
}  # fmt: skip
_NAMES: Final = (
    "sqrt exp expm1 log log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf lt lte eq neq gt "
    "select logical_and logical_or"
).split()


class Heyoka:
    """See `Prepared`."""

    reuses = True

    def __init__(self, problem: Problem) -> None:
        self._library: Any = import_module("heyoka")
        self._library.set_nthreads(problem.threads)
        self._problem = problem
        dialect = Dialect(
            "heyoka", _TEMPLATES, lambda value: f"number({value!r})", lambda n: f"number({float(n)!r})"
        )
        text = translate(problem.program, dialect, problem.dtype)
        namespace = {name: getattr(self._library, name) for name in _NAMES}
        namespace["number"] = self._library.expression
        formula = compiled(text.function(), "formula", namespace)
        self._variables = [self._library.expression(name) for name in text.lanes]
        self._outputs = [self._library.expression(y) for y in formula(*self._variables)]
        self._functions: dict[str, Any] = {}

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        try:
            if what not in self._functions:
                self._functions[what] = self._make(what)
        except Exception as error:
            raise UnsupportedError(f"heyoka: {type(error).__name__}: {str(error)[:200]}") from None
        function, count = self._functions[what]
        inputs = np.ascontiguousarray(np.stack([*lanes, *cotangents]))
        outputs = np.empty((count, len(lanes[0])), inputs.dtype)

        def call() -> Array:
            function(inputs, outputs=outputs)
            return outputs

        return call

    def _make(self, what: str) -> tuple[Any, int]:
        library, problem = self._library, self._problem
        bars = [library.expression(f"g{k}") for k in range(len(self._outputs))]
        bars = bars if problem.takes_cotangents(what) else []
        results = [] if what == "backward" else list(self._outputs)
        if what != "forward":
            # The sum of outputs times cotangents has the wanted gradient; the cotangents are but numbers in it.
            total = (
                self._outputs[0]
                if not bars
                else library.sum([bar * y for bar, y in zip(bars, self._outputs, strict=True)])
            )
            by = [self._variables[k] for k in problem.wrt_lanes]
            results += list(library.diff_tensors([total], by).gradient)
        scalar = np.float32 if problem.dtype == "float32" else float
        # Two vectors at a time keep the units busy while a chain of operations waits; its default is one.
        width = 2 * library.recommended_simd_size(scalar)
        function = library.cfunc(
            results,
            vars=[*self._variables, *bars],
            fp_type=scalar,
            batch_size=width,
            force_avx512=True,
        )
        return function, len(results)
