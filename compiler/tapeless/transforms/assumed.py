"""Fewer operations where the inputs lie in known ranges, which decide guards, signs and sides.

===================================  ========================  =================================================
from                                 to                        where
===================================  ========================  =================================================
``abs(x)``                           ``x``, ``-x``             x has one sign
``sign(x)``, ``copysign(y, x)``      ``1``, ``abs(y)``, ...    x is not 0
``max(x, y)``, ``fdim``, clip        one side                  it is the larger, and neither is without a value
``x < y``, ``x == y``, ...           true or false             it holds for all, or for none
``floor(x)``, ``round(x)``, ...      a number                  it is the same for all
``fmod(x, y)``                       ``x``                     0 <= x < y
``(x**a)**b``                        ``x**(a*b)``              x >= 0
``sqrt(x**2*y)``, ``sqrt(y/x**2)``   ``x*sqrt(y)``, ...        x >= 0
``log(x**a)``, ``log(1/x)``          ``a*log(x)``, ``-log(x)`` x >= 0
``log(x) - log(y)``, ``+``           ``log(x/y)``, ``log(x*y)``  positive, neither near 1 nor of extreme size
``sqrt(x)*sqrt(y)``, ``/``           ``sqrt(x*y)``, ...        positive, of no extreme size
``x**a*y**a``, ``x**a*x**b``, ``/``  ``(x*y)**a``, ...         positive, of no extreme size; a at most 1 for two
                                                               bases, a and b numbers for one
===================================  ========================  =================================================

Over the reals the values are equal within the ranges, and no error grows. Logarithms and roots are joined, never
taken apart: log(x*y) rounds once where log(x) + log(y) may cancel; and only in what is computed in the end, for a
derivative is simpler before. Outside of the ranges nothing is promised. A condition that is decided is so for a NaN
as well; where what is left depends on the input, the NaN comes through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Builder
from tapeless.ir.program import Program, compacted
from tapeless.transforms.ranges import Assumed, Interval, Known, Truth, interval_of, lanes_of


def assumed(program: Program, assume: Assumed, *, join: bool = False) -> Program:
    """Return a program for the same function of inputs in the ranges given.

    Parameters
    ----------
    program
        Any program. Ranges of inputs that it does not have count for nothing.
    assume
        (name, (low, high)) of inputs, the ends included.
    join
        Whether to make one logarithm, root or power of two as well.

    Returns
    -------
    Program
        With the same name, inputs, names and shapes of outputs; the program itself where nothing can be done.
    """
    lanes = lanes_of(program, assume)
    if not lanes:
        return program
    graph = program.graph
    uses = Counter(arg for args in graph.args for arg in args)
    uses.update(program.roots)
    work = _Work(lanes, {**_RULES, **_JOINING} if join else _RULES)
    new: list[int] = []
    changed = False
    for node, (op, args, payload) in enumerate(zip(graph.ops, graph.args, graph.payloads, strict=True)):
        moved = tuple([new[arg] for arg in args])
        made = work.simpler(op, moved) if payload is None else None
        if made is not None:
            changed = True
        elif payload is not None or all(
            work.b.ops[at] == graph.ops[arg] for at, arg in zip(moved, args, strict=True)
        ):
            made = work.b.node(op, moved, payload)
        else:
            made = work.b.call(op, *moved)
        if uses[node] > 1:
            work.shared.add(made)
        new.append(made)
    if not changed:
        return program
    outputs = tuple(replace(o, nodes=tuple([new[node] for node in o.nodes])) for o in program.outputs)
    return compacted(replace(program, outputs=outputs, graph=work.b.freeze()))


Rule = Callable[..., int | None]


class _Work:
    """A graph that grows, and what is known of its nodes."""

    def __init__(self, lanes: Mapping[int, Interval], rules: Mapping[str, Rule]) -> None:
        self.b = Builder()
        self.rules = rules
        self.lanes = lanes
        self.shared: set[int] = set()
        """Nodes that are used twice or more: to take them apart saves nothing."""
        self._known: list[Known] = []

    def known(self, node: int) -> Known:
        """Return what is known of a node."""
        b, known = self.b, self._known
        for k in range(len(known), node + 1):
            known.append(interval_of(b.ops[k], b.args[k], b.payloads[k], known, self.lanes))
        return known[node]

    def interval(self, node: int) -> Interval:
        """Return where a number lies."""
        found = self.known(node)
        assert isinstance(found, Interval)
        return found

    def simpler(self, op: str, args: tuple[int, ...]) -> int | None:
        """Return what is simpler than `op` of `args` within the ranges, None for nothing."""
        rule = self.rules.get(op)
        return rule(self, *args) if rule is not None else None

    def factors(self, node: int) -> list[int]:
        """Return the factors of a product that is used once; of anything else the node itself."""
        found: list[int] = []
        stack = [node]
        while stack:
            top = stack.pop()
            if self.b.ops[top] == "mul" and top not in self.shared and len(found) < _WIDTH:
                stack += self.b.args[top][::-1]
            else:
                found.append(top)
        return found

    def power(self, node: int) -> tuple[int, Fraction] | None:
        """Return x and a number a of x**a, roots and reciprocals among them."""
        op, args = self.b.ops[node], self.b.args[node]
        if op == "sqrt":
            return args[0], Fraction(1, 2)
        if op == "pow" and (exponent := self.b.rational_value(args[1])) is not None:
            return args[0], exponent
        if op == "div" and self.b.rational_value(args[0]) == 1:
            return args[1], Fraction(-1)
        return None

    def raised(self, base: int, exponent: Fraction) -> int:
        """Return x**a, one power where x is one itself and not negative."""
        inner = self.power(base)
        if inner is not None and self.interval(inner[0]).low >= 0:
            base, exponent = inner[0], inner[1] * exponent
        return self.b.pow(base, self.b.rational(exponent))


_WIDTH: Final = 8
"""Longer products are not searched."""


# ---- sides


def _abs(work: _Work, x: int) -> int | None:
    at = work.interval(x)
    if at.low >= 0:
        return x
    return work.b.neg(x) if at.high <= 0 else None


def _sign(work: _Work, x: int) -> int | None:
    at = work.interval(x)
    return work.b.rational(1 if at.positive else -1) if at.nonzero and not at.nan else None


def _heaviside(work: _Work, x: int) -> int | None:
    at = work.interval(x)
    return work.b.rational(1 if at.positive else 0) if at.nonzero and not at.nan else None


def _copysign(work: _Work, x: int, y: int) -> int | None:
    at = work.interval(y)
    if not at.nonzero or at.nan:
        return None
    size = _abs(work, x)
    size = work.b.call("abs", x) if size is None else size
    return size if at.positive else work.b.neg(size)


def _extremum(op: str) -> Rule:
    def rule(work: _Work, *args: int) -> int | None:
        """Leave out what another argument exceeds, or equals, everywhere."""
        left = list(args)
        for arg in args:
            at = work.interval(arg)
            if at.nan:
                continue  # its NaN counts
            others = [work.interval(other) for other in left if other != arg]
            if op == "max" and any(other.low >= at.high for other in others):
                left.remove(arg)
            if op == "min" and any(other.high <= at.low for other in others):
                left.remove(arg)
        return work.b.call(op, *left) if len(left) < len(args) else None

    return rule


def _fdim(work: _Work, a: int, b: int) -> int | None:
    x, y = work.interval(a), work.interval(b)
    if x.low >= y.high:
        return work.b.sub(a, b)
    return work.b.rational(0) if x.high <= y.low and not x.nan and not y.nan else None


def _compare(op: str) -> Rule:
    def rule(work: _Work, a: int, b: int) -> int | None:
        truth: Truth = interval_of(op, (a, b), None, _Lazy(work), work.lanes)  # type: ignore[assignment,arg-type]
        return None if truth is None else work.b.boolean(truth)

    return rule


class _Lazy:
    """What is known of nodes, as a sequence."""

    def __init__(self, work: _Work) -> None:
        self.work = work

    def __getitem__(self, node: int) -> Known:
        return self.work.known(node)


def _constant_step(op: str) -> Rule:
    def rule(work: _Work, x: int) -> int | None:
        at = interval_of(op, (x,), None, _Lazy(work), work.lanes)  # type: ignore[arg-type]
        assert isinstance(at, Interval)
        if at.low == at.high and not at.nan and abs(at.low) < 2.0**53:
            return work.b.rational(Fraction(at.low))
        return None

    return rule


def _fmod(work: _Work, a: int, b: int) -> int | None:
    x, y = work.interval(a), work.interval(b)
    return a if x.low >= 0 and x.high < y.low and not y.nan else None


# ---- powers, roots and logarithms


def _pow(work: _Work, x: int, exponent: int) -> int | None:
    value = work.b.rational_value(exponent)
    inner = work.power(x)
    if value is None or inner is None or work.interval(inner[0]).low < 0:
        return None
    return work.raised(x, value)


def _sqrt(work: _Work, x: int) -> int | None:
    """Take even powers of what has a sign out of a root, where the rest may stand under it alone."""
    b, half = work.b, Fraction(1, 2)
    inner = work.power(x)
    if inner is not None and work.interval(inner[0]).low >= 0:
        return work.raised(x, half)
    if x in work.shared:
        return None
    above, below = (b.args[x][0], b.args[x][1]) if b.ops[x] == "div" else (x, None)
    outside: list[tuple[int, bool]] = []
    inside: list[list[int]] = [[], []]
    for side, product in enumerate((above, below)):
        for factor in work.factors(product) if product is not None else ():
            root = _even_root(work, factor)
            if root is None:
                inside[side].append(factor)
            else:
                outside.append((root, side == 1))
    if not outside:
        return None
    rest = b.product(inside[0])
    if inside[1]:
        rest = b.div(rest, b.product(inside[1]))
    at = work.interval(rest)
    whole = all(work.interval(root).nonzero for root, _ in outside)
    if not (at.low >= 0 or whole):
        return None  # where x is 0, the rest may be below
    found = b.call("sqrt", rest)
    for root, divides in outside:
        found = b.div(found, root) if divides else b.mul(root, found)
    return found


def _even_root(work: _Work, factor: int) -> int | None:
    """Return abs(x)**n of x**(2*n), where x has a sign."""
    if factor in work.shared:
        return None
    inner = work.power(factor)
    if inner is None:
        return None
    base, exponent = inner
    at = work.interval(base)
    if exponent.denominator != 1 or exponent % 2 or exponent < 0 or not (at.low >= 0 or at.high <= 0):
        return None
    size = base if at.low >= 0 else work.b.neg(base)
    return work.b.pow(size, work.b.rational(exponent / 2))


def _log(work: _Work, x: int) -> int | None:
    b = work.b
    if x in work.shared:
        return None
    inner = work.power(x)
    if inner is not None and work.interval(inner[0]).low >= 0:
        return b.mul(b.rational(inner[1]), b.call("log", inner[0]))
    if inner is not None and inner[1] % 2 == 0 and work.interval(inner[0]).high <= 0:
        return b.mul(b.rational(inner[1]), b.call("log", b.neg(inner[0])))
    if b.ops[x] == "pow" and work.interval(b.args[x][0]).positive:
        return b.mul(b.args[x][1], b.call("log", b.args[x][0]))
    return None


def _joined_logs(op: str) -> Rule:
    """Return one logarithm of a product or a quotient for two."""

    def rule(work: _Work, left: int, right: int) -> int | None:
        b = work.b
        if any(b.ops[side] != "log" or side in work.shared for side in (left, right)):
            return None
        x, y = b.args[left][0], b.args[right][0]
        if not (_has_a_log(work.interval(x)) and _has_a_log(work.interval(y))):
            return None
        joined = b.mul(x, y) if op == "add" else b.div(x, y)
        return b.call("log", joined) if work.interval(joined).moderate() else None

    return rule


def _has_a_log(x: Interval) -> bool:
    """Whether the logarithm is at least 1/2 in size: near 1 it has digits that a product has lost."""
    return x.moderate() and (x.low >= 1.65 or x.high <= 0.6)


def _joined_powers(op: str) -> Rule:
    """Return one power for two, of one exponent or of one base.

    Exponents of products are at most 1 in size: larger ones magnify the rounding of the product.
    """

    def rule(work: _Work, left: int, right: int) -> int | None:
        b = work.b
        if left == right or any(side in work.shared for side in (left, right)):
            return None
        first, second = _any_power(work, left), _any_power(work, right)
        if first is None or second is None:
            return None
        (x, p), (y, q) = first, second
        if not (work.interval(x).moderate(_MODERATE) and work.interval(y).moderate(_MODERATE)):
            return None
        if p == q and abs(work.interval(p).low) <= 1 and abs(work.interval(p).high) <= 1:
            joined = b.mul(x, y) if op == "mul" else b.div(x, y)
            return b.pow(joined, p) if work.interval(joined).moderate(_MODERATE**2) else None
        if x == y and b.is_constant(p) and b.is_constant(q):  # the rounding of a sum would count log(x) times
            return b.pow(x, b.add(p, q) if op == "mul" else b.sub(p, q))
        return None

    return rule


_MODERATE: Final = 1e15


def _any_power(work: _Work, node: int) -> tuple[int, int] | None:
    """Return x and a of x**a, a root among them; None for whole exponents, which cost products alone."""
    b = work.b
    if b.ops[node] == "sqrt":
        return b.args[node][0], b.rational(Fraction(1, 2))
    if b.ops[node] != "pow":
        return None
    base, exponent = b.args[node]
    value = b.rational_value(exponent)
    return None if value is not None and value.denominator == 1 else (base, exponent)


_RULES: Final[dict[str, Rule]] = {
    "abs": _abs,
    "sign": _sign,
    "heaviside": _heaviside,
    "copysign": _copysign,
    "max": _extremum("max"),
    "min": _extremum("min"),
    "fdim": _fdim,
    **{op: _compare(op) for op in ("lt", "le", "eq", "ne")},
    **{op: _constant_step(op) for op in ("floor", "ceil", "trunc", "round", "round_away")},
    "fmod": _fmod,
    "pow": _pow,
    "sqrt": _sqrt,
    "log": _log,
}
_JOINING: Final[dict[str, Rule]] = {
    "add": _joined_logs("add"),
    "sub": _joined_logs("sub"),
    "mul": _joined_powers("mul"),
    "div": _joined_powers("div"),
}
