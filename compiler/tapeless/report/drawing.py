"""A graph as SVG: boxes with their values, arrows from top to bottom. Colours are those of the page around it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from tapeless.report.flow import Box, Flow
from tapeless.report.layout import Layout, arrange
from tapeless.report.markup import Markup, element

_HEIGHT: Final = 26.0
_NUMBERS: Final = 15.0
"""Height of a box, and of the numbers below its label."""
_STEP: Final = 74.0
_GAP: Final = 18.0
_MARGIN: Final = 14.0
_CHARACTER: Final = 8.4
_SMALL: Final = 6.4
"""Rough widths of characters."""
_WIDEST: Final = 34.0
"""Distance of arrows where they enter a box."""
_MARK: Final = 0.68
"""How far down its last piece the mark of an arrow stands."""


def draw(flow: Flow, description: str) -> Markup:
    """Return the drawing of boxes; `description` is what it shows, in words."""
    boxes = flow.boxes
    widths = [_width(box) for box in boxes]
    layout = arrange([[edge.source for edge in box.edges] for box in boxes], widths, _GAP)
    width = layout.width + 2 * _MARGIN
    height = max(layout.layer, default=0) * _STEP + _box_height(boxes) + 2 * _MARGIN
    arrows = [
        piece
        for target, box in enumerate(boxes)
        for edge, shift in zip(box.edges, _entries(layout, box, target, widths[target]), strict=True)
        for piece in _arrow(layout, (edge.source, target), edge.mark, boxes, shift=shift)
    ]
    return element(
        "svg",
        element("title", description),
        element("g", arrows, class_="arrows"),
        element("g", [_box(box, layout, k, widths[k]) for k, box in enumerate(boxes)], class_="boxes"),
        view_box=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        class_="graph",
    )


def short(value: float) -> str:
    """Return a number in a few characters."""
    text = f"{value:.4g}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return text.replace("-", "−")


def _box_height(boxes: Sequence[Box]) -> float:
    return _HEIGHT + (_NUMBERS if any(box.value is not None for box in boxes) else 0.0)


def _numbers(box: Box) -> list[tuple[str, str]]:
    """Return the numbers of a box, each with its class."""
    found = []
    if box.value is not None:
        found.append(("value", short(box.value)))
    if box.adjoint is not None:
        found.append(("adjoint", short(box.adjoint)))
    return found


def _width(box: Box) -> float:
    numbers = _numbers(box)
    small = sum(len(text) for _, text in numbers) * _SMALL + (14.0 if len(numbers) > 1 else 0.0)
    marks = sum(len(edge.mark) > 1 for edge in box.edges) * _WIDEST
    return max(30.0, len(box.label) * _CHARACTER + 18.0, small + 14.0, marks)


def _top(layout: Layout, box: int) -> float:
    return _MARGIN + layout.layer[box] * _STEP


def _box(box: Box, layout: Layout, place: int, width: float) -> Markup:
    x, top = _MARGIN + layout.x[place], _top(layout, place)
    numbers = _numbers(box)
    height = _HEIGHT + (_NUMBERS if numbers else 0.0)
    parts = [
        element(
            "rect",
            x=x - width / 2,
            y=top,
            width=width,
            height=height,
            rx=height / 2 if box.kind != "operation" else 7.0,
        ),
        element("text", box.label, x=x, y=top + 17.5, class_="label"),
    ]
    if numbers:
        spans = []
        for k, (kind, number) in enumerate(numbers):
            spans.append(element("tspan", number, class_=kind, dx=9.0 if k else None))
        parts.append(element("text", spans, x=x, y=top + 33.5, class_="numbers"))
    return element("g", element("title", _told(box)), *parts, class_=f"box {box.kind}")


def _told(box: Box) -> str:
    lines = [f"{box.kind} {box.label}" if box.kind != "operation" else box.formula or box.label]
    if box.value is not None:
        lines.append(f"value {box.value:.12g}")
    if box.adjoint is not None:
        lines.append(f"derivative of the first output by it {box.adjoint:.12g}")
    if box.rule:
        lines.append(box.rule)
    return "\n".join(lines)


def _entries(layout: Layout, box: Box, place: int, width: float) -> list[float]:
    """Return where the arrows of a box enter it, right of its centre, in the order in which they come."""
    last = [layout.paths[edge.source, place][-2][0] for edge in box.edges]
    order = sorted(range(len(last)), key=last.__getitem__)
    room = (width - 22.0) / max(1, len(order) - 1)
    step = min(room, _WIDEST) if len(order) > 1 else 0.0
    shifts = [0.0] * len(order)
    for k, edge in enumerate(order):
        shifts[edge] = (k - (len(order) - 1) / 2) * step
    return shifts


def _arrow(
    layout: Layout, pair: tuple[int, int], mark: str, boxes: Sequence[Box], *, shift: float
) -> list[Markup]:
    origin, target = pair
    path = layout.paths[pair]
    tall = _HEIGHT + (_NUMBERS if _numbers(boxes[origin]) else 0.0)
    middle = _box_height(boxes) / 2
    points = [
        (_MARGIN + path[0][0], _top(layout, origin) + tall),
        *((_MARGIN + x, _MARGIN + row * _STEP + middle) for x, row in path[1:-1]),
        (_MARGIN + path[-1][0] + shift, _top(layout, target)),
    ]
    slopes = _slopes(points)
    commands = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for k, ((x0, y0), (x1, y1)) in enumerate(pairwise(points)):
        third = (y1 - y0) / 3
        commands.append(
            f"C{x0 + slopes[k] * third:.1f} {y0 + third:.1f} {x1 - slopes[k + 1] * third:.1f} {y1 - third:.1f} "
            f"{x1:.1f} {y1:.1f}"
        )
    found = [element("path", d="".join(commands), class_="arrow")]
    if mark:
        (x0, y0), (x1, y1) = points[-2:]
        a, b, third = 1 - _MARK, _MARK, (y1 - y0) / 3
        x = a**3 * x0 + 3 * a * a * b * (x0 + slopes[-2] * third) + 3 * a * b * b * x1 + b**3 * x1
        found.append(element("text", mark, x=x, y=a * y0 + b * y1 + 3.5, class_="mark"))
    return found


def _slopes(points: Sequence[tuple[float, float]]) -> list[float]:
    """Return dx/dy at each point of a way down, such that the curve never swings beyond its points.

    Source: Fritsch and Carlson, SIAM J. Numer. Anal. 17 (1980) 238.
    """
    steps = [(x1 - x0) / (y1 - y0) for (x0, y0), (x1, y1) in pairwise(points)]
    inner = [
        0.0 if before * after <= 0 else 2 * before * after / (before + after)
        for before, after in pairwise(steps)
    ]
    return [0.0, *inner, 0.0]
