"""What the search did to a function, and how it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Replacement:
    """A formula that was replaced by another.

    Attributes
    ----------
    identity
        The name of the identity, as in the table of `accuracy/identities.py`; `"regimes"` for a choice by a
        threshold.
    before, after
        The formulas.
    when
        Where the new one is taken, in words or as a condition; "" for everywhere.
    outputs
        Names of the outputs that depend on it.
    """

    identity: str
    before: str
    after: str
    when: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OutputAccuracy:
    """The error of an output on points that the search did not see.

    Attributes
    ----------
    name
        The output, or the element of one: `"y[2]"`.
    mean_before, mean_after
        Bits of error, the mean over the points.
    worst_before, worst_after
        The same at the worst point.
    points
        How many points.
    """

    name: str
    mean_before: float
    mean_after: float
    worst_before: float
    worst_after: float
    points: int


@dataclass(frozen=True, slots=True)
class KernelAccuracy:
    """What the search did to one kernel.

    Attributes
    ----------
    kind
        The kernel, as in `op_counts(kind)`.
    wrt
        The inputs it is differentiated by.
    note
        Why nothing was replaced, or where the search ended; "" for nothing to say.
    replaced
        What was replaced, in the order in which it was.
    outputs
        The errors; empty where nothing was measured.
    operations_before, operations_after
        Operations for each point.
    """

    kind: str
    wrt: tuple[str, ...]
    note: str
    replaced: tuple[Replacement, ...]
    outputs: tuple[OutputAccuracy, ...]
    operations_before: int
    operations_after: int

    @property
    def gained(self) -> float:
        """Bits gained, the mean over outputs and points."""
        rows = self.outputs
        return sum(row.mean_before - row.mean_after for row in rows) / len(rows) if rows else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KernelAccuracy:
        """Read what `to_json` wrote."""
        return cls(
            kind=data["kind"],
            wrt=tuple(data["wrt"]),
            note=data["note"],
            replaced=tuple(
                Replacement(**{**row, "outputs": tuple(row["outputs"])}) for row in data["replaced"]
            ),
            outputs=tuple(OutputAccuracy(**row) for row in data["outputs"]),
            operations_before=data["operations_before"],
            operations_after=data["operations_after"],
        )

    def lines(self) -> list[str]:
        """Return the kernel as lines of text."""
        by = f" by {', '.join(self.wrt)}" if self.wrt else ""
        head = f"{self.kind}{by}"
        if not self.replaced:
            return [f"{head}: {self.note}", *(f"  {line}" for line in self._table(before_only=True))]
        found = [
            f"{head}: {self.gained:.1f} bits gained, {self.operations_before} -> {self.operations_after} operations"
        ]
        for row in self.replaced:
            where = f" in {', '.join(row.outputs)}" if row.outputs else ""
            found.append(f"  {row.identity}{where}")
            found.append(f"    {row.before}")
            found.append(f"    -> {row.after}{f', where {row.when}' if row.when else ''}")
        found += [f"  {line}" for line in self._table(before_only=False)]
        if self.note:
            found.append(f"  {self.note}")
        return found

    def _table(self, *, before_only: bool) -> list[str]:
        if not self.outputs:
            return []
        rows: list[tuple[str, ...]]
        if before_only:
            rows = [("bits of error", "mean", "worst")]
            rows += [(o.name, f"{o.mean_before:.1f}", f"{o.worst_before:.1f}") for o in self.outputs]
        else:
            rows = [("bits of error", "mean before", "after", "worst before", "after")]
            rows += [
                (o.name, *(f"{x:.1f}" for x in (o.mean_before, o.mean_after, o.worst_before, o.worst_after)))
                for o in self.outputs
            ]
        rows = rows[: _ROWS + 1]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
            lines.append("  ".join(cells))
        if len(self.outputs) > _ROWS:
            lines.append(f"and {len(self.outputs) - _ROWS} more")
        return lines


_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """What `accuracy="search"` did to a function. Prints as a table.

    Attributes
    ----------
    name
        Name of the function.
    dtype
        What it computes in.
    kernels
        One row for each kernel made so far.
    """

    name: str
    dtype: str
    kernels: tuple[KernelAccuracy, ...]

    @classmethod
    def of(cls, name: str, dtype: str, rows: Iterable[Mapping[str, Any]]) -> AccuracyReport:
        """Return the report of a function from rows of `KernelAccuracy.to_json`."""
        return cls(name, dtype, tuple(map(KernelAccuracy.from_json, rows)))

    def __getitem__(self, kind: str) -> KernelAccuracy:
        """Return the row of a kind of kernel, the last one made."""
        for row in reversed(self.kernels):
            if row.kind == kind:
                return row
        raise KeyError(kind)

    def __str__(self) -> str:
        head = f"{self.name}, {self.dtype}: accuracy by search"
        return "\n".join([head, *(line for row in self.kernels for line in row.lines())])


def shortened(text: str, width: int = _WIDTH) -> str:
    """Return a formula, its middle left out where it is long."""
    if len(text) <= width:
        return text
    half = (width - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def element_names(outputs: Sequence[Any]) -> list[str]:
    """Return the names of all output scalars: `"y"`, or `"y[0]"`, `"y[1]"`, ... for one with a shape."""
    return [
        output.name if not output.shape else f"{output.name}[{k}]"
        for output in outputs
        for k in range(len(output.nodes))
    ]
