"""Bits of error of values and gradients against mpmath, beside JAX, PyTorch and plain C from sympy's printer.

    python benchmarks/accuracy.py
    python benchmarks/accuracy.py --output docs/benchmarks/accuracy.md

A result n doubles away from the truth has log2(1 + n) bits of error; NaN where there is a number has 64. The formulas
are those of the gallery, the Feynman lectures (../shared/data, or the folder that TAPELESS_CORPORA names) and the
traps; the points are drawn from their ranges ("benign"), or log-uniform from 1e-9 to 1e9 with either sign ("wild").
"""

from __future__ import annotations

import json
import platform
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from accuracy_ways import WAYS, hessians  # noqa: E402

import corpora  # noqa: E402
import tapeless as tl  # noqa: E402
from gallery import GALLERY  # noqa: E402
from tapeless.api import read  # noqa: E402
from tapeless.targets.reference import evaluate_flat, nearest  # noqa: E402
from tapeless.transforms.reverse import vjp  # noqa: E402
from traps import TRAPS, is_right, right  # noqa: E402

OURS = "tapeless"
FAR = 10.0
"""Bits of error from which a result counts as wrong."""
LOST = 64.0
WORSE = 0.5
WELL = 16.0
"""A result is well-conditioned whose componentwise condition number is at most this: the sum of what the inputs do to
it, each alone. Moved together, they may hide it: exp(g*t) where the one grows and the other shrinks."""
SHIFT = 2.0**-40


@dataclass(frozen=True)
class Case:
    """A formula with points.

    Attributes
    ----------
    name, corpus, kind
        What it is called, where it comes from, how its points were drawn.
    text
        The formula.
    columns
        Input -> values.
    """

    name: str
    corpus: str
    kind: str
    text: str
    columns: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Errors:
    """Bits of error of one way at one case, NaN where there is no truth.

    Attributes
    ----------
    values, slopes
        Shapes (points, outputs) and (points, inputs).
    """

    values: np.ndarray
    slopes: np.ndarray


def cases(count: int, wild: int) -> list[Case]:
    """Draw the points of all formulas, the same each time."""
    formulas = [(entry.name, "gallery", entry.text, entry.ranges) for entry in GALLERY]
    if corpora.folder() is not None:
        formulas += [(row.name, "Feynman", row.text, row.ranges) for row in corpora.feynman()]
    texts = dict.fromkeys(trap.text for trap in TRAPS)
    formulas += [(text, "traps", text, None) for text in texts]
    found = []
    for k, (name, corpus, text, ranges) in enumerate(formulas):
        names = read(text).input_names()
        if ranges is not None:
            found.append(Case(name, corpus, "benign", text, corpora.sample(ranges, count, seed=k)))
        rng = np.random.default_rng(1000 + k)
        columns = {
            x: 10.0 ** rng.uniform(-9, 9, wild) * np.where(rng.uniform(size=wild) < 0.5, -1.0, 1.0)
            for x in names
        }
        found.append(Case(name, corpus, "wild", text, columns))
    return found


# ---- the truth


