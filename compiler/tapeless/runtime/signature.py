"""What the call layer knows of a kernel: its symbol, its operands, its results.

A kernel works point by point over a batch. Each operand and result has a *core shape*, the trailing
dimensions that belong to one point, as in a NumPy gufunc; its elements in C order are the *lanes* of the kernel.
The C function receives one pointer per lane::

    void SYMBOL(ptrdiff_t n, const void *const *in, void *const *out);

Every lane holds `n` consecutive elements of the kernel's dtype, aligned to its size. No lane in `out`
overlaps any other lane; the same pointer may occur twice in `in`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from tapeless.runtime.light import NamedTuple

if TYPE_CHECKING:
    from tapeless.runtime.sparse import Entries

ROLES = ("primal", "cotangent", "tangent")
DTYPES = ("float64", "float32")


class Operand(NamedTuple):
    """An input of a kernel.

    Parameters
    ----------
    name
        Name that error messages use.
    shape
        Core shape; `()` for a scalar.
    role
        "primal" and "tangent" broadcast over the batch. A "cotangent" must have the batch shape followed by
        its core shape, or be a scalar.
    used
        Whether any result depends on it. The kernel does not read the lanes of one that is not used.
    """

    name: str
    shape: tuple[int, ...] = ()
    role: str = "primal"
    used: bool = True

    @property
    def lanes(self) -> int:
        """Number of pointers that the kernel receives for this operand."""
        return prod(self.shape)


class Result(NamedTuple):
    """An output of a kernel.

    Parameters
    ----------
    name
        Name that error messages use.
    shape
        Core shape; `()` for a scalar.
    like
        None for an output over the whole batch. The position of an operand for its gradient: it takes that
        operand's own shape, summed over the dimensions along which the operand was broadcast, and its dtype.
    entries
        For the entries of a sparse matrix, where they are; else None.
    same
        The position of an operand that it repeats unchanged, lane by lane, or None.
    """

    name: str
    shape: tuple[int, ...] = ()
    like: int | None = None
    entries: Entries | None = None
    same: int | None = None

    @property
    def lanes(self) -> int:
        """Number of pointers that the kernel receives for this result."""
        return prod(self.shape)


COST = 1.0
"""Nanoseconds for a point of a kernel of which nothing is known."""


class _Fields(NamedTuple):
    symbol: str
    dtype: str
    operands: tuple[Operand, ...]
    results: tuple[Result, ...]
    cost: float = COST


class KernelSignature(_Fields):
    """Name and argument list of a compiled kernel.

    Parameters
    ----------
    symbol
        Name of the C function.
    dtype
        "float64" or "float32": the type of every lane.
    operands, results
        In the order of the kernel's pointer tables.
    cost
        Rough time for one point in nanoseconds. It decides how a call is run, never what it gives.

    Raises
    ------
    ValueError
        For a dtype, role or gradient that cannot be.
    """

    __slots__ = ()

    def __new__(
        cls,
        symbol: str,
        dtype: str,
        operands: tuple[Operand, ...],
        results: tuple[Result, ...],
        cost: float = COST,
    ) -> KernelSignature:
        if dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {DTYPES}, not {dtype!r}")
        for operand in operands:
            if operand.role not in ROLES:
                raise ValueError(f"role of {operand.name} must be one of {ROLES}, not {operand.role!r}")
        for result in results:
            if result.like is not None and operands[result.like].shape != result.shape:
                raise ValueError(f"{result.name} and the operand it is the gradient of differ in core shape")
        return super().__new__(cls, symbol, dtype, operands, results, cost)

    def to_json(self) -> dict[str, Any]:
        """Return the signature as plain dicts and lists."""
        return {
            "symbol": self.symbol,
            "dtype": self.dtype,
            "operands": [[o.name, list(o.shape), o.role, o.used] for o in self.operands],
            "results": [
                [r.name, list(r.shape), r.like, [list(part) for part in r.entries or ()], r.same]
                for r in self.results
            ],
            "cost": self.cost,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> KernelSignature:
        """Read what `to_json` wrote."""
        return cls(
            symbol=data["symbol"],
            dtype=data["dtype"],
            operands=tuple(
                Operand(name, tuple(shape), role, used) for name, shape, role, used in data["operands"]
            ),
            results=tuple(
                Result(name, tuple(shape), like, _entries(entries) if entries else None, same)
                for name, shape, like, entries, same in data["results"]
            ),
            cost=data.get("cost", COST),
        )


def _entries(data: list[Any]) -> Entries:
    from tapeless.runtime.sparse import Entries  # not needed on a warm start

    return Entries.from_json(data)
