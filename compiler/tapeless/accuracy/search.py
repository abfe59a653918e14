"""The search: Program -> Program with smaller measured errors, where sums cancel.

After Herbie (P. Panchekha, A. Sanchez-Stern, J. R. Wilcox, Z. Tatlock, "Automatically Improving Accuracy for
Floating Point Expressions", PLDI 2015), made to fit a compiler: points come from the declared ranges, whole kernels
with all their outputs are searched, a candidate must keep what holds at edges, and what counts in the end is measured
on points that the search has not seen. All limits are counts of work, none is a time: the same program gives the
same code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np

from tapeless.accuracy.identities import Alternative, Remainder, alternatives, expansions, variables
from tapeless.accuracy.report import KernelAccuracy, OutputAccuracy, Replacement, element_names, shortened
from tapeless.accuracy.rounding import Field, bits, fill
from tapeless.accuracy.samples import (
    Array,
    Samples,
    at_edges,
    collect,
    errors,
    local_errors,
    means,
    results_of,
)
from tapeless.accuracy.sampling import Range
from tapeless.accuracy.signs import Signs
from tapeless.ir.graph import Builder, Graph
from tapeless.ir.notation import infix
from tapeless.ir.program import Program, compacted
from tapeless.targets.reference import context_of_bits, evaluate_nodes, number
from tapeless.transforms.assumed import assumed
from tapeless.transforms.simplify import cheaper, cost
from tapeless.transforms.written_out import written_out

LIMIT: Final = 400
"""Programs of more nodes are not searched."""
SEEN: Final = 17
HELD_OUT: Final = 71
"""Seeds of the points that the search sees, and of those that it is judged by."""
POINTS: Final = 48
JUDGES: Final = 96
MARGIN: Final = 0.4
"""Bits that the mean error of an output has to gain."""
LOSS: Final = 4.0
"""Bits that a result may lose at a single point: rounding falls this way or that."""
_CAREFUL: Final = 3.0
"""The same at the points that the search sees, so that what it finds holds at others."""
_DRIFT: Final = 0.15
"""Bits that the mean error of another output may lose."""
_ROUNDS: Final = 10
_PATIENCE: Final = 3
"""Rounds without a gain before the search ends."""
_BEAM: Final = 5
_PLACES: Final = 6
"""Operations tried in one round."""
_QUOTIENTS: Final = 2
"""Quotients of such operations, which are tried as a whole."""
_TRIALS: Final = 800
"""Candidates measured."""
_EXACT_WORK: Final = 60_000
"""Operations in mpmath for finding where digits are lost."""
_PRICE: Final = 0.01
"""Bits that an operation's worth of time counts as."""
_SENSIBLE: Final = 0.5
"""Mean bits that an operation loses by itself before another is looked for."""
_STARTLING: Final = 4.0
"""The same at the worst point."""
_LEFT_OUT: Final = {"float64": 2.0**-57, "float32": 2.0**-28}
_AGREE: Final = {"float64": 2.0**-48, "float32": 2.0**-20}
_TINY: Final = {"float64": 1e-290, "float32": 1e-30}
_VERIFY_BITS: Final = 400
_SIDE: Final = 4
"""Points that there must be on each side of a threshold."""

Ranges = Mapping[str, Range]


class Found(NamedTuple):
    """The outcome of a search.

    Attributes
    ----------
    program
        The program to compile: the one given where nothing was found.
    report
        What was done.
    """

    program: Program
    report: KernelAccuracy


class _Step(NamedTuple):
    """A replacement with what its formulas were."""

    identity: str
    before: str
    after: str
    when: str
    roots: tuple[int, ...]


@dataclass(frozen=True)
class _State:
    """A program under search.

    Attributes
    ----------
    program
        The program.
    results
        What it gives at all points of the field, `(output scalars, points)`.
    mean
        Mean bits of error over outputs and points.
    score
        What is minimised: that, the price of its operations, and penalties.
    sound
        Whether it may be kept.
    steps
        How it came about.
    """

    program: Program
    results: Array
    mean: float
    score: float
    sound: bool
    steps: tuple[_Step, ...]


