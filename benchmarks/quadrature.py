"""scipy.integrate.quad with a compiled integrand beside Python functions.

    python benchmarks/quadrature.py
    python benchmarks/quadrature.py --output docs/benchmarks/quadrature.md

Each integral is computed with the low-level callable of the formula, with a Python function that calls `math`, and
with one that calls NumPy, as most are written; by turns, and the medians are compared.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
from scipy.integrate import nquad, quad
from scipy.special import erfc

import tapeless as tl

MATH = math
NUMPY = SimpleNamespace(
    exp=np.exp, expm1=np.expm1, log=np.log, sqrt=np.sqrt, cos=np.cos, sin=np.sin, erfc=erfc, hypot=np.hypot
)
LINES = [(0.8 + 0.1 * k, 0.06 * k + 0.05, 0.004 + 0.001 * k) for k in range(12)]
"""Strength, place and width of the lines of a spectrum."""


@dataclass(frozen=True)
class Integrand:
    """An integral to be computed.

    Attributes
    ----------
    name
        What it is.
    text
        The formula; its first inputs are the variables.
    python
        The same from the functions of a module.
    ranges
        One for each variable.
    bound
        The other inputs.
    """

    name: str
    text: str
    python: Callable[[Any], Callable[..., float]]
    ranges: tuple[tuple[float, float], ...]
    bound: Mapping[str, float] = field(default_factory=dict)


def _black_scholes(m: Any) -> Callable[[float], float]:
    def price(S: float, K: float = 100.0, r: float = 0.05, sigma: float = 0.2, T: float = 1.0) -> float:
        d1 = (m.log(S / K) + (r + sigma**2 / 2) * T) / (sigma * m.sqrt(T))
        d2 = d1 - sigma * m.sqrt(T)
        return S * m.erfc(-d1 / m.sqrt(2)) / 2 - K * m.exp(-r * T) * m.erfc(-d2 / m.sqrt(2)) / 2

    return price


def _spectrum(count: int) -> Callable[[Any], Callable[[float], float]]:
    code = "lambda x: " + " + ".join(f"{a!r}/((x - {b!r})**2 + {c!r}**2)" for a, b, c in LINES[:count])
    return lambda m: eval(code)


def _lines(count: int) -> str:
    return "f(x) = " + " + ".join(f"{a!r}/((x - {b!r})**2 + {c!r}**2)" for a, b, c in LINES[:count])


def _virial(m: Any) -> Callable[[float], float]:
    def mayer(r: float, T: float = 1.3) -> float:
        s6 = 1 / r**6
        return (1 - m.exp(-4 * (s6 * s6 - s6) / T)) * r**2

    return mayer


INTEGRANDS = (
    Integrand(
        "damped oscillation",
        "f(x, a, b) = exp(-a*x)*cos(b*x)",
        lambda m: lambda x, a=0.1, b=5.0: m.exp(-a * x) * m.cos(b * x),
        ((0.0, 50.0),),
        {"a": 0.1, "b": 5.0},
    ),
    Integrand(
        "Planck's law",
        "f(x, T) = 1.19e8/(x**5*expm1(1.4387e4/(x*T)))",
        lambda m: lambda x, T=5772.0: 1.19e8 / (x**5 * m.expm1(1.4387e4 / (x * T))),
        ((0.05, 1000.0),),
        {"T": 5772.0},
    ),
    Integrand(
        "comoving distance",
        "f(z, M, K) = 1/sqrt(M*(1 + z)**3 + K*(1 + z)**2 + 1 - M - K)",
        lambda m: lambda z, M=0.3, K=0.01: 1 / m.sqrt(M * (1 + z) ** 3 + K * (1 + z) ** 2 + 1 - M - K),
        ((0.0, 1000.0),),
        {"M": 0.3, "K": 0.01},
    ),
    Integrand(
        "second virial coefficient",
        "f(r, T):\n    s6 = 1/r**6\n    return (1 - exp(-4*(s6*s6 - s6)/T))*r**2",
        _virial,
        ((0.5, 20.0),),
        {"T": 1.3},
    ),
    Integrand(
        "Black-Scholes price",
        "f(S, K, r, sigma, T):\n    d1 = (log(S/K) + (r + sigma**2/2)*T)/(sigma*sqrt(T))\n"
        "    d2 = d1 - sigma*sqrt(T)\n"
        "    return S*erfc(-d1/sqrt(2))/2 - K*exp(-r*T)*erfc(-d2/sqrt(2))/2",
        _black_scholes,
        ((1.0, 300.0),),
        {"K": 100.0, "r": 0.05, "sigma": 0.2, "T": 1.0},
    ),
    Integrand("spectrum of 3 lines", _lines(3), _spectrum(3), ((0.0, 1.0),)),
    Integrand("spectrum of 12 lines", _lines(12), _spectrum(12), ((0.0, 1.0),)),
    Integrand(
        "two variables: a well",
        "f(x, y) = 1/(1 + (x - y)**2 + 4*(x*y)**2)**2",
        lambda m: lambda x, y: 1 / (1 + (x - y) ** 2 + 4 * (x * y) ** 2) ** 2,
        ((-5.0, 5.0), (-5.0, 5.0)),
    ),
)


def integrate(integrand: Integrand, function: Any) -> tuple[float, int]:
    """Return the integral, and how often the integrand was evaluated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tolerance is asked beyond what rounding allows
        if len(integrand.ranges) == 1:
            found = quad(function, *integrand.ranges[0], epsabs=0, epsrel=1e-12, limit=400, full_output=1)
            return found[0], int(found[2]["neval"])
        found = nquad(function, integrand.ranges, full_output=True)
        return found[0], int(found[2]["neval"])


