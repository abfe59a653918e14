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
from importlib import import_module
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
    ("dask", "arrays in chunks"),
    ("numba", "calls from compiled loops"),
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
    findings = [*_versions(), *_compiler()]
    # Without a compiler a test would only say the same again.
    able = not any(finding.fatal for finding in findings)
    if able:
        findings.append(_finding("test compile", lambda: _test_compile(cached=False)))
    findings.append(_finding("cache", _cache_state))
    if able and not findings[-1].fatal:
        findings.append(_finding("cached compile", lambda: _test_compile(cached=True)))
        findings.append(_finding("fast caller", _fast_caller))
    findings += [_finding("threads", _threads), _finding("memory", _memory), _vector_math()]
    return [*findings, *(_host(name, purpose) for name, purpose in _HOSTS)]


def render(findings: Sequence[Finding]) -> str:
    """Return the findings as text, with the verdict at the end."""
    width = max(len(finding.subject) for finding in findings)
    rows = [line for finding in findings for line in _lines(finding, width)]
    bad = sum(finding.fatal for finding in findings)
    verdict = (
        "ready to compile" if not bad else f"{bad} of {len(findings)} FAILED: formulas cannot be compiled"
    )
    return "\n".join([*rows, "", verdict])


def _lines(finding: Finding, width: int) -> Iterator[str]:
    first, *rest = finding.text.splitlines() or [""]
    yield f"{finding.state:<7}  {finding.subject:<{width}}  {first}".rstrip()
    margin = " " * (width + 11)
    yield from (f"{margin}{line}" for line in rest)
    if finding.remedy:
        yield f"{margin}-> {finding.remedy}"


# ---------------------------------------------------------------- not to raise


def _finding(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:
        return _failed(subject, error)


def _failed(subject: str, error: Exception) -> Finding:
    """Turn an error into a finding; the errors of tapeless name the remedy themselves."""
    if isinstance(error, TapelessError):
        text = str(error).replace("cache=False", "cache=False (here --no-cache)")
        what, _, remedy = text.partition("; " if "; " in text else ". ")
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


def _compiler() -> list[Finding]:
    from tapeless.runtime.compiler import find_compiler

    try:
        compiler = find_compiler()
    except Exception as error:
        return [_failed("compiler", error)]
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
    files = ("-o", "x.so", "x.c")
    words = [word for word in compiler.command("x.c", "x.so")[len(compiler.argv) :] if word not in files]
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
    import_module("tapeless.targets.formulas")  # sympy takes longer than all the rest, and is paid once
    start = time.perf_counter()
    line = tapeless.compile(_PROBE, cache=cached)
    value, gradient = line.value_and_grad(2.0, 5.0, 1.0)
    spent = (time.perf_counter() - start) * 1e3
    found = (value, *gradient)
    if found != (11.0, 5.0, 2.0, 1.0):
        return Finding(
            subject, "FAILED", f"w*x + b at 2, 5, 1 gave {found}", "try another C compiler, TAPELESS_CC"
        )
    how = "built or found" if cached else "built"
    return Finding(subject, "ok", f"w*x + b and its gradient: {how}, loaded and called in {spent:.0f} ms")


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


def _fast_caller() -> Finding:
    from tapeless.runtime import caller, warm

    found = caller.find(warm.compiler(), warm.cache())
    if found.extension is None:
        return Finding("fast caller", "missing", found.reason, found.remedy)
    return Finding("fast caller", "ok", found.path)


def _threads() -> Finding:
    from tapeless.runtime.cores import VARIABLE, available_cores, thread_limit

    try:
        limit = thread_limit()
    except TapelessError as error:
        what, _, remedy = str(error).partition("; ")
        return Finding("threads", "missing", what, remedy)
    cores = available_cores()
    source = (
        f"by {VARIABLE}" if os.environ.get(VARIABLE, "").strip() else f"set {VARIABLE} for another number"
    )
    return Finding("threads", "ok", f"{limit} at most for a call; {cores} cores for this process\n{source}")


def _memory() -> Finding:
    from tapeless.runtime.pool import POOL, VARIABLE

    try:
        limit = POOL.limit
    except TapelessError as error:
        what, _, remedy = str(error).partition("; ")
        return Finding("memory", "missing", what, remedy)
    return Finding("memory", "ok", f"up to {limit / 1e6:.0f} MB kept for large results ({VARIABLE})")


def _vector_math() -> Finding:
    """Look for glibc's vector math, which computes several values of tan or atan2 at once."""
    import ctypes

    libc = _libc()
    try:
        ctypes.CDLL("libmvec.so.1")
    except OSError:
        return Finding(
            "vector math", "missing", f"{libc} without libmvec", "nothing to do: results are the same"
        )
    return Finding("vector math", "ok", f"libmvec of {libc}")


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or "unknown C library"
    except (ValueError, OSError):
        return " ".join(platform.libc_ver()).strip() or "unknown C library"


def _host(name: str, purpose: str) -> Finding:
    """Look for a host and for the bridge to it."""
    from importlib.util import find_spec

    version = _version(name)
    if find_spec(f"tapeless.bridges.{name}") is None:
        found = version or "not installed"
        return Finding(
            name, "ok" if version else "missing", f"{found}; no bridge to it here: pass NumPy arrays"
        )
    if version is None:
        return Finding(
            name, "missing", "not installed", f"only for {purpose}: pip install 'tapeless[{name}]'"
        )
    return Finding(name, "ok", version)


__all__ = ["Finding", "examine", "render"]
