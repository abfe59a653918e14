"""Traced values: numbers and truth values that write down what Python and NumPy do with them.

A traced value is a node of a builder. Operators, NumPy ufuncs and a few NumPy functions append nodes; what
needs an actual number (`if`, `float`, an index) raises and shows what to write instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import isinf, isnan
from operator import index
from typing import Any, Final, NoReturn

import numpy as np

from tapeless.errors import TracingError
from tapeless.ir import recipes
from tapeless.ir.graph import Builder
from tapeless.ir.notation import infix

Build = Callable[..., int]
"""From a builder and nodes to a node."""

_SHOWN_NODES: Final = 5000
_SHOWN_WIDTH: Final = 60


class Trace(Builder):
    """A builder that knows what its inputs are called, so that messages can.

    Parameters
    ----------
    names
        The name of each input scalar.
    """

    __slots__ = ("names",)

    def __init__(self, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.names = dict(enumerate(names))


class Traced:
    """What traced numbers and traced truth values share: the refusals.

    Parameters
    ----------
    builder
        Holds the node.
    node
        The node that this value stands for.
    """

    __slots__ = ("builder", "node")

    _tapeless_traced_ = True  # how others recognise the class without importing it
    _op_priority = 1000.0  # sympy's numbers leave operators to us

    def __init__(self, builder: Builder, node: int) -> None:
        self.builder = builder
        self.node = node

    __hash__ = object.__hash__

    def __copy__(self) -> Traced:
        return self

    def __deepcopy__(self, memo: object) -> Traced:
        return self

    def __repr__(self) -> str:
        return f"<traced {_shown(self) or 'value'}>"

    def __format__(self, spec: str) -> str:
        return repr(self)

    # ---- NumPy

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape: that of one number."""
        return ()

    @property
    def ndim(self) -> int:
        """The number of dimensions: none."""
        return 0

    @property
    def size(self) -> int:
        """The number of elements: one."""
        return 1

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(value, np.ndarray) and value.ndim for value in inputs):
            from tapeless.frontend.traced_array import ufunc_on_arrays  # stands on this module

            return ufunc_on_arrays(ufunc, method, inputs, kwargs)
        if any(type(value).__name__ == "TracedArray" for value in inputs):
            return NotImplemented  # its own turn
        return _ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        build = _FUNCTIONS.get(function)
        if build is None or _holds_arrays((*args, *kwargs.values())):
            from tapeless.frontend.traced_array import function_on_arrays, known  # stands on this module

            if known(function):
                return function_on_arrays(function, args, kwargs)
        if build is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            hint = _REMEDIES.get(function.__name__, "write it with operators and elementwise functions")
            raise TracingError(f"{name} cannot be traced; {hint}")
        try:
            return build(*args, **kwargs)
        except TracingError:
            raise
        except TypeError as error:
            raise TracingError(
                f"np.{function.__name__} cannot be traced with these arguments: {error}"
            ) from None

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise TracingError(
            f"{_name(self)} is traced and cannot be stored in a NumPy array. Leave np.array and np.asarray out: "
            "NumPy's elementwise functions take traced values as they are. Keep several values in a list, "
            "return several as a tuple; for np.sum, np.max, np.dot or np.linalg.norm of a list write sum(values), "
            "tapeless.maximum(*values), sum(a*b for a, b in zip(u, v)), np.sqrt(sum(a*a for a in values))"
        )

    def _sympy_(self) -> NoReturn:
        raise TracingError(
            f"{_name(self)} is traced and cannot enter a sympy expression; write np.sin(x) or tapeless.sin(x) "
            "for sympy.sin(x)"
        )

    # ---- what needs an actual number

    def __bool__(self) -> bool:
        raise TracingError(
            f"whether {_name(self)} is true is not known while tracing: it depends on the inputs. Write\n"
            "  np.where(c, a, b)      for  a if c else b,  and for  if c: ... else: ...\n"
            "  np.maximum(x, 0)       for  max(x, 0);  np.minimum likewise\n"
            "  (0 < x) & (x < 1)      for  0 < x < 1  and for  and;  | for or,  ~ for not"
        )

    def __float__(self) -> float:
        raise TracingError(
            f"{_name(self)} has no value while tracing, so float() and the functions of math cannot take it; "
            "write np.exp(x) for math.exp(x), or tapeless.exp(x), and leave float() out"
        )

    def __complex__(self) -> complex:
        raise TracingError(f"{_name(self)} is real and has no value while tracing; complex() cannot take it")

    def __int__(self) -> int:
        raise TracingError(
            f"{_name(self)} has no value while tracing, so int() cannot take it; write np.trunc(x) for int(x)"
        )

    def __index__(self) -> int:
        raise TracingError(
            f"{_name(self)} has no value while tracing, so it cannot be an index, a slice, a repetition or "
            "the length of a range: these must be plain integers; choose between values with np.where"
        )

    def __iter__(self) -> NoReturn:
        raise TracingError(_one_number(self, "iterated over or unpacked"))

    def __len__(self) -> int:
        raise TracingError(_one_number(self, "asked for its length"))

    def __getitem__(self, index: object) -> NoReturn:
        raise TracingError(_one_number(self, "indexed"))

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise TracingError(_one_number(self, "assigned to by index"))

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TracingError(f"{_name(self)} is a number, not a function; is a * missing before the bracket?")

    def __matmul__(self, other: object) -> NoReturn:
        raise TracingError(
            "@ multiplies arrays; write * for numbers, sum(a*b for a, b in zip(u, v)) for lists"
        )

    __rmatmul__ = __matmul__

    def __floordiv__(self, other: object) -> NoReturn:
        raise TracingError("// cannot be traced; write np.floor_divide(x, y)")

    __rfloordiv__ = __floordiv__

    def __mod__(self, other: object) -> NoReturn:
        raise TracingError(
            "% cannot be traced, for its sign differs between languages; write np.mod(x, y) for Python's % "
            "(the sign of the divisor) or np.fmod(x, y) for C's (the sign of the dividend)"
        )

    __rmod__ = __mod__

    def __divmod__(self, other: object) -> NoReturn:
        raise TracingError("divmod cannot be traced; write np.floor_divide(x, y) and np.mod(x, y)")

    __rdivmod__ = __divmod__

    def __lshift__(self, other: object) -> NoReturn:
        raise TracingError("<< and >> work on integers; write x * 2**n")

    __rlshift__ = __rshift__ = __rrshift__ = __lshift__


