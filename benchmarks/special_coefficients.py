"""Compute the Chebyshev series of the special functions and write them as C, `templates/c/special_tables.c`.

    python benchmarks/special_coefficients.py

Each series is the interpolant in 80 Chebyshev points of what stands in `TABLES`, in 50 digits, cut where the rest is
below 2**-58 of the largest value (Trefethen, Approximation Theory and Approximation Practice, 2013, chapters 3, 4).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mpmath

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "compiler"))

from tapeless.ir.special_meaning import MEANING  # noqa: E402

POINTS = 80
CTX: Any = mpmath.mp.__class__()
CTX.dps = 50


class Table(NamedTuple):
    """A function on an interval, which becomes -1 to 1."""

    name: str
    low: float
    high: float
    function: Callable[[Any], Any]
    what: str


def meaning(name: str, *args: Any) -> Any:
    return MEANING[name](CTX, *args)


def digamma_over_root(x: Any) -> Any:
    root = CTX.findroot(CTX.digamma, 1.4616321449683623)
    return CTX.digamma(x) / (x - root)


def expi_over_root(x: Any) -> Any:
    root = CTX.findroot(CTX.ei, 0.3725074107813666)
    return CTX.ei(x) / (x - root)


def loggamma_over_roots(a: Any) -> Any:
    return CTX.loggamma(1 + a) / (a * (a - 1))


def erfinv_over_x(square: Any) -> Any:
    x = CTX.sqrt(square)
    return CTX.erfinv(x) / x if x else CTX.sqrt(CTX.pi) / 2


def erfcinv_over_s(s: Any) -> Any:
    return meaning("erfcinv", CTX.exp(-s * s)) / s


def erfcx_flat(t: Any) -> Any:
    x = 3 * (1 + t) / (1 - t)
    return meaning("erfcx", x) * (1 + CTX.sqrt(CTX.pi) * x)


def dawson_over_x(square: Any) -> Any:
    return CTX.hyp1f1(1, CTX.mpf(1.5), -square)


def dawson_far(u: Any) -> Any:
    x = 1 / CTX.sqrt(u)
    return 2 * x * meaning("dawson", x)


def dawson_slope_far(u: Any) -> Any:
    x = 1 / CTX.sqrt(u)
    return 2 * x * x * (1 - 2 * x * meaning("dawson", x))


def lambertw_near_branch(p: Any) -> Any:
    x = (p * p / 2 - 1) / CTX.e
    return (CTX.re(CTX.lambertw(x, 0 if p > 0 else -1)) + 1) / p


def e1_and_log(x: Any) -> Any:
    return CTX.e1(x) + CTX.log(x)


def e1_flat(u: Any) -> Any:
    x = 1 / u
    return x * CTX.exp(x) * CTX.e1(x)


def expi_flat(u: Any) -> Any:
    x = 1 / u
    return x * CTX.exp(-x) * CTX.ei(x)


def gamma_difference(square: Any) -> Any:
    m = CTX.sqrt(square)
    return (CTX.rgamma(1 - m) - CTX.rgamma(1 + m)) / (2 * m)


def gamma_mean(square: Any) -> Any:
    m = CTX.sqrt(square)
    return (CTX.rgamma(1 - m) + CTX.rgamma(1 + m)) / 2


TABLES = (
    Table("digamma", 1, 2, digamma_over_root, "digamma(x)/(x - x0)"),
    Table("lgamma1p", 0, 1, loggamma_over_roots, "log(gamma(1 + x))/(x*(x - 1))"),
    Table("erfinv", 0, 0.5625, erfinv_over_x, "erfinv(sqrt(u))/sqrt(u)"),
    Table("erfcinv_1", 1.125, 2.25, erfcinv_over_s, "erfcinv(exp(-s*s))/s"),
    Table("erfcinv_2", 2.25, 4.5, erfcinv_over_s, "the same"),
    Table("erfcinv_3", 4.5, 10, erfcinv_over_s, "the same"),
    Table("erfcinv_4", 10, 28, erfcinv_over_s, "the same"),
    Table("erfcx", -1, 1, erfcx_flat, "erfcx(x)*(1 + sqrt(pi)*x) at t = (x - 3)/(x + 3)"),
    Table("dawson_1", 0, 1, dawson_over_x, "dawson(sqrt(u))/sqrt(u)"),
    Table("dawson_2", 1, 2, lambda x: meaning("dawson", x), "dawson(x)"),
    Table("dawson_3", 2, 3.5, lambda x: meaning("dawson", x), "the same"),
    Table("dawson_4", 3.5, 6, lambda x: meaning("dawson", x), "the same"),
    Table("dawson_5", 0, 1 / CTX.mpf(36), dawson_far, "2*x*dawson(x) at u = 1/x**2"),
    Table("dawson_slope", 0, 1 / CTX.mpf(36), dawson_slope_far, "2*x**2*(1 - 2*x*dawson(x)) at u = 1/x**2"),
    Table("lambertw", -0.75, 0.75, lambertw_near_branch, "(w + 1)/p where p = sqrt(2*(e*x + 1)), with either sign"),
    Table("e1_0", 0, 1, e1_and_log, "E1(x) + log(x)"),
    Table("e1_1", 0.5, 1, e1_flat, "x*exp(x)*E1(x) at u = 1/x"),
    Table("e1_2", 0.25, 0.5, e1_flat, "the same"),
    Table("e1_3", 0.125, 0.25, e1_flat, "the same"),
    Table("e1_4", 0.0625, 0.125, e1_flat, "the same"),
    Table("e1_5", 0, 0.0625, e1_flat, "the same"),
    Table("expi_root", 0.25, 0.5, expi_over_root, "Ei(x)/(x - x0)"),
    Table("expi_0", 0, 2, lambda x: CTX.ei(x) - CTX.log(x) - CTX.euler, "Ei(x) - log(x) - gamma"),
    Table("expi_1", 0.25, 0.5, expi_flat, "x*exp(-x)*Ei(x) at u = 1/x"),
    Table("expi_2", 0.125, 0.25, expi_flat, "the same"),
    Table("expi_3", 0.0625, 0.125, expi_flat, "the same"),
    Table("expi_4", 0.03125, 0.0625, expi_flat, "the same"),
    Table("expi_5", 0, 0.03125, expi_flat, "the same"),
    Table("temme_1", 0, 0.25, gamma_difference, "(1/gamma(1 - m) - 1/gamma(1 + m))/(2*m) at u = m*m"),
    Table("temme_2", 0, 0.25, gamma_mean, "(1/gamma(1 - m) + 1/gamma(1 + m))/2 at u = m*m"),
)  # fmt: skip


def series(table: Table) -> list[Any]:
    """Return the coefficients, c[0] the mean."""
    low, high = CTX.mpf(table.low), CTX.mpf(table.high)
    angles = [CTX.pi * (k + CTX.mpf(0.5)) / POINTS for k in range(POINTS)]
    values = [table.function((low + high) / 2 + (high - low) / 2 * CTX.cos(angle)) for angle in angles]
    found = []
    for k in range(POINTS):
        found.append(2 * sum(v * CTX.cos(k * a) for v, a in zip(values, angles, strict=True)) / POINTS)
    found[0] /= 2
    limit = max(map(abs, values)) * CTX.ldexp(1, -58)
    while abs(found[-1]) < limit:
        found.pop()
    return found


def written(table: Table) -> str:
    """Return the C of a table."""
    numbers = [repr(float(c)) for c in series(table)]
    if len(numbers) > 60:
        raise SystemExit(f"{table.name} needs {len(numbers)} terms")
    lines, line = [], "   "
    for number in numbers:
        if len(line) + len(number) > 108:
            lines.append(line)
            line = "   "
        line += f" {number},"
    lines.append(line)
    body = "\n".join(lines)
    return f"""\
//: sf_{table.name}_table
/* {table.what}, from {float(table.low):.6g} to {float(table.high):.6g}. */
static const double sf_{table.name}_table[{len(numbers)}] = {{
{body}
}};
"""


def main() -> None:
    text = "\n".join(map(written, TABLES))
    (ROOT / "templates" / "c" / "special_tables.c").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
