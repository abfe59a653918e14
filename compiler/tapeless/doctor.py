"""`tapeless doctor`: what is there, what is missing, and what to do.

Each finding is made on its own and none raises: this is the command for machines on which things are broken.
"""

from __future__ import annotations

import os
import platform
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tapeless.errors import TapelessError

if TYPE_CHECKING:
    from tapeless.runtime.cache import CacheInfo
    from tapeless.runtime.compiler import Compiler

_PACKAGES: Final = ("numpy", "sympy", "mpmath", "cffi", "jinja2")
_HOSTS: Final = (
    ("scipy", "sparse derivatives, low-level callables"),
    ("torch", "PyTorch tensors"),
    ("jax", "JAX arrays"),
)
_PROBE: Final = "doctor(w, x, b) = w*x + b"
_PATIENCE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    subject
        What it is.
    state
        `"ok"`, `"missing"` for what is optional, or `"FAILED"`.
    text
        What was found; several lines where need be.
    remedy
        What to do, or "".
    """

    subject: str
    state: str
    text: str
    remedy: str = ""

    @property
    def fatal(self) -> bool:
        """Whether nothing can be compiled before this is put right."""
        return self.state == "FAILED"


def examine() -> list[Finding]:
    """Look at everything that compiling a formula depends on."""
    compiler = _guarded("compiler", _find_compiler)
    return [
        *_versions(),
        *(_compiler_findings(compiler) if not isinstance(compiler, Finding) else [compiler]),
        _finding("test compile", lambda: _test_compile(cached=False)),
        *_cache(),
        _vector_math(),
        *(_host(name, purpose) for name, purpose in _HOSTS),
    ]


def render(findings: Sequence[Finding]) -> str:
    """Return the findings as text, with the verdict at the end."""
    width = max(len(finding.subject) for finding in findings)
    rows = [line for finding in findings for line in _lines(finding, width)]
    bad = sum(finding.fatal for finding in findings)
    verdict = "ready to compile" if not bad else f"{bad} of {len(findings)} FAILED: formulas cannot be compiled"
    return "\n".join([*rows, "", verdict])


def _lines(finding: Finding, width: int) -> Iterator[str]:
    first, *rest = finding.text.splitlines() or [""]
    yield f"{finding.state:<7}  {finding.subject:<{width}}  {first}".rstrip()
    margin = " " * (width + 11)
    yield from (f"{margin}{line}" for line in rest)
    if finding.remedy:
        yield f"{margin}-> {finding.remedy}"


# ---------------------------------------------------------------- not to raise


def _guarded(subject: str, look: Callable[[], Compiler]) -> Compiler | Finding:
    try:
        return look()
    except Exception as error:
        return _failed(subject, error)


def _finding(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:
        return _failed(subject, error)


def _failed(subject: str, error: Exception) -> Finding:
    """Turn an error into a finding; the errors of tapeless name the remedy themselves."""
    if isinstance(error, TapelessError):
        what, _, remedy = str(error).partition("; ")
        return Finding(subject, "FAILED", what, remedy)
    return Finding(subject, "FAILED", f"{type(error).__name__}: {error}")


# ---------------------------------------------------------------- what is looked at


def _versions() -> list[Finding]:
    from tapeless import __version__

    python = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    return [
        Finding("tapeless", "ok", f"{__version__}, {os.path.dirname(os.path.abspath(__file__))}"),
        Finding("python", "ok", python),
        *map(_package, _PACKAGES),
    ]


def _package(name: str) -> Finding:
    version = _version(name)
    if version is None:
        return Finding(name, "FAILED", "not installed", f"pip install {name}")
    return Finding(name, "ok", version)


def _version(name: str) -> str | None:
    """Return the version of an installed package, which is not imported."""
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        if find_spec(name) is None:
            return None
        return version(name)
    except PackageNotFoundError:
        return "importable, of unknown version"
    except (ImportError, ValueError):
        return None


def _find_compiler() -> Compiler:
    from tapeless.runtime.compiler import find_compiler

    return find_compiler()


def _compiler_findings(compiler: Compiler) -> list[Finding]:
    return [
        _finding("compiler", lambda: _compiler_version(compiler)),
        _finding("processor", _processor),
        _finding("flags", lambda: _flags(compiler)),
    ]


def _compiler_version(compiler: Compiler) -> Finding:
    command = [*compiler.argv, "--version"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_PATIENCE,
        check=False,
    )
    first = done.stdout.strip().partition("\n")[0]
    if done.returncode or not first:
        return Finding(
            "compiler",
            "FAILED",
            f"{' '.join(command)} exits with {done.returncode}\n{done.stderr.strip()[:400]}".rstrip(),
            "set TAPELESS_CC to the C compiler to use",
        )
    return Finding("compiler", "ok", f"{first}\n{' '.join(compiler.argv)}")


def _processor() -> Finding:
    from tapeless.runtime import cpu

    return Finding("processor", "ok", cpu.host().name)


def _flags(compiler: Compiler) -> Finding:
    words = compiler.command("X.c", "X.so")[len(compiler.argv) :]
    return Finding("flags", "ok", "\n".join(_wrapped(words)))


def _wrapped(words: Sequence[str], width: int = 76) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".lstrip()
    return lines


def _test_compile(*, cached: bool) -> Finding:
    """Take a formula all the way, forward and backward."""
    import tapeless

    subject = "cached compile" if cached else "test compile"
    start = time.perf_counter()
    line = tapeless.compile(_PROBE, cache=cached)
    value, gradient = line.value_and_grad(2.0, 5.0, 1.0)
    spent = (time.perf_counter() - start) * 1e3
    found = (value, *gradient)
    if found != (11.0, 5.0, 2.0, 1.0):
        return Finding(subject, "FAILED", f"w*x + b at 2, 5, 1 gave {found}", "try another C compiler, TAPELESS_CC")
    return Finding(subject, "ok", f"w*x + b and its gradient: built, loaded, called in {spent:.0f} ms")


def _cache() -> list[Finding]:
    state = _finding("cache", _cache_state)
    if state.fatal:
        return [state]
    return [state, _finding("cached compile", lambda: _test_compile(cached=True))]


def _cache_state() -> Finding:
    from tapeless.runtime.cache import Cache

    info = Cache().info()
    if not os.path.isdir(info.path):
        return Finding("cache", "ok", f"{info.path}\nnot there yet; it is made at the first compile")
    return Finding("cache", "ok", _cache_text(info))


def _cache_text(info: CacheInfo) -> str:
    status = os.stat(info.path)
    room = f"{info.entries} libraries, {info.bytes / 1e6:.1f} MB of {info.limit / 1e6:.0f} MB"
    return f"{info.path}\nmode {stat.S_IMODE(status.st_mode):o}, {room}"


def _vector_math() -> Finding:
    """Look for glibc's vector math, without which every call of sin or exp is scalar."""
    import ctypes

    libc = _libc()
    try:
        ctypes.CDLL("libmvec.so.1")
    except OSError:
        remedy = "nothing to do: calls of exp, sin and the like go one at a time"
        return Finding("vector math", "missing", f"{libc} without libmvec", remedy)
    return Finding("vector math", "ok", f"libmvec of {libc}")


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown C library"
    except (ValueError, OSError):
        return " ".join(platform.libc_ver()).strip() or "unknown C library"


def _host(name: str, purpose: str) -> Finding:
    version = _version(name)
    if version is None:
        return Finding(name, "missing", "not installed", f"only for {purpose}: pip install {name}")
    return Finding(name, "ok", version)


__all__ = ["Finding", "examine", "render"]
