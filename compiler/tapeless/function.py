"""Function: what a user holds after `compile`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.assembly import Built, Face, Member, assemble
from tapeless.errors import ArgumentError, ShapeError, TapelessError
from tapeless.kinds import TOGETHER, kind_of
from tapeless.options import Options, names_of

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    import sympy

    from tapeless.accuracy.report import AccuracyReport
    from tapeless.bridges.dask import Chunked
    from tapeless.bridges.jax import JaxFunction
    from tapeless.bridges.scipy.objective import Objective
    from tapeless.bridges.scipy.residuals import Residuals
    from tapeless.bridges.scipy.rhs import RightHandSide
    from tapeless.bridges.torch import FormulaModule, TorchFunction
    from tapeless.ir.program import Program
    from tapeless.runtime.arrays import Caller
    from tapeless.targets.c.kernel import Source
    from tapeless.testing import CheckReport, Singularities

Array = np.ndarray[Any, Any]
Wrt = str | Iterable[str] | None
"""One name of an input (its gradient alone), several (a tuple of gradients), or None for all."""
Out = Any
"""An array to write into, a tuple of them with None for "make one", or None."""


_KEYWORDS: Final = {"out": "the array for the result", "wrt": "the choice of gradients"}
"""Keywords of calls that an input may be called like."""


class Function:
    """A formula as compiled functions: its value, its vector-Jacobian product, its gradient.

    Made by `tapeless.compile`. Calls are thread-safe, and release the GIL while C runs for more than a few
    microseconds.

    Attributes
    ----------
    name : str
        Name of the function.
    input_names, output_names : tuple of str
        In order.
    wrt : tuple of str
        The inputs that derivatives are taken by, unless a call says otherwise.
    dtype : str
        `"float64"` or `"float32"`: what is computed in and returned.
    """

    __slots__ = (
        "__weakref__",
        "_accuracy",
        "_bridged",
        "_callers",
        "_face",
        "_fast",
        "_forward",
        "_material",
        "_options",
        "_program",
        "_read",
    )

    def __init__(
        self,
        face: Face,
        options: Options,
        material: tuple[str, ...],
        read: Callable[[], Program],
        callers: Mapping[tuple[str, tuple[str, ...]], Caller],
    ) -> None:
        self._face = face
        self._options = options
        self._material = material
        self._read = read
        self._program: Program | None = None
        self._callers = dict(callers)
        self._forward = self._callers["forward", self.wrt]
        # What the fast caller looks calls up in, see `_enter`.
        self._fast: Any = None
        self._accuracy: list[dict[str, Any]] = []
        # What bridges have made of this function: they are asked for it again and again.
        self._bridged: dict[str, Any] = {}

    @classmethod
    def of(
        cls, built: Built, options: Options, material: tuple[str, ...], read: Callable[[], Program]
    ) -> Function:
        """Wrap what `assemble` built."""
        face = built.face
        wrt = options.wrt or tuple(name for name, _ in face.inputs)
        callers = {(kind, wrt): caller for kind, caller in built.callers.items()}
        fast = built.fast.specialise(cls) if built.fast is not None else None
        if fast is None:
            plain = cls(face, options, material, read, callers)
            plain._accuracy += built.accuracy
            return plain
        made: Function = fast(face, options, material, read, callers)
        made._accuracy += built.accuracy
        made._fast = built.fast.Table(made.input_names, len(face.outputs))
        for kind, caller in built.callers.items():
            made._enter(kind, None, caller)
        return made

    # ---- what it is

    @property
    def name(self) -> str:
        return self._face.name

    @property
    def input_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self._face.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self._face.outputs)

    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Core shapes of the inputs, in order."""
        return tuple(shape for _, shape in self._face.inputs)

    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Core shapes of the outputs, in order."""
        return tuple(shape for _, shape in self._face.outputs)

    @property
    def wrt(self) -> tuple[str, ...]:
        return self._options.wrt or self.input_names

    @property
    def dtype(self) -> str:
        return self._options.dtype

    @property
    def options(self) -> Options:
        """The options it was compiled with."""
        return self._options

    @property
    def material(self) -> tuple[str, ...]:
        """What it was compiled from, in a form that identifies it without its Program."""
        return self._material

    @property
    def signature(self) -> str:
        """Core shapes as in a NumPy gufunc: `"(3),(3)->(),()"`."""

        def shapes(items: Iterable[tuple[str, tuple[int, ...]]]) -> str:
            return ",".join(f"({','.join(map(str, shape))})" for _, shape in items)

        return f"{shapes(self._face.inputs)}->{shapes(self._face.outputs)}"

    @property
    def program(self) -> Program:
        """The formula as a graph."""
        if self._program is None:
            self._program = self._read()
        return self._program

    def within_ranges(self) -> Program:
        """Return the formula as a graph without what the ranges of `assume=` decide."""
        if not self._options.assume:
            return self.program
        from tapeless.transforms.assumed import assumed

        return assumed(self.program, self._options.assume)

    # ---- values

    def __call__(self, /, *primals: Any, out: Out = None, **named: Any) -> Any:
        """Evaluate the formula, element by element with NumPy broadcasting.

        Parameters
        ----------
        *primals : array_like
            One per input, in order; or by keyword.
        out : ndarray or tuple of ndarray, optional
            Arrays of the result's shape to write into; None in a tuple makes a new one.

        Returns
        -------
        ndarray, NumPy scalar, or tuple of them
            One per output, of `dtype` and of the broadcast shape. Scalars in, NumPy scalars out.

        Raises
        ------
        ArgumentError
            For a wrong number of arguments, an unknown keyword, or an argument that is no numeric array.
        ShapeError
            Where shapes do not broadcast, or `out` has another shape.
        """
        if named or len(primals) != len(self._face.inputs):
            if any(_is_traced(value) for value in (*primals, *named.values())):
                return self._inline(self._bind(primals, named))
            primals = self._bind(primals, named)
        try:
            results = self._forward(primals, out)
        except TapelessError:
            if any(map(_is_traced, primals)):
                return self._inline(primals)
            raise
        return results[0] if len(results) == 1 else results

    forward = __call__

    def backward(
        self,
        cotangents: Any,
        /,
        *primals: Any,
        wrt: Wrt = None,
        out: Out = None,
        **named: Any,
    ) -> Any:
        """Return the vector-Jacobian product: the cotangents of the outputs pulled back to the inputs.

        Parameters
        ----------
        cotangents : array_like, or tuple of them for several outputs
            Of the outputs' shape. A scalar stands for an array full of it; None for zero.
        *primals : array_like
            The point, as for a call.
        wrt : str or sequence of str, optional
            The inputs wanted. A name alone gives the array alone.
        out : ndarray or tuple of ndarray, optional
            Arrays to write the gradients into.

        Returns
        -------
        tuple of ndarray, or ndarray
            In input order (or that of `wrt`), each of its primal's shape and floating dtype: along dimensions
            in which the primal was broadcast the contributions are summed, in a fixed order.

        Raises
        ------
        ShapeError
            For a cotangent that is neither a scalar nor of the outputs' shape.
        DerivativeError
            Where the derivative needs a function that C does not have.
        """
        point = self._point(primals, named)
        wrt = _kept(wrt)
        caller = self._caller("backward", wrt)
        results = caller((*point, *self._cotangents(cotangents)), out)
        return results[0] if isinstance(wrt, str) else results

    def forward_backward(
        self,
        cotangents: Any,
        /,
        *primals: Any,
        wrt: Wrt = None,
        out: Out = None,
        **named: Any,
    ) -> tuple[Any, Any]:
        """Return outputs and gradients from one fused pass.

        Parameters
        ----------
        cotangents, *primals, wrt
            As for `backward`.
        out : tuple, optional
            (outputs, gradients), each as the call's own `out`.

        Returns
        -------
        outputs
            As from a call.
        gradients
            As from `backward`.
        """
        point = self._point(primals, named)
        wrt = _kept(wrt)
        caller = self._caller("forward_backward", wrt)
        results = caller((*point, *self._cotangents(cotangents)), self._flat(out, wrt))
        return self._split(results, wrt)

    def grad(self, /, *primals: Any, wrt: Wrt = None, out: Out = None, **named: Any) -> Any:
        """Return the derivative at each point; nothing is summed. The function must have one scalar output.

        Returns
        -------
        tuple of ndarray, or ndarray
            One per input (or name in `wrt`), of the broadcast shape; a name alone gives the array alone.

        Raises
        ------
        ArgumentError
            For a function with several outputs.
        """
        point = self._point(primals, named)
        wrt = _kept(wrt)
        results = self._caller("grad", wrt)(point, out)
        return results[0] if isinstance(wrt, str) else results

    def value_and_grad(
        self, /, *primals: Any, wrt: Wrt = None, out: Out = None, **named: Any
    ) -> tuple[Any, Any]:
        """Return (value, gradient at each point) from one fused pass; `out` is a pair as well."""
        point = self._point(primals, named)
        wrt = _kept(wrt)
        caller = self._caller("value_and_grad", wrt)
        return self._split(caller(point, self._flat(out, wrt)), wrt)

    def jvp(self, primals: Sequence[Any], tangents: Sequence[Any], *, wrt: Wrt = None) -> Any:
        """Return the Jacobian-vector product.

        Parameters
        ----------
        primals : sequence of array_like
            The point.
        tangents : sequence of array_like
            One per input (or name in `wrt`), broadcast with the primals.

        Returns
        -------
        outputs, output_tangents
            Each as from a call.
        """
        wrt = _kept(wrt)
        results = self._caller("jvp", wrt)(self._with_tangents("jvp", primals, tangents, wrt), None)
        half = len(self._face.outputs)
        values, dots = results[:half], results[half:]
        return (values[0], dots[0]) if half == 1 else (values, dots)

    # ---- matrices of derivatives

    def jacobian(
        self, /, *primals: Any, wrt: Wrt = None, sparse: bool = False, out: Out = None, **named: Any
    ) -> Any:
        """Return the Jacobian at each point: all outputs by all inputs; nothing is summed.

        Parameters
        ----------
        *primals : array_like
            The point, as for a call.
        wrt : str or sequence of str, optional
            The inputs to differentiate by, in the order wanted.
        sparse : bool
            Compute the entries that are not zero by structure, at one point, and return a sparse matrix. Where
            these are very many, they are found from a few products with vectors (colouring).
        out : ndarray, optional
            An array of the result's shape to write into; not with `sparse`.

        Returns
        -------
        ndarray of shape (*batch, M, N), or scipy.sparse.csr_array of shape (M, N)
            M is the number of output scalars, N that of the scalars of `wrt`, each in order.

        Raises
        ------
        ShapeError
            For a batch of points with `sparse`.
        UnsupportedError
            With `sparse`, where SciPy is not installed.
        """
        point = self._point(primals, named)
        if not sparse:
            return self._caller("jacobian", _kept(wrt))(point, out)[0]
        return self._sparse("sparse_jacobian", point, wrt, out)

    def hessian(
        self, /, *primals: Any, wrt: Wrt = None, sparse: bool = False, out: Out = None, **named: Any
    ) -> Any:
        """Return the Hessian at each point, by edge pushing. The function must have one scalar output.

        Parameters
        ----------
        *primals, wrt, out
            As for `jacobian`.
        sparse : bool
            Compute the entries of one triangle that are not zero by structure, at one point, and return a sparse
            matrix.

        Returns
        -------
        ndarray of shape (*batch, N, N), or scipy.sparse.csr_array of shape (N, N)
            Exactly symmetric.

        Raises
        ------
        ArgumentError
            For a function with several outputs.
        """
        point = self._point(primals, named)
        if not sparse:
            return self._caller("hessian", _kept(wrt))(point, out)[0]
        return self._sparse("sparse_hessian", point, wrt, out)

    def hvp(
        self, primals: Sequence[Any], tangents: Sequence[Any], *, wrt: Wrt = None, out: Out = None
    ) -> Any:
        """Return the product of the Hessian with a vector. The function must have one scalar output.

        Parameters
        ----------
        primals : sequence of array_like
            The point.
        tangents : sequence of array_like
            The vector, one part per input (or name in `wrt`), broadcast with the primals.

        Returns
        -------
        tuple of ndarray, or ndarray
            One part per input (or name in `wrt`); a name alone gives the array alone.
        """
        wrt = _kept(wrt)
        results = self._caller("hvp", wrt)(self._with_tangents("hvp", primals, tangents, wrt), out)
        return results[0] if isinstance(wrt, str) else results

    def _with_tangents(self, method: str, primals: Sequence[Any], tangents: Sequence[Any], wrt: Wrt) -> Any:
        point, directions = tuple(primals), tuple(tangents)
        wanted = self.wrt if wrt is None else names_of(wrt, "wrt")
        if len(point) != len(self._face.inputs) or len(directions) != len(wanted):
            raise ArgumentError(
                f"{self.name}.{method} takes {len(self._face.inputs)} primals and {len(wanted)} tangents, "
                f"not {len(point)} and {len(directions)}"
            )
        return (*point, *directions)

    def _sparse(self, kind: str, point: Sequence[Any], wrt: Wrt, out: Out) -> Any:
        from tapeless.runtime.operands import as_operand
        from tapeless.runtime.sparse import from_products, matrix, seeds

        if out is not None:
            raise ArgumentError("out cannot be given with sparse=True; the matrix is made anew at each call")
        caller = self._caller(kind, _kept(wrt))
        dtype = np.dtype(self.dtype)
        faces = self._face.inputs
        point = [as_operand(value, name, dtype)[0] for value, (name, _) in zip(point, faces, strict=True)]
        for value, (name, shape) in zip(point, faces, strict=True):
            if value.ndim > len(shape):
                raise ShapeError(
                    f"sparse=True takes one point, and {name} has shape {value.shape}; call it point by point, "
                    "or leave sparse out"
                )
        [result] = caller.signature.results
        entries = result.entries
        assert entries is not None, "the result of a sparse kind has entries"
        if entries.colours:
            directions = seeds(entries, dtype)
            parts, at = [], 0
            for operand in caller.signature.operands[len(point) :]:
                part = directions[:, at : at + operand.lanes]
                parts.append(np.ascontiguousarray(part).reshape(len(directions), *operand.shape))
                at += operand.lanes
            values = from_products(entries, caller((*point, *parts))[0])
        else:
            values = caller(point)[0]
        return matrix(entries, values, symmetric=kind == "sparse_hessian")

    # ---- derivatives as functions and formulas

    def derivative(self, kind: str, wrt: Wrt = None) -> Function:
        """Return a derivative as a Function of its own.

        Parameters
        ----------
        kind
            `"vjp"` (or `"backward"`), `"jvp"`, `"grad"`, `"jacobian"`, `"hessian"`, `"hvp"`,
            `"forward_backward"`, `"value_and_grad"`.
        wrt
            The inputs to differentiate by.

        Returns
        -------
        Function
            Its inputs are those of this function, then the cotangents or tangents; it works point by point and
            sums nothing. It can be differentiated again.
        """
        from tapeless.api import compile_program
        from tapeless.kinds import derive, plain

        row = kind_of(kind)
        derived = derive(self.program, row.name, self._wrt(wrt), self._options.assume)
        named = plain(derived, f"{self.name}_{row.name}")
        return compile_program(named, self._options._replace(wrt=None))

    @property
    def formulas(self) -> dict[str, sympy.Expr]:
        """Output -> its formula in sympy; where ranges of inputs are assumed, without what these decide."""
        from tapeless.targets.formulas import formulas

        return formulas(self.within_ranges())

    @property
    def backward_formulas(self) -> dict[str, sympy.Expr]:
        """Input -> the formula of its cotangent, in the inputs and `<output>_bar`."""
        from tapeless.kinds import derive
        from tapeless.targets.formulas import formulas

        derived = derive(self.program, "backward", self.wrt, self._options.assume)
        return dict(zip(self.wrt, formulas(derived).values(), strict=True))

    @property
    def source(self) -> str:
        """The C text: forward, backward, and both fused."""
        return self._source().text

    @property
    def header(self) -> str:
        """The C header that goes with `source`."""
        return self._source().header

    def _source(self) -> Source:
        from tapeless.assembly import module_source

        return module_source([(self.program, self._options)], TOGETHER, self.name)

    def op_counts(self, kind: str = "forward") -> dict[str, int]:
        """Return operation -> number per point of the emitted kernel of a kind, with the `"total"`.

        An addition, subtraction, multiplication, division, negation, comparison, logical operation, select or
        call counts 1 towards the total; `max`, `min` and `sign` count as the 4 such operations that they are in
        C, `heaviside` as 6; loads, stores and constants count nothing.
        """
        from tapeless.assembly import lower_kinds
        from tapeless.targets.c.counts import op_counts

        [(kernel, _, _)] = lower_kinds(
            self.program, (kind_of(kind).name,), self._options.wrt, self._options, whole=False
        )
        return op_counts(kernel)

    # ---- trust and use elsewhere

    @property
    def accuracy_report(self) -> AccuracyReport | None:
        """What `accuracy="search"` replaced in the kernels made so far, and what that gained; None without a search.

        Derivatives other than backward are searched when they are first called, and stand in the report from then on.
        """
        if self._options.accuracy is None:
            return None
        from tapeless.accuracy.report import AccuracyReport

        return AccuracyReport.of(self.name, self.dtype, self._accuracy)

    def check(self, *primals: Any, **options: Any) -> CheckReport:
        """Compare values and gradients with mpmath and with numerical gradients; see `tapeless.testing.check`."""
        from tapeless.testing import check

        return check(self, *primals, **options)

    def singularities(self, **options: Any) -> Singularities:
        """Return where the formula is not differentiable, in words; see `tapeless.testing.singularities`."""
        from tapeless.testing import singularities

        return singularities(self, **options)

    def export(self, folder: str | PathLike[str]) -> Path:
        """Write the function for use without tapeless; return the folder.

        Parameters
        ----------
        folder
            Where; it is made if need be.

        Returns
        -------
        Path
            The folder. In it are now `<name>.c` and `<name>.h`, which need nothing but the C library's mathematics,
            the built library `lib<name>.so`, and `<name>.py`, which loads it with numpy and cffi. A name
            that cannot stand in C gives way to a generated one, the same for all its files; `<name>.py` keeps
            the name wherever it is ASCII.

        Raises
        ------
        ArgumentError
            For a folder that is no path, and for a name such as `math`, whose Python file would hide a module.
        TapelessError
            Where the folder cannot be written.
        """
        from tapeless.export import export  # not needed on a warm start

        return export([(self.program, self._options)], self.name, folder)

    # ---- in SciPy

    def low_level_callable(self, /, *variables: str, **options: Any) -> Any:
        """Return a C function for `quad` and `nquad`; see `tapeless.bridges.scipy.callables`."""
        from tapeless.bridges.scipy.callables import low_level_callable

        return low_level_callable(self, *variables, **options)

    def objective(self, /, *inputs: str, **options: Any) -> Objective:
        """Return an objective for `minimize`; see `tapeless.bridges.scipy.objective`."""
        from tapeless.bridges.scipy.objective import objective

        return objective(self, *inputs, **options)

    def residuals(self, data: Any = None, /, **options: Any) -> Residuals:
        """Return residuals for `least_squares` and `curve_fit`; see `tapeless.bridges.scipy.residuals`."""
        from tapeless.bridges.scipy.residuals import residuals

        return residuals(self, data, **options)

    def rhs(self, /, *state: str, **options: Any) -> RightHandSide:
        """Return a right-hand side for `solve_ivp`; see `tapeless.bridges.scipy.rhs`."""
        from tapeless.bridges.scipy.rhs import rhs

        return rhs(self, *state, **options)

    # ---- at home elsewhere

    @property
    def ufunc(self) -> np.ufunc:
        """The function as a genuine `numpy.ufunc`, a generalised one where an input or output has a shape.

        Whatever `np.exp` does, it does: `out=`, `where=`, `dtype=`, `casting=`, `outer`, `reduce` for two inputs and
        one output, arrays of dask, xarray and pandas. It computes in the function's own dtype: of a float64 function
        the results are float32 where all inputs are, rounded once at the end; of a float32 function they always are.
        It never warns.

        Raises
        ------
        UnsupportedError
            Where Python's headers are missing, with what to install.
        """
        found: np.ufunc | None = self._bridged.get("ufunc")
        if found is None:
            from tapeless.bridges.ufunc import forward_ufunc

            found = self._bridged.setdefault("ufunc", forward_ufunc(self))
        return found

    @property
    def grad_ufunc(self) -> np.ufunc:
        """The derivatives at each point as a `numpy.ufunc`, with one output for each input of `wrt`.

        As `ufunc`, and as `grad` nothing is summed; the function must have one scalar output.
        """
        found: np.ufunc | None = self._bridged.get("grad_ufunc")
        if found is None:
            from tapeless.bridges.ufunc import grad_ufunc

            found = self._bridged.setdefault("grad_ufunc", grad_ufunc(self))
        return found

    def to_torch(self, save_slopes: bool = False) -> TorchFunction:
        """Return the function for PyTorch, the same one each time.

        Parameters
        ----------
        save_slopes
            Whether a forward in eager mode computes the slopes along with the values and saves them, so that its
            backward is one product for each input. That spares the time to compute again what values and slopes
            share, and takes the memory of one tensor for each input that needs a gradient. For one output without
            a shape.

        Returns
        -------
        TorchFunction
            Takes tensors on the CPU, of float32 or float64, and numbers, with batches that broadcast; gives a tensor,
            or a tuple for several outputs. It works in autograd to any order, under `torch.func`, in forward mode and
            in `torch.compile`.

        Raises
        ------
        UnsupportedError
            Where PyTorch is not installed.
        ArgumentError
            For `save_slopes` of other outputs.
        """
        key = f"torch {save_slopes}"
        found: TorchFunction | None = self._bridged.get(key)
        if found is None:
            from tapeless.bridges.torch import TorchFunction

            found = self._bridged.setdefault(key, TorchFunction(self, save_slopes))
        return found

    def to_torch_module(
        self,
        parameters: Mapping[str, Any] | None = None,
        buffers: Mapping[str, Any] | None = None,
        *,
        save_slopes: bool = False,
    ) -> FormulaModule:
        """Return the function as a `torch.nn.Module` that holds some of its inputs.

        Parameters
        ----------
        parameters
            Input -> first value of the parameter that it becomes, which is copied; or an `nn.Parameter` to share.
        buffers
            Input -> value that stays with the module and is not trained.
        save_slopes
            As for `to_torch`.

        Returns
        -------
        FormulaModule
            Takes the other inputs, in order or by name.

        Raises
        ------
        UnsupportedError
            Where PyTorch is not installed.
        ArgumentError, ShapeError
            For names and values that do not fit.
        """
        from tapeless.bridges.torch import FormulaModule

        return FormulaModule(self, parameters, buffers, save_slopes=save_slopes)

    def to_jax(self) -> JaxFunction:
        """Return the function for JAX arrays on the CPU.

        Returns
        -------
        JaxFunction
            Takes the inputs by position or by name, with NumPy's broadcasting, and gives one array, or a tuple for
            several outputs. It works under `jit`, `vmap`, `scan` and `checkpoint`, in forward and in reverse mode,
            to any order; every derivative is a compiled kernel.

        Raises
        ------
        UnsupportedError
            Where JAX is not installed.
        """
        from tapeless.bridges.jax import to_jax

        return to_jax(self)

    def to_dask(self) -> Chunked:
        """Return the methods of the function for dask arrays, lazy and chunk by chunk.

        Returns
        -------
        Chunked
            Called as the function is; with `grad`, `value_and_grad`, `backward` and `forward_backward`. What
            `backward` sums, it sums over the chunks too, in an order that the chunks alone decide.

        Raises
        ------
        UnsupportedError
            Where dask is not installed.
        """
        from tapeless.bridges.dask import Chunked

        return Chunked(self)

    def to_numba(self, kind: str = "forward", wrt: Wrt = None) -> Any:
        """Return a method as a function that code compiled by Numba can call.

        Parameters
        ----------
        kind
            The method: `"forward"`, `"grad"`, `"value_and_grad"`, `"backward"`, `"forward_backward"`, `"jvp"`,
            `"jacobian"`, `"hessian"`, `"hvp"`.
        wrt
            The inputs to differentiate by.

        Returns
        -------
        numba dispatcher
            Takes what the method takes, by position, and gives what it gives: numbers for numbers, arrays for
            arrays of `dtype`, with the same broadcasting. It holds no lock and may be called in `prange`.

        Raises
        ------
        UnsupportedError
            Where Numba is not installed.
        """
        key = f"numba {kind} {self._wrt(wrt)} {type(wrt) is str}"
        found = self._bridged.get(key)
        if found is None:
            from tapeless.bridges.numba import to_numba

            found = self._bridged.setdefault(key, to_numba(self, kind, _kept(wrt)))
        return found

    # ---- how it is shown, copied and sent

    def __repr__(self) -> str:
        outputs = ", ".join(self.output_names)
        return f"<tapeless {self.name}({', '.join(self.input_names)}) -> {outputs}, {self.dtype}>"

    def _repr_html_(self) -> str | None:
        """Return formulas, derivatives, operations and folded C for a notebook; None for a large function."""
        from tapeless.report.notebook import html

        return html(self)

    def _repr_latex_(self) -> str | None:
        """Return formulas and derivatives in LaTeX; None where they are too large to be read."""
        from tapeless.report.notebook import latex

        return latex(self)

    def __copy__(self) -> Function:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Function:
        return self

    def __reduce__(self) -> tuple[Callable[..., Function], tuple[Program, Options]]:
        from tapeless.api import compile_program

        return compile_program, (self.program, self._options)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return ("tapeless", self._material, self.name, repr(self._options))

    # ---- binding arguments

    def _bind(self, primals: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
        names = self.input_names
        shown = f"{self.name}({', '.join(names)})"
        if len(primals) > len(names):
            raise ArgumentError(f"{shown} takes {len(names)} inputs, not {len(primals)}")
        bound = dict(zip(names, primals, strict=False))
        for name, value in named.items():
            if name not in names:
                raise ArgumentError(f"{shown} has no input {name!r}")
            if name in bound:
                raise ArgumentError(f"{shown} got {name!r} twice")
            bound[name] = value
        missing = [name for name in names if name not in bound]
        if missing:
            hints = [
                f"; {name}= is {what} of the call, so pass the input {name} by its position"
                for name, what in _KEYWORDS.items()
                if name in missing
            ]
            raise ArgumentError(f"{shown} misses {', '.join(missing)}{''.join(hints)}")
        return tuple(bound[name] for name in names)

    def _point(self, primals: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Any, ...]:
        if named or len(primals) != len(self._face.inputs):
            return self._bind(primals, named)
        return primals

    def _cotangents(self, cotangents: Any) -> tuple[Any, ...]:
        count = len(self._face.outputs)
        if count == 1 and not isinstance(cotangents, tuple):
            cotangents = (cotangents,)
        if not isinstance(cotangents, tuple | list) or len(cotangents) != count:
            got = len(cotangents) if isinstance(cotangents, tuple | list) else 1
            raise ShapeError(
                f"{self.name} has {count} outputs ({', '.join(self.output_names)}) and needs a tuple of as many "
                f"cotangents, not {got}"
            )
        return tuple(0.0 if given is None else given for given in cotangents)

    def _wrt(self, wrt: Wrt) -> tuple[str, ...]:
        if wrt is None:
            return self.wrt
        wanted = names_of(wrt, "wrt")
        for name in wanted:
            if name not in self.wrt:
                known = ", ".join(self.wrt)
                raise ArgumentError(f"{self.name} is differentiated by {known}; wrt names {name!r}")
        return wanted

    def _caller(self, kind: str, wrt: Wrt) -> Caller:
        wanted = self.wrt if wrt is None else self._wrt(wrt)
        found = self._callers.get((kind, wanted))
        if found is None:
            member = Member(self._material, lambda: self.program, (kind,), wanted)
            [built] = assemble([member], None, self._options)
            found = self._callers[kind, wanted] = built.callers[kind]
            self._accuracy += built.accuracy
        if self._fast is not None:
            self._enter(kind, wrt, found)
        return found

    def _enter(self, kind: str, wrt: Wrt, caller: Caller) -> None:
        """Let the fast caller know what a method called with this `wrt` comes to."""
        if caller.plan is not None:
            self._fast.add(kind, wrt, caller.plan)

    def _flat(self, out: Out, wrt: Wrt) -> Out:
        """Turn (outputs, gradients) into one flat tuple."""
        if out is None:
            return None
        if not isinstance(out, tuple) or len(out) != 2:
            raise ArgumentError("out must be a pair: (outputs, gradients), each as for the single calls")
        parts: list[Any] = []
        for part, count in zip(out, (len(self._face.outputs), len(self._wrt(wrt))), strict=True):
            row = part if isinstance(part, tuple) else (part,)
            if part is None:
                row = (None,) * count
            if len(row) != count:
                raise ArgumentError(f"out has {len(row)} arrays where {count} results are made")
            parts.extend(row)
        return tuple(parts)

    def _split(self, results: tuple[Any, ...], wrt: Wrt) -> tuple[Any, Any]:
        count = len(self._face.outputs)
        values, gradients = results[:count], results[count:]
        return values[0] if count == 1 else values, gradients[0] if isinstance(wrt, str) else gradients

    def _inline(self, primals: tuple[Any, ...]) -> Any:
        """Continue somebody's trace through this function."""
        from tapeless.frontend.trace import call_program

        return call_program(self.program, primals)


def _kept(wrt: Wrt) -> str | tuple[str, ...] | None:
    """Read `wrt` once: it may be a generator."""
    return wrt if wrt is None or isinstance(wrt, str) else names_of(wrt, "wrt")


def _is_traced(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_traced, value))
    return getattr(type(value), "_tapeless_traced_", False)


__all__ = ["Function"]