def search(program: Program, kind: str, wrt: Sequence[str], ranges: Ranges, dtype: str) -> Found:
    """Look for a program that computes the same function with smaller errors.

    Parameters
    ----------
    program
        What a kernel would be made of.
    kind, wrt
        What it is, for the report.
    ranges
        Input -> range, for the inputs of which one is declared.
    dtype
        What it computes in.

    Returns
    -------
    Found
        The program given where nothing better was found, and the report.
    """
    key = (program.digest(), kind, tuple(wrt), tuple(sorted(ranges.items())), dtype)
    known = _known.get(key)
    if known is None:
        known = _search(program, kind, wrt, ranges, dtype)
        if len(_known) >= _KEPT:
            _known.pop(next(iter(_known)))
        _known[key] = known
    return known


_known: dict[tuple[Any, ...], Found] = {}
"""What was found: the C text, operation counts and exports of a function ask for it again."""
_KEPT: Final = 256


def _search(program: Program, kind: str, wrt: Sequence[str], ranges: Ranges, dtype: str) -> Found:
    report = KernelAccuracy(kind, tuple(wrt), "", (), (), 0, 0)
    if len(program.graph) > LIMIT:
        note = f"not searched: {len(program.graph)} nodes, and {LIMIT} are the limit"
        return Found(program, replace(report, note=note))
    if "extern" in program.graph.ops:
        return Found(program, replace(report, note="not searched: C lacks a function of it"))
    start = _ready(program, ranges)
    if len(start.graph) > LIMIT:
        note = f"not searched: {len(start.graph)} nodes, and {LIMIT} are the limit"
        return Found(program, replace(report, note=note))
    seen = collect(start, ranges, dtype, SEEN, POINTS)
    if seen.points < _SIDE:
        return Found(program, replace(report, note="not searched: no points were found in its domain"))
    field = _Trial(start, ranges, dtype, seen)
    ranked = _candidates(field, ranges)
    judges = collect(start, ranges, dtype, HELD_OUT, JUDGES)
    before = errors(results_of(start, judges.lanes, dtype), judges, dtype)
    for state in ranked:
        for candidate in _variants(state.program):
            after = errors(results_of(candidate, judges.lanes, dtype), judges, dtype)
            if _is_better(before, after, judges) and field.is_sound(candidate):
                if not _is_same(candidate, judges, dtype):
                    continue
                done = replace(
                    report,
                    note=field.note,
                    replaced=_replacements(start, state.steps),
                    outputs=_rows(start, before, after, judges),
                    operations_before=_operations(start, kind, dtype),
                    operations_after=_operations(candidate, kind, dtype),
                )
                return Found(candidate, done)
    operations = _operations(start, kind, dtype)
    nothing = replace(
        report,
        note=f"nothing found{'; ' + field.note if field.note else ''}",
        outputs=_rows(start, before, before, judges),
        operations_before=operations,
        operations_after=operations,
    )
    return Found(program, nothing)


def _ready(program: Program, ranges: Ranges) -> Program:
    """Return a program as it will be lowered."""
    program = compacted(program)
    spelt = written_out(program)
    return program if spelt is program else cheaper(assumed(spelt, tuple(ranges.items())))


def _operations(program: Program, kind: str, dtype: str) -> int:
    from tapeless.targets.c.counts import op_counts
    from tapeless.targets.c.lower import lower

    return op_counts(lower(program, kind, dtype))["total"]


def _variants(program: Program) -> Iterator[Program]:
    """Yield a program with fewer operations first, for the search leaves some that come twice."""
    shorter = cheaper(program)
    if cost(shorter.graph) < cost(program.graph):
        yield shorter
    yield program


def _is_better(before: Array, after: Array, judges: Samples) -> bool:
    gains = means(before, judges) - means(after, judges)
    return bool(
        gains.max(initial=0.0) >= MARGIN
        and gains.min(initial=0.0) >= -_DRIFT
        and (after - before).max(initial=0.0) <= LOSS
    )


def _is_same(program: Program, judges: Samples, dtype: str) -> bool:
    """Whether a program has the true values, computed with many digits."""
    ctx = context_of_bits(_VERIFY_BITS)
    for k in range(judges.points):
        lanes = [number(ctx, float(x)) for x in judges.lanes[:, k]]
        values = evaluate_nodes(program.graph, program.roots, lanes, ctx)
        for value, true in zip(values, judges.truth[:, k].tolist(), strict=True):
            if np.isnan(true) or abs(true) < _TINY[dtype] or np.isinf(true):
                continue
            if not abs(value - number(ctx, true)) <= abs(true) * _AGREE[dtype]:
                return False
    return True


