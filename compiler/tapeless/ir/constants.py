"""Roughly how large constants are: whether their product can be taken before anything else is multiplied."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Graph, is_moderate

_NAMED: Final = {
    "pi": math.pi,
    "e": math.e,
    "euler_gamma": 0.5772156649015329,
    "golden_ratio": 1.618033988749895,
    "catalan": 0.915965594177219,
}
_EVALUATE: Final[dict[str, Callable[..., float]]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "pow": math.pow, "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "log1p": math.log1p, "expm1": math.expm1,
    "abs": abs, "sin": math.sin, "cos": math.cos, "tan": math.tan,
    "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh,
}  # fmt: skip


def moderate_constants(graph: Graph) -> set[int]:
    """Return the constants that may be moved through a product without harm to its range.

    They are the rationals of `is_moderate`, and what elementary functions make of such: of no extreme size, and
    not zero. What cannot be told in double is left out.
    """
    values: dict[int, float] = {}
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if not args:
            payload = graph.payloads[node]
            if op == "rational":
                if is_moderate(payload):
                    values[node] = float(payload)  # type: ignore[arg-type]
            elif op == "named" and payload in _NAMED:
                values[node] = _NAMED[payload]  # type: ignore[index]
        elif args[0] in values and op in _EVALUATE and all(arg in values for arg in args):
            try:
                value = _EVALUATE[op](*[values[arg] for arg in args])
            except (ArithmeticError, ValueError):
                continue
            if math.isfinite(value) and value and is_moderate(Fraction(value)):
                values[node] = value
    return {node for node, value in values.items() if value}
