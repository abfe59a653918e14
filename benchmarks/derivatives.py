"""Derivatives of whole models beside CasADi, JAX, SymForce and sympy: operations, build, compile, evaluation.

    python benchmarks/derivatives.py --quick --output docs/benchmarks
    python benchmarks/derivatives.py --counts-only
    python benchmarks/derivatives.py --scaling

Every cell (a model and a kind of derivative) runs in a process of its own on one core. There the rivals are prepared
one after the other and timed by turns; one that takes longer than the limit is stopped, and the cell starts again
without it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

import cells  # noqa: E402
from rivals import RIVALS  # noqa: E402

import models  # noqa: E402
from tapeless.bench.machine import processor  # noqa: E402

KINDS = ("value_and_grad", "jacobian", "hessian")
CELLS: dict[bool, list[tuple[str, str]]] = {
    True: [
        ("lennard-jones-5", "value_and_grad"),
        ("polynomial-40", "value_and_grad"),
        ("perceptron-4", "value_and_grad"),
        ("reprojection", "jacobian"),
        ("spatial-arm-6", "jacobian"),
        ("lennard-jones-5", "hessian"),
        ("rosenbrock-12", "value_and_grad"),
        ("determinant-4", "value_and_grad"),
        ("rosenbrock-12", "hessian"),
    ],
    False: [
        *((model.name, "value_and_grad") for model in models.LARGE),
        *((name, "jacobian") for name in ("reprojection", "spatial-arm-7", "planar-arm-7", "planar-arm-50")),
        *(
            (name, "hessian")
            for name in (
                "lennard-jones-5",
                "lennard-jones-10",
                "rosenbrock-100",
                "spatial-arm-7",
                "reprojection",
            )
        ),
    ],
}
"""Quick or not -> (model, kind)."""

ROUNDS = {True: 3, False: 7}
"""Quick or not -> turns of each rival."""

PACKAGES = ("numpy", "casadi", "jax", "symforce", "sympy")

NUMBERS = 30_000_000
"""Numbers in and out of a batch at most: 240 MB."""


def batch_of(name: str, kind: str, quick: bool) -> int:
    size, outputs = SIZES[name]
    lanes = size + {"value_and_grad": size + 1, "jacobian": size * outputs, "hessian": size * size}[kind]
    return max(1, min(10_000 if quick else 100_000, NUMBERS // lanes))


def run_cell(name: str, kind: str, quick: bool, limit: float) -> dict[str, Any]:
    """Run a cell to its end, leaving out what does not come back within the limit."""
    batch, rounds = batch_of(name, kind, quick), ROUNDS[quick]
    found: dict[str, dict[str, Any]] = {}

    def job(names: list[str]) -> dict[str, Any]:
        found.clear()  # those that are ready take turns, so all begin again
        return {"name": name, "kind": kind, "batch": batch, "rounds": rounds, "names": names}

    def receive(_event: str, rival: str, message: dict[str, Any]) -> None:
        if message:
            found.setdefault(rival, {}).update(message)

    late = cells.run_cell("worker.py", job, RIVALS, limit, receive, label=f"{name} {kind}")
    for rival in late:
        found[rival] = {"late": limit}
    return {"model": name, "kind": kind, "batch": batch, "rivals": found}


# ---- shown


def seconds(value: float | None) -> str:
    if value is None:
        return "–"
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"


def table(results: list[dict[str, Any]]) -> str:
    head = "| model | derivative | way | operations | build | compile | one point | ratio | in batch, each | ratio |"
    rows = [head, "|---|---|---|--:|--:|--:|--:|--:|--:|--:|"]
    for cell in results:
        ours = cell["rivals"]["tapeless"]
        for rival in RIVALS:
            given = cell["rivals"].get(rival)
            if given is None:
                continue
            label = f"| {cell['model']} | {cell['kind']} | {rival} |"
            if "late" in given:
                rows.append(f"{label} – | > {given['late']:g} s | – | – | – | – | – |")
                continue
            one, many = given.get("one"), given.get("many")
            shown = [
                str(given["operations"] or "–"),
                seconds(given["build"]),
                seconds(given["compile"]),
                seconds(one),
                f"{one / ours['one']:.2f}" if one else "–",
                seconds(many / cell["batch"] if many else None),
                f"{many / ours['many']:.2f}" if many else "–",
            ]
            rows.append(f"{label} {' | '.join(shown)} |")
    return "\n".join(rows)


def summary(results: list[dict[str, Any]]) -> str:
    """Return geometric means of each rival over tapeless, over the cells that both finished."""
    rows = ["| way | operations | one point | batch |", "|---|--:|--:|--:|"]
    for rival in list(RIVALS)[1:]:
        means = []
        for what in ("operations", "one", "many"):
            pairs = [(c["rivals"].get(rival, {}).get(what), c["rivals"]["tapeless"][what]) for c in results]
            ratios = [theirs / ours for theirs, ours in pairs if theirs]
            means.append(f"{cells.geometric_mean(ratios):.2f} ({len(ratios)})" if ratios else "–")
        rows.append(f"| {rival} | {' | '.join(means)} |")
    return "\n".join(rows)


def picture(results: list[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(13, 0.45 * len(results) + 1.6), sharey=True)
    titles = {"operations": "operations", "one": "time at one point", "many": "time per point in a batch"}
    for axis, (what, title) in zip(axes, titles.items(), strict=True):
        for k, rival in enumerate(list(RIVALS)[1:]):
            places = [
                (found / cell["rivals"]["tapeless"][what], row)
                for row, cell in enumerate(results)
                if (found := cell["rivals"].get(rival, {}).get(what))
            ]
            if places:
                axis.scatter(*zip(*places, strict=True), label=rival, color=f"C{k}", s=28)
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xscale("log")
        axis.set_title(f"{title}, tapeless = 1")
        axis.grid(axis="y", linewidth=0.3)
    axes[0].set_yticks(range(len(results)), [f"{cell['model']} {cell['kind']}" for cell in results])
    axes[0].invert_yaxis()
    handles: dict[str, Any] = {}
    for axis in axes:
        handles.update(
            {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        )
    figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=len(handles), frameon=False)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=110)


PAGE = """\
# Derivatives of whole models