def _rows(program: Program, before: Array, after: Array, judges: Samples) -> tuple[OutputAccuracy, ...]:
    first, last = means(before, judges), means(after, judges)
    exists = (~np.isnan(judges.truth)).sum(1)
    return tuple(
        OutputAccuracy(
            name,
            float(first[k]),
            float(last[k]),
            float(before[k].max(initial=0.0)),
            float(after[k].max(initial=0.0)),
            int(exists[k]),
        )
        for k, name in enumerate(element_names(program.outputs))
    )


def _replacements(program: Program, steps: Sequence[_Step]) -> tuple[Replacement, ...]:
    owners = [output.name for output in program.outputs for _ in output.nodes]
    last: dict[str, Replacement] = {}
    for step in steps:  # what was replaced within its own guard is told once
        last.pop(step.before, None)
        where = tuple(dict.fromkeys(owners[root] for root in step.roots))
        last[step.before] = Replacement(step.identity, step.before, step.after, step.when, where)
    return tuple(last.values())


# ---- the points that the search sees


class _Trial:
    """The points that candidates are measured at, and what the original gives there."""

    def __init__(self, program: Program, ranges: Ranges, dtype: str, seen: Samples) -> None:
        self.dtype = dtype
        self.seen = seen
        self.note = ""
        self._edges = at_edges(program, ranges, dtype, seen)
        self.lanes: Array = np.concatenate([seen.lanes, seen.outside, self._edges.lanes], axis=1)
        self._no_number = np.isnan(self._edges.lanes).any(0)
        original = results_of(program, self.lanes, dtype)
        self.start = self.state(program, original, (), original)

    def split(self, results: Array) -> tuple[Array, Array, Array]:
        """Return results at the points seen, outside of the domain, and at edges."""
        first = self.seen.points
        second = first + self.seen.outside.shape[1]
        return results[:, :first], results[:, first:second], results[:, second:]

    def state(
        self, program: Program, results: Array, steps: tuple[_Step, ...], original: Array | None = None
    ) -> _State:
        """Return a program with its errors and its score."""
        inside, _, _ = self.split(results)
        found = errors(inside, self.seen, self.dtype)
        average = means(found, self.seen)
        mean = float(average.mean())
        sound, penalty = True, 0.0
        if original is None:
            first = errors(self.split(self.start.results)[0], self.seen, self.dtype)
            lost = float((found - first).max(initial=0.0))
            drift = float((average - means(first, self.seen)).max(initial=0.0))
            if lost > _CAREFUL:
                sound, penalty = False, 0.05 * lost
            if drift > _DRIFT:
                sound, penalty = False, penalty + drift
            if not self._keeps_edges(results):
                sound, penalty = False, penalty + 4.0
        return _State(program, results, mean, mean + _PRICE * cost(program.graph) + penalty, sound, steps)

    def is_sound(self, program: Program) -> bool:
        """Whether a program keeps what holds at edges, and loses nowhere much."""
        return self.state(program, results_of(program, self.lanes, self.dtype), ()).sound

    def _keeps_edges(self, results: Array) -> bool:
        """Whether nothing gets a value outside of the domain, and nothing gets worse at edges."""
        _, outside, edge = self.split(results)
        _, outside_before, edge_before = self.split(self.start.results)
        if (np.isnan(outside_before) & ~np.isnan(outside)).any():
            return False
        truth = self._edges.truth
        worse = bits(edge, truth, self.dtype) - bits(edge_before, truth, self.dtype)
        if (worse[~np.isnan(truth)] > LOSS).any():
            return False
        if (np.isnan(truth) & ~np.isnan(edge_before) & np.isnan(edge)).any():
            return False
        return not (self._no_number & np.isnan(edge_before) & ~np.isnan(edge)).any()


# ---- candidates


def _candidates(field: _Trial, ranges: Ranges) -> list[_State]:
    """Return what the search found, best first; only what may be kept."""
    kept: dict[Graph, _State] = {}
    beam = [field.start]
    best, idle, trials, work = field.start.score, 0, 0, 0
    expanded: set[Graph] = set()
    for _ in range(_ROUNDS):
        pool: dict[Graph, _State] = {}
        for state in beam:
            if state.program.graph in expanded:
                continue
            expanded.add(state.program.graph)
            work += len(state.program.graph) * field.seen.points
            if trials > _TRIALS or work > _EXACT_WORK:
                field.note = "the search ended at its limit of work"
                break
            for made in _successors(state, field, ranges):
                trials += 1
                if made.program.graph not in expanded:
                    pool.setdefault(made.program.graph, made)
        if not pool:
            break
        for graph, state in pool.items():
            if state.sound and state.mean < field.start.mean:
                kept.setdefault(graph, state)
        beam = _chosen(pool.values())
        if beam[0].score < best - 0.01:
            best, idle = beam[0].score, 0
        else:
            idle += 1
        if field.note or idle >= _PATIENCE:
            break
    return sorted(kept.values(), key=lambda s: (s.score, len(s.program.graph)))[:_SHORT_LIST]


