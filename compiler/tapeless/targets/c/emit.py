"""Kernels -> Source: C text and header through the templates in `templates/c/`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from hashlib import sha256
from typing import Any, Final, NamedTuple

from tapeless.ir.primitives import PRIMITIVES
from tapeless.targets.c import special
from tapeless.targets.c.angles import with_rests
from tapeless.targets.c.expressions import Body, Line, bodies
from tapeless.targets.c.kernel import Kernel, Param, Source
from tapeless.targets.c.parts import TILE, partition
from tapeless.targets.c.spelling import CALLS, HELPERS, VECTORISED, call, is_plain_name
from tapeless.targets.c.templates import environment
from tapeless.targets.c.vector_math import ANGLES, OWN, SECOND, needed, numbers

_TITLES: Final[dict[str, str]] = {
    "forward": "Forward",
    "backward": "Backward: cotangents of the outputs in, cotangents of the inputs out",
    "forward_backward": "Forward and backward in one pass",
    "grad": "Gradient at each point",
    "value_and_grad": "Value and gradient at each point",
    "jvp": "Value and its tangent",
    "jacobian": "Jacobian: all outputs by all inputs",
    "sparse_jacobian": "Entries of the Jacobian that are not zero by structure",
    "hessian": "Hessian",
    "sparse_hessian": "Entries of the upper triangle of the Hessian that are not zero by structure",
    "hvp": "Hessian times a vector",
}
_MAX_NOTES: Final = 24
_STRIP: Final = 512
"""Points after which a loop looks whether an angle was too large for it."""
_STACK: Final = 4096
"""Numbers that a workspace may hold on the stack."""
_LINE: Final = 100
_NATURAL: Final = 512
"""Pointers beyond which a function takes them in tables only: C promises 127 parameters, and compilers take more
than linear time for thousands."""
_UNIT: Final = 3000
"""Statements and stores of a unit, where a text is long enough to be compiled in several."""
_MOST_UNITS: Final = 16
"""Each unit reads the whole text, so that their number must not grow with it."""


def c_name(name: str) -> str:
    """Return `name` where it may stand in C, else one that is generated and tells names apart."""
    return name if is_plain_name(name) else f"function_{sha256(name.encode()).hexdigest()[:8]}"


def emit(functions: Sequence[tuple[str, Sequence[Kernel]]], name: str) -> Source:
    """Write one C file with its header.

    Parameters
    ----------
    functions
        The kernels by the name of their function.
    name
        Name of the file.
    """
    stem = c_name(name)
    taken: set[str] = set()
    shown: list[dict[str, Any]] = []
    symbols: list[tuple[str, str]] = []
    calls: set[str] = set()
    dtype = "float64"
    for function, kernels in functions:
        prefix = _free_prefix(c_name(function), [kernel.kind for kernel in kernels], taken)
        for kernel in kernels:
            symbol = f"{prefix}_{kernel.kind}"
            taken |= {symbol, f"{symbol}_lanes"}
            symbols.append((f"{function}.{kernel.kind}", symbol))
            cut = partition(kernel)
            written = bodies(kernel, cut)
            for part in written:
                calls |= part.calls
            far = _far(kernel, written)
            if far is not None:
                calls |= far.body.calls | {f"{op}_any" for op in far.body.calls & ANGLES}
            dtype = kernel.dtype
            shown.append(_kernel_fields(kernel, cut.slots, written, far, symbol))
    units = _spread(shown)
    # In a long kernel the functions of the library cost less to compile than so many copies of our own.
    parted = any(not k["whole"] for k in shown)
    brought = needed(calls - frozenset(CALLS) - SECOND if parted else calls)
    if not ANGLES & frozenset(brought):
        for fields in shown:
            fields["far"] = None
    real = "float" if dtype == "float32" else "double"
    module = {
        "stem": stem,
        "guard": f"{stem.upper()}_H",
        "real": real,
        "suffix": "f" if real == "float" else "",
        "kernels": shown,
        "helpers": [HELPERS[op] for op in HELPERS if op in calls],
        "vectorised": _vectorised(calls - frozenset(brought), dtype),
        "functions": brought,
        "numbers": numbers(dtype),
        "special": special.texts(calls),
        "narrow": special.narrow(calls) if real == "float" else [],
        "word": "uint32_t" if real == "float" else "uint64_t",
        "math": bool(calls - frozenset(HELPERS)) or any(k["limits"] for k in shown),
        "parted": parted,
        "units": units,
    }
    templates = environment()
    return Source(
        name=stem,
        text=templates.get_template("c/module.c.j2").render(module).rstrip() + "\n",
        header=templates.get_template("c/module.h.j2").render(module),
        symbols=tuple(symbols),
        units=units,
    )


def _spread(kernels: Sequence[dict[str, Any]]) -> int:
    """Share the parts of all kernels out among units; return how many units that takes, the first for the rest.

    Sets `opens` of the first part of a unit to its number and `closes` of the last, kernel by kernel.
    """
    parts = [part for kernel in kernels if not kernel["whole"] for part in kernel["parts"]]
    total = sum(part["size"] for part in parts)
    if total <= 2 * _UNIT:
        return 1
    room = max(_UNIT, -(-total // (_MOST_UNITS - 1)))
    unit, filled = 1, 0
    for kernel in kernels:
        if kernel["whole"]:
            continue
        kernel["parts"][0]["opens"] = unit
        kernel["parts"][-1]["closes"] = True
        for part, following in zip(kernel["parts"], kernel["parts"][1:], strict=False):
            filled += part["size"]
            if filled >= room:
                unit, filled = unit + 1, 0
                part["closes"], following["opens"] = True, unit
        filled += kernel["parts"][-1]["size"]
    return unit + 1


def _vectorised(calls: Set[str], dtype: str) -> list[tuple[str, str]]:
    """Return (C function, its parameters) of the library's functions used that have vector versions."""
    real = "float" if dtype == "float32" else "double"
    arity = {op: len(PRIMITIVES[op].args) for op in calls & (VECTORISED | OWN) & frozenset(CALLS)}
    return [(call(op, dtype).removeprefix("vm_"), ", ".join([real] * arity[op])) for op in sorted(arity)]


