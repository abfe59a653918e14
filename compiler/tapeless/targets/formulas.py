"""Program to sympy: formulas for people to read, and to go on computing with.

The formulas show what the program computes, so they are built without evaluation: sympy would cancel, expand
and distribute. What is done here is notation only: nested sums, products and choices become one, signs and
reciprocals stand where people write them, and arguments stand in sympy's own order.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import cmp_to_key
from itertools import product
from typing import Any, Final

import sympy
from sympy.core.operations import LatticeOp
from sympy.functions.elementary.piecewise import ExprCondPair

from tapeless.frontend.symbolic import class_of
from tapeless.frontend.vocabulary import PRIMITIVE_OF, unevaluated
from tapeless.ir.graph import Graph
from tapeless.ir.primitives import NAMELESS, OVER, Extern
from tapeless.ir.program import Input, Program

_NAMED: Final[dict[str, Any]] = {
    "pi": sympy.pi,
    "e": sympy.E,
    "inf": sympy.oo,
    "nan": sympy.nan,
    "euler_gamma": sympy.EulerGamma,
    "golden_ratio": sympy.GoldenRatio,
    "catalan": sympy.Catalan,
}
_CLASSES: Final[dict[str, Any]] = {
    **{op: kind for kind, op in PRIMITIVE_OF.items()},
    "heaviside": sympy.Heaviside,
    "lt": sympy.Lt,
    "le": sympy.Le,
    "eq": sympy.Eq,
    "ne": sympy.Ne,
    "and": sympy.And,
    "or": sympy.Or,
    "not": sympy.Not,
}
_TURNED: Final[dict[Any, Any]] = {sympy.Lt: sympy.Gt, sympy.Le: sympy.Ge}
"""What 0 < x is written as."""
_SUMS: Final = frozenset({"add", "sub", "neg"})
_PRODUCTS: Final = frozenset({"mul", "div", "neg"})
_TAKES: Final[dict[str, frozenset[str]]] = {
    "add": _SUMS,
    "sub": _SUMS,
    "mul": _PRODUCTS,
    "div": _PRODUCTS,
    "neg": _PRODUCTS,
    "select": frozenset({"select"}),
}
"""What is written together with its user."""
_FLAT: Final = 8
"""A shared sum or product of at most this many parts is opened within another; a longer one stays."""
_SORTED_SIZE: Final = 300
_SORTED_WIDTH: Final = 1000
"""Arguments are sorted up to this size, written out, and number: sympy's comparison recurses."""
_ORDER: Final = cmp_to_key(sympy.Basic.compare)
_sympy: Final[Any] = sympy  # which has no annotations


def formulas(program: Program) -> dict[str, Any]:
    """Return one sympy expression per output.

    Parameters
    ----------
    program
        The program. It may be large: what it shares, the expressions share.

    Returns
    -------
    dict
        Output name to expression (an `Array` of them where the output has a shape) in real symbols that are
        called as the inputs, `x[i]` for the elements of an input with a shape.
    """
    writer = _Writer(program)
    found: dict[str, Any] = {}
    for output in program.outputs:
        exprs = [writer.exprs[node] for node in output.nodes]
        found[output.name] = _sympy.Array(exprs, output.shape) if output.shape else exprs[0]
    return found


def symbols_of(item: Input) -> list[sympy.Symbol]:
    """Return the symbols that stand for the scalars of an input, in C order."""
    if not item.shape:
        return [_sympy.Symbol(item.name, real=True)]
    return [
        _sympy.Symbol(f"{item.name}[{', '.join(map(str, index))}]", real=True)
        for index in product(*map(range, item.shape))
    ]


