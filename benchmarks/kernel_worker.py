"""One cell of kernels.py in a process of its own: a formula in a dtype with so many threads, over sizes and kinds.

At each size the rivals are prepared one after the other, compared with tapeless, and timed by turns with it and with
the bandwidth of memory. Speaks JSON lines.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from typing import Any

from cells import say, settle


def main(
    *,
    kernel: str,
    dtype: str,
    threads: int,
    sizes: list[int],
    moved: dict[str, int],
    names: list[str],
    seconds: float,
) -> None:
    import kernel_ways
    from kernel_formulas import KERNELS

    import tapeless
    from tapeless.bench.compare import difference
    from tapeless.bench.measure import Way, by_turns, clock_for
    from tapeless.bench.peers.registry import Problem
    from tapeless.bench.points import cotangents_of, find_points, lanes_of
    from tapeless.bench.session import ours
    from tapeless.bench.stream import load_stream
    from tapeless.errors import UnsupportedError

    row = KERNELS[kernel]
    say(event="start", rival="tapeless")
    function = tapeless.compile(row.text, dtype=dtype, threads=threads)
    problem = Problem(function.program, function.wrt, dtype, threads)
    points = find_points(function, row.ranges, 0)
    stream = load_stream()
    ready: dict[str, Any] = {}
    for name in names:
        say(event="start", rival=name)
        start = time.perf_counter()
        try:
            ready[name] = kernel_ways.prepare(name, row, problem)
        except (ImportError, UnsupportedError) as error:
            say(event="note", rival=name, text=str(error))
            continue
        say(event="prepared", rival=name, seconds=time.perf_counter() - start)
    refused: set[tuple[str, str]] = set()
    for size in sizes:
        batch = points.batch(size)
        cotangents = cotangents_of(function, size, 0)
        for what, each in moved.items():
            say(event="start", rival="tapeless")
            given = cotangents if problem.takes_cotangents(what) else ()
            ways, expected = ours(function, problem, what, batch, given)
            differences: dict[str, float] = {}
            for name, prepared in ready.items():
                if (name, what) in refused:
                    continue
                say(event="start", rival=name)
                try:
                    call = prepared.bind(what, batch.lanes, lanes_of(given))
                    differences[name] = difference(call(), expected)
                    ways[name] = Way(call)
                except UnsupportedError as error:
                    refused.add((name, what))
                    say(event="note", rival=name, text=str(error))
            say(event="start", rival="")
            ways |= stream.ways(each * size, threads)
            for name, timing in by_turns(ways, seconds=seconds, clock=clock_for(threads)).items():
                say(
                    event="timed",
                    rival=name,
                    what=what,
                    size=size,
                    difference=differences.get(name),
                    **timing._asdict(),
                )
        say(event="done", rival="", size=size)


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    settle(job["threads"])
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="kernels-cache-") as cache:
        os.environ["TAPELESS_CACHE_DIR"] = cache
        import numpy

        with numpy.errstate(all="ignore"):
            main(**job)
