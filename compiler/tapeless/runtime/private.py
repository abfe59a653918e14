"""The directory for libraries that are not cached: one per process, removed when the process ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache

from tapeless.errors import CacheError


def private_path(name: str) -> str:
    """Return a path for `name` in this process's own directory."""
    return os.path.join(_directory(os.getpid()), name)


@cache
def _directory(pid: int) -> str:
    """Create the directory of process `pid`. A forked child asks under its own number and gets its own."""
    try:
        path = tempfile.mkdtemp(prefix="tapeless-libraries-")
    except OSError as error:
        raise CacheError(
            f"no temporary directory for libraries ({error.strerror or error}); "
            "set TMPDIR to a directory with room"
        ) from None
    atexit.register(_remove, path, pid)
    return path


def _remove(path: str, pid: int) -> None:
    if os.getpid() == pid:  # a forked child inherits the hook, but the directory is its parent's
        shutil.rmtree(path, ignore_errors=True)