def truths(case: Case, digits: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounded truth, shape (points, outputs + inputs), and which of it is well-conditioned.

    The derivative is that of the formula as it was read: no form of the simplifier has a part in it.
    """
    function = tl.compile(case.text)
    program = vjp(function.program, value=True)
    ones = [1.0] * len(function.program.roots)
    rows, well = [], []
    for point in zip(*(case.columns[name].tolist() for name in function.input_names), strict=True):
        exact = evaluate_flat(program, [*point, *ones], digits)
        rows.append([nearest(y) for y in exact])
        moved = [0] * len(exact)
        for k, x in enumerate(point):
            near = evaluate_flat(program, [*point[:k], x * (1 + SHIFT), *point[k + 1 :], *ones], 30)
            moved = [total + abs(y - z) for total, y, z in zip(moved, exact, near, strict=True)]
        well.append([bool(total <= WELL * SHIFT * abs(y)) for total, y in zip(moved, exact, strict=True)])
    return np.array(rows), np.array(well)


def bits(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return log2(1 + distance in doubles); NaN where there is no truth."""
    found = np.asarray(found, float)

    def ordinal(x: np.ndarray) -> np.ndarray:
        whole = np.ascontiguousarray(x).view(np.int64)
        return np.where(whole < 0, np.iinfo(np.int64).min - whole, whole)

    distance = np.abs(ordinal(found).astype(float) - ordinal(truth).astype(float))
    near = np.abs(ordinal(found) - ordinal(truth)).astype(float)  # exact where it is small
    distance = np.where(distance < 2.0**52, near, distance)
    result = np.log2(1 + distance)
    result = np.where(np.isnan(found), LOST, result)
    return np.where(np.isnan(truth), np.nan, result)


# ---- the traps


def trap_scores() -> dict[str, dict[str, list[str]]]:
    """Return way -> the traps it gets wrong, in value or gradient, and in second derivatives."""
    wrong: dict[str, dict[str, list[str]]] = {}
    for name, way in WAYS.items():
        first, second = [], []
        for trap in TRAPS:
            function = tl.compile(trap.text)
            wanted = [
                None if w is None else right(w, function.input_names, trap.at)
                for w in (trap.value, *trap.gradient)
            ]
            columns = [np.array([x]) for x in trap.at]
            try:
                found = [float(column[0]) for column in way(function)(columns)]
                good = all(is_right(y, w, "float64") for y, w in zip(found, wanted, strict=True))
            except Exception:  # what a peer cannot do is wrong
                good = False
            if not good:
                first.append(trap.name)
            if trap.second:
                wanted = [None if w is None else right(w, function.input_names, trap.at) for w in trap.second]
                try:
                    matrix = hessians(name, function, trap.at)
                    upper = [matrix[i, j] for i in range(len(matrix)) for j in range(i, len(matrix))]
                    good = all(is_right(y, w, "float64") for y, w in zip(upper, wanted, strict=True))
                except Exception:
                    good = False
                if not good:
                    second.append(trap.name)
        wrong[name] = {"first": first, "second": second}
    return wrong


# ---- the page


def measure(chosen: Sequence[Case]) -> dict[tuple[str, str, str], dict[str, Errors]]:
    """Return (corpus, kind, formula) -> way -> errors."""
    found: dict[tuple[str, str, str], dict[str, Errors]] = {}
    for case in chosen:
        function = tl.compile(case.text)
        outputs = len(function.program.roots)
        truth, well = truths(case)
        columns = [case.columns[name] for name in function.input_names]
        row = found.setdefault((case.corpus, case.kind, case.name), {})
        for name, way in WAYS.items():
            try:
                results = np.column_stack([np.broadcast_to(y, len(truth)) for y in way(function)(columns)])
            except Exception as error:  # a function that a peer has not
                click.echo(f"{name}: {case.name}: {type(error).__name__}", err=True)
                continue
            errors = bits(results, truth)
            errors[np.isnan(truth[:, :outputs]).any(axis=1)] = np.nan  # outside the domain
            row[name] = Errors(errors[:, :outputs], errors[:, outputs:])
        row["well"] = Errors(well[:, :outputs], well[:, outputs:])
        click.echo(f"{case.corpus:8} {case.kind:7} {case.name:40}" + _short(row), err=True)
    return found


def _short(row: Mapping[str, Errors]) -> str:
    return "  ".join(f"{name} {_mean(row[name].slopes):5.2f}" for name in WAYS if name in row)


def _mean(errors: np.ndarray) -> float:
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else 0.0


def _share(errors: np.ndarray) -> float:
    known = errors[np.isfinite(errors)]
    return float(np.mean(known > FAR)) if known.size else 0.0


Found = Mapping[tuple[str, str, str], Mapping[str, Errors]]
"""(corpus, kind, formula) -> way -> errors."""


def page(found: Found, wrong: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Return the tables as Markdown."""
    lines = [
        "# Accuracy",
        "",
        f"`benchmarks/accuracy.py`, {platform.machine()}. Bits of error of value and gradient: log2(1 + distance in",
        f'doubles) from mpmath at 60 digits; NaN where there is a number counts {LOST:.0f}. "Over {FAR:.0f}" is the',
        f'share of results with more than {FAR:.0f} bits of error; "well" is the mean over results with a',
        f'componentwise condition number of at most {WELL:.0f}, and "of well" the share among these. Only',
        "formulas that all ways can compute are in the means.",
        *_of_traps(wrong),
        *_of_formulas(found),
        *_of_the_worse(found),
        *_of_the_wrong(found),
        "",
        "## Traps that each gets wrong",
        "",
        *(f"- {name}: {', '.join(both['first']) or 'none'}" for name, both in wrong.items()),
    ]
    return "\n".join(lines) + "\n"


def _of_traps(wrong: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    agreed = {trap.name for trap in TRAPS if trap.why.startswith("convention")}
    count, plain, second = len(TRAPS), len(TRAPS) - len(agreed), sum(bool(trap.second) for trap in TRAPS)
    lines = [
        "",
        "## Traps",
        "",
        f"{count} points where differentiation goes wrong (tests/traps.py), {second} of them in second order too.",
        f"For {len(agreed)} a convention says what is right, as at a tie with a constant; others have theirs.",
        "",
        "| | value and gradient right | without those by convention | second derivatives right |",
        "|---|---:|---:|---:|",
    ]
    for name, both in wrong.items():
        mathematical = plain - len(set(both["first"]) - agreed)
        lines.append(
            f"| {name} | {count - len(both['first'])} of {count} | {mathematical} of {plain} "
            f"| {second - len(both['second'])} of {second} |"
        )
    return lines


def _of_formulas(found: Found) -> list[str]:
    lines = [
        "",
        "## Formulas",
        "",
        "| corpus | points | way | value: mean | well | over 10 | of well "
        "| gradient: mean | well | over 10 | of well |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for corpus, kind in dict.fromkeys((corpus, kind) for corpus, kind, _ in found):
        rows = [row for key, row in found.items() if key[:2] == (corpus, kind) and WAYS.keys() <= row.keys()]
        for name in WAYS if rows else ():
            cells = []
            for part in ("values", "slopes"):
                errors = np.concatenate([np.ravel(getattr(row[name], part)) for row in rows])
                well = np.concatenate([np.ravel(getattr(row["well"], part)) for row in rows]).astype(bool)
                cells += [f"{_mean(errors):.2f}", f"{_mean(errors[well]):.2f}"]
                cells += [f"{_share(errors):.1%}", f"{_share(errors[well]):.1%}"]
            lines.append(f"| {corpus} | {kind} | {name} | {' | '.join(cells)} |")
    return lines


def _of_the_worse(found: Found) -> list[str]:
    rows = []
    for (corpus, kind, name), row in found.items():
        if {OURS, "JAX"} <= row.keys():
            ours, theirs = _mean(row[OURS].slopes), _mean(row["JAX"].slopes)
            if ours > theirs + WORSE:
                rows.append((ours - theirs, f"| {corpus} `{name}` | {kind} | {ours:.2f} | {theirs:.2f} |"))
    return [
        "",
        "## Where we are worse than JAX",
        "",
        f"Formulas whose gradient has more bits of error on the mean, by {WORSE} or more.",
        "",
        "| formula | points | tapeless | JAX |",
        "|---|---|---:|---:|",
        *([text for _, text in sorted(rows, reverse=True)] or ["| none | | | |"]),
    ]


def _of_the_wrong(found: Found) -> list[str]:
    rows = []
    for (corpus, kind, name), row in found.items():
        if {OURS, "JAX"} <= row.keys():
            well = row["well"].slopes.astype(bool)
            ours, theirs = (_share(row[way].slopes[well]) for way in (OURS, "JAX"))
            if ours:
                rows.append((ours, f"| {corpus} `{name}` | {kind} | {ours:.1%} | {theirs:.1%} |"))
    return [
        "",
        f"## Where well-conditioned gradients have more than {FAR:.0f} bits of error",
        "",
        "| formula | points | tapeless | JAX |",
        "|---|---|---:|---:|",
        *([text for _, text in sorted(rows, reverse=True)] or ["| none | | | |"]),
    ]


@click.command(help=__doc__.partition("\n")[0])
@click.option("--benign", default=40, show_default=True, help="Points from the ranges of a formula.")
@click.option("--wild", default=60, show_default=True, help="Points of any magnitude.")
@click.option("--only", default="", help="Only formulas with this in their name.")
@click.option("--ways", default="", help="Only these ways, separated by commas.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write a page of Markdown there.")
@click.option(
    "--record", type=click.Path(dir_okay=False), help="Write the means of each formula as JSON there."
)
def main(benign: int, wild: int, only: str, ways: str, output: str | None, record: str | None) -> None:
    """Measure all and print."""
    warnings.simplefilter("ignore")
    for name in list(WAYS):
        if ways and name not in ways.split(","):
            del WAYS[name]
    wrong = {} if only else trap_scores()
    found = measure([case for case in cases(benign, wild) if only in case.name])
    text = page(found, wrong)
    click.echo(text)
    if output is not None:
        Path(output).write_text(text, encoding="utf-8")
    if record is not None:
        means: dict[str, Any] = {
            " ".join(key): {name: _mean(row[name].slopes) for name in row if name != "well"}
            for key, row in found.items()
        }
        Path(record).write_text(json.dumps(means, indent=1, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    main()