A {how} run of `python benchmarks/derivatives.py{flags}`: {versions}; {processor}. Load of the machine at the end:
{load:.1f}. Medians of {rounds} rounds, in each of which all ways take a turn in one process on one core, of the
processor time of the process; double precision.

All ways start from the same scalar Python code. Operations are counted the same way for all: each addition,
multiplication, division, power or call counts 1 (a power that C writes as several products counts as those for
tapeless, as 1 for the others); SymForce and sympy compute one triangle of a Hessian, the others the whole matrix.
JAX's count cannot be seen in its compiled code. Build is from Python code to the derivative's program, after sharing
of common subexpressions; compile from there to the first numbers, for tapeless without any cache. A batch has {batch}
points or what fits in 240 MB. A ratio is the time over tapeless's: above 1, tapeless is faster. CasADi runs in its
virtual machine and as C built with -O2; both do a batch by `map`. At one point CasADi is called through buffers that
were bound before, without any look at the arguments; tapeless and JAX are called with an array and return new arrays,
so that column shows mostly what a call from Python costs. Of JAX's ways the fastest is shown: forward and reverse
mode, the scalar code and, where there is one, the same model written with whole arrays. SymForce and sympy are only
counted. What takes longer than {limit:g} s to get ready is stopped.

## Geometric means over tapeless (number of cells)

{summary}

![Ratios](derivatives.png)

## All cells

{table}
"""


# ---- other runs


def counts_only(chosen: list[models.Model]) -> None:
    """Print operations of value and gradient beside CasADi's after cse."""
    import peers
    import tapeless as tl
    from tapeless.api import read
    from tapeless.kinds import derive
    from tapeless.targets.c.counts import op_counts
    from tapeless.targets.c.lower import lower

    ratios = []
    click.echo(
        "| model | value | value and gradient | over value | CasADi | over CasADi |\n|---|--:|--:|--:|--:|--:|"
    )
    for model in chosen:
        program = read(model.traceable(tl), inputs={"x": (model.size,)})
        kind = "value_and_grad" if model.outputs == 1 else "forward_backward"
        value, both = (
            op_counts(lower(derive(program, k, None), k, "float64"))["total"] for k in ("forward", kind)
        )
        theirs = peers.operations(peers.function(model, kind))
        ratios.append(both / theirs)
        row = (model.name, value, both, f"{both / value:.2f}", theirs, f"{both / theirs:.3f}")
        click.echo(f"| {' | '.join(map(str, row))} |")
    click.echo(f"\ngeometric mean over CasADi: {cells.geometric_mean(ratios):.3f}")


