"""Second partial derivatives of the primitives, from their own rules: each rule is differentiated once."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from tapeless.ir.graph import Builder, Payload
from tapeless.ir.inline import inline
from tapeless.ir.primitives import Extern
from tapeless.ir.program import Input, Output, Program, finish
from tapeless.ir.rules import is_norm, off_origin
from tapeless.transforms.links import links
from tapeless.transforms.reverse import adjoints

STRAIGHT = frozenset(
    ("add", "sub", "neg", "select", "abs", "max", "min", "fmax", "fmin", "fdim", "sign", "copysign")
)
"""Primitives without curvature."""


class Curvature(NamedTuple):
    """The second partials of a primitive that are not zero.

    Attributes
    ----------
    pairs
        Positions (i, j), i <= j, of the arguments.
    program
        The second partial of each pair, a function of the arguments.
    """

    pairs: tuple[tuple[int, int], ...]
    program: Program


def second_partials(builder: Builder, node: int, positions: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return (i, j, node of the second partial by arguments i <= j) where it is not zero.

    Parameters
    ----------
    builder
        Holds `node`; the partials are appended.
    node
        The operation.
    positions
        The arguments of interest.

    Raises
    ------
    DerivativeError
        Where a derivative is not known.
    """
    op, args = builder.ops[node], builder.args[node]
    if op in STRAIGHT:
        return []
    fixed = tuple(builder.rational_value(arg) for arg in args)
    curvature = _curvature(op, builder.payloads[node], fixed, positions)
    nodes = list(inline(builder, curvature.program, args))
    if is_norm(builder, node, order=2):
        nodes = [off_origin(builder, node, second) for second in nodes]
    return [(i, j, value) for (i, j), value in zip(curvature.pairs, nodes, strict=True)]


@cache
def _curvature(
    op: str, payload: Payload, fixed: tuple[Fraction | None, ...], positions: tuple[int, ...]
) -> Curvature:
    # On symbols of its own: on the real arguments an identity might see through to what they are made of.
    scratch = Builder()
    args = [scratch.input(k) if value is None else scratch.rational(value) for k, value in enumerate(fixed)]
    node = scratch.extern(payload, *args) if isinstance(payload, Extern) else scratch.call(op, *args)
    inputs = tuple(Input(f"x{k}") for k in range(len(args)))
    one = scratch.rational(1)
    pairs, found = [], []
    wanted = {args[k] for k in positions}
    for link in links(scratch, node, lambda arg: arg in wanted):
        first = Program(op, inputs, (Output("slope", (link.pull(one),)),), scratch.freeze())
        lanes = [k for k in positions if k >= link.position]
        for k, second in zip(lanes, adjoints(scratch, first, lanes, {0: one}), strict=True):
            if scratch.rational_value(second) != 0:
                pairs.append((link.position, k))
                found.append(second)
    return Curvature(
        tuple(pairs), finish(op, inputs, [Output("curvature", tuple(found), (len(found),))], scratch)
    )
