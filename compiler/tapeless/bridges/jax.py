"""Functions for JAX: a primitive that XLA calls through its foreign function interface.

JAX's decorators for derivatives give either direction, not both: `custom_vjp` has no forward mode, and a rule of
`custom_jvp` must be made of operations that JAX can transpose. So there is one primitive of our own here, with rules
for tangents, for transposition, for batches and for lowering. What it computes is

    out_j = sum over some dimensions of the batch of f_j(x_1, ..., x_n), point by point,

with every operand broadcast over the batch. That family is closed. The tangent of such a call is such a call, of the
tangent of f. The transpose of a call that is linear in some operands is such a call, of the adjoint of what it is the
tangent of, or the tangent of what it is the adjoint of; its results are summed where the operands were broadcast, and
its operands broadcast where the results were summed. And a dimension added to all operands is one more of the batch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.bridges.native import native
from tapeless.bridges.pointwise import Pointwise
from tapeless.errors import ArgumentError, ShapeError, UnsupportedError
from tapeless.runtime import warm
from tapeless.runtime.extension import text_beside
from tapeless.runtime.headers import Header, build_against
from tapeless.runtime.load import verify

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.options import Options
    from tapeless.runtime.signature import Operand, Result

try:
    import jax
    import jax.numpy as jnp
    from jax import ffi
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir
except ImportError as error:
    raise UnsupportedError(
        f"f.to_jax() needs JAX 0.5 or later ({error}); install it with: pip install 'tapeless[jax]'"
    ) from None

Shape = tuple[int, ...]
_TARGET: Final = "tapeless"


class JaxFunction:
    """A function of JAX arrays. Made by `Function.to_jax`.

    Attributes
    ----------
    function : Function
        What it is made from; it is pickled as that.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._formula = Pointwise.of(function)
        self._dtype = np.dtype(function.dtype)
        self.__name__ = self.__qualname__ = function.name
        self.__doc__ = (
            f"{function.name}({', '.join(function.input_names)}) for JAX arrays, compiled by tapeless."
        )

    def __call__(self, *primals: Any, **named: Any) -> Any:
        """Evaluate the formula.

        Parameters
        ----------
        *primals : array_like
            One per input, in order; or by keyword. They are converted to the function's dtype and broadcast.

        Returns
        -------
        jax.Array, or tuple of them
            One per output.

        Raises
        ------
        ArgumentError
            For a wrong number of arguments or a complex one, and of a float64 function while JAX has 64-bit numbers
            turned off.
        ShapeError
            Where shapes do not broadcast.
        """
        operands = self._formula.signature.operands
        if named or len(primals) != len(operands):
            primals = self.function._bind(primals, named)
        if self._dtype == np.float64 and not jax.config.jax_enable_x64:
            raise ArgumentError(
                f"{self.function.name} computes in float64, and JAX has 64-bit numbers turned off; turn them on with "
                "jax.config.update('jax_enable_x64', True), or compile the formula with dtype='float32'"
            )
        arrays = [_array(v, operand, self._dtype) for v, operand in zip(primals, operands, strict=True)]
        results = _apply(self._formula, arrays)
        return results[0] if len(results) == 1 else tuple(results)

    def __repr__(self) -> str:
        return f"<{self.function!r} for JAX>"

    def __reduce__(self) -> tuple[Callable[[Function], JaxFunction], tuple[Function]]:
        return to_jax, (self.function,)


def to_jax(function: Function) -> JaxFunction:
    """Return `function` as a function of JAX arrays, the same one each time."""
    found: JaxFunction = function._bridged.get("jax") or function._bridged.setdefault(
        "jax", JaxFunction(function)
    )
    return found


def _array(value: Any, operand: Operand, dtype: np.dtype[Any]) -> jax.Array:
    array = jnp.asarray(value)
    if array.dtype.kind not in "biuf" and array.dtype != jnp.bfloat16:
        raise ArgumentError(f"{operand.name} has dtype {array.dtype}; real numbers are needed")
    core = len(operand.shape)
    if array.shape[array.ndim - core :] != operand.shape or array.ndim < core:
        raise ShapeError(
            f"{operand.name} has shape {array.shape}, its last dimensions must be {operand.shape}"
        )
    return jax.lax.convert_element_type(array, dtype)


