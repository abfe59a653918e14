"""JSON without the package json, whose import compiles regular expressions: 2 ms of a warm start that should take 8.

CPython reads JSON by a small extension, which the package json uses as well.
"""

from __future__ import annotations

from typing import Any

__all__ = ["from_text", "to_text"]


def to_text(value: object) -> str:
    """Write dicts, lists, strings and numbers as JSON. Not needed on a warm start."""
    from json import dumps

    return dumps(value)


def from_text(text: str) -> Any:
    """Read what `to_text` wrote.

    Raises
    ------
    ValueError
        For anything else.
    """
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("not JSON: it goes on after its end")
    return value


class _Context:
    """What the scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _scanner() -> Any:
    try:
        from _json import make_scanner
    except ImportError:  # not CPython
        from json import JSONDecoder

        return JSONDecoder().scan_once  # type: ignore[attr-defined]
    return make_scanner(_Context)  # type: ignore[arg-type]


_scan = _scanner()
