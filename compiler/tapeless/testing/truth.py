"""The truth at one point: values, slopes, and how much either moves when the inputs are rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tapeless.ir.program import Program
from tapeless.targets.reference import (
    Real,
    Slope,
    context,
    context_of_bits,
    evaluate_flat,
    evaluate_nodes,
    number,
    slopes_by_lane,
)
from tapeless.testing.points import evenly

VALUE_DIGITS = 40
SLOPE_DIGITS = 30
_BITS = 640
_INNER, _OUTER = 100, 60
"""Relative steps of the second differences, as powers of two."""
_LANES = 16
"""Beyond this many input scalars the sums over all of them are estimated from as many, evenly spread."""


class Truth:
    """A program at one point, computed with mpmath as far as it is asked for.

    Parameters
    ----------
    program
        The program.
    lanes
        The values of all its input scalars.
    """

    def __init__(self, program: Program, lanes: Sequence[float]) -> None:
        self.program = program
        self.lanes = tuple(lanes)
        self.context = context(VALUE_DIGITS + 10)
        self.values: list[Any] = evaluate_flat(program, self.lanes, VALUE_DIGITS)
        self._slopes: dict[int, list[Slope]] = {}
        self._sampled = evenly(len(self.lanes), _LANES)
        self._weight = len(self.lanes) / max(1, len(self._sampled))

    def slopes(self, lane: int) -> list[Slope]:
        """Return the slopes of all roots by one input scalar."""
        found = self._slopes.get(lane)
        if found is None:
            found = self._slopes[lane] = slopes_by_lane(self.program, self.lanes, lane, SLOPE_DIGITS)
        return found

    def value_wobble(self, root: int) -> Real:
        """Return sum(abs(x_j * dy/dx_j)): the change of a root per relative change of every input."""
        total = self.context.zero
        for lane in self._sampled:
            x = self.lanes[lane]
            if x:
                total += abs(number(self.context, x)) * _size(self.slopes(lane)[root])
        return total * self._weight

    def slope_wobble(self, root: int, lane: int) -> Real:
        """Return the same for a derivative, sum(abs(x_j * d2y/dx_i dx_j)), from second differences."""
        ctx = self.context
        graph, node = self.program.graph, self.program.roots[root]
        slope = _size(self.slopes(lane)[root])
        bits = _BITS
        if slope and self.lanes[lane] and self.values[root]:
            # A slope in a flat tail is a small difference of large values.
            bits += max(0, int(ctx.mag(self.values[root]) - ctx.mag(slope * self.lanes[lane])))
        fine = context_of_bits(bits)
        here = [number(fine, x) for x in self.lanes]

        def difference(point: list[Real]) -> Real:
            step = _step(fine, here[lane], _INNER)
            ends = []
            for sign in (1, -1):
                moved = list(point)
                moved[lane] += sign * step
                ends.append(evaluate_nodes(graph, [node], moved, fine)[0])
            return (ends[0] - ends[1]) / (2 * step)

        total = ctx.zero
        for other in self._sampled:
            x = here[other]
            if not x or not any(_size(s) for s in self.slopes(other)):
                continue
            step = _step(fine, x, _OUTER)
            ends = []
            for sign in (1, -1):
                moved = list(here)
                moved[other] += sign * step
                ends.append(difference(moved))
            term = abs(x * (ends[0] - ends[1]) / (2 * step))
            if fine.isfinite(term):
                total += number(ctx, term)
        return total * self._weight

    def limit(self, root: int) -> Real:
        """Return what a root tends to, from both sides at once, where it has no value; NaN for no limit."""
        found = []
        for sign in (1, -1):
            fine = context_of_bits(400)
            moved = [number(fine, x) for x in self.lanes]
            moved = [x + sign * _step(fine, x, _INNER) for x in moved]
            found.append(evaluate_flat(self.program, moved, VALUE_DIGITS)[root])
        gap = abs(found[0] - found[1])
        near = gap <= abs(found[0]) * self.context.mpf(2) ** -50
        return found[0] if near else self.context.nan


def _size(slope: Slope) -> Real:
    """Return the size of a slope, at a kink that of the steeper finite side."""
    sides = [slope.value] if slope.exists else [slope.left, slope.right]
    sizes = [abs(side) for side in sides if side.context.isfinite(side)]
    return max(sizes) if sizes else slope.value.context.zero


def _step(ctx: Any, x: Real, bits: int) -> Real:
    return ctx.ldexp(ctx.one, (ctx.mag(x) if x else 0) - bits)
