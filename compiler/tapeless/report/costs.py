"""What a function costs: operations per point of each kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tapeless.errors import DerivativeError
from tapeless.ir.primitives import PRIMITIVES
from tapeless.kinds import TOGETHER

if TYPE_CHECKING:
    from tapeless.function import Function

_KINDS: Final[Mapping[str, str]] = {
    "forward": "value",
    "backward": "backward",
    "forward_backward": "both in one pass",
    "jacobian": "Jacobian",
    "hessian": "Hessian",
}
_ARITHMETIC: Final = {
    "add": "sums",
    "sub": "sums",
    "neg": "sums",
    "mul": "products",
    "div": "quotients",
    "fma": "products",
}
_CHOICES: Final = frozenset(
    ("lt", "le", "eq", "ne", "and", "or", "not", "select", "max", "min", "sign", "heaviside")
)
COLUMNS: Final = ("sums", "products", "quotients", "functions", "choices")
_LARGE: Final = 2000
"""Nodes beyond which matrices of derivatives are not counted."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Operations of one kernel.

    Attributes
    ----------
    kind
        Its name.
    what
        What it computes, in words.
    counts
        One number per column of `COLUMNS`.
    functions
        Which functions it calls, and how often, in words.
    total
        All operations, as `op_counts` counts them.
    ratio
        The total over that of the value.
    """

    kind: str
    what: str
    counts: tuple[int, ...]
    functions: str
    total: int
    ratio: float


def costs(function: Function) -> list[Cost]:
    """Count the operations of each kernel; kinds that C cannot express are left out."""
    kinds = list(TOGETHER)
    program = function.program
    if len(program.graph) <= _LARGE:
        kinds.append("jacobian")
        if len(program.roots) == 1 and not program.outputs[0].shape:
            kinds.append("hessian")
    found: list[Cost] = []
    for kind in kinds:
        try:
            counts = function.op_counts(kind)
        except DerivativeError:
            continue
        found.append(_cost(kind, counts, found[0].total if found else counts["total"]))
    return found


def _cost(kind: str, counts: Mapping[str, int], value: int) -> Cost:
    columns = dict.fromkeys(COLUMNS, 0)
    calls = []
    for op, count in counts.items():
        if op == "total":
            continue
        column = _ARITHMETIC.get(op) or ("choices" if op in _CHOICES else "functions")
        columns[column] += count
        if column == "functions" and op in PRIMITIVES:
            calls.append(f"{count} {op}")
    total = counts["total"]
    return Cost(
        kind,
        _KINDS.get(kind, kind),
        tuple(columns.values()),
        ", ".join(calls),
        total,
        total / value if value else float("nan"),
    )
