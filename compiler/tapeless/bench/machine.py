"""The machine that a benchmark ran on: processor, caches, memory, cores to run on, versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

_CACHES = "/sys/devices/system/cpu/cpu{core}/cache"
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is.

    Attributes
    ----------
    processor
        Its name.
    cores
        Cores that this process may use.
    caches
        (level, bytes) of the data caches of one core, the nearest first; empty where the system does not say.
    load
        Processes that were running, on average over the last minute.
    """

    processor: str
    cores: int
    caches: tuple[tuple[int, int], ...]
    load: float

    def __str__(self) -> str:
        sizes = ", ".join(f"L{level} {_size(size)}" for level, size in self.caches)
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        return f"{self.processor}, {cores}{', ' if sizes else ''}{sizes}; load {self.load:.1f}"


def this_machine() -> Machine:
    """Look at this machine."""
    return Machine(processor(), len(cores()), caches(), load())


def processor() -> str:
    """Return the name of the processor."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def caches() -> tuple[tuple[int, int], ...]:
    """Return (level, bytes) of the data caches, the nearest first."""
    folder = _CACHES.format(core=cores()[0])
    found = {}
    try:
        entries = sorted(entry.path for entry in os.scandir(folder) if entry.name.startswith("index"))
    except OSError:
        return ()
    for path in entries:
        kind, level, size = (next(_lines(f"{path}/{name}"), "").strip() for name in ("type", "level", "size"))
        if kind in ("Data", "Unified") and level.isdecimal() and size[:-1].isdecimal():
            found[int(level)] = int(size[:-1]) * _UNITS.get(size[-1], 1)
    return tuple(sorted(found.items()))


def load() -> float:
    """Return the load average of the last minute."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def free_memory() -> int | None:
    """Return the bytes of memory that can be had without swapping; None where the system does not say."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Keep this process, and what it starts, to so many cores, the last of those it may use.

    No way may use more cores than it was given, whatever its library thinks best. Where the system cannot pin
    processes, or has fewer cores, nothing is done.
    """
    allowed = cores()
    if not hasattr(os, "sched_setaffinity") or count >= len(allowed):
        yield
        return
    os.sched_setaffinity(0, allowed[-count:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            yield from file
    except OSError:
        return


def _size(count: int) -> str:
    for unit in ("M", "K"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:g} {unit}iB"
    return f"{count} B"
