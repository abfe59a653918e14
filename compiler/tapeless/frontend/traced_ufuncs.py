"""The ufuncs of NumPy and scipy.special on traced values: from nodes to a node, element by element."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from tapeless.errors import TracingError
from tapeless.frontend.traced import NOT_A_NUMBER, Build, condition, operand, truth
from tapeless.frontend.traced_array import (
    elementwise,
    is_array,
    is_boolean,
    nodes_in_shape,
    trace_of,
    traced_numbers,
    traced_truths,
)
from tapeless.frontend.traced_functions import accumulated, folded, matmul, vecdot
from tapeless.ir import recipes, special_recipes
from tapeless.ir.graph import Builder


def _ldexp(b: Builder, x: int, power: int) -> int:
    value = b.rational_value(power)
    if value is None or value.denominator != 1:
        raise TracingError("np.ldexp takes a plain integer as its second argument; write x * np.exp2(y)")
    return b.mul(x, b.pow(b.rational(2), power))


NUMBERS: Final[dict[str, Build]] = {
    "add": Builder.add,
    "subtract": Builder.sub,
    "multiply": Builder.mul,
    "divide": Builder.div,
    "power": Builder.pow,
    "float_power": Builder.pow,
    "negative": Builder.neg,
    "maximum": Builder.maximum,
    "minimum": Builder.minimum,
    **{
        name: recipes.primitive(op)
        for name, op in {
            "absolute": "abs", "fabs": "abs", "sign": "sign", "exp": "exp", "exp2": "exp2", "expm1": "expm1",
            "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p", "sqrt": "sqrt", "cbrt": "cbrt",
            "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
            "arctan2": "atan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh",
            "arccosh": "acosh", "arctanh": "atanh", "hypot": "hypot", "fmax": "fmax", "fmin": "fmin",
            "floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "round", "fmod": "fmod",
            "copysign": "copysign",
        }.items()
    },
    "positive": lambda b, x: x,
    "conjugate": lambda b, x: x,
    "square": lambda b, x: b.pow(x, b.rational(2)),
    "reciprocal": lambda b, x: b.div(b.rational(1), x),
    "heaviside": recipes.heaviside,
    "logaddexp": recipes.logaddexp,
    "logaddexp2": recipes.logaddexp2,
    "remainder": recipes.mod,
    "floor_divide": recipes.floor_divide,
    "ldexp": _ldexp,
    "degrees": recipes.degrees,
    "rad2deg": recipes.degrees,
    "radians": recipes.radians,
    "deg2rad": recipes.radians,
}  # fmt: skip
"""NumPy's ufuncs from numbers to a number."""

TESTS: Final[dict[str, Build]] = {
    "greater": lambda b, x, y: b.compare("gt", x, y),
    "greater_equal": lambda b, x, y: b.compare("ge", x, y),
    "less": lambda b, x, y: b.compare("lt", x, y),
    "less_equal": lambda b, x, y: b.compare("le", x, y),
    "equal": lambda b, x, y: b.compare("eq", x, y),
    "not_equal": lambda b, x, y: b.compare("ne", x, y),
    "isnan": lambda b, x: b.compare("ne", x, x),
    "isinf": lambda b, x: b.compare("eq", b.call("abs", x), b.named("inf")),
    "isfinite": lambda b, x: b.compare("lt", b.call("abs", x), b.named("inf")),
}
"""NumPy's ufuncs from numbers to a truth value."""

LOGIC: Final[dict[str, Build]] = {
    "logical_and": Builder.and_,
    "logical_or": Builder.or_,
    "logical_xor": recipes.xor,
    "logical_not": Builder.not_,
    "bitwise_and": Builder.and_,
    "bitwise_or": Builder.or_,
    "bitwise_xor": recipes.xor,
    "invert": Builder.not_,
}
"""NumPy's ufuncs from truth values to a truth value."""

SCIPY: Final[dict[str, Build]] = {
    **{
        name: recipes.primitive(name)
        for name in ("erf", "erfc", "gamma", "exp2", "expm1", "log1p", "cbrt", "round")
    },
    "gammaln": recipes.primitive("loggamma"),
    "loggamma": recipes.log_of_gamma,
    "exp10": recipes.exp10,
    "expit": recipes.expit,
    **{
        name: recipes.primitive(op)
        for name, op in {
            "psi": "digamma", "beta": "beta", "betaln": "lbeta", "erfinv": "erfinv", "erfcinv": "erfcinv",
            "erfcx": "erfcx", "log_ndtr": "log_ndtr", "ndtri": "ndtri", "dawsn": "dawson", "logit": "logit",
            "gammainc": "gammainc", "gammaincc": "gammaincc", "betainc": "betainc", "expn": "expint",
            "expi": "expi", "jv": "besselj", "yv": "bessely", "iv": "besseli", "kv": "besselk", "yn": "bessely",
            "kn": "besselk", "ellipk": "elliptic_k", "ellipe": "elliptic_e",
        }.items()
    },
    **{
        f"{name}{order}": special_recipes.of_order(op, order)
        for name, op in {"j": "besselj", "y": "bessely", "i": "besseli", "k": "besselk"}.items()
        for order in (0, 1)
    },
    "exp1": special_recipes.e1,
    "erfi": special_recipes.erfi,
    "log_expit": recipes.log_expit,
    "ndtr": recipes.ndtr,
    "xlogy": recipes.xlogy,
    "xlog1py": recipes.xlog1py,
}  # fmt: skip
"""The ufuncs of scipy.special whose meaning the table can say."""


