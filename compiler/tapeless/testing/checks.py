"""`check`: a compiled function against the truth from mpmath and against its own numerical gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from tapeless.errors import ArgumentError, DerivativeError
from tapeless.testing.differences import Difference, difference, extrapolated
from tapeless.testing.errors import bits_of_error, epsilon, relative_error, smallest_normal, ulp_error
from tapeless.testing.points import Range, draw, evenly, pick, read_ranges, whole
from tapeless.testing.report import CheckReport, CheckRow

if TYPE_CHECKING:
    from tapeless.ir.program import Input, Output, Program
    from tapeless.targets.reference import Slope
    from tapeless.testing.truth import Truth

Array = np.ndarray[Any, Any]

VALUE_RTOL: Final[dict[str, float]] = {"float64": 1e-13, "float32": 1e-5}
PARTIAL_RTOL: Final[dict[str, float]] = {"float64": 1e-11, "float32": 1e-4}
ILL_CONDITIONED_ULP: Final = 16.0
"""Where the relative tolerance is missed, this many ulp times the condition number are still accepted; and an error
of this many ulp is rounding."""

_ELEMENTS: Final = 8
"""Elements looked at of each shaped input and output."""

_BUDGET: Final = 400_000
"""Operations in mpmath, about 10 microseconds each, beyond which fewer points are compared."""

_RESOLVED: Final = 0.01
"""A numerical gradient uncertain by more than this is held against a derivative, but not reported."""

_TRIES: Final = 40
"""Points drawn for each point wanted, before the search for points of the domain is given up."""


class Checkable(Protocol):
    """What a check needs of a function; a `tapeless.Function` has it."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str: ...
    @property
    def program(self) -> Program: ...
    def forward(self, *primals: Any) -> Any: ...
    def backward(self, cotangents: Any, /, *primals: Any) -> Any: ...


def check(
    function: Checkable,
    *primals: Any,
    rtol: float | None = None,
    seed: int = 0,
    points: int = 32,
    ranges: Mapping[str, Range] | None = None,
) -> CheckReport:
    """Compare values and gradients with mpmath and with numerical gradients.

    The truth is the formula in mpmath, its derivatives there by differences in high precision, so that no
    rule of ours judges itself. A second truth are central differences of the compiled forward function.

    Accepted is a relative error of 1e-13 in values and 1e-11 in derivatives (1e-5 and 1e-4 in float32); where
    a point is ill-conditioned, 16 ulp times the condition number. Where the function is not differentiable,
    the derivative must lie between the one-sided ones. Where the formula has no finite value there is nothing
    to compare but that the function says so as well; such points are not counted. A derivative that needs a
    function C does not have is reported as not checked.

    The report says of each worst error whether it is rounding, explained by the condition number there, or ours.

    Parameters
    ----------
    function
        A `Function`.
    *primals
        Where to check, arrays as for a call; broadcast, and at most `points` of their elements compared,
        evenly spread. With none, points are drawn.
    rtol
        One relative tolerance for all, instead of the defaults.
    seed
        Seed of the points drawn.
    points
        How many points at most; fewer for large formulas.
    ranges
        Input -> (low, high) to draw from; the default is what the function was compiled to `assume`, and
        numbers of either sign around 1 elsewhere.

    Returns
    -------
    CheckReport
        Prints as a table; `.ok` says whether something was compared and all of it is well.

    Raises
    ------
    ArgumentError, ShapeError
        For arguments that do not fit, or where no point of the domain was found.
    """
    points, seed = whole(points, "points", 1), whole(seed, "seed")
    if rtol is not None and (isinstance(rtol, bool) or not isinstance(rtol, Real) or not 0 <= rtol < 1):
        raise ArgumentError(f"rtol must be a number from 0 to 1, not {rtol!r}")
    program, dtype = function.program, function.dtype
    wrt = tuple(getattr(function, "wrt", None) or (item.name for item in program.inputs))
    lanes = {
        item.name: [first + k for k in evenly(item.size, _ELEMENTS)]
        for item, first in zip(program.inputs, program.offsets, strict=True)
        if item.name in wrt
    }
    chosen = read_ranges({} if ranges is None else ranges, program.inputs)
    limit = _affordable(program, sum(map(len, lanes.values())), points)
    if primals:
        arrays, total = pick(function.name, program.inputs, primals, dtype, limit)
        truths = _truths(program, arrays)
    else:
        assumed = dict(getattr(getattr(function, "options", None), "assume", ()))
        truths = _drawn(function, {**assumed, **chosen}, lanes, seed, limit)
        arrays, total = _as_arrays(program.inputs, truths, dtype), len(truths)
    comparison = _Comparison(function, wrt=wrt, lanes=lanes, arrays=arrays, truths=truths, rtol=rtol)
    return CheckReport(
        name=function.name,
        dtype=dtype,
        rows=tuple(comparison.rows()),
        points=len(truths),
        total=total,
        drawn=not primals,
        seed=seed,
    )


