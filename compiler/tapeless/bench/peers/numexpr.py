"""numexpr: the values, one `evaluate` per output. It has no derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.bench.translate import Dialect, infix, nested
from tapeless.errors import UnsupportedError

_TEMPLATES: Final = infix(
    sqrt="sqrt", exp="exp", expm1="expm1", log="log", log2="log2", log10="log10", log1p="log1p",
    sin="sin", cos="cos", tan="tan", asin="arcsin", acos="arccos", atan="arctan", atan2="arctan2",
    sinh="sinh", cosh="cosh", tanh="tanh", asinh="arcsinh", acosh="arccosh", atanh="arctanh",
    abs="abs", floor="floor", ceil="ceil", trunc="trunc", round="round", sign="sign", hypot="hypot",
    copysign="copysign", fmod="fmod", max="maximum", min="minimum",
)  # fmt: skip


class Numexpr:
    """See `Prepared`."""

    reuses = True

    def __init__(self, problem: Problem) -> None:
        self._library: Any = import_module("numexpr")
        self._library.set_num_threads(problem.threads)
        self._constants: dict[str, Any] = {}
        scalar = np.dtype(problem.dtype).type

        def constant(value: float) -> str:
            # A literal would be a double, and so then would be everything it meets.
            name = f"c{len(self._constants)}"
            self._constants[name] = scalar(value)
            return name

        dialect = Dialect("numexpr", _TEMPLATES, repr if problem.dtype == "float64" else constant)
        self._expressions = nested(problem.program, dialect, problem.dtype)

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        if what != "forward":
            raise UnsupportedError("numexpr computes values alone")
        evaluate, expressions = self._library.evaluate, self._expressions
        values = {**self._constants, **{f"x{k}": lane for k, lane in enumerate(lanes)}}
        outs = [np.empty_like(lanes[0]) for _ in expressions]

        def call() -> list[Array]:
            for expression, out in zip(expressions, outs, strict=True):
                evaluate(expression, values, out=out)
            return outs

        return call
