"""The C of special functions: which parts of `templates/c/special_*.c` a text needs.

The files hold plain C in double, in parts, each after a line `//: sf_<name>`. A part is brought along where a
primitive calls it or another part names it; so none is declared beside the text, and all stand in the files' order,
each after what it needs. In float32 a function is computed in double and rounded once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from tapeless.ir.primitives import PRIMITIVES
from tapeless.ir.special import NAMES
from tapeless.targets.c.templates import template_text

FILES: Final = ("special_tables.c", "special_gamma.c", "special_error.c", "special_bessel.c")
"""In the order in which their parts need one another."""

_PART: Final = re.compile(r"^//: (sf_\w+)\n", re.MULTILINE)
_NAME: Final = re.compile(r"\bsf_\w+")


@cache
def parts() -> dict[str, str]:
    """Return all parts by name, in order."""
    found: dict[str, str] = {}
    for name in FILES:
        text = template_text(f"c/{name}")
        if text is None:
            raise FileNotFoundError(f"templates/c/{name}")
        _, *pieces = _PART.split(text)
        found.update(zip(pieces[0::2], map(str.strip, pieces[1::2]), strict=True))
    return found


def brought(ops: Iterable[str]) -> list[str]:
    """Return the parts that primitives need, in the order in which C wants them."""
    known = parts()
    todo = [f"sf_{op}" for op in ops if op in NAMES]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [other for other in _NAME.findall(known[name]) if other in known]
    return [name for name in known if name in found]


def texts(ops: Iterable[str]) -> list[str]:
    """Return the C of what primitives need, part by part."""
    known = parts()
    return [known[name] for name in brought(ops)]


def narrow(ops: Iterable[str]) -> list[str]:
    """Return the float forms of the functions of primitives."""
    found = []
    for op in sorted(set(ops) & NAMES):
        args = [chr(ord("a") + k) for k in range(len(PRIMITIVES[op].args))]
        declared = ", ".join(f"float {arg}" for arg in args)
        found.append(
            f"INLINE float sf_{op}f({declared})\n{{\n    return (float)sf_{op}({', '.join(args)});\n}}"
        )
    return found
