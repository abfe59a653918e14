"""The functions that users call in Python: `tapeless.exp`, `tapeless.where`, ...; one for each primitive.

Each takes traced values and arrays and gives traced ones, sympy expressions and gives an expression, numbers and
NumPy arrays and gives numbers; so a function written with them can be traced, read and run as it is. They are
generated from the table of primitives, and found by attribute, so that `max` or `abs` shadow nothing here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import numpy as np

from tapeless.errors import ArgumentError
from tapeless.frontend import traced, traced_array
from tapeless.ir.primitives import NAMELESS, PRIMITIVES, REAL, Primitive
from tapeless.ir.special_meaning import MEANING, in_double

# ---- numbers: what each primitive is in NumPy


def _of_math(function: Callable[..., float]) -> Callable[..., Any]:
    """Return the elementwise form of a function of Python's math, of the dtype of its arguments."""

    def value(*args: Any) -> Any:
        with np.errstate(all="ignore"):  # what is beyond the range of a double is inf, as in C
            row = np.frompyfunc(function, len(args), 1)(*args)
        return np.asarray(row, np.result_type(*args))

    return value


def _gamma(x: float) -> float:
    if x == 0:
        return math.copysign(math.inf, x)
    try:
        return math.gamma(x)
    except OverflowError:
        return math.inf
    except ValueError:  # the negative integers and -inf
        return math.nan


def _loggamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (OverflowError, ValueError):  # far out, and at the poles
        return math.inf


def _remainder(a: float, b: float) -> float:
    try:
        return math.remainder(a, b)
    except ValueError:
        return math.nan


def _round_away(x: Any) -> Any:
    whole = np.trunc(x)
    with np.errstate(invalid="ignore"):  # inf - inf
        return np.where(np.abs(x - whole) >= 0.5, whole + np.sign(x), whole)


def _logb(x: Any) -> Any:
    exponent = (np.frexp(x)[1] - 1).astype(x.dtype)
    special = np.where(x == 0, -math.inf, np.abs(x))
    return np.where((x == 0) | ~np.isfinite(x), special, exponent)


def _fdim(a: Any, b: Any) -> Any:
    with np.errstate(invalid="ignore"):  # inf - inf
        return np.where(a <= b, 0.0, a - b)


def _special(name: str) -> Callable[..., Any]:
    """Return the elementwise form of a special function: right, and slow."""
    function = in_double(name)

    def value(*args: float) -> float:
        try:
            return function(*args)
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf

    return _of_math(value)


