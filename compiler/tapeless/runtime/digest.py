"""Digests without OpenSSL: importing hashlib loads libcrypto, 3 to 5 ms of a warm start that should take 15.

CPython carries the same functions in small extensions of its own, which hashlib falls back to.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["blake2b", "sha256"]


def _find(function: str, modules: tuple[str, ...]) -> Any:
    for name in modules:
        try:
            return getattr(import_module(name), function)
        except ImportError:
            continue
    raise ImportError(f"this Python has no {function}")


# What names and verifies libraries.
sha256 = _find("sha256", ("_sha2", "_sha256", "hashlib"))


def blake2b(content: bytes = b"") -> Any:
    """Return a digest for keys over much text: three times as fast as SHA-256 without OpenSSL.

    Its extension is loaded when it is asked for: not on most warm starts.
    """
    return _find("blake2b", ("_blake2", "hashlib"))(content)
