"""Traced values: numbers and truth values that write down what Python and NumPy do with them.

A traced value is a node of a builder. Operators, NumPy ufuncs and NumPy functions append nodes; what needs an
actual number (`if`, `float`, an index) raises and shows what to write instead. Arrays of them stand in
`traced_array`, the ufuncs in `traced_ufuncs`, the functions of NumPy in `traced_functions`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
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
from tapeless.ir.program import Input

Build = Callable[..., int]
"""From a builder and nodes to a node."""

_SHOWN_NODES: Final = 5000
_SHOWN_WIDTH: Final = 60


class Trace(Builder):
    """A builder that knows what its inputs are called, so that messages can.

    Parameters
    ----------
    inputs
        The inputs, whose scalars are the lanes in order.
    """

    __slots__ = ("inputs",)

    def __init__(self, inputs: Sequence[Input] = ()) -> None:
        super().__init__()
        self.inputs = tuple(inputs)

    @property
    def names(self) -> dict[int, str]:
        """The name of each input scalar by its lane: made when a message asks for it."""
        found: list[str] = []
        for item in self.inputs:
            found += [item.name + _subscript(place) for place in np.ndindex(item.shape)]
        return dict(enumerate(found))


def _subscript(place: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, place))}]" if place else ""


class MissingAttributeError(TracingError, AttributeError):
    """A method of NumPy's arrays that traced values do not have."""


