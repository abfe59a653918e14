"""The library behind a low-level callable: a function's C, called for one point at a time."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from tapeless.assembly import point_library
from tapeless.bridges.scipy.binding import shapes_of
from tapeless.runtime import point

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.ir.program import Program


def addresses(
    function: Function, variables: Sequence[str], bound: Sequence[str], output: int
) -> dict[str, int]:
    """Build the library, or find it built, and return the addresses of its functions.

    Parameters
    ----------
    function
        The function, in float64.
    variables, bound
        Its inputs: those that the caller passes, and those that are read from memory, in order.
    output
        Which of its output scalars is the value.
    """
    sizes = {name: prod(shape) for name, shape in shapes_of(function).items()}

    def program() -> Program:
        from tapeless.transforms.pack import Packed, pack

        parts = [Packed("x", tuple(variables))] + ([Packed("bound", tuple(bound))] if bound else [])
        return pack(function.within_ranges(), parts, only=output)

    return point.addresses(
        point_library(
            (
                *function.material,
                repr(function.options.assume),
                "point",
                *variables,
                "of",
                *bound,
                str(output),
            ),
            program,
            (sum(sizes[name] for name in variables), sum(sizes[name] for name in bound)),
            function.options,
        )
    )
