"""`f.residuals(data)`: a model and its observations for least_squares and curve_fit, with the Jacobian."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tapeless.bridges.scipy.binding import differentiable, shapes_of
from tapeless.bridges.scipy.models import compiled
from tapeless.bridges.scipy.observations import Observations, read_observations
from tapeless.bridges.scipy.unknowns import Array, Unknowns
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.options import names_of
from tapeless.runtime.operands import as_operand

if TYPE_CHECKING:
    from tapeless.function import Function


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
        self._dtype = np.dtype(function.dtype)
        self._outputs = sum(map(prod, function.output_shapes))
        self._model = compiled(function, unknowns, observations)
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
        left = self._model.values(self.unknowns.vector(p, "p"), self._columns)
        if self._given.observed is not None:
            left = left - self._given.observed
        if self._given.factors is not None:
            left = left * self._given.factors
        return left.ravel()

    def jac(self, p: Any) -> Any:
        """Return their Jacobian at `p`: an array of shape (M, N), or a `scipy.sparse.csr_array`."""
        vector, factors = self.unknowns.vector(p, "p"), self._given.factors
        if self._sparse and not self._columns and self._model.places is None:
            found = self._model.sparse_jacobian(vector)
            if factors is not None:
                found.data = found.data * np.repeat(factors.ravel(), np.diff(found.indptr))
            return found
        blocks = self._model.derivatives(vector, self._columns)
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
        vector = self.unknowns.vector(p, "the parameters")
        return self._model.values(vector, self._laid_out(xdata)).ravel()

    def model_jac(self, xdata: Any, *p: Any) -> Array:
        """Return the Jacobian of `model` by the parameters, of shape (M, N)."""
        vector = self.unknowns.vector(p, "the parameters")
        return self._matrix(self._model.derivatives(vector, self._laid_out(xdata)))

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

    def _matrix(self, blocks: Array) -> Array:
        points, outputs, lanes = blocks.shape
        places = self._model.places
        if places is not None:
            spread = np.zeros((points, outputs, self.unknowns.size))
            np.put_along_axis(spread, np.broadcast_to(places[:, None, :], blocks.shape), blocks, axis=2)
            blocks = spread
        return blocks.reshape(points * outputs, -1) if lanes else np.zeros((points * outputs, 0))

    def _sparse_matrix(self, blocks: Array) -> Any:
        from scipy.sparse import csr_array

        points, outputs, lanes = blocks.shape
        places = self._model.places
        columns = np.broadcast_to(np.arange(lanes) if places is None else places[:, None, :], blocks.shape)
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
        rows = as_operand(xdata, "xdata", self._dtype)[0]
        rows = rows.reshape(1, -1) if rows.ndim == 1 else rows
        cores = [column.shape[1:] for column in self._columns]
        wanted = sum(map(prod, cores))
        if rows.ndim != 2 or len(rows) != wanted:
            raise ShapeError(
                f"xdata has shape {np.shape(xdata)}; it must be ({wanted}, M), for {', '.join(names)}"
            )
        if self._given.groups and rows.shape[1] != self._given.points:
            raise ShapeError(
                f"xdata has {rows.shape[1]} points, and the groups are those of {self._given.points}"
            )
        found, at = [], 0
        for core in cores:
            part = rows[at : at + prod(core)].T
            found.append(np.ascontiguousarray(part).reshape(-1, *core))
            at += prod(core)
        return found


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