def scaling(limit: int) -> None:
    """Print the time of each step for clusters of growing size, with the exponents fitted by least squares."""
    import numpy as np

    import tapeless as tl
    from tapeless.api import read
    from tapeless.kinds import derive
    from tapeless.targets.c.counts import op_counts
    from tapeless.targets.c.lower import lower

    rows = []
    click.echo("| atoms | operations | trace | derive | lower | compile |\n|--:|--:|--:|--:|--:|--:|")
    for atoms in (10, 16, 28, 50, 85, 150):
        if 6.5 * atoms * atoms * 2 > 1.1 * limit:
            break
        model = models.lennard_jones(atoms)
        marks = [time.perf_counter()]
        program = read(model.traceable(tl), inputs={"x": (model.size,)})
        marks.append(time.perf_counter())
        derived = derive(program, "value_and_grad", None)
        marks.append(time.perf_counter())
        operations = op_counts(lower(derived, "value_and_grad", "float64"))["total"]
        marks.append(time.perf_counter())
        function = tl.compile(model.traceable(tl), inputs={"x": (model.size,)}, cache=False)
        start = time.perf_counter()
        function.value_and_grad(model.points(1)[0])
        # The call traces, derives and lowers again.
        compiled = time.perf_counter() - start - (marks[3] - marks[0])
        steps = [*np.diff(marks), max(compiled, 1e-3)]
        rows.append((operations, *steps))
        click.echo(f"| {atoms} | {operations} | {' | '.join(map(seconds, steps))} |")
    if len(rows) > 1:
        logs = np.log(np.array(rows))
        fits = [np.polyfit(logs[:, 0], logs[:, k], 1)[0] for k in range(1, logs.shape[1])]
        click.echo(f"| exponent | | {' | '.join(f'{fit:.2f}' for fit in fits)} |")


def write(output: Path, results: list[dict[str, Any]], quick: bool, limit: float) -> None:
    """Write the page, its numbers and its picture."""
    output.mkdir(parents=True, exist_ok=True)
    page = PAGE.format(
        how="quick" if quick else "full",
        flags=f"{' --quick' if quick else ''} --limit {limit:g}",
        versions=cells.versions(PACKAGES),
        processor=f"{processor()}, {os.cpu_count()} cores seen, one used",
        load=os.getloadavg()[0],
        rounds=ROUNDS[quick],
        batch="1e4" if quick else "1e5",
        limit=limit,
        summary=summary(results),
        table=table(results),
    )
    (output / "derivatives.md").write_text(page, encoding="utf-8")
    (output / "derivatives.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    picture(results, output / "derivatives.png")


SIZES: dict[str, tuple[int, int]] = {}


@click.command(help=__doc__.split("\n\n")[0])
@click.option("--only", default="all", help="Models whose names contain this.")
@click.option("--quick", is_flag=True, help="Smaller models and batches, fewer rounds: some minutes.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for the table, the picture and the JSON."
)
@click.option("--limit", type=float, help="Seconds for one way to get ready; 60, or 10 with --quick.")
@click.option("--counts-only", "only_counts", is_flag=True, help="Operations beside CasADi's, nothing timed.")
@click.option(
    "--scaling", "only_scaling", is_flag=True, help="Time to derive and build by number of operations."
)
@click.option("--largest", default=300_000, show_default=True, help="Operations at most, for --scaling.")
def main(
    *,
    only: str,
    quick: bool,
    output: Path | None,
    limit: float | None,
    only_counts: bool,
    only_scaling: bool,
    largest: int,
) -> None:
    from worker import between

    def wanted(name: str) -> bool:
        return only == "all" or only in name

    if only_scaling:
        return scaling(largest)
    if only_counts:
        return counts_only([model for model in models.LARGE if wanted(model.name)])
    limit = limit or (10 if quick else 60)
    everything = (*models.MODERATE, *models.LARGE, *between(models))
    SIZES.update({model.name: (model.size, model.outputs) for model in everything})
    results: list[dict[str, Any]] = []
    for name, kind in CELLS[quick]:
        if wanted(name):
            results.append(run_cell(name, kind, quick, limit))
            click.echo(table(results[-1:]) if len(results) == 1 else table(results[-1:]).split("\n", 2)[2])
            if output:  # as far as it has come
                write(output, results, quick, limit)
    if not results:
        raise click.BadParameter(f"no model is called like {only!r}", param_hint="--only")
    click.echo("\n" + summary(results))
    return None


if __name__ == "__main__":
    main()
