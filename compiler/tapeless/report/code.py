"""C with its parts marked for colour."""

from __future__ import annotations

import re
from typing import Final

from tapeless.report.markup import Markup, element, text

_TOKENS: Final = re.compile(
    r"(?P<comment>/\*.*?\*/)|(?P<directive>^[ ]*\#[^\n]*)|(?P<string>\"[^\"\n]*\")"
    r"|(?P<number>\b(?:0x[0-9a-fA-F.]+(?:p[+-]?\d+)?|\d+\.?\d*(?:[eE][+-]?\d+)?)f?\b)"
    r"|(?P<word>\b(?:const|void|double|float|int|ptrdiff_t|for|return|static|inline|restrict|if|extern|typedef)\b)",
    re.DOTALL | re.MULTILINE,
)


def highlighted(source: str) -> Markup:
    """Return C text as markup; every character of it is there."""
    parts: list[str] = []
    at = 0
    for match in _TOKENS.finditer(source):
        parts.append(text(source[at : match.start()]))
        parts.append(element("span", match[0], class_=f"c-{match.lastgroup}"))
        at = match.end()
    parts.append(text(source[at:]))
    return Markup("".join(parts))
