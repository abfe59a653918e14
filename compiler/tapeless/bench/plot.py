"""A report as a picture: throughput over the number of elements, beside the bandwidth of memory."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from tapeless.bench.report import OURS, REUSED, Report
from tapeless.bench.stream import ARRAYS
from tapeless.bench.table import headline, short
from tapeless.errors import ArgumentError

if TYPE_CHECKING:
    from os import PathLike

_BOLD: Final = {OURS: "black", REUSED: "dimgray"}
_STREAM: Final = {"triad": ":", "triad, non-temporal": "--"}


def require_matplotlib() -> None:
    """Say what to do where there is no matplotlib; asked before anything is measured.

    Raises
    ------
    ArgumentError
        Where it is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ArgumentError(
            "a picture needs matplotlib: pip install 'tapeless[bench]', or pip install matplotlib"
        )


def plot(report: Report, path: str | PathLike[str]) -> None:
    """Write a picture; the ending of the file's name decides its format.

    One panel for each of forward, backward and fused: GB/s read and written on the left axis, with operations
    per second on the right, over the number of elements; both axes logarithmic. Gray lines are the triads of the
    same run, vertical ones the sizes at which the arrays of a call fill a cache.

    Raises
    ------
    ArgumentError
        Where matplotlib is missing, or cannot write such a file.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(report.work)
    figure = Figure(figsize=(4.6 * count + 0.6, 4.8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, count, sharex=True, sharey=True, squeeze=False)[0]
    for panel, what in zip(panels, report.work, strict=True):
        _panel(panel, report, what)
    panels[0].set_ylabel("GB/s read and written")
    handles: dict[str, Any] = {OURS: None, REUSED: None}  # first in the legend
    for panel in panels:
        found, labels = panel.get_legend_handles_labels()
        handles.update(zip(labels, found, strict=True))
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(len(handles), 6),
        frameon=False,
    )
    threads = "1 thread" if report.threads == 1 else f"{report.threads} threads"
    figure.suptitle(f"{report.head}, {report.dtype}, {threads} on {report.machine.processor}", fontsize=11)
    try:
        canvas.print_figure(path, dpi=130)
    except ValueError as error:
        raise ArgumentError(
            f"{path}: {str(error).partition('(')[0].strip()}; try .png, .svg or .pdf"
        ) from None


def _panel(panel: Any, report: Report, what: str) -> None:
    work = report.work[what]
    for way, style in _STREAM.items():
        _line(panel, report, what, way, color="0.45", linestyle=style, linewidth=1.4, zorder=1)
    for k, way in enumerate(report.peers):
        _line(panel, report, what, way, color=f"C{k}", marker=".", linewidth=1.1, zorder=2)
    _line(
        panel, report, what, REUSED, color=_BOLD[REUSED], marker="o", markersize=3.5, linestyle="-.", zorder=3
    )
    _line(panel, report, what, OURS, color=_BOLD[OURS], marker="o", markersize=4.5, linewidth=2.2, zorder=4)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xticks(report.sizes, [short(size) for size in report.sizes])
    panel.minorticks_off()
    panel.grid(alpha=0.3, linewidth=0.5)
    panel.set_xlabel("elements")
    title, _, detail = headline(report, what).partition("; ")
    panel.set_title(f"{title}\n{detail}", fontsize=9)
    low, high = min(report.sizes), max(report.sizes)
    for level, size in report.machine.caches:
        full = size / work.bytes
        if low < full < high:
            panel.axvline(full, color="0.75", linewidth=0.8, zorder=0)
            panel.text(
                full, 0.02, f" L{level}", transform=panel.get_xaxis_transform(), fontsize=8, color="0.4"
            )
    if work.operations:
        factor = work.operations / work.bytes
        right = panel.secondary_yaxis("right", functions=(lambda y: y * factor, lambda y: y / factor))
        right.set_ylabel("10⁹ operations/s", fontsize=8)
        right.tick_params(labelsize=8)


def _line(panel: Any, report: Report, what: str, way: str, **style: Any) -> None:
    found = [(size, report.bandwidth(what, size, way)) for size in report.sizes]
    points = [(size, value / 1e9) for size, value in found if value]
    if points:
        panel.plot(*zip(*points, strict=True), label=way if way not in ARRAYS else f"STREAM {way}", **style)


__all__ = ["plot", "require_matplotlib"]
