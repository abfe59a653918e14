"""`f.residuals(data)`: a model and its observations for least_squares and curve_fit, with the Jacobian."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tapeless.bridges.scipy.binding import differentiable, free_name, packed, shapes_of
from tapeless.bridges.scipy.observations import Observations, read_observations
from tapeless.bridges.scipy.unknowns import Array, Unknown, Unknowns
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.options import names_of
from tapeless.runtime.operands import as_operand

if TYPE_CHECKING:
    from tapeless.function import Function


class _Model(NamedTuple):
    """The model as it is compiled: shared unknowns in one vector, then those of groups, columns, constants.

    Attributes
    ----------
    function
        Its output is the vector of all outputs.
    shared, grouped
        The unknowns.
    wrt
        The inputs of `function` that hold unknowns.
    """

    function: Function
    shared: tuple[Unknown, ...]
    grouped: tuple[Unknown, ...]
    wrt: tuple[str, ...]

    def operands(self, vector: Array, groups: Mapping[str, Array]) -> list[Array]:
        """Return the inputs that the vector of unknowns stands for."""
        found = []
        if self.shared:
            parts = [vector[item.start : item.stop] for item in self.shared]
            found.append(parts[0] if len(parts) == 1 else np.concatenate(parts))
        for item in self.grouped:
            values = vector[item.start : item.stop].reshape(item.shape)
            found.append(values[groups[item.name]])
        return found

    def places(self, groups: Mapping[str, Array]) -> Array:
        """Return the column of each derivative, (lanes,), or (points, lanes) where there are groups."""
        shared = np.concatenate([np.arange(i.start, i.stop) for i in self.shared] or [np.empty(0, np.intp)])
        if not self.grouped:
            return shared
        points = len(groups[self.grouped[0].name])
        blocks = [np.broadcast_to(shared, (points, len(shared)))]
        for item in self.grouped:
            size = prod(item.shape[1:])
            blocks.append(item.start + groups[item.name][:, None] * size + np.arange(size))
        return np.concatenate(blocks, axis=1)


class Residuals:
    """What a model leaves unexplained, `(model - observed)/sigma`, as a function of one vector.

    Made by `Function.residuals`, for `scipy.optimize.least_squares`, `curve_fit` and `root`.

    Attributes
    ----------
    unknowns
        Which inputs the vector stands for.
    """

    def __init__(
        self, function: Function, unknowns: Unknowns, observations: Observations, *, sparse: bool
    ) -> None:
        self.unknowns = unknowns
        self._name = function.name
        self._given = observations
        self._sparse = sparse
        self._outputs = sum(map(prod, function.output_shapes))
        self._model = _compiled(function, unknowns, observations)
        self._places = self._model.places(observations.groups)
        self._constants = tuple(observations.constants.values())
        self._columns = tuple(observations.columns.values())

    def __repr__(self) -> str:
        return f"<residuals of {self._name}({self.unknowns.described()}), {self.count} of them>"

    @property
    def count(self) -> int:
        """Number of residuals."""
        return self._given.points * self._outputs

    # ---- least_squares, root

    def fun(self, p: Any) -> Array:
        """Return the residuals at the vector `p`, of shape (M,): all outputs of the first observation, and so on."""
        left = self._values(self._columns, self.unknowns.vector(p, "p"))
        if self._given.observed is not None:
            left = left - self._given.observed
        if self._given.factors is not None:
            left = left * self._given.factors
        return left.ravel()

    def jac(self, p: Any) -> Any:
        """Return their Jacobian at `p`: an array of shape (M, N), or a `scipy.sparse.csr_array`."""
        vector, factors = self.unknowns.vector(p, "p"), self._given.factors
        if self._sparse and not self._columns and not self._model.grouped:
            found = self._model.function.jacobian(vector, *self._constants, wrt=self._model.wrt, sparse=True)
            if factors is not None:
                found.data = found.data * np.repeat(factors.ravel(), np.diff(found.indptr))
            return found
        blocks = self._derivatives(self._columns, vector)
        if factors is not None:
            blocks = blocks * factors[:, :, None]
        return self._sparse_matrix(blocks) if self._sparse else self._matrix(blocks)

    def arguments(self, x0: Any, bounds: Any = None, **more: Any) -> dict[str, Any]:
        """Return keyword arguments: `least_squares(**residuals.arguments(x0))`.

        Parameters
        ----------
        x0
            Where to begin: a vector, or a mapping of names to values.
        bounds
            Name -> (low, high) with None for no end, each a number or an array; or (low, high) for all.
        **more
            Further arguments of `least_squares`, passed on.
        """
        found: dict[str, Any] = {"fun": self.fun, "x0": self.unknowns.vector(x0, "x0"), "jac": self.jac}
        if bounds is not None:
            found["bounds"] = self.unknowns.ends(bounds)
        return {**found, **more}

    # ---- curve_fit

    @property
    def xdata(self) -> Array:
        """The predictors as `curve_fit` takes them: of shape (M,), or (K, M) for several."""
        rows = [column.reshape(len(column), -1).T for column in self._columns]
        found = np.concatenate(rows) if rows else np.empty((0, self._given.points))
        return found[0] if len(found) == 1 else found

    @property
    def ydata(self) -> Array:
        """The observations, in the order of the residuals."""
        observed = self._given.observed
        return np.zeros(self.count) if observed is None else observed.ravel()

    @property
    def sigma(self) -> Array | None:
        """Their deviations; None where neither sigma nor weights were given."""
        with np.errstate(divide="ignore"):
            return None if self._given.factors is None else 1 / self._given.factors.ravel()

    def model(self, xdata: Any, *p: Any) -> Array:
        """Return the model's values for predictors laid out as `xdata`, and parameters one by one."""
        return self._values(self._laid_out(xdata), self.unknowns.vector(p, "the parameters")).ravel()

    def model_jac(self, xdata: Any, *p: Any) -> Array:
        """Return the Jacobian of `model` by the parameters, of shape (M, N)."""
        vector = self.unknowns.vector(p, "the parameters")
        return self._matrix(self._derivatives(self._laid_out(xdata), vector))

    def curve_fit_arguments(self, p0: Any, bounds: Any = None, **more: Any) -> dict[str, Any]:
        """Return keyword arguments: `curve_fit(**residuals.curve_fit_arguments(p0))`.

        Parameters
        ----------
        p0, bounds
            As for `arguments`.
        **more
            Further arguments of `curve_fit`, passed on.

        Raises
        ------
        UnsupportedError
            For sparse residuals.
        """
        if self._sparse:
            raise UnsupportedError(
                f"{self._name}.residuals: curve_fit takes no sparse Jacobian; leave sparse out"
            )
        found: dict[str, Any] = {
            "f": self.model,
            "xdata": self.xdata,
            "ydata": self.ydata,
            "p0": self.unknowns.vector(p0, "p0"),
            "jac": self.model_jac,
        }
        if self.sigma is not None:
            found["sigma"] = self.sigma
        if bounds is not None:
            found["bounds"] = self.unknowns.ends(bounds)
        return {**found, **more}

    # ---- vectors

    def pack(self, values: Mapping[str, Any]) -> Array:
        """Return the vector for a mapping of names to values."""
        return self.unknowns.vector(values, "values")

    def unpack(self, p: Any) -> dict[str, Any]:
        """Return name -> value for a vector."""
        return self.unknowns.split(p)

    # ---- how

    def _operands(self, columns: Sequence[Array], vector: Array) -> list[Array]:
        return [*self._model.operands(vector, self._given.groups), *columns, *self._constants]

    def _values(self, columns: Sequence[Array], vector: Array) -> Array:
        """Return the outputs, (points, outputs)."""
        found = self._model.function(*self._operands(columns, vector))
        return np.asarray(found, np.float64).reshape(-1, self._outputs)

    def _derivatives(self, columns: Sequence[Array], vector: Array) -> Array:
        """Return one small matrix per point, (points, outputs, lanes)."""
        found = self._model.function.jacobian(*self._operands(columns, vector), wrt=self._model.wrt)
        return np.asarray(found, np.float64).reshape(-1, *found.shape[-2:])

    def _matrix(self, blocks: Array) -> Array:
        points, outputs, lanes = blocks.shape
        if self._model.grouped:
            spread = np.zeros((points, outputs, self.unknowns.size))
            np.put_along_axis(spread, np.broadcast_to(self._places[:, None, :], blocks.shape), blocks, axis=2)
            blocks = spread
        return blocks.reshape(points * outputs, -1) if lanes else np.zeros((points * outputs, 0))

    def _sparse_matrix(self, blocks: Array) -> Any:
        from scipy.sparse import csr_array

        points, outputs, lanes = blocks.shape
        places = self._places[:, None, :] if self._model.grouped else self._places
        columns = np.broadcast_to(places, blocks.shape)
        ends = np.arange(points * outputs + 1) * lanes
        found = csr_array(
            (blocks.flatten(), columns.flatten(), ends), shape=(points * outputs, self.unknowns.size)
        )
        found.sort_indices()
        return found

    def _laid_out(self, xdata: Any) -> list[Array]:
        """Return the columns of an array that is laid out as `xdata`."""
        names = list(self._given.columns)
        if not names:
            return []
        rows = as_operand(xdata, "xdata", np.dtype(self._model.function.dtype))[0]
        rows = rows.reshape(1, -1) if rows.ndim == 1 else rows
        cores = [column.shape[1:] for column in self._columns]
        wanted = sum(map(prod, cores))
        if rows.ndim != 2 or len(rows) != wanted:
            raise ShapeError(
                f"xdata has shape {np.shape(xdata)}; it must be ({wanted}, M), for {', '.join(names)}"
            )
        if self._model.grouped and rows.shape[1] != self._given.points:
            raise ShapeError(
                f"xdata has {rows.shape[1]} points, and the groups are those of {self._given.points}"
            )
        found, at = [], 0
        for core in cores:
            part = rows[at : at + prod(core)].T
            found.append(np.ascontiguousarray(part).reshape(-1, *core))
            at += prod(core)
        return found


