"""One page about a function, complete in itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tapeless.report.chart import chart
from tapeless.report.code import highlighted
from tapeless.report.costs import COLUMNS, costs
from tapeless.report.curves import MOST_INPUTS, MOST_OUTPUTS, Curves, Place, curves, place
from tapeless.report.drawing import draw, short
from tapeless.report.edges import conventions
from tapeless.report.equations import derivatives, values
from tapeless.report.flow import MOST, flow
from tapeless.report.mathml import greek
from tapeless.report.templates import environment
from tapeless.report.throughput import machine, throughput
from tapeless.testing import CheckReport, check
from tapeless.testing.points import read_ranges

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.report.throughput import Throughput

_LONGEST: Final = 400_000
"""Characters of C that a page holds."""


def report(
    function: Function,
    *,
    ranges: Mapping[str, Any] | None = None,
    points: int = 32,
    seed: int = 0,
    bench: bool = False,
) -> str:
    """Return a page of HTML about a function: formulas, graph, check, curves, costs and source.

    Parameters
    ----------
    function
        The function.
    ranges
        Input -> (low, high): where to check and to draw. What the function was compiled to assume holds as well;
        where nothing is known, a range is looked for in which the function is finite.
    points, seed
        Of the check; see `tapeless.testing.check`.
    bench
        Whether calls are timed as well.

    Returns
    -------
    str
        The page. It asks for nothing from elsewhere and runs no script. Whatever it says of the function is escaped.

    Raises
    ------
    ArgumentError
        For ranges that do not fit, or where no point of the domain is found.
    """
    return Report(function, ranges=ranges, points=points, seed=seed, bench=bench).html


class Report:
    """What a page says.

    Attributes
    ----------
    check
        The result of the check; its `ok` decides.
    html
        The page.
    """

    def __init__(
        self,
        function: Function,
        *,
        ranges: Mapping[str, Any] | None = None,
        points: int = 32,
        seed: int = 0,
        bench: bool = False,
    ) -> None:
        known = read_ranges({} if ranges is None else ranges, function.program.inputs)
        where = place(function, known)
        looked = {**dict(function.options.assume), **known} or _by_input(function, where)
        self.check: CheckReport = check(function, points=points, seed=seed, ranges=_finite(looked))
        timed = throughput(function, where) if bench else []
        self.html = _render(function, where, self.check, timed)


def _render(function: Function, where: Place, checked: CheckReport, timed: Sequence[Throughput]) -> str:
    from tapeless import __version__

    program = function.program
    drawn = flow(program, where.point)
    counted = costs(function)
    source = function.source
    most = max((cost.total for cost in counted), default=1) or 1
    found = curves(function, where)
    fields = {
        "version": __version__,
        "name": function.name,
        "title": greek(function.name),
        "inputs": list(zip(function.input_names, map(_shape, function.input_shapes), strict=True)),
        "outputs": list(zip(function.output_names, map(_shape, function.output_shapes), strict=True)),
        "wrt": function.wrt if function.wrt != function.input_names else (),
        "dtype": function.dtype,
        "text": _text(function),
        "values": values(function.within_ranges()),
        "derivatives": derivatives(program, function.wrt, function.options.assume),
        "graph": draw(drawn, f"the graph of {function.name}") if drawn.boxes else None,
        "operations": drawn.operations,
        "most_boxes": MOST,
        "first_output": greek(function.output_names[0]),
        "place": [(greek(name), short(value)) for name, value in zip(where.names, where.point, strict=True)][
            :12
        ],
        "check": checked,
        "check_rows": _check_rows(checked),
        "curves": [(chart(one), _standing(where, one), _apart(one)) for one in found],
        "curves_left": (max(0, len(where.names) - MOST_INPUTS), max(0, len(program.roots) - MOST_OUTPUTS)),
        "legend": [greek(line.output) for line in found[0].lines]
        if found and len(found[0].lines) > 1
        else [],
        "cost_columns": COLUMNS,
        "costs": [(cost, f"{100 * cost.total / most:.1f}") for cost in counted],
        "throughput": _throughput_rows(timed),
        "machine": machine() if timed else "",
        "conventions": conventions(program),
        "singularities": list(map(str, function.singularities())),
        "source": highlighted(source) if len(source) <= _LONGEST else None,
        "header": highlighted(function.header) if len(source) <= _LONGEST else None,
        "source_lines": source.count("\n"),
    }
    return environment().get_template("html/report.html.j2").render(fields)


def _by_input(function: Function, where: Place) -> dict[str, tuple[float, float]]:
    found, at = {}, 0
    for item in function.program.inputs:
        found[item.name] = where.ranges[at]
        at += item.size
    return found


def _finite(ranges: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Leave out half lines, which `check` knows from the function itself."""
    return {name: (low, high) for name, (low, high) in ranges.items() if abs(low) + abs(high) < float("inf")}


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def _text(function: Function) -> str:
    """Return the text that a function was compiled from, or ""."""
    kind, *rest = function.material
    return rest[0].strip("\n") if kind == "text" else ""


def _check_rows(checked: CheckReport) -> list[tuple[Any, ...]]:
    cells = checked.cells
    return [
        (row.name, row.verdict, row.ok and bool(row.points), cell[1:6], row.cause, cell[-1], row.note)
        for row, cell in zip(checked.rows, cells, strict=True)
    ]


def _standing(where: Place, one: Curves) -> str:
    """Say where the other inputs stand."""
    others = [
        f"{greek(name)} = {short(value)}"
        for name, value in zip(where.names, where.point, strict=True)
        if name != one.name
    ]
    return ", ".join(others[:6]) + (", …" if len(others) > 6 else "")


def _apart(one: Curves) -> str:
    """Say how far the dots are from the curves, relative to the largest slope."""
    gaps = [line.apart for line in one.lines if line.apart == line.apart]
    return f"{max(gaps):.0e}" if gaps else ""


def _throughput_rows(timed: Sequence[Throughput]) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """Return (points, [(what, nanoseconds per point, million points per second, share of the longest)])."""
    rows = []
    for one in timed:
        longest = max(one.nanoseconds.values())
        rows.append(
            (
                f"{one.points:,}".replace(",", "\u202f"),
                [
                    (name, _time(spent), f"{1e3 / spent:.3g}", f"{100 * spent / longest:.0f}")
                    for name, spent in one.nanoseconds.items()
                ],
            )
        )
    return rows


def _time(nanoseconds: float) -> str:
    return f"{nanoseconds:.0f}" if nanoseconds >= 100 else f"{nanoseconds:.3g}"


__all__ = ["Report", "report"]