def _operator(build: Build) -> Callable[[TracedScalar, Any], TracedScalar]:
    """Return the method of an operator with the traced number on the left."""

    def method(self: TracedScalar, other: Any) -> TracedScalar:
        builder = self.builder
        node = _operand(builder, other)
        return NotImplemented if node is None else TracedScalar(builder, build(builder, self.node, node))

    return method


def _reflected(build: Build) -> Callable[[TracedScalar, Any], TracedScalar]:
    """Return the method of an operator with the traced number on the right."""

    def method(self: TracedScalar, other: Any) -> TracedScalar:
        builder = self.builder
        node = _operand(builder, other)
        return NotImplemented if node is None else TracedScalar(builder, build(builder, node, self.node))

    return method


def _comparison(op: str) -> Callable[[TracedScalar, Any], TracedBoolean]:
    """Return the method of a comparison."""

    def method(self: TracedScalar, other: Any) -> TracedBoolean:
        if isinstance(other, TracedBoolean):
            raise TracingError(_BRACKETS)
        builder = self.builder
        node = _operand(builder, other)
        return (
            NotImplemented if node is None else TracedBoolean(builder, builder.compare(op, self.node, node))
        )

    return method


_power = _operator(Builder.pow)


class TracedScalar(Traced):
    """A traced real number."""

    __slots__ = ()

    __add__ = _operator(Builder.add)
    __radd__ = _reflected(Builder.add)
    __sub__ = _operator(Builder.sub)
    __rsub__ = _reflected(Builder.sub)
    __mul__ = _operator(Builder.mul)
    __rmul__ = _reflected(Builder.mul)
    __truediv__ = _operator(Builder.div)
    __rtruediv__ = _reflected(Builder.div)
    __rpow__ = _reflected(Builder.pow)

    def __pow__(self, other: Any, modulus: object = None) -> TracedScalar:
        if modulus is not None:
            raise TracingError("pow with a modulus works on integers; leave the third argument out")
        return _power(self, other)

    def __neg__(self) -> TracedScalar:
        return TracedScalar(self.builder, self.builder.neg(self.node))

    def __pos__(self) -> TracedScalar:
        return self

    def __abs__(self) -> TracedScalar:
        return TracedScalar(self.builder, self.builder.call("abs", self.node))

    def __floor__(self) -> TracedScalar:
        return TracedScalar(self.builder, self.builder.call("floor", self.node))

    def __ceil__(self) -> TracedScalar:
        return TracedScalar(self.builder, self.builder.call("ceil", self.node))

    def __trunc__(self) -> TracedScalar:
        return TracedScalar(self.builder, self.builder.call("trunc", self.node))

    def __round__(self, digits: int | None = None) -> TracedScalar:
        return TracedScalar(self.builder, recipes.round_to(self.builder, self.node, _digits(digits)))

    @property
    def real(self) -> TracedScalar:
        """The number itself."""
        return self

    # ---- comparisons

    __lt__ = _comparison("lt")
    __le__ = _comparison("le")
    __gt__ = _comparison("gt")
    __ge__ = _comparison("ge")
    __eq__ = _comparison("eq")  # type: ignore[assignment]
    __ne__ = _comparison("ne")  # type: ignore[assignment]
    __hash__ = object.__hash__

    # ---- truth operators on a number: a comparison whose brackets are missing

    def __and__(self, other: object) -> NoReturn:
        raise TracingError(_BRACKETS)

    __rand__ = __or__ = __ror__ = __and__

    def __xor__(self, other: object) -> NoReturn:
        raise TracingError("^ is exclusive or, of truth values; write x**y for a power")

    __rxor__ = __xor__

    def __invert__(self) -> NoReturn:
        raise TracingError(
            "~ turns a truth value round; write -x for the negative of a number, ~(x < y) for not"
        )


