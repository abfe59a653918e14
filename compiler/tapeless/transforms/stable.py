"""Forms that overflow or lose digits as they are written: recognised, and computed by a primitive that does neither.

=============================================  ==================  ==================================================
as written                                     as computed         what is gained
=============================================  ==================  ==================================================
``1 + erf(u)``, ``1 - erf(u)``                 ``erfc(-u)``, ...   every digit of the tail, where 1 and erf cancel
``a/(1 + exp(u))``, ``1 - expit(u)``           ``a*expit(-u)``     no infinity over infinity, here or in a slope
``log(1 + exp(u))``, ``log1p(exp(u))``         ``softplus(u)``     finite for large u, all digits for small ones
``exp(-u**2)``                                 ``gauss(u)``        the rounding of u**2, which exp magnifies
``a/cosh(u)**2``, ``1 - tanh(u)**2``           ``a*sech2(u)``      no overflow, no cancellation
=============================================  ==================  ==================================================

They are the same functions over the reals, on the same domain, so a derivative may start from either; the rules of
the primitives keep what was gained for all orders. Sources: the table of primitives.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from tapeless.ir.graph import Builder
from tapeless.ir.program import Program, compacted


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
    if not _FUNCTIONS.intersection(graph.ops):
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


_FUNCTIONS = frozenset(("exp", "erf", "cosh", "tanh", "expit"))
"""A form has one of these at least."""


def _recognised(b: Builder, op: str, args: tuple[int, ...]) -> int | None:
    """Return what computes `op` of `args` better; None where there is nothing better."""
    match op:
        case "exp":
            return _gauss(b, args[0])
        case "log":
            power = _added_to_one(b, args[0], "exp")
            return None if power is None else b.call("softplus", b.args[power][0])
        case "log1p" if b.ops[args[0]] == "exp":
            return b.call("softplus", b.args[args[0]][0])
        case "add":
            found = _sum(b, *args)
            return _sum(b, *reversed(args)) if found is None else found
        case "sub":
            return _difference(b, *args)
        case "div":
            return _quotient(b, *args)
        case "pow":
            return _power(b, *args)
    return None


def _gauss(b: Builder, x: int) -> int | None:
    if b.ops[x] != "neg":
        return None
    square = b.args[x][0]
    if b.ops[square] == "pow" and b.rational_value(b.args[square][1]) == 2:
        return b.call("gauss", b.args[square][0])
    return None


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
    """Return c + c*erf(u) as c*erfc(-u)."""
    constant = b.rational_value(one)
    found = _scaled(b, other, "erf") if constant else None
    if found is not None and found[0] == constant:
        return b.mul(one, b.call("erfc", b.neg(found[1])))
    return None


def _difference(b: Builder, left: int, right: int) -> int | None:
    constant, other = b.rational_value(left), b.rational_value(right)
    if constant:
        found = _scaled(b, right, "erf")
        if found is not None and found[0] == constant:
            return b.mul(left, b.call("erfc", found[1]))
        found = _scaled(b, right, "expit")
        if found is not None and found[0] == constant:
            return b.mul(left, b.call("expit", b.neg(found[1])))
        if constant == 1 and b.ops[right] == "pow" and b.rational_value(b.args[right][1]) == 2:
            base = b.args[right][0]
            if b.ops[base] == "tanh":
                return b.call("sech2", b.args[base][0])
    elif other:
        found = _scaled(b, left, "erf")
        if found is not None and found[0] == other:
            return b.neg(b.mul(right, b.call("erfc", found[1])))
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
    if b.ops[below] == "pow" and (exponent := b.rational_value(b.args[below][1])) is not None:
        inverse = _power(b, b.args[below][0], b.rational(-exponent))
        return None if inverse is None else b.mul(above, inverse)
    return None


def _power(b: Builder, base: int, exponent: int) -> int | None:
    value = b.rational_value(exponent)
    if value is None or value >= 0 or value.denominator != 1:
        return None
    power = _added_to_one(b, base, "exp")
    if power is not None:
        return b.pow(b.call("expit", b.neg(b.args[power][0])), b.rational(-value))
    if b.ops[base] == "cosh" and value.numerator % 2 == 0:
        return b.pow(b.call("sech2", b.args[base][0]), b.rational(-value / 2))
    return None