def _apply(formula: Pointwise, arrays: Sequence[jax.Array]) -> list[jax.Array]:
    """Call the primitive with all operands broadcast against each other."""
    operands = formula.signature.operands
    owns = [_own(array.shape, operand) for array, operand in zip(arrays, operands, strict=True)]
    try:
        batch = np.broadcast_shapes(*owns)
    except ValueError:
        given = ", ".join(f"{o.name} {a.shape}" for o, a in zip(operands, arrays, strict=True))
        raise ShapeError(f"inputs do not broadcast together: {given}") from None
    aligned = [
        jnp.expand_dims(array, tuple(range(len(batch) - len(own)))) if len(own) < len(batch) else array
        for array, own in zip(arrays, owns, strict=True)
    ]
    outs = (batch,) * len(formula.signature.results)
    found: list[jax.Array] = _call.bind(*aligned, formula=formula, batch=batch, outs=outs)
    return found


def _own(shape: Sequence[int], part: Operand | Result) -> Shape:
    """Return the batch dimensions of an operand."""
    return tuple(shape[: len(shape) - len(part.shape)])


# ---- the primitive
#
# formula   what is computed, a Pointwise
# batch     the shape of the batch; the batch shape of each operand has as many dimensions, of that extent or of 1
# outs      the batch shape of each result, likewise; along a dimension of 1 where the batch has more, it is summed

_call = Primitive("tapeless")
_call.multiple_results = True


@_call.def_abstract_eval
def _types(*operands: Any, formula: Pointwise, batch: Shape, outs: tuple[Shape, ...]) -> list[Any]:
    dtype = np.dtype(formula.signature.dtype)
    return [
        jax.core.ShapedArray((*own, *result.shape), dtype)
        for own, result in zip(outs, formula.signature.results, strict=True)
    ]


def _bind(*operands: Any, formula: Pointwise, batch: Shape, outs: tuple[Shape, ...]) -> Any:
    return _call.bind(*operands, formula=formula, batch=batch, outs=outs)


_call.def_impl(jax.jit(_bind, static_argnames=("formula", "batch", "outs")))


def _zero(part: Operand | Result, dimensions: int, dtype: str) -> jax.Array:
    """Return zeros for a part, broadcast along the whole batch."""
    return jnp.zeros((1,) * dimensions + part.shape, dtype)


def _tangents(
    primals: Sequence[Any],
    tangents: Sequence[Any],
    *,
    formula: Pointwise,
    batch: Shape,
    outs: tuple[Shape, ...],
) -> tuple[Any, Any]:
    values = _bind(*primals, formula=formula, batch=batch, outs=outs)
    active = [k for k, tangent in enumerate(tangents) if not isinstance(tangent, ad.Zero)]
    if not active:
        return values, [ad.Zero.from_primal_value(value) for value in values]
    for k in active:
        if k not in formula.wrt:
            names = [operand.name for operand in formula.signature.operands]
            raise ArgumentError(
                f"{formula.name} is differentiated by {', '.join(names[w] for w in formula.wrt)} and not by "
                f"{names[k]}; pass jax.lax.stop_gradient({names[k]}), or compile the formula with it in wrt="
            )
    first_linear = len(primals) - formula.linear
    if min(active) >= first_linear:
        # Linear in what has a tangent: the call itself, with the tangents in place of it.
        operands = formula.signature.operands
        moved = [
            tangents[k] if k in active else _zero(operands[k], len(batch), formula.signature.dtype)
            for k in range(first_linear, len(primals))
        ]
        dots = _bind(*primals[:first_linear], *moved, formula=formula, batch=batch, outs=outs)
    else:
        moved = [tangents[k] for k in active]
        dots = _bind(*primals, *moved, formula=formula.tangent(active), batch=batch, outs=outs)
    return values, dots


def _transposed(
    cotangents: Sequence[Any], *operands: Any, formula: Pointwise, batch: Shape, outs: tuple[Shape, ...]
) -> list[Any]:
    first_linear = len(operands) - formula.linear
    points, directions = operands[:first_linear], operands[first_linear:]
    unknown = [k for k, direction in enumerate(directions) if ad.is_undefined_primal(direction)]
    base = formula.base
    assert base is not None, "only what is linear is transposed"
    arrays = [
        _zero(result, len(batch), formula.signature.dtype) if isinstance(cotangent, ad.Zero) else cotangent
        for cotangent, result in zip(cotangents, formula.signature.results, strict=True)
    ]
    parts = formula.signature.operands[first_linear:]
    wanted = [
        _own(direction.aval.shape if k in unknown else direction.shape, part)
        for k, (direction, part) in enumerate(zip(directions, parts, strict=True))
    ]
    if formula.is_adjoint:
        found = _bind(
            *points, *arrays, formula=base.tangent(formula.base_wrt), batch=batch, outs=tuple(wanted)
        )
        given = {k: found[k] for k in unknown}
    else:
        adjoint = base.adjoint([formula.base_wrt[k] for k in unknown])
        found = _bind(*points, *arrays, formula=adjoint, batch=batch, outs=tuple(wanted[k] for k in unknown))
        given = dict(zip(unknown, found, strict=True))
    return [*(None for _ in points), *(given.get(k) for k in range(len(directions)))]


