"""What the guards of branches cost: a gradient with four branches, and the same C without the masks.

    python benchmarks/branches.py
    python benchmarks/branches.py --output docs/benchmarks/branches.md

A guard ends as a choice between an adjoint and zero in the C. The rival is our own C with these choices taken out, so
that an adjoint of a branch that is not taken flows on: fewer operations, and NaN where the branch has none. Both are
built with the same flags and take turns; the fastest and the median of all turns are compared.
"""

from __future__ import annotations

import ctypes
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

import tapeless as tl
from tapeless.runtime.build import build
from tapeless.runtime.compiler import find_compiler

FORMULAS: Final = {
    "side by side": """
        f(x, y, a):
            p = x*log(x) if x > 0 else a
            q = sqrt(y) if y > 0 else a*a
            r = log(1 + x) if x > -1 else y
            s = erf(y)/y if abs(y) > 1 else x*a
            return p*q + r*s
    """,
    "within each other": """
        f(x, y, a):
            p = sqrt(y - 1) if y > 1 else (log(y) if y > 0 else (1/sqrt(-y) if y < -1 else tanh(y)))
            return p*exp(-a*x) + a*log(x) if x > 0 else p*a
    """,
}
SIZES: Final = (1000, 10_000)
_MASK: Final = re.compile(r"\bc\d+ \? (t\d+) : 0\.0;")


def kernel(source: str, header: str) -> Callable[[int, Any], Any]:
    """Compile C and return its fused kernel, which takes the number of points and addresses of arrays."""
    library = build(source, stem="f", headers={"f.h": header}, compiler=find_compiler(), cache=None)
    found = ctypes.CDLL(str(library.path)).f_forward_backward
    found.restype = None
    return lambda n, addresses: found(ctypes.c_ssize_t(n), *map(ctypes.c_void_p, addresses))


def measure(text: str, size: int, seconds: float) -> tuple[int, int, int, list[float], list[float]]:
    """Return masks, NaNs with and without them, and seconds per call with and without them, by turns."""
    function = tl.compile(text)
    before, derivatives = re.split(r"(?=\n/\* Forward and backward in one pass)", function.source)
    open_source, masks = _MASK.subn(r"\1;", derivatives)
    rng = np.random.default_rng(3)
    columns = [rng.uniform(-3, 3, size) for _ in range(4)]
    outputs = [np.empty(size) for _ in range(4)]
    addresses = [a.ctypes.data for a in (*columns, *outputs)]  # where arrays lie matters: the same for both
    results, calls = [], []
    for source in (function.source, before + open_source):
        call = kernel(source, function.header)
        call(size, addresses)
        results.append(sum(int(np.isnan(column).sum()) for column in outputs))
        calls.append(call)
    spent: tuple[list[float], list[float]] = ([], [])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for call, row in zip(calls, spent, strict=True):
            start = time.perf_counter()
            for _ in range(10):
                call(size, addresses)
            row.append((time.perf_counter() - start) / 10)
    return masks, results[0], results[1], *spent


@click.command(help=__doc__)
@click.option("--seconds", default=4.0, show_default=True, help="Time for each row.")
@click.option("--output", type=click.Path(dir_okay=False), help="Also write the page to this file.")
def main(seconds: float, output: str | None) -> None:
    """Print the table."""
    lines = [
        "# Branches",
        "",
        "`benchmarks/branches.py`: value and gradient in one pass, float64, one thread. With guards: as compiled.",
        "Without: the same C, in which adjoints of branches not taken are not masked.",
        "",
        "| four branches | points | masks | ns a point, with guards | without | ratio of the fastest "
        "| of medians | NaN with guards | without |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, text in FORMULAS.items():
        for size in SIZES:
            masks, with_guards, without, guarded, free = measure(text, size, seconds)
            middle = statistics.median(guarded) / statistics.median(free)
            lines.append(
                f"| {name} | {size} | {masks} | {min(guarded) / size * 1e9:.2f} | {min(free) / size * 1e9:.2f} "
                f"| {min(guarded) / min(free):.3f} | {middle:.3f} | {with_guards} | {without} |"
            )
            click.echo(lines[-1], err=True)
    page = "\n".join(lines) + "\n"
    click.echo(page)
    if output is not None:
        Path(output).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
