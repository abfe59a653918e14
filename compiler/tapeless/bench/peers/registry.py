"""Which peers there are, and which of them are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import numpy as np

from tapeless.errors import ArgumentError
from tapeless.kinds import derive

if TYPE_CHECKING:
    from tapeless.ir.program import Program

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]

FUSED: Final = "fused"
KINDS: Final = ("forward", "backward", FUSED)
"""What is timed: values; cotangents of the inputs; both in one pass."""


class Problem:
    """What a peer is to compute.

    Parameters
    ----------
    program
        The formula as it was read, not simplified.
    wrt
        The inputs to differentiate by.
    dtype
        `"float64"` or `"float32"`.
    threads
        How many threads a peer may use.
    """

    def __init__(self, program: Program, wrt: Sequence[str], dtype: str, threads: int = 1) -> None:
        self.program = program
        self.wrt = tuple(wrt)
        self.dtype = dtype
        self.threads = threads

    @cached_property
    def pointwise(self) -> bool:
        """Whether there is one scalar output: fused is then value and gradient, without cotangents."""
        return len(self.program.outputs) == 1 and not self.program.outputs[0].shape

    @cached_property
    def wrt_lanes(self) -> tuple[int, ...]:
        """The numbers of the input scalars to differentiate by, in the order of `wrt`."""
        first = dict(zip((item.name for item in self.program.inputs), self.program.offsets, strict=True))
        size = {item.name: item.size for item in self.program.inputs}
        return tuple(first[name] + k for name in self.wrt for k in range(size[name]))

    def kind(self, what: str) -> str:
        """Return tapeless's kind for one of `KINDS`."""
        if what != FUSED:
            return what
        return "value_and_grad" if self.pointwise else "forward_backward"

    def takes_cotangents(self, what: str) -> bool:
        """Whether a cotangent per output is given as well."""
        return what == "backward" or (what == FUSED and not self.pointwise)

    def derived(self, what: str) -> Program:
        """Return the program of one of `KINDS`, as tapeless derives it."""
        return derive(self.program, self.kind(what), self.wrt)


class Prepared(Protocol):
    """A peer that knows the problem."""

    reuses: bool
    """Whether results go into the same arrays each time."""

    def bind(self, what: str, lanes: Sequence[Array], cotangents: Sequence[Array]) -> Call:
        """Return a call without arguments that computes one of `KINDS` for given arrays.

        Parameters
        ----------
        what
            One of `KINDS`.
        lanes
            One contiguous array per input scalar.
        cotangents
            One per output scalar; empty where none are taken.

        Returns
        -------
        Callable
            It gives one array per output scalar, then one per scalar to differentiate by, as far as wanted.

        Raises
        ------
        UnsupportedError
            Where the peer cannot compute that.
        """
        ...


class Peer(NamedTuple):
    """A way to be timed beside tapeless.

    Attributes
    ----------
    name
        What it is called on the command line and in tables.
    packages
        The packages it needs, as they are imported.
    where
        `module:class` of what prepares it.
    about
        How it is used, in a few words.
    """

    name: str
    packages: tuple[str, ...]
    where: str
    about: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that are not installed."""
        return tuple(package for package in self.packages if find_spec(package) is None)

    def prepare(self, problem: Problem) -> Prepared:
        """Import the peer and give it the problem."""
        module, _, name = self.where.partition(":")
        prepared: Prepared = getattr(import_module(f"tapeless.bench.peers.{module}"), name)(problem)
        return prepared


PEERS: Final[dict[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer("numpy", ("numpy",), "lambdified:Lambdified", "lambdify of the same formulas, with cse"),
        Peer("numexpr", ("numexpr",), "numexpr:Numexpr", "evaluate, of the values alone, out= reused"),
        Peer("numba", ("numba",), "numba:Numba", "njit of a loop over the same formulas, out= reused"),
        Peer("jax", ("jax",), "jax:Jax", "jit of the formula and of its vjp"),
        Peer("torch", ("torch",), "torch:Eager", "the formula and autograd.grad"),
        Peer("torch.compile", ("torch",), "torch:Compiled", "compile of the formula and of its func.vjp"),
        Peer(
            "heyoka", ("heyoka",), "heyoka:Heyoka", "cfunc of the formula and its diff_tensors, out= reused"
        ),
    )
}
"""All peers by name."""


def choose(wanted: str | Iterable[str]) -> tuple[list[Peer], list[Peer]]:
    """Return the peers asked for, and of `"all"` those that are not installed.

    Parameters
    ----------
    wanted
        `"all"`, `"none"`, or names.

    Raises
    ------
    ArgumentError
        For a name that is no peer, or one asked for by name that is not installed.
    """
    if wanted == "none":
        return [], []
    if wanted == "all":
        there = [peer for peer in PEERS.values() if not peer.missing]
        return there, [peer for peer in PEERS.values() if peer.missing]
    chosen = []
    for name in [wanted] if isinstance(wanted, str) else wanted:
        peer = PEERS.get(name)
        if peer is None:
            raise ArgumentError(f"there is no peer {name!r}; there are {', '.join(PEERS)}, or all, or none")
        if peer.missing:
            packages = " ".join(package.replace("_", "-") for package in peer.missing)
            raise ArgumentError(f"the peer {name} is not installed: pip install {packages}")
        if peer not in chosen:
            chosen.append(peer)
    return chosen, []


__all__ = ["FUSED", "KINDS", "PEERS", "Peer", "Prepared", "Problem", "choose"]
