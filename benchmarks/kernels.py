"""Formulas of one line to a page beside NumPy, numexpr, numba, JAX, PyTorch and heyoka: forward, backward, fused.

    python benchmarks/kernels.py --quick
    python benchmarks/kernels.py --output docs/benchmarks
    python benchmarks/kernels.py --only gelu --sections none
    python benchmarks/kernels.py --only none --sections calls,threads

Every cell (a formula, a dtype, a number of threads) runs in a process of its own, pinned to as many cores. There the
rivals are prepared one after the other, compared, and timed by turns; one that takes longer than the limit is
stopped, and the cell goes on without it. No time is asserted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cells
import click
import kernel_page
from kernel_formulas import KERNELS
from kernel_sections import SECTIONS
from kernel_ways import PACKAGES, RIVALS

import numpy as np  # isort: skip

from tapeless.api import read
from tapeless.bench.machine import this_machine
from tapeless.bench.peers.registry import KINDS, Problem

Found = dict[str, Any]

_KNOWN = "numexpr computes values alone"

SIZES = {True: (100, 10_000, 1_000_000), False: (1, 100, 10_000, 1_000_000, 10_000_000)}
SECTION_SIZES: dict[bool, tuple[int, ...]] = {True: (1_000_000,), False: ()}
DTYPES = {True: ("float64",), False: ("float64", "float32")}
THREADS = {True: (1,), False: (1, 2)}
SECONDS = {True: 0.6, False: 1.5}
"""Quick or not -> what is run; the seconds are for the turns of all ways at one size and kind."""


def run_cell(kernel: str, dtype: str, threads: int, plan: Found) -> tuple[list[Found], list[str]]:
    """Run one cell; return what was found and which rivals were left out, with the reason."""
    found: dict[tuple[int, str], Found] = {}
    finished: set[int] = set()
    notes: list[str] = []
    moved = moved_bytes(kernel, dtype)

    def job(names: list[str]) -> Found | None:
        sizes = [size for size in plan["sizes"] if size not in finished]
        if not sizes:
            return None
        return {
            "kernel": kernel,
            "dtype": dtype,
            "threads": threads,
            "sizes": sizes,
            "moved": moved,
            "names": names,
            "seconds": plan["seconds"],
        }

    def receive(event: str, rival: str, message: Found) -> None:
        if event == "done":
            finished.add(message["size"])
        elif event == "note":
            notes.append(f"{rival} ({kernel}: {message['text']})")
        elif event == "timed":
            size, what = message.pop("size"), message.pop("what")
            cell = found.setdefault(
                (size, what),
                {
                    "kernel": kernel,
                    "dtype": dtype,
                    "threads": threads,
                    "size": size,
                    "what": what,
                    "bytes": moved[what],
                    "ways": {},
                },
            )
            cell["ways"][rival] = message

    late = cells.run_cell(
        "kernel_worker.py",
        job,
        plan["rivals"],
        plan["limit"],
        receive,
        label=f"{kernel}, {kernel_page.title(dtype, threads, 0).partition(', n')[0]}",
    )
    notes += [f"{name} ({kernel}, {dtype}, {threads})" for name in late]
    return list(found.values()), notes


def moved_bytes(kernel: str, dtype: str) -> dict[str, int]:
    """Return the bytes of the numbers that must be read and written per element, for each kind."""
    program = read(KERNELS[kernel].text)
    problem = Problem(program, [item.name for item in program.inputs], dtype)
    found = {}
    for what in KINDS:
        derived = problem.derived(what)
        graph = derived.graph
        reads = sum(graph.ops[node] == "input" for node in graph.reachable(derived.roots))
        found[what] = np.dtype(dtype).itemsize * (reads + len(derived.roots))
    return found


def run_section(name: str, sizes: Sequence[int], seconds: float) -> list[Found]:
    """Run a special section, at sizes of its own where none are given; return the rows of its table."""
    rows: list[Found] = []
    job = {"section": name, "sizes": list(sizes), "seconds": seconds}

    def receive(event: str, _rival: str, message: Found) -> None:
        if event == "row":
            rows.append(message)
        else:
            click.echo(f"{name}: {message['text']}", err=True)

    cells.run_cell("kernel_sections.py", lambda _: job, (), 60, receive, label=f"section {name}")
    return rows


def chosen(_ctx: click.Context, param: click.Parameter, value: str | None) -> Sequence[str] | None:
    """Read names, all, or none."""
    known: Sequence[str] = {"sections": tuple(SECTIONS), "rivals": RIVALS}[str(param.name)]
    if value in (None, "all"):
        return known
    if value == "none":
        return ()
    names = [name.strip() for name in str(value).split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is none of {', '.join(known)}")
    return names


def numbers(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return None if value is None else tuple(int(float(part)) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not of the form 100,1e4") from None


@click.command(help=__doc__.split("\n\n")[0])
@click.option(
    "--quick", is_flag=True, help="float64, one thread, three sizes, shorter timings: some minutes."
)
@click.option("--only", default="all", help="Formulas whose names contain this; none for the sections alone.")
@click.option("--sections", callback=chosen, help=f"{', '.join(SECTIONS)}; or all (the default), or none.")
@click.option("--rivals", callback=chosen, help=f"{', '.join(RIVALS)}; or all (the default), or none.")
@click.option("--sizes", callback=numbers, help="Numbers of elements.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float64", "float32"]))
@click.option("--threads", multiple=True, type=click.IntRange(1, 2))
@click.option("--seconds", type=float, help="For the turns of all ways at one size and kind.")
@click.option(
    "--limit", type=float, default=90.0, show_default=True, help="Seconds for one step of one rival."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder for the page, the picture and the numbers."
)
def main(
    *,
    quick: bool,
    only: str,
    sections: Sequence[str],
    rivals: Sequence[str],
    sizes: tuple[int, ...] | None,
    dtypes: tuple[str, ...],
    threads: tuple[int, ...],
    seconds: float | None,
    limit: float,
    output: Path | None,
) -> None:
    names = [name for name in KERNELS if only == "all" or only in name]
    if not names and only != "none":
        raise click.BadParameter(f"no formula is called like {only!r}", param_hint="--only")
    results: list[Found] = []
    tables: dict[str, list[Found]] = {}
    notes: list[str] = []
    flags = "".join(
        [
            " --quick" if quick else "",
            f" --only {only}" if only != "all" else "",
            f" --sizes {','.join(map(str, sizes))}" if sizes else "",
            *(f" --dtype {dtype}" for dtype in dtypes),
            *(f" --threads {count}" for count in threads),
            f" --seconds {seconds:g}" if seconds else "",
        ]
    )
    how = "quick" if quick else "partial" if only != "all" or sizes or dtypes or threads else "full"
    seconds = seconds or SECONDS[quick]
    plan = {"sizes": sizes or SIZES[quick], "seconds": seconds, "rivals": list(rivals), "limit": limit}

    def write() -> None:
        """Write what is there so far."""
        if output is not None:
            _write(output, results, tables, notes, how=how, flags=flags, limit=limit)

    for dtype in dtypes or DTYPES[quick]:
        for count in threads or THREADS[quick]:
            for name in names:
                found, more = run_cell(name, dtype, count, plan)
                results += found
                notes += [note for note in dict.fromkeys(more) if note not in notes and _KNOWN not in note]
                click.echo(f"\n{name}, {dtype}, {count} thread{'s' if count > 1 else ''}")
                click.echo(shown(found))
                write()
    for name in sections:
        tables[name] = run_section(name, sizes or SECTION_SIZES[quick], seconds)
        click.echo("\n" + kernel_page.section(name, tables[name]))
        write()
    if results:
        click.echo(f"\n{kernel_page.means(results)}\n\n{kernel_page.goals(results)}")
    for note in notes:
        click.echo(f"- {note}", err=True)


def shown(found: Sequence[Found]) -> str:
    """Return the cells of one formula, with the size in place of the formula."""
    rows = [{**cell, "kernel": f"{cell['size']:,}"} for cell in found]
    return kernel_page.table(rows).replace("| formula |", "| n |", 1)


def _write(
    output: Path,
    results: list[Found],
    tables: dict[str, list[Found]],
    notes: list[str],
    *,
    how: str,
    flags: str,
    limit: float,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    machine = this_machine()
    text = kernel_page.page(
        results,
        tables,
        notes,
        how=how,
        flags=flags,
        versions=cells.versions(PACKAGES),
        machine=machine,
        limit=limit,
    )
    (output / "kernels.md").write_text(text, encoding="utf-8")
    parts = {
        "machine": json.dumps(str(machine)),
        "notes": _lines(notes),
        "sections": "{\n" + ",\n".join(f"{json.dumps(k)}: {_lines(v)}" for k, v in tables.items()) + "\n}",
        "cells": _lines(results),
    }
    numbers = "{\n" + ",\n".join(f"{json.dumps(key)}: {text}" for key, text in parts.items()) + "\n}\n"
    (output / "kernels.json").write_text(numbers, encoding="utf-8")
    if results:
        kernel_page.picture(results, output / "kernels.png")


def _lines(items: Sequence[Any]) -> str:
    """Return a JSON list with one item per line, numbers to four digits: the file is kept, and compared."""
    return "[\n" + ",\n".join(json.dumps(_rounded(item)) for item in items) + "\n]"


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
