"""Where the boxes of a graph go: layers from top to bottom, few crossings, straight long arrows.

Sugiyama, Tagawa and Toda's method (IEEE Trans. SMC 11, 1981): layers by longest path, dummies on long arrows, order
by barycentres; then each layer is moved to the least-squares positions that keep its order and its distances, by
pooling adjacent violators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_SWEEPS: Final = 24
_PULLS: Final = 40
_DUMMY: Final = 10.0
"""Width that an arrow takes in a layer that it passes."""
_STRAIGHT: Final = 3.0
"""How much more it weighs than a box when places are shared out."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions.

    Attributes
    ----------
    x
        Centre of each box.
    layer
        Its layer, from 0 at the top.
    paths
        For each arrow (from, to) the points of its way: the centre of its first box, where it passes layers, and the
        centre of its last, each (x, layer).
    width
        From the left end of the leftmost box, at 0, to the right end of the rightmost.
    """

    x: tuple[float, ...]
    layer: tuple[int, ...]
    paths: dict[tuple[int, int], tuple[tuple[float, int], ...]]
    width: float


def arrange(sources: Sequence[Sequence[int]], widths: Sequence[float], gap: float) -> Layout:
    """Arrange boxes.

    Parameters
    ----------
    sources
        For each box those that its arrows come from, all before it.
    widths
        Width of each box.
    gap
        Distance of boxes side by side.
    """
    layer = _layers(sources)
    slots = list(widths)
    chains: dict[tuple[int, int], list[int]] = {}
    levels: list[list[int]] = [[] for _ in range(max(layer, default=0) + 1)]
    for node, row in enumerate(layer):
        levels[row].append(node)
    above: dict[int, list[int]] = {node: [] for node in range(len(sources))}
    below: dict[int, list[int]] = {node: [] for node in range(len(sources))}
    for node, origins in enumerate(sources):
        for origin in dict.fromkeys(origins):
            chain = [origin]
            for row in range(layer[origin] + 1, layer[node]):
                dummy = len(slots)
                slots.append(_DUMMY)
                levels[row].append(dummy)
                above[dummy], below[dummy] = [], []
                chain.append(dummy)
            chain.append(node)
            chains[origin, node] = chain
            for upper, lower in pairwise(chain):
                below[upper].append(lower)
                above[lower].append(upper)
    levels = _ordered(levels, above, below)
    x = _positions(levels, above, below, slots, gap)
    rows = {item: row for row, members in enumerate(levels) for item in members}
    left = min((x[k] - slots[k] / 2 for k in range(len(slots))), default=0.0)
    right = max((x[k] + slots[k] / 2 for k in range(len(slots))), default=0.0)
    return Layout(
        tuple(x[node] - left for node in range(len(sources))),
        tuple(layer),
        {pair: tuple((x[item] - left, rows[item]) for item in chain) for pair, chain in chains.items()},
        right - left,
    )


def _layers(sources: Sequence[Sequence[int]]) -> list[int]:
    """Layers by the longest way from the inputs; what has no source moves down to its first user."""
    layer = [0] * len(sources)
    for node, origins in enumerate(sources):
        layer[node] = max((layer[origin] + 1 for origin in origins), default=0)
    users: dict[int, list[int]] = {}
    for node, origins in enumerate(sources):
        for origin in origins:
            users.setdefault(origin, []).append(node)
    for node, origins in enumerate(sources):
        if not origins and node in users:
            layer[node] = min(layer[user] for user in users[node]) - 1
    return layer


def _ordered(
    levels: list[list[int]], above: dict[int, list[int]], below: dict[int, list[int]]
) -> list[list[int]]:
    best, fewest = [list(row) for row in levels], _crossings(levels, below)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        rows = range(1, len(levels)) if down else range(len(levels) - 2, -1, -1)
        for row in rows:
            other = levels[row - 1] if down else levels[row + 1]
            rank = {item: k for k, item in enumerate(other)}
            neighbours = above if down else below
            own = {item: k for k, item in enumerate(levels[row])}

            def centre(item: int, rank: dict[int, int] = rank, own: dict[int, int] = own) -> float:
                places = [rank[n] for n in neighbours[item] if n in rank]  # noqa: B023 - used at once
                return sum(places) / len(places) if places else float(own[item])

            levels[row].sort(key=centre)
        count = _crossings(levels, below)
        if count < fewest:
            best, fewest = [list(row) for row in levels], count
            if not fewest:
                break
    return best


def _crossings(levels: Sequence[Sequence[int]], below: dict[int, list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(levels):
        rank = {item: k for k, item in enumerate(lower)}
        ends = [
            rank[n] for item in upper for n in sorted(below[item], key=lambda n: rank.get(n, 0)) if n in rank
        ]
        total += sum(ends[i] > ends[j] for i in range(len(ends)) for j in range(i + 1, len(ends)))
    return total


def _positions(
    levels: Sequence[Sequence[int]],
    above: dict[int, list[int]],
    below: dict[int, list[int]],
    widths: Sequence[float],
    gap: float,
) -> list[float]:
    x = [0.0] * len(widths)
    for row in levels:
        at = 0.0
        for item in row:
            x[item] = at + widths[item] / 2
            at += widths[item] + gap
        for item in row:
            x[item] -= (at - gap) / 2
    for pull in range(_PULLS):
        rows = levels if pull % 2 == 0 else levels[::-1]
        both = pull >= _PULLS - 6
        for row in rows:
            wanted = []
            for item in row:
                near = above[item] + below[item] if both else (above if pull % 2 == 0 else below)[item]
                wanted.append(sum(x[n] for n in near) / len(near) if near else x[item])
            for item, place in zip(row, _spread(row, wanted, widths, gap), strict=True):
                x[item] = place
    return x


def _spread(row: Sequence[int], wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """Return the places nearest to those wanted, in the sense of least squares, that keep order and distance."""
    offsets, at = [], 0.0
    for k, item in enumerate(row):
        if k:
            at += (widths[row[k - 1]] + widths[item]) / 2 + gap
        offsets.append(at)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for item, target, offset in zip(row, wanted, offsets, strict=True):
        mean, weight, members = target - offset, _STRAIGHT if widths[item] == _DUMMY else 1.0, 1
        while blocks and blocks[-1][0] > mean:
            last, heavy, others = blocks.pop()
            total = weight + heavy
            mean, weight, members = (mean * weight + last * heavy) / total, total, members + others
        blocks.append((mean, weight, members))
    level = [mean for mean, _, members in blocks for _ in range(members)]
    return [base + offset for base, offset in zip(level, offsets, strict=True)]
