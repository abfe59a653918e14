"""Functions in NumPy and JAX: a ufunc beside a call, `to_jax` under jit beside the formula in jax.numpy.

Prints tables of nanoseconds per point. All contestants of a row take turns in one process; medians are shown, and the
ratio of medians. Run as `python benchmarks/array_hosts.py [--dtype float32] [--points 1000000]`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import tapeless as tl

GELU = "gelu(x) = x*(1 + erf(x/sqrt(2)))/2"
LINE = "line(w, x, b) = w*x + b"
BLACK_SCHOLES = """
    black_scholes(S, K, r, sigma, T):
        d1 = (log(S/K) + (r + sigma**2/2)*T)/(sigma*sqrt(T))
        d2 = d1 - sigma*sqrt(T)
        return S*erfc(-d1/sqrt(2))/2 - K*exp(-r*T)*erfc(-d2/sqrt(2))/2
"""
RANGES = ((80, 120), (80, 120), (0, 0.1), (0.1, 0.5), (0.25, 2))

Calls = Mapping[str, Callable[[], Any]]


def gelu_in_jax(x):
    return x * (1 + jax.scipy.special.erf(x / np.sqrt(2))) / 2


def black_scholes_in_jax(S, K, r, sigma, T):
    d1 = (jnp.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * jnp.sqrt(T))
    d2 = d1 - sigma * jnp.sqrt(T)
    below = jax.scipy.special.erfc
    return S * below(-d1 / np.sqrt(2)) / 2 - K * jnp.exp(-r * T) * below(-d2 / np.sqrt(2)) / 2


def in_turns(calls: Calls, repeats: int, rounds: int = 25) -> dict[str, float]:
    """Return the median time of each call in nanoseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            times[name].append((time.perf_counter() - start) / repeats * 1e9)
    return {name: median(found) for name, found in times.items()}


def row(title: str, found: Mapping[str, float], per: int) -> str:
    cells = "  ".join(f"{name} {value / per:9.2f}" for name, value in found.items())
    return f"{title:34} {cells}"


def ufuncs(dtype: str, points: int) -> None:
    print("calls of ufuncs, ns a point (at one point: ns a call)")
    rng = np.random.default_rng(0)
    gelu, line = tl.compile(GELU, dtype=dtype), tl.compile(LINE, dtype=dtype)
    for n in (1, 100, points):
        w, x, b = rng.normal(size=(3, n)).astype(dtype)
        repeats = max(1, min(2000, 2_000_000 // n))
        for f, arguments in ((gelu, (x,)), (line, (w, x, b))):
            call, made = f.ufunc, np.empty_like(x)
            found = in_turns(
                {
                    "f(x)": lambda f=f, arguments=arguments: f(*arguments),
                    "f.ufunc": lambda call=call, arguments=arguments: call(*arguments),
                    "out=": lambda call=call, arguments=arguments, made=made: call(*arguments, out=made),
                    "np.add": lambda x=x: np.add(x, x),
                },
                repeats,
            )
            print(row(f"{f.name}, {n} points", found, n))


def with_jax(dtype: str, points: int) -> None:
    print("under jax.jit, ns a point")
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=points).astype(dtype))
    market = tuple(jnp.asarray(rng.uniform(*r, points).astype(dtype)) for r in RANGES)
    numbers = (*market[:2], jnp.asarray(0.03, dtype), jnp.asarray(0.2, dtype), market[4])
    gelu, black_scholes = (tl.compile(text, dtype=dtype).to_jax() for text in (GELU, BLACK_SCHOLES))
    for title, ours, theirs, arguments in (
        ("gelu", gelu, gelu_in_jax, (x,)),
        ("black_scholes", black_scholes, black_scholes_in_jax, market),
        ("black_scholes, r and sigma numbers", black_scholes, black_scholes_in_jax, numbers),
    ):
        by = tuple(range(len(arguments)))
        for what, transform in (
            ("value", lambda f: f),
            ("grad", lambda f, by=by: jax.grad(lambda *a: f(*a).sum(), by)),
            ("value_and_grad", lambda f, by=by: jax.value_and_grad(lambda *a: f(*a).sum(), by)),
        ):
            mine, plain = jax.jit(transform(ours)), jax.jit(transform(theirs))
            found = in_turns(
                {
                    "tapeless": lambda mine=mine, a=arguments: jax.block_until_ready(mine(*a)),
                    "jax": lambda plain=plain, a=arguments: jax.block_until_ready(plain(*a)),
                },
                1,
            )
            print(row(f"{title}: {what}", found, points), f"  ratio {found['jax'] / found['tapeless']:5.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--points", type=int, default=1_000_000)
    asked = parser.parse_args()
    jax.config.update("jax_enable_x64", asked.dtype == "float64")
    ufuncs(asked.dtype, asked.points)
    with_jax(asked.dtype, asked.points)


if __name__ == "__main__":
    main()