def _free_prefix(prefix: str, kinds: Sequence[str], taken: Set[str]) -> str:
    """Lengthen a prefix until no kernel of its function is called like one of another."""
    while any(f"{prefix}_{kind}{ending}" in taken for kind in kinds for ending in ("", "_lanes")):
        prefix += "_"
    return prefix


class _Far(NamedTuple):
    """The function for points with large angles, and the angles that send a point there, with a rest and without."""

    body: Body
    long: list[str]
    plain: list[str]


def _far(kernel: Kernel, written: Sequence[Body]) -> _Far | None:
    """Write the function for points with large angles; None without angles, or where parts are called instead."""
    if len(written) > 1 or not written[0].angles:
        return None
    rested, rests = with_rests(kernel)
    [body] = bodies(rested, partition(rested, len(rested.statements) + len(rested.stores)))
    angles = written[0].angles
    return _Far(
        body, [name for name, at in angles if at in rests], [name for name, at in angles if at not in rests]
    )


def _kernel_fields(
    kernel: Kernel, slots: int, written: Sequence[Body], far: _Far | None, symbol: str
) -> dict[str, Any]:
    ins, outs = _parameter_names(kernel.ins, kernel.outs)
    real = "float" if kernel.dtype == "float32" else "double"
    used = {lane for part in written for _, lane in part.loads}
    notes = [f"r{k} = {text}" for k, text in enumerate(kernel.notes) if text]
    whole = len(written) == 1
    in_names = [f"{name}[i]" if whole else f"((const {real} *)in[{k}])[i + j]" for k, name in enumerate(ins)]
    out_names = [f"{name}[i]" if whole else f"(({real} *)out[{k}])[i + j]" for k, name in enumerate(outs)]
    parts = [_part_fields(part, real, in_names, out_names) for part in written]
    tables = [f"in[{k}]" for k in range(len(ins))] + [f"out[{k}]" for k in range(len(outs))]
    pointers = [f"const {real} *{name}" for name in ins] + [f"{real} *{name}" for name in outs]
    restricted = [p.replace("*", "*restrict ", 1) for p in pointers]
    return {
        "symbol": symbol,
        "title": _TITLES.get(kernel.kind, kernel.kind),
        "notes": notes if len(notes) <= _MAX_NOTES and whole else [],
        "whole": whole,
        "parts": parts,
        # Beyond a small size the workspace is kept off the stack, which may be small in a thread.
        "workspace": f"{'static _Thread_local ' if slots * TILE > _STACK else ''}{real} w[{(slots or 1) * TILE}]",
        "tile": TILE,
        "ins": ins,
        "outs": outs,
        "prototype": _wrap(f"void {symbol}(", ["ptrdiff_t n", *restricted]),
        "declaration": _wrap(f"void {symbol}(", ["ptrdiff_t n", *pointers]),
        "natural": whole or len(pointers) <= _NATURAL,
        "part_names": _wrap("SHARED APART part ", [f"{symbol}_part{k}" for k in range(len(parts))], ";"),
        "unused": [name for lane, name in enumerate(ins) if lane not in used] if whole else [],
        "in_table": _wrap("        (const void *const[]){", ins, "}") if ins else "        NULL",
        "out_table": _wrap("        (void *const[]){", outs, "}"),
        "limits": any(part["limits"] for part in parts),
        "far": None
        if far is None
        else _far_fields(far, _part_fields(far.body, real, in_names, out_names), symbol, restricted, real),
        "strip": _STRIP,
        "table_call": _wrap(f"    {symbol}(", ["n", *tables]),
        "no_inputs": not ins,
    }