class _Writer:
    """Writes the nodes of a program in topological order.

    A node with one user, and part of the same sum, product or choice, is not written by itself: its user
    takes it up.
    """

    def __init__(self, program: Program) -> None:
        self.graph: Graph = program.graph
        self.symbols = [symbol for item in program.inputs for symbol in symbols_of(item)]
        self.exprs: dict[int, Any] = {}
        self.sizes: dict[int, tuple[int, Any]] = {}  # by id(); the expression is kept, so that the id is
        live = self.graph.reachable(program.roots)
        taken = self._taken(live, set(program.roots))
        for node in live:
            if node not in taken:
                self.exprs[node] = self._write(node)

    def _taken(self, live: list[int], roots: set[int]) -> set[int]:
        """Find the nodes that their users take up."""
        ops, args = self.graph.ops, self.graph.args
        uses = Counter(arg for node in live for arg in args[node])
        taken: set[int] = set()
        for node in live:
            family = _TAKES.get(ops[node])
            if family is not None:
                inner = args[node][2:] if ops[node] == "select" else args[node]
                taken.update(arg for arg in inner if ops[arg] in family and uses[arg] == 1)
        return taken - roots

    def _write(self, node: int) -> Any:
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if op == "input":
            return self.symbols[payload]  # type: ignore[index]
        if isinstance(payload, Fraction):
            return sympy.Rational(payload.numerator, payload.denominator)
        if op == "named":
            return _NAMED[str(payload)]
        if op in ("true", "false"):
            return sympy.true if op == "true" else sympy.false
        if op in ("add", "sub"):
            return self._sum(node)
        if op in _PRODUCTS:
            return self._product(node)
        if op == "select":
            return self._choice(node)
        parts = [self.exprs[arg] for arg in args]
        if op == "pow":
            return self._make(sympy.Pow, parts)
        if op == "sqrt":
            return self._make(sympy.Pow, [parts[0], sympy.S.Half])
        if op in NAMELESS:
            return self._written_out(node, op, parts)
        kind = class_of(payload) if isinstance(payload, Extern) else _CLASSES[op]
        if issubclass(kind, LatticeOp):
            parts = self._sorted(parts)
        elif kind in _TURNED and self._is_number(args[0]):
            kind, parts = _TURNED[kind], parts[::-1]
        elif kind is sympy.Heaviside:
            parts.append(sympy.S.Half)
        return self._make(kind, parts)

    def _written_out(self, node: int, op: str, parts: list[Any]) -> Any:
        """Write a function that sympy has no name for as what it stands for."""
        if op in OVER:
            return self._over(op.removesuffix("_over"), parts[0], self._order(node))
        x = parts[0]
        if op == "gauss":
            return self._make(sympy.exp, [self._negated(self._square(x))])
        if op in ("sech2", "inv_cosh"):
            return self._make(
                sympy.Pow, [self._make(sympy.cosh, [x]), sympy.Integer(-2 if op == "sech2" else -1)]
            )
        if op == "log_cosh":
            return self._make(sympy.log, [self._make(sympy.cosh, [x])])
        if op == "versin":
            return self._less(sympy.S.One, self._make(sympy.cos, [x]))
        if op in ("bose", "bose1"):
            power = self._make(sympy.exp, [x])
            below = self._make(sympy.Add, [power, sympy.S.NegativeOne])
            inverse = self._make(sympy.Pow, [below, sympy.S.NegativeOne])
            return inverse if op == "bose" else self._make(sympy.Mul, [power, inverse])
        if op == "xlogx":
            return self._make(sympy.Mul, [x, self._make(sympy.log, [x])])
        if op == "xlog1px":
            more = self._make(sympy.Add, self._sorted([sympy.S.One, x]))
            return self._make(sympy.Mul, [more, self._make(sympy.log, [more])])
        if op == "powm1":
            return self._less(self._make(sympy.Pow, list(parts)), sympy.S.One)
        if op == "squares":
            return self._less(*(self._square(part) for part in parts))
        if op == "share":
            return self._quotient(x, self._make(sympy.Add, self._sorted(list(parts))))
        if op == "square_share":
            return self._quotient(self._square(x), self._less(*(self._square(part) for part in parts)))
        if op == "mean2":
            a, b, c, d = parts
            products = [self._make(sympy.Mul, [a, b]), self._make(sympy.Mul, [c, d])]
            total = self._make(sympy.Add, self._sorted(products))
            return self._quotient(total, self._make(sympy.Add, self._sorted([a, c])))
        if op == "quantum":
            power = self._make(sympy.exp, [self._quotient(*parts)])
            return self._quotient(x, self._less(power, sympy.S.One))
        if op == "exp_gap":
            above, below = parts
            whole = below.args[0] if isinstance(below, sympy.log) else self._make(sympy.exp, [below])
            return self._quotient(self._make(sympy.exp, [above]), whole)
        if op == "products":
            a, b, c, d = parts
            return self._less(self._make(sympy.Mul, [a, b]), self._make(sympy.Mul, [c, d]))
        if op in ("discriminant", "quadratic", "quadratic1"):
            a, b, c = parts
            fourfold = self._make(sympy.Mul, [sympy.Integer(4), a, c])
            root = self._make(sympy.Pow, [self._less(self._square(b), fourfold), sympy.S.Half])
            twice = self._make(sympy.Mul, [sympy.Integer(2), a])
            if op == "discriminant":
                return root
            found = self._quotient(self._less(root, b), twice)
            return found if op == "quadratic" else self._negated(self._quotient(found, root))
        if op == "einstein":
            half = self._make(sympy.Mul, [sympy.S.Half, x])
            return self._square(self._quotient(half, self._make(sympy.sinh, [half])))
        if op in ("norm2", "norm3"):
            total = self._make(sympy.Add, self._sorted([self._square(part) for part in parts]))
            return self._make(sympy.Pow, [total, sympy.S.Half])
        if op in ("logsumexp", "softmax"):
            powers = [self._make(sympy.exp, [part]) for part in parts]
            total = self._make(sympy.Add, self._sorted(powers))
            return self._make(sympy.log, [total]) if op == "logsumexp" else self._quotient(powers[0], total)
        power = self._make(sympy.exp, [self._negated(x) if op == "expit" else x])
        one_more = self._make(sympy.Add, self._sorted([sympy.S.One, power]))
        if op == "softplus":
            return self._make(sympy.log, [one_more])
        return self._make(sympy.Pow, [one_more, sympy.S.NegativeOne])

    def _order(self, node: int) -> int:
        order = self.graph.payloads[self.graph.args[node][1]]
        assert isinstance(order, Fraction)
        return int(order)

    def _over(self, name: str, x: Any, order: int) -> Any:
        """Write a derivative of f(x)/x by Leibniz' rule, each from the one before."""
        if name in ("expm1", "log1p"):
            one_more = self._make(sympy.Add, self._sorted([sympy.S.One, x]))
            inner = self._make(sympy.exp, [x]) if name == "expm1" else None
            value = self._less(inner, sympy.S.One) if inner is not None else self._make(sympy.log, [one_more])
        else:
            value = self._make(sympy.sin if name == "sin" else sympy.tanh, [x])
        found = self._quotient(value, x)
        symbol = sympy.Dummy()
        plain = {
            "sin": sympy.sin,
            "expm1": sympy.exp,
            "log1p": lambda t: sympy.log(1 + t),
            "tanh": sympy.tanh,
        }[name](symbol)
        for k in range(1, order + 1):
            slope = plain.diff(symbol, k).xreplace({symbol: x})
            found = self._quotient(self._less(slope, self._make(sympy.Mul, [sympy.Integer(k), found])), x)
        return found

    def _square(self, x: Any) -> Any:
        return self._make(sympy.Pow, [x, sympy.Integer(2)])

    def _less(self, x: Any, y: Any) -> Any:
        return self._make(sympy.Add, [x, self._negated(y)])

    def _quotient(self, x: Any, y: Any) -> Any:
        return self._make(sympy.Mul, [x, self._make(sympy.Pow, [y, sympy.S.NegativeOne])])

    def _make(self, kind: Any, parts: list[Any]) -> Any:
        """Build an expression as it stands, and note its size."""
        made = unevaluated(kind, *parts)
        self.sizes[id(made)] = (min(1 + sum(map(self._size, parts)), _SORTED_SIZE + 1), made)
        return made

    def _size(self, expr: Any) -> int:
        return self.sizes.get(id(expr), (1, None))[0]

    def _sorted(self, parts: list[Any]) -> list[Any]:
        if len(parts) > _SORTED_WIDTH or any(self._size(part) > _SORTED_SIZE for part in parts):
            return parts
        return sorted(parts, key=_ORDER)

    def _sum(self, root: int) -> Any:
        ops, args = self.graph.ops, self.graph.args
        constant = sympy.S.Zero
        terms: list[Any] = []
        stack = [(root, False)]
        while stack:
            node, negative = stack.pop()
            if node not in self.exprs and ops[node] in _SUMS:
                if ops[node] == "neg":
                    stack.append((args[node][0], not negative))
                else:
                    left, right = args[node]
                    stack.append((right, negative is (ops[node] == "add")))
                    stack.append((left, negative))
                continue
            expr = self.exprs[node] if node in self.exprs else self._product(node)
            opened = expr.args if isinstance(expr, sympy.Add) and len(expr.args) <= _FLAT else (expr,)
            for term in opened:
                if isinstance(term, sympy.Rational):
                    constant = constant - term if negative else constant + term
                else:
                    terms.append(self._negated(term) if negative else term)
        terms = self._sorted(terms)
        return self._make(sympy.Add, terms if constant == 0 else [constant, *terms])

    def _is_number(self, node: int) -> bool:
        return self.graph.ops[node] in ("rational", "named")

    def _negated(self, expr: Any) -> Any:
        if isinstance(expr, sympy.Rational):
            return -expr
        if isinstance(expr, sympy.Mul) and isinstance(expr.args[0], sympy.Rational):
            return self._scaled(-expr.args[0], list(expr.args[1:]))
        return self._scaled(sympy.S.NegativeOne, list(expr.args) if isinstance(expr, sympy.Mul) else [expr])

    def _scaled(self, coefficient: Any, factors: list[Any]) -> Any:
        return self._make(sympy.Mul, factors if coefficient == 1 else [coefficient, *factors])

    def _product(self, root: int) -> Any:
        ops, args = self.graph.ops, self.graph.args
        coefficient = sympy.S.One
        factors: list[Any] = []
        stack = [(root, False)]
        while stack:
            node, below = stack.pop()
            if node not in self.exprs and ops[node] in _PRODUCTS:
                if ops[node] == "neg":
                    coefficient = -coefficient
                    stack.append((args[node][0], below))
                else:
                    left, right = args[node]
                    stack.append((right, below is (ops[node] == "mul")))
                    stack.append((left, below))
                continue
            expr = self.exprs[node]
            opened = expr.args if isinstance(expr, sympy.Mul) and len(expr.args) <= _FLAT else (expr,)
            for factor in opened:
                if isinstance(factor, sympy.Rational) and not (below and factor == 0):
                    coefficient = coefficient / factor if below else coefficient * factor
                else:
                    factors.append(self._inverse(factor) if below else factor)
        factors = self._merged(factors)
        if coefficient == -1 and len(factors) == 1:
            if factors[0] is sympy.oo:
                return -sympy.oo
            if isinstance(factors[0], sympy.Add) and len(factors[0].args) <= _FLAT:
                return self._make(sympy.Add, self._sorted([self._negated(term) for term in factors[0].args]))
        return self._scaled(coefficient, self._sorted(factors))

    def _merged(self, factors: list[Any]) -> list[Any]:
        """Write x*x**2 as x**3; never across the bar, for x/x has a hole at 0."""
        merged: list[Any] = []
        places: dict[tuple[int, bool], int] = {}
        for factor in factors:
            base, exponent = _base_and_exponent(factor)
            place = len(merged)
            if isinstance(exponent, sympy.Integer):
                place = places.setdefault((id(base), bool(exponent > 0)), place)
            if place == len(merged):
                merged.append(factor)
            else:
                total = _base_and_exponent(merged[place])[1] + exponent
                merged[place] = self._make(sympy.Pow, [base, total])
        return merged

    def _inverse(self, expr: Any) -> Any:
        base, exponent = _base_and_exponent(expr)
        if not isinstance(exponent, sympy.Rational):
            base, exponent = expr, sympy.S.One
        return base if exponent == -1 else self._make(sympy.Pow, [base, -exponent])

    def _choice(self, root: int) -> Any:
        """A chain of choices is one Piecewise; NaN in the end is what a Piecewise is elsewhere."""
        graph = self.graph
        pairs = []
        node = root
        while node not in self.exprs:
            condition, value, node = graph.args[node]
            pairs.append(self._make(ExprCondPair, [self.exprs[value], self.exprs[condition]]))
        if self.exprs[node] is not sympy.nan:
            pairs.append(self._make(ExprCondPair, [self.exprs[node], sympy.true]))
        return self._make(sympy.Piecewise, pairs)


def _base_and_exponent(expr: Any) -> tuple[Any, Any]:
    return expr.args if isinstance(expr, sympy.Pow) else (expr, sympy.S.One)
