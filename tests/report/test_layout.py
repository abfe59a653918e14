"""Where boxes go: downwards, side by side, and as straight as may be."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from gallery import GALLERY
from tapeless.api import read
from tapeless.report.flow import flow
from tapeless.report.layout import _spread, arrange

GAP = 10.0


def random_graph(seed):
    source = random.Random(seed)
    count = source.randint(2, 30)
    sources = [source.sample(range(node), min(node, source.choice((0, 1, 1, 2, 3)))) for node in range(count)]
    return sources, [source.uniform(20, 90) for _ in range(count)]


def cases():
    yield from (random_graph(seed) for seed in range(40))
    for entry in GALLERY:
        boxes = flow(read(entry.text), None).boxes
        yield [[edge.source for edge in box.edges] for box in boxes], [40.0 + 3 * len(b.label) for b in boxes]


def test_arrows_go_down_and_boxes_of_a_layer_stand_apart():
    for sources, widths in cases():
        found = arrange(sources, widths, GAP)
        for node, origins in enumerate(sources):
            assert all(found.layer[origin] < found.layer[node] for origin in origins)
        for row in set(found.layer):
            members = sorted(
                (k for k in range(len(widths)) if found.layer[k] == row), key=found.x.__getitem__
            )
            for left, right in pairwise(members):
                assert found.x[right] - found.x[left] >= (widths[left] + widths[right]) / 2 + GAP - 1e-9
        assert min(x - w / 2 for x, w in zip(found.x, widths, strict=True)) >= -1e-9
        assert max(x + w / 2 for x, w in zip(found.x, widths, strict=True)) <= found.width + 1e-9


def test_an_arrow_passes_every_layer_between_its_ends():
    for sources, widths in cases():
        found = arrange(sources, widths, GAP)
        for (origin, target), path in found.paths.items():
            assert [row for _, row in path] == list(range(found.layer[origin], found.layer[target] + 1))
            assert path[0][0] == found.x[origin]
            assert path[-1][0] == found.x[target]


def test_a_chain_is_straight():
    found = arrange([[], [0], [1], [2]], [30.0, 60.0, 40.0, 20.0], GAP)
    assert found.x == pytest.approx([30.0] * 4)
    assert found.layer == (0, 1, 2, 3)


def test_a_tree_has_no_crossings():
    #      6       leaves 0 1 2 3 given in a bad order
    sources = [[], [], [], [], [0, 3], [1, 2], [4, 5]]
    found = arrange(sources, [30.0] * 7, GAP)
    leaves = sorted(range(4), key=found.x.__getitem__)
    assert set(leaves[:2]) in ({0, 3}, {1, 2})


def test_an_input_stands_right_above_its_first_user():
    found = arrange([[], [0], [1], [], [2, 3]], [30.0] * 5, GAP)
    assert found.layer[3] == found.layer[4] - 1


def test_places_are_the_nearest_that_keep_order_and_distance():
    widths = [20.0, 20.0, 20.0]
    assert _spread([0, 1, 2], [0.0, 100.0, 200.0], widths, GAP) == [0.0, 100.0, 200.0]
    assert _spread([0, 1], [50.0, 50.0], widths, GAP) == [35.0, 65.0]
    assert _spread([0, 1, 2], [60.0, 30.0, 0.0], widths, GAP) == [0.0, 30.0, 60.0]


def test_nothing_to_arrange():
    assert arrange([], [], GAP).width == 0
