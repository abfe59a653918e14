"""The one vector that an optimiser or integrator sees, and the inputs that it stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from tapeless.errors import ArgumentError, ShapeError

Array = np.ndarray[Any, Any]
_FLOAT: Final = np.dtype(np.float64)


class Unknown(NamedTuple):
    """An input that is looked for.

    Attributes
    ----------
    name
        Its name.
    shape
        The shape of its part of the vector.
    start
        Where that part begins.
    """

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        """Number of scalars."""
        return prod(self.shape)

    @property
    def stop(self) -> int:
        """Where its part of the vector ends."""
        return self.start + self.size


class Unknowns:
    """Inputs laid out one after the other in a vector, each in C order. Iterates over them.

    Attributes
    ----------
    names
        The inputs in order.
    size
        Length of the vector.
    """

    __slots__ = ("_items", "names", "size")

    def __init__(self, items: Iterable[Unknown]) -> None:
        self._items = tuple(items)
        self.names = tuple(item.name for item in self._items)
        self.size = self._items[-1].stop if self._items else 0

    @classmethod
    def of(cls, shapes: Mapping[str, tuple[int, ...]]) -> Unknowns:
        """Lay out inputs of these shapes, in this order."""
        found, at = [], 0
        for name, shape in shapes.items():
            found.append(Unknown(name, shape, at))
            at += prod(shape)
        return cls(found)

    def __iter__(self) -> Iterator[Unknown]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def vector(self, values: Any, what: str) -> Array:
        """Return a vector of float64 from a vector, itself where it is one, or from a mapping of names to values.

        Parameters
        ----------
        values
            Numbers in order, or name -> array_like of that input's shape (a scalar fills it).
        what
            What it is, for messages.

        Raises
        ------
        ArgumentError, ShapeError
            Where something is missing, unknown or of another shape.
        """
        if type(values) is np.ndarray and values.dtype is _FLOAT and values.shape == (self.size,):
            return values
        if isinstance(values, Mapping):
            self._check_names(values, what)
            parts = [self._part(item, values[item.name], what) for item in self]
            return np.concatenate(parts) if parts else np.empty(0)
        vector = _numbers(values, what)
        if vector.ndim != 1 and self.size != 1:
            raise ShapeError(
                f"{what} has shape {vector.shape}; it must be a vector of {self.size} numbers ({self.described()})"
            )
        if vector.size != self.size:
            raise ShapeError(
                f"{what} has {vector.size} numbers, and there are {self.size} unknowns ({self.described()})"
            )
        return vector.reshape(self.size)

    def split(self, vector: Any) -> dict[str, Any]:
        """Return name -> value: an array of the input's shape, a number for a scalar."""
        whole = self.vector(vector, "the vector")
        found: dict[str, Any] = {}
        for item in self:
            part = whole[item.start : item.stop].reshape(item.shape)
            found[item.name] = part.copy() if item.shape else float(part)
        return found

    def ends(self, bounds: Any) -> tuple[Array, Array]:
        """Return lower and upper ends in the order of the vector.

        Parameters
        ----------
        bounds
            Name -> (low, high), None for no end; inputs that are left out have none. Or (low, high) for all.
        """
        low, high = np.full(self.size, -np.inf), np.full(self.size, np.inf)
        if not isinstance(bounds, Mapping):
            bounds = dict.fromkeys(self.names, bounds)
        self._check_names({**dict.fromkeys(self.names), **bounds}, "bounds")
        for item in self:
            if item.name not in bounds:
                continue
            given = bounds[item.name]
            if not isinstance(given, tuple | list) or len(given) != 2:
                raise ArgumentError(f"bounds[{item.name!r}] must be a pair (low, high), not {given!r}")
            for ends, end in zip((low, high), given, strict=True):
                if end is not None:
                    ends[item.start : item.stop] = self._part(item, end, "bounds")
        if not (low <= high).all():
            where = self.place(int(np.argmin(low <= high)))
            raise ArgumentError(f"the lower bound of {where} is above the upper one, or one of them is NaN")
        return low, high

    def place(self, position: int) -> str:
        """Return the name of a scalar of the vector: `"a"`, `"c[2]"`."""
        for item in self:
            if item.start <= position < item.stop:
                index = np.unravel_index(position - item.start, item.shape) if item.shape else ()
                return f"{item.name}[{', '.join(map(str, index))}]" if item.shape else item.name
        raise IndexError(position)

    def described(self) -> str:
        """Return names and shapes for messages."""
        return ", ".join(f"{item.name} {item.shape}" if item.shape else item.name for item in self)

    def _check_names(self, values: Mapping[str, Any], what: str) -> None:
        for name in values:
            if name not in self.names:
                raise ArgumentError(f"{what} names {name!r}; the unknowns are {', '.join(self.names)}")
        missing = [name for name in self.names if name not in values]
        if missing:
            raise ArgumentError(f"{what} misses {', '.join(missing)}")

    def _part(self, item: Unknown, value: Any, what: str) -> Array:
        array = _numbers(value, f"{what}: {item.name}")
        if array.shape != item.shape and array.size != 1:
            raise ShapeError(
                f"{what}: {item.name} has shape {array.shape}, and it must have {item.shape or 'one number'}"
            )
        return np.broadcast_to(array.reshape(item.shape if array.size != 1 else ()), item.shape).ravel()


def _numbers(value: Any, what: str) -> Array:
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            return array.astype(_FLOAT)
    except (TypeError, ValueError):
        pass
    raise ArgumentError(f"{what} must be real numbers, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{type(value).__name__} {text[:40]}..."
