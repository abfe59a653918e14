"""The short way to a library that is already compiled.

On a warm start this module, its imports and numpy are all that is needed: no sympy, no templates, no parser
of C.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from tapeless.errors import CacheError
from tapeless.runtime import cpu
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import Compiler, find_compiler
from tapeless.runtime.digest import blake2b, sha256
from tapeless.runtime.library import Library
from tapeless.runtime.load import KERNEL

# What no library depends on: the command, the checks, the benchmarks, the bridges, the reports and their templates.
_APART = frozenset(
    (
        "__pycache__",
        "__main__.py",
        "bench",
        "bridges",
        "cli.py",
        "demo.py",
        "doctor.py",
        "html",
        "py.typed",
        "report",
        "testing",
    )
)

# The package -> its digest, for the whole process.
_known: dict[str, str] = {}

# Nanoseconds after which a file that was changed again has another time of change.
_SETTLED = 2_000_000_000

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@lru_cache(maxsize=1)
def package_digest() -> str:
    """Return a digest of the sources and templates that libraries depend on, computed once per process.

    It is taken over the contents, about 2 ms. Sizes and times would be quicker to read
    but are not enough: reproducible builds and image layers set all times alike or cut them to seconds, so
    that an upgrade could find the kernels of the release before it, or a cache shipped in an image would
    never be hit.
    """
    digest = blake2b()
    for root in _source_roots():
        for relative, path in sorted(_sources(root)):
            with open(path, "rb") as file:
                content = file.read()
            digest.update(f"{relative}\n{len(content)}\n".encode())
            digest.update(content)
    return str(digest.hexdigest())


def known_digest(cache: Cache | None) -> str:
    """Return `package_digest()`, by a note in the cache where one tells it for the files as they are.

    The note goes by size, inode, time of writing and time of change. The last is set by the system at each change and
    by nobody else, so no installer or archive can bring it back; where it is kept in seconds alone, or a file changed
    only now, there is no note.
    """
    found = _known.get(_PACKAGE)
    if found is None:
        found = _known.setdefault(_PACKAGE, _noted_digest(cache) if cache is not None else package_digest())
    return found


def _noted_digest(cache: Cache) -> str:
    rows, newest, fine = [], 0, False
    for root in _source_roots():
        for relative, path in sorted(_sources(root)):
            status = os.stat(path)
            rows.append((relative, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns))
            newest = max(newest, status.st_ctime_ns)
            fine = fine or status.st_ctime_ns % 1_000_000_000 != 0
    if not fine or time.time_ns() - newest < _SETTLED:
        return package_digest()
    key = str(sha256(ascii(("sources", _PACKAGE, rows)).encode("ascii")).hexdigest())
    note = cache.noted(key)
    if note is not None:
        return str(note["digest"])
    digest = package_digest()
    with suppress(CacheError):  # one that can only be read serves as well
        cache.note(key, {"digest": digest})
    return digest


def compiler(cc: str | None = None) -> Compiler:
    """Return the C compiler; see `find_compiler`."""
    return find_compiler(cc)


def cache(enabled: bool = True) -> Cache | None:
    """Return the cache, or None where it is not to be used."""
    return Cache() if enabled else None


def request_key(
    request: object, options: Mapping[str, Any], compiler: Compiler, cache: Cache | None = None
) -> str:
    """Return the key of a compile request: a digest of all that its outcome depends on.

    Parameters
    ----------
    request
        What is to be compiled: texts of formulas, digests of graphs, in tuples and lists.
    options
        Options of the compilation, likewise.
    compiler
        The C compiler.
    cache
        Where the digest of the package may be noted.
    """
    parts = [
        known_digest(cache),
        request,
        sorted(options.items()),
        compiler.argv,
        compiler.identity,
        cpu.host().name,
        KERNEL.cdef,
    ]
    return str(sha256(ascii(parts).encode("ascii")).hexdigest())


def recall(cache: Cache | None, key: str) -> tuple[dict[str, Any], Library] | None:
    """Return the payload and the verified library that `remember` kept under this key, or None."""
    return cache.recall(key) if cache is not None else None


def remember(cache: Cache | None, key: str, payload: dict[str, Any], library: Library) -> None:
    """Keep a payload (values that JSON knows) and a library under a key of `request_key`."""
    if cache is not None:
        cache.remember(key, payload, library)


def _source_roots() -> list[str]:
    """Return the package and, in a checkout, the templates beside it; a zip stands for itself."""
    if not os.path.isdir(_PACKAGE):
        archive = getattr(globals().get("__loader__"), "archive", None)
        return [archive] if archive is not None else []
    roots = [_PACKAGE]
    if not os.path.isdir(os.path.join(_PACKAGE, "templates")):
        roots.append(os.path.join(os.path.dirname(os.path.dirname(_PACKAGE)), "templates"))
    return roots


def _sources(root: str) -> list[tuple[str, str]]:
    """List (relative path, path) of the files below `root` that count; `root` may be a single file."""
    if os.path.isfile(root):
        return [("", root)]
    found = []
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.name in _APART:
                continue
            if entry.is_dir():
                pending.append(entry.path)
            else:
                found.append((entry.path[len(root) :], entry.path))
    return found
