"""Program -> Kernel: constants rounded once, powers as products, n-ary operations as pairs, order chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Final

from tapeless.errors import DerivativeError, UnsupportedError
from tapeless.ir.graph import Graph
from tapeless.ir.notation import infix, is_decimal
from tapeless.ir.primitives import PRIMITIVES, Extern
from tapeless.ir.program import Program, compacted
from tapeless.targets.c import powers
from tapeless.targets.c.kernel import Kernel, Literal, Param, Statement, Value
from tapeless.targets.c.schedule import scheduled
from tapeless.targets.c.spelling import spellable
from tapeless.targets.c.vector_math import ANGLES
from tapeless.targets.reference import nearest, rest_of_constant, round_constant
from tapeless.transforms.assumed import assumed
from tapeless.transforms.ranges import Assumed
from tapeless.transforms.simplify import cheaper
from tapeless.transforms.written_out import written_out

_EXACT: Final = 2**24
"""Integers below are exact in every dtype."""
_NOTE_WIDTH: Final = 160
"""A formula longer than this is not repeated in a comment: the statements say it."""
_DIRECT: Final = frozenset(PRIMITIVES) - {"input", "pow", "and", "or", "select", "max", "min"}
"""Operations that become one statement whatever their operands."""
_UNSET: Final = -1
"""The value of a node that is not lowered: one inside a constant."""


def lower(program: Program, kind: str, dtype: str, assume: Assumed = ()) -> Kernel:
    """Lower a program to the statements of one C function.

    Parameters
    ----------
    program
        What to compute; each of its input and output scalars becomes a parameter.
    kind
        Name of the kind of kernel.
    dtype
        `"float64"` or `"float32"`.
    assume
        Ranges of inputs, as `transforms.assumed` takes them: they decide guards of what is written out here.

    Raises
    ------
    UnsupportedError
        Where a value needs a function that C does not have.
    DerivativeError
        The same, in a derivative.
    """
    program = compacted(program)
    spelt = written_out(program)
    if spelt is not program:
        program = cheaper(assumed(spelt, assume))
    _refuse_unspellable(program, kind)
    lowering = _Lowering(program, dtype)
    lowering.run()
    statements, stores = _live(lowering.statements, [lowering.values[node] for node in program.roots])
    names = {lane: f"v{lane}" for lane in range(program.lanes)}
    kernel = Kernel(
        kind=kind,
        dtype=dtype,
        ins=tuple(Param(i.name, k if i.shape else None) for i in program.inputs for k in range(i.size)),
        outs=tuple(
            Param(o.name, k if o.shape else None) for o in program.outputs for k in range(len(o.nodes))
        ),
        statements=statements,
        stores=stores,
        notes=tuple(_note(program.graph, node, names) for node in program.roots),
    )
    return scheduled(kernel)


def _refuse_unspellable(program: Program, kind: str) -> None:
    unspellable = {op for op in set(program.graph.ops) if not spellable(op)}
    for op, payload in zip(program.graph.ops, program.graph.payloads, strict=True):
        if op in unspellable:
            name = payload.name if isinstance(payload, Extern) else op
            if kind == "forward":
                raise UnsupportedError(
                    f"C has no function {name}. Write it through functions that C has "
                    f"(elementary functions, and the special functions in tapeless' table), or evaluate it "
                    f"before the call and pass the result as an input."
                )
            raise DerivativeError(
                f"the derivative asked for needs {name}, which C has no function for. Leave the inputs that "
                f"lead to it out of `wrt`, or write the formula without the function whose derivative is {name}."
            )


class _Lowering:
    """The state of one lowering: values of nodes, statements so far."""

    def __init__(self, program: Program, dtype: str) -> None:
        self.graph: Graph = program.graph
        self.roots = program.roots
        self.dtype = dtype
        self.values: list[Value] = [_UNSET] * len(self.graph)
        self._index: dict[tuple[str, tuple[Value, ...]], int] = {}
        self._constant = self.graph.constants()
        self._powers = self._collect_powers()
        self._angles = not ANGLES.isdisjoint(self.graph.ops)
        self._expanded: dict[int, dict[Fraction, int]] = {}

    def run(self) -> None:
        """Lower every node in order."""
        ops, arguments, constant, values = self.graph.ops, self.graph.args, self._constant, self.values
        emit, lower_other = self.emit, self._lower
        for node in self._needed_constants():
            values[node] = self._literal(node)
        for node, op in enumerate(ops):
            if constant[node]:
                continue
            if op in _DIRECT:
                values[node] = emit(op, *[values[arg] for arg in arguments[node]])
            else:
                values[node] = lower_other(node)

    def emit(self, op: str, *args: Value) -> int:
        """Return the place of this operation, appended if it is new."""
        return self._index.setdefault((op, args), len(self._index))

    @property
    def statements(self) -> tuple[Statement, ...]:
        """The statements so far, in order."""
        return tuple([Statement(op, args) for op, args in self._index])

    def _needed_constants(self) -> set[int]:
        """Constant nodes that a statement or a store needs; the others are inside a larger constant."""
        constant = self._constant
        needed = {node for node in self.roots if constant[node]}
        for node, args in enumerate(self.graph.args):
            if not constant[node]:
                for arg in args:
                    if constant[arg]:
                        needed.add(arg)
        return needed

    def _collect_powers(self) -> dict[int, set[Fraction]]:
        graph, found = self.graph, dict[int, set[Fraction]]()
        for node, op in enumerate(graph.ops):
            if op == "pow" and not self._constant[node]:
                base, power = graph.args[node]
                exponent = graph.payloads[power]
                if type(exponent) is Fraction and powers.expandable(exponent):
                    found.setdefault(base, set()).add(exponent)
        return found

    def _literal(self, node: int) -> Literal:
        graph = self.graph
        if graph.args[node]:
            cone = _cone(graph, node, len(graph))
            assert cone is not None
            graph, node = cone, len(cone) - 1
        value = round_constant(graph, node, self.dtype)
        rest = rest_of_constant(graph, node, value, self.dtype) if self._angles else 0.0
        return Literal(value, "" if _explains_itself(graph, node) else infix(graph, node, {}, 60), rest)

    def _lower(self, node: int) -> Value:
        op, args = self.graph.ops[node], self.graph.args[node]
        if op == "input":
            return self.emit("load", self.graph.payloads[node])  # type: ignore[arg-type]
        if op == "pow":
            exponent = self.graph.payloads[args[1]]
            if isinstance(exponent, Fraction) and exponent in self._powers.get(args[0], ()):
                return self._power(args[0], exponent)
            if isinstance(exponent, Fraction) and exponent.denominator == 1 and abs(exponent) >= _EXACT:
                return self._huge_power(args[0], exponent)
        values = tuple([self.values[arg] for arg in args])
        if op in ("and", "or"):
            return self._junction(op, values)
        if op == "select" and isinstance(values[0], Literal):
            return values[1] if values[0].value else values[2]
        if op in ("max", "min"):
            total = values[0]
            for value in values[1:]:
                total = self.emit(op, total, value)
            return total
        return self.emit(op, *values)

    def _huge_power(self, base: int, exponent: Fraction) -> Value:
        """Give the sign of an odd power by hand: as a double the exponent is even."""
        value = self.values[base]
        power = self.emit("pow", self.emit("abs", value), Literal(nearest(exponent, self.dtype)))
        return self.emit("copysign", power, value) if exponent.numerator % 2 else power

    def _power(self, base: int, exponent: Fraction) -> Value:
        if base not in self._expanded:
            value = self.values[base]
            assert isinstance(value, int), "a constant base makes a constant power"
            self._expanded[base] = powers.expand(self._powers[base], value, self.emit)
        return self._expanded[base][exponent]

    def _junction(self, op: str, values: tuple[Value, ...]) -> Value:
        """Join truth values two by two; one that is constant decides or drops out.

        From the last back: conditions along a chain of branches grow at the front, so the rest is shared.
        """
        decides = 0.0 if op == "and" else 1.0
        total: Value | None = None
        for value in reversed(values):
            if isinstance(value, Literal):
                if value.value == decides:
                    return value
            else:
                total = value if total is None else self.emit(op, total, value)
        return Literal(1.0 - decides) if total is None else total


def _live(
    statements: Sequence[Statement], stores: Sequence[Value]
) -> tuple[tuple[Statement, ...], tuple[Value, ...]]:
    """Leave out what no store needs: the arm that a constant condition does not take, for one."""
    needed = bytearray(len(statements))
    for value in stores:
        if type(value) is int:
            needed[value] = 1
    for place in range(len(statements) - 1, -1, -1):
        if needed[place] and statements[place].op != "load":
            for arg in statements[place].args:
                if type(arg) is int:
                    needed[arg] = 1
    if all(needed):
        return tuple(statements), tuple(stores)
    new = list(accumulate(needed, initial=0))

    def moved(value: Value) -> Value:
        return new[value] if type(value) is int else value

    return (
        tuple(
            s if s.op == "load" else Statement(s.op, tuple([moved(arg) for arg in s.args]))
            for s, kept in zip(statements, needed, strict=True)
            if kept
        ),
        tuple([moved(value) for value in stores]),
    )


def _cone(graph: Graph, root: int, limit: int) -> Graph | None:
    """Return the graph of what `root` depends on, `root` last; None where that is more than `limit` nodes."""
    found, todo = {root}, [root]
    while todo:
        for arg in graph.args[todo.pop()]:
            if arg not in found:
                if len(found) == limit:
                    return None
                found.add(arg)
                todo.append(arg)
    live = sorted(found)
    number = {node: k for k, node in enumerate(live)}
    return Graph(
        tuple(graph.ops[node] for node in live),
        tuple(tuple(number[arg] for arg in graph.args[node]) for node in live),
        tuple(graph.payloads[node] for node in live),
    )


def _note(graph: Graph, root: int, names: Mapping[int, str]) -> str:
    # Each node takes a character at least, so what has more nodes than that is not even looked at.
    cone = _cone(graph, root, _NOTE_WIDTH)
    return "" if cone is None else infix(cone, len(cone) - 1, names, _NOTE_WIDTH)


def _explains_itself(graph: Graph, node: int) -> bool:
    """Whether a constant is a short decimal, a truth value or an infinity."""
    if graph.is_boolean(node):
        return True
    payload = graph.payloads[node]
    if isinstance(payload, str):
        return payload in ("inf", "nan")
    return isinstance(payload, Fraction) and is_decimal(payload)
