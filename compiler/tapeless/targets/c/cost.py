"""How long a kernel takes for a point, roughly: by this calls decide on threads and on streaming."""

from __future__ import annotations

from typing import Final

from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.special import NAMES
from tapeless.targets.c.kernel import Kernel

# Nanoseconds for a float64 on one core with 512-bit vectors.
_LANE: Final = 0.05
"""Loading or storing a number that lies in cache."""
_SIMPLE: Final = 0.03
"""An addition, a comparison, a select: what costs 1 in the table of primitives."""
_UNIT: Final = 0.1
"""A unit of that table's cost, for what costs more."""
_SCALAR: Final = 5.0
"""How many times longer a loop takes that is not vectorised."""
_KEEP_SCALAR: Final = (
    frozenset(("gamma", "loggamma", "fmod", "remainder", "logb", "fdim", "fmax", "fmin")) | NAMES
)
"""Calls that have no vector version."""


def nanoseconds(kernel: Kernel, *, vectorised: bool = True) -> float:
    """Estimate the time that a kernel takes for one point.

    Parameters
    ----------
    kernel
        The kernel.
    vectorised
        Whether the compiler is asked to vectorise its loops.

    Returns
    -------
    float
        Mostly within a factor of 3, on processors with 512-bit vectors and a C library with vector math.
    """
    total = _LANE * (len(kernel.ins) + len(kernel.outs))
    for statement in kernel.statements:
        if statement.op == "load":
            continue
        primitive = PRIMITIVES.get(statement.op)
        units = primitive.cost if primitive is not None else 1.0
        total += _UNIT * units if units > 1.0 else _SIMPLE * units
        vectorised = vectorised and statement.op not in _KEEP_SCALAR
    if not vectorised:
        total *= _SCALAR
    return total / 2.0 if kernel.dtype == "float32" and vectorised else total