def _compiled(function: Function, unknowns: Unknowns, observations: Observations) -> _Model:
    shared = tuple(item for item in unknowns if item.name not in observations.groups)
    grouped = tuple(item for item in unknowns if item.name in observations.groups)
    x = free_name("x", function.input_names)
    wrt = (*((x,) if shared else ()), *(item.name for item in grouped))
    kept = (*(item.name for item in grouped), *observations.columns, *observations.constants)
    vectors = {x: [item.name for item in shared]} if shared else {}
    made = packed(function, vectors, kept, kinds=("forward", "jacobian"), wrt=wrt, join=True)
    return _Model(made, shared, grouped, wrt)


def residuals(
    function: Function,
    data: Any = None,
    *,
    response: Any = None,
    parameters: str | Iterable[str] | None = None,
    sigma: Any = None,
    weights: Any = None,
    groups: Mapping[str, Any] | None = None,
    sparse: bool = False,
) -> Residuals:
    """Return what a function leaves unexplained of data, as a function of its parameters.

    Parameters
    ----------
    function
        The model. Its inputs that `data` has are predictors (arrays) or constants (numbers), the others parameters.
    data
        Name -> column: a mapping, a pandas data frame or a structured array.
    response
        What the outputs should be: the name of a column or an array, a tuple of them for several outputs. Default:
        the columns called as the outputs, else the only column that is no input. Without any, the outputs themselves
        are the residuals.
    parameters
        The parameters in the order of the vector; default: that of the inputs.
    sigma, weights
        Standard deviations of the observations, or 1/sigma**2; a number, a column or its name, a tuple for several
        outputs.
    groups
        Parameter -> the group of each observation, numbers from 0 or the name of a column: each group has a value of
        its own, and the parameter's part of the vector has a first dimension for them.
    sparse
        Whether the Jacobian is a sparse matrix: for parameters of groups, or a function with many outputs.

    Returns
    -------
    Residuals

    Raises
    ------
    ArgumentError
        For names that are unknown, missing or ambiguous, or nothing left to fit.
    ShapeError
        For columns that do not fit each other.
    """
    what = f"{function.name}.residuals"
    found = read_observations(function, data, response=response, sigma=sigma, weights=weights, groups=groups)
    shapes = shapes_of(function)
    free = [name for name in shapes if name not in found.columns and name not in found.constants]
    if not free:
        raise ArgumentError(
            f"{what}: the data have all inputs of {function.name}, and no parameter is left to fit"
        )
    order = free if parameters is None else names_of(parameters, "parameters")
    if sorted(order) != sorted(free):
        raise ArgumentError(
            f"{what}: parameters names {', '.join(order)}, and the inputs without data are {', '.join(free)}"
        )
    differentiable(function, "residuals", order)
    unknowns = Unknowns.of(
        {
            name: (int(found.groups[name].max()) + 1, *shapes[name]) if name in found.groups else shapes[name]
            for name in order
        }
    )
    return Residuals(function, unknowns, found, sparse=bool(sparse))
