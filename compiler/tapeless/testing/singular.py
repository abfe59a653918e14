"""`singularities`: where a formula is not differentiable, in words.

The operations of the simplified formula say where that may be; whether it is, is tried out at points there, in high
precision and on both sides. So `where(x == 0, 1, sin(x)/x)` has none, nor has a sum of kinks that cancel, and arms of
a choice that meet with one value and one slope are told from those that do not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING, Any, Final, Protocol

from tapeless.errors import ArgumentError, DerivativeError
from tapeless.ir.graph import Builder
from tapeless.ir.program import Output, Program
from tapeless.testing.boundaries import Boundary, boundaries, linear
from tapeless.testing.crossing import BITS, Side, same, sides
from tapeless.transforms.ranges import ANY, Interval, lanes_of, ranges

if TYPE_CHECKING:
    from tapeless.options import Options

Real = Any

_TRIES: Final = 24
"""Points of a set that are looked at before it is taken to be smooth."""
_ENOUGH: Final = 4
"""Points that are enough where something was seen."""
_LANES: Final = 4
"""Inputs along which a set is crossed."""
_BUDGET: Final = 2_000_000
"""Operations in mpmath, about 10 microseconds each, after which sets are told as they are."""
_LARGE: Final = 4000
"""Nodes beyond which derivatives are not taken, for what is computed on a set."""
_NEAR: Final = 4
_LONGEST: Final = 100

KINDS: Final = {
    "jump": "jumps",
    "pole": "is infinite",
    "end of domain": "ends",
    "infinite slope": "has an infinite slope",
    "kink": "has a kink",
    "tie": "has a tie",
    "removable": "has no value, but a limit,",
    "isolated value": "has a value of its own",
    "convention": "is differentiable, but has the derivative of a convention,",
    "second order": "has a second derivative that jumps",
    "undecided": "may not be differentiable",
}
"""What there is, with the words for it, the gravest first."""


class Singular(Protocol):
    """What is needed of a function; a `tapeless.Function` has it."""

    @property
    def program(self) -> Program: ...
    @property
    def options(self) -> Options: ...
    @property
    def wrt(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Singularity:
    """A set of points at which a formula is not differentiable. Prints as a sentence.

    Attributes
    ----------
    kind
        One of `KINDS`.
    condition
        Where, as equations in the inputs: `"x = 0"`, `"x = lo"`, `"x = 0 and y = 0"`, `"x is a whole number"`.
    where
        The condition under which it counts, `"y > 0"`; "" for everywhere.
    inputs
        The input scalars by which it is not differentiable there.
    outputs
        The output scalars that are not.
    value, derivative
        What is computed there, in words; "" where that is not known.
    operations
        The operations that it comes from.
    everywhere
        Whether it was so at all points of the set that were tried.
    at
        A point of the set, one (name, value) per input scalar; empty where none was found.
    below, above
        The slopes at that point by the first of `inputs`, from smaller and from larger numbers of it.
    """

    kind: str
    condition: str
    where: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    value: str = ""
    derivative: str = ""
    operations: tuple[str, ...] = ()
    everywhere: bool = True
    at: tuple[tuple[str, float], ...] = ()
    below: float = float("nan")
    above: float = float("nan")

    def __str__(self) -> str:
        what = f"{', '.join(self.outputs)} {KINDS[self.kind]} where {self.condition}"
        if self.where:
            what += f", if {self.where}"
        if not self.everywhere:
            what += ", at some of these points"
        if self.inputs:
            what += f" (by {', '.join(self.inputs)})"
        rest = "; ".join(text for text in (self.value, self.derivative) if text)
        return f"{what}: {rest}." if rest else f"{what}."


class Singularities(tuple[Singularity, ...]):
    """What `singularities` found, a tuple. Prints one sentence to a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "differentiable wherever it has a value"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in str(self).split("\n")) + "</ul>"


