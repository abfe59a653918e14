"""The ways to a value and a gradient that accuracy.py compares: from a function to a call on columns of points.

A way is a function: tapeless.Function -> (columns -> values of all outputs, then the slopes of their sum).
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tapeless.bench.peers.registry import PEERS, Problem

Columns = Sequence[np.ndarray]
Run = Callable[[Columns], list[Any]]


def _ours(function: Any) -> Run:
    def run(columns: Columns) -> list[Any]:
        ones = (1.0,) * len(function.program.outputs)
        if len(ones) == 1:
            value, slopes = function.value_and_grad(*columns)
            return [value, *slopes]
        values, slopes = function.forward_backward(ones, *columns)
        return [*values, *slopes]

    return run


def _peer(name: str) -> Callable[[Any], Run]:
    def way(function: Any) -> Run:
        prepared = PEERS[name].prepare(Problem(function.program, function.input_names, "float64"))

        def run(columns: Columns) -> list[Any]:
            lanes = [np.ascontiguousarray(column) for column in columns]
            bars = [np.ones_like(lanes[0])] * len(function.program.roots)
            results = prepared.bind("fused", lanes, bars)()
            return [np.asarray(y.detach() if hasattr(y, "detach") else y) for y in results]

        return run

    return way


def _sympy_c(function: Any) -> Run:
    """sympy's diff of each output, and its C printer; no common subexpressions, as a user would write it."""
    import sympy

    formulas = list(function.formulas.values())
    symbols = [sympy.Symbol(name, real=True) for name in function.input_names]
    total = sympy.Add(*formulas, evaluate=False) if len(formulas) > 1 else formulas[0]
    outputs = [*formulas, *(sympy.diff(total, symbol) for symbol in symbols)]
    names = {symbol: sympy.Symbol(f"v{k}", real=True) for k, symbol in enumerate(symbols)}
    texts = [sympy.ccode(expression.xreplace(names)) for expression in outputs]
    if any("Derivative" in text or "Not supported" in text for text in texts):
        raise NotImplementedError("no C for a derivative")
    loads = "".join(f"const double v{k} = in[{k}];" for k in range(len(symbols)))
    stores = "".join(f"out[{k}] = {text};" for k, text in enumerate(texts))
    source = f"#include <math.h>\nvoid f(const double *in, double *out) {{ {loads} {stores} }}\n"
    folder = Path(tempfile.mkdtemp(prefix="accuracy-"))
    (folder / "f.c").write_text(source, encoding="utf-8")
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "f.c", "-o", "f.so", "-lm"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    kernel = ctypes.CDLL(str(folder / "f.so")).f

    def run(columns: Columns) -> list[Any]:
        rows = np.ascontiguousarray(np.column_stack(columns), float)
        results = np.empty((len(rows), len(outputs)))
        for point, result in zip(rows, results, strict=True):
            kernel(ctypes.c_void_p(point.ctypes.data), ctypes.c_void_p(result.ctypes.data))
        return list(results.T)

    return run


WAYS: dict[str, Callable[[Any], Run]] = {
    "tapeless": _ours,
    "JAX": _peer("jax"),
    "PyTorch": _peer("torch"),
    "sympy C": _sympy_c,
}
"""All by name, ours first."""


def hessians(name: str, function: Any, point: Sequence[float]) -> np.ndarray:
    """Return the second derivatives of a way at a point, shape (inputs, inputs)."""
    if name == "tapeless":
        return np.asarray(function.hessian(*point))
    if name == "sympy C":
        return _sympy_hessian(function, point)
    problem = Problem(function.program, function.input_names, "float64")
    if name == "JAX":
        import jax

        formula = PEERS["jax"].prepare(problem)._formula  # type: ignore[attr-defined]
        x = jax.numpy.asarray(np.array(point))
        return np.asarray(jax.hessian(lambda v: jax.numpy.asarray(formula(*v)[0], float))(x))
    import torch

    values = PEERS["torch"].prepare(problem)._values  # type: ignore[attr-defined]
    x = torch.tensor(point, dtype=torch.float64)
    return torch.autograd.functional.hessian(lambda v: values(*(u[None] for u in v))[0].sum(), x).numpy()


def _sympy_hessian(function: Any, point: Sequence[float]) -> np.ndarray:
    import sympy

    [formula] = function.formulas.values()
    symbols = [sympy.Symbol(name, real=True) for name in function.input_names]
    rows = []
    for symbol in symbols:
        slope = sympy.diff(formula, symbol)
        rows.append([_Formula(sympy.diff(slope, other), symbols)(point) for other in symbols])
    return np.array(rows)


class _Formula:
    """One expression through sympy's C printer."""

    def __init__(self, expression: Any, symbols: Sequence[Any]) -> None:
        import sympy

        text = sympy.ccode(
            expression.xreplace({s: sympy.Symbol(f"v{k}", real=True) for k, s in enumerate(symbols)})
        )
        if "Derivative" in text or "Not supported" in text:
            raise NotImplementedError("no C for a derivative")
        loads = "".join(f"const double v{k} = in[{k}];" for k in range(len(symbols)))
        folder = Path(tempfile.mkdtemp(prefix="accuracy-"))
        source = f"#include <math.h>\ndouble f(const double *in) {{ {loads} return {text}; }}\n"
        (folder / "f.c").write_text(source, encoding="utf-8")
        command = ["cc", "-O1", "-shared", "-fPIC", "f.c", "-o", "f.so", "-lm"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        self._kernel = ctypes.CDLL(str(folder / "f.so")).f
        self._kernel.restype = ctypes.c_double

    def __call__(self, point: Sequence[float]) -> float:
        values = np.array(point, float)
        return float(self._kernel(ctypes.c_void_p(values.ctypes.data)))
