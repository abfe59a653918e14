"""What is compared: each way to a derivative, from the same Python code of the model to numbers.

A rival is a function (model, kind, batch) -> Prepared, in which it notes how long its steps took. Kinds:
`value_and_grad` (of the results in a weighted sum, where a model has several), `jacobian`, `hessian`, all dense.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models import Model


class Prepared(NamedTuple):
    """A derivative ready to run.

    Attributes
    ----------
    operations
        Operations per point; None where the program cannot be seen.
    build
        Seconds from the Python code to the derivative's program.
    compile
        Seconds from there to the first numbers; None where nothing runs.
    one, many
        Evaluate at one point, and at the whole batch; None where it does not run.
    result
        The last results at the first point, flat, to compare.
    """

    operations: int | None
    build: float
    compile: float | None = None
    one: Callable[[], Any] | None = None
    many: Callable[[], Any] | None = None
    result: Callable[[], Any] | None = None


def suited(model: Model, kind: str) -> Model:
    """Return the model with one result where the kind needs that."""
    return model if kind == "jacobian" else model.scalar()


def tapeless(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    import tapeless as tl
    from tapeless.api import read
    from tapeless.kinds import derive
    from tapeless.targets.c.counts import op_counts
    from tapeless.targets.c.lower import lower

    model = suited(model, kind)
    shapes = {"x": (model.size,)}
    start = time.perf_counter()
    derived = derive(read(model.traceable(tl), inputs=shapes), kind, None)
    build = time.perf_counter() - start
    operations = op_counts(lower(derived, kind, "float64"))["total"]
    function = tl.compile(model.traceable(tl), inputs=shapes, threads=1)
    call = getattr(function, kind)
    point = batch[0].copy()
    start = time.perf_counter()
    call(point)
    # The first call derives as well, which `build` has told.
    compiled = max(time.perf_counter() - start - build, 0.0)

    def result() -> Any:
        found = call(point)
        return found[1][0] if kind == "value_and_grad" else found

    return Prepared(operations, build, compiled, lambda: call(point), lambda: call(batch), result)


def _casadi_buffers(function: Any, points: np.ndarray) -> tuple[Callable[[], None], list[np.ndarray]]:
    """Return an evaluation without conversions, CasADi's fast path, and where its results go."""
    outs = [np.zeros(max(function.nnz_out(k), 1)) for k in range(function.n_out())]
    buffer, run = function.buffer()
    points = np.ascontiguousarray(points)
    buffer.set_arg(0, memoryview(points.reshape(-1)))
    for k, out in enumerate(outs):
        buffer.set_res(k, memoryview(out))
    keep = (buffer, points, outs, function)

    def evaluate(run: Any = run, keep: Any = keep) -> None:
        run()

    return evaluate, outs


def _casadi_program(model: Model, kind: str) -> tuple[Any, int, float]:
    import casadi

    import peers

    start = time.perf_counter()
    inputs, outputs = peers.expressions(suited(model, kind), kind)
    function = casadi.Function("f", inputs, [casadi.densify(out) for out in casadi.cse(outputs)])
    build = time.perf_counter() - start
    return function, peers.operations(function), build


def _casadi_ready(
    function: Any, operations: int, build: float, compiled: float, batch: np.ndarray
) -> Prepared:
    one, outs = _casadi_buffers(function, batch[0])
    many, _ = _casadi_buffers(function.map(len(batch)), batch)
    columns = function.size1_out(function.n_out() - 1)

    def result() -> Any:
        one()
        return outs[-1].reshape(-1, columns).T

    start = time.perf_counter()
    one()
    return Prepared(operations, build, compiled + time.perf_counter() - start, one, many, result)


