"""NumPy through sympy's lambdify with cse: the formulas that tapeless derived, written out for NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from tapeless.bench.peers.registry import Array, Call, Problem
from tapeless.errors import UnsupportedError
from tapeless.targets.formulas import formulas, symbols_of


class Lambdified:
    """See `Prepared`."""

    reuses = False

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._functions: dict[str, Any] = {}

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        function = self._functions.get(what)
        if function is None:
            function = self._functions[what] = self._make(what)
        arguments = (*lanes, *cotangents)
        return lambda: function(*arguments)

    def _make(self, what: str) -> Any:
        import sympy

        program = self._problem.derived(what)
        symbols = [symbol for item in program.inputs for symbol in symbols_of(item)]
        expressions: list[Any] = []
        for value in formulas(program).values():
            expressions += list(sympy.flatten(value.tolist())) if hasattr(value, "tolist") else [value]
        expressions = [_with_numbers(expression) for expression in expressions]
        modules = ["scipy", "numpy"] if find_spec("scipy") else ["numpy"]
        try:
            function = sympy.lambdify(symbols, expressions, modules=modules, cse=True, dummify=True)
            with np.errstate(all="ignore"):
                function(*[np.ones(2, self._problem.dtype)] * len(symbols))
        except Exception as error:
            hint = "" if find_spec("scipy") else " (scipy would bring special functions)"
            raise UnsupportedError(f"lambdify: {type(error).__name__}: {error}{hint}") from None
        return function


def _with_numbers(expression: Any) -> Any:
    """Return an expression whose constants are floats.

    As `sqrt(2)` in the code a constant would be computed at each call, and be a double that makes doubles of all
    the float32 it meets.
    """
    import sympy

    found: dict[Any, Any] = {}
    parts: Any = sympy.preorder_traversal(expression)
    for part in parts:
        if getattr(part, "is_number", False):
            if part.is_finite and not part.is_Rational:
                found[part] = sympy.Float(float(part), 17)
            parts.skip()
    return expression.xreplace(found)
