"""The algebra of conditions: when does an adjoint count, and how are contributions masked.

For each node, D(node) is the condition under which its adjoint counts: the OR, over all contributions, of
D(user) AND the condition of the edge. Where D is false an adjoint may hold anything, NaN included; so a
contribution is masked exactly where its own condition is narrower than that of the node it goes to. Conditions
are ordinary boolean nodes of the graph (hash-consed, with absorption and complements), masks are ordinary
selects: a further derivative just repeats the analysis.

Forward mode is the mirror image. V(node) is the condition under which the tangent of a node counts: the OR, over its
arguments, of V(argument) AND the condition of the edge. Elsewhere the tangent is zero, also where it meets an
infinite partial: sqrt(max(x, 0)) does not change where x < 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tapeless.ir.graph import Builder
from tapeless.ir.rules import Link

PASSING: Final = frozenset(("add", "sub", "neg", "select"))
"""Primitives whose partials are 1 or -1: a cotangent or tangent is passed on, not multiplied."""
_EXTREMA: Final = frozenset(("max", "min", "fmax", "fmin"))
"""Primitives of which some argument always attains the result."""
_BOUNDED: Final = PASSING | _EXTREMA | {"abs", "fdim", "copysign"}
"""Primitives whose partials are at most 1 in size: what is zero stays zero."""


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


class Tangent(NamedTuple):
    """The tangent of a node.

    Attributes
    ----------
    value
        Its node, right wherever `counts` holds.
    counts
        V(node): the condition under which the tangent may be other than zero.
    clean
        Whether `value` is zero wherever `counts` does not hold; else it may be anything there.
    """

    value: int
    counts: int
    clean: bool = True


Edge = tuple[Link, Callable[[int], int], Tangent]
"""An edge of a node, what multiplies by its partial, and the tangent of the argument that it comes from."""


def shown(builder: Builder, tangent: Tangent | None) -> int:
    """Return the node of a tangent that is right everywhere."""
    zero = builder.rational(0)
    if tangent is None:
        return zero
    return tangent.value if tangent.clean else builder.select(tangent.counts, tangent.value, zero)


def chosen(builder: Builder, condition: int, first: Tangent | None, second: Tangent | None) -> Tangent:
    """Return the tangent of a choice, None standing for one that is zero: nothing is masked yet."""
    never, zero = builder.boolean(False), builder.rational(0)
    first, second = first or Tangent(zero, never), second or Tangent(zero, never)
    counts = builder.or_(
        builder.and_(condition, first.counts), builder.and_(builder.not_(condition), second.counts)
    )
    if never in (first.counts, second.counts):
        value = second.value if first.counts == never else first.value
        return Tangent(value, counts, counts == builder.boolean(True))
    return Tangent(builder.select(condition, first.value, second.value), counts, first.clean and second.clean)


def carried(builder: Builder, node: int, edges: Sequence[Edge]) -> Tangent | None:
    """Return the tangent of a node from those of its arguments; None where it is zero.

    Parameters
    ----------
    builder
        Holds `node`; the tangent is appended.
    node
        The node, no choice: that is the business of `chosen`.
    edges
        The edges to the arguments that have a tangent.
    """
    arrived = Contributions()
    free: list[int] = []  # what is zero wherever it does not count, and needs no mask
    conditions: dict[int, None] = {}
    for link, times, tangent in edges:
        condition = tangent.counts if link.guard is None else builder.and_(tangent.counts, link.guard)
        if builder.ops[condition] == "false":
            continue
        conditions[condition] = None
        value = times(tangent.value)
        zero_stays = tangent.clean and _is_bounded(builder, node, link.position)
        if zero_stays and link.guard is None:
            free.append(value)
        else:
            arrived.add(link.guard if zero_stays and link.guard is not None else condition, value)
    if not conditions:
        return None
    op, args = builder.ops[node], builder.args[node]
    sources = {tangent.counts for _, _, tangent in edges}
    if op in _EXTREMA and len(edges) == len(args) and len(sources) == 1:
        counts = sources.pop()
    else:
        counts = next(iter(conditions)) if len(conditions) == 1 else builder.or_(*conditions)
    if not arrived.groups:
        return Tangent(builder.sum(free), counts)
    total = gather(builder, arrived, counts)
    clean = builder.ops[counts] == "true" or counts not in arrived.groups
    return Tangent(builder.sum([*free, total]) if free else total, counts, clean)


def _is_bounded(builder: Builder, node: int, position: int) -> bool:
    """Whether a partial is a number whatever the arguments are."""
    op, args = builder.ops[node], builder.args[node]
    if op == "mul":
        return builder.rational_value(args[1 - position]) is not None
    if op == "div":
        return position == 0 and bool(builder.rational_value(args[1]))
    return op in _BOUNDED