_MOST_DIGITS: Final = 300
"""Ten to this power is a double."""


def _digits(digits: Any) -> int:
    """Return the digits to round to as an integer."""
    if digits is None:
        return 0
    try:
        found = index(digits)
    except TypeError:
        raise TracingError(
            f"round takes a whole number of digits, not {digits!r}; write round(x, 2), or round(x / step) * step"
        ) from None
    if abs(found) > _MOST_DIGITS:
        raise TracingError(
            f"round to {found} digits: 10**{abs(found)} is beyond the range of a double; the number of digits is "
            f"at most {_MOST_DIGITS} either way"
        )
    return found


def _connective(build: Build) -> Callable[[TracedBoolean, Any], TracedBoolean]:
    """Return the method of an operator between truth values."""

    def method(self: TracedBoolean, other: Any) -> TracedBoolean:
        builder = self.builder
        node = _truth(builder, other)
        return NotImplemented if node is None else TracedBoolean(builder, build(builder, self.node, node))

    return method


_differs = _connective(recipes.xor)


def _counted(
    method: Callable[[TracedScalar, Any], TracedScalar],
) -> Callable[[TracedBoolean, Any], TracedScalar]:
    """Return the method of an arithmetic operator between a truth value and a number."""

    def counted(self: TracedBoolean, other: Any) -> TracedScalar:
        if isinstance(other, TracedBoolean):
            raise TracingError(_NOT_A_NUMBER)
        return method(self.number(), other)

    return counted