def singularities(function: Singular, *, order: int = 1, seed: int = 0) -> Singularities:
    """Return where a function is not differentiable.

    Parameters
    ----------
    function
        A `Function`. What it was compiled to `assume` holds: sets outside of the ranges are not told.
    order
        2 to tell as well where only the second derivative jumps.
    seed
        Seed of the points at which sets are tried out.

    Returns
    -------
    Singularities
        A tuple of `Singularity`: kinks, jumps, poles, ends of the domain, infinite slopes, removable points, each
        with its condition, and what is computed there. A set of which it could not be told is "undecided".
    """
    if order not in (1, 2):
        raise ArgumentError(f"order must be 1 or 2, not {order!r}")
    return Singularities(_Search(function, seed).found(order))


@dataclass(slots=True)
class _Set:
    """Boundaries with the same points."""

    zeros: tuple[int, ...]
    whole: Fraction | None
    parts: list[Boundary] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen at one point along one input, of one output scalar."""

    kind: str
    lane: int
    root: int
    point: tuple[Fraction | Real, ...]
    sides: tuple[Side, Side]
    value: Real | None
    slope: Real | None


class _Search:
    """The sets of a function, tried out."""

    def __init__(self, function: Singular, seed: int) -> None:
        from tapeless.kinds import derive
        from tapeless.targets.reference import context_of_bits
        from tapeless.transforms.simplify import simplify

        self.function, self.program = function, function.program
        self.assume = function.options.assume
        self.random = random.Random(seed)
        self.simple = simplify(self.program, self.assume, join=False)
        self.builder = Builder(self.simple.graph)
        self.lanes = lanes_of(self.program, self.assume)
        self.ctx = context_of_bits(BITS)
        self.names = _names(self.program)
        self.wrt = [
            first + k
            for item, first in zip(self.program.inputs, self.program.offsets, strict=True)
            if item.name in function.wrt
            for k in range(item.size)
        ]
        self.candidates = self._candidates()
        self.graph = self.builder.freeze()
        self.known = ranges(self.graph, self.lanes)
        self.derived: Program | None = None
        with suppress(DerivativeError):
            if len(self.graph) <= _LARGE:
                self.derived = derive(self.program, "jacobian", function.wrt, self.assume)
        self.spent = 0
        self.special = self._special_numbers()
        self.reached = _inputs_below(self.graph)

    def _candidates(self) -> list[_Set]:
        found: dict[tuple[tuple[int, ...], Fraction | None], _Set] = {}
        for part in boundaries(self.builder, self.simple):
            key = part.zeros, part.whole
            found.setdefault(key, _Set(*key)).parts.append(part)
        return list(found.values())[::-1]

    def _special_numbers(self) -> list[Fraction]:
        """Numbers of the formula, and those beside them: conditions change there."""
        numbers = {
            payload
            for op, payload in zip(self.simple.graph.ops, self.simple.graph.payloads, strict=True)
            if op == "rational" and isinstance(payload, Fraction) and abs(payload) <= 1000
        }
        half = Fraction(1, 2)
        return sorted({sign * n + shift for n in numbers for sign in (1, -1) for shift in (0, half, -half)})

    # ---- the sets, one by one

    def found(self, order: int) -> list[Singularity]:
        """Return what there is, in the order of the formula."""
        told: dict[tuple[str, str, str], Singularity] = {}
        for each in self.candidates:
            within = self.spent < _BUDGET
            for item in self._look(each) if within else [self._undecided(each, "it was not tried")]:
                if item.kind == "second order" and order < 2:
                    continue
                key = item.kind, item.condition, item.where
                told[key] = _merged(told[key], item) if key in told else item
        return sorted(told.values(), key=lambda item: list(KINDS).index(item.kind))

    def _look(self, each: _Set) -> list[Singularity]:
        """Try a set out."""
        if any(self._is_impossible(node, each.whole) for node in each.zeros):
            return []
        guards = [part for part in each.parts if self._on(each, part.guard) is not False]
        if not guards:
            return []
        seen: list[_Seen] = []
        tried: set[tuple[Any, ...]] = set()
        met: set[tuple[Any, ...]] = set()
        for attempt in range(_TRIES):
            point = self._point(each, attempt)
            if point is None or tuple(point) in tried:
                continue
            tried.add(tuple(point))
            here = self._cross(each, point)
            if here is None:
                continue
            if any(self._holds(part.guard, point, each) for part in guards):
                met.add(tuple(point))
            seen += here
            if seen and len(met) >= _ENOUGH:
                break
        if seen:
            return self._told(each, guards, seen, len(met))
        return (
            []
            if met
            else [self._undecided(each, "no point of it was found")]
            if not tried or self._may_be_reached(guards)
            else []
        )

    def _may_be_reached(self, guards: Sequence[Boundary]) -> bool:
        """Whether a branch was reached at no point that was tried, but may be at others."""
        return all(self.graph.ops[part.guard] != "true" for part in guards)

    def _is_impossible(self, node: int, whole: Fraction | None) -> bool:
        where = self.known[node]
        if not isinstance(where, Interval):
            return True
        return where.nonzero if whole is None else False

    def _on(self, each: _Set, condition: int) -> bool | None:
        """Return whether a condition holds on a set, as far as its equations for single inputs tell."""
        lanes = dict(self.lanes)
        if each.whole is None:
            for node in each.zeros:
                form = linear(self.graph, node)
                if form is not None and len(form[0]) == 1:
                    [(lane, factor)] = form[0].items()
                    value = float(-form[1] / factor)
                    lanes[lane] = Interval(value, value)
        found = ranges(self.graph, lanes)[condition]
        return found if isinstance(found, bool) else None

    # ---- points

    def _point(self, each: _Set, attempt: int) -> list[Any] | None:
        """Return a point of a set; None where none was found."""
        point: list[Any] = [self._number(lane) for lane in range(self.program.lanes)]
        taken: set[int] = set()
        for node in each.zeros:
            free = [lane for lane in self.reached[node] if lane not in taken]
            if not free:
                return None
            free = free[attempt % len(free) :] + free[: attempt % len(free)]
            for lane in free[:_LANES]:
                if self._solve(node, each.whole, lane, point):
                    taken.add(lane)
                    break
            else:
                return None
        return point

    def _number(self, lane: int) -> Fraction:
        low, high = self._span(lane)
        if self.special and self.random.random() < 0.3:
            number = self.random.choice(self.special)
            given = self.lanes.get(lane, ANY)
            if given.low < number < given.high:
                return number
        step = Fraction(1, 64)
        while step > (high - low) / 8:
            step /= 2
        first, last = -(-low // step) + 1, high // step - 1
        return step * self.random.randint(int(first), max(int(first), int(last)))

    def _span(self, lane: int) -> tuple[Fraction, Fraction]:
        """Return the part of an input's range that is looked at."""
        given = self.lanes.get(lane, Interval(-_NEAR, _NEAR))
        low, high = given.low, given.high
        if low == -float("inf"):
            low = min(-_NEAR, high - 2 * _NEAR) if high < float("inf") else -_NEAR
        if high == float("inf"):
            high = max(_NEAR, low + 2 * _NEAR)
        return Fraction(low), Fraction(high)

    def _solve(self, node: int, whole: Fraction | None, lane: int, point: list[Any]) -> bool:
        """Move a point along one input to where a node is zero, or whole."""
        form = linear(self.graph, node)
        target = Fraction(0)
        if whole is not None:
            start = self._node(node, lane, point[lane], point)
            if not self.ctx.isfinite(start):
                return False
            target = Fraction(int(self.ctx.floor(start))) + whole
        if form is not None and lane in form[0]:
            fixed = form[1] + sum(
                (factor * point[other] for other, factor in form[0].items() if other != lane), Fraction(0)
            )
            root = (target - fixed) / form[0][lane]
            given = self.lanes.get(lane)
            if given is not None and not Fraction(given.low) <= root <= _fraction(given.high):
                return False
            point[lane] = root
            return True
        found = self._bracketed(node, lane, point, target)
        if found is None:
            return False
        point[lane] = found
        return True

    def _bracketed(self, node: int, lane: int, point: list[Any], target: Fraction) -> Any:
        """Return a zero between two numbers of an input by Illinois' method; a Fraction where it is one."""
        ctx, count = self.ctx, 32
        low, high = self._span(lane)
        goal = _real(ctx, target)

        def g(x: Any) -> Any:
            return self._node(node, lane, x, point) - goal

        before = None
        for k in range(count + 1):
            x = low + (high - low) * k / count
            value = g(x)
            if value == 0:
                return x
            if (
                before is not None
                and ctx.isfinite(value)
                and ctx.isfinite(before[1])
                and (value > 0) != (before[1] > 0)
            ):
                found = _illinois(ctx, g, (_real(ctx, before[0]), before[1]), (_real(ctx, x), value))
                return None if found is None else self._snapped(g, found)
            before = x, value
        return None

    def _snapped(self, g: Any, x: Any) -> Any:
        """Return a short fraction in place of a number, where that is the zero itself."""
        near = Fraction(int(self.ctx.nint(x * 5040)), 5040)
        return near if g(near) == 0 else x

    def _node(self, node: int, lane: int, x: Any, point: Sequence[Any]) -> Any:
        from tapeless.targets.reference import evaluate_nodes

        lanes = [_real(self.ctx, number) for number in point]
        lanes[lane] = _real(self.ctx, x)
        return evaluate_nodes(self.graph, [node], lanes, self.ctx)[0]

    def _holds(self, guard: int, point: Sequence[Any], each: _Set) -> bool:
        """Whether a branch is taken at a point, or beside it along some input."""
        from tapeless.targets.reference import evaluate_nodes

        if self.graph.ops[guard] == "true":
            return True
        ctx = self.ctx
        for lane in self._crossed(each):
            for sign in (0, 1, -1):
                lanes = [_real(ctx, number) for number in point]
                lanes[lane] += sign * ctx.ldexp(ctx.one, -80)
                if evaluate_nodes(self.graph, [guard], lanes, ctx)[0]:
                    return True
        return False

    # ---- what is seen at a point

    def _crossed(self, each: _Set) -> list[int]:
        lanes = sorted({lane for node in each.zeros for lane in self.reached[node]})
        return [lane for lane in lanes if lane in self.wrt][:_LANES]

    def _cross(self, each: _Set, point: Sequence[Any]) -> list[_Seen] | None:
        """Look along each input; None where the function has no values around the point."""
        from tapeless.targets.reference import evaluate_nodes

        ctx, program = self.ctx, self.program
        here = [_real(ctx, number) for number in point]
        exact = all(isinstance(number, Fraction) for number in point) and self._is_exact(each, point)
        values, slopes = self._computed(here) if exact else (None, None)
        found: list[_Seen] = []
        somewhere = False
        for lane in self._crossed(each):
            self.spent += 18 * len(program.graph)

            def evaluate(x: Real, lane: int = lane) -> Sequence[Real]:
                lanes = list(here)
                lanes[lane] = x
                return evaluate_nodes(program.graph, program.roots, lanes, ctx)

            scale = ctx.ldexp(ctx.one, max(0, int(ctx.mag(here[lane]))) if here[lane] else 0)
            given = self.lanes.get(lane)
            inside = (
                given is None or here[lane] > given.low,
                given is None or here[lane] < given.high,
            )
            for root, pair in enumerate(sides(ctx, evaluate, here[lane], scale)):
                value = values[root] if values is not None else None
                slope = slopes[root, lane] if slopes is not None else None
                known = [
                    not ctx.isnan(side.value) and is_in for side, is_in in zip(pair, inside, strict=True)
                ]
                if not any(known):
                    continue
                somewhere = True
                kind = self._judge(pair, inside, value, slope)
                if kind is not None:
                    found.append(_Seen(kind, lane, root, tuple(point), pair, value, slope))
        return found if somewhere else None

    def _is_exact(self, each: _Set, point: Sequence[Any]) -> bool:
        if each.whole is not None:
            return True
        return all(self._node(node, 0, point[0], point) == 0 for node in each.zeros)

    def _computed(self, lanes: Sequence[Real]) -> tuple[list[Real], dict[tuple[int, int], Real] | None]:
        """Return what the kernels compute at a point: values, and derivatives by (root, lane)."""
        from tapeless.targets.reference import evaluate_nodes

        values = evaluate_nodes(self.simple.graph, self.simple.roots, lanes, self.ctx)
        if self.derived is None:
            return values, None
        row = evaluate_nodes(self.derived.graph, self.derived.roots, lanes, self.ctx)
        places = [(root, lane) for root in range(len(values)) for lane in self.wrt]
        return values, dict(zip(places, row, strict=True))

    def _judge(
        self, pair: tuple[Side, Side], inside: tuple[bool, bool], value: Real | None, slope: Real | None
    ) -> str | None:
        """Say what there is at a point, None where the function is smooth; only what is in the ranges counts."""
        ctx = self.ctx
        one = ctx.one
        present = [side for side, is_in in zip(pair, inside, strict=True) if is_in]
        with_value = [side for side in present if not ctx.isnan(side.value)]
        if any(ctx.isinf(side.value) for side in with_value):
            return "pole"
        if len(with_value) < len(present):
            return "end of domain"
        size = max(abs(side.value) for side in with_value)
        if len(with_value) == 2:
            below, above = with_value
            if not same(ctx, below.value, above.value, one):
                return "jump"
        if value is not None and ctx.isnan(value):
            return "removable"
        if value is not None and not same(ctx, value, with_value[0].value, one + size):
            return "isolated value"
        if any(ctx.isnan(side.slope) for side in with_value):
            return "undecided"
        if all(ctx.isinf(side.slope) for side in with_value):
            return "infinite slope"
        if len(with_value) == 2 and not same(ctx, below.slope, above.slope, one):
            return "kink"
        if slope is not None and not same(ctx, slope, with_value[0].slope, one):
            return "convention"
        if len(with_value) == 2 and not same(ctx, below.curvature, above.curvature, one):
            return "second order"
        return None

    # ---- in words

    def _told(
        self, each: _Set, guards: Sequence[Boundary], seen: Sequence[_Seen], met: int
    ) -> list[Singularity]:
        condition = self._condition(each)
        conditions = [part.guard for part in guards if self._on(each, part.guard) is not True]
        where = ""
        if len(conditions) == len(guards):
            where = " or ".join(dict.fromkeys(filter(None, map(self._text, conditions))))
        found = []
        for kind in KINDS:
            rows = [row for row in seen if row.kind == kind]
            if not rows:
                continue
            first = next((row for row in rows if row.slope is not None), rows[0])
            operations = tuple(dict.fromkeys(part.op for part in guards))
            if kind == "kink" and _EXTREMA.issuperset(operations):
                kind = "tie"  # noqa: PLW2901
            found.append(
                Singularity(
                    kind=kind,
                    condition=condition,
                    where=where,
                    everywhere=len({row.point for row in rows}) >= met,
                    inputs=tuple(dict.fromkeys(self.names[row.lane] for row in sorted(rows, key=_lane))),
                    outputs=tuple(dict.fromkeys(_scalars(self.program)[row.root] for row in rows)),
                    value=self._value_in_words(kind, rows),
                    derivative=self._slope_in_words(kind, rows),
                    operations=operations,
                    at=tuple(zip(self.names, (float(x) for x in first.point), strict=True)),
                    below=float(first.sides[0].slope),
                    above=float(first.sides[1].slope),
                )
            )
        return found

    def _undecided(self, each: _Set, why: str) -> Singularity:
        lanes = sorted({lane for node in each.zeros for lane in self.reached[node]})
        return Singularity(
            kind="undecided",
            condition=self._condition(each),
            where=" or ".join(dict.fromkeys(filter(None, (self._text(part.guard) for part in each.parts)))),
            inputs=tuple(self.names[lane] for lane in lanes if lane in self.wrt),
            outputs=tuple(output.name for output in self.program.outputs),
            value=why,
            operations=tuple(dict.fromkeys(part.op for part in each.parts)),
        )

    def _value_in_words(self, kind: str, rows: Sequence[_Seen]) -> str:
        ctx = self.ctx
        if kind not in ("jump", "isolated value", "pole", "removable", "end of domain"):
            return ""
        known = [row for row in rows if row.value is not None]
        if not known:
            return ""

        def all_are(test: Any) -> bool:
            return all(test(row.value, *(side.value for side in row.sides)) for row in known)

        if all_are(lambda v, a, b: ctx.isnan(v)):
            return "the value there is NaN"
        if all_are(lambda v, a, b: ctx.isinf(v)):
            return "the value there is infinite"
        if kind == "end of domain":
            return ""
        for words, test in (
            ("the value there is that from below", lambda v, a, b: same(ctx, v, a, ctx.one)),
            ("the value there is that from above", lambda v, a, b: same(ctx, v, b, ctx.one)),
            ("the value there is the mean of both sides", lambda v, a, b: same(ctx, 2 * v, a + b, ctx.one)),
        ):
            if all_are(test):
                return words
        return self._example("the value there", [row.value for row in known])

    def _slope_in_words(self, kind: str, rows: Sequence[_Seen]) -> str:
        ctx = self.ctx
        known = [row for row in rows if row.slope is not None]
        if not known:
            return ""

        def all_are(test: Any) -> bool:
            return all(test(row.slope, *(side.slope for side in row.sides)) for row in known)

        if kind == "second order":
            return ""
        if kind == "convention":
            slope: Any = known[0].slope
            d, side = float(slope), float(known[0].sides[0].slope)
            point = ", ".join(
                f"{name} = {float(x):.6g}" for name, x in zip(self.names, known[0].point, strict=True)
            )
            return f"at {point} the derivative is {d:.6g}, from both sides it is {side:.6g}"
        slopes: list[tuple[str, Any]] = [
            ("the derivative there is NaN", lambda d, a, b: ctx.isnan(d)),
            ("the derivative there is infinite", lambda d, a, b: ctx.isinf(d)),
            ("the derivative there is 0", lambda d, a, b: d == a == b == 0),
            (
                "the derivative there is that of both sides",
                lambda d, a, b: same(ctx, a, b, ctx.one) and same(ctx, d, a, ctx.one),
            ),
            ("the derivative there is 0, by convention", lambda d, a, b: d == 0),
            (
                "the derivative there is the mean of both slopes, by convention",
                lambda d, a, b: same(ctx, 2 * d, a + b, ctx.one),
            ),
            ("the derivative there is that from below", lambda d, a, b: same(ctx, d, a, ctx.one)),
            ("the derivative there is that from above", lambda d, a, b: same(ctx, d, b, ctx.one)),
            (
                "the derivative there is that of one of the sides",
                lambda d, a, b: same(ctx, d, a, ctx.one) or same(ctx, d, b, ctx.one),
            ),
        ]
        for words, test in slopes:
            if all_are(test):
                return words
        return self._example("the derivative there", [row.slope for row in known])

    def _example(self, what: str, numbers: Iterable[Real]) -> str:
        """Say a number that is the same everywhere."""
        given = list(numbers)
        if all(same(self.ctx, number, given[0], self.ctx.one) for number in given):
            return f"{what} is {float(given[0]):.6g}"
        return ""

    def _condition(self, each: _Set) -> str:
        return " and ".join(self._equation(node, each.whole, each.parts[0].op) for node in each.zeros)

    def _equation(self, node: int, whole: Fraction | None, op: str) -> str:
        if whole is not None:
            if op in ("gamma", "loggamma", "digamma"):
                return f"{self._text(node)} is 0 or a negative whole number"
            return f"{self._text(node)} is a whole number{' and a half' if whole else ''}"
        form = linear(self.graph, node)
        if form is not None and len(form[0]) == 1:
            [(lane, factor)] = form[0].items()
            return f"{self.names[lane]} = {_shown(-form[1] / factor)}"
        if self.graph.ops[node] in ("sub", "add"):
            left, right = self.graph.args[node]
            if self.graph.ops[node] == "sub":
                return f"{self._text(left)} = {self._text(right)}"
        return f"{self._text(node)} = 0"

    def _text(self, node: int) -> str:
        """Write a node in the inputs, as a formula says it."""
        if self.graph.ops[node] == "true":
            return ""
        from tapeless.targets.formulas import formulas

        alone = replace(self.program, outputs=(Output("y", (node,)),), graph=self.graph)
        text = str(formulas(alone)["y"])
        for theirs, ours in _SPELLING:
            text = text.replace(theirs, ours)
        return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


