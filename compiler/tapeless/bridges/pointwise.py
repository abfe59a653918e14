"""Compiled functions that know their derivatives of every order, each compiled when it is first asked for.

A host that differentiates programs asks for two things of a function y = f(x): its tangent, the tangents of y as a
function of x and of tangents of x, linear in these; and its adjoint, the cotangents of x as a function of x and of
cotangents of y, linear in these. Both are functions of the same sort, so that the question can be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tapeless.runtime.digest import sha256

if TYPE_CHECKING:
    from tapeless.function import Function
    from tapeless.ir.program import Program
    from tapeless.options import Options
    from tapeless.runtime.arrays import Caller
    from tapeless.runtime.signature import KernelSignature
    from tapeless.transforms.ranges import Assumed


class Pointwise:
    """A function that works point by point, with its derivatives.

    Compared by identity: the same derivative of the same function is the same object.

    Attributes
    ----------
    name : str
        Its name.
    wrt : tuple of int
        Positions of the inputs that it may be differentiated by.
    linear : int
        How many of its last inputs it is linear in: the tangents, or the cotangents.
    base : Pointwise or None
        What it is the tangent or the adjoint of.
    base_wrt : tuple of int
        Positions of the inputs of `base` that it was differentiated by.
    is_adjoint : bool
        Whether it is an adjoint.
    """

    __slots__ = (
        "_backward",
        "_caller",
        "_derived",
        "_find",
        "_path",
        "_program",
        "_read",
        "base",
        "base_wrt",
        "is_adjoint",
        "linear",
        "name",
        "options",
        "wrt",
    )

    def __init__(
        self,
        name: str,
        options: Options,
        path: tuple[Any, ...],
        wrt: tuple[int, ...],
        *,
        read: Callable[[], Program],
        find: Callable[[], Caller] | None = None,
        backward: Callable[[tuple[int, ...]], Caller] | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self.wrt = wrt
        self.base: Pointwise | None = None
        self.base_wrt: tuple[int, ...] = ()
        self.is_adjoint = False
        self.linear = 0
        self._path = path
        self._read = read
        self._find = find if find is not None else self._compile
        self._backward = backward
        self._program: Program | None = None
        self._caller: Caller | None = None
        self._derived: dict[tuple[bool, tuple[int, ...]], Pointwise] = {}

    @classmethod
    def of(cls, function: Function) -> Pointwise:
        """Return a compiled function as such. Its kernels serve, also that of `backward` as its first adjoint."""
        names, options = function.input_names, function.options

        def backward(wrt: tuple[int, ...]) -> Caller:
            return function._caller("backward", tuple(names[k] for k in wrt))

        return cls(
            function.name,
            options,
            (function._material, sorted(options.key().items()), "value"),
            tuple(names.index(name) for name in function.wrt),
            read=lambda: function.program,
            find=lambda: function._caller("forward", None),
            backward=backward,
        )

    def __repr__(self) -> str:
        return self.name

    @property
    def caller(self) -> Caller:
        """The compiled kernel, as it is called from Python."""
        found = self._caller
        if found is None:
            found = self._caller = self._find()
        return found

    @property
    def signature(self) -> KernelSignature:
        """The names and core shapes of its inputs and outputs."""
        return self.caller.signature

    @property
    def program(self) -> Program:
        """The formula."""
        if self._program is None:
            self._program = self._read()
        return self._program

    @property
    def key(self) -> int:
        """A number from 0 to 2**63 - 1 that stands for what is computed, the same in every process."""
        return int(sha256(repr(self._path).encode()).hexdigest()[:16], 16) >> 1

    def tangent(self, wrt: Sequence[int]) -> Pointwise:
        """Return the tangents of its outputs, a function of its inputs and then of tangents of those in `wrt`."""
        return self._derive(False, tuple(wrt))

    def adjoint(self, wrt: Sequence[int]) -> Pointwise:
        """Return the cotangents of the inputs in `wrt`, a function of its inputs and of cotangents of its outputs."""
        return self._derive(True, tuple(wrt))

    def _derive(self, adjoint: bool, wrt: tuple[int, ...]) -> Pointwise:
        found = self._derived.get((adjoint, wrt))
        if found is None:
            found = self._derived.setdefault((adjoint, wrt), self._new(adjoint, wrt))
        return found

    def _new(self, adjoint: bool, wrt: tuple[int, ...]) -> Pointwise:
        what = "adjoint" if adjoint else "tangent"
        name = f"{self.name}_{what}"
        transform = _adjoint_program if adjoint else _tangent_program
        backward = self._backward
        count = len(self.signature.operands)
        linear = len(self.signature.results) if adjoint else len(wrt)
        made = Pointwise(
            name,
            self.options,
            (*self._path, what, wrt),
            (*self.wrt, *range(count, count + linear)),
            read=lambda: transform(self.program, wrt, name, self.options.assume),
            find=(lambda: backward(wrt)) if adjoint and backward is not None else None,
        )
        made.base, made.base_wrt, made.is_adjoint, made.linear = self, wrt, adjoint, linear
        return made

    def _compile(self) -> Caller:
        from tapeless.assembly import build_kernel

        return build_kernel(self.program, "forward", None, self.options._replace(wrt=None))


def _adjoint_program(program: Program, wrt: Sequence[int], name: str, assume: Assumed) -> Program:
    from tapeless.kinds import derive, plain

    return plain(derive(program, "backward", [program.inputs[k].name for k in wrt], assume), name)


def _tangent_program(program: Program, wrt: Sequence[int], name: str, assume: Assumed) -> Program:
    from dataclasses import replace

    from tapeless.kinds import derive, plain
    from tapeless.transforms.simplify import simplify

    both = plain(derive(program, "jvp", [program.inputs[k].name for k in wrt], assume), name)
    return simplify(replace(both, outputs=both.outputs[len(program.outputs) :]), assume)
