"""Writing HTML, MathML and SVG: elements whose texts and attributes are always escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape as _escape
from typing import Final

_FORBIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""Characters that no page may hold, and those that turn the direction of the text around them."""


class Markup(str):
    """Text that is markup already; jinja2 leaves it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


Child = str | Iterable[Markup]
"""Text, which is escaped; markup, or several of it, which is not."""


def text(value: str) -> Markup:
    """Return text as markup."""
    return Markup(_escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", value)))


def element(name: str, *children: Child, **attributes: object) -> Markup:
    """Return an element.

    Parameters
    ----------
    name
        Its name.
    *children
        What is in it.
    **attributes
        `class_` is `class`, `stroke_width` is `stroke-width`; None and False leave an attribute out. `view_box` is
        `viewBox`, for SVG minds the case.
    """
    return _element(name, {_attribute(key): value for key, value in attributes.items()}, children)


def _element(name: str, attributes: Mapping[str, object], children: Iterable[Child]) -> Markup:
    head = "".join(
        f' {key}="{text(_number(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    body = "".join(_inner(child) for child in children)
    return Markup(f"<{name}{head}>{body}</{name}>")


def _inner(child: Child) -> str:
    if isinstance(child, Markup):
        return child
    return text(child) if isinstance(child, str) else "".join(child)


def _attribute(key: str) -> str:
    if key == "view_box":
        return "viewBox"
    return key.rstrip("_").replace("_", "-")


def _number(value: object) -> str:
    """Write a coordinate with two digits, and anything else as it is."""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return str(value)