_EXTREMA: Final = frozenset(("max", "min", "fmax", "fmin"))
_SPELLING: Final = (
    ("Abs(", "abs("), ("Max(", "max("), ("Min(", "min("), ("~", "not "), (" & ", " and "), (" | ", " or "),
)  # fmt: skip
"""What sympy writes, and what formulas do."""


def _lane(row: _Seen) -> int:
    return row.lane


def _merged(one: Singularity, other: Singularity) -> Singularity:
    return replace(
        one,
        inputs=tuple(dict.fromkeys((*one.inputs, *other.inputs))),
        outputs=tuple(dict.fromkeys((*one.outputs, *other.outputs))),
        operations=tuple(dict.fromkeys((*one.operations, *other.operations))),
        everywhere=one.everywhere and other.everywhere,
    )


def _real(ctx: Any, value: Any) -> Real:
    from tapeless.targets.reference import number

    return number(ctx, value)


def _fraction(value: float) -> Any:
    return value if value == float("inf") else Fraction(value)


def _illinois(ctx: Any, g: Any, first_end: tuple[Real, Real], last_end: tuple[Real, Real]) -> Real | None:
    """Return a zero of g between two points with their values, None where it jumps there.

    Source: Dowell and Jarratt, BIT 11 (1971) 168.
    """
    (a, fa), (b, fb) = first_end, last_end
    first = max(abs(fa), abs(fb))
    for _ in range(200):
        c = b - fb * (b - a) / (fb - fa)
        fc = g(c)
        if not ctx.isfinite(fc):
            return None
        if fc == 0 or abs(b - a) <= abs(c) * ctx.ldexp(ctx.one, 20 - BITS):
            break
        if (fc > 0) == (fb > 0):
            fa = fa / 2
        else:
            a, fa = b, fb
        b, fb = c, fc
        if abs(fc) <= first * ctx.ldexp(ctx.one, 40 - BITS):
            break
    return c if abs(fc) <= first * ctx.ldexp(ctx.one, -200) else None


def _inputs_below(graph: Any) -> list[tuple[int, ...]]:
    """Return the input scalars that each node depends on."""
    found: list[tuple[int, ...]] = []
    for op, args, payload in zip(graph.ops, graph.args, graph.payloads, strict=True):
        if op == "input":
            found.append((payload,))
        elif len(args) == 1:
            found.append(found[args[0]])
        else:
            found.append(tuple(sorted({lane for arg in args for lane in found[arg]})))
    return found


def _names(program: Program) -> list[str]:
    from tapeless.targets.formulas import symbols_of

    return [str(symbol) for item in program.inputs for symbol in symbols_of(item)]


def _scalars(program: Program) -> list[str]:
    return [
        f"{output.name}[{k}]" if output.shape else output.name
        for output in program.outputs
        for k in range(len(output.nodes))
    ]


def _shown(value: Fraction) -> str:
    """Write a number: as a decimal where that is exact and short."""
    if value.denominator == 1:
        return str(value.numerator)
    decimal = repr(float(value))
    return decimal if len(decimal) < 12 and Fraction(decimal) == value else str(value)