def _far_fields(
    far: _Far, part: dict[str, Any], symbol: str, parameters: Sequence[str], real: str
) -> dict[str, Any]:
    """Describe the function that computes points with large angles, from i_start to i_end."""
    f = "f" if real == "float" else ""

    def with_any(text: str) -> str:
        for op in sorted(ANGLES):
            text = text.replace(f"vm_{op}{f}(", f"vm_{op}_any{f}(")
        return text

    names = [parameter.rpartition(" ")[2] for parameter in parameters]
    return {
        **part,
        "lines": [(kind, name, with_any(text)) for kind, name, text in part["lines"]],
        "stores": [(target, with_any(text)) for target, text in part["stores"]],
        "angles": [f"vm_is_long{f}({angle})" for angle in far.long]
        + [f"vm_is_far{f}({angle})" for angle in far.plain],
        "prototype": _wrap(f"RARE void {symbol}_far(", ["ptrdiff_t i_start", "ptrdiff_t i_end", *parameters]),
        "call": _wrap(f"            {symbol}_far(", ["i_start", "i_end", *names]),
    }


def _part_fields(part: Body, real: str, ins: Sequence[str], outs: Sequence[str]) -> dict[str, Any]:
    texts = [text for _, text, _ in part.constants]
    texts += [line.text for line in part.lines] + [text for _, text in (*part.writes, *part.stores)]
    zero = "0.0f" if real == "float" else "0.0"
    reads = [
        Line(r.name, f"{_slot(r.text)} != {zero}" if r.truth else _slot(r.text), r.truth) for r in part.reads
    ]
    stored = [(_slot(slot), text) for slot, text in part.writes]
    stored += [(outs[lane], text) for lane, text in part.stores]
    return {
        "size": len(part.lines) + len(part.reads) + len(part.writes) + len(part.stores),
        "opens": 0,
        "closes": False,
        "constants": _columns(part.constants),
        "loads": _columns((name, ins[lane]) for name, lane in part.loads),
        "reads": _typed(reads, real),
        "lines": _typed(part.lines, real),
        "stores": _columns(stored),
        "limits": any("HUGE_VAL" in text or "NAN" in text for text in texts),
        "unused": [
            name
            for name, is_used in (
                ("in", bool(part.loads)),
                ("out", bool(part.stores)),
                ("w", bool(part.reads or part.writes)),
                ("i", bool(part.loads or part.stores)),
            )
            if not is_used
        ],
    }


def _slot(slot: int | str) -> str:
    return f"w[{int(slot) * TILE} + j]"


def _typed(lines: Sequence[Line], real: str) -> list[tuple[str, str, str]]:
    """Give type, padded name and text of each line; types are padded where they differ."""
    types = _pad(["int" if line.truth else real for line in lines])
    names = _pad([line.name for line in lines])
    return [(kind, name, line.text) for kind, name, line in zip(types, names, lines, strict=True)]


def _parameter_names(ins: Iterable[Param], outs: Iterable[Param]) -> tuple[list[str], list[str]]:
    """Give each lane a C name: the user's where that is plain and free, else a generated one."""
    taken: set[str] = set()

    def choose(params: Iterable[Param], letter: str) -> list[str]:
        names = []
        for position, param in enumerate(params):
            name = param.name if param.element is None else f"{param.name}_{param.element}"
            if not is_plain_name(name) or name in taken:
                name = f"{letter}{position}"
                while name in taken:
                    name += "_"
            taken.add(name)
            names.append(name)
        return names

    return choose(ins, "arg"), choose(outs, "res")


def _pad(names: Sequence[str]) -> list[str]:
    width = max((len(name) for name in names), default=0)
    return [name.ljust(width) for name in names]


def _columns(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Pad all but the last column."""
    rows = list(rows)
    if not rows:
        return []
    columns = [_pad([row[k] for row in rows]) for k in range(len(rows[0]) - 1)]
    return [(*(column[i] for column in columns), row[-1]) for i, row in enumerate(rows)]


def _wrap(head: str, items: Sequence[str], end: str = ")") -> str:
    """Join items after `head`, breaking lines under the first of them."""
    lines, line = [], head
    for k, item in enumerate(items):
        piece = item + (end if k == len(items) - 1 else ",")
        if len(line) + len(piece) > _LINE and line.strip() != head.strip():
            lines.append(line.rstrip())
            line = " " * len(head)
        line += piece + " "
    lines.append(line.rstrip())
    return "\n".join(lines)
