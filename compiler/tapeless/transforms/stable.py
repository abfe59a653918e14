"""Forms that overflow or lose digits as they are written: recognised, and computed by a primitive that does neither.

=============================================  ==================  ==================================================
as written                                     as computed         what is gained
=============================================  ==================  ==================================================
``1 + erf(u)``, ``1 - erf(u)``                 ``erfc(-u)``, ...   every digit of the tail, where 1 and erf cancel
``a/(1 + exp(u))``, ``1 - expit(u)``           ``a*expit(-u)``     no infinity over infinity, here or in a slope
``log(1 + exp(u))``, ``log1p(exp(u))``         ``softplus(u)``     finite for large u, all digits for small ones
``exp(-u**2)``                                 ``gauss(u)``        the rounding of u**2, which exp magnifies
``a/cosh(u)**2``, ``1 - tanh(u)**2``           ``a*sech2(u)``      no overflow, no cancellation
``a/cosh(u)``, ``sinh(u)/cosh(u)``             ``a*inv_cosh(u)``   slopes without infinity times zero
``log(cosh(u))``, ``log1p(2*sinh(u/2)**2)``    ``log_cosh(u)``     no overflow, all digits near 0
``1 + tanh(u)``, ``1 - tanh(u)``               ``2*expit(2*u)``    every digit of the tail
``exp(u) - 1``, ``1.5**u - 1``                 ``expm1(u)``, ...   all digits near 0
``log(1 + u)``                                 ``log1p(u)``        all digits near 0
``a/(exp(u) - 1)``                             ``a*bose(u)``       slopes without infinity times zero
``1 - cos(u)``                                 ``versin(u)``       all digits near 0
``log(exp(u) + exp(v) + ...)``                 ``logsumexp(...)``  no overflow; 1 counts as exp(0)
``a*exp(u)/(exp(u) + exp(v) + ...)``           ``a*softmax(...)``  no infinity over infinity, here or in a slope
``log`` of it, ``log(exp(u)/exp(v))``          ``u - log(...)``    finite where the quotient underflows
``exp(u)/(exp(u) + exp(v))``                   ``expit(u - v)``    no infinity over infinity
``a*exp(u)/exp(v)``                            ``a*exp_gap(u, v)`` no infinity over infinity; u - v is not rounded
``a/(exp(u) + exp(-u))``                       ``inv_cosh(u)``     slopes without infinity times zero
``u/(u + v)``                                  ``share(u, v)``     1 - u/(u + v) in the slope cancels: see shares.py
``u**2/(u**2 - v**2)``, powers of it           ``square_share``    the same
``(u*x + v*y)/(u + v)``                        ``mean2``           x - y in its slopes, not x less the mean
``u/(exp(u/v) - 1)``                           ``quantum(u, v)``   its limit at u = 0, and no difference in its slopes
``(sqrt(v**2 - 4*u*w) - v)/(2*u)``             ``quadratic``       both roots where one is small, and their slopes:
``sqrt(u**2 - t) - u``, ``u + sqrt(...)``                          see quadratic.py
``sqrt(u**2 + v**2)``, of three                ``norm2(u, v)``     no overflow, the slope at the origin
``u*log(u)``                                   ``xlogx(u)``        its limit at 0
``sin(u)/u``, ``(1 - cos(u))/u**2``, ...       ``sin_over(u, 0)``  its limit at 0, slopes near 0: see removable.py
``sin(n*u)/sin(u)``                            the same of both    likewise
``u**2 - v**2``                                ``squares(u, v)``   all digits where u and v are near: see
``sqrt(u + 1) - sqrt(u)``, ...                                     differences.py
=============================================  ==================  ==================================================

They are the same functions over the reals, on the same domain, so a derivative may start from either; the rules of
the primitives keep what was gained for all orders. Sources: the table of primitives.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

from tapeless.ir.graph import Builder, Graph
from tapeless.ir.program import Program, compacted
from tapeless.ir.rules import share_of_exponentials
from tapeless.transforms.differences import of_neighbours, of_squares
from tapeless.transforms.factors import factors
from tapeless.transforms.quadratic import less_its_root, root_over, with_its_root
from tapeless.transforms.removable import at_its_point, over_argument
from tapeless.transforms.shares import mean_of_two, part_of_squares, part_of_sum


def stable(program: Program) -> Program:
    """Return a program for the same function without the forms in the table above.

    Parameters
    ----------
    program
        Any program. One that has none of the forms comes back as it is.

    Returns
    -------
    Program
        With the same name, inputs, names and shapes of outputs.
    """
    graph = program.graph
    if not (_FUNCTIONS.intersection(graph.ops) and _has_a_form(program)):
        return program
    builder = Builder()
    new: list[int] = []
    changed = False
    for op, args, payload in zip(graph.ops, graph.args, graph.payloads, strict=True):
        moved = tuple([new[arg] for arg in args])
        made = _recognised(builder, op, moved) if payload is None else None
        if made is not None:
            changed = True
        elif any(builder.ops[at] != graph.ops[arg] for at, arg in zip(moved, args, strict=True)):
            # An identity may apply that did not before.
            made = builder.node(op, moved, payload) if payload is not None else builder.call(op, *moved)
        else:
            made = builder.node(op, moved, payload)
        new.append(made)
    if not changed:
        return program
    outputs = tuple(replace(o, nodes=tuple([new[node] for node in o.nodes])) for o in program.outputs)
    return compacted(replace(program, outputs=outputs, graph=builder.freeze()))


def _has_a_form(program: Program) -> bool:
    """Whether anything would be replaced: cheaper to see than to make the graph anew, and mostly not so."""
    graph = program.graph
    present = set(graph.ops)
    heads = frozenset(
        op for op, functions in _HEADS.items() if not functions or not present.isdisjoint(functions)
    )
    places = [
        node for node, op in enumerate(graph.ops) if op in heads and _may_end_a_form(graph, node, present)
    ]
    if not places:
        return False
    builder = Builder(graph)
    return any(_recognised(builder, graph.ops[node], graph.args[node]) is not None for node in places)


def _may_end_a_form(graph: Graph, node: int, present: set[str]) -> bool:
    """Whether the operation and those of its arguments allow a form to end here; quick, for there are many."""
    op, args = graph.ops[node], graph.args[node]
    if op == "sub":
        sides = {graph.ops[arg] for arg in args}
        if any(sides <= pair for pair in _COMPARED):
            return True
        if "sqrt" in sides:
            return True
        return "rational" in sides and not present.isdisjoint(_NEAR_A_NUMBER)
    if op == "add":
        sides = {graph.ops[arg] for arg in args}
        return "sqrt" in sides or ("rational" in sides and not present.isdisjoint(("erf", "tanh")))
    if op == "div":
        return graph.ops[args[1]] in ("add", "sub") or not present.isdisjoint(_CURVED)
    if op == "pow":
        exponent = graph.payloads[args[1]]
        half = isinstance(exponent, Fraction) and exponent.denominator == 2
        return half or not present.isdisjoint(("exp", "cosh"))
    return True


_HEADS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("exp", "log", "log1p", "sub", "div", "sqrt", "pow", "select"), ()),
    "add": ("erf", "tanh", "sqrt"),
    "mul": ("log", "log1p"),
}
"""What a form may end in -> functions of which one is in it; empty where there are others."""
_COMPARED = tuple(
    map(frozenset, (("pow", "rational"), ("sqrt",), ("div",), ("log", "log1p")))  # squares; neighbours
)
"""A difference of two of one set may be a form."""
_NEAR_A_NUMBER = ("erf", "expit", "tanh", "cos", "exp", "exp2")
"""A difference of one of these and a number may be a form."""
_CURVED = frozenset(
    "exp expm1 log log1p sin cos tan sinh cosh tanh asin atan asinh atanh erf expit sqrt".split()
)
_FUNCTIONS = frozenset(
    (
        "exp",
        "erf",
        "cosh",
        "sinh",
        "tanh",
        "expit",
        "log",
        "cos",
        "sin",
        "expm1",
        "log1p",
        "sqrt",
        "pow",
        "div",
    )
)
"""A form has one of these at least."""


def _recognised(b: Builder, op: str, args: tuple[int, ...]) -> int | None:
    """Return what computes `op` of `args` better; None where there is nothing better."""
    match op:
        case "exp":
            return _gauss(b, args[0])
        case "log":
            return _logarithm(b, args[0])
        case "log1p" if b.ops[args[0]] == "exp":
            return b.call("softplus", b.args[args[0]][0])
        case "log1p":
            return _log_of_cosh(b, args[0])
        case "add":
            for form in (_sum(b, *args), _sum(b, *reversed(args)), with_its_root(b, *args)):
                if form is not None:
                    return form
            return None
        case "sub":
            return _difference(b, *args)
        case "div":
            return _quotient(b, *args)
        case "mul":
            found = _times_its_log(b, *args)
            return _times_its_log(b, *args[::-1]) if found is None else found
        case "sqrt":
            return _norm(b, args[0])
        case "pow":
            return _power(b, *args)
        case "select":
            return at_its_point(b, *args)
    return None


def _gauss(b: Builder, x: int) -> int | None:
    if b.ops[x] != "neg":
        return None
    square = b.args[x][0]
    if b.ops[square] == "pow" and b.rational_value(b.args[square][1]) == 2:
        return b.call("gauss", b.args[square][0])
    return None


def _logarithm(b: Builder, x: int) -> int | None:
    power = _added_to_one(b, x, "exp")
    if power is not None:
        return b.call("softplus", b.args[power][0])
    if b.ops[x] == "cosh":
        return b.call("log_cosh", b.args[x][0])
    exponents = _exponents(b, x)
    if exponents is not None:
        return b.call("logsumexp", *exponents)
    if b.ops[x] == "softmax":
        return b.sub(b.args[x][0], b.call("logsumexp", *b.args[x]))
    if b.ops[x] == "exp_gap":
        return b.sub(*b.args[x])
    if b.ops[x] == "add":
        for one, other in (b.args[x], b.args[x][::-1]):
            if b.rational_value(one) == 1:
                return b.call("log1p", other)
    if b.ops[x] == "sub" and not b.is_constant(x):
        left, right = b.args[x]
        if b.rational_value(left) == 1:
            return b.call("log1p", b.neg(right))
    return None


def _log_of_cosh(b: Builder, x: int) -> int | None:
    """Return log1p(2*sinh(u)**2) as log(cosh(2*u)): sinh overflows, and so does its slope."""
    if b.ops[x] != "mul" or b.rational_value(b.args[x][0]) != 2:
        return None
    square = b.args[x][1]
    if b.ops[square] == "pow" and b.rational_value(b.args[square][1]) == 2:
        sine = b.args[square][0]
        if b.ops[sine] == "sinh":
            return b.call("log_cosh", b.mul(b.rational(2), b.args[sine][0]))
    return None


def _exponents(b: Builder, x: int) -> list[int] | None:
    """Return u, v, ... of exp(u) + exp(v) + ..., 1 being exp(0); None for another sum, or one with a term twice."""
    if b.ops[x] != "add":
        return None
    found, stack = [], [x]
    while stack:
        node = stack.pop()
        if b.ops[node] == "add":
            stack += b.args[node][::-1]
        elif b.ops[node] == "exp":
            found.append(b.args[node][0])
        elif b.rational_value(node) == 1:
            found.append(b.rational(0))
        else:
            return None
        if len(found) > _TERMS:
            return None
    return found if len(set(found)) == len(found) else None


def _times_its_log(b: Builder, x: int, logarithm: int) -> int | None:
    """Return x*log(x), and (1 + u)*log1p(u)."""
    if b.ops[logarithm] == "log" and b.args[logarithm][0] == x:
        return b.call("xlogx", x)
    if b.ops[logarithm] == "log1p":
        u = b.args[logarithm][0]
        if b.add(b.rational(1), u) == x:
            return b.call("xlog1px", u)
    return None


def _norm(b: Builder, x: int) -> int | None:
    """Return sqrt(u**2 + v**2), or of three squares, or of one."""
    parts, stack = [], [x]
    while stack:
        node = stack.pop()
        if b.ops[node] == "add":
            stack += b.args[node][::-1]
        elif b.ops[node] == "pow" and b.rational_value(b.args[node][1]) == 2:
            parts.append(b.args[node][0])
        else:
            return None
        if len(parts) + len(stack) > _NORM:
            return None
    if len(set(parts)) < len(parts):
        return None
    return b.call("abs", parts[0]) if len(parts) == 1 else b.call(f"norm{len(parts)}", *parts)


_TERMS = 64
"""A longer sum of exponentials stays."""
_NORM = 3
"""Longer norms stay sums: most of them are of numbers of one size, and there are many of them."""


def _added_to_one(b: Builder, x: int, function: str) -> int | None:
    """Return the node f(u) of 1 + f(u)."""
    if b.ops[x] == "add":
        for one, other in (b.args[x], b.args[x][::-1]):
            if b.rational_value(one) == 1 and b.ops[other] == function:
                return other
    return None


def _scaled(b: Builder, x: int, function: str) -> tuple[Fraction, int] | None:
    """Return c and u of c*f(u)."""
    scale = Fraction(1)
    if b.ops[x] == "mul" and (first := b.rational_value(b.args[x][0])) is not None:
        scale, x = first, b.args[x][1]
    return (scale, b.args[x][0]) if b.ops[x] == function else None


def _sum(b: Builder, one: int, other: int) -> int | None:
    """Return c + c*erf(u) as c*erfc(-u), and c + c*tanh(u) as 2*c*expit(2*u)."""
    constant = b.rational_value(one)
    if not constant:
        return None
    found = _scaled(b, other, "erf")
    if found is not None and found[0] == constant:
        return b.mul(one, b.call("erfc", b.neg(found[1])))
    found = _scaled(b, other, "tanh")
    if found is not None and found[0] == constant:
        return _double_logistic(b, constant, found[1])
    return None


def _double_logistic(b: Builder, scale: Fraction, u: int) -> int:
    """Return scale*(1 + tanh(u))."""
    return b.mul(b.rational(2 * scale), b.call("expit", b.mul(b.rational(2), u)))


def _difference(b: Builder, left: int, right: int) -> int | None:
    constant, other = b.rational_value(left), b.rational_value(right)
    if constant:
        found = _scaled(b, right, "erf")
        if found is not None and found[0] == constant:
            return b.mul(left, b.call("erfc", found[1]))
        found = _scaled(b, right, "expit")
        if found is not None and found[0] == constant:
            return b.mul(left, b.call("expit", b.neg(found[1])))
        found = _scaled(b, right, "tanh")
        if found is not None and found[0] == constant:
            return _double_logistic(b, constant, b.neg(found[1]))
        found = _scaled(b, right, "cos")
        if found is not None and found[0] == constant:
            return b.mul(left, b.call("versin", found[1]))
        found = _scaled(b, right, "exp")
        if found is not None and found[0] == constant:
            return b.neg(b.mul(left, b.call("expm1", found[1])))
        if constant == 1 and b.ops[right] == "pow" and b.rational_value(b.args[right][1]) == 2:
            base = b.args[right][0]
            if b.ops[base] == "tanh":
                return b.call("sech2", b.args[base][0])
    elif other:
        found = _scaled(b, left, "erf")
        if found is not None and found[0] == other:
            return b.neg(b.mul(right, b.call("erfc", found[1])))
        found = _scaled(b, left, "cos")
        if found is not None and found[0] == other:
            return b.neg(b.mul(right, b.call("versin", found[1])))
        found = _scaled(b, left, "exp")
        if found is not None and found[0] == other:
            return b.mul(right, b.call("expm1", found[1]))
        if other == 1 and b.ops[left] == "exp2":
            return b.call("powm1", b.rational(2), b.args[left][0])
        if other == 1 and b.ops[left] == "pow":
            power_of = b.rational_value(b.args[left][0])
            if power_of is not None and power_of > 0:
                return b.call("powm1", *b.args[left])
    for form in (of_squares, of_neighbours, less_its_root):
        found_form = form(b, left, right)
        if found_form is not None:
            return found_form
    return None


def _quotient(b: Builder, above: int, below: int) -> int | None:
    power = _added_to_one(b, below, "exp")
    if power is not None:
        u = b.args[power][0]
        if above == power:
            return b.call("expit", u)
        if b.ops[above] == "mul" and power in b.args[above]:
            left, right = b.args[above]
            return b.mul(left if right == power else right, b.call("expit", u))
        return b.mul(above, b.call("expit", b.neg(u)))
    if b.ops[below] == "cosh":
        u = b.args[below][0]
        if b.ops[above] == "sinh" and b.args[above][0] == u:
            return b.call("tanh", u)
        return b.mul(above, b.call("inv_cosh", u))
    for form in _QUOTIENTS:
        found = form(b, above, below)
        if found is not None:
            return found
    if b.ops[below] == "pow" and (exponent := b.rational_value(b.args[below][1])) is not None:
        inverse = _power(b, b.args[below][0], b.rational(-exponent))
        return None if inverse is None else b.mul(above, inverse)
    return None


def _logistic(b: Builder, above: int, below: int) -> int | None:
    """Return exp(u)/(exp(u) + exp(v)) as expit(u - v), and a/(exp(u) + exp(-u)) as a/2*inv_cosh(u)."""
    exponents = _exponents(b, below)
    if exponents is None or len(exponents) != 2:
        return None
    if exponents[0] == b.neg(exponents[1]):
        return b.mul(b.mul(b.rational(Fraction(1, 2)), above), b.call("inv_cosh", exponents[0]))
    if b.ops[above] != "exp" or b.args[above][0] not in exponents:
        return None
    u = b.args[above][0]
    [v] = [x for x in exponents if x != u]
    return b.call("expit", b.sub(u, v))


def _softmax(b: Builder, above: int, below: int) -> int | None:
    """Return a*exp(u)/(exp(u) + exp(v) + ...), also of exp(0)."""
    exponents = _exponents(b, below)
    if exponents is None or len(exponents) < 3:
        return None
    tops = factors(b, above) or []
    for k, top in enumerate(tops):
        if b.ops[top] == "exp" and b.args[top][0] in exponents:
            share = share_of_exponentials(b, b.args[top][0], exponents)
            return b.product([*tops[:k], share, *tops[k + 1 :]])
    zero = b.rational(0)
    return b.mul(above, share_of_exponentials(b, zero, exponents)) if zero in exponents else None


def _of_exponentials(b: Builder, above: int, below: int) -> int | None:
    """Return a*exp(u)/exp(v) as a*exp(u - v) whose difference is not rounded."""
    tops = factors(b, above) if b.ops[below] == "exp" else None
    for k, top in enumerate(tops or ()):
        if b.ops[top] == "exp":
            found = b.call("exp_gap", b.args[top][0], b.args[below][0])
            return b.product([*tops[:k], found, *tops[k + 1 :]])  # type: ignore[index]
    return None


def _over_expm1(b: Builder, above: int, below: int) -> int | None:
    """Return a/(v*expm1(u)) as a/v*bose(u)."""
    if b.ops[below] == "expm1":
        return b.mul(above, b.call("bose", b.args[below][0]))
    if b.ops[below] == "mul":
        for power, other in (b.args[below], b.args[below][::-1]):
            if b.ops[power] == "expm1":
                return b.mul(b.div(above, other), b.call("bose", b.args[power][0]))
    return None


def _power(b: Builder, base: int, exponent: int) -> int | None:
    value = b.rational_value(exponent)
    if value is not None and value > 0 and value.denominator == 2:
        norm = _norm(b, base)
        return None if norm is None else b.pow(norm, b.rational(2 * value))
    if value is None or value >= 0 or value.denominator != 1:
        return None
    power = _added_to_one(b, base, "exp")
    if power is not None:
        return b.pow(b.call("expit", b.neg(b.args[power][0])), b.rational(-value))
    if b.ops[base] == "cosh" and value.numerator % 2 == 0:
        return b.pow(b.call("sech2", b.args[base][0]), b.rational(-value / 2))
    return None


_QUOTIENTS: Final = (
    _logistic,
    _softmax,
    _of_exponentials,
    over_argument,
    _over_expm1,
    part_of_sum,
    part_of_squares,
    mean_of_two,
    root_over,
)
"""Forms of a quotient, in the order in which they are tried."""