class TracedBoolean(Traced):
    """A traced truth value. In arithmetic with numbers it counts as 1 or 0, as in NumPy."""

    __slots__ = ()

    def number(self) -> TracedScalar:
        """Return 1 where true, else 0."""
        return TracedScalar(self.builder, _as_number(self.builder, self.node))

    # ---- logic

    __and__ = __rand__ = _connective(Builder.and_)
    __or__ = __ror__ = _connective(Builder.or_)
    __xor__ = __rxor__ = _connective(recipes.xor)

    def __invert__(self) -> TracedBoolean:
        return TracedBoolean(self.builder, self.builder.not_(self.node))

    def __eq__(self, other: Any) -> TracedBoolean:  # type: ignore[override]
        return NotImplemented if (differs := self.__ne__(other)) is NotImplemented else ~differs

    def __ne__(self, other: Any) -> TracedBoolean:  # type: ignore[override]
        if isinstance(other, int) and other in (0, 1):
            other = bool(other)
        return _differs(self, other)

    __hash__ = object.__hash__

    def __lt__(self, other: object) -> NoReturn:
        raise TracingError(_BRACKETS)

    __le__ = __gt__ = __ge__ = __lt__

    # ---- arithmetic

    __add__ = _counted(TracedScalar.__add__)
    __radd__ = _counted(TracedScalar.__radd__)
    __sub__ = _counted(TracedScalar.__sub__)
    __rsub__ = _counted(TracedScalar.__rsub__)
    __mul__ = _counted(TracedScalar.__mul__)
    __rmul__ = _counted(TracedScalar.__rmul__)
    __truediv__ = _counted(TracedScalar.__truediv__)
    __rtruediv__ = _counted(TracedScalar.__rtruediv__)
    __pow__ = _counted(TracedScalar.__pow__)
    __rpow__ = _counted(TracedScalar.__rpow__)

    def __neg__(self) -> NoReturn:
        raise TracingError(_NOT_A_NUMBER)

    __pos__ = __abs__ = __round__ = __floor__ = __ceil__ = __trunc__ = __neg__


_BRACKETS: Final = (
    "&, | and ~ join truth values, and bind tighter than comparisons: write (0 < x) & (x < 1), each comparison "
    "in brackets; a comparison takes numbers"
)
_NOT_A_NUMBER: Final = (
    "arithmetic on truth values alone: NumPy and Python disagree on it; write np.where(c, 1, 0) for a number, "
    "& | ~ ^ for logic"
)


def _shown(value: Traced) -> str:
    builder = value.builder
    if not isinstance(builder, Trace) or len(builder.ops) > _SHOWN_NODES:
        return ""
    return infix(builder.freeze(), value.node, builder.names, _SHOWN_WIDTH)


def _name(value: Traced) -> str:
    """Name a value in a message."""
    text = _shown(value)
    if text:
        return f"`{text}`"
    return "this truth value" if isinstance(value, TracedBoolean) else "this number"


def _one_number(value: Traced, what: str) -> str:
    return f"{_name(value)} is one number and cannot be {what}; pass each number as a parameter of its own"


# ---- operands


def _operand(builder: Builder, value: Any) -> int | None:
    """Return the node of a number in `builder`; None for what is no number."""
    kind = type(value)
    if kind is TracedScalar:
        if value.builder is not builder:
            raise TracingError(_leaked(value))
        return value.node  # type: ignore[no-any-return]
    if kind is int:
        return builder.rational(value)
    return _uncommon(builder, value)


def _leaked(value: Traced) -> str:
    return (
        f"{_name(value)} belongs to another trace: it was kept from an earlier call (in a global, a default or "
        "an attribute), or one compiled function is being traced inside another; pass it as an argument instead"
    )