def _batched(
    operands: Sequence[Any],
    dimensions: Sequence[Any],
    *,
    formula: Pointwise,
    batch: Shape,
    outs: tuple[Shape, ...],
) -> tuple[Any, Any]:
    [extent] = {
        operand.shape[d] for operand, d in zip(operands, dimensions, strict=True) if isinstance(d, int)
    }
    moved = [
        jnp.moveaxis(operand, d, 0) if isinstance(d, int) else jnp.expand_dims(operand, 0)
        for operand, d in zip(operands, dimensions, strict=True)
    ]
    results = _bind(
        *moved, formula=formula, batch=(extent, *batch), outs=tuple((extent, *own) for own in outs)
    )
    return results, [0] * len(results)


ad.primitive_jvps[_call] = _tangents
ad.primitive_transposes[_call] = _transposed
batching.primitive_batchers[_call] = _batched


# ---- for XLA


def _lowered(context: Any, *operands: Any, formula: Pointwise, batch: Shape, outs: tuple[Shape, ...]) -> Any:
    library = _handler(formula.options)
    found = native(formula.caller, formula.options)
    if library.tapeless_xla_add(formula.key, found.kernel, found.driver, found.cost, found.threads):
        raise MemoryError("no memory to make a kernel known to XLA")
    shapes = [tuple(aval.shape) for aval in context.avals_in]
    plan = _plan(formula, batch, shapes, outs, found.direct)
    return ffi.ffi_lowering(_TARGET)(context, *operands, plan=np.array(plan, np.int64))


def _plan(
    formula: Pointwise, batch: Shape, shapes: Sequence[Shape], outs: Sequence[Shape], most_direct: int
) -> list[int]:
    """Describe a call to the handler; see jax.c."""
    signature = formula.signature
    itemsize = np.dtype(signature.dtype).itemsize
    owns = [_own(shape, part) for shape, part in zip(shapes, signature.operands, strict=True)]
    rows: list[int] = []
    lies_well = prod(batch) <= most_direct
    parts: list[Operand | Result] = [*signature.operands, *signature.results]
    for own, part in zip([*owns, *outs], parts, strict=True):
        strides, step = [], itemsize * part.lanes
        for extent in reversed(own):
            strides.append(0 if extent == 1 else step)
            step *= extent
        rows += (part.lanes, itemsize, *reversed(strides))
        lies_well &= prod(batch) == 1 or (own == batch and not part.shape)
    return [formula.key, itemsize, int(lies_well), len(batch), *batch, *rows]


def _refused(context: Any, *operands: Any, formula: Pointwise, **_: Any) -> Any:
    platforms = ", ".join(context.module_context.platforms)
    raise UnsupportedError(
        f"{formula.name} was compiled for the CPU and is asked to run on {platforms}; move its inputs there with "
        "jax.device_put(x, jax.devices('cpu')[0]), or run under jax.default_device(jax.devices('cpu')[0])"
    )


mlir.register_lowering(_call, _refused)
mlir.register_lowering(_call, _lowered, platform="cpu")

# The handler's library, once it is loaded: filled in one step, so that threads need no lock.
_loaded: dict[str, Any] = {}


def _handler(options: Options) -> Any:
    """Return the library with the handler: loaded, else found in the cache, else built."""
    found = _loaded.get(_TARGET)
    if found is not None:
        return found
    from importlib.metadata import version

    header = Header(
        "xla/ffi/api/c_api.h", ffi.include_dir(), "install jaxlib from a wheel, which holds its headers"
    )
    source = text_beside(__file__, "tapeless.bridges", "jax.c")
    built = build_against(
        (header,),
        f"/* for jaxlib {version('jaxlib')} */\n{source}",
        stem="jax",
        compiler=warm.compiler(options.cc),
        cache=warm.cache(options.cache),
    )
    verify(built)
    library = ctypes.CDLL(built.path)
    library.tapeless_xla_add.argtypes = (
        ctypes.c_int64,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_double,
        ctypes.c_int64,
    )
    if _loaded.setdefault(_TARGET, library) is library:
        ffi.register_ffi_target(_TARGET, ffi.pycapsule(library.tapeless_xla_call), platform="cpu")
    return _loaded[_TARGET]