_SHORT_LIST: Final = 8
_ALIKE: Final = 2
"""Programs made by one identity that go on."""


def _chosen(states: Iterable[_State]) -> list[_State]:
    """Return the best, not all of them by the same identity: what gains nothing by itself may open the way."""
    found: list[_State] = []
    made: Counter[str] = Counter()
    for state in sorted(states, key=lambda s: (s.score, len(s.program.graph))):
        name = state.steps[-1].identity
        made[name] += 1
        if made[name] <= _ALIKE:
            found.append(state)
        if len(found) == _BEAM:
            break
    return found


def _successors(state: _State, field: _Trial, ranges: Ranges) -> Iterator[_State]:
    """Yield what a program becomes by one replacement."""
    program, dtype = state.program, field.dtype
    graph = program.graph
    local = local_errors(graph, program.roots, field.seen.lanes, dtype)
    bad = [n for n, (mean, worst) in local.items() if mean > _SENSIBLE or worst > _STARTLING]
    bad.sort(key=lambda n: (-local[n][0], n))
    constant = graph.constants()
    values: list[Any] = [None] * len(graph)
    fill(graph, graph.reachable(program.roots), values, Field(field.lanes, dtype), constant)
    places = bad[:_PLACES]
    lost = set(places)
    places += [  # in a quotient of two errors of one origin neither is better alone
        n for n, op in enumerate(graph.ops) if op == "div" and lost.intersection(graph.args[n])
    ][:_QUOTIENTS]
    for node in places:
        yield from _Place(state, field, node, values).tried(ranges)


class _Place:
    """A node of a program, and what may take its place."""

    def __init__(self, state: _State, field: _Trial, node: int, values: Sequence[Any]) -> None:
        self._state, self._field, self._node = state, field, node
        self._size = len(state.program.graph)
        self._builder = Builder(state.program.graph)
        self._values = list(values)

    def tried(self, ranges: Ranges) -> Iterator[_State]:
        """Yield the programs with each alternative, with series and with choices between two."""
        b, node, program = self._builder, self._node, self._state.program
        signs = Signs(b, program.inputs, ranges)
        plain = self._measured(_distinct(alternatives(b, node, signs)))
        yield from (state for _, state in plain)
        ranked = sorted(plain, key=lambda item: item[1].score)
        more: list[Alternative] = []
        far = [node, *(made.node for made, state in ranked[:1] if state.sound)]
        for variable in variables(b, node):
            left = Remainder(_LEFT_OUT[self._field.dtype], self._third_smallest(variable))
            for beyond in far:
                more += expansions(b, node, variable, beyond, left)
        series = self._measured(_distinct(more))
        yield from (state for _, state in series)
        ways = [(Alternative("", node, node), self._state), *ranked[:4]]
        yield from (state for _, state in self._measured(_distinct(self._regimes(ways))))

    def _third_smallest(self, variable: int) -> float:
        """Return a size that three points seen have, or are below."""
        sizes = np.sort(np.abs(self._values[variable][: self._field.seen.points].astype(np.float64)))
        return float(sizes[2])

    def _measured(self, found: Sequence[Alternative]) -> list[tuple[Alternative, _State]]:
        """Return the programs with the alternatives in place of the node."""
        roots = [self._replaced(made.node) for made in found]
        graph = self._builder.freeze()
        self._values += [None] * (len(graph) - len(self._values))
        constant = graph.constants()
        field, before = self._field, self._state.program
        rows = []
        for made, nodes in zip(found, roots, strict=True):
            order = [n for n in graph.reachable(nodes) if self._values[n] is None]
            fill(graph, order, self._values, Field(field.lanes, field.dtype), constant)
            results = np.array([self._values[n] for n in nodes], field.dtype)
            program = _with_roots(before, graph, nodes)
            step = self._step(graph, made, nodes)
            rows.append((made, field.state(program, results, (*self._state.steps, step))))
        return rows

    def _replaced(self, other: int) -> tuple[int, ...]:
        """Return the roots with another node in place of this one; what is compared stays as it was."""
        b, graph = self._builder, self._state.program.graph
        moved = {self._node: other}
        for node in range(self._node + 1, self._size):
            args = graph.args[node]
            if graph.is_boolean(node) or not any(arg in moved for arg in args):
                continue
            new = tuple(moved.get(arg, arg) for arg in args)
            payload = graph.payloads[node]
            op = graph.ops[node]
            moved[node] = b.node(op, new, payload) if payload is not None else b.call(op, *new)
        return tuple(moved.get(root, root) for root in self._state.program.roots)

    def _step(self, graph: Graph, made: Alternative, nodes: Sequence[int]) -> _Step:
        names = _lane_names(self._state.program)
        before = _shown(graph, self._node, names)
        changed = [
            k for k, (old, new) in enumerate(zip(self._state.program.roots, nodes, strict=True)) if old != new
        ]
        when = ""
        if made.near:
            when = "the terms are within a factor of two"
        elif made.when is not None:
            when = _shown(graph, made.when, names)
        return _Step(made.name, before, _shown(graph, made.form, names), when, tuple(changed))

    def _regimes(self, ways: Sequence[tuple[Alternative, _State]]) -> Iterator[Alternative]:
        """Yield choices between two ways by a threshold on an input, where each is better on its side."""
        field, b = self._field, self._builder
        seen = field.seen
        rows = [errors(field.split(state.results)[0], seen, field.dtype).mean(0) for _, state in ways]
        lanes = sorted(
            {
                int(b.payloads[n])  # type: ignore[arg-type]
                for n in self._state.program.graph.reachable([self._node])
                if b.ops[n] == "input"
            }
        )[:_SIDE]
        single = min(row.mean() for row in rows)
        for lane in lanes:
            for absolute in (False, True):
                keys = seen.lanes[lane].astype(np.float64)
                keys = np.abs(keys) if absolute else keys
                order = np.argsort(keys, kind="stable")
                for i in range(len(ways)):
                    for j in range(len(ways)):
                        if i == j:
                            continue
                        cut = _cut(rows[i][order], rows[j][order], keys[order], float(single))
                        if cut is None:
                            continue
                        variable = b.input(lane)
                        key = b.call("abs", variable) if absolute else variable
                        chosen = b.select(
                            b.compare("lt", key, b.rational(cut)), ways[i][0].node, ways[j][0].node
                        )
                        yield Alternative("regimes", chosen, chosen)


