"""A report as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from tapeless.bench.report import OURS, REUSED, Report
from tapeless.bench.stream import ARRAYS

if TYPE_CHECKING:
    from rich.console import Console

_LABEL: Final = 14
_COLUMN: Final = 12
_IN_WORDS: Final = {
    "forward": "values",
    "backward": "cotangents",
    "forward_backward": "values and cotangents",
    "value_and_grad": "value and gradient",
}


def show(report: Report, console: Console) -> None:
    """Print a report.

    Parameters
    ----------
    report
        What was found.
    console
        Where; its width decides how many sizes stand side by side.
    """
    threads = "1 thread" if report.threads == 1 else f"{report.threads} threads"
    console.print(Text(f"{report.head}, {report.dtype}, {threads}", style="bold"))
    console.print(Text(str(report.machine)))
    if report.versions:
        console.print(Text(", ".join(f"{name} {number}" for name, number in report.versions.items())))
    console.print(
        Text("Nanoseconds per element, and the time over that of tapeless: 2.0x took twice as long.")
    )
    columns = max(1, (console.width - _LABEL) // (_COLUMN + 1))
    for what in report.work:
        console.print()
        console.print(Text(headline(report, what)))
        for sizes in _chunks(report.sizes, columns):
            console.print(_timings(report, what, sizes))
            if sizes[-1] != report.sizes[-1]:
                console.print()
    console.print()
    console.print(Text("Bandwidth of memory in the same run, GB/s; NT: with non-temporal stores"))
    for sizes in _chunks(report.sizes, columns):
        console.print(_bandwidths(report, sizes))
    for note in report.notes:
        console.print(Text(f"- {note}"))


def headline(report: Report, what: str) -> str:
    """Say what is timed, and what an element takes."""
    work = report.work[what]
    plural = "" if work.operations == 1 else "s"
    return (
        f"{what}: {_IN_WORDS[work.kind]}; {work.reads} in, {work.writes} out, {work.bytes} bytes, "
        f"{work.operations} operation{plural} per element"
    )


def _timings(report: Report, what: str, sizes: Sequence[int]) -> Table:
    table = _table(sizes)
    for way in (OURS, REUSED, *report.peers):
        if any(report.cell(what, size, way) for size in report.sizes):
            table.add_row(
                Text(way, style="bold" if way == OURS else ""),
                *(_timing(report, what, size, way) for size in sizes),
            )
    table.add_section()
    table.add_row("GB/s", *(_padded(_number((report.bandwidth(what, size) or 0) / 1e9)) for size in sizes))
    table.add_row("  of triad", *(_share(report, what, size) for size in sizes))
    return table


def _timing(report: Report, what: str, size: int, way: str) -> Text:
    value, ratio = report.nanoseconds(what, size, way), report.ratio(what, size, way)
    if value is None or ratio is None:
        return _padded("–")
    if way == OURS:
        return _padded(_number(value), style="bold")
    shown = f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.2g}x" if ratio >= 10 else f"{ratio:.2f}x"
    # Within a few hundredths two times are the same.
    style = "red" if ratio < 0.95 else "green" if ratio > 1.05 else "dim"
    return Text.assemble(f"{_number(value):>6}", " ", (f"{shown:>5}", style))


def _share(report: Report, what: str, size: int) -> Text:
    limit, found = report.limit(what, size), report.bandwidth(what, size)
    return _padded(f"{100 * found / limit:.0f}%" if limit and found else "–")


def _bandwidths(report: Report, sizes: Sequence[int]) -> Table:
    table = _table(sizes)
    for way in ARRAYS:
        row = []
        for size in sizes:
            found = [report.bandwidth(what, size, way) for what in report.work]
            values = [value for value in found if value is not None]
            row.append(_padded(_number(median(values) / 1e9) if values else "–"))
        if any(cell.plain.strip() != "–" for cell in row):
            table.add_row(way.replace("non-temporal", "NT"), *row)
    return table


def _table(sizes: Sequence[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0, pad_edge=False, collapse_padding=True)
    table.add_column("n", min_width=_LABEL, max_width=_LABEL, no_wrap=True)
    for size in sizes:
        table.add_column(_padded(short(size)), min_width=_COLUMN, max_width=_COLUMN, no_wrap=True)
    return table


def _chunks(sizes: Sequence[int], count: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(sizes), count):
        yield sizes[first : first + count]


def _padded(text: str, style: str = "") -> Text:
    """Put a number where those with a ratio beside them stand."""
    return Text(f"{text:>6}", style=style)


def short(size: int) -> str:
    """Write a size: 100, 1e4, 12,345."""
    digits = str(size)
    zeros = len(digits) - len(digits.rstrip("0"))
    if zeros >= 3 and len(digits) - zeros <= 2:
        mantissa = digits[:1] + (f".{digits[1]}" if len(digits) - zeros == 2 else "")
        return f"{mantissa}e{len(digits) - 1}"
    return f"{size:,}"


def _number(value: float) -> str:
    """Write three significant digits in at most six characters."""
    if value >= 1e6:
        return f"{value:.0e}".replace("e+0", "e")
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


__all__ = ["headline", "short", "show"]
