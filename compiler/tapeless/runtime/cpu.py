"""The processor, as far as it decides which machine code may run.

The compiler is told a named level of the x86-64 psABI, never "native": what it emits then depends on the
command line alone, and a cache shared between machines stays right.
"""

from __future__ import annotations

import os
from functools import lru_cache

from tapeless.runtime.light import NamedTuple

# Names as in /proc/cpuinfo: "pni" is SSE3, "abm" is LZCNT.
# Source: System V psABI for x86-64, section "Micro-Architecture Levels".
_LEVELS = (
    ("x86-64-v2", frozenset(("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"))),
    ("x86-64-v3", frozenset(("abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"))),
    ("x86-64-v4", frozenset(("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"))),
)


_VECTOR_MATH = (2, 35)  # glibc that has vector versions of all that we ask for: its NEWS


class Cpu(NamedTuple):
    """A processor family with its C library.

    Attributes
    ----------
    name
        Part of cache keys.
    flags
        They go to the compiler.
    vector_math
        Whether the C library has vector versions of its functions.
    """

    name: str
    flags: tuple[str, ...] = ()
    vector_math: bool = False


def resolve(machine: str, features: frozenset[str]) -> Cpu:
    """Choose the highest level whose features are all present.

    Parameters
    ----------
    machine
        Machine name as the kernel gives it, such as "x86_64".
    features
        Feature flags as in /proc/cpuinfo; empty where they are not known.
    """
    level = None
    if machine == "x86_64":
        for name, needed in _LEVELS:
            if not needed <= features:
                break
            level = name
    if level is None:
        return Cpu(machine)
    flags: tuple[str, ...] = (f"-march={level}",)
    if level == "x86-64-v4":
        flags += ("-mprefer-vector-width=512",)  # compilers stop at 256 bits by default
    return Cpu(f"{machine}/{level}", flags)


def with_vector_math(processor: Cpu, machine: str, libc: str) -> Cpu:
    """Note where the C library has vector functions that loops may call.

    Parameters
    ----------
    processor
        What `resolve` gave.
    machine
        Machine name.
    libc
        Name and version of the C library, such as "glibc 2.36"; "" where it does not say.
    """
    name, _, version = libc.partition(" ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if machine != "x86_64" or name != "glibc" or numbers < _VECTOR_MATH:
        return processor
    return Cpu(f"{processor.name}/{libc}", processor.flags, vector_math=True)


@lru_cache(maxsize=1)
def host() -> Cpu:
    """Return this machine's processor; the features are read once."""
    machine = os.uname().machine
    return with_vector_math(resolve(machine, _read_features("/proc/cpuinfo")), machine, _libc())


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):  # another C library
        return ""


def _read_features(path: str) -> frozenset[str]:
    # The first processor speaks for all, and the file is long on big machines: stop at the first line that
    # counts.
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
