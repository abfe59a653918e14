"""What kernels.py times beside tapeless: the peers of `tapeless bench`, two of them in a better form of their own."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from kernel_formulas import Kernel

from tapeless.bench.peers.registry import PEERS, Array, Call, Prepared, Problem
from tapeless.bench.peers.torch import Eager

RIVALS = ("numpy", "numexpr", "numba", "jax", "torch", "torch.compile", "heyoka")
AUTOMATIC = ("jax", "torch.compile", "heyoka")
"""Those that derive the gradient and compile the whole."""

PACKAGES = ("numpy", "sympy", "scipy", "numexpr", "numba", "jax", "torch", "heyoka")


def prepare(name: str, kernel: Kernel, problem: Problem) -> Prepared:
    """Prepare a rival."""
    if name == "numba":
        return ByHand(kernel, problem)
    if name == "torch" and kernel.torch:
        return Native(kernel, problem)
    return PEERS[name].prepare(problem)


class Native(Eager):
    """Eager PyTorch with the function that it has for this very formula."""

    def __init__(self, kernel: Kernel, problem: Problem) -> None:
        super().__init__(problem)
        function = getattr(self._torch.nn.functional, kernel.torch)
        self._values = lambda x: (function(x),)


class ByHand:
    """numba: a loop around the function by hand, without fastmath, over arrays that are used again."""

    reuses = True

    def __init__(self, kernel: Kernel, problem: Problem) -> None:
        self._library: Any = import_module("numba")
        self._problem = problem
        self._outputs = len(problem.program.roots)
        self._inputs = problem.program.lanes
        point = typed(kernel.by_hand, np.dtype(problem.dtype).type)
        self._point = self._library.njit(fastmath=False, error_model="numpy", inline="always")(point)
        self._loops: dict[str, Any] = {}

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        loop = self._loops.get(what)
        if loop is None:
            loop = self._loops[what] = self._loop(what)
        count = {"forward": self._outputs, "backward": self._inputs}.get(what, self._outputs + self._inputs)
        outs = [np.empty_like(lanes[0]) for _ in range(count)]
        arguments = (*lanes, *cotangents, *outs)

        def call() -> list[Array]:
            loop(*arguments)
            return outs

        return call

    def _loop(self, what: str) -> Any:
        """Return the loop; what it does not store, LLVM does not compute."""
        problem, inputs, outputs = self._problem, self._inputs, self._outputs
        parallel = problem.threads > 1
        taken = [f"a{k}" for k in range(inputs)]
        bars = [f"g{k}" for k in range(outputs)] if problem.takes_cotangents(what) else []
        first, last = (
            (0 if what != "backward" else outputs),
            (outputs if what == "forward" else outputs + inputs),
        )
        stored = [f"r{k}" for k in range(first, last)]
        point = ", ".join([*(f"{name}[i]" for name in (*taken, *bars)), *(["one"] * (outputs - len(bars)))])
        lines = [
            f"def loop({', '.join((*taken, *bars, *stored))}):",
            f"    for i in {'prange' if parallel else 'range'}(len({stored[0]})):",
            f"        found = point({point})",
            *(f"        {name}[i] = found[{name[1:]}]" for name in stored),
        ]
        scope = {
            "point": self._point,
            "prange": self._library.prange,
            "one": np.dtype(problem.dtype).type(1),
        }
        exec("\n".join(lines), scope)
        decorate = self._library.njit(fastmath=False, error_model="numpy", nogil=True, parallel=parallel)
        return decorate(scope["loop"])


def typed(function: Callable[..., Any], scalar: type) -> Callable[..., Any]:
    """Return the function with every constant in it of a type.

    numba takes a literal for a double or a long, and what meets it becomes a double.
    """
    scope = dict(function.__globals__)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))

    class Typer(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            if isinstance(node.value, (int, float)):
                name = f"constant_{len(scope)}"
                scope[name] = scalar(node.value)
                return ast.copy_location(ast.Name(name, ast.Load()), node)
            return node

        def visit_Name(self, node: ast.Name) -> ast.AST:
            return (
                self.visit_Constant(ast.Constant(value))
                if type(value := scope.get(node.id)) is float
                else node
            )

    changed = ast.fix_missing_locations(Typer().visit(tree))
    exec(compile(changed, f"<{function.__name__}, typed>", "exec"), scope)
    return scope[function.__name__]
