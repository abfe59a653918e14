"""Points with what is true there: the measure of the search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import numpy as np

from tapeless.accuracy.rounding import Field, bits, fill
from tapeless.accuracy.sampling import Point, Range, draw, edges
from tapeless.ir.graph import Graph
from tapeless.ir.program import Program
from tapeless.targets.reference import context_of_bits, evaluate_flat, evaluate_nodes, nearest, number

Array = np.ndarray[Any, Any]

DIGITS: Final = 20
_TRIES: Final = 12
"""Points tried for each that is wanted: the others lie outside of the domain."""
_OUTSIDE: Final = 24


@dataclass(frozen=True)
class Samples:
    """Points of the domain.

    Attributes
    ----------
    lanes
        `(input scalars, points)`.
    truth
        `(output scalars, points)`, rounded to the dtype; NaN where an output does not exist.
    outside
        `(input scalars, points)`: points drawn at which no output exists.
    """

    lanes: Array
    truth: Array
    outside: Array

    @property
    def points(self) -> int:
        """How many points."""
        return int(self.lanes.shape[1])


def collect(program: Program, ranges: Mapping[str, Range], dtype: str, seed: int, count: int) -> Samples:
    """Draw points of the domain of a program, and evaluate it there.

    Parameters
    ----------
    program
        The program.
    ranges
        Ranges of some inputs.
    dtype
        What points and truth are rounded to.
    seed
        The seed of the points.
    count
        How many points are wanted; there are fewer where the domain is hard to find.
    """
    inside: list[tuple[Point, list[float]]] = []
    outside: list[Point] = []
    for point in islice(draw(program.inputs, ranges, dtype, seed), _TRIES * count):
        truth = true_values(program, point, dtype)
        if all(map(math.isnan, truth)):
            outside.append(point)
        else:
            inside.append((point, truth))
        if len(inside) == count:
            break
    return Samples(
        columns([point for point, _ in inside], program.lanes, dtype),
        columns([truth for _, truth in inside], len(program.roots), dtype),
        columns(outside[:_OUTSIDE], program.lanes, dtype),
    )


def true_values(program: Program, point: Sequence[float], dtype: str) -> list[float]:
    """Return the true values of all output scalars at a point, rounded to a dtype."""
    return [nearest(value, dtype) for value in evaluate_flat(program, point, DIGITS)]


def columns(points: Sequence[Sequence[float]], rows: int, dtype: str) -> Array:
    """Return points as an array of `(rows, points)`."""
    with np.errstate(over="ignore"):  # an extreme double is an infinite float
        found: Array = np.array(points, dtype).reshape(len(points), rows).T.copy()
    return found


def at_edges(program: Program, ranges: Mapping[str, Range], dtype: str, samples: Samples) -> Samples:
    """Return the edges of the ranges with the truth there, infinite inputs and NaN included."""
    ordinary = [tuple(column) for column in samples.lanes.T[:8].tolist()]
    points = edges(program.inputs, ranges, ordinary)
    truth = [true_values(program, point, dtype) for point in points]
    return Samples(
        columns(points, program.lanes, dtype),
        columns(truth, len(program.roots), dtype),
        columns([], program.lanes, dtype),
    )


def errors(results: Array, samples: Samples, dtype: str) -> Array:
    """Return the bits of error of results, `(output scalars, points)`; 0 where an output does not exist."""
    found: Array = np.where(np.isnan(samples.truth), 0.0, bits(results, samples.truth, dtype))
    return found


def means(found: Array, samples: Samples) -> Array:
    """Return the mean error of each output over the points where it exists."""
    exists = ~np.isnan(samples.truth)
    total: Array = np.where(exists, found, 0.0).sum(1) / np.maximum(exists.sum(1), 1)
    return total


def results_of(program: Program, lanes: Array, dtype: str) -> Array:
    """Return what a kernel of a program gives: `(output scalars, points)`."""
    graph, values = program.graph, [None] * len(program.graph)
    fill(graph, graph.reachable(program.roots), values, Field(lanes, dtype), graph.constants())
    return np.array([values[root] for root in program.roots], dtype)


# ---- where the digits go

_BITS: Final = 260
_ILL: Final = frozenset("add sub log pow acos acosh".split())
"""Operations in which digits of their arguments are lost, and for which there are alternatives."""


def local_errors(
    graph: Graph, roots: Sequence[int], lanes: Array, dtype: str
) -> dict[int, tuple[float, float]]:
    """Return mean and worst bits that single operations lose: from the rounded true arguments to the true result.

    The measure of Herbie (P. Panchekha et al., PLDI 2015, "local error"): what is wrong in the arguments is not
    counted, that they are rounded is.

    Parameters
    ----------
    graph, roots
        A program.
    lanes
        The points.
    dtype
        What is computed in.

    Returns
    -------
    dict
        Node -> (mean, worst), for sums, logarithms, powers and the like.
    """
    live = graph.reachable(roots)
    constant = graph.constants()
    wanted = [node for node in live if graph.ops[node] in _ILL and not constant[node]]
    if not wanted:
        return {}
    needed = sorted({*wanted, *(arg for node in wanted for arg in graph.args[node])})
    place = {node: k for k, node in enumerate(needed)}
    points = lanes.shape[1]
    exact = np.full((len(needed), points), math.nan, dtype)
    ctx = context_of_bits(_BITS)
    for k in range(points):
        row = evaluate_nodes(graph, needed, [number(ctx, float(x)) for x in lanes[:, k]], ctx)
        exact[:, k] = [nearest(value, dtype) for value in row]
    found = {}
    for node in wanted:
        args = graph.args[node]
        values: list[Any] = [None] * len(graph)
        for arg in args:
            values[arg] = exact[place[arg]]
        fill(graph, [node], values, Field(lanes, dtype), constant)
        true = exact[place[node]]
        lost = np.where(np.isnan(true), 0.0, bits(values[node], true, dtype))
        exists = max(int((~np.isnan(true)).sum()), 1)
        found[node] = float(lost.sum()) / exists, float(lost.max(initial=0.0))
    return found
