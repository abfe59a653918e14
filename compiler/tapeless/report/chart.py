"""Curves as SVG: values above, derivatives with numerical gradients as dots below, over the same axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tapeless.report.curves import Curves
from tapeless.report.drawing import short
from tapeless.report.markup import Markup, element
from tapeless.report.mathml import greek

Array = np.ndarray[Any, Any]

_WIDTH: Final = 380.0
_PLOT: Final = 118.0
_LEFT: Final = 54.0
_RIGHT: Final = 12.0
_TOP: Final = 20.0
_BETWEEN: Final = 30.0
_BOTTOM: Final = 33.0
_TICKS: Final = 4
_POLE: Final = 20.0
"""A curve whose extremes are so many times its middle nine tenths apart is cut off."""


def chart(curves: Curves) -> Markup:
    """Return the picture of one input."""
    values = [line.values for line in curves.lines]
    slopes = [line.slopes for line in curves.lines if line.slopes is not None]
    dots = [line.dots for line in curves.lines]
    has_slopes = bool(slopes)
    height = _TOP + _PLOT + _BOTTOM + ((_BETWEEN + _PLOT) if has_slopes else 0.0)
    horizontal = float(curves.x[0]), float(curves.x[-1])
    name = greek(curves.name)
    alone = len(curves.lines) == 1
    what = greek(curves.lines[0].output) if alone else "outputs"
    parts = [element("title", f"{what} along {curves.name}")]
    upper = _Plot(horizontal, _extent(values), _TOP)
    parts += upper.frame(what, name, last=not has_slopes)
    parts += [
        upper.line(curves.x, line.values, _kind("value", k, alone)) for k, line in enumerate(curves.lines)
    ]
    if has_slopes:
        lower = _Plot(horizontal, _extent([*slopes, *dots]), _TOP + _PLOT + _BETWEEN)
        parts += lower.frame(f"d {what} / d {name}", name, last=True)
        for k, line in enumerate(curves.lines):
            if line.slopes is not None:
                parts.append(lower.line(curves.x, line.slopes, _kind("slope", k, alone)))
                parts += lower.dots(curves.dots, line.dots, _kind("dot", k, alone))
    return element("svg", *parts, view_box=f"0 0 {_WIDTH:.0f} {height:.0f}", role="img", class_="chart")


def _kind(role: str, position: int, alone: bool) -> str:
    return role if alone else f"{role} s{position}"


class _Plot:
    """One frame with its scales."""

    def __init__(self, horizontal: tuple[float, float], vertical: tuple[float, float], top: float) -> None:
        self.horizontal, self.vertical, self.top = horizontal, vertical, top

    def x(self, value: float) -> float:
        low, high = self.horizontal
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.vertical
        return self.top + (high - value) / (high - low) * _PLOT

    def frame(self, what: str, along: str, *, last: bool) -> list[Markup]:
        parts = []
        right, bottom = _WIDTH - _RIGHT, self.top + _PLOT
        for tick in ticks(*self.vertical):
            y = self.y(tick)
            parts.append(
                element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="zero" if tick == 0 else "grid")
            )
            parts.append(element("text", short(tick), x=_LEFT - 6.0, y=y + 3.5, class_="tick left"))
        for tick in ticks(*self.horizontal):
            x = self.x(tick)
            parts.append(element("line", x1=x, x2=x, y1=self.top, y2=bottom, class_="grid"))
            if last:
                parts.append(element("text", short(tick), x=x, y=bottom + 14.0, class_="tick"))
        parts.append(element("text", what, x=_LEFT, y=self.top - 6.0, class_="title"))
        if last:
            parts.append(element("text", along, x=right, y=bottom + 28.0, class_="axis"))
        return parts

    def line(self, x: Array, y: Array, kind: str) -> Markup:
        """Return a curve; it breaks where it is not finite or leaves the frame far behind."""
        low, high = self.vertical
        room = (high - low) * 0.5
        pieces: list[list[str]] = [[]]
        for at, value in zip(x.tolist(), y.tolist(), strict=True):
            if not math.isfinite(value) or not low - room <= value <= high + room:
                pieces.append([])
                continue
            inside = min(max(value, low), high)
            pieces[-1].append(f"{self.x(at):.1f} {self.y(inside):.1f}")
        path = "".join(
            f"M{piece[0]}" + "".join(f"L{point}" for point in piece[1:]) for piece in pieces if len(piece) > 1
        )
        return element("path", d=path, class_=f"line {kind}")

    def dots(self, x: Array, y: Array, kind: str) -> list[Markup]:
        low, high = self.vertical
        return [
            element("circle", cx=self.x(at), cy=self.y(value), r=2.6, class_=kind)
            for at, value in zip(x.tolist(), y.tolist(), strict=True)
            if math.isfinite(value) and low <= value <= high
        ]


def _extent(rows: Sequence[Array]) -> tuple[float, float]:
    """Return what a frame must show of some rows: all of it, or without a pole, with some air."""
    everything = np.concatenate([row.ravel() for row in rows])
    everything = everything[np.isfinite(everything)]
    if not everything.size:
        return -1.0, 1.0
    low, high = float(everything.min()), float(everything.max())
    first, last = (float(end) for end in np.quantile(everything, (0.05, 0.95)))
    if last > first and high - low > _POLE * (last - first):
        low, high = max(low, first - (last - first)), min(high, last + (last - first))
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # a constant
        air = abs(high) or 1.0
        return low - air / 2, high + air / 2
    air = 0.06 * (high - low)
    return low - air, high + air


def ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two ends, about four."""
    step = 10.0 ** math.floor(math.log10((high - low) / _TICKS))
    for factor in (1, 2, 5, 10):
        if (high - low) / (step * factor) <= _TICKS + 1:
            step *= factor
            break
    first = math.ceil(low / step)
    last = math.floor(high / step)
    return [round(k * step, 12 - math.floor(math.log10(step))) + 0.0 for k in range(first, last + 1)]
