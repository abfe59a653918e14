"""Formulas within PyTorch: ours beside the same formula in eager mode, under torch.compile, and written by hand.

    python benchmarks/torch_hosts.py
    python benchmarks/torch_hosts.py --only silu --points 1000000 --rounds 15

Forward and backward through autograd, to all inputs. All ways of a cell are checked against one another, then timed
by turns in one process; shown are medians, and the medians of the ratios within each round. With one thread, the
default, what is measured is the time that the thread runs, which other work on the machine disturbs least; with more,
it is time.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
import torch

import tapeless as tl

Tensor = torch.Tensor
SMALL = 100


@dataclass(frozen=True)
class Case:
    """A formula, in our text and as people write it in torch.

    Attributes
    ----------
    text
        The formula.
    eager
        The same in torch operators.
    ranges
        (low, high) of each input.
    others
        Further ways, by name.
    """

    text: str
    eager: Callable[..., Tensor]
    ranges: tuple[tuple[float, float], ...]
    others: dict[str, Callable[..., Tensor]]


class HandWritten(torch.autograd.Function):
    """w*x + b as one writes it by hand."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, x: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(w, x)
        return w * x + b

    @staticmethod
    def backward(ctx: Any, out_bar: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        w, x = ctx.saved_tensors
        return out_bar * x, out_bar * w, out_bar


def black_scholes(S: Tensor, K: Tensor, r: Tensor, sigma: Tensor, T: Tensor) -> Tensor:
    d1 = (torch.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * torch.sqrt(T))
    d2 = d1 - sigma * torch.sqrt(T)
    return S * torch.erfc(-d1 / 2**0.5) / 2 - K * torch.exp(-r * T) * torch.erfc(-d2 / 2**0.5) / 2


CASES = {
    "line": Case(
        "line(w, x, b) = w*x + b",
        lambda w, x, b: w * x + b,
        ((-3, 3), (-3, 3), (-3, 3)),
        {"by hand": HandWritten.apply},
    ),
    "gelu": Case(
        "gelu(x) = x*(1 + erf(x/sqrt(2)))/2",
        lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
        ((-5, 5),),
        {"built in": torch.nn.functional.gelu},
    ),
    "silu": Case(
        "silu(x) = x/(1 + exp(-x))",
        lambda x: x / (1 + torch.exp(-x)),
        ((-8, 8),),
        {"built in": torch.nn.functional.silu},
    ),
    "black_scholes": Case(
        """
        black_scholes(S, K, r, sigma, T):
            d1 = (log(S/K) + (r + sigma**2/2)*T)/(sigma*sqrt(T))
            d2 = d1 - sigma*sqrt(T)
            return S*erfc(-d1/sqrt(2))/2 - K*exp(-r*T)*erfc(-d2/sqrt(2))/2
        """,
        black_scholes,
        ((80, 120), (80, 120), (0, 0.1), (0.1, 0.5), (0.25, 2)),
        {},
    ),
}


def both_ways(function: Callable[..., Tensor], inputs: list[Tensor], cotangent: Tensor | None) -> Any:
    """Return a call that goes forward and back: from a cotangent, or from the sum where it is None."""

    def call() -> Any:
        out = function(*inputs)
        if cotangent is None:
            return torch.autograd.grad(out.sum(), inputs)
        return torch.autograd.grad(out, inputs, cotangent)

    return call


def spent(call: Callable[[], Any], clock: Callable[[], float], least: float) -> float:
    """Return seconds per call, from as many calls as take `least` seconds."""
    count = 1
    while True:
        start = clock()
        for _ in range(count):
            call()
        seconds = clock() - start
        if seconds >= least:
            return seconds / count
        count = max(2 * count, int(count * least / max(seconds, 1e-9)))


def run(
    case: Case, points: int, dtype: torch.dtype, pattern: str, *, rounds: int, compiled: bool
) -> dict[str, list[float]]:
    """Time all ways of a case by turns."""
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    generator = torch.Generator().manual_seed(0)
    inputs = [
        (low + (high - low) * torch.rand(points, generator=generator, dtype=dtype)).requires_grad_()
        for low, high in case.ranges
    ]
    cotangent = torch.rand(points, generator=generator, dtype=dtype) if pattern == "cotangent" else None
    function = tl.compile(case.text)
    ways: dict[str, Callable[..., Tensor]] = {
        "tapeless": function.to_torch(),
        "slopes saved": function.to_torch(save_slopes=True),
        "eager": case.eager,
        **case.others,
    }
    if compiled:
        ways["torch.compile"] = torch.compile(case.eager)
    calls = {name: both_ways(way, inputs, cotangent) for name, way in ways.items()}
    wanted = None
    for call in calls.values():
        for _ in range(3):
            found = call()
        wanted = found if wanted is None else wanted
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4 if dtype == torch.float32 else 1e-9, atol=1e-5)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(spent(call, clock, 0.01))
    return times


def shown(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.1f} us"


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="A formula; all by default.")
@click.option("--points", multiple=True, type=int, default=(SMALL, 10_000, 1_000_000), show_default=True)
@click.option("--dtype", type=click.Choice(["float64", "float32"]), multiple=True, default=("float64",))
@click.option("--rounds", default=25, show_default=True, help="Turns of each way.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch, and of ours.")
@click.option("--compile/--no-compile", "compiled", default=True, help="Whether torch.compile takes part.")
def main(
    only: tuple[str, ...],
    points: tuple[int, ...],
    dtype: tuple[str, ...],
    rounds: int,
    threads: int,
    compiled: bool,
) -> None:
    """Print times and ratios; above 1, tapeless is the faster one."""
    torch.set_num_threads(threads)
    os.environ.setdefault("TAPELESS_NUM_THREADS", str(threads))
    print(
        f"torch {torch.__version__}, {platform.machine()}, {os.cpu_count()} cores seen, {threads} used, load "
        f"{os.getloadavg()[0]:.1f}; medians of {rounds} rounds, forward and backward\n"
    )
    row = "{:<14} {:<8} {:>9} {:<10} {:<14} {:>10} {:>7}"
    print(row.format("formula", "dtype", "points", "from", "way", "time", "ratio"))
    for name in only or CASES:
        for kind in dtype:
            for count in points:
                for pattern in ("cotangent", "sum"):
                    times = run(
                        CASES[name], count, getattr(torch, kind), pattern, rounds=rounds, compiled=compiled
                    )
                    ours = times["tapeless"]
                    for way, found in times.items():
                        ratio = median(a / b for a, b in zip(found, ours, strict=True))
                        print(
                            row.format(name, kind, count, pattern, way, shown(median(found)), f"{ratio:.2f}"),
                            flush=True,
                        )


if __name__ == "__main__":
    main()
