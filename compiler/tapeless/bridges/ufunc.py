"""Functions as NumPy ufuncs, and as generalised ufuncs where an input or output has a shape.

A ufunc is made in C from the address of a kernel (ufunc.c). The extension that does it is built at the first use of
`Function.ufunc` or `Function.grad_ufunc`, once for each Python and NumPy.
"""

from __future__ import annotations

import copyreg
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapeless.bridges.native import native
from tapeless.errors import ArgumentError
from tapeless.runtime import warm
from tapeless.runtime.extension import load_extension, python_abi, text_beside
from tapeless.runtime.headers import build_against, numpy_headers, python_headers

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.options import Options
    from tapeless.runtime.arrays import Caller
    from tapeless.runtime.signature import Operand, Result

_MODULE: Final = "tapeless_ufunc"
_ATTRIBUTES: Final = {"forward": "ufunc", "grad": "grad_ufunc"}
"""Kind of kernel -> the attribute of a Function that holds its ufunc."""
_MOST_OPERANDS: Final = 32 if np.lib.NumpyVersion(np.__version__) < "2.0.0" else 64
"""NumPy's limit on inputs and outputs together."""

# The extension, once it is loaded: filled in one step, so that threads need no lock.
_loaded: dict[str, Any] = {}


def forward_ufunc(function: Function) -> np.ufunc:
    """Return `function` as a ufunc; see `Function.ufunc`."""
    return _make(function, "forward")


def grad_ufunc(function: Function) -> np.ufunc:
    """Return the derivatives of `function` at each point as a ufunc; see `Function.grad_ufunc`."""
    return _make(function, "grad")


def _make(function: Function, kind: str) -> np.ufunc:
    caller = function._caller(kind, None)
    signature = caller.signature
    parts: list[Operand | Result] = [*signature.operands, *signature.results]
    shapes = tuple(part.shape for part in parts)
    inputs, outputs = len(signature.operands), len(signature.results)
    if inputs + outputs > _MOST_OPERANDS:
        raise ArgumentError(
            f"a ufunc of this NumPy has at most {_MOST_OPERANDS} inputs and outputs, and {_ATTRIBUTES[kind]} of "
            f"{function.name} would have {inputs} and {outputs}; give the function inputs with a shape, as in "
            "f(x[10]) = ..., or call it itself"
        )
    texts = (
        _name(function.name if kind == "forward" else f"{function.name}_grad"),
        _doc(function, kind),
        _core_signature(caller) if any(shapes) else "",
    )
    make: Callable[..., np.ufunc] = _extension(function.options).make
    return make(
        (function, kind),
        tuple(text.encode() for text in texts),
        shapes,
        inputs,
        tuple((types, own) for types, own in _loops(caller)),
        tuple(native(caller, function.options)),
    )


def _loops(caller: Caller) -> list[tuple[str, str]]:
    """Return the types of each loop, with that of its kernel.

    The kernel computes in its own dtype, whatever comes in. A kernel in double serves float32 as well, for a result
    in float32 loses nothing by having been computed in double. A kernel in float says what it is: its results are
    float32 also where the inputs are not.
    """
    inputs, outputs = len(caller.signature.operands), len(caller.signature.results)
    if caller.signature.dtype == "float64":
        return [("f" * (inputs + outputs), "d"), ("d" * (inputs + outputs), "d")]
    return [("f" * (inputs + outputs), "f"), ("d" * inputs + "f" * outputs, "f")]


def _name(name: str) -> str:
    """Return a name that no library takes for one of NumPy's ufuncs: pandas and dask go by names."""
    return f"{name}_" if isinstance(getattr(np, name, None), np.ufunc) or hasattr(operator, name) else name


def _doc(function: Function, kind: str) -> str:
    what = f"{function.name}({', '.join(function.input_names)})"
    if kind == "grad":
        what = f"the derivatives of {what} by {', '.join(function.wrt)} at each point"
    return f"{what}, computed in {function.dtype} by a kernel that tapeless compiled."


def _core_signature(caller: Caller) -> str:
    def shapes(parts: Any) -> str:
        return ",".join(f"({','.join(map(str, part.shape))})" for part in parts)

    return f"{shapes(caller.signature.operands)}->{shapes(caller.signature.results)}"


def _extension(options: Options) -> Any:
    """Return the extension module, loaded, found or built."""
    found = _loaded.get(_MODULE)
    if found is None:
        source = text_beside(__file__, "tapeless.bridges", "ufunc.c")
        library = build_against(
            (*python_headers(), *numpy_headers()),
            f"/* for {python_abi()}, NumPy {np.__version__} */\n{source}",
            stem="ufunc",
            compiler=warm.compiler(options.cc),
            cache=warm.cache(options.cache),
        )
        found = _loaded.setdefault(_MODULE, load_extension(_MODULE, library))
    return found


# ---- pickles
#
# NumPy pickles a ufunc as a name to import. One of ours is pickled as its Function and which of its ufuncs it is: the
# process that reads it finds the kernel in the cache, or compiles it.


def _restore(function: Function, kind: str) -> np.ufunc:
    return getattr(function, _ATTRIBUTES[kind])  # type: ignore[no-any-return]


_numpys_reduce = copyreg.dispatch_table[np.ufunc]


def _reduce(ufunc: np.ufunc) -> Any:
    extension = _loaded.get(_MODULE)
    origin = extension.origin_of(ufunc) if extension is not None else None
    return _numpys_reduce(ufunc) if origin is None else (_restore, origin)


copyreg.pickle(np.ufunc, _reduce)
