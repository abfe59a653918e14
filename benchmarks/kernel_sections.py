"""The special sections of kernels.py, each in a process of its own; prints a JSON line for each row of its table."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

from cells import say, settle

Row = dict[str, Any]


def row(**values: Any) -> None:
    say(event="row", rival="", **values)


# ---- allocation and memory


def allocation(seconds: float, sizes: list[int]) -> None:
    """Calls that make new arrays beside calls that write into given ones, aligned and as NumPy makes them."""
    import numpy as np

    from tapeless.bench.measure import Way, by_turns, clock_for

    for name in ("line", "gelu", "lennard_jones", "black_scholes"):
        function, problem, points = _function(name)
        for size in sizes or (10_000, 1_000_000, 10_000_000):
            batch = points.batch(size)
            for what in ("forward", "fused"):
                ways, _ = _ours(function, problem, what, batch)
                method = getattr(function, problem.kind(what))
                plain = _empty_like(np, method(*batch.primals))
                method(*batch.primals, out=plain)
                ways["out= of NumPy"] = Way(lambda m=method, b=batch, p=plain: m(*b.primals, out=p))
                times = by_turns(ways, seconds=seconds, clock=clock_for(1))
                new, aligned, given = (times[key].median / size * 1e9 for key in ways)
                row(formula=name, what=what, size=size, new=new, aligned=aligned, plain=given)


def memory(seconds: float, sizes: list[int]) -> None:
    """Cheap functions beside the triads, over the bytes that they must move."""
    from kernel_formulas import KERNELS

    from tapeless.bench.measure import by_turns, clock_for
    from tapeless.bench.stream import load_stream

    stream = load_stream()
    for name in [kernel.name for kernel in KERNELS.values() if kernel.cheap]:
        function, problem, points = _function(name)
        for size in sizes or (1_000_000, 10_000_000):
            batch = points.batch(size)
            for what in ("forward", "fused"):
                moved = _bytes(problem, what)
                ways, _ = _ours(function, problem, what, batch)
                measures = stream.ways(moved * size, 1)
                triads = {key: way for key, way in measures.items() if key.startswith("triad")}
                times = by_turns({**ways, **triads}, seconds=seconds, clock=clock_for(1))
                limits = {key: moved * size / times[key].median for key in triads}  # bytes per second
                fastest = limits.get("triad, non-temporal", limits["triad"])
                row(
                    formula=name,
                    what=what,
                    size=size,
                    bytes=moved,
                    gigabytes=moved * size / times["tapeless"].median / 1e9,
                    triad=limits["triad"] / 1e9,
                    nontemporal=fastest / 1e9,
                    new=times["tapeless"].median * fastest / (moved * size),
                    given=times["tapeless out="].median * fastest / (moved * size),
                )


# ---- calls


def calls(seconds: float, _sizes: list[int]) -> None:
    """The cost of calling at a hundred elements, over one addition of NumPy of the same size."""
    import numpy as np

    import tapeless
    from tapeless.bench.measure import Way, by_turns, clock_for

    size = 100
    source = np.random.default_rng(0)
    w, x, b, g = (source.uniform(0.5, 2, size) for _ in range(4))
    line = tapeless.compile("line(w, x, b) = w*x + b", threads=1)
    out, grads = np.empty(size), tuple(np.empty(size) for _ in range(3))
    ways: dict[str, dict[str, Any]] = {
        "3 in, 1 out": {
            "np.add": lambda: np.add(w, x),
            "tapeless": lambda: line(w, x, b),
            "tapeless out=": lambda: line(w, x, b, out=out),
            "numpy": lambda: w * x + b,
        },
        "4 in, 4 out, fused": {
            "np.add": lambda: np.add(w, x),
            "tapeless": lambda: line.forward_backward(g, w, x, b),
            "tapeless out=": lambda: line.forward_backward(g, w, x, b, out=(out, grads)),
            "numpy": lambda: (w * x + b, g * x, g * w, g.copy()),
        },
    }
    for add in (_numba_calls, _torch_calls, _jax_calls):
        try:
            for what, more in add(w, x, b, g).items():
                ways[what] |= more
        except ImportError as error:
            say(event="note", rival="", text=f"calls: {error}")
    for what, candidates in ways.items():
        for call in candidates.values():
            call()
            call()
        times = by_turns(
            {name: Way(call) for name, call in candidates.items()}, seconds=5 * seconds, clock=clock_for(1)
        )
        base = times["np.add"].median
        for name, timing in times.items():
            row(what=what, way=name, nanoseconds=timing.median * 1e9, over=timing.median / base)


def _numba_calls(*arrays: Any) -> dict[str, dict[str, Any]]:
    import numpy as np
    from numba import njit

    w, x, b, g = arrays

    @njit
    def into(w, x, b, out):
        for i in range(len(out)):
            out[i] = w[i] * x[i] + b[i]

    @njit
    def new(w, x, b):
        out = np.empty_like(w)
        for i in range(len(out)):
            out[i] = w[i] * x[i] + b[i]
        return out

    @njit
    def fused(g, w, x, b):
        out, gw, gx, gb = np.empty_like(w), np.empty_like(w), np.empty_like(w), np.empty_like(w)
        for i in range(len(out)):
            out[i] = w[i] * x[i] + b[i]
            gw[i] = g[i] * x[i]
            gx[i] = g[i] * w[i]
            gb[i] = g[i]
        return out, gw, gx, gb

    out = np.empty_like(w)
    return {
        "3 in, 1 out": {"numba": lambda: new(w, x, b), "numba out=": lambda: into(w, x, b, out)},
        "4 in, 4 out, fused": {"numba": lambda: fused(g, w, x, b)},
    }


def _torch_calls(*arrays: Any) -> dict[str, dict[str, Any]]:
    import torch

    torch.set_num_threads(1)
    w, x, b, g = map(torch.from_numpy, arrays)
    tracked = [tensor.clone().requires_grad_() for tensor in (w, x, b)]

    def formula(w, x, b):
        return w * x + b

    def eager():
        value = formula(*tracked)
        return value, torch.autograd.grad(value, tracked, g)

    def both(w, x, b, g):
        value, pull = torch.func.vjp(formula, w, x, b)
        return value, pull(g)

    compiled, fused = torch.compile(formula), torch.compile(both)
    return {
        "3 in, 1 out": {"torch": lambda: formula(w, x, b), "torch.compile": lambda: compiled(w, x, b)},
        "4 in, 4 out, fused": {"torch": eager, "torch.compile": lambda: fused(w, x, b, g)},
    }


def _jax_calls(*arrays: Any) -> dict[str, dict[str, Any]]:
    import jax

    jax.config.update("jax_enable_x64", True)
    w, x, b, g = map(jax.numpy.asarray, arrays)

    def formula(w, x, b):
        return w * x + b

    @jax.jit
    def both(w, x, b, g):
        value, pull = jax.vjp(formula, w, x, b)
        return value, pull(g)

    compiled = jax.jit(formula)
    ready = jax.block_until_ready
    return {
        "3 in, 1 out": {"jax": lambda: ready(compiled(w, x, b))},
        "4 in, 4 out, fused": {"jax": lambda: ready(both(w, x, b, g))},
    }


# ---- threads


def threads(seconds: float, sizes: list[int]) -> None:
    """Two threads beside one, while the second core is idle, and while another process keeps it busy."""
    for name in ("gelu", "damped", "black_scholes"):
        one, problem, points = _function(name, threads=1)
        two, _, _ = _function(name, threads=2)
        for size in sizes or (10_000, 100_000, 1_000_000):
            batch = points.batch(size)
            ways = {
                count: _ours(function, problem, "fused", batch)[0]["tapeless"].call
                for count, function in ((1, one), (2, two))
            }
            idle = _alternate(ways, seconds)
            with _Busy():
                busy = _alternate(ways, seconds)
            row(
                formula=name,
                size=size,
                serial=idle[1].median * 1e6,
                faster=idle[1].median / idle[2].median,
                faster_busy=busy[1].median / busy[2].median,
                p90_busy=busy[2].p90 / busy[1].p90,
                p90_over_idle=busy[2].p90 / idle[1].median,
            )


def _alternate(ways: dict[int, Any], seconds: float) -> dict[int, Any]:
    """Time single calls in turn, for their distribution is what matters."""
    from tapeless.bench.measure import FEWEST, Timing

    samples: dict[int, list[float]] = {count: [] for count in ways}
    end = time.perf_counter() + 3 * seconds
    for call in ways.values():
        call()
    while time.perf_counter() < end or len(samples[1]) < FEWEST:
        for count, call in ways.items():
            start = time.perf_counter()
            call()
            samples[count].append(time.perf_counter() - start)
    return {count: Timing.of(found) for count, found in samples.items()}


class _Busy:
    """A process that keeps one core busy, the first of those that this one may use."""

    def __enter__(self) -> None:
        code = (
            "import os, sys\n"
            "if hasattr(os, 'sched_setaffinity'):\n"
            "    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
            "print('busy', flush=True)\n"
            "while os.getppid() == int(sys.argv[1]): sum(range(10000))\n"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(os.getpid())], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        time.sleep(0.2)

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


# ---- build


def build(seconds: float, _sizes: list[int]) -> None:
    """Processor time of the C compiler, and of a warm start in a new process."""
    import kernel_formulas

    import tapeless
    from tapeless.runtime.build import build as compile_c
    from tapeless.runtime.compiler import find_compiler

    compiler = find_compiler()
    rounds = max(2, round(10 * seconds))
    for name in ("line", "gelu", "black_scholes"):
        text = kernel_formulas.KERNELS[name].text
        source = tapeless.compile(text).source
        header = tapeless.compile(text).header
        spent = []
        for turn in range(rounds):
            start = _of_children()
            compile_c(
                source + f"/* {turn} */\n", headers={f"{name}.h": header}, compiler=compiler, cache=None
            )
            spent.append(_of_children() - start)
        row(what=f"C compiler, {name}", milliseconds=median(spent) * 1e3)
    starts: dict[str, list[float]] = {code: [] for code in _STARTS}
    for code in _STARTS.values():
        _start(code)  # fills the cache, and that of the file system
    for _ in range(rounds):
        for name, code in _STARTS.items():
            starts[name].append(_start(code))
    base = median(starts["import numpy"])
    row(what="import numpy", milliseconds=base * 1e3)
    for name in list(_STARTS)[1:]:
        row(what=f"{name}, above import numpy", milliseconds=(median(starts[name]) - base) * 1e3)


_STARTS = {
    "import numpy": "import numpy",
    "import tapeless": "import numpy, tapeless",
    "compile and call of a known formula": (
        "import numpy, tapeless\nf = tapeless.compile('w*x + b')\nassert f(2.0, 5.0, 1.0) == 11.0"
    ),
    "compile, call and gradient of a known formula": (
        "import numpy, tapeless\nf = tapeless.compile('w*x + b')\nassert f(2.0, 5.0, 1.0) == 11.0\n"
        "assert f.backward(1.0, 2.0, 5.0, 1.0)[0] == 5.0"
    ),
}


def _start(code: str) -> float:
    # As installed packages are: with bytecode on disk, of which the first start writes what is missing.
    bytecode = {
        "PYTHONPYCACHEPREFIX": os.path.join(os.environ["TAPELESS_CACHE_DIR"], "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    one_thread = {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }  # numpy's would count as processor time
    start = _of_children()
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tempfile.gettempdir(),
        env={**os.environ, **bytecode, **one_thread},
    )
    return _of_children() - start


def _of_children() -> float:
    """Return the processor time of all child processes that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


