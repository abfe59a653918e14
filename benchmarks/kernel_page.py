"""The tables, the page and the picture of kernels.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from cells import geometric_mean, markdown
from kernel_ways import AUTOMATIC, RIVALS

Found = dict[str, Any]
WAYS = ("tapeless out=", *RIVALS)
MEASURES = ("copy", "triad", "copy, non-temporal", "triad, non-temporal")

PAGE = """\
# Kernels

A {how} run of `python benchmarks/kernels.py{flags}`: {versions}; {machine}.
{count} formulas, forward (values), backward (cotangents of the inputs) and fused (both in one pass; for one output
value and gradient), in processes of their own.

{notes}

## Geometric means

{means}

## Fused, float64, one thread: ways that derive the gradient by themselves, and a gradient by hand

{goals}

![Ratios](kernels.png)

{sections}

## All cells

Time per element of `tapeless`, what it moves, and the time of every other way over its own.

{tables}
"""

NOTES = """\
- Every way computes the same numbers from the same formula; the largest relative difference from ours was
  {worst}.
- A ratio is the median time over that of `tapeless`, which makes new arrays: above 1, tapeless is faster. All ways of
  a cell take turns in one process, each with a call before that is not timed. Cells of one thread are pinned to one
  core, and the processor time of the process is measured, so that a neighbour's turn on that core does not count;
  cells of two threads are kept to two cores, and the clock on the wall is read.
- `tapeless out=`, numexpr, numba and heyoka write into the same arrays at each call. numpy, jax, torch and
  torch.compile make new ones: they have no `out=` for compiled or differentiated functions. So where arrays are
  large, numba and heyoka call without allocation, and we with one. Where a gradient is an input itself (of `line`),
  numpy returns that input and writes nothing.
- numpy: `sympy.lambdify` with `cse` of the formulas that tapeless derived. numexpr: the values alone; it has no
  derivatives and no erf. numba: value and gradient written by hand, one loop, `fastmath=False`, `error_model="numpy"`
  (else no loop with a division is vectorised), `parallel=True` for two threads. jax: `jit` of the formula and of its
  `vjp`. torch: eager, `autograd.grad`; gelu and silu are its own functions. torch.compile: of the formula and of its
  `func.vjp`, which is several times faster than a compiled forward with a recorded backward. heyoka: `cfunc`,
  gradient by `diff_tensors`, 512-bit vectors where there are any and two at a time; erfc is written 1 - erf, for its
  erfc is not vectorised.
