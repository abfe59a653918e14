"""Worst error of every function that emitted loops call, in units in the last place, against mpmath.

    python benchmarks/vector_math.py --output docs/benchmarks
    python benchmarks/vector_math.py --only exp --only erfc --points 100000

Points lie densely over all exponents of the dtype and, as many again, over the stretches where a function is hard:
around its zeros and poles, the borders between two formulas, the ends of its range. The columns are builds: the
host's own, and plain C11 without any of our flags, in which some functions are the scalar ones of the C library.
"""

from __future__ import annotations

import ctypes
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np

import tapeless as tl
from tapeless.assembly import module_source
from tapeless.options import Options
from tapeless.runtime.compiler import find_compiler
from tapeless.targets.c.spelling import VECTORISED
from tapeless.targets.c.vector_math import OWN
from tapeless.targets.reference import FUNCTIONS, context_of_bits

Stretch = tuple[float, float]


class Case(NamedTuple):
    """How a function is measured.

    Attributes
    ----------
    text
        The formula that is the function.
    hard
        Stretches of the first argument that get points of their own.
    second
        Stretches of the second argument, where there is one.
    """

    text: str
    hard: tuple[Stretch, ...]
    second: tuple[Stretch, ...] = ()


_PI = math.pi
CASES: Final[dict[str, Case]] = {
    "exp": Case("exp(x)", ((-1, 1), (-10, 10), (-746, 710), (-104, 89), (-746, -700), (709, 710))),
    "expm1": Case("expm1(x)", ((-1, 1), (-0.4, 0.4), (-5, 5), (-40, 710))),
    "expit": Case("1/(1 + exp(-x))", ((-1, 1), (-10, 10), (-746, 40), (-104, 20))),
    "softplus": Case("log(1 + exp(x))", ((-1, 1), (-5, 5), (-746, 40), (-104, 20))),
    "log": Case("log(x)", ((0.7, 1.42), (0.99, 1.01), (0, 10), (0, 1e-300))),
    "log1p": Case("log1p(x)", ((-0.3, 0.42), (-1, -0.9), (-0.01, 0.01), (-1, 10), (0, 1e17))),
    "tanh": Case("tanh(x)", ((-0.5, 0.5), (-3, 3), (-22, 22))),
    "sech2": Case("1/cosh(x)**2", ((-1, 1), (-20, 20), (-375, 375))),
    "gauss": Case("exp(-x**2)", ((-1, 1), (-6, 6), (-27.4, 27.4), (26, 27.4))),
    "erf": Case("erf(x)", ((-0.55, 0.55), (0.45, 0.55), (-2, 2), (-6, 6))),
    "erfc": Case("erfc(x)", ((-1, 1), (-6, 6), (0, 27.3), (26, 27.3), (9, 10.2))),
    "exp2": Case("exp2(x)", ((-1, 1), (-1075, 1024), (-150, 128))),
    "log2": Case("log2(x)", ((0.7, 1.42), (0.99, 1.01), (0, 10))),
    "log10": Case("log10(x)", ((0.7, 1.42), (0.99, 1.01), (0, 10))),
    "sin": Case("sin(x)", ((-1, 1), (-2 * _PI, 2 * _PI), (-100, 100), (-1e6, 1e6))),
    "cos": Case("cos(x)", ((-1, 1), (-2 * _PI, 2 * _PI), (-100, 100), (-1e6, 1e6))),
    "tan": Case("tan(x)", ((-1, 1), (-2 * _PI, 2 * _PI), (-100, 100), (-1e6, 1e6))),
    "asin": Case("asin(x)", ((-1, 1), (0.45, 0.55), (0.99, 1))),
    "acos": Case("acos(x)", ((-1, 1), (0.45, 0.55), (0.99, 1), (-1, -0.99))),
    "atan": Case("atan(x)", ((-1, 1), (-10, 10))),
    "sinh": Case("sinh(x)", ((-1, 1), (-10, 10), (-711, 711))),
    "cosh": Case("cosh(x)", ((-1, 1), (-10, 10), (-711, 711))),
    "asinh": Case("asinh(x)", ((-1, 1), (-10, 10))),
    "acosh": Case("acosh(x)", ((1, 1.1), (1, 10))),
    "atanh": Case("atanh(x)", ((-1, 1), (-0.1, 0.1), (0.99, 1))),
    "cbrt": Case("cbrt(x)", ((-1, 1), (-10, 10))),
    "atan2": Case("atan2(x, y)", ((-3, 3), (-1, 1)), ((-3, 3), (-100, 100))),
    "hypot": Case("hypot(x, y)", ((-3, 3), (-1, 1)), ((-3, 3), (-100, 100))),
    "pow": Case("x**y", ((0, 3), (0.99, 1.01), (0, 100)), ((-10, 10), (-700, 700))),
}
FAST_MATH_FREE = ("-std=c11", "-O2", "-shared", "-fPIC")


