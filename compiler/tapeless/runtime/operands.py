"""From what a caller passes to an array that C may read."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tapeless.errors import ArgumentError, TapelessError

# Arrays that record gradients: converting one would lose its gradient in silence. Recognised by the module of
# their type, so that the libraries need not be imported.
_BRIDGES = {
    "torch": ("torch tensor", "x.detach().cpu().numpy()", "f.to_torch()"),
    "jax": ("jax array", "np.asarray(x)", "f.to_jax()"),
    "jaxlib": ("jax array", "np.asarray(x)", "f.to_jax()"),
}
_DEEPEST = 64  # dimensions of a NumPy array
_REFUSED_KINDS = {
    "c": "is complex; pass its real and imaginary parts separately (.real, .imag)",
    "O": "holds Python objects; convert it with np.asarray(..., dtype=float)",
    "S": "holds text",
    "U": "holds text",
    "T": "holds text",
    "V": "is a structured array; pass its fields one by one",
    "M": "holds dates; convert it to numbers first",
    "m": "holds time differences; divide by a unit first, as in x / np.timedelta64(1, 's')",
}
_NUMBERS = {bool, int, float}


def as_operand(value: object, name: str, dtype: np.dtype[Any]) -> tuple[np.ndarray[Any, Any], np.dtype[Any]]:
    """Convert an argument as NumPy would, or refuse it.

    Parameters
    ----------
    value
        What the caller passed.
    name
        Name of the input, for messages.
    dtype
        The kernel's dtype.

    Returns
    -------
    array
        A plain array of `dtype`, native byte order, of any strides; `value` itself where it fits.
    gradient_dtype
        Dtype of a gradient with respect to this argument: its own where it is a floating one, else `dtype`.

    Raises
    ------
    ArgumentError
        Where there is no conversion that keeps the meaning.
    """
    kind = type(value)
    if kind is np.ndarray and value.dtype is dtype:  # type: ignore[attr-defined]
        return value, dtype  # type: ignore[return-value]
    if kind is float or kind is int or kind is bool:
        return _from_number(value, name, dtype), dtype
    if kind is not np.ndarray:
        _refuse_foreign(value, name)
    has_dtype = isinstance(value, (np.ndarray, np.generic))
    if not has_dtype:
        value = _from_object(value, name)
    array = np.asarray(value)
    if not has_dtype and array.dtype.kind == "O" and all(type(item) in _NUMBERS for item in array.flat):
        return _from_number(array, name, dtype), dtype  # integers that NumPy has no type for
    given = array.dtype
    if given.kind not in "biuf":
        reason = _REFUSED_KINDS.get(given.kind, f"has dtype {given}")
        raise ArgumentError(f"{name} {reason}; real numbers are needed")
    if given != dtype:
        array = array.astype(dtype, order="K", casting="same_kind")
    own = has_dtype and given.kind == "f"
    return array, given.newbyteorder("=") if own else dtype


def _from_number(value: Any, name: str, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    try:
        return np.array(value, dtype)
    except OverflowError:
        raise ArgumentError(f"{name} is or holds an integer too large for {dtype}") from None


def _from_object(value: object, name: str) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except (TapelessError, MemoryError):
        raise
    except Exception as error:  # whatever an `__array__` raises
        raise ArgumentError(f"{name} cannot be converted to an array: {error}") from error


def _refuse_foreign(value: object, name: str) -> None:
    """Raise for arrays whose conversion would lose something, also inside lists and tuples."""
    ma = sys.modules.get("numpy.ma")  # as long as it is not loaded, nothing can be masked
    masked = ma.MaskedArray if ma is not None else ()
    level: list[Any] = [value]
    seen: set[type] = set()
    for _ in range(_DEEPEST + 1):
        # Each list once per level, or one that holds itself twice would double at every step.
        nested: dict[int, Any] = {}
        for item in level:
            kind = type(item)
            if kind is list or kind is tuple:
                nested[id(item)] = item
            elif kind not in seen:
                seen.add(kind)
                _refuse_kind(item, name, masked)
        if not nested:
            return
        level = [item for row in nested.values() for item in row]
    raise ArgumentError(f"{name} is a list nested more than {_DEEPEST} deep, or one that holds itself")


def _refuse_kind(item: object, name: str, masked: Any) -> None:
    if isinstance(item, masked):
        raise ArgumentError(
            f"{name} is a masked array, and a formula knows no masks; pass x.filled(value) or x.compressed()"
        )
    for base in type(item).__mro__:
        bridge = _BRIDGES.get((base.__module__ or "").partition(".")[0])
        if bridge is not None:
            what, values, remedy = bridge
            raise ArgumentError(
                f"{name} is a {what}, whose gradient would be lost silently here; for its values pass {values}. "
                f"Gradients flow through {remedy}"
            )
        if base.__module__ == "dask.array.core":
            raise ArgumentError(
                f"{name} is a dask array, which would be computed and loaded whole here; f.ufunc and the methods of "
                "f.to_dask() work chunk by chunk, for its values pass x.compute()"
            )
