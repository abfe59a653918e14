"""Operations per point of a kernel, as the emitted C executes them."""

from __future__ import annotations

from typing import Final

from tapeless.targets.c.kernel import Kernel

_FREE: Final = frozenset(("load",))
_SEVERAL: Final[dict[str, int]] = {"max": 4, "min": 4, "sign": 4, "heaviside": 6, "fma": 2}
"""Two comparisons, a logical operation and a select for max and min; what the helpers in the prelude do."""


def op_counts(kernel: Kernel) -> dict[str, int]:
    """Return operation -> number per point, `"total"` included.

    An addition, subtraction, multiplication, division, negation, comparison, logical operation, select or call
    counts 1, a fused multiply-add 2; loads, stores and constants count nothing.
    """
    counts: dict[str, int] = {}
    total = 0
    for statement in kernel.statements:
        if statement.op in _FREE:
            continue
        weight = _SEVERAL.get(statement.op, 1)
        counts[statement.op] = counts.get(statement.op, 0) + 1
        total += weight
    counts["total"] = total
    return counts
