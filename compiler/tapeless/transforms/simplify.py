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
reuse               ``a*(b*c)`` where ``a*b`` is at hand         ``(a*b)*c``
known reciprocal    ``a/b`` where ``1/b`` is at hand             ``a*(1/b)``
merged reciprocal   three quotients by ``b`` or more             products by one ``1/b``
ordered products    ``(z*x)*y`` and ``x*(y*w)``                  ``(x*y)*z`` and ``(x*y)*w``
==================  ===========================================  =============================================

What is taken apart is used nowhere else, so no rewrite repeats work. Factors are taken out of sums, never
multiplied in; quotients ``a/b/c`` stay apart and products with a reciprocal in their order, for ``b*c`` may overflow
where the quotients do not. Nothing moves into or out of a choice. A round that does not lower the cost is dropped.

Source of the idea that gradients share factors of sums: Breuer, CACM 12 (1969) 333, "Generation of optimal code
for expressions via factorization".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Final

from tapeless.ir.constants import moderate_constants
from tapeless.ir.graph import Builder, Graph, is_moderate
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Program, compacted

_ROUNDS: Final = 6
_BEGINNING: Final = 8
"""Longer beginnings of products are not compared."""
_LARGE: Final = 20_000
_WORTHWHILE: Final = 0.05
"""Part of the cost that a round has to save for another to be tried on more nodes than `_LARGE`."""
_RECIPROCAL: Final = 3
"""Quotients by one divisor from which a reciprocal pays: it costs one operation more, and a rounding."""
_SUM: Final = frozenset(("add", "sub", "neg"))
_PRODUCT: Final = frozenset(("mul", "div"))

Factor = tuple[int, bool]
"""A node, and whether it divides."""


def simplify(program: Program) -> Program:
    """Return a program for the same function that costs at most as much.

    Parameters
    ----------
    program
        Any program.

    Returns
    -------
    Program
        With the same name, inputs, names and shapes of outputs.
    """
    program = compacted(program)
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

    def single(self, node: int) -> bool:
        """Whether exactly one operation uses `node`, and no output does."""
        return self.count[node] == 1 and self.user[node] >= 0

    def belongs(self, node: int, kinds: frozenset[str]) -> bool:
        """Whether `node` is an inner node of a tree of operations out of `kinds`."""
        return (
            self.graph.ops[node] in kinds and self.single(node) and self.graph.ops[self.user[node]] in kinds
        )

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


# ---- rebuilding


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
        Product -> the factors that are left of it, constants to be merged first.
    """

    sums: dict[int, list[tuple[Factor | None, list[tuple[bool, int]]]]] = field(default_factory=dict)
    turned: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    shapes: dict[int, tuple[str, int, int, int]] = field(default_factory=dict)
    quotients: set[int] = field(default_factory=set)
    products: dict[int, list[Factor]] = field(default_factory=dict)

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
    by: dict[int, list[int]] = {}
    known: set[int] = set()
    scaled: set[int] = set()
    looked: set[int] = set()
    flags: Builder | None = None
    for node, op in enumerate(ops):
        if op not in _PRODUCT:
            continue
        above, below = graph.args[node]
        if op == "div":
            number = graph.payloads[above]
            if type(number) is not Fraction:
                by.setdefault(below, []).append(node)
            elif number == 1:
                known.add(below)
        # Something may cancel where a quotient is a part, and merge where a second constant is.
        divides = op == "div" or ops[above] == "div" or ops[below] == "div"
        scales = above in constants or below in constants
        if not (divides or scales) or node in constants:
            continue
        product = node
        while uses.belongs(product, _PRODUCT):
            product = uses.user[product]
        if not divides:
            if product not in scaled:
                scaled.add(product)
                continue
        elif scales:
            scaled.add(product)
        if product in taken or product in looked:
            continue
        factors = uses.factors(product)
        flags = flags or Builder(graph)
        looked.add(product)
        left = _cancelled(flags, factors)
        coefficient = [factor for factor in left if factor[0] in constants]
        if len(left) < len(factors) or len(coefficient) > 1:
            plan.products[product] = coefficient + [factor for factor in left if factor[0] not in constants]
            taken.add(product)
    for divisor, nodes in by.items():
        if divisor in known or len(nodes) >= _RECIPROCAL:
            plan.quotients.update(node for node in nodes if node not in taken)


def _cancelled(flags: Builder, factors: Sequence[Factor]) -> list[Factor]:
    """Leave out what stands above and below, where it has at most isolated zeros.

    A quotient that stays at hand for others is opened where a part of it cancels: x/(q/p)/p is x/q.
    """
    left: list[Factor] = []
    places: dict[Factor, list[int]] = {}

    def cancels(node: int, divides: bool) -> bool:
        """Take the opposite of a factor out of `left`, if it is there."""
        found = places.get((node, not divides))
        while found:
            at = found.pop()
            if left[at] == (node, not divides) and flags.has_isolated_zeros(node):
                left[at] = _GONE
                return True
        return False

    for factor in factors:
        if not cancels(*factor):
            places.setdefault(factor, []).append(len(left))
            left.append(factor)
    for at, (node, divides) in enumerate(left):
        if node >= 0 and flags.ops[node] == "div":
            above, below = flags.args[node]
            if cancels(above, divides):
                left[at] = (below, not divides)
            elif cancels(below, not divides):
                left[at] = (above, divides)
    return [factor for factor in left if factor != _GONE]


_GONE: Final[Factor] = (-1, False)


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
                if found is not None and found not in (node, inner):
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
            made = _product(builder, [(new[n], divides) for n, divides in plan.products[node]])
        new.append(made)
    return _with_roots(program, builder, new)


def _copied(builder: Builder, graph: Graph, node: int, new: Sequence[int]) -> int:
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    moved = tuple([new[arg] for arg in args])
    if payload is None:
        for at, arg in zip(moved, args, strict=True):
            if builder.ops[at] != graph.ops[arg]:
                return builder.call(op, *moved)  # an identity may apply that did not before
    return builder.node(op, moved, payload)


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
            rest = uses.factors(node)
            rest.remove(factor)
            cofactor = _product(builder, [(new[n], divides) for n, divides in rest])
            cofactors.append(builder.neg(cofactor) if negative else cofactor)
        total, (common, divides) = builder.sum(cofactors), factor
        terms.append(builder.div(total, new[common]) if divides else builder.mul(new[common], total))
    return builder.sum(terms)


def _product(builder: Builder, factors: Sequence[Factor]) -> int:
    """Multiply and divide from left to right: the constants, the other factors, the other divisors."""
    constants = [factor for factor in factors if builder.is_constant(factor[0])]
    total = builder.product([node for node, divides in constants if not divides])
    for node, divides in constants:
        if divides:
            total = builder.div(total, node)
    rest = [(node, divides) for node, divides in factors if not builder.is_constant(node)]
    above = [node for node, divides in rest if not divides]
    total = builder.product([total, *above]) if constants else builder.product(above)
    for node, divides in rest:
        if divides:
            total = builder.div(total, node)
    return total


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