- No answer within {limit:g} s, or not available: {late}."""


def ratio(cell: Found, way: str) -> float | None:
    """Return the time of a way over that of tapeless."""
    theirs = cell["ways"].get(way)
    return theirs["median"] / cell["ways"]["tapeless"]["median"] if theirs else None


def nanoseconds(cell: Found, way: str = "tapeless") -> float:
    return float(cell["ways"][way]["median"]) / cell["size"] * 1e9


def gigabytes(cell: Found) -> float:
    return float(cell["bytes"]) / nanoseconds(cell)


def triad(cell: Found) -> float:
    """Return gigabytes per second of the faster triad that took turns with the cell, over as many bytes."""
    ways = [way for way in ("triad", "triad, non-temporal") if way in cell["ways"]]
    return float(cell["bytes"]) / min(nanoseconds(cell, way) for way in ways)


def figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}" if value >= 0.1 else f"{value:.2f}"


# ---- tables


def means(cells: Sequence[Found]) -> str:
    """Return geometric means over the formulas, for each dtype, number of threads, size and kind."""
    rows = []
    for key in _unique((c["dtype"], c["threads"], c["size"], c["what"]) for c in cells):
        group = [c for c in cells if (c["dtype"], c["threads"], c["size"], c["what"]) == key]
        row: list[str] = [key[0], str(key[1]), f"{key[2]:,}", key[3]]
        for way in WAYS:
            ratios = [found for cell in group if (found := ratio(cell, way)) is not None]
            missing = f" ({len(ratios)})" if 0 < len(ratios) < len(group) else ""
            row.append(f"{figure(geometric_mean(ratios))}{missing}" if ratios else "–")
        rows.append(row)
    count = len(_unique(c["kernel"] for c in cells))
    text = markdown(("dtype", "threads", "n", "", *WAYS), rows, left=4)
    return f"{text}\n\nOver {count} formulas, or as many as stand in brackets."


def goals(cells: Sequence[Found]) -> str:
    """Return the ratios of fused calls for each formula, in double precision by one thread."""
    chosen = [c for c in cells if (c["dtype"], c["threads"], c["what"]) == ("float64", 1, "fused")]
    rows = []
    for cell in sorted(chosen, key=lambda c: c["size"]):
        others = {way: found for way in AUTOMATIC if (found := ratio(cell, way)) is not None}
        best = min(others, key=lambda way: others[way]) if others else ""
        rows.append(
            (
                f"{cell['size']:,}",
                cell["kernel"],
                figure(nanoseconds(cell)),
                figure(others[best]) if best else "–",
                best or "–",
                figure(ratio(cell, "numba")),
                figure(ratio(cell, "tapeless out=")),
                f"{100 * gigabytes(cell) / triad(cell):.0f} %",
            )
        )
    head = ("n", "formula", "ns each", "best automatic", "which", "numba by hand", "out=", "of triad")
    return markdown(head, rows, left=2) if rows else "Not measured in this run."


def tables(cells: Sequence[Found]) -> str:
    """Return one table for each dtype, number of threads and size."""
    parts = []
    for key in _unique((c["dtype"], c["threads"], c["size"]) for c in cells):
        group = [c for c in cells if (c["dtype"], c["threads"], c["size"]) == key]
        parts.append(f"### {title(*key)}\n\n{table(group)}")
    return "\n\n".join(parts)


def title(dtype: str, threads: int, size: int) -> str:
    return f"{dtype}, {threads} thread{'s' if threads > 1 else ''}, n = {size:,}"


def table(group: Iterable[Found]) -> str:
    """Return the rows of cells that differ in formula and kind."""
    rows = [
        (
            cell["kernel"],
            cell["what"],
            figure(nanoseconds(cell)),
            figure(gigabytes(cell)),
            f"{100 * gigabytes(cell) / triad(cell):.0f} %",
            *(figure(ratio(cell, way)) for way in WAYS),
        )
        for cell in group
    ]
    return markdown(("formula", "", "ns each", "GB/s", "of triad", *WAYS), rows, left=2)


SECTION_TABLES: dict[str, tuple[str, str, tuple[str, ...], Callable[[Found], tuple[str, ...]]]] = {
    "allocation": (
        "New arrays beside given ones",
        "Nanoseconds per element of calls that make new arrays, and their time over that of calls with `out=`: "
        "arrays at multiples of 64 bytes, and arrays as NumPy makes them.",
        ("formula", "", "n", "new", "over aligned out=", "over out= of NumPy"),
        lambda r: (
            r["formula"],
            r["what"],
            f"{r['size']:,}",
            figure(r["new"]),
            figure(r["new"] / r["aligned"]),
            figure(r["new"] / r["plain"]),
        ),
    ),
    "memory": (
        "Cheap functions beside STREAM",
        "GB/s of the function, of the plain triad and of that with non-temporal stores, each over as many bytes as "
        "the function moves, timed by turns; and the time of the function over that of the triad with non-temporal "
        "stores. A triad reads two thirds of what it moves: at a million elements all that it reads stays in a cache "
        "of 32 MiB, where a function that moves more finds less; hence the same bytes, not the same elements.",
        ("formula", "", "n", "bytes each", "GB/s", "triad", "triad NT", "time over NT, new", "out="),
        lambda r: (
            r["formula"],
            r["what"],
            f"{r['size']:,}",
            str(r["bytes"]),
            figure(r["gigabytes"]),
            figure(r["triad"]),
            figure(r["nontemporal"]),
            figure(r["new"]),
            figure(r["given"]),
        ),
    ),
    "calls": (
        "The cost of a call",
        "Nanoseconds of a call with a hundred elements, and over `np.add` of two such arrays. Where nothing is said, "
        "results are new arrays.",
        ("w*x + b", "way", "ns", "over np.add"),
        lambda r: (r["what"], r["way"], figure(r["nanoseconds"]), figure(r["over"])),
    ),
    "threads": (
        "Two threads",
        "Fused calls by one thread and by two, single calls in turn: how much faster two are while the second core "
        "has nothing else to do, and while another process computes on it; then the time that nine of ten calls of "
        "two threads stay below there, over that of one thread by turns, and over one thread's median before.",
        (
            "formula",
            "n",
            "one thread, µs",
            "idle: faster",
            "busy: faster",
            "busy: p90 over p90",
            "p90 over idle",
        ),
        lambda r: (
            r["formula"],
            f"{r['size']:,}",
            figure(r["serial"]),
            figure(r["faster"]),
            figure(r["faster_busy"]),
            figure(r["p90_busy"]),
            figure(r["p90_over_idle"]),
        ),
    ),
    "build": (
        "Build and start",
        "Milliseconds of processor time: the C compiler and linker, for forward, backward and both of a formula; and "
        "a new Python process with a warm cache.",
        ("", "ms"),
        lambda r: (r["what"], figure(r["milliseconds"])),
    ),
}
"""Section -> title, what it shows, columns, cells of a row."""


def section(name: str, rows: Sequence[Found]) -> str:
    """Return a section as text."""
    heading, about, columns, cells = SECTION_TABLES[name]
    left = {"allocation": 2, "memory": 2, "calls": 2}.get(name, 1)
    return f"## {heading}\n\n{about}\n\n{markdown(columns, map(cells, rows), left=left)}"


def page(
    cells: Sequence[Found], sections: dict[str, Sequence[Found]], late: Sequence[str], **about: Any
) -> str:
    """Return the whole page."""
    differences = [
        (way["difference"], f"{way['difference']:.1e} ({name}, {cell['kernel']}, {cell['dtype']})")
        for cell in cells
        for name, way in cell["ways"].items()
        if way.get("difference") is not None
    ]
    by_dtype = [
        max((d for d in differences if d[1].endswith(f"{dtype})")), default=None)
        for dtype in ("float64", "float32")
    ]
    about["count"] = len(_unique(cell["kernel"] for cell in cells))
    worst = " and ".join(found[1] for found in by_dtype if found) or "nothing, for there were no others"
    return PAGE.format(
        notes=NOTES.format(worst=worst, late=", ".join(late) or "none", limit=about.pop("limit")),
        means=means(cells),
        goals=goals(cells),
        sections="\n\n".join(section(name, rows) for name, rows in sections.items()),
        tables=tables(cells),
        **about,
    )


# ---- picture


def picture(cells: Sequence[Found], path: Path) -> None:
    """Write the ratios of fused calls in double precision by one thread, a panel for each size."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chosen = [c for c in cells if (c["dtype"], c["threads"], c["what"]) == ("float64", 1, "fused")]
    chosen = chosen or list(cells)
    sizes = sorted(_unique(c["size"] for c in chosen))
    names = _unique(c["kernel"] for c in chosen)
    seen = [found for cell in chosen for way in RIVALS if (found := ratio(cell, way)) is not None]
    drawing = Figure(figsize=(3.4 * len(sizes) + 1.6, 0.36 * len(names) + 2.0), layout="constrained")
    canvas = FigureCanvasAgg(drawing)
    panels = drawing.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for panel, size in zip(panels, sizes, strict=True):
        for k, way in enumerate(RIVALS):
            places = [
                (found, names.index(cell["kernel"]))
                for cell in chosen
                if cell["size"] == size and (found := ratio(cell, way)) is not None
            ]
            if places:
                panel.scatter(*zip(*places, strict=True), label=way, color=f"C{k}", s=26, zorder=2)
        panel.axvspan(1e-3, 1, color="0.94", zorder=0)
        panel.axvline(1, color="black", linewidth=0.9, zorder=1)
        panel.set_xscale("log")
        panel.set_xlim(min([0.5, *seen]) / 1.3, max([2.0, *seen]) * 1.3)
        panel.set_title(f"n = {size:,}", fontsize=10)
        panel.grid(axis="y", linewidth=0.3)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    handles: dict[str, Any] = {}
    for panel in panels:
        found, labels = panel.get_legend_handles_labels()
        handles.update(zip(labels, found, strict=True))
    drawing.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles) or 1, frameon=False
    )
    what = " ".join(_unique(c["what"] for c in chosen))
    dtype = " ".join(_unique(c["dtype"] for c in chosen))
    drawing.suptitle(
        f"Time over that of tapeless, {what}, {dtype}: right of the line tapeless is faster", fontsize=11
    )
    canvas.print_figure(path, dpi=110)


def _unique(items: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(items))