# ---------------------------------------------------------------- where


def _affordable(program: Program, lanes: int, points: int) -> int:
    cost = len(program.graph.reachable(program.roots)) * (6 * lanes + 4)
    return max(2, min(points, _BUDGET // cost)) if points > 1 else 1


def _truths(program: Program, arrays: Sequence[Array]) -> list[Truth]:
    from tapeless.testing.truth import Truth

    flat = np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)
    return [Truth(program, [float(x) for x in row]) for row in flat]


def _drawn(
    function: Checkable, ranges: Mapping[str, Range], lanes: Mapping[str, list[int]], seed: int, wanted: int
) -> list[Truth]:
    """Draw points at which all values, and all derivatives that exist, are finite and not tiny."""
    from tapeless.testing.truth import Truth

    program, dtype = function.program, function.dtype
    largest = 1 / smallest_normal(dtype)

    def sound(number: Any) -> bool:
        return bool(number == 0 or smallest_normal(dtype) <= abs(number) <= largest)

    found: list[Truth] = []
    source = draw(program.inputs, ranges, dtype, seed)
    for _ in range(_TRIES * wanted):
        truth = Truth(program, next(source))
        if all(map(sound, truth.values)) and all(
            sound(slope.value)
            for row in lanes.values()
            for lane in row
            for slope in truth.slopes(lane)
            if slope.exists
        ):
            found.append(truth)
            if len(found) == wanted:
                break
    if not found:
        names = ", ".join(item.name for item in program.inputs)
        raise ArgumentError(
            f"no point was found at which {function.name} is finite; give points, check(function, {names}), "
            'or ranges={"name": (low, high)}'
        )
    return found


def _as_arrays(inputs: Sequence[Input], truths: Sequence[Truth], dtype: str) -> list[Array]:
    flat = np.array([truth.lanes for truth in truths], dtype)
    arrays, first = [], 0
    for item in inputs:
        part = flat[:, first : first + item.size]
        arrays.append(np.ascontiguousarray(part.reshape(len(truths), *item.shape)))
        first += item.size
    return arrays


# ---------------------------------------------------------------- what


@dataclass(slots=True)
class _Finding:
    """One number compared."""

    ok: bool
    ulp: float = 0.0
    relative: float = 0.0
    kink: bool = False
    note: str = ""
    bits: float = math.nan


@dataclass(slots=True)
class _Tally:
    """The worst of many findings: the first failure with the largest error, else the largest error."""

    name: str
    worst: _Finding | None = None
    where: tuple[int, int, int] = (0, 0, -1)
    """Point, root and lane of the worst."""
    numerical: float = math.nan
    missing: str = "no point at which there is a finite number to compare"
    """What to say where nothing was seen."""
    seen: set[int] = field(default_factory=set)
    kinks: set[int] = field(default_factory=set)
    bits: list[float] = field(default_factory=list)

    def add(self, finding: _Finding, point: int, root: int, lane: int, *, counts: bool = True) -> None:
        if counts or not finding.ok:
            self.seen.add(point)
        if finding.kink:
            self.kinks.add(point)
        if counts and not math.isnan(finding.bits):
            self.bits.append(finding.bits)
        worst = self.worst
        if worst is None or (not finding.ok, finding.relative) > (not worst.ok, worst.relative):
            self.worst, self.where = finding, (point, root, lane)

    def add_numerical(self, error: float) -> None:
        if not math.isnan(error) and not self.numerical > error:
            self.numerical = error


class _Comparison:
    """The numbers of a compiled function beside the truth."""

    def __init__(
        self,
        function: Checkable,
        *,
        wrt: Sequence[str],
        lanes: Mapping[str, list[int]],
        arrays: Sequence[Array],
        truths: Sequence[Truth],
        rtol: float | None,
    ) -> None:
        self.function, self.program, self.dtype = function, function.program, function.dtype
        self.wrt, self.lanes = wrt, lanes
        self.arrays, self.truths = arrays, truths
        self.value_rtol = VALUE_RTOL[self.dtype] if rtol is None else rtol
        self.partial_rtol = PARTIAL_RTOL[self.dtype] if rtol is None else rtol
        self.values = self._forward(arrays)
        self.inside = [[bool(truth.context.isfinite(value)) for value in truth.values] for truth in truths]
        self.wobble = self._wobble()
        self.differences = {lane: self._difference(name, lane) for name in lanes for lane in lanes[name]}

    # ---- the compiled function

    def _forward(self, arrays: Sequence[Array]) -> Array:
        """Return the values of all roots, `(points, roots)`."""
        given = self.function.forward(*arrays)
        outputs = given if len(self.program.outputs) > 1 else (given,)
        return np.concatenate([np.asarray(out).reshape(len(arrays[0]), -1) for out in outputs], axis=1)

    def _backward(self, chosen: int, element: int) -> dict[int, Array]:
        """Return the derivatives of one scalar of one output: lane -> an array over the points."""
        count = len(self.truths)
        cotangents: list[Any] = []
        for k, output in enumerate(self.program.outputs):
            one_hot = np.zeros((count, len(output.nodes)), self.dtype)
            if k == chosen:
                one_hot[:, element] = 1
            cotangents.append(one_hot.reshape(count, *output.shape))
        given = self.function.backward(
            tuple(cotangents) if len(cotangents) > 1 else cotangents[0], *self.arrays
        )
        gradients = dict(zip(self.wrt, given, strict=True))
        offsets = dict(zip((i.name for i in self.program.inputs), self.program.offsets, strict=True))
        return {
            lane: np.asarray(gradients[name]).reshape(count, -1)[:, lane - offsets[name]]
            for name, row in self.lanes.items()
            for lane in row
        }

    def _difference(self, name: str, lane: int) -> Difference:
        names = [item.name for item in self.program.inputs]
        position = names.index(name)
        element = lane - self.program.offsets[position]
        return difference(
            self._forward,
            self.arrays,
            position=position,
            element=element,
            dtype=self.dtype,
            wobble=self.wobble,
        )

    def _wobble(self) -> Array:
        """Return size plus sum(abs(x_j * dy/dx_j)) of every value, what its rounding is relative to."""
        lanes = [lane for row in self.lanes.values() for lane in row]
        found = np.zeros(self.values.shape)
        for point, truth in enumerate(self.truths):
            for root, value in enumerate(truth.values):
                if self.inside[point][root]:
                    slopes = [truth.slopes(lane)[root] for lane in lanes]
                    moves = [
                        abs(truth.lanes[k] * s.value) for k, s in zip(lanes, slopes, strict=True) if s.exists
                    ]
                    found[point, root] = float(abs(value) + sum(moves))
        return found

    # ---- judging

    def rows(self) -> list[CheckRow]:
        """Compare everything."""
        found = []
        first = 0
        for k, output in enumerate(self.program.outputs):
            elements = evenly(len(output.nodes), _ELEMENTS)
            tally = _Tally(output.name)
            for element in elements:
                for point in range(len(self.truths)):
                    finding, inside = self._judge_value(point, first + element)
                    tally.add(finding, point, first + element, -1, counts=inside)
            found.append(self._row(tally, output, first, None))
            tallies = {name: _Tally(f"d {output.name}/d {name}") for name in self.lanes}
            for element in elements:
                try:
                    computed = self._backward(k, element)
                except DerivativeError as error:
                    for each in tallies.values():
                        each.missing = f"the derivative is not available: {error}"
                    break
                for name, row in self.lanes.items():
                    for lane in row:
                        self._judge_partials(tallies[name], first + element, lane, computed[lane])
            found.extend(self._row(tally, output, first, name) for name, tally in tallies.items())
            first += len(output.nodes)
        return found

    def _judge_value(self, point: int, root: int) -> tuple[_Finding, bool]:
        """Compare a value; say also whether there is a finite one."""
        truth, value = self.truths[point], float(self.values[point, root])
        exact = truth.values[root]
        if truth.context.isnan(exact) and not math.isnan(value):
            exact = truth.limit(root)
            if truth.context.isnan(exact):
                note = f"is {value:.6g} outside the domain, not NaN"
                return _Finding(False, math.inf, math.inf, note=note), False
        finding = self._compare(value, exact, self.value_rtol, lambda: truth.value_wobble(root))
        return finding, bool(truth.context.isfinite(exact))

    def _compare(self, value: float, exact: Any, rtol: float, wobble: Any) -> _Finding:
        """Compare with a number that exists."""
        finding = self._judge(value, exact, rtol, wobble)
        finding.bits = bits_of_error(value, exact, self.dtype)
        return finding

    def _judge(self, value: float, exact: Any, rtol: float, wobble: Any) -> _Finding:
        """Compare the numbers; `wobble` is asked only where the plain tolerance is missed."""
        relative, ulp = relative_error(value, exact), ulp_error(value, exact, self.dtype)
        if relative <= rtol or ulp <= 0.5:
            return _Finding(True, ulp, relative)
        if math.isnan(value):
            return _Finding(False, ulp, relative, note="is NaN")
        if not math.isfinite(value) or not exact.context.isfinite(exact):
            return _Finding(False, ulp, relative, note=f"is {value:.6g}, not {float(exact):.6g}")
        gap = abs(exact - value)
        unit = epsilon(self.dtype)
        if gap <= ILL_CONDITIONED_ULP * unit * abs(exact) + smallest_normal(self.dtype):
            return _Finding(True, ulp, relative)
        return _Finding(bool(gap <= ILL_CONDITIONED_ULP * unit * wobble()), ulp, relative)

    def _judge_partials(self, tally: _Tally, root: int, lane: int, computed: Array) -> None:
        numerical = self.differences[lane]
        for point, truth in enumerate(self.truths):
            if not self.inside[point][root]:
                continue
            value, slope = float(computed[point]), truth.slopes(lane)[root]
            if slope.exists:
                finding = self._compare(
                    value, slope.value, self.partial_rtol, lambda t=truth: t.slope_wobble(root, lane)
                )
                if finding.ok and math.isfinite(value):
                    error = self._numerical_error(finding, numerical, (point, root, lane), value)
                    tally.add_numerical(error)
            elif slope.settled:
                finding = _Finding(value == float(slope.value), kink=True)
                if not finding.ok:
                    finding.relative = finding.ulp = math.inf
                    finding.note = f"is {value:.6g}, not {float(slope.value)}, at a vertical tangent"
            else:
                judged = self._judge_kink(value, slope)
                if judged is None:
                    continue
                finding = judged
            tally.add(finding, point, root, lane)

    def _judge_kink(self, value: float, slope: Slope) -> _Finding | None:
        """Where there is no derivative: the convention must lie between the one-sided ones."""
        sides = [float(s) for s in (slope.left, slope.right) if not math.isnan(float(s))]
        if not sides:
            return None
        slack = 1e-6 * max(1.0, *(abs(side) for side in sides if math.isfinite(side)), 0.0)
        if min(sides) - slack <= value <= max(sides) + slack:
            return _Finding(True, kink=True)
        note = f"is {value:.6g} where the one-sided derivatives are {float(slope.left):.6g} and "
        return _Finding(False, math.inf, math.inf, True, f"{note}{float(slope.right):.6g}")

    def _numerical_error(
        self, finding: _Finding, given: Difference, where: tuple[int, int, int], value: float
    ) -> float:
        """Return the distance from the numerical gradient, NaN where there is none; mark a wrong finding."""
        point, root, lane = where
        estimate = float(given.value[point, root])
        if math.isnan(estimate):
            return math.nan
        tolerance = float(given.tolerance[point, root]) + self.partial_rtol * abs(value)
        gap = abs(value - estimate)
        if gap > tolerance:
            # Near a kink or a pole differences mislead; the truth tells whether these are the right ones.
            ends = [float(end) for end in given.ends[point, root]]
            exact = self._exact_difference(point, root, lane, ends)
            if not abs(exact - estimate) > tolerance:
                return math.nan
            finding.ok = False
            finding.note = f"the numerical gradient is {estimate:.6g}, the derivative {value:.6g}"
        if finding.ok and tolerance > _RESOLVED * abs(value):
            return math.nan if gap else 0.0  # too small a derivative for these differences to say much
        return gap / abs(value) if value else math.inf if gap else 0.0

    def _exact_difference(self, point: int, root: int, lane: int, ends: Sequence[float]) -> float:
        from tapeless.testing.truth import Truth

        values = []
        for end in ends:
            lanes = list(self.truths[point].lanes)
            lanes[lane] = end
            values.append(Truth(self.program, lanes).values[root])
        return extrapolated(ends, values)

    # ---- reporting

    def _row(self, tally: _Tally, output: Output, first: int, name: str | None) -> CheckRow:
        worst = tally.worst
        if worst is None or not tally.seen:
            nan = math.nan
            return CheckRow(tally.name, True, nan, nan, nan, nan, (), 0, note=tally.missing)
        point, root, lane = tally.where
        truth = self.truths[point]
        names = _lane_names(self.program.inputs)
        shaped = output.shape or (name and names[lane] != name)
        element = ""
        if shaped:
            element = _element(output.name, output.shape, root - first)
            element = element if name is None else f"d {element}/d {names[lane]}"
        condition = self._condition(truth, root, lane)
        return CheckRow(
            name=tally.name,
            ok=worst.ok,
            ulp=worst.ulp,
            relative=worst.relative,
            numerical=tally.numerical,
            condition=condition,
            at=tuple(zip(names, truth.lanes, strict=True)),
            points=len(tally.seen),
            kinks=len(tally.kinks),
            note=worst.note or _kinks_note(len(tally.kinks)),
            element=element,
            bits=max(tally.bits, default=math.nan),
            mean_bits=math.fsum(tally.bits) / len(tally.bits) if tally.bits else math.nan,
            cause=self._cause(worst, condition),
        )

    def _cause(self, worst: _Finding, condition: float) -> str:
        """Say whether rounding of the inputs explains the worst error."""
        if worst.ok and (worst.kink or math.isnan(worst.bits)):
            return ""
        if not worst.ok:
            return "ours"
        if worst.ulp <= ILL_CONDITIONED_ULP:
            return "rounding"
        explained = ILL_CONDITIONED_ULP * epsilon(self.dtype) * condition
        return "ill-conditioned" if worst.relative <= explained else "ours"

    def _condition(self, truth: Truth, root: int, lane: int) -> float:
        from tapeless.targets.reference import nearest

        if not truth.context.isfinite(truth.values[root]):
            return math.nan
        if lane < 0:
            size, wobble = abs(truth.values[root]), truth.value_wobble(root)
        else:
            slope = truth.slopes(lane)[root]
            if not slope.exists:
                return math.nan
            size, wobble = abs(slope.value), truth.slope_wobble(root, lane)
        if not size:
            return math.inf if wobble else 0.0
        return nearest(wobble / size)


def _kinks_note(count: int) -> str:
    if not count:
        return ""
    return f"not differentiable at {count} point{'s' if count > 1 else ''}: the convention was checked there"


def _element(name: str, shape: tuple[int, ...], k: int) -> str:
    if not shape:
        return name
    return f"{name}[{', '.join(str(int(i)) for i in np.unravel_index(k, shape))}]"


def _lane_names(inputs: Sequence[Input]) -> list[str]:
    return [_element(item.name, item.shape, k) for item in inputs for k in range(item.size)]
