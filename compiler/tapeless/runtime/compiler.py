"""Finding the C compiler and writing its command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tapeless.errors import CompilerError
from tapeless.runtime import cpu
from tapeless.runtime.light import NamedTuple

_CANDIDATES = ("cc", "gcc", "clang")

# Floating point as C writes it: no contraction into fma and no algebra that changes a value. errno and trap
# handlers are given up, for they would keep calls and comparisons from being vectorised; neither touches a
# value, and NaN and infinities keep their meaning. -ffast-math would break isnan and the compensated sums.
_FLAGS = (
    "-std=c11",
    "-fPIC",
    "-pipe",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
)

# For loops over points, of gcc alone; clang refuses some of these words. Calls and arms of choices stay where they
# are written: moved or threaded into branches, they are not vectorised, or under masks. Two turns of a loop are
# scheduled as one: chains of dependent operations are longer than what a processor looks ahead, and two run side by
# side.
_GCC_LOOPS = (
    "-fno-tree-sink",
    "-fno-thread-jumps",
    "-fschedule-insns",
    "-funroll-loops",
    "--param=max-unroll-times=2",
    "--param=max-unrolled-insns=800",
    "--param=max-average-unrolled-insns=800",
)


class Compiler(NamedTuple):
    """A C compiler.

    Parameters
    ----------
    argv
        First words of its command line.
    identity
        Real path, size and time of the executables behind `argv`: part of every cache key, found without
        starting a process.
    zig
        Whether it is `zig cc`, which spells a few things differently.
    gcc
        Whether it goes by the name of gcc, so that flags of gcc alone are worth a try.
    """

    argv: tuple[str, ...]
    identity: str
    zig: bool = False
    gcc: bool = False

    def command(
        self,
        source: str,
        output: str,
        *,
        optimize: str = "-O3",
        extra: Sequence[str] = (),
        architecture: bool = True,
    ) -> list[str]:
        """Return the argument list that compiles and links `source` into the shared library `output`.

        Parameters
        ----------
        source, output
            File names, relative to the working directory.
        optimize
            Level; callers lower it for very long sources.
        extra
            Further flags, after all others.
        architecture
            Whether to name the processor level and what gcc alone knows; False for a compiler that does not.
        """
        options = [optimize, "-shared", *self._flags(architecture, optimize), *extra]
        return [*self.argv, *options, "-o", output, source, "-lm"]

    def unit_command(
        self,
        source: str,
        unit: int,
        output: str,
        *,
        optimize: str = "-O3",
        extra: Sequence[str] = (),
        architecture: bool = True,
    ) -> list[str]:
        """Return the argument list that compiles one unit of `source`, a number from 0, into an object file."""
        options = [optimize, *self._flags(architecture, optimize), *extra, f"-DTAPELESS_UNIT={unit}"]
        return [*self.argv, *options, "-c", "-o", output, source]

    def link_command(self, objects: Sequence[str], output: str) -> list[str]:
        """Return the argument list that links object files into the shared library `output`."""
        sanitized = ("-fno-sanitize=undefined",) if self.zig else ()
        return [*self.argv, "-shared", *sanitized, "-o", output, *objects, "-lm"]

    def _flags(self, architecture: bool, optimize: str) -> tuple[str, ...]:
        host = cpu.host()
        flags = host.flags if architecture else ()
        if self.gcc and architecture:
            if host.vector_math:
                flags += ("-DTAPELESS_VECTOR_MATH=1",)
            if optimize == "-O3":
                flags += _GCC_LOOPS
        if self.zig:
            # zig spells processor names with underscores and adds sanitizers unless told not to.
            flags = tuple(flag.replace("x86-64-v", "x86_64_v") for flag in flags)
            flags += ("-fno-sanitize=undefined",)
        return (*_FLAGS, *flags)


def find_compiler(cc: str | None = None) -> Compiler:
    """Find the C compiler: `cc`, else `TAPELESS_CC`, else cc, gcc or clang, else the ziglang package.

    Parameters
    ----------
    cc
        A command, with arguments if need be ("ccache gcc").

    Raises
    ------
    CompilerError
        Where the command that was asked for does not exist, or there is no compiler at all.
    """
    if cc is not None:
        return _from_command(cc, "cc=")
    asked = os.environ.get("TAPELESS_CC")
    if asked:
        return _from_command(asked, "TAPELESS_CC=")
    for name in _CANDIDATES:
        path = which(name)
        if path is not None:
            return Compiler((path,), _identity(path), gcc=_is_gcc(path))
    return _from_ziglang()


def which(name: str) -> str | None:
    """Return the path of the command `name`, or None.

    The same search as `shutil.which`, whose import alone costs more than the rest of a warm start.
    """
    if os.sep in name:
        return os.path.abspath(name) if _is_executable(name) else None
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name)
        if folder and _is_executable(path):
            return os.path.abspath(path)
    return None


def _from_command(text: str, origin: str) -> Compiler:
    from shlex import split

    try:
        words = split(text)
    except ValueError as error:
        raise CompilerError(f"{origin}{text!r} cannot be split into words: {error}") from None
    path = which(words[0]) if words else None
    if path is None:
        raise CompilerError(
            f"{origin}{text!r} names no executable C compiler; "
            "give the name or path of one, or leave it out to search for cc, gcc and clang"
        )
    # A launcher such as ccache is followed by the compiler proper, which decides what comes out.
    rest = [which(word) for word in words[1:] if not word.startswith("-")]
    identity = ";".join(_identity(found) for found in (path, *rest) if found is not None)
    zig = any(os.path.basename(word).startswith("zig") for word in words)
    gcc = any(_is_gcc(found) for found in (path, *rest) if found is not None)
    return Compiler((path, *words[1:]), identity, zig, gcc)


def _from_ziglang() -> Compiler:
    from importlib.util import find_spec

    spec = find_spec("ziglang")
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise CompilerError(
            "no C compiler found: looked for cc, gcc and clang on PATH and for the Python package ziglang. "
            "Install a compiler (on Debian and Ubuntu: apt install gcc libc6-dev), or run "
            "pip install 'tapeless[zig]', or set TAPELESS_CC to the one to use"
        )
    zig = os.path.join(folders[0], "zig")
    return Compiler((sys.executable, "-m", "ziglang", "cc"), _identity(zig), zig=True)


def _is_gcc(path: str) -> bool:
    return "gcc" in os.path.basename(os.path.realpath(path))


def _is_executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _identity(path: str) -> str:
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except OSError as error:
        raise CompilerError(f"the C compiler {path} cannot be read: {error.strerror}") from None
    return f"{real}|{status.st_size}|{status.st_mtime_ns}"