# ---- what they share


def _function(name: str, threads: int = 1) -> tuple[Any, Any, Any]:
    from kernel_formulas import KERNELS

    import tapeless
    from tapeless.bench.peers.registry import Problem
    from tapeless.bench.points import find_points

    kernel = KERNELS[name]
    function = tapeless.compile(kernel.text, threads=threads)
    problem = Problem(function.program, function.wrt, "float64", threads)
    return function, problem, find_points(function, kernel.ranges, 0)


def _ours(function: Any, problem: Any, what: str, batch: Any) -> tuple[dict[str, Any], Any]:
    from tapeless.bench.points import cotangents_of
    from tapeless.bench.session import ours

    given = cotangents_of(function, len(batch.lanes[0]), 0) if problem.takes_cotangents(what) else ()
    return ours(function, problem, what, batch, given)


def _bytes(problem: Any, what: str) -> int:
    program = problem.derived(what)
    reads = sum(program.graph.ops[node] == "input" for node in program.graph.reachable(program.roots))
    return 8 * (reads + len(program.roots))


def _empty_like(numpy: Any, results: Any) -> Any:
    if isinstance(results, tuple):
        return tuple(_empty_like(numpy, part) for part in results)
    return numpy.empty_like(results)


SECTIONS = {
    "allocation": (allocation, 1),
    "memory": (memory, 1),
    "calls": (calls, 1),
    "threads": (threads, 2),
    "build": (build, 1),
}
"""Name -> function, and cores it may use."""


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    section, cores = SECTIONS[job["section"]]
    settle(cores)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="kernels-cache-") as cache:
        os.environ["TAPELESS_CACHE_DIR"] = str(Path(cache))
        section(job["seconds"], job["sizes"])