class Traced:
    """What all traced values share: the way into NumPy, and the refusals.

    Attributes
    ----------
    builder
        Holds the nodes.
    """

    __slots__ = ("builder",)

    _tapeless_traced_ = True  # how others recognise the class without importing it
    _op_priority = 1000.0  # sympy's numbers leave operators to us
    builder: Builder

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent along each axis; none for one number."""
        return ()

    __hash__ = object.__hash__

    def __copy__(self) -> Traced:
        return self

    def __deepcopy__(self, memo: object) -> Traced:
        return self

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # others ask for such names to learn what this is
            raise AttributeError(name)
        remedy = _METHODS.get(name, "write it with operators and functions of NumPy")
        raise MissingAttributeError(f"{name_of(self)} is traced and has no {name!r}; {remedy}")

    # ---- NumPy

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tapeless.frontend.traced_ufuncs import apply_ufunc  # stands on this module

        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        from tapeless.frontend.traced_functions import apply_function  # stands on this module

        return apply_function(function, args, kwargs)

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise TracingError(
            f"{name_of(self)} is traced and cannot be stored in a NumPy array. Leave np.array and np.asarray out: "
            "NumPy's functions take traced values and traced arrays as they are. An array of traced values is "
            "np.stack([a, b, c]): write np.sum(np.stack(values)) for np.sum(values), tapeless.maximum(*values) "
            "for np.max(values), or keep the values in a list and write sum(values), "
            "np.sqrt(sum(a*a for a in values))"
        )

    def _sympy_(self) -> NoReturn:
        raise TracingError(
            f"{name_of(self)} is traced and cannot enter a sympy expression; write np.sin(x) or tapeless.sin(x) "
            "for sympy.sin(x)"
        )

    # ---- what needs an actual number

    def __bool__(self) -> bool:
        raise TracingError(
            f"whether {name_of(self)} is true is not known while tracing: it depends on the inputs. Write\n"
            "  np.where(c, a, b)      for  a if c else b,  and for  if c: ... else: ...\n"
            "  np.maximum(x, 0)       for  max(x, 0);  np.minimum likewise\n"
            "  (0 < x) & (x < 1)      for  0 < x < 1  and for  and;  | for or,  ~ for not"
        )

    def __float__(self) -> float:
        raise TracingError(
            f"{name_of(self)} has no value while tracing, so float() and the functions of math cannot take it; "
            "write np.exp(x) for math.exp(x), or tapeless.exp(x), and leave float() out"
        )

    def __complex__(self) -> complex:
        raise TracingError(
            f"{name_of(self)} is real and has no value while tracing; complex() cannot take it"
        )

    def __int__(self) -> int:
        raise TracingError(
            f"{name_of(self)} has no value while tracing, so int() cannot take it; write np.trunc(x) for int(x)"
        )

    def __index__(self) -> int:
        raise TracingError(
            f"{name_of(self)} has no value while tracing, so it cannot be an index, a slice, a repetition or "
            "the length of a range: these must be plain integers; choose between values with np.where"
        )

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


_METHODS: Final = {
    "astype": "leave it out: all numbers are of the dtype that the function is compiled for",
    "item": "leave it out: an element is a traced number already",
    "fill": "a traced array cannot be changed in place; write np.full(x.shape, value)",
    "conj": "leave it out: all numbers are real",
    "conjugate": "leave it out: all numbers are real",
    "imag": "all numbers are real",
}


class TracedElement(Traced):
    """A traced value that is one number or one truth value.

    Parameters
    ----------
    builder
        Holds the node.
    node
        The node that this value stands for.
    """

    __slots__ = ("node",)

    def __init__(self, builder: Builder, node: int) -> None:
        self.builder = builder
        self.node = node

    def __repr__(self) -> str:
        return f"<traced {_shown(self) or 'value'}>"

    @property
    def ndim(self) -> int:
        """The number of dimensions: none."""
        return 0

    @property
    def size(self) -> int:
        """The number of elements: one."""
        return 1

    def __iter__(self) -> NoReturn:
        raise TracingError(_one_number(self, "iterated over or unpacked"))

    def __len__(self) -> int:
        raise TracingError(_one_number(self, "asked for its length"))

    def __getitem__(self, index: object) -> NoReturn:
        raise TracingError(_one_number(self, "indexed"))

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise TracingError(_one_number(self, "assigned to by index"))

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise TracingError(f"{name_of(self)} is a number, not a function; is a * missing before the bracket?")

    def __matmul__(self, other: object) -> NoReturn:
        raise TracingError(
            "@ multiplies arrays; write * for numbers, sum(a*b for a, b in zip(u, v)) for lists"
        )

    __rmatmul__ = __matmul__


def _operator(build: Build) -> Callable[[TracedScalar, Any], TracedScalar]:
    """Return the method of an operator with the traced number on the left."""

    def method(self: TracedScalar, other: Any) -> TracedScalar:
        builder = self.builder
        node = operand(builder, other)
        return NotImplemented if node is None else TracedScalar(builder, build(builder, self.node, node))

    return method


def _reflected(build: Build) -> Callable[[TracedScalar, Any], TracedScalar]:
    """Return the method of an operator with the traced number on the right."""

    def method(self: TracedScalar, other: Any) -> TracedScalar:
        builder = self.builder
        node = operand(builder, other)
        return NotImplemented if node is None else TracedScalar(builder, build(builder, node, self.node))

    return method


def _comparison(op: str) -> Callable[[TracedScalar, Any], TracedBoolean]:
    """Return the method of a comparison."""

    def method(self: TracedScalar, other: Any) -> TracedBoolean:
        if isinstance(other, TracedBoolean):
            raise TracingError(BRACKETS)
        builder = self.builder
        node = operand(builder, other)
        return (
            NotImplemented if node is None else TracedBoolean(builder, builder.compare(op, self.node, node))
        )

    return method


_power = _operator(Builder.pow)


class TracedScalar(TracedElement):
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
        return TracedScalar(self.builder, recipes.round_to(self.builder, self.node, digits_of(digits)))

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
        raise TracingError(BRACKETS)

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


def digits_of(digits: Any) -> int:
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
        node = truth(builder, other)
        return NotImplemented if node is None else TracedBoolean(builder, build(builder, self.node, node))

    return method


_differs = _connective(recipes.xor)


def _counted(
    method: Callable[[TracedScalar, Any], TracedScalar],
) -> Callable[[TracedBoolean, Any], TracedScalar]:
    """Return the method of an arithmetic operator between a truth value and a number."""

    def counted(self: TracedBoolean, other: Any) -> TracedScalar:
        if isinstance(other, TracedBoolean):
            raise TracingError(NOT_A_NUMBER)
        return method(self.number(), other)

    return counted


class TracedBoolean(TracedElement):
    """A traced truth value. In arithmetic with numbers it counts as 1 or 0, as in NumPy."""

    __slots__ = ()

    def number(self) -> TracedScalar:
        """Return 1 where true, else 0."""
        return TracedScalar(self.builder, as_number(self.builder, self.node))

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
        raise TracingError(BRACKETS)

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
        raise TracingError(NOT_A_NUMBER)

    __pos__ = __abs__ = __round__ = __floor__ = __ceil__ = __trunc__ = __neg__


BRACKETS: Final = (
    "&, | and ~ join truth values, and bind tighter than comparisons: write (0 < x) & (x < 1), each comparison "
    "in brackets; a comparison takes numbers"
)
NOT_A_NUMBER: Final = (
    "arithmetic on truth values alone: NumPy and Python disagree on it; write np.where(c, 1, 0) for a number, "
    "& | ~ ^ for logic"
)


def _shown(value: TracedElement) -> str:
    builder = value.builder
    if not isinstance(builder, Trace) or len(builder.ops) > _SHOWN_NODES:
        return ""
    return infix(builder.freeze(), value.node, builder.names, _SHOWN_WIDTH)


def name_of(value: Traced) -> str:
    """Name a value in a message."""
    if not isinstance(value, TracedElement):
        return f"this array of shape {value.shape}"
    text = _shown(value)
    if text:
        return f"`{text}`"
    return "this truth value" if isinstance(value, TracedBoolean) else "this number"


def _one_number(value: TracedElement, what: str) -> str:
    return (
        f"{name_of(value)} is one number and cannot be {what}; pass each number as a parameter of its own, or give "
        "the parameter a shape: inputs={'x': (3,)}"
    )


# ---- operands


def operand(builder: Builder, value: Any) -> int | None:
    """Return the node of a number in `builder`; None for what is no number."""
    kind = type(value)
    if kind is TracedScalar:
        if value.builder is not builder:
            raise TracingError(leaked(value))
        return value.node  # type: ignore[no-any-return]
    if kind is int:
        return builder.rational(value)
    return _uncommon(builder, value)


def leaked(value: Traced) -> str:
    """Return the message about a value that is used outside of its trace."""
    return (
        f"{name_of(value)} belongs to another trace: it was kept from an earlier call (in a global, a default or "
        "an attribute), or one compiled function is being traced inside another; pass it as an argument instead"
    )


def _uncommon(builder: Builder, value: Any) -> int | None:
    if isinstance(value, float):  # np.float64 as well
        return _from_float(builder, float(value))
    if isinstance(value, TracedBoolean):
        if value.builder is not builder:
            raise TracingError(leaked(value))
        return as_number(builder, value.node)
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
        return None if value.ndim else operand(builder, value[()])
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


def truth(builder: Builder, value: Any) -> int | None:
    """Return the node of a truth value; None for what is none."""
    if isinstance(value, TracedBoolean):
        if value.builder is not builder:
            raise TracingError(leaked(value))
        return value.node
    if isinstance(value, bool | np.bool_):
        return builder.boolean(bool(value))
    if isinstance(value, TracedScalar):
        raise TracingError(BRACKETS)
    return None


def condition(builder: Builder, value: Any) -> int | None:
    """Return the node of a truth value, or of whether a number is not zero."""
    if isinstance(value, TracedScalar):
        node = operand(builder, value)
        return None if node is None else builder.compare("ne", node, builder.rational(0))
    if (node := truth(builder, value)) is not None:
        return node
    node = operand(builder, value)
    return None if node is None else builder.compare("ne", node, builder.rational(0))


def as_number(b: Builder, condition: int) -> int:
    """Return 1 where the condition holds, else 0."""
    return b.select(condition, b.rational(1), b.rational(0))


def builder_of(values: Sequence[Any]) -> Builder | None:
    """Return the builder of the first traced value, lists in lists included; None where there is none."""
    for value in values:  # nearly always
        if isinstance(value, Traced):
            return value.builder
    pending = list(reversed(values))
    while pending:
        value = pending.pop()
        if isinstance(value, Traced):
            return value.builder
        if isinstance(value, list | tuple):
            pending.extend(reversed(value))
        elif isinstance(value, np.ndarray) and value.dtype == object:
            pending.extend(reversed(value.ravel().tolist()))
    return None


def nodes_of(builder: Builder, values: Sequence[Any], what: str) -> list[int]:
    """Return the nodes of numbers, `what` naming the function in the message for anything else."""
    nodes = []
    for value in values:
        node = operand(builder, value)
        if node is None:
            raise TracingError(f"{what} takes numbers, not {type(value).__name__}")
        nodes.append(node)
    return nodes
