"""Where a formula may fail to be differentiable: what its operations say, as conditions on the inputs.

Each operation of the graph that is reached gives the sets on which it has a kink, a jump, a pole or an end of its
domain. They are candidates: whether the formula itself is singular there is tried out, see singular.py.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, pairwise
from typing import Final

from tapeless.ir.graph import HALF, ZERO, Builder, Graph
from tapeless.ir.primitives import PRIMITIVES, REAL
from tapeless.ir.program import Program
from tapeless.ir.rules import formula_of


@dataclass(frozen=True, slots=True)
class Boundary:
    """A set of points.

    Attributes
    ----------
    zeros
        Nodes that are 0 on it, all of them.
    whole
        None, or a number: then the only node of `zeros` is a whole number plus this.
    op
        The operation that is singular there; `"select"` for the end of a branch, `"point"` for a condition ==.
    guard
        Node of the condition under which the operation counts.
    constant
        For a tie, whether one side is a constant.
    """

    zeros: tuple[int, ...]
    whole: Fraction | None
    op: str
    guard: int
    constant: bool = False


Sets = list[tuple[tuple[int, ...], Fraction | None]]


def boundaries(builder: Builder, program: Program) -> list[Boundary]:
    """Return the candidates of a program.

    Parameters
    ----------
    builder
        Holds the program's graph; conditions are appended.
    program
        The program.
    """
    graph = program.graph
    constant = graph.constants()
    always = builder.boolean(True)
    counts: dict[int, list[int]] = {root: [always] for root in program.roots}
    found: dict[Boundary, None] = {}
    for node in reversed(graph.reachable(program.roots)):
        conditions = counts.get(node)
        if conditions is None or constant[node] or not graph.args[node]:
            continue  # inside of a condition alone: its own singularities move no value
        guard = builder.or_(*conditions) if len(conditions) > 1 else conditions[0]
        op, args = graph.ops[node], graph.args[node]
        if op == "select":
            opposite = builder.not_(args[0])
            for condition, arm in ((args[0], args[1]), (opposite, args[2])):
                counts.setdefault(arm, []).append(builder.and_(guard, condition))
            for kind, zero in _ends_of_branches(builder, args[0]):
                for zeros in alternatives(builder, zero):
                    found[Boundary(zeros, None, kind, guard)] = None
            continue
        for arg in args:
            counts.setdefault(arg, []).append(guard)
        fixed = any(constant[arg] for arg in args)
        for zeros, whole in sets_of(builder, op, args):
            if whole is not None:
                found[Boundary(zeros, whole, op, guard)] = None
                continue
            for each in _together(builder, zeros):
                found[Boundary(each, None, op, guard, fixed)] = None
    return list(found)


def _ends_of_branches(b: Builder, condition: int) -> list[tuple[str, int]]:
    """Return the differences that are 0 where a condition changes."""
    found, stack = [], [condition]
    while stack:
        node = stack.pop()
        op, args = b.ops[node], b.args[node]
        if op in ("and", "or", "not"):
            stack += args[::-1]
        elif op in ("lt", "le", "eq", "ne") and args[0] != args[1]:
            found.append(("point" if op in ("eq", "ne") else "select", b.sub(*args)))
    return found


# ---- what an operation says


def sets_of(b: Builder, op: str, args: Sequence[int]) -> Sets:
    """Return the sets on which an operation of these arguments is singular."""
    own = _SETS.get(op)
    if own is not None:
        return own(b, *args)
    return _from_domain(b, op, args)


def _from_domain(b: Builder, op: str, args: Sequence[int]) -> Sets:
    row = PRIMITIVES[op]
    if row.domain in (REAL, "unknown") or row.nary:
        return []
    names = dict(zip(row.args, args, strict=True))
    return [
        ((b.sub(left(b, names), right(b, names)),), None)
        for left, right, used in _comparisons(row.domain)
        if not used & set(row.whole)
    ]


@cache
def _comparisons(
    domain: str,
) -> tuple[
    tuple[Callable[[Builder, dict[str, int]], int], Callable[[Builder, dict[str, int]], int], frozenset[str]],
    ...,
]:
    """Read the comparisons of a domain; the conditions that an order is whole are none of them."""
    found = []
    for tree in ast.walk(ast.parse(domain, mode="eval")):
        if isinstance(tree, ast.Compare) and "floor" not in ast.unparse(tree):
            terms = [tree.left, *tree.comparators]
            for left, right in pairwise(terms):
                used = frozenset(n.id for t in (left, right) for n in ast.walk(t) if isinstance(n, ast.Name))
                if used:
                    found.append((formula_of(ast.unparse(left)), formula_of(ast.unparse(right)), used))
    return tuple(found)


def _pow(b: Builder, x: int, power: int) -> Sets:
    value = b.rational_value(power)
    if value is not None and value.denominator == 1 and value >= 0:
        return []
    base = b.rational_value(x)
    return [] if base is not None and base > 0 else [((x,), None)]


def _at_zero(b: Builder, x: int) -> Sets:
    return [((x,), None)]


def _differences(b: Builder, *args: int) -> Sets:
    return [((b.sub(x, y),), None) for x, y in combinations(args, 2)]


def _steps(shift: Fraction) -> Callable[..., Sets]:
    return lambda b, x: [((x,), shift)]


def _rests(shift: Fraction) -> Callable[..., Sets]:
    return lambda b, x, y: [((y,), None), ((b.div(x, y),), shift)]


def _gamma(b: Builder, x: int) -> Sets:
    return [((x,), ZERO)]


def _exponent(b: Builder, x: int) -> Sets:
    """Where the exponent of two changes."""
    return [((x,), None), ((b.call("log2", b.call("abs", x)),), ZERO)]


def _tan(b: Builder, x: int) -> Sets:
    return [((b.div(x, b.named("pi")),), HALF)]


def _lambertw(b: Builder, x: int) -> Sets:
    return [((b.add(x, b.div(b.rational(1), b.named("e"))),), None)]


_SETS: Final[dict[str, Callable[..., Sets]]] = {
    "pow": _pow,
    "powm1": _pow,
    "div": lambda b, x, y: [((y,), None)],
    "cbrt": _at_zero,
    "abs": _at_zero,
    "sign": _at_zero,
    "heaviside": _at_zero,
    "copysign": lambda b, x, y: [((x,), None), ((y,), None)],
    "floor": _steps(ZERO),
    "ceil": _steps(ZERO),
    "trunc": _steps(ZERO),
    "round": _steps(HALF),
    "round_away": _steps(HALF),
    "logb": _exponent,
    "fmod": _rests(ZERO),
    "remainder": _rests(HALF),
    "fdim": _differences,
    "max": _differences,
    "min": _differences,
    "fmax": _differences,
    "fmin": _differences,
    "hypot": lambda b, *args: [(args, None)],
    "norm2": lambda b, *args: [(args, None)],
    "norm3": lambda b, *args: [(args, None)],
    "atan2": lambda b, y, x: [((y,), None)],
    "tan": _tan,
    "gamma": _gamma,
    "loggamma": _gamma,
    "digamma": _gamma,
    "lambertw": _lambertw,
    "lambertw_lower": lambda b, x: [*_lambertw(b, x), ((x,), None)],
}
"""What the domain of a row does not tell."""

# ---- where something is zero


_ODD: Final = frozenset("neg cbrt sinh tanh asinh atan expm1 log1p erf asin atanh sqrt abs".split())
"""Functions that are 0 at 0 alone."""
_NEVER: Final = frozenset("exp exp2 cosh expit softplus sech2 gauss inv_cosh bose bose1 erfc".split())
"""Functions without a zero."""
_WIDTH: Final = 16


def alternatives(b: Builder, node: int) -> list[tuple[int, ...]]:
    """Return the sets that together are the zeros of a node, each by nodes that are 0 together.

    A product is 0 where a factor is, a sum of squares where all of them are; a number is not.
    """
    found: dict[tuple[int, ...], None] = {}
    stack = [node]
    while stack:
        node = stack.pop()
        op, args = b.ops[node], b.args[node]
        exponent = b.rational_value(args[1]) if op == "pow" else None
        if b.is_constant(node) or op in _NEVER:
            continue
        if op == "mul" and len(found) < _WIDTH:
            stack += args
        elif op == "squares":
            stack += [b.sub(*args), b.add(*args)]
        elif op == "div" or op in _ODD or (exponent is not None and exponent > 0) or op in ("xlog1px",):
            stack.append(args[0])
        elif op in ("norm2", "norm3", "hypot"):
            found.update(dict.fromkeys(_together(b, args)))
        elif op == "add" and (squares := _squares(b, node)) is not None:
            found.update(dict.fromkeys(_together(b, squares)))
        elif op == "log":
            stack.append(b.sub(args[0], b.rational(1)))
        else:
            found[(node,)] = None
    return list(found)


def _squares(b: Builder, node: int) -> tuple[int, ...] | None:
    """Return x, y, ... of x**2 + y**2 + ..., None for other sums."""
    found, stack = [], [node]
    while stack:
        part = stack.pop()
        op, args = b.ops[part], b.args[part]
        if op == "add":
            stack += args[::-1]
            continue
        power = b.rational_value(args[1]) if op == "pow" else None
        if power is None or power <= 0 or power.denominator != 1 or power % 2:
            return None
        found.append(args[0])
    return tuple(found)


def _together(b: Builder, nodes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the sets on which all nodes are 0, each simpler where that is plain; none where one is a number."""
    if len(nodes) == 1:
        return alternatives(b, nodes[0])
    simpler: list[int] = []
    for node in nodes:
        found = alternatives(b, node)
        if not found:
            return [] if b.rational_value(node) != 0 else _together(b, [n for n in nodes if n != node])
        simpler += found[0] if len(found) == 1 else (node,)
    return [tuple(sorted(dict.fromkeys(simpler)))]