def casadi(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    """CasADi's own virtual machine, `map` for a batch."""
    return _casadi_ready(*_casadi_program(model, kind), 0.0, batch)


def casadi_c(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    """CasADi's generated C through the system's compiler, `map` for a batch."""
    import casadi

    function, operations, build = _casadi_program(model, kind)
    folder = Path(tempfile.mkdtemp(prefix="derivatives-"))
    start = time.perf_counter()
    generator = casadi.CodeGenerator("f.c")
    generator.add(function)
    generator.generate(f"{folder}/")
    library = folder / "f.so"
    command = ["cc", "-O2", "-march=native", "-fPIC", "-shared", "-o", library, folder / "f.c", "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    loaded = casadi.external("f", str(library))
    compiled = time.perf_counter() - start
    return _casadi_ready(loaded, operations, build, compiled, batch)


def jax(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    """JAX, jit for a point and jit of vmap for a batch.

    Each is the fastest of all formulations: the scalar code that all start from and, where there is one, the model
    in whole arrays; forward and reverse mode.
    """
    import jax as library

    library.config.update("jax_enable_x64", True)
    numbers = library.numpy
    single = suited(model, kind)

    def scalars(x: Any) -> Any:
        results = single.function(list(x), numbers)
        return numbers.stack(results) if kind == "jacobian" else results[0]

    def arrays(x: Any) -> Any:
        return single.arrays(x, numbers)

    modes = {
        "value_and_grad": [library.value_and_grad],
        "jacobian": [library.jacrev, library.jacfwd],
        "hessian": [library.hessian, lambda f: library.jacrev(library.jacrev(f))],
    }[kind]
    point, points = numbers.asarray(batch[0]), numbers.asarray(batch)
    ways = [mode(value) for value in ([scalars, arrays] if single.arrays else [scalars]) for mode in modes]
    one = min((_jax_compiled(way, point) for way in ways), key=lambda found: found.each)
    many = min((_jax_compiled(library.vmap(way), points) for way in ways), key=lambda found: found.each)

    def result() -> Any:
        found = one.call()
        return np.asarray(found[1] if kind == "value_and_grad" else found)

    return Prepared(None, one.build, one.compile, one.call, many.call, result)


class _JaxCompiled(NamedTuple):
    """A formulation in JAX, ready to run, with seconds to build, to compile and for each call."""

    build: float
    compile: float
    each: float
    call: Callable[[], Any]


def _jax_compiled(way: Callable[[Any], Any], argument: Any) -> _JaxCompiled:
    import jax as library

    start = time.perf_counter()
    lowered = library.jit(way).lower(argument)
    build = time.perf_counter() - start
    start = time.perf_counter()
    function = lowered.compile()
    library.block_until_ready(function(argument))
    compiled = time.perf_counter() - start

    def call() -> Any:
        return library.block_until_ready(function(argument))

    repeats = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        repeats.append(time.perf_counter() - start)
    return _JaxCompiled(build, compiled, min(repeats), call)


def _tree_operations(assignments: Any) -> int:
    """Count operations in sympy or symengine: a power or a call 1, x**-1 in a product a division."""
    total, pending = 0, list(assignments)
    while pending:
        expression = pending.pop()
        args = list(expression.args)
        if not args:
            continue
        name = type(expression).__name__
        if name in ("Add", "Mul"):
            # A factor -1 is a subtraction in the sum around it.
            total += len(args) - 1 - (name == "Mul" and args[0] == -1)
            total -= min(sum(map(_inverse, args)), len(args) - 1) if name == "Mul" else 0
        elif not (name in ("Rational", "Half") or expression.is_Number):
            total += 1
        pending.extend(args)
    return total


def _inverse(expression: Any) -> bool:
    return type(expression).__name__ == "Pow" and expression.args[1] == -1


def _algebra(model: Model, kind: str, m: Any) -> Prepared:
    single = suited(model, kind)
    start = time.perf_counter()
    x = [m.Symbol(f"x{k}") for k in range(model.size)]
    values = single.function(x, m)
    if kind == "jacobian":
        outputs = [value.diff(by) for value in values for by in x]
    elif kind == "value_and_grad":
        outputs = [values[0], *(values[0].diff(by) for by in x)]
    else:
        first = [values[0].diff(by) for by in x]
        outputs = [row.diff(by) for k, row in enumerate(first) for by in x[k:]]
    shared, reduced = m.cse(outputs)
    build = time.perf_counter() - start
    return Prepared(_tree_operations([*(right for _, right in shared), *reduced]), build)


def symforce(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    """SymForce's symbolic core: `diff` by each input, then `cse`; one triangle of a Hessian."""
    import symforce

    symforce.set_epsilon_to_number(0.0)
    import symforce.symbolic as m

    return _algebra(model, kind, m.sympy)


def sympy(model: Model, kind: str, batch: np.ndarray) -> Prepared:
    """sympy: `diff` by each input, then `cse`; one triangle of a Hessian."""
    import sympy as m

    return _algebra(model, kind, m)


RIVALS: dict[str, Callable[[Model, str, np.ndarray], Prepared]] = {
    "tapeless": tapeless,
    "CasADi": casadi,
    "CasADi C": casadi_c,
    "JAX": jax,
    "SymForce": symforce,
    "sympy": sympy,
}
"""All by name, tapeless first: the others are divided by it."""
