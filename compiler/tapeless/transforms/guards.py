"""The algebra of conditions: when does an adjoint count, and how are contributions masked.

For each node, D(node) is the condition under which its adjoint counts: the OR, over all contributions, of
D(user) AND the condition of the edge. Where D is false an adjoint may hold anything, NaN included; so a
contribution is masked exactly where its own condition is narrower than that of the node it goes to. Conditions
are ordinary boolean nodes of the graph (hash-consed, with absorption and complements), masks are ordinary
selects: a further derivative just repeats the analysis.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tapeless.ir.graph import Builder


@dataclass(slots=True)
class Contributions:
    """What reaches the adjoint of one node, grouped by the condition under which it counts."""

    groups: dict[int, list[int]] = field(default_factory=dict)

    def add(self, condition: int, value: int) -> None:
        """Add a contribution that counts under `condition`."""
        self.groups.setdefault(condition, []).append(value)


def domain(builder: Builder, contributions: Contributions) -> int:
    """Return D(node): the condition under which any contribution counts."""
    if len(contributions.groups) == 1:
        return next(iter(contributions.groups))
    return builder.or_(*contributions.groups)


def gather(builder: Builder, contributions: Contributions, counts: int) -> int:
    """Sum contributions into an adjoint that is right wherever `counts` holds.

    Contributions under equal conditions are summed first and masked once; two groups under complementary
    conditions become one choice. Nothing is masked that counts wherever the adjoint itself does.
    """
    if len(contributions.groups) == 1:
        [(condition, values)] = contributions.groups.items()
        if condition == counts:
            return values[0] if len(values) == 1 else builder.sum(values)
    zero = builder.rational(0)
    sums = {condition: builder.sum(values) for condition, values in contributions.groups.items()}
    terms = []
    for condition in tuple(sums):
        if condition not in sums:
            continue
        value = sums.pop(condition)
        opposite = builder.not_(condition)
        if condition == counts:
            terms.append(value)
        elif opposite in sums:
            terms.append(builder.select(condition, value, sums.pop(opposite)))
        else:
            terms.append(builder.select(condition, value, zero))
    return builder.sum(terms)
