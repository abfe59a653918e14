"""Errors of the special functions in the emitted C, against mpmath, and the page that holds them.

    python benchmarks/special_functions.py            # writes docs/benchmarks/special-functions.md
    python benchmarks/special_functions.py --only erfinv --points 2000

Points are drawn evenly from each range, and evenly in the logarithm from those that span decades. An error is
relative. The condition number of a point says how much a relative error in an argument grows: near a zero and in a
tail no algorithm can be better than half an ulp of the argument times that. So there are two columns: the worst error
where the condition number is below 30, and the worst error anywhere as a multiple of that number.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compiler"))

from tapeless.api import compile_program  # noqa: E402
from tapeless.ir.graph import Builder  # noqa: E402
from tapeless.ir.primitives import PRIMITIVES  # noqa: E402
from tapeless.ir.program import Input, Output, Program, finish  # noqa: E402
from tapeless.ir.special_meaning import MEANING  # noqa: E402
from tapeless.options import Options  # noqa: E402
from tapeless.targets.reference import context, evaluate_flat  # noqa: E402

PAGE = ROOT / "docs" / "benchmarks" / "special-functions.md"
WELL = 30.0
"""Largest condition number of a point that counts as well conditioned."""

Range = tuple[float, float]
Ranges = tuple[Range, ...]

CASES: dict[str, tuple[Ranges, ...]] = {
    "digamma": (((1e-8, 1e8),), ((0.0, 3.0),), ((-20.0, 0.0),)),
    "digamma_gap": (((1e-6, 1e6), (1e-6, 1e6)), ((0.1, 30.0), (0.1, 30.0)), ((10.0, 30.0), (1e-9, 1e-3))),
    "polygamma": (((1, 10), (1e-3, 1e3)), ((1, 4), (-8.0, 8.0))),
    "beta": (((1e-6, 1e4), (1e-6, 1e4)), ((0.1, 30.0), (0.1, 30.0))),
    "lbeta": (((1e-6, 1e6), (1e-6, 1e6)), ((0.1, 30.0), (0.1, 30.0))),
    "erfinv": (((-1.0, 1.0),), ((1e-12, 1.0),)),
    "erfcinv": (((1e-300, 1.0),), ((0.0, 2.0),)),
    "erfcx": (((-26.0, 30.0),), ((1e-6, 1e8),)),
    "ierfcx": (((0, 6), (-4.0, 30.0)),),
    "log_ndtr": (((-40.0, 8.0),), ((-1e6, -1.0),)),
    "ndtri": (((1e-300, 1.0),), ((0.0, 1.0),)),
    "dawson": (((-12.0, 12.0),), ((1e-6, 1e8),)),
    "dawson_slope": (((-12.0, 12.0),), ((1e-6, 1e8),)),
    "logit": (((0.0, 1.0),), ((1e-300, 1.0),)),
    "lambertw": (((-0.367879, 3.0),), ((1e-12, 1e300),)),
    "lambertw_lower": (((-0.367879, 0.0),), ((-0.36, -1e-300),)),
    "gammainc": (((0.1, 20.0), (0.0, 40.0)), ((1e-3, 1e4), (1e-3, 1e4))),
    "gammaincc": (((0.1, 20.0), (0.0, 40.0)), ((1e-3, 1e4), (1e-3, 1e4))),
    "gammainc_by_shape": (((0.1, 20.0), (0.0, 40.0)), ((1e-3, 1e4), (1e-3, 1e4))),
    "gamma_density": (((0.1, 20.0), (0.0, 40.0)), ((1e-3, 1e4), (1e-3, 1e4))),
    "betainc": (((0.1, 20.0), (0.1, 20.0), (0.0, 1.0)), ((1e-2, 1e3), (1e-2, 1e3), (0.0, 1.0))),
    "betainc_by_a": (((0.1, 20.0), (0.1, 20.0), (0.0, 1.0)), ((1e-2, 1e3), (1e-2, 1e3), (0.0, 1.0))),
    "betainc_by_b": (((0.1, 20.0), (0.1, 20.0), (0.0, 1.0)), ((1e-2, 1e3), (1e-2, 1e3), (0.0, 1.0))),
    "beta_density": (((0.1, 20.0), (0.1, 20.0), (0.0, 1.0)), ((1e-2, 1e3), (1e-2, 1e3), (0.0, 1.0))),
    "expint": (((-5, 12), (0.0, 10.0)), ((1, 30), (1e-8, 600.0))),
    "expi": (((0.0, 3.0),), ((1e-8, 700.0),), ((-600.0, -1e-8),)),
    "besselj": (((0, 12), (0.0, 60.0)), ((-3.0, 30.0), (1e-3, 1e4)), ((0.0, 200.0), (0.0, 200.0))),
    "bessely": (((0, 12), (0.0, 60.0)), ((-3.0, 30.0), (1e-3, 1e4)), ((0.0, 100.0), (5.0, 200.0))),
    "besseli": (((0, 12), (0.0, 60.0)), ((-3.0, 30.0), (1e-3, 600.0))),
    "besselk": (((0, 12), (0.0, 60.0)), ((-3.0, 30.0), (1e-3, 600.0))),
    "airyai": (((-30.0, 10.0),), ((1e-3, 50.0),)),
    "airyai_slope": (((-30.0, 10.0),), ((1e-3, 50.0),)),
    "airybi": (((-30.0, 10.0),), ((1e-3, 50.0),)),
    "airybi_slope": (((-30.0, 10.0),), ((1e-3, 50.0),)),
    "elliptic_k": (((-10.0, 1.0),), ((-1e12, -1e-6),)),
    "elliptic_e": (((-10.0, 1.0),), ((-1e12, -1e-6),)),
    "elliptic_d": (((-10.0, 1.0),), ((-1e12, -1e-6),)),
    "zeta": (((1.0, 20.0), (1, 1)), ((1.01, 60.0), (1e-3, 1e6)), ((-20.0, 1.0), (1, 1))),
}
"""Function -> ranges of its arguments; whole numbers stand for orders, and are drawn as such."""


class Found(NamedTuple):
    """Errors over one set of ranges."""

    name: str
    ranges: Ranges
    well: float
    scaled: float
    at: tuple[float, ...]
    points: int


def program_of(name: str) -> Program:
    """Return the function alone as a program."""
    builder = Builder()
    count = len(PRIMITIVES[name].args)
    node = builder.node(name, tuple(builder.input(k) for k in range(count)))
    return finish(name, [Input(f"a{k}") for k in range(count)], [Output("y", (node,))], builder)


def draw(source: random.Random, interval: Range) -> float:
    """Draw a number; evenly in the logarithm where the range spans three decades."""
    low, high = interval
    if isinstance(low, int) and isinstance(high, int):
        return float(source.randint(low, high))
    if low * high > 0 and max(low / high, high / low) >= 1000:
        size = math.exp(source.uniform(*sorted((math.log(abs(low)), math.log(abs(high))))))
        return math.copysign(size, low)
    return source.uniform(low, high)


def condition(meaning: Callable[..., Any], point: Sequence[float], ctx: Any) -> float:
    """Return the largest relative growth of a relative error of an argument that is not whole."""
    args = [ctx.mpf(x) for x in point]
    value = meaning(ctx, *args)
    if not value:
        return math.inf
    worst = 0.0
    for k, x in enumerate(args):
        if not x or ctx.isint(x):
            continue
        moved = [*args]
        moved[k] = x * (1 + ctx.mpf(10) ** -18)
        worst = max(worst, float(abs((meaning(ctx, *moved) - value) / value) * ctx.mpf(10) ** 18))
    return worst


def measured(name: str, ranges: Ranges, count: int, function: Callable[..., Any], program: Program) -> Found:
    """Compare `count` points of a function with mpmath; results outside of the normal numbers do not count."""
    source = random.Random(f"{name} {ranges}")
    points = [tuple(draw(source, interval) for interval in ranges) for _ in range(count)]
    values = np.atleast_1d(function(*(np.array(column) for column in zip(*points, strict=True))))
    well = scaled = 0.0
    at: tuple[float, ...] = ()
    used = 0
    ctx = context(50)
    for point, value in zip(points, values.tolist(), strict=True):
        [truth] = evaluate_flat(program, point, 25)
        size = abs(float(truth))
        if math.isnan(size):
            raise ArithmeticError(f"mpmath has no {name} at {point}")
        if not 1e-290 < size < 1e300:
            continue
        used += 1
        error = float(abs(value - truth) / abs(truth))
        if math.isnan(error):
            return Found(name, ranges, math.inf, math.inf, point, used)
        steep = condition(MEANING[name], point, ctx)
        scaled = max(scaled, error / max(1.0, steep))
        if steep < WELL and error > well:
            well, at = error, point
    return Found(name, ranges, well, scaled, at, used)


def rows(names: Sequence[str], count: int) -> list[Found]:
    """Measure functions over all their ranges."""
    found = []
    for name in names:
        program = program_of(name)
        function = compile_program(program, Options())
        for ranges in CASES[name]:
            found.append(measured(name, ranges, count, function, program))
            print(line(found[-1]), flush=True)
    return found


def shown(interval: Range) -> str:
    low, high = interval
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def line(found: Found) -> str:
    args = PRIMITIVES[found.name].args
    where = ", ".join(f"{arg}: {shown(i)}" for arg, i in zip(args, found.ranges, strict=True))
    at = ", ".join(f"{x:.6g}" for x in found.at)
    return f"| `{found.name}` | {where} | {found.well:.1e} | {found.scaled:.1e} | {at} |"


INTRODUCTION = """\
# Special functions

Relative errors of the special functions in the emitted C, in double, against mpmath at 25 digits, {count} points a
row. The last column says where the worst well-conditioned point lies. In float32 they are computed in double and
rounded once. Made by `benchmarks/special_functions.py`, which says how points are drawn. Well conditioned is a point
where a relative error of an argument grows at most {well:.0f} times.

| function | arguments | worst error, well conditioned | worst error / condition, anywhere | at |
|---|---|---|---|---|
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", action="append", choices=sorted(CASES), help="measure this one; prints only"
    )
    parser.add_argument("--points", type=int, default=200)
    options = parser.parse_args()
    found = rows(options.only or list(CASES), options.points)
    if not options.only:
        head = INTRODUCTION.format(count=options.points, well=WELL)
        PAGE.write_text(head + "\n".join(map(line, found)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
