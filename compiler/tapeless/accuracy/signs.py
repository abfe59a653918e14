"""What the declared ranges say of the values inside a formula that is still growing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tapeless.ir.graph import Builder
from tapeless.ir.program import Input
from tapeless.transforms.ranges import Interval, Known, interval_of

Range = tuple[float, float]


class Signs:
    """Intervals that hold the values of nodes, for inputs inside of their ranges.

    Parameters
    ----------
    builder
        Holds the nodes; more may be appended.
    inputs, ranges
        The inputs, and what is declared of some of them.
    """

    def __init__(self, builder: Builder, inputs: Sequence[Input], ranges: Mapping[str, Range]) -> None:
        self._builder = builder
        owners = [item for item in inputs for _ in range(item.size)]
        self._lanes = {
            lane: Interval(*ranges[item.name])
            for lane, item in enumerate(owners)
            if item.role == "primal" and item.name in ranges
        }
        self._known: list[Known] = []

    def is_positive(self, node: int) -> bool:
        """Whether a node is larger than 0 wherever it is a number; an end of the range that touches 0 counts not."""
        return self.interval(node).positive

    def interval(self, node: int) -> Interval:
        """Return an interval that holds the values of a node, which is a number."""
        b, known = self._builder, self._known
        for k in range(len(known), node + 1):
            known.append(interval_of(b.ops[k], b.args[k], b.payloads[k], known, self._lanes))
        found = known[node]
        assert isinstance(found, Interval)
        return found
