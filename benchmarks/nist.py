"""The nonlinear regressions of NIST StRD, fitted with the compiled Jacobian and with SciPy's own differences.

    python benchmarks/nist.py
    python benchmarks/nist.py --output docs/benchmarks/nist.md

The same solver, the same settings and the same compiled model both times; only the Jacobian differs. The data are
those of ../shared/data, or of the folder that TAPELESS_CORPORA names.
"""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import click

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import corpora  # noqa: E402
from fits import TIGHT, Fit, fit, residuals_of  # noqa: E402

SOLVERS = {
    "trf": {"method": "trf", "x_scale": "jac", **TIGHT},
    "lm": {"method": "lm", "x_scale": "jac", **TIGHT},
    "trf, default tolerances": {"method": "trf", "x_scale": "jac", "max_nfev": 20_000},
    "lm, default tolerances": {"method": "lm", "x_scale": "jac", "max_nfev": 20_000},
}
ENOUGH = 6
"""Digits of all parameters that count as converged."""
WAYS = {"compiled": None, "2-point": "2-point"}


@click.command(help=__doc__.partition("\n")[0])
@click.option("--output", type=click.Path(dir_okay=False), help="Write a page of Markdown there.")
def main(output: str | None) -> None:
    """Fit all and print."""
    rows = corpora.nist_strd()
    found = {}
    for row in rows:
        residuals = residuals_of(row)
        for solver, settings in SOLVERS.items():
            for start in (1, 2):
                for way, jac in WAYS.items():
                    at = row.start1 if start == 1 else row.start2
                    found[row.name, solver, start, way] = fit(residuals, row, at, jac=jac, **settings)
        click.echo(f"{row.name:10}" + "  ".join(_cells(found, row.name, "trf")), err=True)
    page = _page(rows, found)
    click.echo(page)
    if output is not None:
        Path(output).write_text(page, encoding="utf-8")


def _page(rows: Sequence[corpora.Regression], found: dict[tuple[str, str, int, str], Fit]) -> str:
    lines = [
        "# NIST StRD: nonlinear regressions",
        "",
        f"{len(rows)} models with certified parameters, each from two starting points: one far off, the",
        "second near. Digits are those that all parameters of a model share with the certified ones, at most 11;",
        f"{ENOUGH} or more count as converged. Both ways use the same solver, `scipy.optimize.least_squares`, the",
        "same settings and the same compiled model; *compiled* has the Jacobian of `f.residuals(data)`, *2-point*",
        "the differences that SciPy takes by itself.",
        "",
        f"Made by `benchmarks/nist.py` with SciPy {importlib.metadata.version('scipy')}, NumPy",
        f"{importlib.metadata.version('numpy')}, Python {platform.python_version()}, {platform.machine()}. Digits",
        "differ from machine to machine where rounding decides.",
        "",
        "## How many converge",
        "",
        '`x_scale="jac"` throughout; tolerances `xtol`, `ftol` and `gtol` of 1e-15 unless said otherwise.',
        "",
        "| solver | start 1, compiled | start 1, 2-point | start 2, compiled | start 2, 2-point |",
        "|---|---|---|---|---|",
    ]
    for solver in SOLVERS:
        counts = [
            sum(found[row.name, solver, start, way].digits >= ENOUGH for row in rows)
            for start in (1, 2)
            for way in WAYS
        ]
        lines.append(f"| {solver} | " + " | ".join(f"{count} of {len(rows)}" for count in counts) + " |")
    for solver in ("trf", "lm"):
        lines += [
            "",
            f"## {solver}",
            "",
            "Digits, and in parentheses evaluations of the model and of the compiled Jacobian; differences need",
            "further evaluations of the model, which are counted with it. Bold: not converged.",
            "",
            "| model | level | parameters "
            + "".join(f"| start {start}, {way} " for start in (1, 2) for way in WAYS)
            + "|",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.name} | {row.level.lower()} | {len(row.parameters)} | "
            + " | ".join(_cells(found, row.name, solver))
            + " |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def _cells(found: dict[tuple[str, str, int, str], Fit], name: str, solver: str) -> list[str]:
    cells = []
    for start in (1, 2):
        for way in WAYS:
            one = found[name, solver, start, way]
            digits = f"{one.digits:.1f}" if one.digits >= ENOUGH else f"**{one.digits:.1f}**"
            work = f"{one.evaluations} + {one.jacobians}" if way == "compiled" else f"{one.evaluations}"
            cells.append(f"{digits} ({work})")
    return cells


if __name__ == "__main__":
    main()