def measure(integrand: Integrand, seconds: float) -> tuple[int, dict[str, float], float]:
    """Return evaluations, the median time of each way, and the largest relative difference of results."""
    f = tl.compile(integrand.text)
    ways = {
        "compiled": f.low_level_callable(*f.input_names[: len(integrand.ranges)], **integrand.bound),
        "math": integrand.python(MATH),
        "numpy": integrand.python(NUMPY),
    }
    results = {name: integrate(integrand, way) for name, way in ways.items()}
    samples: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples["numpy"]) < 5:
        for name, way in ways.items():
            start = time.perf_counter()
            integrate(integrand, way)
            samples[name].append(time.perf_counter() - start)
    value, evaluations = results["compiled"]
    apart = max(abs(other / value - 1) for other, _ in results.values())
    return evaluations, {name: statistics.median(row) for name, row in samples.items()}, apart


@click.command(help=__doc__.partition("\n")[0])
@click.option("--seconds", default=4.0, show_default=True, help="For each integral, roughly.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write a page of Markdown there.")
def main(seconds: float, output: str | None) -> None:
    """Measure all and print."""
    lines = [
        "# Quadrature: a compiled integrand beside Python functions",
        "",
        "`scipy.integrate.quad` to a relative tolerance of 1e-12 (`nquad` for two variables), with the",
        "integrand as a low-level callable, as a Python function that calls `math`, and as one that calls NumPy,",
        "as most are written. Medians of whole calls, by turns; *times* is the time over that of the compiled one.",
        "",
        f"Made by `benchmarks/quadrature.py` with SciPy {importlib.metadata.version('scipy')}, NumPy",
        f"{importlib.metadata.version('numpy')}, Python {platform.python_version()}, {platform.machine()}.",
        "`quad` itself takes some microseconds for a call and some ten nanoseconds for an evaluation, and `exp` and",
        "its kind take their time from C as well. So the gain grows with the length of the formula. The spectra and",
        "the well call no functions; their two Python versions are the same.",
        "",
        "| integral | evaluations | compiled, µs | per evaluation, ns | math, µs | times | NumPy, µs | times |",
        "|---|---|---|---|---|---|---|---|",
    ]
    ratios: dict[str, list[float]] = {"math": [], "numpy": []}
    for integrand in INTEGRANDS:
        evaluations, spent, apart = measure(integrand, seconds)
        if not apart < 1e-9:
            raise click.ClickException(f"{integrand.name}: the results differ by {apart:.1e}")
        for name, row in ratios.items():
            row.append(spent[name] / spent["compiled"])
        lines.append(
            f"| {integrand.name} | {evaluations} | {1e6 * spent['compiled']:.1f} "
            f"| {1e9 * spent['compiled'] / evaluations:.0f} "
            + "".join(f"| {1e6 * spent[name]:.0f} | {ratios[name][-1]:.1f} " for name in ratios)
            + "|"
        )
        click.echo(lines[-1], err=True)
    means = {name: statistics.geometric_mean(row) for name, row in ratios.items()}
    lines += [
        "",
        f"Geometric means: {means['math']:.1f} times over `math`, {means['numpy']:.1f} times over NumPy.",
    ]
    page = "\n".join(lines) + "\n"
    click.echo(page)
    if output is not None:
        Path(output).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