_PRODUCTS: Final[dict[str, Callable[..., Any]]] = {"matmul": matmul, "vecdot": vecdot}
"""What is a ufunc to NumPy, and takes whole vectors and matrices."""

_REMEDIES: Final[dict[str, str]] = {
    "divmod": "write np.floor_divide(x, y) and np.mod(x, y)",
    "modf": "write np.trunc(x) and x - np.trunc(x)",
    "signbit": "write x < 0",
}


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Apply a ufunc to values of which at least one is traced, with NumPy's broadcasting.

    Returns
    -------
    TracedScalar, TracedBoolean, TracedArray or TracedBooleanArray
        NotImplemented where an operand is no number.

    Raises
    ------
    TracingError
        A ufunc or an option that cannot be traced.
    TracingError
        Shapes that do not broadcast.
    """
    name = ufunc.__name__
    # A ufunc is known by identity: somebody else's may share the name.
    known = getattr(np, name, None) is ufunc
    shown = f"np.{name}" if known else name
    if "out" in kwargs:
        raise TracingError(
            f"{shown} cannot write a traced value into a NumPy array (out=, or an operator such as +=); write "
            "a = a + b, or collect values in a list and write np.stack(values)"
        )
    if method != "__call__":
        return _method(shown, method, inputs, kwargs)
    if kwargs:
        raise TracingError(
            f"{shown} cannot be traced with {', '.join(kwargs)}=; for where= write np.where(c, a, b)"
        )
    builder = trace_of(inputs)
    if known and name in _PRODUCTS:
        return _PRODUCTS[name](*inputs)
    if known and name in LOGIC:
        take = condition if name.startswith("logical") else truth
        return _applied(builder, LOGIC[name], inputs, take, traced_truths)
    if known and name in ("equal", "not_equal") and any(is_boolean(value, traced=True) for value in inputs):
        build = recipes.same if name == "equal" else recipes.xor
        return _applied(builder, build, inputs, _truth_or_bit, traced_truths)
    wrap = traced_numbers
    found = NUMBERS.get(name) if known else None
    if known and found is None:
        wrap, found = traced_truths, TESTS.get(name)
    if not known:
        special = sys.modules.get("scipy.special")
        found = SCIPY.get(name) if getattr(special, name, None) is ufunc else None
    if found is None:
        raise TracingError(
            f"{shown} cannot be traced; {_REMEDIES.get(name, 'write it with functions that tapeless has')}"
        )
    if all(is_boolean(value, traced=True) for value in inputs):
        raise TracingError(NOT_A_NUMBER)
    return _applied(builder, found, inputs, operand, wrap)


def _method(shown: str, method: str, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Apply np.add.reduce and its like."""
    found = {"reduce": folded, "accumulate": accumulated}.get(method, {}).get(shown)
    if found is None or not is_array(inputs[0]):
        raise TracingError(
            f"{shown}.{method} cannot be traced here; write np.sum(x) or np.prod(x), or a loop over the elements"
        )
    try:
        # NumPy's default for these is the first axis, unlike that of np.sum.
        return found(*inputs, **{"axis": 0, **kwargs} if len(inputs) == 1 else kwargs)
    except (TypeError, ValueError) as error:
        raise TracingError(f"{shown}.{method} cannot be traced with these arguments: {error}") from None


def _applied(
    builder: Builder,
    build: Build,
    inputs: tuple[Any, ...],
    take: Callable[[Builder, Any], int | None],
    wrap: Callable[[Builder, Any], Any],
) -> Any:
    if not any(map(is_array, inputs)):
        found = [take(builder, value) for value in inputs]
        return NotImplemented if None in found else wrap(builder, build(builder, *found))
    arrays = []
    for value in inputs:
        nodes = nodes_in_shape(builder, value, take)
        if nodes is None:
            return NotImplemented
        arrays.append(nodes)
    return wrap(builder, elementwise(builder, build, arrays))


def _truth_or_bit(builder: Builder, value: Any) -> int | None:
    """Return the node of a truth value, 0 and 1 being two."""
    if isinstance(value, int) and value in (0, 1):
        value = bool(value)
    return truth(builder, value)
