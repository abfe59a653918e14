"""`f.rhs()`: the right-hand side of differential equations for scipy.integrate.solve_ivp, with its Jacobian."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.bridges.scipy.binding import (
    batch_of,
    choose,
    differentiable,
    free_name,
    packed,
    shapes_of,
    values_of,
)
from tapeless.bridges.scipy.unknowns import Array, Unknowns
from tapeless.errors import ArgumentError, ShapeError

if TYPE_CHECKING:
    from tapeless.function import Function

_IMPLICIT: Final = frozenset(("Radau", "BDF", "LSODA"))
"""Methods of `solve_ivp` that use a Jacobian."""
_DENSE: Final = "LSODA"
"""The one among them that takes no sparse matrix."""


class RightHandSide:
    """dy/dt as a function of t and y, for `scipy.integrate.solve_ivp`.

    Made by `Function.rhs`.

    Attributes
    ----------
    state
        Which inputs the vector y stands for.
    time
        The input that t is, or None.
    """

    def __init__(
        self,
        function: Function,
        state: Unknowns,
        time: str | None,
        bound: Mapping[str, Array],
        *,
        sparse: bool,
    ) -> None:
        self.state = state
        self.time = time
        self._name = function.name
        self._sparse = sparse
        self._bound = tuple(bound.values())
        kept = (*((time,) if time is not None else ()), *bound)
        self._y = free_name("y", kept)
        self._packed = packed(
            function, {self._y: state.names}, kept, kinds=("forward", "jacobian"), wrt=(self._y,), join=True
        )

    def __repr__(self) -> str:
        time = f"{self.time}; " if self.time is not None else ""
        return f"<right-hand side {self._name}({time}{self.state.described()})>"

    def fun(self, t: Any, y: Any) -> Array:
        """Return dy/dt at time `t` for `y` of shape (n,), or of shape (n, k): k states at once."""
        y = np.asarray(y)
        if y.ndim == 2:
            rates: Array = np.asarray(self._packed(*self._point(t, y.T)), np.float64).T
            return rates
        return np.asarray(self._packed(*self._point(t, y)), np.float64)

    __call__ = fun

    def jac(self, t: Any, y: Any) -> Any:
        """Return d(dy/dt)/dy, of shape (n, n): an array, or a `scipy.sparse.csr_array`."""
        return self._packed.jacobian(*self._point(t, np.asarray(y)), wrt=self._y, sparse=self._sparse)

    def arguments(self, t_span: Any, y0: Any, method: Any = "RK45", **more: Any) -> dict[str, Any]:
        """Return keyword arguments: `solve_ivp(**rhs.arguments(t_span, y0, method="Radau"))`.

        Parameters
        ----------
        t_span
            Begin and end.
        y0
            The state at the begin: a vector, or a mapping of names to values.
        method
            As for `solve_ivp`; the Jacobian is passed to the methods that use one.
        **more
            Further arguments of `solve_ivp`, passed on.
        """
        found: dict[str, Any] = {
            "fun": self.fun,
            "t_span": t_span,
            "y0": self.state.vector(y0, "y0"),
            "method": method,
            "vectorized": True,
        }
        name = getattr(method, "__name__", method)
        if name in _IMPLICIT:
            found["jac"] = self._dense_jac if name == _DENSE else self.jac
        return {**found, **more}

    def pack(self, values: Mapping[str, Any]) -> Array:
        """Return the vector for a mapping of names to values."""
        return self.state.vector(values, "values")

    def unpack(self, y: Any) -> dict[str, Any]:
        """Return name -> value for a state of shape (n,), or name -> values over time for one of shape (n, k)."""
        y = np.asarray(y, np.float64)
        if y.ndim == 1:
            return self.state.split(y)
        return {
            item.name: y[item.start : item.stop].reshape(*item.shape, *y.shape[1:]).copy()
            for item in self.state
        }

    def _dense_jac(self, t: Any, y: Any) -> Array:
        return np.asarray(self._packed.jacobian(*self._point(t, np.asarray(y)), wrt=self._y), np.float64)

    def _point(self, t: Any, y: Array) -> tuple[Any, ...]:
        return (y, t, *self._bound) if self.time is not None else (y, *self._bound)


def rhs(
    function: Function,
    *state: str,
    time: str | None = None,
    sparse: bool = False,
    bound: Mapping[str, Any] | None = None,
    **named: Any,
) -> RightHandSide:
    """Return a function as the right-hand side of differential equations.

    Parameters
    ----------
    function
        Its outputs are the derivatives by time of the state, in the same order.
    *state
        The inputs that make up the state vector, in order; an input with a shape counts as all of its scalars.
        Default: those that are neither bound nor the time.
    time
        The input that is the time. Default: the input called `t`, where it is neither bound nor part of the state.
    sparse
        Whether the Jacobian is a sparse matrix.
    bound, **named
        Input -> its one value.

    Returns
    -------
    RightHandSide

    Raises
    ------
    ArgumentError
        For unknown inputs.
    ShapeError
        Where there are not as many derivatives as there are state variables.
    """
    what = f"{function.name}.rhs"
    shapes = shapes_of(function)
    given = values_of(function, "rhs", bound, named)
    if time is None and shapes.get("t") == () and "t" not in given and "t" not in state:
        time = "t"
    if time is not None:
        _check_time(function, time, {*given, *state})
    chosen = state or tuple(name for name in shapes if name != time and name not in given)
    if not chosen:
        raise ArgumentError(f"{what}: every input is bound or the time, and no state is left")
    clock = () if time is None else (time,)
    free, values = choose(function, "rhs", (*chosen, *clock), given, role="part of the state")
    free = free[: len(chosen)]
    if batch_of(function, "rhs", values):
        name = next(name for name, value in values.items() if value.ndim > len(shapes[name]))
        raise ShapeError(f"{what}: {name} has shape {values[name].shape}; one system takes one value of it")
    differentiable(function, "rhs", free)
    unknowns = Unknowns.of({name: shapes[name] for name in free})
    rates = sum(map(prod, function.output_shapes))
    if rates != unknowns.size:
        raise ShapeError(
            f"{what}: {function.name} gives {rates} derivatives, and the state has {unknowns.size} numbers "
            f"({unknowns.described()}); bind the other inputs, or name those of the state"
        )
    return RightHandSide(function, unknowns, time, values, sparse=bool(sparse))


def _check_time(function: Function, time: Any, taken: set[str]) -> None:
    shapes = shapes_of(function)
    if shapes.get(time, (0,)) != ():
        scalars = ", ".join(name for name, shape in shapes.items() if not shape)
        raise ArgumentError(
            f"{function.name}.rhs: time={time!r} is no scalar input; there are {scalars or 'none'}"
        )
    if time in taken:
        raise ArgumentError(
            f"{function.name}.rhs: {time!r} is the time; it can be neither bound nor part of the state"
        )
