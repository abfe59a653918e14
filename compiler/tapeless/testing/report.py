"""What a check found, and how it reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import Final

from tapeless.errors import CheckError

_HEADINGS: Final = (
    "",
    "error (ulp)",
    "relative",
    "vs numerical",
    "condition",
    "bits",
    "verdict",
    "worst at",
)
_NUMBERS: Final = 6
"""The columns below this are numbers."""
_SAID: Final = ("ill-conditioned", "ours")
"""Causes that stand beside the verdict: that an error is rounding goes without saying."""
_SHOWN: Final = 8
"""Input scalars shown of a point."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """The check of one output, or of one output's derivative by one input.

    Attributes
    ----------
    name
        `"y"` for the value of output y, `"d y/d x"` for its derivative.
    ok
        Whether every point that was compared passed.
    ulp
        Worst distance from the truth in units in the last place; at the first failure where there is one.
    relative
        The same error relative to the truth.
    numerical
        Worst relative distance of a derivative from the numerical gradient, where that has digits to
        compare; NaN for values.
    condition
        Condition number at the worst point: the relative change of the result per relative change of the
        inputs. An error of `condition` ulp is what rounding the inputs alone can make.
    at
        The worst point, one (name, value) per input scalar.
    points
        Points compared: those at which the formula has a finite value, and a derivative that can be computed.
    kinks
        Points among them at which the function is not differentiable, so that only the convention was
        checked: the derivative must lie between the one-sided ones.
    note
        What went wrong, or what should be known; "" for nothing.
    element
        For shaped inputs and outputs the worst element, `"d y[1]/d x[0]"`; else "".
    bits, mean_bits
        Bits of error, log2(1 + n) with n the count of floating-point numbers from the truth to what was computed:
        the most of any point, and the mean. NaN where no number was compared.
    cause
        What the error at the worst point is: `"rounding"`, up to 16 ulp; `"ill-conditioned"`, more, but no more than
        16 times what rounding the inputs alone can make, which is `condition` ulp; `"ours"`, more than that. An error
        of ours within the tolerance passes all the same. "" where no number was compared.
    """

    name: str
    ok: bool
    ulp: float
    relative: float
    numerical: float
    condition: float
    at: tuple[tuple[str, float], ...]
    points: int
    kinks: int = 0
    note: str = ""
    element: str = ""
    bits: float = math.nan
    mean_bits: float = math.nan
    cause: str = ""

    @property
    def verdict(self) -> str:
        """One or two words."""
        if not self.ok:
            return "FAILED"
        if not self.points:
            return "not checked"
        if self.kinks == self.points:
            return "not differentiable here"
        return "ok"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of `check`. Prints as a table.

    Attributes
    ----------
    name
        Name of the function.
    dtype
        What it computes in.
    rows
        For each output one for its value, then one for its derivative by each input.
    points
        Points compared.
    total
        Points that were given; equal to `points` where all were compared.
    drawn
        Whether the points were drawn by the check itself.
    seed
        The seed they were drawn with.
    """

    name: str
    dtype: str
    rows: tuple[CheckRow, ...]
    points: int
    total: int
    drawn: bool = False
    seed: int = 0

    @property
    def ok(self) -> bool:
        """Whether something was compared, and every row passed."""
        return all(row.ok for row in self.rows) and any(row.points for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def raise_if_failed(self) -> CheckReport:
        """Return the report where all is well.

        Raises
        ------
        CheckError
            Otherwise, with the table as its message.
        """
        if not self.ok:
            raise CheckError(str(self))
        return self

    @property
    def title(self) -> str:
        """Say what was compared."""
        if self.drawn:
            where = f"{self.points} points drawn with seed {self.seed}"
        elif self.points < self.total:
            where = f"{self.points} of {self.total} points"
        else:
            where = "1 point" if self.points == 1 else f"{self.points} points"
        return f"{self.name} ({self.dtype}), {where}"

    @property
    def summary(self) -> str:
        """Count the rows that failed, or that were not checked."""
        bad = sum(not row.ok for row in self.rows)
        count = len(self.rows)
        if bad:
            return f"{bad} of {count} FAILED"
        unchecked = sum(not row.points for row in self.rows)
        if unchecked == count:
            return "nothing was compared: choose points at which the formula is finite"
        if unchecked:
            return f"{count - unchecked} of {count} ok, {unchecked} not checked"
        return f"all {count} ok" if count > 1 else "ok"

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """The texts of the table, row by row, in the order of its headings."""
        return [
            (
                row.name,
                _number(row.ulp, ".1f"),
                _number(row.relative, ".1e"),
                _number(row.numerical, ".1e"),
                _number(row.condition, ".1e"),
                _bits(row),
                f"{row.verdict}, {row.cause}" if row.cause in _SAID else row.verdict,
                _place(row),
            )
            for row in self.rows
        ]

    def __str__(self) -> str:
        cells = [_HEADINGS, *self.cells]
        widths = [max(len(row[k]) for row in cells) for k in range(len(_HEADINGS))]
        lines = [self.title]
        for row in cells:
            padded = [
                text.rjust(width) if 0 < k < _NUMBERS else text.ljust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(padded).rstrip())
        lines.extend(f"{row.name}: {row.note}" for row in self.rows if row.note)
        lines.append(self.summary)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(text)}</th>" for text in _HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in self.cells
        )
        notes = "".join(f"<br>{escape(row.name)}: {escape(row.note)}" for row in self.rows if row.note)
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><p>{escape(self.summary)}{notes}</p>"
        )


def _place(row: CheckRow) -> str:
    shown = [f"{name}={value:.6g}" for name, value in row.at[:_SHOWN]]
    if len(row.at) > _SHOWN:
        shown.append("...")
    return f"{row.element}: {', '.join(shown)}" if row.element else ", ".join(shown)


def _bits(row: CheckRow) -> str:
    """Show the mean and the worst."""
    return "" if math.isnan(row.bits) else f"{row.mean_bits:.1f}, {row.bits:.1f}"


def _number(value: float, spec: str) -> str:
    if math.isnan(value):
        return ""
    if value == 0 or math.isinf(value):
        return "0" if value == 0 else "inf"
    return f"{value:.1e}" if spec == ".1f" and value >= 1e6 else format(value, spec)