def points(stretches: Sequence[Stretch], count: int, dtype: str, seed: int) -> np.ndarray:
    """Return numbers dense in exponent space, and as many in the stretches."""
    rng = np.random.default_rng(seed)
    kind = np.uint64 if dtype == "float64" else np.uint32
    bits = rng.integers(0, np.iinfo(kind).max, count, dtype=kind, endpoint=True)
    everywhere = bits.view(dtype)
    share = -(-count // len(stretches))
    inside = [rng.uniform(low, high, share) for low, high in stretches]
    found = np.concatenate([everywhere, *inside]).astype(dtype)
    return np.ascontiguousarray(found[np.isfinite(found)])


def truth(name: str, columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact values as unevaluated sums of two doubles."""
    ctx = context_of_bits(180)
    function: Callable[..., Any] = FUNCTIONS[name]
    high = np.empty(len(columns[0]))
    low = np.zeros(len(columns[0]))
    for k, arguments in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        try:
            value = function(ctx, *(ctx.mpf(x) for x in arguments))
            high[k] = float(value)
            if math.isfinite(high[k]):
                low[k] = float(value - ctx.mpf(high[k]))
        except (ValueError, ZeroDivisionError):  # outside the domain, or a pole
            high[k] = math.nan
    return high, low


def errors(found: np.ndarray, high: np.ndarray, low: np.ndarray, dtype: str) -> np.ndarray:
    """Return errors in ulp of the truth, infinite where one is finite or a number and the other is not."""
    bits, least = (53, -1074) if dtype == "float64" else (24, -149)
    top = np.float64(np.finfo(dtype).max)
    _, exponent = np.frexp(high)
    unit = np.ldexp(1.0, np.maximum(exponent - bits, least))
    with np.errstate(all="ignore"):
        gap = np.abs((found.astype(float) - high) - low) / unit
        beyond = np.abs(high) >= top * (1 + 2.0**-bits)
        fine = (np.isnan(found) & np.isnan(high)) | (
            np.isinf(found) & beyond & (np.sign(found) == np.sign(high))
        )
    gap[~np.isfinite(gap)] = np.inf
    gap[fine] = 0.0
    return gap


class Build(NamedTuple):
    """A way to build.

    Attributes
    ----------
    name
        What the column is called.
    command
        (source, output) -> argument list.
    """

    name: str
    command: Callable[[str, str], list[str]]


def builds() -> Iterator[Build]:
    """Return the host's own build, and plain C11 by every compiler there is."""
    compiler = find_compiler()
    yield Build("host", compiler.command)
    yield Build(
        "plain C11", lambda source, output: [*compiler.argv, *FAST_MATH_FREE, source, "-o", output, "-lm"]
    )


def kernel(name: str, case: Case, dtype: str, build: Build, folder: Path) -> Callable[..., np.ndarray]:
    """Build the kernel of one function and return it as a callable."""
    parameters = "x, y" if case.second else "x"
    program = tl.compile(f"f({parameters}) = {case.text}", dtype=dtype).program
    source = module_source([(program, Options(dtype=dtype))], ("forward",), "f")
    assert ("vm_" + name) in source.text, f"{case.text} is no call of {name}"
    (folder / "f.c").write_text(source.text)
    (folder / "f.h").write_text(source.header)
    output = f"{name}-{dtype}-{build.name.replace(' ', '-')}.so"
    subprocess.run(build.command("f.c", output), cwd=folder, check=True)
    function = ctypes.CDLL(str(folder / output)).f_forward_lanes

    def call(*columns: np.ndarray) -> np.ndarray:
        result = np.empty_like(columns[0])
        inputs = (ctypes.c_void_p * len(columns))(*[column.ctypes.data for column in columns])
        outputs = (ctypes.c_void_p * 1)(result.ctypes.data)
        function(ctypes.c_ssize_t(len(result)), inputs, outputs)
        return result

    return call


def measure(name: str, dtype: str, count: int, folder: Path) -> dict[str, tuple[float, tuple[float, ...]]]:
    """Return build -> worst error of a function and where."""
    case = CASES[name]
    columns = [points(case.hard, count, dtype, 1)]
    if case.second:
        columns.append(points(case.second, count, dtype, 2))
        rng = np.random.default_rng(3)
        least = min(map(len, columns))
        columns = [np.ascontiguousarray(rng.permutation(column)[:least]) for column in columns]
    high, low = truth(name, columns)
    found = {}
    for build in builds():
        gaps = errors(kernel(name, case, dtype, build, folder)(*columns), high, low, dtype)
        worst = int(np.argmax(gaps))
        found[build.name] = (float(gaps[worst]), tuple(float(column[worst]) for column in columns))
    return found


def table(names: Sequence[str], count: int) -> Iterator[str]:
    """Yield the lines of the table, as they are measured."""
    columns = [f"{dtype}, {build.name}" for dtype in ("float64", "float32") for build in builds()]
    yield "| function | written as | " + " | ".join(columns) + " | worst at (float64, host) |"
    yield "|---|---|" + "---|" * len(columns) + "---|"
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            cells = []
            where = ""
            for dtype in ("float64", "float32"):
                found = measure(name, dtype, count, Path(folder))
                cells += [f"{error:.2f}" for error, _ in found.values()]
                where = where or ", ".join(f"{x:.17g}" for x in found["host"][1])
            kind = "our own" if name in OWN else "the C library's"
            yield f"| {name}, {kind} | `{CASES[name].text}` | " + " | ".join(cells) + f" | {where} |"


@click.command()
@click.option(
    "--points", "count", default=10_000, help="Points over all exponents; as many over the stretches."
)
@click.option("--only", multiple=True, type=click.Choice(sorted(CASES)), help="Functions to measure.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for vector-math.md.")
def main(count: int, only: tuple[str, ...], output: Path | None) -> None:
    """Measure and print the table."""
    assert set(CASES) == OWN | VECTORISED
    lines = []
    for line in table(only or tuple(CASES), count):
        click.echo(line)
        lines.append(line)
    if output is not None:
        (output / "vector-math.md").write_text(f"{_HEAD.format(count=count)}\n" + "\n".join(lines) + "\n")


_HEAD = """# Errors of the functions in loops

Worst error seen, in units in the last place (ulp) of the exact result; 0.5 is correct rounding. Written by
`python benchmarks/vector_math.py --output docs/benchmarks` with {count} points over all exponents of
the dtype and as many over the hard stretches, against mpmath. "Our own" functions stand in the emitted C; the
others are those of glibc, its vector versions in the column "host" (2.35 or later, x86-64 and gcc), its scalar ones
in "plain C11".
"""


if __name__ == "__main__":
    main()
