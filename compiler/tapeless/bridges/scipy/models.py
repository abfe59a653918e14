"""A model as it is compiled for fits: its values and its derivatives, from one vector of unknowns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from tapeless.bridges.scipy.binding import free_name, packed
from tapeless.bridges.scipy.unknowns import Array, Unknown, Unknowns

if TYPE_CHECKING:
    from tapeless.bridges.scipy.observations import Observations
    from tapeless.function import Function

_FEW: Final = 4096
"""Points up to which a model of plain numbers is called as it is: a short call counts more than a compact result."""


class Model(Protocol):
    """What residuals need.

    Attributes
    ----------
    places
        The column of each derivative in the Jacobian: of shape (lanes,), or (points, lanes) where it depends on the
        point; None where they are in place.
    """

    @property
    def places(self) -> Array | None: ...

    def values(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return the outputs, (points, outputs)."""

    def derivatives(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return one small matrix per point, (points, outputs, lanes)."""

    def sparse_jacobian(self, vector: Array) -> Any:
        """Return the Jacobian of a model without points as a `scipy.sparse.csr_array`."""


class Plain:
    """A function of numbers with one output, called as it is."""

    places = None

    def __init__(self, function: Function, unknowns: Unknowns, observations: Observations) -> None:
        self._function = function
        self._wrt = unknowns.names
        self._constants = dict(observations.constants)
        order = {name: k for k, name in enumerate((*unknowns.names, *observations.columns))}
        self._order = [order.get(name, name) for name in function.input_names]

    def _operands(self, vector: Array, columns: Sequence[Array]) -> list[Any]:
        given: list[Any] = [*vector.tolist(), *columns]
        return [self._constants[at] if isinstance(at, str) else given[at] for at in self._order]

    def values(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return the outputs, (points, 1)."""
        found = self._function(*self._operands(vector, columns))
        return np.asarray(found, np.float64).reshape(-1, 1)

    def derivatives(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return one row per point, (points, 1, unknowns)."""
        found = np.array(self._function.grad(*self._operands(vector, columns), wrt=self._wrt), np.float64)
        rows: Array = found.reshape(len(self._wrt), -1).T[:, None, :]
        return rows

    def sparse_jacobian(self, vector: Array) -> Any:
        """Return the one row of a model without points."""
        from scipy.sparse import csr_array

        return csr_array(self.derivatives(vector, ())[0])


class Packed:
    """A function compiled anew: shared unknowns in one vector, then those of groups, columns, constants."""

    def __init__(self, function: Function, unknowns: Unknowns, observations: Observations) -> None:
        self._groups = observations.groups
        self._constants = tuple(observations.constants.values())
        self._shared = [item for item in unknowns if item.name not in self._groups]
        self._grouped = [item for item in unknowns if item.name in self._groups]
        x = free_name("x", function.input_names)
        names = tuple(item.name for item in self._grouped)
        self._wrt = (*((x,) if self._shared else ()), *names)
        self._function = packed(
            function,
            {x: [item.name for item in self._shared]} if self._shared else {},
            (*names, *observations.columns, *observations.constants),
            kinds=("forward", "jacobian"),
            wrt=self._wrt,
            join=True,
        )
        self.places = _places(self._shared, self._grouped, self._groups) if self._grouped else None

    def _operands(self, vector: Array, columns: Sequence[Array]) -> list[Array]:
        found = []
        if self._shared:
            parts = [vector[item.start : item.stop] for item in self._shared]
            found.append(parts[0] if len(parts) == 1 else np.concatenate(parts))
        for item in self._grouped:
            found.append(vector[item.start : item.stop].reshape(item.shape)[self._groups[item.name]])
        return [*found, *columns, *self._constants]

    def values(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return the outputs, (points, outputs)."""
        found = np.asarray(self._function(*self._operands(vector, columns)), np.float64)
        return found.reshape(-1, found.shape[-1])

    def derivatives(self, vector: Array, columns: Sequence[Array]) -> Array:
        """Return one small matrix per point, (points, outputs, lanes)."""
        found = self._function.jacobian(*self._operands(vector, columns), wrt=self._wrt)
        return np.asarray(found, np.float64).reshape(-1, *found.shape[-2:])

    def sparse_jacobian(self, vector: Array) -> Any:
        """Return the Jacobian of a model without points, of which only what is not zero is computed."""
        return self._function.jacobian(*self._operands(vector, ()), wrt=self._wrt, sparse=True)


def compiled(function: Function, unknowns: Unknowns, observations: Observations) -> Model:
    """Return the model in the form that suits it."""
    plain = function.output_shapes == ((),) and not any(function.input_shapes) and not observations.groups
    if plain and observations.points <= _FEW:
        return Plain(function, unknowns, observations)
    return Packed(function, unknowns, observations)


def _places(shared: Sequence[Unknown], grouped: Sequence[Unknown], groups: Mapping[str, Array]) -> Array:
    columns = np.concatenate([np.arange(i.start, i.stop) for i in shared] or [np.empty(0, np.intp)])
    points = len(groups[grouped[0].name])
    blocks = [np.broadcast_to(columns, (points, len(columns)))]
    for item in grouped:
        size = prod(item.shape[1:])
        blocks.append(item.start + groups[item.name][:, None] * size + np.arange(size))
    return np.concatenate(blocks, axis=1)
