"""Fewer operations for the same function: Program -> Program, in rounds, as long as the cost falls.

The builder applies what holds for one node at a time. This pass looks at how results are used, which only a
finished graph tells. Its rewrites, each an identity over the reals:

==================  ===========================================  =============================================
name                from                                         to
==================  ===========================================  =============================================
common factor       ``p*q + p*r + s``                            ``p*(q + r) + s``
common divisor      ``q/p - r/p``                                ``(q - r)/p``
sign                ``-(a - b)``, ``-(p*(a - b))``               ``b - a``, ``p*(b - a)``
cancelled divisor  ``(p*q)/p``, ``p*(q/p)``                     ``q``
divided quotient    ``x/(q/p)/p`` where ``q/p`` stays at hand     ``x/q``
merged constants    ``(2*x)*(sqrt(3)*y)``, deeper down as well   ``(2*sqrt(3))*x*y``
constant divisor    ``x/sqrt(3)``, not ``x/3``: 3 is exact       ``x*(1/sqrt(3))``
reuse               ``a*(b*c)`` where ``a*b`` is at hand         ``(a*b)*c``
known reciprocal    ``a/b`` where ``1/b`` is at hand             ``a*(1/b)``
merged reciprocal   two quotients by ``b`` or more               products by one ``1/b``
ordered products    ``(z*x)*y`` and ``x*(y*w)``                  ``(x*y)*z`` and ``(x*y)*w``
==================  ===========================================  =============================================

What is taken apart is used nowhere else, so no rewrite repeats work. Factors are taken out of sums, never
multiplied in; what is left of a product keeps its order, quotients ``a/b/c`` stay apart, and products with a
reciprocal are not ordered anew, for ``b*c`` may overflow where the quotients do not. Nothing moves into or out of a
choice. A round that does not lower the cost is dropped.

Source of the idea that gradients share factors of sums: Breuer, CACM 12 (1969) 333, "Generation of optimal code
for expressions via factorization".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

from tapeless.ir.constants import moderate_constants
from tapeless.ir.graph import Builder, Graph, is_moderate
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Program, compacted
from tapeless.transforms.assumed import assumed
from tapeless.transforms.ranges import Assumed
from tapeless.transforms.stable import stable

_ROUNDS: Final = 6
_BEGINNING: Final = 8
"""Longer beginnings of products are not compared."""
_LARGE: Final = 20_000
_WORTHWHILE: Final = 0.05
"""Part of the cost that a round has to save for another to be tried on more nodes than `_LARGE`."""
_RECIPROCAL: Final = 2
"""Quotients by one divisor from which a reciprocal pays: it costs one operation more, and a rounding. A division of
vectors takes the time of ten multiplications or more."""
_SUM: Final = frozenset(("add", "sub", "neg"))
_PRODUCT: Final = frozenset(("mul", "div"))

Factor = tuple[int, bool]
"""A node, and whether it divides."""


def simplify(program: Program, assume: Assumed = (), *, join: bool = True) -> Program:
    """Return a program for the same function that costs at most as much.

    Parameters
    ----------
    program
        Any program.
    assume
        (name, (low, high)) of inputs, the ends included: only there it is the same function.
    join
        Whether logarithms, roots and powers may be joined where the ranges allow it. Apart they are simpler to
        differentiate.

    Returns
    -------
    Program
        With the same name, inputs, names and shapes of outputs.
    """
    return cheaper(_within_ranges(stable(compacted(program)), assume, join))


def _within_ranges(program: Program, assume: Assumed, join: bool) -> Program:
    """Use what is assumed of the inputs: what it decides may lay a stable form bare, and the other way round."""
    for _ in range(_ROUNDS if assume else 0):
        narrowed = assumed(program, assume, join=join)
        if narrowed is program:
            break
        program = stable(narrowed)
    return program


def cheaper(program: Program) -> Program:
    """Return a program for the same function that costs at most as much, by the rewrites above alone."""
    best = cost(program.graph)
    for round_ in (_local, _ordered):
        for _ in range(_ROUNDS):
            candidate = round_(program)
            if candidate is None:
                break
            price = cost(candidate.graph)
            if price >= best:
                break
            saved = 1 - price / best
            program, best = candidate, price
            if len(program.graph) > _LARGE and saved < _WORTHWHILE:
                break
    return program


def cost(graph: Graph) -> float:
    """Return the rough time of evaluating all nodes of a graph, in units of one addition.

    A power with a small whole exponent costs its products; constants cost nothing, for they are computed once.
    """
    total = 0.0
    constant = graph.constants()
    for op, count in Counter(graph.ops).items():
        if op not in _BY_ARGUMENTS:
            total += _COSTS[op] * count
    for node, op in enumerate(graph.ops):
        if constant[node]:
            total -= 0.0 if op in _BY_ARGUMENTS else _COSTS[op]
        elif op in _BY_ARGUMENTS:
            args = graph.args[node]
            if op == "pow":
                power = graph.payloads[args[1]]
                if isinstance(power, Fraction):
                    total += _cost_of_power(power.numerator, power.denominator)
                else:
                    total += _COSTS["pow"]
            else:
                total += _PAIR[op] * (len(args) - 1)
    return total


_BY_ARGUMENTS: Final = frozenset(("pow", "max", "min", "and", "or"))
_PAIR: Final = {"max": 4.0, "min": 4.0, "and": 0.5, "or": 0.5}
_COSTS: Final = {name: row.cost for name, row in PRIMITIVES.items()}


@cache
def _cost_of_power(numerator: int, denominator: int) -> float:
    if denominator in (1, 2) and abs(numerator) <= 64 * denominator:
        whole = abs(numerator) // denominator
        products = max(whole.bit_length() - 1 + whole.bit_count() - 1, 0)
        half = _COSTS["sqrt"] + (whole > 0) if denominator == 2 else 0.0
        return products + half + (_COSTS["div"] if numerator < 0 else 0.0)
    return _COSTS["pow"]


# ---- how nodes are used


@dataclass(slots=True)
class _Uses:
    """Who uses what in a graph.

    Attributes
    ----------
    graph
        The graph.
    count
        Number of uses of each node, outputs included.
    user
        One user of each node, -1 for an output or none; the only one where the count is 1.
    constant
        Whether no input reaches a node: a constant is never taken apart.
    """

    graph: Graph
    count: list[int]
    user: list[int]
    constant: bytearray
    _builder: Builder | None = None

    @classmethod
    def of(cls, program: Program) -> _Uses:
        graph = program.graph
        count, user = [0] * len(graph), [-1] * len(graph)
        for node, args in enumerate(graph.args):
            for arg in args:
                count[arg] += 1
                user[arg] = node
        for root in program.roots:
            count[root] += 1
            user[root] = -1
        return cls(graph, count, user, graph.constants())

    def has_isolated_zeros(self, node: int) -> bool:
        """Whether `node` is plainly a number everywhere, and zero at most on a set without interior."""
        if self._builder is None:
            self._builder = Builder(self.graph)
        return self._builder.has_isolated_zeros(node)

    def single(self, node: int) -> bool:
        """Whether exactly one operation uses `node`, and no output does."""
        return self.count[node] == 1 and self.user[node] >= 0

    def belongs(self, node: int, kinds: frozenset[str]) -> bool:
        """Whether `node` is an inner node of a tree of operations out of `kinds`."""
        return (
            self.graph.ops[node] in kinds and self.single(node) and self.graph.ops[self.user[node]] in kinds
        )

    def tops(self, kinds: frozenset[str]) -> list[int]:
        """Return for each node the end of the tree of operations out of `kinds` that it belongs to, or itself."""
        found = list(range(len(self.graph)))
        for node in range(len(found) - 1, -1, -1):
            if self.belongs(node, kinds):
                found[node] = found[self.user[node]]
        return found

    def terms(self, root: int) -> list[tuple[bool, int]]:
        """Return (negative, node) of the terms of the sum that ends at `root`, in order."""
        ops, args = self.graph.ops, self.graph.args
        found, stack = [], [(False, root)]
        while stack:
            negative, node = stack.pop()
            op = ops[node]
            if op in _SUM and (node == root or self.single(node)):
                if op == "neg":
                    stack.append((not negative, args[node][0]))
                else:
                    stack.append((negative != (op == "sub"), args[node][1]))
                    stack.append((negative, args[node][0]))
            else:
                found.append((negative, node))
        return found

    def factors(self, root: int) -> list[Factor]:
        """Return the factors and divisors of the product that ends at `root`, in order."""
        ops, args = self.graph.ops, self.graph.args
        constant = self.constant
        found: list[Factor] = []
        stack = [root]
        while stack:
            node = stack.pop()
            op = ops[node]
            if constant[node]:
                found.append((node, False))
            elif op == "div" and (node == root or self.single(node)):
                found.append((args[node][1], True))
                stack.append(args[node][0])
            elif op == "mul" and (node == root or self.single(node)):
                stack += reversed(args[node])
            else:
                found.append((node, False))
        return found

    def inner(self, root: int) -> list[int]:
        """Return the products and quotients that `factors` opens, those that use others after them."""
        ops, args = self.graph.ops, self.graph.args
        found, stack = [], [root]
        while stack:
            node = stack.pop()
            if ops[node] in _PRODUCT and not self.constant[node] and (node == root or self.single(node)):
                found.append(node)
                stack += args[node] if ops[node] == "mul" else args[node][:1]
        return found[::-1]


# ---- rebuilding


class _Change(NamedTuple):
    """What happens to a product.

    Attributes
    ----------
    gone
        Factors and divisors that leave it, each as often as it stands here.
    constants
        Those of them that come back merged, in front of what is left.
    swapped
        Quotients that are opened, each with what is left of it.
    """

    gone: Sequence[Factor]
    constants: Sequence[Factor] = ()
    swapped: Sequence[tuple[Factor, Factor]] = ()


@dataclass(slots=True)
class _Plan:
    """What to do at which node; at all others the graph is copied.

    Attributes
    ----------
    sums
        Node -> its terms in groups by a common factor, None for the terms that have none.
    turned
        Differences that change sign, for the `neg` above them goes.
    dropped
        `neg` nodes that go.
    shapes
        Node -> three factors a, b, c to be joined as (a*b)*c.
    quotients
        Divisions that become products by a reciprocal.
    products
        Products that lose factors.
    """

    sums: dict[int, list[tuple[Factor | None, list[tuple[bool, int]]]]] = field(default_factory=dict)
    turned: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    shapes: dict[int, tuple[str, int, int, int]] = field(default_factory=dict)
    quotients: set[int] = field(default_factory=set)
    products: dict[int, _Change] = field(default_factory=dict)

    def nodes(self) -> set[int]:
        """Return the nodes at which there is something to do."""
        return {*self.sums, *self.turned, *self.dropped, *self.shapes, *self.quotients, *self.products}


def _local(program: Program) -> Program | None:
    """Apply every rewrite but the ordering of products once; None where there is nothing to do."""
    uses = _Uses.of(program)
    plan = _Plan()
    taken: set[int] = set()  # nodes that another rewrite takes apart in this round
    _plan_sums(uses, plan, taken)
    _plan_signs(uses, plan, taken)
    _plan_quotients(uses, plan, taken)
    _plan_reuse(uses, plan, taken)
    return _rebuilt(program, uses, plan) if plan.nodes() else None


def _plan_sums(uses: _Uses, plan: _Plan, taken: set[int]) -> None:
    """Find the sums whose terms have a factor or divisor in common."""
    graph = uses.graph
    for root, op in enumerate(graph.ops):
        if op not in ("add", "sub") or uses.belongs(root, _SUM):
            continue
        terms = uses.terms(root)
        products = [
            k for k, (_, node) in enumerate(terms) if graph.ops[node] in _PRODUCT and uses.single(node)
        ]
        if len(products) < 2:
            continue
        groups = _grouped(uses, terms, products)
        if groups is not None:
            plan.sums[root] = groups
            taken.add(root)
            taken.update(node for factor, members in groups if factor is not None for _, node in members)


def _grouped(
    uses: _Uses, terms: Sequence[tuple[bool, int]], products: Sequence[int]
) -> list[tuple[Factor | None, list[tuple[bool, int]]]] | None:
    """Group terms by common factors, the most common first; None where there is none."""
    factors = {k: dict.fromkeys(uses.factors(terms[k][1])) for k in products}
    counts = Counter(factor for found in factors.values() for factor in found)
    holders: dict[Factor, list[int]] = {}
    for k, found in factors.items():
        for factor in found:
            if counts[factor] > 1:
                holders.setdefault(factor, []).append(k)
    if not holders:
        return None
    group_of: dict[int, Factor] = {}
    for factor in sorted(holders, key=lambda f: -counts[f]):
        free = [k for k in holders[factor] if k not in group_of]
        if len(free) > 1:
            group_of.update(dict.fromkeys(free, factor))
    groups: dict[Factor | int, list[tuple[bool, int]]] = {}
    for k, term in enumerate(terms):
        groups.setdefault(group_of.get(k, k), []).append(term)
    return [(key if isinstance(key, tuple) else None, members) for key, members in groups.items()]


def _plan_signs(uses: _Uses, plan: _Plan, taken: set[int]) -> None:
    """Find negations that a difference below them can take in."""
    graph = uses.graph
    for node, op in enumerate(graph.ops):
        if op != "neg" or uses.belongs(node, _SUM):
            continue
        stack = [graph.args[node][0]]
        while stack:
            inner = stack.pop()
            if not uses.single(inner) or inner in taken:
                continue
            if graph.ops[inner] == "sub":
                plan.turned.add(inner)
                plan.dropped.add(node)
                break
            if graph.ops[inner] == "mul":
                stack += graph.args[inner]
            elif graph.ops[inner] == "div":
                stack.append(graph.args[inner][0])


def _plan_quotients(uses: _Uses, plan: _Plan, taken: set[int]) -> None:
    """Find divisors that cancel, constants of one product, and divisors worth a reciprocal."""
    graph = uses.graph
    ops = graph.ops
    constants = moderate_constants(graph)
    tops = uses.tops(_PRODUCT)
    by: dict[int, list[int]] = {}
    known: set[int] = set()
    scaled: set[int] = set()
    opened: dict[int, None] = {}
    for node, op in enumerate(ops):
        if op not in _PRODUCT or uses.constant[node]:
            continue
        above, below = graph.args[node]
        if op == "div":
            number = graph.payloads[above]
            if type(number) is not Fraction:
                by.setdefault(below, []).append(node)
            elif number == 1:
                known.add(below)
        # Something may cancel where a quotient is a part, and merge where a second constant is.
        product = tops[node]
        if op == "div" or ops[above] == "div" or ops[below] == "div":
            opened[product] = None
        if above in constants or below in constants:
            if product in scaled:
                opened[product] = None
            scaled.add(product)
    for product in opened:
        if product not in taken:
            change = _cancelled(uses, uses.factors(product), constants)
            if change.gone:
                plan.products[product] = change
                taken.add(product)
    for divisor, nodes in by.items():
        free = [node for node in nodes if node not in taken]
        if divisor in known or len(free) >= _RECIPROCAL:
            plan.quotients.update(free)


def _cancelled(uses: _Uses, factors: Sequence[Factor], constants: Set[int]) -> _Change:
    """Return how a product gets shorter.

    What stands above and below goes, where it has at most isolated zeros; a quotient that stays at hand for others is
    opened where a part of it cancels: x/(q/p)/p is x/q. Several constants become one; one that divides and is rounded
    becomes a factor.
    """
    left = Counter(factors)
    gone: list[Factor] = []
    swapped: dict[Factor, Factor] = {}

    def cancels(node: int, divides: bool) -> bool:
        """Take a factor out, if it is there."""
        if left[node, divides] <= 0 or not uses.has_isolated_zeros(node):
            return False
        left[node, divides] -= 1
        gone.append((node, divides))
        return True

    for node, divides in factors:
        if not divides and left[node, False] > 0 and cancels(node, True):
            cancels(node, False)
    for node, divides in factors:
        if uses.graph.ops[node] == "div" and left[node, divides] > 0 and (node, divides) not in swapped:
            above, below = uses.graph.args[node]
            rest = None
            if cancels(above, not divides):
                rest = below, not divides
            elif cancels(below, divides):
                rest = above, divides
            if rest is not None:
                left[node, divides] -= 1
                swapped[node, divides] = rest
    merged = [factor for factor in left.elements() if factor[0] in constants]
    if len(merged) == 1 and not (merged[0][1] and _is_rounded(uses.graph, merged[0][0])):
        merged = []
    return _Change([*gone, *merged], merged, tuple(swapped.items()))


def _is_rounded(graph: Graph, constant: int) -> bool:
    """Whether a constant is no binary fraction: then to divide by it is no more exact than to multiply."""
    value = graph.payloads[constant]
    return not isinstance(value, Fraction) or value.denominator & (value.denominator - 1) != 0


def _plan_reuse(uses: _Uses, plan: _Plan, taken: set[int]) -> None:
    """Find a*(b*c) where a*b is computed anyway, and the same for sums."""
    graph = uses.graph
    index = {}
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if op in ("mul", "add"):
            a, b = args
            index[op, a, b] = index[op, b, a] = node
        elif op == "pow" and graph.payloads[args[1]] == 2:
            index["mul", args[0], args[0]] = node
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if op not in ("mul", "add") or node in taken:
            continue
        for outer, inner in (args, args[::-1]):
            if graph.ops[inner] != op or not uses.single(inner) or inner in taken:
                continue
            b, c = graph.args[inner]
            for near, far in ((b, c), (c, b)):
                found = index.get((op, outer, near))
                if found is None or found in (node, inner):
                    continue
                if op == "add" or _may_move(graph, [(far, False)]):  # `far` may keep the rest in range
                    plan.shapes[node] = (op, outer, near, far)
                    taken.update((node, inner, found))
                    break
            else:
                continue
            break


def _rebuilt(program: Program, uses: _Uses, plan: _Plan) -> Program:
    """Copy a program with the rewrites of a plan."""
    graph, builder = program.graph, Builder()
    new: list[int] = []
    one = builder.rational(1)
    touched = plan.nodes()
    for node, args in enumerate(graph.args):
        if node not in touched:
            made = _copied(builder, graph, node, new)
        elif node in plan.sums:
            made = _factored(builder, uses, plan.sums[node], new)
        elif node in plan.turned:
            made = builder.sub(new[args[1]], new[args[0]])
        elif node in plan.dropped:
            made = new[args[0]]
        elif node in plan.shapes:
            kind, a, b, c = plan.shapes[node]
            made = builder.call(kind, builder.call(kind, new[a], new[b]), new[c])
        elif node in plan.quotients:
            made = builder.mul(new[args[0]], builder.div(one, new[args[1]]))
        else:
            made = _changed(builder, uses, node, plan.products[node], new)
        new.append(made)
    return _with_roots(program, builder, new)


def _copied(builder: Builder, graph: Graph, node: int, new: Sequence[int]) -> int:
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    if payload is not None:
        return builder.node(op, tuple([new[arg] for arg in args]), payload)
    before, now = graph.ops, builder.ops
    if len(args) == 2:  # most nodes: written out
        a, b = args
        x, y = new[a], new[b]
        same = now[x] == before[a] and now[y] == before[b]
        return builder.node(op, (x, y)) if same else builder.call(op, x, y)
    moved = tuple([new[arg] for arg in args])
    same = all(now[at] == before[arg] for at, arg in zip(moved, args, strict=True))
    return builder.node(op, moved) if same else builder.call(op, *moved)  # an identity may apply now


def _with_roots(program: Program, builder: Builder, new: Sequence[int]) -> Program:
    outputs = tuple(replace(o, nodes=tuple([new[node] for node in o.nodes])) for o in program.outputs)
    return compacted(replace(program, outputs=outputs, graph=builder.freeze()))


def _factored(
    builder: Builder,
    uses: _Uses,
    groups: Sequence[tuple[Factor | None, Sequence[tuple[bool, int]]]],
    new: Sequence[int],
) -> int:
    """Build a sum of groups, the common factor of each group outside."""
    terms = []
    for factor, members in groups:
        if factor is None:
            [(negative, node)] = members
            terms.append(builder.neg(new[node]) if negative else new[node])
            continue
        cofactors = []
        for negative, node in members:
            cofactor = _changed(builder, uses, node, _Change([factor]), new)
            cofactors.append(builder.neg(cofactor) if negative else cofactor)
        total, (common, divides) = builder.sum(cofactors), factor
        terms.append(builder.div(total, new[common]) if divides else builder.mul(new[common], total))
    return builder.sum(terms)


def _changed(builder: Builder, uses: _Uses, root: int, change: _Change, new: Sequence[int]) -> int:
    """Copy the product that ends at `root` without what leaves it; the rest keeps its order."""
    graph = uses.graph
    gone, swapped = Counter(change.gone), dict(change.swapped)
    front = [_coefficient(builder, change.constants, new)] if change.constants else []
    # What is left of each part, None for nothing, and what divides it still: that divides the next that is left.
    parts: dict[int, tuple[int | None, list[int]]] = {}

    def leaf(node: int, divides: bool) -> tuple[int | None, list[int]]:
        if gone[node, divides]:
            gone[node, divides] -= 1
            return None, []
        node, divides = swapped.pop((node, divides), (node, divides))
        if divides:
            return None, [new[node]]
        return (builder.mul(front.pop(), new[node]) if front else new[node]), []

    for node in uses.inner(root):
        first, second = graph.args[node]
        above, below = parts.pop(first) if first in parts else leaf(first, False)
        if graph.ops[node] == "div":
            other, more = leaf(second, True)
        else:
            other, more = parts.pop(second) if second in parts else leaf(second, False)
        below = below + more
        above = other if above is None else above if other is None else builder.mul(above, other)
        if above is not None:
            above, below = _divided(builder, above, below), []
        parts[node] = above, below
    above, below = parts[root]
    if above is None:
        above = front.pop() if front else builder.rational(1)
    elif front:
        above = builder.mul(front.pop(), above)
    return _divided(builder, above, below)


def _coefficient(builder: Builder, constants: Sequence[Factor], new: Sequence[int]) -> int:
    above = builder.product([new[node] for node, divides in constants if not divides])
    return _divided(builder, above, [new[node] for node, divides in constants if divides])


def _divided(builder: Builder, above: int, below: Sequence[int]) -> int:
    for divisor in below:
        above = builder.div(above, divisor)
    return above


# ---- products in one order


def _may_move(graph: Graph, factors: Sequence[Factor]) -> bool:
    """Whether a product may be taken in another order: quotients often stand so that nothing overflows."""
    for node, divides in factors:
        exponent = graph.payloads[graph.args[node][1]] if graph.ops[node] == "pow" else None
        if divides or graph.ops[node] == "div" or (isinstance(exponent, Fraction) and exponent < 0):
            return False
        if graph.ops[node] == "rational" and not is_moderate(graph.payloads[node]):
            return False
    return True


def _ordered(program: Program) -> Program | None:
    """Multiply long products in one order everywhere, so that equal beginnings are shared."""
    uses = _Uses.of(program)
    graph = uses.graph
    long: dict[int, list[int]] = {}
    for node, op in enumerate(graph.ops):
        if op == "mul" and not uses.belongs(node, _PRODUCT):
            found = uses.factors(node)
            if len(found) > 2 and len(set(found)) == len(found) and _may_move(graph, found):
                long[node] = [factor for factor, _ in found]
    popular = Counter(factor for factors in long.values() for factor in factors)
    beginnings: set[tuple[int, ...]] = set()
    now = 0
    for factors in long.values():
        factors.sort(key=lambda factor: (-popular[factor], factor))  # what few products have comes last
        now += len(factors) - 1
        beginnings.update(tuple(factors[:k]) for k in range(2, min(len(factors), _BEGINNING) + 1))
        now -= max(len(factors) - _BEGINNING, 0)
    if len(beginnings) >= now:
        return None
    builder = Builder()
    new: list[int] = []
    for node in range(len(graph)):
        if node in long:
            total = new[long[node][0]]
            for factor in long[node][1:]:
                total = builder.mul(total, new[factor])
            new.append(total)
        else:
            new.append(_copied(builder, graph, node, new))
    return _with_roots(program, builder, new)