def _fold(join: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def value(first: Any, *others: Any) -> Any:
        for other in others:
            first = join(first, other)
        return first

    return value


_OF_NUMBERS: Final[dict[str, Callable[..., Any]]] = {
    **{
        name: getattr(np, name)
        for name in (
            "sqrt", "cbrt", "hypot", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos",
            "tan", "sinh", "cosh", "tanh", "sign", "floor", "ceil", "trunc", "copysign", "fmod", "fmax", "fmin",
        )
    },
    "pow": np.power,
    "fma": lambda a, b, c: a * b + c,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": _of_math(math.erf),
    "erfc": _of_math(math.erfc),
    "gamma": _of_math(_gamma),
    "loggamma": _of_math(_loggamma),
    **{name: _special(name) for name in MEANING},
    "abs": np.absolute,
    "heaviside": lambda x: np.heaviside(x, x.dtype.type(0.5)),
    "round": np.rint,
    "round_away": _round_away,
    "logb": _logb,
    "remainder": _of_math(_remainder),
    "fdim": _fdim,
    "max": _fold(np.maximum),
    "min": _fold(np.minimum),
}  # fmt: skip


def _number(value: Any, name: str) -> Any:
    """Return a number or an array as a float array."""
    if isinstance(value, Fraction | Decimal):
        value = float(value)
    if not isinstance(value, int | float | np.generic | np.ndarray | list | tuple):
        raise ArgumentError(
            f"tapeless.{name} takes traced values, sympy expressions, numbers and NumPy arrays, "
            f"not {type(value).__module__}.{type(value).__qualname__}"
        )
    array = np.asarray(value)
    if array.dtype.kind in "biu":
        return array.astype(float)
    if array.dtype.kind != "f":
        raise ArgumentError(f"tapeless.{name} takes real numbers, not an array of dtype {array.dtype}")
    return array


def _numbers(values: Sequence[Any], name: str) -> list[Any]:
    """Return float arrays whose common dtype is what NumPy would choose: Python's own numbers yield."""
    arrays = [_number(value, name) for value in values]
    firm = [
        a
        for a, v in zip(arrays, values, strict=True)
        if not isinstance(v, int | float) or isinstance(v, np.generic)
    ]
    dtype = np.result_type(*(firm or arrays))
    return [array.astype(dtype, copy=False) for array in arrays]


# ---- the generic function


def _apply(name: str, values: tuple[Any, ...]) -> Any:
    """Apply a primitive to values of any of the three sorts."""
    if traced.builder_of(values) is not None:
        return traced_array.apply(name, values, f"tapeless.{name}")
    if _any_sympy(values):
        return _apply_sympy(name, values)
    result = _OF_NUMBERS[name](*_numbers(values, name))
    return np.asarray(result)[()]


def _any_sympy(values: Sequence[Any]) -> bool:
    return any(traced.is_sympy(value) for value in values)


def _apply_sympy(name: str, values: Sequence[Any]) -> Any:
    import sympy

    from tapeless.frontend.vocabulary import FUNCTIONS as WORDS

    return WORDS[name].build(*(sympy.sympify(value) for value in values))


def _where(condition: Any, a: Any, b: Any) -> Any:
    values = (condition, a, b)
    if traced.builder_of(values) is not None:
        return traced_array.where(*values)
    if _any_sympy(values):
        import sympy

        return sympy.Piecewise((a, condition), (b, True), evaluate=False)
    return np.where(np.asarray(condition), *_numbers((a, b), "where"))[()]


def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    if traced.builder_of((x, low, high)) is not None:
        return traced_array.clip(x, low, high)
    if low is not None:
        x = _apply("max", (x, low))
    return x if high is None else _apply("min", (x, high))


# ---- the table as Python functions

_NOT_CALLED: Final = frozenset(
    ("input", "rational", "named", "extern", "add", "sub", "mul", "div", "neg", "and", "or", "not", "select")
)
"""Leaves, and what is written with operators."""


def _make(row: Primitive, name: str) -> Callable[..., Any]:
    """Return the function of a row of the table."""
    many, count = row.nary, len(row.args)

    def function(*values: Any) -> Any:
        if many:
            if not values or (len(values) == 1 and traced_array.is_array(values[0])):
                raise ArgumentError(f"tapeless.{name} takes the numbers one by one: tapeless.{name}(*values)")
        elif len(values) != count:
            raise ArgumentError(
                f"{name}({', '.join(row.args)}) takes {count} arguments, {len(values)} were given"
            )
        return _apply(row.name, values)

    if many:
        parameters = [inspect.Parameter("values", inspect.Parameter.VAR_POSITIONAL)]
    else:
        parameters = [inspect.Parameter(arg, inspect.Parameter.POSITIONAL_ONLY) for arg in row.args]
    doc = f"Return the {_KINDS.get(row.name, row.name)} of {_spoken(row)}.\n\n{_details(row)}"
    return _dressed(function, name, parameters, doc)


_KINDS: Final = {"max": "largest", "min": "smallest", "pow": "power a**b"}


def _spoken(row: Primitive) -> str:
    return "its arguments" if row.nary else " and ".join(row.args)


def _details(row: Primitive) -> str:
    lines = []
    names = ["*values"] if row.nary else list(row.args)
    lines += ["Parameters", "----------", ", ".join(names)]
    lines += ["    Traced values, sympy expressions, numbers or NumPy arrays.", "", "Notes", "-----"]
    lines.append("Defined for all real numbers." if row.domain == REAL else f"Defined where {row.domain}.")
    if row.rules:
        for arg, rule in zip(row.args, row.rules, strict=True):
            lines.append(
                f"With the cotangent y_bar of the result y, {arg} receives {rule}."
                if rule
                else f"The derivative by {arg} is not known."
            )
    if row.source:
        lines.append(f"Source: {row.source}.")
    return "\n".join(lines) + "\n"


def _dressed(
    function: Callable[..., Any], name: str, parameters: Sequence[inspect.Parameter] | None, doc: str
) -> Callable[..., Any]:
    """Give a function the name it is found by, which pickling needs, its signature and its docstring."""
    function.__module__ = "tapeless"
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    if parameters is not None:
        function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return function


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{
        name: _make(row, name)
        for name, row in PRIMITIVES.items()
        if not row.boolean and name not in _NOT_CALLED | NAMELESS
    },
    "maximum": _make(PRIMITIVES["max"], "maximum"),
    "minimum": _make(PRIMITIVES["min"], "minimum"),
    "where": _dressed(
        _where,
        "where",
        None,
        "Return a where the condition holds, else b; the branch not taken does not exist.\n",
    ),
    "clip": _dressed(
        _clip,
        "clip",
        None,
        "Return x, not less than low and not more than high; None for no bound.\n",
    ),
}
"""All generic functions by name."""

__all__ = tuple(FUNCTIONS)


def __getattr__(name: str) -> Any:
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *FUNCTIONS})
