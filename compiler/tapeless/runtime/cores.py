"""How many threads a call may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from tapeless.errors import ArgumentError

VARIABLE = "TAPELESS_NUM_THREADS"

_limit: int | None = None


def thread_limit() -> int:
    """Return the most threads of a call that names no limit of its own.

    That is `TAPELESS_NUM_THREADS` where it is set, else the number of cores that are there for this process. Read
    once in a process, and once more in the child of a fork, which may have been given cores of its own.

    Raises
    ------
    ArgumentError
        Where the variable is set to anything but a positive integer.
    """
    global _limit  # noqa: PLW0603 - read once for the whole process
    if _limit is None:
        _limit = _asked() or available_cores()
    return _limit


def _forget() -> None:
    global _limit  # noqa: PLW0603
    _limit = None


os.register_at_fork(after_in_child=_forget)


def _asked() -> int | None:
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise ArgumentError(
            f"{VARIABLE}={text!r} is not a number of threads; set it to 1 or more, or unset it"
        )
    return int(text)


def available_cores(root: str = "") -> int:
    """Return the number of cores this process may use: those it may run on, or fewer where it has a quota of time.

    Parameters
    ----------
    root
        A directory that stands for "/", for tests.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        cores = os.cpu_count() or 1
    quotas = [quota for quota in _quotas(root) if quota > 0]
    return max(1, min([cores, *(math.floor(quota) for quota in quotas)]))


def _quotas(root: str) -> Iterator[float]:
    """Yield the processor time per time of the control groups that this process is in, where they are limited.

    Source: Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst of the Linux kernel.
    """
    for line in _read(f"{root}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        folders = [path[:end] for end in range(1, len(path) + 1) if path[end : end + 1] in ("", "/")]
        if not controllers:
            for folder in ("", *folders):
                yield _ratio(*_read(f"{root}/sys/fs/cgroup{folder}/cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):
            for folder in ("", *folders):
                base = f"{root}/sys/fs/cgroup/{controllers}{folder}/cpu.cfs"
                yield _ratio(_read(f"{base}_quota_us"), _read(f"{base}_period_us"))


def _ratio(quota: str = "", period: str = "") -> float:
    """Divide; where there is no limit ("max", -1, no file), 0."""
    try:
        return max(float(quota) / float(period), 0.0)
    except (ValueError, ZeroDivisionError):
        return 0.0


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