# ---- linear conditions


Form = tuple[dict[int, Fraction], Fraction]
"""The coefficients of a linear expression by input scalar, and its constant."""


def linear(graph: Graph, root: int) -> Form | None:
    """Return the form of a node that is linear in the inputs; None for others."""
    known: dict[int, Form | None] = {}
    for node in graph.reachable((root,)):
        known[node] = _linear(graph, node, known)
    return known[root]


def _linear(graph: Graph, node: int, known: dict[int, Form | None]) -> Form | None:
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    if op == "input":
        return {payload: Fraction(1)}, ZERO  # type: ignore[dict-item]
    if op == "rational":
        return {}, payload  # type: ignore[return-value]
    parts = [known[arg] for arg in args]
    if not parts or any(part is None for part in parts):
        return None
    first, last = parts[0], parts[-1]
    assert first is not None
    assert last is not None
    if op == "neg":
        return _combined(first, Fraction(-1))
    if op in ("add", "sub"):
        return _combined(first, Fraction(1), last, Fraction(1 if op == "add" else -1))
    if op == "mul" and not first[0]:
        return _combined(last, first[1])
    if op == "mul" and not last[0]:
        return _combined(first, last[1])
    if op == "div" and not last[0] and last[1]:
        return _combined(first, 1 / last[1])
    return None


def _combined(one: Form, p: Fraction, other: Form = ({}, ZERO), q: Fraction = ZERO) -> Form:
    (a, c), (b, d) = one, other
    total = {lane: p * a.get(lane, ZERO) + q * b.get(lane, ZERO) for lane in {**a, **b}}
    return {lane: value for lane, value in total.items() if value}, p * c + q * d
