"""The edges of a node that derivatives travel along: from the table, else from sympy's `fdiff`."""

from __future__ import annotations

from collections.abc import Callable

from tapeless.ir import rules
from tapeless.ir.graph import Builder
from tapeless.ir.rules import Link

__all__ = ["Link", "links"]


def links(builder: Builder, node: int, active: Callable[[int], bool]) -> list[Link]:
    """Return the links from `node` to its active arguments.

    Parameters
    ----------
    builder
        Holds `node`; guards are appended to it.
    node
        The node whose edges are wanted.
    active
        Tells whether an argument depends on what is differentiated by.

    Raises
    ------
    DerivativeError
        Where neither the table nor sympy knows the derivative.
    """
    found = rules.links(builder, node, active)
    if found is None:
        from tapeless.frontend import fdiff  # imports sympy

        return fdiff.links(builder, node, active)
    return found
