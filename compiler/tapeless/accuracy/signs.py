"""What the declared ranges say of the values inside a formula: an interval for each node, for its sign."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input

Range = tuple[float, float]
_ANY: Final[Range] = (-math.inf, math.inf)
_DEPTH: Final = 24

_RISING: Final[dict[str, Callable[[float], float]]] = {
    "exp": math.exp, "expm1": math.expm1, "log": math.log, "log1p": math.log1p, "sqrt": math.sqrt,
    "atan": math.atan, "sinh": math.sinh, "tanh": math.tanh, "asinh": math.asinh, "erf": math.erf,
}  # fmt: skip
_IMAGE: Final[dict[str, Range]] = {
    "exp": (0.0, math.inf), "exp2": (0.0, math.inf), "cosh": (1.0, math.inf), "sqrt": (0.0, math.inf),
    "abs": (0.0, math.inf), "norm2": (0.0, math.inf), "norm3": (0.0, math.inf), "hypot": (0.0, math.inf),
    "expit": (0.0, 1.0), "softplus": (0.0, math.inf), "gauss": (0.0, 1.0), "sech2": (0.0, 1.0),
    "sin": (-1.0, 1.0), "cos": (-1.0, 1.0), "tanh": (-1.0, 1.0), "erf": (-1.0, 1.0), "erfc": (0.0, 2.0),
}  # fmt: skip


class Signs:
    """Intervals that hold the values of nodes, for inputs inside of their ranges.

    The ends are rounded as Python rounds; what is asked of them is a sign, and an end of exactly 0 is kept exact.

    Parameters
    ----------
    builder
        Holds the nodes; more may be appended.
    inputs, ranges
        The inputs, and what is declared of some of them.
    """

    def __init__(self, builder: Builder, inputs: Sequence[Input], ranges: Mapping[str, Range]) -> None:
        self._builder = builder
        lanes = [item for item in inputs for _ in range(item.size)]
        self._lanes = [ranges.get(item.name, _ANY) if item.role == "primal" else _ANY for item in lanes]
        self._known: dict[int, Range] = {}

    def is_positive(self, node: int) -> bool:
        """Whether a node is larger than 0 wherever it is a number; an end of the range that touches 0 counts not."""
        return self.interval(node)[0] > 0

    def interval(self, node: int, depth: int = _DEPTH) -> Range:
        """Return an interval that holds the values of a node."""
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = self._found(node, depth) if depth else _ANY
        return found

    def _found(self, node: int, depth: int) -> Range:
        b = self._builder
        op, args, payload = b.ops[node], b.args[node], b.payloads[node]
        if op == "input":
            return self._lanes[payload]  # type: ignore[index]
        if isinstance(payload, Fraction):
            try:
                return float(payload), float(payload)
            except OverflowError:
                return _ANY
        parts = [self.interval(arg, depth - 1) for arg in args if not b.is_boolean(arg)]
        try:
            low, high = self._of(op, args, parts)
        except (ValueError, ArithmeticError):
            low, high = _ANY
        if math.isnan(low) or math.isnan(high):
            low, high = _ANY
        image = _IMAGE.get(op, _ANY)
        low, high = max(low, image[0]), min(high, image[1])
        return (low, high) if low <= high else image

    def _of(self, op: str, args: Sequence[int], parts: Sequence[Range]) -> Range:
        if op == "add":
            return parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]
        if op == "sub":
            return parts[0][0] - parts[1][1], parts[0][1] - parts[1][0]
        if op == "neg":
            return -parts[0][1], -parts[0][0]
        if op in ("mul", "div"):
            (a, c), (d, e) = parts
            if op == "div":
                if not (d > 0 or e < 0):
                    return _ANY
                d, e = 1 / e, 1 / d
            ends = [0.0 if 0 in (p, q) else p * q for p in (a, c) for q in (d, e)]
            return min(ends), max(ends)
        if op == "pow":
            power = self._builder.rational_value(args[1])
            low, high = parts[0]
            if power is not None and power.denominator == 1 and power.numerator % 2 == 0:
                least = 0.0 if low <= 0 <= high else min(low**2, high**2)
                return (1.0, math.inf) if not power else (float(least > 0) * 5e-324, math.inf)
            return (5e-324, math.inf) if low > 0 else (0.0, math.inf) if low >= 0 else _ANY
        if op == "select":
            return min(p[0] for p in parts), max(p[1] for p in parts)
        if op == "max":
            return max(p[0] for p in parts), max(p[1] for p in parts)
        if op == "min":
            return min(p[0] for p in parts), min(p[1] for p in parts)
        if op in _RISING:
            return self._rising(_RISING[op], parts[0])
        return _ANY

    @staticmethod
    def _rising(function: Callable[[float], float], part: Range) -> Range:
        ends = []
        for end, otherwise in zip(part, _ANY, strict=True):
            try:
                ends.append(function(end))
            except (ValueError, OverflowError):
                ends.append(otherwise)
        return ends[0], ends[1]
