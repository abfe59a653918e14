"""What was observed: columns of predictors and responses, their weights, and the groups they fall in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapeless.bridges.scipy.binding import batch_of, shapes_of
from tapeless.errors import ArgumentError, ShapeError
from tapeless.runtime.operands import as_operand

if TYPE_CHECKING:
    from tapeless.function import Function

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class Observations(NamedTuple):
    """Data laid out for a model.

    Attributes
    ----------
    columns
        Predictor -> its values, of shape (points, *core shape).
    constants
        Input -> its one value.
    groups
        Unknown -> the group of each point, of shape (points,).
    observed
        What the outputs should be, of shape (points, output scalars); None for zero.
    factors
        What residuals are multiplied by, of that shape; None for one.
    points
        How many there are; 1 without columns and groups.
    """

    columns: dict[str, Array]
    constants: dict[str, Array]
    groups: dict[str, Array]
    observed: Array | None
    factors: Array | None
    points: int


class _Reader:
    """Reads the arguments of `Function.residuals`."""

    def __init__(self, function: Function, data: Any) -> None:
        self.function = function
        self.what = f"{function.name}.residuals"
        self.dtype = np.dtype(function.dtype)
        self.shapes = shapes_of(function)
        self.data = _mapping(data, self.what)
        self.inputs = {
            name: as_operand(self.data[name], name, self.dtype)[0]
            for name in function.input_names
            if name in self.data
        }
        self.extra = [name for name in self.data if name not in self.shapes]
        self.outputs = list(zip(function.output_names, function.output_shapes, strict=True))

    def read(self, response: Any, sigma: Any, weights: Any, groups: Any) -> Observations:
        indices = self._groups(groups)
        batch = self._batch(indices)
        constants = {k: v for k, v in self.inputs.items() if v.ndim == len(self.shapes[k])}
        columns = {
            name: np.ascontiguousarray(
                np.broadcast_to(value, (*batch, *self.shapes[name])).reshape(-1, *self.shapes[name])
            )
            for name, value in self.inputs.items()
            if name not in constants
        }
        if sigma is not None and weights is not None:
            raise ArgumentError(f"{self.what}: give sigma or weights, not both; weights are 1/sigma**2")
        factors = None
        if sigma is not None or weights is not None:
            factors = self._factors(sigma, weights, batch)
        return Observations(
            columns,
            constants,
            {name: np.broadcast_to(index, batch).ravel() for name, index in indices.items()},
            self._observed(self._responses(response), batch),
            factors,
            prod(batch),
        )

    # ---- which column is what

    def _responses(self, response: Any) -> list[Any] | None:
        """Return what each output should be."""
        names = [name for name, _ in self.outputs]
        if response is None:
            if all(name in self.extra for name in names):
                response = names
            elif not self.extra:
                return None
            elif len(self.extra) == 1 and len(names) == 1:
                response = self.extra
            else:
                raise ArgumentError(
                    f"{self.what}: {', '.join(map(repr, self.extra))} in the data are no inputs; say which one "
                    f"{', '.join(names)} should be, response={self.extra[: len(names)]!r}, or leave them out"
                )
        if isinstance(response, str) or not isinstance(response, list | tuple):
            response = [response]
        elif len(names) == 1 and not any(isinstance(item, str) for item in response):
            response = [response]  # a list of numbers
        if len(response) != len(names):
            raise ArgumentError(
                f"{self.what}: there are {len(names)} outputs, {', '.join(names)}, and {len(response)} responses"
            )
        return [self._column(item, f"response of {name}") for item, name in zip(response, names, strict=True)]

    def _column(self, item: Any, role: str) -> Any:
        if not isinstance(item, str):
            return item
        if item not in self.data:
            known = ", ".join(map(str, self.data)) or "none"
            raise ArgumentError(f"{self.what}: there is no column {item!r} for the {role}; there are {known}")
        if item in self.shapes:
            raise ArgumentError(
                f"{self.what}: {item!r} is an input of {self.function.name} and cannot be the {role}"
            )
        return self.data[item]

    def _groups(self, groups: Any) -> dict[str, Array]:
        if groups is None:
            return {}
        if not isinstance(groups, Mapping):
            raise ArgumentError(
                f"{self.what}: groups= is a mapping of parameters to group numbers, not {groups!r}"
            )
        found = {}
        for name, given in groups.items():
            if name not in self.shapes or name in self.inputs:
                unknown = [known for known in self.shapes if known not in self.inputs]
                raise ArgumentError(
                    f"{self.what}: groups names {name!r}; the parameters are {', '.join(unknown)}"
                )
            index = np.asarray(self._column(given, f"groups of {name}"))
            if index.dtype.kind not in "iu" or index.ndim == 0 or (index.size and index.min() < 0):
                raise ArgumentError(
                    f"{self.what}: groups of {name} must be an array of numbers from 0, one for each observation; "
                    "for labels take np.unique(labels, return_inverse=True)[1]"
                )
            found[name] = index.astype(np.intp)
        return found

    # ---- shapes

    def _batch(self, indices: Mapping[str, Array]) -> Shape:
        batch = batch_of(self.function, "residuals", self.inputs)
        try:
            batch = np.broadcast_shapes(batch, *(index.shape for index in indices.values()))
        except ValueError:
            given = ", ".join(f"{name} {index.shape}" for name, index in indices.items())
            raise ShapeError(f"{self.what}: groups do not fit the data, of shape {batch}: {given}") from None
        if prod(batch) == 0:
            raise ShapeError(f"{self.what}: the data hold no observation")
        return batch

    def _observed(self, responses: Iterable[Any] | None, batch: Shape) -> Array | None:
        if responses is None:
            return None
        parts = []
        for given, (name, shape) in zip(responses, self.outputs, strict=True):
            value = as_operand(given, f"response of {name}", np.dtype(np.float64))[0]
            if value.shape != (*batch, *shape):
                raise ShapeError(
                    f"{self.what}: the response of {name} has shape {value.shape}, the model gives {(*batch, *shape)}"
                )
            parts.append(value.reshape(prod(batch), -1))
        return np.concatenate(parts, axis=1)

    def _factors(self, sigma: Any, weights: Any, batch: Shape) -> Array:
        role, given = ("sigma", sigma) if weights is None else ("weights", weights)
        rows: Sequence[Any] = [given] * len(self.outputs)
        if len(self.outputs) > 1 and isinstance(given, list | tuple) and len(given) == len(self.outputs):
            rows = given  # one for each output
        parts = []
        for item, (name, shape) in zip(rows, self.outputs, strict=True):
            value = as_operand(self._column(item, role), role, np.dtype(np.float64))[0]
            try:
                value = np.broadcast_to(value, (*batch, *shape))
            except ValueError:
                raise ShapeError(
                    f"{self.what}: {role} of shape {value.shape} do not fit the output {name}, {(*batch, *shape)}"
                ) from None
            bad = not (value > 0).all() if weights is None else not (value >= 0).all()
            if bad or not np.isfinite(value).all():
                need = "positive" if weights is None else "not negative"
                raise ArgumentError(f"{self.what}: {role} must be {need} and finite")
            parts.append((1 / value if weights is None else np.sqrt(value)).reshape(prod(batch), -1))
        return np.concatenate(parts, axis=1)


def read_observations(
    function: Function, data: Any, *, response: Any, sigma: Any, weights: Any, groups: Any
) -> Observations:
    """Read the arguments of `Function.residuals`; see there."""
    return _Reader(function, data).read(response, sigma, weights, groups)


def _mapping(data: Any, what: str) -> dict[str, Any]:
    """Return name -> column of a mapping, a data frame or a structured array."""
    if data is None:
        return {}
    names = getattr(getattr(data, "dtype", None), "names", None)
    if names is None:
        keys = getattr(data, "keys", None)
        if not callable(keys):
            raise ArgumentError(
                f"{what} takes a mapping of names to columns, a data frame or a structured array, not "
                f"{type(data).__name__}"
            )
        names = list(keys())
    return {name: data[name] for name in names if isinstance(name, str)}
