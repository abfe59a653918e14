"""What a kernel computes, without building it: each operation rounded to the dtype, at many points at once.

The elementary functions are NumPy's, right to a few ulp as the emitted C's are; the others are taken from their
meaning in mpmath, rounded once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np

from tapeless.ir.graph import Graph
from tapeless.targets.reference import FUNCTIONS, context_of_bits, evaluate_nodes, nearest, number

Array = np.ndarray[Any, Any]
LOST: Final = {"float64": 64.0, "float32": 35.0}
"""Bits of error of a NaN in place of a number, or the other way round."""
_BITS: Final = 160
_WHOLE_POWERS: Final = 64


def _expit(x: Array) -> Array:
    e = np.exp(-np.abs(x))
    found: Array = np.where(x < 0, e, 1.0) / (1 + e)
    return found


def _sech2(x: Array) -> Array:
    e = np.exp(-2 * np.abs(x))
    found: Array = 4 * e / (1 + e) ** 2
    return found


def _each(function: Callable[[float], float], overflow: float = math.inf) -> Callable[[Array], Array]:
    def apply(x: Array) -> Array:
        found = np.empty(x.shape)
        for k, value in enumerate(x.tolist()):
            try:
                found[k] = function(value)
            except OverflowError:
                found[k] = overflow
            except ValueError:
                found[k] = math.nan
        return found

    return apply


def _select(c: Array, a: Array, b: Array) -> Array:
    return np.where(c, a, b)


_NUMPY: Final[dict[str, Callable[..., Array]]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "hypot": np.hypot, "norm2": np.hypot,
    "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1,
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "atan2": np.arctan2, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "expit": _expit, "sech2": _sech2, "softplus": lambda x: np.logaddexp(0.0, x),
    "erf": _each(math.erf), "erfc": _each(math.erfc),
    "abs": np.abs, "sign": np.sign, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "copysign": np.copysign, "fmod": np.fmod, "fmax": np.fmax, "fmin": np.fmin,
    "lt": np.less, "le": np.less_equal, "eq": np.equal, "ne": np.not_equal,
    "not": np.logical_not, "select": _select,
}  # fmt: skip
_JOINED: Final = {
    "max": np.maximum, "min": np.minimum, "and": np.logical_and, "or": np.logical_or,
}  # fmt: skip
_ROUNDED_ONCE: Final = frozenset("add sub mul div neg sqrt".split())
"""Operations that NumPy rounds to the dtype itself; the others are computed in double and rounded."""


class Field(NamedTuple):
    """Where a graph is evaluated.

    Attributes
    ----------
    lanes
        `(input scalars, points)`, of `dtype`.
    dtype
        `"float64"` or `"float32"`.
    """

    lanes: Array
    dtype: str


def fill(graph: Graph, order: Iterable[int], values: list[Any], field: Field, constant: bytearray) -> None:
    """Fill in the values of the nodes in `order`: arrays over the points, of `dtype` or of truth values.

    Parameters
    ----------
    graph
        The graph.
    order
        Nodes in topological order, whose other arguments have their values.
    values
        Node -> array; written to.
    field
        The points.
    constant
        Marks of `Graph.constants`.
    """
    with np.errstate(all="ignore"):
        for node in order:
            values[node] = _value(graph, node, values, field, constant)


def _value(graph: Graph, node: int, values: list[Any], field: Field, constant: bytearray) -> Any:
    lanes, dtype = field
    op, payload = graph.ops[node], graph.payloads[node]
    if op == "input":
        return lanes[payload]  # type: ignore[index]
    points = lanes.shape[1]
    if constant[node]:
        if graph.is_boolean(node):
            return np.full(points, bool(evaluate_nodes(graph, [node], [], context_of_bits(_BITS))[0]))
        return np.full(points, _constant(graph, node, dtype), dtype)
    args = [values[arg] for arg in graph.args[node]]
    if op in _JOINED:
        total = args[0]
        for arg in args[1:]:
            total = _JOINED[op](total, arg)
        return total
    if op == "pow":
        return _power(args[0], graph.payloads[graph.args[node][1]], args[1]).astype(dtype, copy=False)
    function = _NUMPY.get(op)
    if function is None:
        return _by_meaning(graph, node, args, dtype)
    if dtype == "float32" and op not in _ROUNDED_ONCE and not graph.is_boolean(node):
        args = [arg if arg.dtype == bool else arg.astype(np.float64) for arg in args]
    found = function(*args)
    return found if found.dtype == bool else found.astype(dtype, copy=False)


def _power(base: Array, exponent: Any, power: Array) -> Array:
    if isinstance(exponent, Fraction) and exponent == 2:
        return base * base
    if isinstance(exponent, Fraction) and exponent.denominator == 2 and abs(exponent) < _WHOLE_POWERS:
        root = np.sqrt(base)
        found = root * base ** float(abs(exponent) - Fraction(1, 2))
        return found if exponent > 0 else 1 / found
    return np.power(base.astype(np.float64), power.astype(np.float64))


def _constant(graph: Graph, node: int, dtype: str) -> float:
    payload = graph.payloads[node]
    if isinstance(payload, Fraction):
        return _nearest(payload, dtype)
    return nearest(evaluate_nodes(graph, [node], [], context_of_bits(_BITS))[0], dtype)


@cache
def _nearest(value: Fraction, dtype: str) -> float:
    return nearest(value, dtype)


def _by_meaning(graph: Graph, node: int, args: Sequence[Array], dtype: str) -> Array:
    """Take an operation from its meaning, point by point."""
    ctx = context_of_bits(_BITS)
    found = np.empty(len(args[0]), dtype)
    op = graph.ops[node]
    for k in range(len(found)):
        try:
            given = [bool(arg[k]) if arg.dtype == bool else number(ctx, float(arg[k])) for arg in args]
            found[k] = nearest(FUNCTIONS[op](ctx, *given), dtype)
        except (ValueError, ArithmeticError, TypeError, KeyError, ctx.NoConvergence):
            found[k] = math.nan
    return found


def bits(values: Array, truth: Array, dtype: str) -> Array:
    """Return log2(1 + n) at each point, n the count of numbers of `dtype` from the rounded truth to the value."""
    whole = np.int32 if dtype == "float32" else np.int64
    a, t = np.ascontiguousarray(values, dtype), np.ascontiguousarray(truth, dtype)
    sizes = [np.abs(part).view(whole) for part in (a, t)]
    opposite = np.signbit(a) != np.signbit(t)
    apart = np.where(
        opposite,
        sizes[0].astype(np.float64) + sizes[1].astype(np.float64),
        np.abs(sizes[0] - sizes[1]).astype(np.float64),
    )
    found: Array = np.log2(1 + apart)
    none, lost = np.isnan(a), np.isnan(t)
    found[none != lost] = LOST[dtype]
    found[none & lost] = 0.0
    return found