def _uncommon(builder: Builder, value: Any) -> int | None:
    if isinstance(value, float):  # np.float64 as well
        return _from_float(builder, float(value))
    if isinstance(value, TracedBoolean):
        if value.builder is not builder:
            raise TracingError(_leaked(value))
        return _as_number(builder, value.node)
    if isinstance(value, int | Fraction | np.bool_):
        return builder.rational(Fraction(int(value)) if isinstance(value, np.bool_) else Fraction(value))
    if isinstance(value, np.integer):
        return builder.rational(int(value))
    if isinstance(value, np.floating):
        if np.isfinite(value):
            return builder.rational(Fraction(*value.as_integer_ratio()))
        return _from_float(builder, float(value))
    if isinstance(value, Decimal):
        return builder.rational(Fraction(value)) if value.is_finite() else _from_float(builder, float(value))
    if isinstance(value, complex | np.complexfloating):
        raise TracingError(f"{value} is complex; only real arithmetic is traced")
    if isinstance(value, np.ndarray):
        return _operand(builder, value[()]) if value.ndim == 0 else None  # NumPy takes over
    if is_sympy(value):
        return _from_sympy(builder, value)
    return None


def _from_float(builder: Builder, value: float) -> int:
    """Return the exact value of a float: the number that Python has already rounded."""
    if isnan(value):
        return builder.named("nan")
    if isinf(value):
        node = builder.named("inf")
        return node if value > 0 else builder.neg(node)
    return builder.rational(Fraction(value))


def is_sympy(value: object) -> bool:
    """Whether `value` is a sympy object; does not import sympy."""
    basic = getattr(sys.modules.get("sympy"), "Basic", None)
    return basic is not None and isinstance(value, basic)


def _from_sympy(builder: Builder, value: Any) -> int:
    from tapeless.frontend.symbolic import Reader

    if value.free_symbols:
        symbol = min(map(str, value.free_symbols))
        raise TracingError(
            f"the sympy symbol {symbol} meets a traced number; make it a parameter of the function, "
            "or compile the sympy expression itself"
        )
    return Reader({}, builder).number(value)


def _truth(builder: Builder, value: Any) -> int | None:
    """Return the node of a truth value; None for what is none."""
    if isinstance(value, TracedBoolean):
        if value.builder is not builder:
            raise TracingError(_leaked(value))
        return value.node
    if isinstance(value, bool | np.bool_):
        return builder.boolean(bool(value))
    if isinstance(value, TracedScalar):
        raise TracingError(_BRACKETS)
    return None


def _condition(builder: Builder, value: Any) -> int | None:
    """Return the node of a truth value, or of whether a number is not zero."""
    if isinstance(value, TracedScalar):
        node = _operand(builder, value)
        return None if node is None else builder.compare("ne", node, builder.rational(0))
    if (node := _truth(builder, value)) is not None:
        return node
    node = _operand(builder, value)
    return None if node is None else builder.compare("ne", node, builder.rational(0))


def _as_number(b: Builder, condition: int) -> int:
    return b.select(condition, b.rational(1), b.rational(0))


def builder_of(values: Sequence[Any]) -> Builder | None:
    """Return the builder of the first traced value, None where there is none."""
    for value in values:
        if isinstance(value, Traced):
            return value.builder
    return None


def nodes_of(builder: Builder, values: Sequence[Any], what: str) -> list[int]:
    """Return the nodes of numbers, `what` naming the function in the message for anything else."""
    nodes = []
    for value in values:
        node = _operand(builder, value)
        if node is None:
            raise TracingError(f"{what} takes numbers, not {type(value).__name__}")
        nodes.append(node)
    return nodes


# ---- functions of traced values


def apply(op: str, values: Sequence[Any], what: str = "") -> TracedScalar:
    """Return the primitive `op` of numbers of which at least one is traced."""
    builder = _builder(values)
    if all(isinstance(value, TracedBoolean) for value in values):
        raise TracingError(_NOT_A_NUMBER)
    return TracedScalar(builder, builder.call(op, *nodes_of(builder, values, what or op)))


def where(condition: Any, a: Any, b: Any) -> TracedScalar | TracedBoolean:
    """Return `a` where the condition holds, else `b`; at least one of the three is traced."""
    builder = _builder((condition, a, b))
    chosen = _condition(builder, condition)
    if chosen is None:
        raise TracingError(f"the condition of where is a comparison, not {type(condition).__name__}")
    truths = [isinstance(value, TracedBoolean | bool | np.bool_) for value in (a, b)]
    if all(truths):
        p, q = _truth(builder, a), _truth(builder, b)
        assert p is not None
        assert q is not None
        return TracedBoolean(builder, builder.select(chosen, p, q))
    yes, no = nodes_of(builder, (a, b), "where")
    return TracedScalar(builder, builder.select(chosen, yes, no))


