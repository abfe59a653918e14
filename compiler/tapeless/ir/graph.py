"""The graph: hash-consed scalar nodes as columns, ids in topological order, exact rational constants.

A `Graph` never changes. A `Builder` appends nodes and hands out ids; each of its methods applies the
identities that hold over the reals wherever the value exists, so that what is trivially equal is one node.
All walks are loops: the depth of a formula is bounded by memory alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from tapeless.ir.primitives import PRIMITIVES, REAL, Extern

Payload = Fraction | int | str | Extern | None
Key = tuple[str, tuple[int, ...], Payload]

ZERO: Final = Fraction(0)
ONE: Final = Fraction(1)
HALF: Final = Fraction(1, 2)
_FOLD_BITS: Final = 2048
"""Exact results with more bits than this are left as operations."""
_MERGE_BITS: Final = 256
"""Factors of a product are merged up to this many bits: sweeps that multiply again and again stay linear."""
_HOIST: Final = 2**32
"""Factors beyond this, or below its reciprocal, stay where they were written: what they scale may be as extreme
the other way, and float32 ends at 2**128."""

NAMED_CONSTANTS: Final = ("pi", "e", "inf", "nan", "euler_gamma", "golden_ratio", "catalan")
"""Payloads of `named` nodes."""

_COMMUTATIVE: Final = frozenset(row.name for row in PRIMITIVES.values() if row.commutative)
_BOOLEAN: Final = frozenset(row.name for row in PRIMITIVES.values() if row.boolean)
_TOTAL: Final = frozenset(row.name for row in PRIMITIVES.values() if row.domain == REAL) - {"tan"}
_RING: Final = frozenset(("add", "sub", "mul"))
_ABSORB_WIDTH: Final = 16
"""Conditions are flattened and searched for absorption up to this width: a longer one is still a right one."""
_POSITIVE: Final = frozenset(("exp", "exp2", "cosh", "expit", "softplus", "sech2", "gauss"))
"""Functions without a zero."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes as columns; the arguments of a node have smaller ids than the node.

    Attributes
    ----------
    ops
        Name of the primitive of each node.
    args
        Ids of the arguments of each node.
    payloads
        The lane of an `input`, the value of a `rational`, the name of a `named` constant, the `Extern`.
    """

    ops: tuple[str, ...]
    args: tuple[tuple[int, ...], ...]
    payloads: tuple[Payload, ...]

    def __len__(self) -> int:
        return len(self.ops)

    def reachable(self, roots: Iterable[int]) -> list[int]:
        """Ids of the nodes that `roots` depend on, themselves included, in topological order."""
        live = bytearray(len(self.ops))
        for root in roots:
            live[root] = 1
        for node in range(len(self.ops) - 1, -1, -1):
            if live[node]:
                for arg in self.args[node]:
                    live[arg] = 1
        return [node for node, alive in enumerate(live) if alive]

    def is_boolean(self, node: int) -> bool:
        """Whether `node` is a truth value."""
        return self.ops[node] in _BOOLEAN

    def constants(self) -> bytearray:
        """Mark the nodes that no input reaches."""
        marks = bytearray(len(self.ops))
        for node, (op, args) in enumerate(zip(self.ops, self.args, strict=True)):
            if op not in ("input", "extern"):
                for arg in args:
                    if not marks[arg]:
                        break
                else:
                    marks[node] = 1
        return marks


class Builder:
    """Appends hash-consed nodes; ids of a graph it starts from stay valid.

    Parameters
    ----------
    graph
        The graph to continue, or None for an empty one. It is not changed.
    """

    __slots__ = ("_constant", "_index", "_nonzero", "_rationals", "_total", "args", "ops", "payloads")

    def __init__(self, graph: Graph | None = None) -> None:
        self.ops: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.payloads: list[Payload] = []
        self._total: list[bool] = []
        self._nonzero: list[bool] = []
        self._constant: list[bool] = []
        self._index: dict[Key, int] = {}
        self._rationals: dict[tuple[int, int], int] = {}  # hashing a pair is quicker than hashing a Fraction
        if graph is not None:
            self._load(graph)

    def _load(self, graph: Graph) -> None:
        """Take the nodes of a graph over, as they stand."""
        self.ops, self.args, self.payloads = list(graph.ops), list(graph.args), list(graph.payloads)
        index, total, nonzero, constant = self._index, self._total, self._nonzero, self._constant
        for node, (op, args, payload) in enumerate(zip(self.ops, self.args, self.payloads, strict=True)):
            if op in _RING:
                a, b = args
                total.append(total[a] and total[b])
                nonzero.append(op == "mul" and nonzero[a] and nonzero[b])
                constant.append(constant[a] and constant[b])
            else:
                self._add_flags(op, args, payload)
            if op == "rational":
                self._rationals[payload.numerator, payload.denominator] = node  # type: ignore[union-attr]
            else:
                index[_key(op, args, payload)] = node

    def freeze(self) -> Graph:
        """Return the graph built so far."""
        return Graph(tuple(self.ops), tuple(self.args), tuple(self.payloads))

    # ---- nodes as they stand

    def _record(self, op: str, args: tuple[int, ...], payload: Payload) -> int:
        node = len(self.ops)
        self.ops.append(op)
        self.args.append(args)
        self.payloads.append(payload)
        total, nonzero, constant = self._total, self._nonzero, self._constant
        if op in _RING:  # nearly all nodes of a large graph: written out, without calls
            a, b = args
            total.append(total[a] and total[b])
            nonzero.append(op == "mul" and nonzero[a] and nonzero[b])
            constant.append(constant[a] and constant[b])
        else:
            self._add_flags(op, args, payload)
        return node

    def _add_flags(self, op: str, args: tuple[int, ...], payload: Payload) -> None:
        total, nonzero, constant = self._total, self._nonzero, self._constant
        if op == "rational":  # the next most frequent, written out as well
            total.append(True)
            nonzero.append(payload != 0)
            constant.append(True)
        elif op == "neg":
            [a] = args
            total.append(total[a])
            nonzero.append(nonzero[a])
            constant.append(constant[a])
        else:
            total.append(self._is_total(op, args, payload))
            nonzero.append(self._is_nonzero(op, args, payload))
            constant.append(op != "input" and all(constant[arg] for arg in args))

    def node(self, op: str, args: tuple[int, ...] = (), payload: Payload = None) -> int:
        """Return the id of this very node, appended if it is new.

        Commutative arguments are the same in any order; they are shown in the order written first.
        """
        if op == "rational":
            return self.rational(payload)  # type: ignore[arg-type]
        key = _key(op, args, payload)
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = self._record(op, args, payload)
        return found

    def _is_total(self, op: str, args: tuple[int, ...], payload: Payload) -> bool:
        if op == "div":
            divisor = self.payloads[args[1]]
            return self._total[args[0]] and type(divisor) is Fraction and divisor != 0
        if op == "pow":
            power = self.payloads[args[1]]
            return (
                self._total[args[0]]
                and type(power) is Fraction
                and power.denominator == 1
                and power.numerator >= 0
            )
        if op not in _TOTAL or (op == "named" and payload in ("inf", "nan")):
            return False
        total = self._total
        return all(total[arg] for arg in args)  # a list: quicker than a generator for one or two

    def _is_nonzero(self, op: str, args: tuple[int, ...], payload: Payload) -> bool:
        """Whether the value is zero at most on a set without interior; False where that is not plain to see."""
        nonzero = self._nonzero
        if op == "rational":
            return bool(payload)
        if op in ("mul", "div"):
            return nonzero[args[0]] and nonzero[args[1]]
        if op in ("neg", "pow", "abs"):
            return nonzero[args[0]]
        return op in _POSITIVE or op == "input" or (op == "named" and payload not in ("inf", "nan"))

    def rational_value(self, node: int) -> Fraction | None:
        """Return the exact value of a `rational` node, None for any other."""
        payload = self.payloads[node]
        return payload if type(payload) is Fraction else None

    def is_constant(self, node: int) -> bool:
        """Whether no input reaches `node`."""
        return self._constant[node]

    def is_boolean(self, node: int) -> bool:
        """Whether `node` is a truth value."""
        return self.ops[node] in _BOOLEAN

    def has_isolated_zeros(self, node: int) -> bool:
        """Whether `node` is plainly a number everywhere, and zero at most on a set without interior."""
        return self._total[node] and self._nonzero[node]

    # ---- leaves

    def input(self, lane: int) -> int:
        """Return the input scalar number `lane`."""
        return self.node("input", (), lane)

    def rational(self, value: Fraction | int) -> int:
        """Return an exact constant."""
        key = value.numerator, value.denominator
        found = self._rationals.get(key)
        if found is None:
            found = self._rationals[key] = self._record("rational", (), Fraction(value))
        return found

    def named(self, name: str) -> int:
        """Return one of `NAMED_CONSTANTS`."""
        if name not in NAMED_CONSTANTS:
            raise ValueError(f"no constant is called {name!r}")
        return self.node("named", (), name)

    # ---- arithmetic

    def _fold(self, value: Fraction) -> int | None:
        if value.numerator.bit_length() + value.denominator.bit_length() > _FOLD_BITS:
            return None
        return self.rational(value)

    def add(self, a: int, b: int) -> int:
        """Return a + b."""
        p, q = self.payloads[a], self.payloads[b]
        if type(p) is Fraction:
            if type(q) is Fraction and (folded := self._fold(p + q)) is not None:
                return folded
            if not p:
                return b
        elif type(q) is Fraction and not q:
            return a
        ops = self.ops
        if ops[b] == "neg":
            return self.sub(a, self.args[b][0])
        if ops[a] == "neg":
            return self.sub(b, self.args[a][0])
        if a == b:
            return self.mul(self.rational(2), a)
        if (positive := self._negated_scale(b)) is not None:
            return self.sub(a, positive)
        if (positive := self._negated_scale(a)) is not None:
            return self.sub(b, positive)
        if type(p) is Fraction and p < 0:
            return self.sub(b, self.rational(-p))
        if type(q) is Fraction and q < 0:
            return self.sub(a, self.rational(-q))
        return self.node("add", (a, b))

    def sub(self, a: int, b: int) -> int:
        """Return a - b."""
        p, q = self.payloads[a], self.payloads[b]
        if type(q) is Fraction:
            if type(p) is Fraction and (folded := self._fold(p - q)) is not None:
                return folded
            if not q:
                return a
            if q < 0:
                return self.add(a, self.rational(-q))
        elif type(p) is Fraction and not p:
            return self.neg(b)
        ops = self.ops
        if ops[b] == "neg":
            return self.add(a, self.args[b][0])
        if ops[a] == "neg":
            return self.neg(self.add(self.args[a][0], b))
        if a == b and self._total[a]:
            return self.rational(0)
        if (positive := self._negated_scale(b)) is not None:
            return self.add(a, positive)
        return self.node("sub", (a, b))

    def _negated_scale(self, node: int) -> int | None:
        """Return c*x (or c/x) for a node -c*x with a negative rational factor, None for any other."""
        op = self.ops[node]
        if op in ("mul", "div"):
            first = self.payloads[self.args[node][0]]
            if type(first) is Fraction and first < 0:
                return self.neg(node)
        return None

    def neg(self, a: int) -> int:
        """Return -a."""
        value = self.payloads[a]
        if type(value) is Fraction:
            return self.rational(-value)
        op, args = self.ops[a], self.args[a]
        if op == "neg":
            return args[0]
        if op == "sub":  # turned round only where that is known: the difference itself may be wanted too
            turned = self._index.get(("sub", (args[1], args[0]), None))
            return self.node("neg", (a,)) if turned is None else turned
        if op in ("mul", "div"):
            first = self.payloads[args[0]]
            if type(first) is Fraction:
                build = self.mul if op == "mul" else self.div
                return build(self.rational(-first), args[1])
        return self.node("neg", (a,))

    def mul(self, a: int, b: int) -> int:
        """Return a*b; a rational factor stands first."""
        if type(self.payloads[b]) is Fraction:
            a, b = b, a
        p = self.payloads[a]
        if type(p) is Fraction:
            return self._scale(p, b)
        ops, args = self.ops, self.args
        if ops[a] == "neg":
            return self.neg(self.mul(args[a][0], b))
        if ops[b] == "neg":
            return self.neg(self.mul(a, args[b][0]))
        if ops[a] == ops[b] == "mul":
            (c, x), (d, y) = args[a], args[b]
            if is_moderate(self.payloads[c]) and is_moderate(self.payloads[d]):
                return self.mul(self.mul(c, d), self.mul(x, y))
        base, power = self._integer_power(a)
        other, more = self._integer_power(b)
        if base == other and power > 0 and more > 0:
            return self.pow(base, self.rational(power + more))
        return self.node("mul", (a, b))

    def _scale(self, factor: Fraction, b: int) -> int:
        value = self.payloads[b]
        if type(value) is Fraction and (folded := self._fold(factor * value)) is not None:
            return folded
        if factor == 1:
            return b
        if factor == -1:
            return self.neg(b)
        if not factor and self._total[b]:
            return self.rational(0)
        op, args = self.ops[b], self.args[b]
        if op == "neg":
            return self._scale(-factor, args[0])
        if op == "mul" and type(inner := self.payloads[args[0]]) is Fraction:
            merged = self._merge(factor, inner)
            if merged is not None:
                return self.mul(merged, args[1])
        if op == "div" and type(inner := self.payloads[args[0]]) is Fraction:
            merged = self._merge(factor, inner)
            if merged is not None:
                return self.div(merged, args[1])
        return self.node("mul", (self.rational(factor), b))

    def _merge(self, p: Fraction, q: Fraction) -> int | None:
        """Return the product of two factors of one product, None where they had better stay apart."""
        product = p * q
        if product.numerator.bit_length() + product.denominator.bit_length() > _MERGE_BITS:
            return None
        return self.rational(product) if is_moderate(product) and is_moderate(p) and is_moderate(q) else None

    def _integer_power(self, node: int) -> tuple[int, int]:
        if self.ops[node] == "pow":
            base, exponent = self.args[node]
            value = self.payloads[exponent]
            if type(value) is Fraction and value.denominator == 1:
                return base, value.numerator
        return node, 1

    def div(self, a: int, b: int) -> int:
        """Return a/b."""
        p, q = self.payloads[a], self.payloads[b]
        if type(q) is Fraction and q:
            if type(p) is Fraction and (folded := self._fold(p / q)) is not None:
                return folded
            if q in (1, -1):
                return a if q == 1 else self.neg(a)
            # The reciprocal of a power of two is exact; any other stays a division, rounded once.
            if q.numerator in (1, -1) or _is_power_of_two(abs(q.numerator)):
                return self._scale(1 / q, a)
        ops, args = self.ops, self.args
        if ops[a] == "neg":
            return self.neg(self.div(args[a][0], b))
        if ops[b] == "neg":
            return self.neg(self.div(a, args[b][0]))
        if a == b and self._total[a] and self._nonzero[a]:
            return self.rational(1)
        if type(p) is Fraction and not p and self._total[b] and self._nonzero[b]:
            return a
        if ops[b] == "div" and self.rational_value(args[b][0]) == 1 and self._total[args[b][1]]:
            return self.mul(a, args[b][1])
        if type(p) is not Fraction:
            known = self._index.get(("div", (self.rational(1), b), None))
            if known is not None:
                return self.mul(a, known)
        return self.node("div", (a, b))

    def pow(self, a: int, b: int) -> int:
        """Return a**b as a real power: NaN for a negative base with an exponent that is no integer."""
        power = self.payloads[b]
        if type(power) is Fraction:
            if not power:  # C's pow gives 1 for a NaN as well
                return self._where_it_exists(a, self.rational(1))
            if power == 1:
                return a
            if power == HALF:
                return self.call("sqrt", a)
            if power == -1:
                return self.div(self.rational(1), a)
            base = self.payloads[a]
            if power.denominator == 1 and type(base) is Fraction and (base or power > 0):
                width = max(base.numerator.bit_length(), base.denominator.bit_length(), 1)
                if (
                    abs(power.numerator) * width <= _FOLD_BITS
                    and (folded := self._fold(base**power.numerator)) is not None
                ):
                    return folded
            if power.denominator == 1 and self.ops[a] == "neg":
                inner = self.pow(self.args[a][0], b)
                return inner if power.numerator % 2 == 0 else self.neg(inner)
            if power.denominator == 1 and self.ops[a] == "pow":
                root, exponent = self._integer_power(a)
                if root != a and exponent > 0 and power > 0:
                    return self.pow(root, self.rational(exponent * power))
            if power.denominator == 1 and power.numerator % 2 == 0 and self.ops[a] == "abs":
                return self.pow(self.args[a][0], b)
        elif self.payloads[a] == "e":
            return self.call("exp", b)
        elif self.rational_value(a) == 1:
            return self._where_it_exists(b, a)
        return self.node("pow", (a, b))

    def _where_it_exists(self, node: int, value: int) -> int:
        """Return `value` where `node` is a number, NaN where it is not."""
        if self._total[node]:
            return value
        return self.select(self.compare("eq", node, node), value, self.named("nan"))

    def sum(self, terms: Sequence[int]) -> int:
        """Return the sum of `terms`: as written for a few, pairwise for many."""
        return self._tree(terms, self.add, 0)

    def product(self, factors: Sequence[int]) -> int:
        """Return the product of `factors`, likewise."""
        return self._tree(factors, self.mul, 1)

    def _tree(self, terms: Sequence[int], join: Callable[[int, int], int], empty: int) -> int:
        if not terms:
            return self.rational(empty)
        row = list(terms)
        if len(row) <= _CHAIN:
            total = row[0]
            for term in row[1:]:
                total = join(total, term)
            return total
        while len(row) > 1:
            paired = [join(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
            if len(row) % 2:
                paired.append(row[-1])
            row = paired
        return row[0]

    # ---- calls

    def call(self, op: str, *args: int) -> int:
        """Return the primitive `op` of `args`; arithmetic, logic and choice go to their own methods."""
        special = _SPECIAL.get(op)
        if special is not None:
            return special(self, *args)
        simpler = _PEEPHOLES.get(op)
        if simpler is not None and (found := simpler(self, *args)) is not None:
            return found
        return self.node(op, args)

    def extern(self, function: Extern, *args: int) -> int:
        """Return a function outside the table."""
        return self.node("extern", args, function)

    def _extremum(self, op: str, args: tuple[int, ...]) -> int:
        flat: dict[int, None] = {}
        best: Fraction | None = None
        choose = max if op == "max" else min
        for arg in args:
            for inner in self.args[arg] if self.ops[arg] == op else (arg,):
                value = self.payloads[inner]
                if type(value) is Fraction:
                    best = value if best is None else choose(best, value)
                else:
                    flat[inner] = None
        if best is not None:
            flat[self.rational(best)] = None
        if len(flat) == 1:
            return next(iter(flat))
        return self.node(op, tuple(flat))

    def maximum(self, *args: int) -> int:
        """Return the largest argument; NaN where one is NaN."""
        return self._extremum("max", args)

    def minimum(self, *args: int) -> int:
        """Return the smallest argument; NaN where one is NaN."""
        return self._extremum("min", args)

    # ---- truth values

    def boolean(self, value: bool) -> int:
        """Return a truth value."""
        return self.node("true" if value else "false")

    def compare(self, op: str, a: int, b: int) -> int:
        """Return a comparison, `op` one of lt, le, gt, ge, eq, ne. False with a NaN, but for ne."""
        if op in ("gt", "ge"):
            op, a, b = ("lt" if op == "gt" else "le"), b, a
        p, q = self.payloads[a], self.payloads[b]
        if type(p) is Fraction and type(q) is Fraction:
            return self.boolean(_COMPARE[op](p, q))
        return self.node(op, (a, b))

    def not_(self, c: int) -> int:
        """Return the logical not of `c`, never a comparison turned round: a NaN makes both false."""
        op = self.ops[c]
        if op == "not":
            return self.args[c][0]
        if op in ("true", "false"):
            return self.boolean(op == "false")
        if op in ("eq", "ne"):  # exact opposites, with a NaN as well
            return self.node("ne" if op == "eq" else "eq", self.args[c])
        return self.node("not", (c,))

    def and_(self, *conditions: int) -> int:
        """Return the conjunction."""
        return self._junction("and", conditions)

    def or_(self, *conditions: int) -> int:
        """Return the disjunction."""
        return self._junction("or", conditions)

    def _junction(self, op: str, conditions: tuple[int, ...]) -> int:
        """Join conditions: flat, without repetition, with absorption, resolution and complements."""
        dual = "or" if op == "and" else "and"
        unit, end = ("true", "false") if op == "and" else ("false", "true")
        flat: set[int] = set()
        for condition in conditions:
            kind = self.ops[condition]
            if kind == end:
                return condition
            if kind == op and len(self.args[condition]) < _ABSORB_WIDTH:
                flat.update(self.args[condition])
            elif kind != unit:
                flat.add(condition)
        if any(self.not_(c) in flat for c in tuple(flat)):
            return self.node(end)
        flat -= self._implied(flat, op)
        if 1 < len(flat) <= _ABSORB_WIDTH:
            flat = self._absorb(flat, op, dual)
        if not flat:
            return self.node(unit)
        if len(flat) == 1:
            return next(iter(flat))
        for c in flat:
            if self.ops[c] == end or (self.ops[c] == op and len(self.args[c]) < _ABSORB_WIDTH):
                return self._junction(op, tuple(sorted(flat)))
        return self.node(op, tuple(sorted(flat)))

    def _implied(self, flat: set[int], op: str) -> set[int]:
        """Return what says nothing beside the rest: a < b implies not b <= a, which holds with a NaN as well."""
        said = set()
        for c in flat:
            if self.ops[c] == "not" and self.ops[self.args[c][0]] == "le":
                stricter = self._index.get(("lt", self.args[self.args[c][0]][::-1], None))
                if stricter in flat:
                    said.add(c if op == "and" else stricter)
        return said

    def _absorb(self, flat: set[int], op: str, dual: str) -> set[int]:
        """Apply a|(a&b) = a, a|(!a&b) = a|b, (a&b)|(a&!b) = a, and their duals."""
        parts = {c: frozenset(self.args[c]) if self.ops[c] == dual else frozenset((c,)) for c in flat}
        changed = True
        while changed:
            changed = False
            for c in sorted(parts):
                mine = parts[c]
                for other in sorted(parts):
                    if other == c:
                        continue
                    theirs = parts[other]
                    if theirs <= mine:
                        del parts[c]
                        changed = True
                        break
                    opposite = [p for p in mine if self.not_(p) in theirs]
                    if len(opposite) == 1 and theirs - {self.not_(opposite[0])} <= mine - {opposite[0]}:
                        shorter = mine - {opposite[0]}
                        del parts[c]
                        parts[self._junction(dual, tuple(shorter))] = shorter
                        changed = True
                        break
                if changed:
                    break
        return set(parts)

    def select(self, c: int, a: int, b: int) -> int:
        """Return a where c is true, else b."""
        op = self.ops[c]
        if op == "true" or a == b:
            return a
        if op == "false":
            return b
        if op == "not":
            return self.select(self.args[c][0], b, a)
        if op == "ne":
            return self.select(self.not_(c), b, a)
        ops, args = self.ops, self.args
        if ops[a] == "select" and args[a][0] == c:
            a = args[a][1]
        if ops[b] == "select" and args[b][0] == c:
            b = args[b][2]
        if a == b:
            return a
        if self.is_boolean(a) or self.is_boolean(b):
            return self.or_(self.and_(c, a), self.and_(self.not_(c), b))
        return self.node("select", (c, a, b))


_CHAIN: Final = 8
"""Sums of at most this many terms keep the order in which they were written."""

_COMPARE: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    "lt": lambda p, q: p < q,
    "le": lambda p, q: p <= q,
    "eq": lambda p, q: p == q,
    "ne": lambda p, q: p != q,
}

_SPECIAL: Final[dict[str, Callable[..., int]]] = {
    "add": Builder.add,
    "sub": Builder.sub,
    "mul": Builder.mul,
    "div": Builder.div,
    "neg": Builder.neg,
    "pow": Builder.pow,
    "max": Builder.maximum,
    "min": Builder.minimum,
    "and": Builder.and_,
    "or": Builder.or_,
    "not": Builder.not_,
    "select": Builder.select,
    "lt": lambda b, x, y: b.compare("lt", x, y),
    "le": lambda b, x, y: b.compare("le", x, y),
    "gt": lambda b, x, y: b.compare("gt", x, y),
    "ge": lambda b, x, y: b.compare("ge", x, y),
    "eq": lambda b, x, y: b.compare("eq", x, y),
    "ne": lambda b, x, y: b.compare("ne", x, y),
}


def _key(op: str, args: tuple[int, ...], payload: Payload) -> Key:
    if op in _COMMUTATIVE:
        if len(args) == 2:
            return (op, args, payload) if args[0] <= args[1] else (op, (args[1], args[0]), payload)
        args = tuple(sorted(args))
    return op, args, payload


def is_moderate(payload: Payload) -> bool:
    """Whether a payload is a rational of a size that may be moved through a product."""
    if type(payload) is not Fraction:
        return False
    size, scale = abs(payload.numerator), payload.denominator  # whole numbers compare quicker than fractions
    return not size or (size <= _HOIST * scale and scale <= _HOIST * size)


def _is_power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """Return the exact root of a small non-negative rational, None where it is irrational."""
    if value < 0 or value.numerator.bit_length() + value.denominator.bit_length() > 512:
        return None
    parts = []
    for part in (value.numerator, value.denominator):
        root = _integer_root(part, degree)
        if root**degree != part:
            return None
        parts.append(root)
    return Fraction(parts[0], parts[1])


def _integer_root(n: int, degree: int) -> int:
    """Floor of the root of n by Newton's iteration on integers."""
    if n < 2:
        return n
    x = 1 << -(-n.bit_length() // degree)
    while True:
        y = ((degree - 1) * x + n // x ** (degree - 1)) // degree
        if y >= x:
            return x
        x = y


def _root(degree: int) -> Callable[[Builder, int], int | None]:
    def simpler(b: Builder, x: int) -> int | None:
        value = b.rational_value(x)
        if value is None:
            return None
        root = _exact_root(abs(value), degree)
        if root is None or (value < 0 and degree % 2 == 0):
            return None
        return b.rational(root if value >= 0 else -root)

    return simpler


def _at(points: dict[int, int]) -> Callable[[Builder, int], int | None]:
    """Return a peephole that knows exact values at rational points."""

    def simpler(b: Builder, x: int) -> int | None:
        value = b.rational_value(x)
        if value is None or value not in points:
            return None
        return b.rational(points[int(value)])

    return simpler


def _odd(op: str, points: dict[int, int] | None = None) -> Callable[[Builder, int], int | None]:
    known = _at(points or {0: 0})

    def simpler(b: Builder, x: int) -> int | None:
        if b.ops[x] == "neg":
            return b.neg(b.call(op, b.args[x][0]))
        value = b.rational_value(x)
        if value is not None and value < 0:
            return b.neg(b.call(op, b.rational(-value)))
        return known(b, x)

    return simpler


def _even(op: str, points: dict[int, int] | None = None) -> Callable[[Builder, int], int | None]:
    known = _at(points or {})

    def simpler(b: Builder, x: int) -> int | None:
        if b.ops[x] in ("neg", "abs"):
            return b.call(op, b.args[x][0])
        return known(b, x)

    return simpler


def _stepwise(function: Callable[[Fraction], Fraction | int]) -> Callable[[Builder, int], int | None]:
    def simpler(b: Builder, x: int) -> int | None:
        value = b.rational_value(x)
        return None if value is None else b.rational(function(value))

    return simpler


def _fma(b: Builder, x: int, y: int, z: int) -> int:
    return b.add(b.mul(x, y), z)


def _log(b: Builder, x: int) -> int | None:
    if b.payloads[x] == "e":
        return b.rational(1)
    if b.ops[x] == "exp":
        return b.args[x][0]
    return _at({1: 0})(b, x)


def _sign_of(value: Fraction) -> int:
    return (value > 0) - (value < 0)


_PEEPHOLES: Final[dict[str, Callable[..., int | None]]] = {
    "sqrt": _root(2),
    "cbrt": _root(3),
    "exp": _at({0: 1}),
    "exp2": _at({0: 1, 1: 2}),
    "expm1": _at({0: 0}),
    "log": _log,
    "log2": _at({1: 0, 2: 1}),
    "log10": _at({1: 0, 10: 1}),
    "log1p": _at({0: 0}),
    "sin": _odd("sin"),
    "cos": _even("cos", {0: 1}),
    "tan": _odd("tan"),
    "asin": _odd("asin"),
    "acos": _at({1: 0}),
    "atan": _odd("atan"),
    "sinh": _odd("sinh"),
    "cosh": _even("cosh", {0: 1}),
    "tanh": _odd("tanh"),
    "sech2": _even("sech2", {0: 1}),
    "gauss": _even("gauss", {0: 1}),
    "asinh": _odd("asinh"),
    "acosh": _at({1: 0}),
    "atanh": _odd("atanh"),
    "erf": _odd("erf"),
    "erfc": _at({0: 1}),
    "abs": lambda b, x: _stepwise(abs)(b, x) if b.ops[x] != "neg" else b.call("abs", b.args[x][0]),
    "sign": _stepwise(_sign_of),
    "heaviside": _stepwise(lambda v: Fraction(_sign_of(v) + 1, 2)),
    "floor": _stepwise(lambda v: v.numerator // v.denominator),
    "ceil": _stepwise(lambda v: -(-v.numerator // v.denominator)),
    "trunc": _stepwise(int),
    "round": _stepwise(round),
    "fma": _fma,
    "polygamma": lambda b, n, x: b.call("digamma", x) if b.rational_value(n) == 0 else None,
}
