"""A program as Python source in the vocabulary of another library, each shared value computed once.

Peers that know no formula text of ours are given what a user of theirs would write. Only generated names stand in
the source; a function's own names never do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

from tapeless.errors import UnsupportedError
from tapeless.ir.graph import Graph
from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.program import Program, compacted
from tapeless.targets.reference import round_constant

_INFIX: Final = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0}*{1}",
    "div": "{0}/{1}",
    "neg": "-{0}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "pow": "{0}**{1}",
}
_LOGICAL: Final = {"and": "{0} & {1}", "or": "{0} | {1}", "not": "~{0}", "select": "where({0}, {1}, {2})"}
_LONGEST: Final = 20_000
_HALVES: Final = {Fraction(1, 2): "sqrt({0})", Fraction(-1, 2): "1.0/sqrt({0})"}


def infix(**calls: str) -> dict[str, str]:
    """Return the templates of an array library: operators, `where`, and the calls given by primitive."""
    return {**_INFIX, **_LOGICAL, **{op: _call(op, name) for op, name in calls.items()}}


def _call(op: str, name: str) -> str:
    if "{" in name:
        return name
    args = ("*",) if PRIMITIVES[op].nary else PRIMITIVES[op].args
    count = 2 if args == ("*",) else len(args)
    return f"{name}({', '.join(f'{{{k}}}' for k in range(count))})"


class Dialect(NamedTuple):
    """How a library spells the operations.

    Attributes
    ----------
    library
        Its name, for messages.
    templates
        Primitive -> text with `{0}`, `{1}`, ... for the arguments. A primitive of any number of arguments is
        applied to two at a time.
    number
        Spells a constant; the default is Python's shortest.
    whole
        Spells the exponent of a whole power.
    """

    library: str
    templates: Mapping[str, str]
    number: Callable[[float], str] = repr
    whole: Callable[[int], str] = repr


class Translation(NamedTuple):
    """A program in a dialect.

    Attributes
    ----------
    lanes
        Names of the input scalars, in order.
    lines
        One assignment per value.
    results
        A name or a number per output scalar.
    """

    lanes: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]

    def function(self, name: str = "formula") -> str:
        """Return the source of a function from the lanes to the tuple of results."""
        body = "".join(f"    {line}\n" for line in self.lines)
        return f"def {name}({', '.join(self.lanes)}):\n{body}    return ({', '.join(self.results)},)\n"


def translate(program: Program, dialect: Dialect, dtype: str) -> Translation:
    """Translate a program, as it stands: nothing is simplified.

    Raises
    ------
    UnsupportedError
        Where the library has no such operation.
    """
    lines: list[str] = []

    def assign(node: int, text: str) -> str:
        lines.append(f"t{node} = {text}")
        return f"t{node}"

    results = _walk(program, dialect, dtype, assign)
    return Translation(tuple(f"x{lane}" for lane in range(program.lanes)), tuple(lines), tuple(results))


def nested(program: Program, dialect: Dialect, dtype: str) -> list[str]:
    """Return one expression per output scalar, in which what is shared stands several times.

    Raises
    ------
    UnsupportedError
        As for `translate`, and where an expression is very long.
    """

    def parenthesise(_node: int, text: str) -> str:
        if len(text) > _LONGEST:
            raise UnsupportedError(f"too long for a single expression of {dialect.library}")
        return _in_parentheses(text)

    return _walk(program, dialect, dtype, parenthesise)


def _walk(program: Program, dialect: Dialect, dtype: str, keep: Callable[[int, str], str]) -> list[str]:
    """Write every node in order; `keep` says under which name the users of a node find its text."""
    program = compacted(program)
    graph = program.graph
    constant = _constants(graph)

    def number(node: int) -> str:
        return dialect.number(round_constant(graph, node, dtype))

    names: list[str] = []
    for node, (op, args) in enumerate(zip(graph.ops, graph.args, strict=True)):
        if op == "input":
            names.append(f"x{graph.payloads[node]}")
        elif constant[node]:
            names.append("")  # a constant inside a constant is never written
        else:
            parts = [names[arg] or _in_parentheses(number(arg)) for arg in args]
            names.append(keep(node, _expression(graph, node, parts, dialect)))
    return [names[node] or number(node) for node in program.roots]


def compiled(source: str, name: str, namespace: Mapping[str, Any]) -> Any:
    """Return the function `name` that the source defines, which sees nothing but the namespace."""
    scope: dict[str, Any] = {"__builtins__": {}, "inf": float("inf"), "nan": float("nan"), **namespace}
    exec(compile(source, f"<{name} of tapeless.bench>", "exec"), scope)
    return scope[name]


def _constants(graph: Graph) -> list[bool]:
    """Tell of each node whether it depends on no input; truth values are written out all the same."""
    found: list[bool] = []
    for op, args in zip(graph.ops, graph.args, strict=True):
        found.append(op != "input" and not PRIMITIVES[op].boolean and all(found[arg] for arg in args))
    return found


def _expression(graph: Graph, node: int, parts: list[str], dialect: Dialect) -> str:
    op, args = graph.ops[node], graph.args[node]
    if op == "pow":
        exponent = graph.payloads[args[1]]
        if isinstance(exponent, Fraction):
            if exponent.denominator == 1:
                parts[1] = _in_parentheses(dialect.whole(exponent.numerator))
            elif exponent in _HALVES and "sqrt" in dialect.templates:
                return _HALVES[exponent].replace("sqrt({0})", dialect.templates["sqrt"]).format(parts[0])
    template = dialect.templates.get(op)
    if template is None:
        payload = graph.payloads[node]
        raise UnsupportedError(f"{dialect.library} has no {getattr(payload, 'name', op)}")
    if not PRIMITIVES[op].nary:
        return template.format(*parts)
    text = parts[0]
    for part in parts[1:]:
        text = template.format(_in_parentheses(text), part)
    return text


def _in_parentheses(text: str) -> str:
    return text if text.isidentifier() or text.replace(".", "").isdecimal() else f"({text})"


__all__ = ["Dialect", "Translation", "compiled", "infix", "nested", "translate"]
