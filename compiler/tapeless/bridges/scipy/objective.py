"""`f.objective()`: a function of one vector for scipy.optimize.minimize, with its derivatives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

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
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError

if TYPE_CHECKING:
    from tapeless.function import Function

_REDUCTIONS: Final = ("sum", "mean")
_BLOCK: Final = 1 << 16
"""Numbers in the Hessians, or their products with a vector, of the points that are taken at a time."""
_DENSE: Final = 100
"""Unknowns up to which a method that takes either gets the Hessian rather than its products with vectors."""
_WITHOUT_JACOBIAN: Final = frozenset(("nelder-mead", "powell", "cobyla", "cobyqa"))
_HESSIAN: Final = frozenset(
    ("newton-cg", "dogleg", "trust-ncg", "trust-krylov", "trust-exact", "trust-constr")
)
_PRODUCTS: Final = frozenset(("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"))
"""Methods of `minimize` that take a Hessian, and those among them that take its products instead."""


class _Seen(NamedTuple):
    """A point and what was computed there. Replaced as a whole, so that threads see one or the other."""

    point: bytes
    value: float
    gradient: Array


class _Curved(NamedTuple):
    point: bytes
    hessian: Any


class Objective:
    """A number to be made small, as a function of one vector, for `scipy.optimize.minimize`.

    Made by `Function.objective`. Value and gradient come from one fused pass over the data and are kept until another
    point is asked for; so is the Hessian. What is returned is the caller's to change.

    Attributes
    ----------
    unknowns
        Which inputs the vector stands for.
    """

    def __init__(
        self,
        function: Function,
        unknowns: Unknowns,
        bound: Mapping[str, Array],
        batch: tuple[int, ...],
        *,
        reduction: str,
        sparse: bool,
    ) -> None:
        self.unknowns = unknowns
        self._name = function.name
        self._batch = batch
        self._scale = 1.0 / prod(self._batch) if reduction == "mean" and self._batch else 1.0
        self._data = tuple(bound.values())
        self._cores = tuple(len(shapes_of(function)[name]) for name in bound)
        self._sparse = sparse
        self._x = free_name("x", bound)
        self._packed = packed(
            function,
            {self._x: unknowns.names},
            tuple(bound),
            kinds=("forward", "forward_backward"),
            wrt=(self._x,),
        )
        self._seen: _Seen | None = None
        self._curved: _Curved | None = None

    def __repr__(self) -> str:
        over = f", over {prod(self._batch)} points" if self._batch else ""
        return f"<objective {self._name}({self.unknowns.described()}){over}>"

    # ---- what minimize calls

    def fun(self, x: Any) -> float:
        """Return the value at `x`, a vector of N numbers."""
        return self._at(x).value

    def jac(self, x: Any) -> Array:
        """Return the gradient at `x`, of shape (N,)."""
        gradient: Array = self._at(x).gradient.copy()
        return gradient

    def value_and_grad(self, x: Any) -> tuple[float, Array]:
        """Return both, for `minimize(..., jac=True)`."""
        seen = self._at(x)
        return seen.value, seen.gradient.copy()

    def hess(self, x: Any) -> Any:
        """Return the Hessian at `x`: an array of shape (N, N), or a `scipy.sparse.csr_array`."""
        vector = self.unknowns.vector(x, "x")
        point, kept = vector.tobytes(), self._curved
        if kept is None or kept.point != point:
            kept = self._curved = _Curved(point, self._hessian(vector))
        return kept.hessian.copy()

    def hessp(self, x: Any, p: Any) -> Array:
        """Return the product of the Hessian at `x` with the vector `p`, of shape (N,)."""
        vector, direction = self.unknowns.vector(x, "x"), self.unknowns.vector(p, "p")
        if not self._batch:
            return np.asarray(self._packed.hvp((vector, *self._data), (direction,), wrt=self._x), np.float64)
        total = np.zeros(self.unknowns.size)
        for data in self._blocks(1):
            part = self._packed.hvp((vector, *data), (direction,), wrt=self._x)
            total += part.reshape(-1, self.unknowns.size).sum(axis=0, dtype=np.float64)
        product: Array = total * self._scale
        return product

    # ---- what calls minimize

    def arguments(self, x0: Any, method: Any = None, bounds: Any = None, **more: Any) -> dict[str, Any]:
        """Return keyword arguments: `minimize(**objective.arguments(x0))`.

        Parameters
        ----------
        x0
            Where to begin: a vector, or a mapping of names to values.
        method
            As for `minimize`. The derivatives that it takes are passed, and no others: the Hessian to those that use
            one, its products with vectors instead where there are over 100 unknowns and the method takes them.
        bounds
            Name -> (low, high) with None for no end, each a number or an array; or (low, high) for all.
        **more
            Further arguments of `minimize`, passed on.
        """
        found: dict[str, Any] = {"fun": self.fun, "x0": self.unknowns.vector(x0, "x0")}
        name = str(method).lower() if isinstance(method, str) else None
        if name not in _WITHOUT_JACOBIAN:
            found["jac"] = self.jac
        if name in _PRODUCTS and self.unknowns.size > _DENSE and not self._sparse:
            found["hessp"] = self.hessp
        elif name in _HESSIAN:
            found["hess"] = self.hess
        if method is not None:
            found["method"] = method
        if bounds is not None:
            low, high = self.unknowns.ends(bounds)
            found["bounds"] = list(zip(low.tolist(), high.tolist(), strict=True))
        return {**found, **more}

    def pack(self, values: Mapping[str, Any]) -> Array:
        """Return the vector for a mapping of names to values."""
        return self.unknowns.vector(values, "values")

    def unpack(self, x: Any) -> dict[str, Any]:
        """Return name -> value for a vector."""
        return self.unknowns.split(x)

    # ---- how

    def _at(self, x: Any) -> _Seen:
        vector = self.unknowns.vector(x, "x")
        point, seen = vector.tobytes(), self._seen
        if seen is None or seen.point != point:
            values, gradient = self._packed.forward_backward(self._scale, vector, *self._data, wrt=self._x)
            total = float(np.sum(values, dtype=np.float64)) * self._scale if self._batch else float(values)
            seen = self._seen = _Seen(point, total, np.asarray(gradient, np.float64))
        return seen

    def _hessian(self, vector: Array) -> Any:
        if self._sparse:
            return self._packed.hessian(vector, *self._data, wrt=self._x, sparse=True) * self._scale
        if not self._batch:
            return np.asarray(self._packed.hessian(vector, *self._data, wrt=self._x), np.float64)
        size = self.unknowns.size
        total = np.zeros((size, size))
        for data in self._blocks(size):
            part = self._packed.hessian(vector, *data, wrt=self._x)
            total += part.reshape(-1, size, size).sum(axis=0, dtype=np.float64)
        return total * self._scale

    def _blocks(self, rows: int) -> Iterator[tuple[Array, ...]]:
        """Cut the data along the first dimension of the batch, so that (points, rows, N) numbers stay few."""
        if not self._batch:
            yield self._data
            return
        length, *rest = self._batch
        step = max(1, _BLOCK // max(1, rows * self.unknowns.size * prod(rest)))
        for start in range(0, length, step):
            yield tuple(
                array[start : start + step]
                if array.ndim - core == len(self._batch) and array.shape[0] == length
                else array
                for array, core in zip(self._data, self._cores, strict=True)
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_seen": None, "_curved": None}


def objective(
    function: Function,
    *inputs: str,
    reduction: str = "sum",
    sparse: bool = False,
    bound: Mapping[str, Any] | None = None,
    **named: Any,
) -> Objective:
    """Return a function as an objective of some of its inputs.

    Parameters
    ----------
    function
        A function with one scalar output.
    *inputs
        The inputs to optimise, in the order of the vector; an input with a shape counts as all of its scalars.
        Default: those that are not bound.
    reduction
        `"sum"` or `"mean"`: what becomes of the values where bound inputs are arrays over data.
    sparse
        Whether the Hessian is computed and returned sparse; not with data.
    bound, **named
        Input -> value: a number, or an array over data, which broadcast with each other.

    Returns
    -------
    Objective

    Raises
    ------
    ArgumentError
        For several outputs, unknown inputs, or an input that was not to be differentiated by.
    ShapeError
        For values that do not broadcast.
    """
    what = f"{function.name}.objective"
    if len(function.output_names) != 1 or function.output_shapes != ((),):
        raise ArgumentError(
            f"{what} needs one scalar output, and there are {', '.join(function.output_names)} "
            f"({function.signature}); write their sum of squares, or use residuals for a least-squares fit"
        )
    if reduction not in _REDUCTIONS:
        raise ArgumentError(f"{what}: reduction must be 'sum' or 'mean', not {reduction!r}")
    given = values_of(function, "objective", bound, named)
    free, values = choose(function, "objective", inputs, given, role="optimised")
    differentiable(function, "objective", free)
    shapes = shapes_of(function)
    unknowns = Unknowns.of({name: shapes[name] for name in free})
    batch = batch_of(function, "objective", values)
    if sparse and batch:
        raise UnsupportedError(
            f"{what}: sparse=True is for a single point, and data are bound; leave sparse out"
        )
    if prod(batch) == 0:
        raise ShapeError(f"{what}: the data hold no point")
    return Objective(function, unknowns, values, batch, reduction=reduction, sparse=bool(sparse))
