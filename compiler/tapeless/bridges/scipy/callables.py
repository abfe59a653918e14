"""`f.low_level_callable()`: a C function for scipy.integrate and scipy.ndimage, with parameters bound."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.bridges.scipy.adapter import addresses
from tapeless.bridges.scipy.binding import batch_of, choose, values_of
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError

try:
    from scipy import LowLevelCallable
except ImportError:
    raise UnsupportedError(
        "a low-level callable is an object of SciPy, which is not installed; pip install 'tapeless[scipy]'"
    ) from None

if TYPE_CHECKING:
    from tapeless.function import Function

_NUMBER, _POINTER, _INT = ctypes.c_double, ctypes.c_void_p, ctypes.c_int
_NUMBERS = ctypes.POINTER(_NUMBER)
WINDOW: Final = "int (double *, intptr_t, double *, void *)"
_FORMS: Final[dict[str, tuple[str, Any]]] = {
    "double (double)": ("tapeless_number", ctypes.CFUNCTYPE(_NUMBER, _NUMBER)),
    "double (double, void *)": ("tapeless_number_data", ctypes.CFUNCTYPE(_NUMBER, _NUMBER, _POINTER)),
    "double (int, double *)": ("tapeless_numbers", ctypes.CFUNCTYPE(_NUMBER, _INT, _NUMBERS)),
    "double (int, double *, void *)": (
        "tapeless_numbers_data",
        ctypes.CFUNCTYPE(_NUMBER, _INT, _NUMBERS, _POINTER),
    ),
    WINDOW: (
        "tapeless_window",
        ctypes.CFUNCTYPE(_INT, _NUMBERS, ctypes.c_ssize_t, _NUMBERS, _POINTER),
    ),
}
"""C signature, as SciPy writes it -> function of adapter.c, and its type."""
_ALONE: Final = frozenset(("double (double)", "double (int, double *)"))
"""Those without a place for what is bound."""
_SINGLE: Final = frozenset(("double (double)", "double (double, void *)"))


class Callable(LowLevelCallable):  # type: ignore[misc]
    """A `scipy.LowLevelCallable` that keeps what its C function reads alive, and can be pickled and copied."""

    def __new__(cls, function: Any, user_data: Any, signature: str, bound: Any, origin: Any) -> Callable:
        """Make one; `bound` is the memory that `user_data` points to, `origin` what it is made of again from."""
        made: Callable = super().__new__(cls, function, user_data, signature)
        return made

    def __init__(self, function: Any, user_data: Any, signature: str, bound: Any, origin: Any) -> None:
        self._bound = bound
        self._origin = origin

    def __repr__(self) -> str:
        function, free, bound, *_ = self._origin
        given = ", ".join(f"{name}={_short(value)}" for name, value in bound.items())
        inputs = ", ".join(free) + (f"; {given}" if given else "")
        return f"<low-level callable {function.name}({inputs}), {self.signature}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, self._origin


def low_level_callable(
    function: Function,
    *variables: str,
    bound: Mapping[str, Any] | None = None,
    signature: str | None = None,
    output: str | None = None,
    **named: Any,
) -> Callable:
    """Return a C function of the variables for `quad`, `nquad` and `generic_filter`.

    Parameters
    ----------
    function
        A function in float64.
    *variables
        The inputs that the integrator varies, in its order: `quad` varies the first and passes `args` behind it,
        `nquad` takes its ranges in this order. Default: those that are not bound. An input with a shape counts as all
        of its scalars.
    bound, **named
        Input -> value. The values are copied.
    signature
        The C type, one of `double (double)`, `double (double, void *)`, `double (int, double *)`,
        `double (int, double *, void *)`, or `int (double *, intptr_t, double *, void *)` for `generic_filter`.
        Default: the second for one variable, the fourth for several.
    output
        The output wanted, where there are several, `"u"` or `"u[2]"`.

    Returns
    -------
    scipy.LowLevelCallable
        It keeps what is bound alive, may be called from several threads, and can be pickled: the other process builds
        it again, or finds it in its cache.

    Raises
    ------
    ArgumentError
        For a function in float32, an input that is unknown, a signature that does not fit.
    ShapeError
        For a bound value that has not its input's shape.
    """
    what = "low_level_callable"
    if function.dtype != "float64":
        raise ArgumentError(
            f"{function.name}.{what}: SciPy integrates in double; compile it with dtype='float64'"
        )
    given = values_of(function, what, bound, named)
    free, values = choose(function, what, variables, given, role="a variable")
    if batch_of(function, what, values):
        name = next(name for name, value in values.items() if batch_of(function, what, {name: value}))
        raise ShapeError(
            f"{function.name}.{what}: {name} has shape {values[name].shape}; a C function takes one value of it, "
            "so make one callable for each"
        )
    wanted = _output(function, output)
    sizes = dict(zip(function.input_names, map(_size, function.input_shapes), strict=True))
    form = _form(function, signature, sum(sizes[name] for name in free), bool(values))
    symbol, kind = _FORMS[form]
    pointer = kind(addresses(function, free, tuple(values), wanted)[symbol])
    memory = np.concatenate([value.ravel() for value in values.values()]) if values else np.zeros(1)
    memory.flags.writeable = False
    origin = (function, free, {name: value.copy() for name, value in values.items()}, form, output)
    data = None if form in _ALONE else _POINTER(memory.ctypes.data)
    return Callable(pointer, data, form, memory, origin)


def _again(
    function: Function, free: tuple[str, ...], bound: Mapping[str, Any], signature: str, output: str | None
) -> Callable:
    return low_level_callable(function, *free, bound=bound, signature=signature, output=output)


def _form(function: Function, asked: str | None, variables: int, has_bound: bool) -> str:
    where = f"{function.name}.low_level_callable"
    if asked is None:
        return "double (double, void *)" if variables == 1 else "double (int, double *, void *)"
    form = next((known for known in _FORMS if _bare(known) == _bare(asked)), "")
    if not form:
        raise ArgumentError(
            f"{where}: signature must be one of {', '.join(map(repr, _FORMS))}, not {asked!r}"
        )
    if form in _SINGLE and variables != 1:
        raise ArgumentError(f"{where}: {form!r} is for one variable, and there are {variables}")
    if form in _ALONE and has_bound:
        raise ArgumentError(f"{where}: {form!r} has no place for bound values; leave signature out")
    return form


def _bare(signature: object) -> str:
    return "".join(str(signature).split())


def _output(function: Function, asked: str | None) -> int:
    names = [
        f"{name}[{', '.join(map(str, index))}]" if shape else name
        for name, shape in zip(function.output_names, function.output_shapes, strict=True)
        for index in np.ndindex(*shape)
    ]
    if asked is None and len(names) == 1:
        return 0
    if asked not in names:
        shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        said = (
            "name the one that is wanted, output=" if asked is None else f"there is no {asked!r}; output= is"
        )
        raise ArgumentError(
            f"{function.name}.low_level_callable: the outputs are {shown}; {said} one of them"
        )
    return names.index(asked)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.intp))


def _short(value: Any) -> str:
    return f"{value[()]:g}" if value.ndim == 0 else f"array{value.shape}"
