"""Records of the cache as bytes, by `marshal`: it is part of the interpreter.

The package json compiles regular expressions when it is imported, and its extension alone takes 0.8 ms to load, of a
warm start that should take 8. `marshal` trusts what it reads: a reader checks a checksum first, and that the files
are its own.
"""

from __future__ import annotations

import marshal
from typing import Any

__all__ = ["from_bytes", "to_bytes"]

_FORMAT = 2
"""A format that every Python 3 reads, for they share a cache."""


def to_bytes(value: Any) -> bytes:
    """Write dicts, lists, tuples, strings, numbers and None.

    Raises
    ------
    ValueError
        For objects of other kinds.
    """
    return marshal.dumps(value, _FORMAT)


def from_bytes(content: bytes) -> Any:
    """Read what `to_bytes` wrote, and nothing else."""
    return marshal.loads(content)