def _cut(left: Array, right: Array, keys: Array, single: float) -> Fraction | None:
    """Return the threshold below which the left way is taken; None where that gains nothing."""
    total = np.cumsum(left)[:-1] + (right.sum() - np.cumsum(right)[:-1])
    total = total / len(keys)
    total[: _SIDE - 1] = total[len(total) - _SIDE + 1 :] = np.inf
    total[keys[:-1] == keys[1:]] = np.inf
    best = int(total.argmin())
    if not total[best] < single - MARGIN:
        return None
    return _between(float(keys[best]), float(keys[best + 1]))


def _between(low: float, high: float) -> Fraction:
    """Return a short decimal in (low, high], between them by size."""
    middle = (low * high) ** 0.5 if low > 0 and high < 1e150 else (low + high) / 2
    for digits in range(1, 17):
        short = Decimal(f"{middle:.{digits}g}")
        if low < short <= high:
            return Fraction(short)
    return Fraction(high)


def _distinct(found: Any) -> list[Alternative]:
    """Return alternatives, each node once."""
    first: dict[int, Alternative] = {}
    for made in found:
        first.setdefault(made.node, made)
    return list(first.values())


def _with_roots(program: Program, graph: Graph, roots: Sequence[int]) -> Program:
    outputs, at = [], 0
    for output in program.outputs:
        outputs.append(replace(output, nodes=tuple(roots[at : at + len(output.nodes)])))
        at += len(output.nodes)
    return compacted(replace(program, outputs=tuple(outputs), graph=graph))


def _lane_names(program: Program) -> dict[int, str]:
    found = {}
    for item, first in zip(program.inputs, program.offsets, strict=True):
        for k in range(item.size):
            found[first + k] = f"{item.name}[{k}]" if item.shape else item.name
    return found


_WIDEST: Final = 2000


def _shown(graph: Graph, node: int, names: Mapping[int, str]) -> str:
    text = infix(graph, node, names, _WIDEST)
    return shortened(text) if text else f"a formula of {len(graph.reachable([node]))} nodes"