def clip(x: Any, low: Any = None, high: Any = None) -> TracedScalar:
    """Return `x`, not less than `low` and not more than `high`; None for no bound."""
    builder = _builder((x, low, high))
    node, least, most = (
        None if value is None else nodes_of(builder, (value,), "clip")[0] for value in (x, low, high)
    )
    if node is None:
        raise TracingError("clip takes numbers, not NoneType")
    return TracedScalar(builder, recipes.clip(builder, node, least, most))


def _builder(values: Sequence[Any]) -> Builder:
    builder = builder_of(values)
    if builder is None:  # a traced value hides in a nested list
        raise TracingError("a list of traced values stands where one number is needed")
    return builder


# ---- ufuncs


def _ldexp(b: Builder, x: int, power: int) -> int:
    value = b.rational_value(power)
    if value is None or value.denominator != 1:
        raise TracingError("np.ldexp takes a plain integer as its second argument; write x * np.exp2(y)")
    return b.mul(x, b.pow(b.rational(2), power))


_NUMBERS: Final[dict[str, Build]] = {
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

_TESTS: Final[dict[str, Build]] = {
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

_LOGIC: Final[dict[str, Build]] = {
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

_SCIPY: Final[dict[str, Build]] = {
    **{
        name: recipes.primitive(name)
        for name in ("erf", "erfc", "gamma", "exp2", "expm1", "log1p", "cbrt", "round")
    },
    "gammaln": recipes.primitive("loggamma"),
    "loggamma": recipes.log_of_gamma,
    "exp10": recipes.exp10,
    "expit": recipes.expit,
    "logit": recipes.logit,
    "log_expit": recipes.log_expit,
    "ndtr": recipes.ndtr,
    "xlogy": recipes.xlogy,
    "xlog1py": recipes.xlog1py,
}
"""The ufuncs of scipy.special whose meaning the table can say."""


def apply_ufunc(ufunc: np.ufunc, values: Sequence[Any]) -> Any:
    """Apply a ufunc to scalars of which at least one is traced."""
    found = _ufunc(ufunc, "__call__", tuple(values), {})
    if found is NotImplemented:
        kinds = ", ".join(type(value).__name__ for value in values)
        raise TracingError(f"np.{ufunc.__name__} takes numbers, not {kinds}")
    return found


def _holds_arrays(values: Sequence[Any]) -> bool:
    """Whether one of the arguments of a NumPy function has several elements."""
    return any(
        isinstance(value, list | tuple)
        or (isinstance(value, np.ndarray) and value.ndim > 0)
        or type(value).__name__ == "TracedArray"
        for value in values
    )


def _ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    name = ufunc.__name__
    # A ufunc is known by identity: somebody else's may share the name.
    known = getattr(np, name, None) is ufunc
    shown = f"np.{name}" if known else name
    if method != "__call__":
        raise TracingError(
            f"{shown}.{method} works on arrays and cannot be traced; write sum(values) or a loop over a list"
        )
    if "out" in kwargs:
        raise TracingError(
            f"{shown} cannot write a traced value into a NumPy array (out=, or an operator such as +=); "
            "collect values in a list"
        )
    if kwargs:
        raise TracingError(
            f"{shown} cannot be traced with {', '.join(kwargs)}=; for where= write np.where(c, a, b)"
        )
    builder = _builder(inputs)
    if known and name in _LOGIC:
        take = _condition if name.startswith("logical") else _truth
        truths = [take(builder, value) for value in inputs]
        return NotImplemented if None in truths else TracedBoolean(builder, _LOGIC[name](builder, *truths))
    if known and name in ("equal", "not_equal") and any(isinstance(value, TracedBoolean) for value in inputs):
        a, b = inputs if isinstance(inputs[0], TracedBoolean) else reversed(inputs)
        return a == b if name == "equal" else a != b
    kind: type[TracedScalar] | type[TracedBoolean] = TracedScalar
    build = _NUMBERS.get(name) if known else None
    if known and build is None:
        kind, build = TracedBoolean, _TESTS.get(name)
    if not known:
        special = sys.modules.get("scipy.special")
        build = _SCIPY.get(name) if getattr(special, name, None) is ufunc else None
    if build is None:
        raise TracingError(
            f"{shown} cannot be traced; {_REMEDIES.get(name, 'write it with functions that tapeless has')}"
        )
    if all(isinstance(value, TracedBoolean) for value in inputs):
        raise TracingError(_NOT_A_NUMBER)
    nodes = [_operand(builder, value) for value in inputs]
    return NotImplemented if None in nodes else kind(builder, build(builder, *nodes))


# ---- NumPy functions


def _np_where(condition: Any, *choices: Any) -> Any:
    if len(choices) != 2:
        raise TracingError("np.where needs three arguments: np.where(c, a, b)")
    return where(condition, *choices)


def _np_clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> TracedScalar:
    return clip(a, a_min if min is None else min, a_max if max is None else max)


def _np_round(a: Any, decimals: int = 0) -> TracedScalar:
    return a.__round__(decimals)  # type: ignore[no-any-return]


def _np_select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise TracingError(f"np.select: {len(condlist)} conditions, but {len(choicelist)} choices")
    builder = _builder((*condlist, *choicelist, default))
    [node] = nodes_of(builder, (default,), "np.select")
    result: Any = TracedScalar(builder, node)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, choice, result)
    return result


def _np_sinc(x: Any) -> TracedScalar:
    return TracedScalar(x.builder, recipes.normalised_sinc(x.builder, x.node))


def _np_polyval(p: Sequence[Any], x: Any) -> TracedScalar:
    coefficients = list(p)
    b = _builder((x, *coefficients))
    [at, *nodes] = nodes_of(b, (x, *coefficients), "np.polyval")
    value = b.rational(0)
    for node in nodes:
        value = b.add(b.mul(value, at), node)
    return TracedScalar(b, value)


def _itself(a: Traced) -> Traced:
    return a


def _product(a: Any, b: Any) -> Any:
    return a * b


def _constant(value: int) -> Callable[..., float]:
    return lambda a: float(value)


_FUNCTIONS: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    np.where: _np_where,
    np.clip: _np_clip,
    np.round: _np_round,
    np.around: _np_round,
    np.select: _np_select,
    np.sinc: _np_sinc,
    np.polyval: _np_polyval,
    np.fix: lambda x: apply("trunc", (x,)),
    np.dot: _product,
    np.inner: _product,
    np.vdot: _product,
    **dict.fromkeys((np.sum, np.prod, np.max, np.min, np.mean, np.real, np.copy, np.all, np.any), _itself),
    np.zeros_like: _constant(0),
    np.ones_like: _constant(1),
    np.full_like: lambda a, fill_value: fill_value,
    np.shape: lambda a: (),
    np.ndim: lambda a: 0,
    np.size: lambda a: 1,
    np.iscomplexobj: lambda x: False,
}

_LIST: Final = "keep several values in a list and return several as a tuple"
_REMEDIES: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("stack", "hstack", "vstack", "dstack", "column_stack", "concatenate", "block", "append", "reshape"),
        _LIST,
    ),
    "piecewise": "write np.where(c, a, b) or np.select",
    "norm": "write np.sqrt(sum(a*a for a in values))",
    "divmod": "write np.floor_divide(x, y) and np.mod(x, y)",
    "modf": "write np.trunc(x) and x - np.trunc(x)",
    "signbit": "write x < 0",
    "nan_to_num": "write np.where(np.isnan(x), 0, x)",
    "isclose": "write abs(x - y) < tolerance",
    "allclose": "write abs(x - y) < tolerance",
    "matmul": "write * for numbers, sum(a*b for a, b in zip(u, v)) for lists",
}
