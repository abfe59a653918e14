"""Compiling C text into a library, in several units side by side where it is long."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache as once
from types import MappingProxyType
from typing import NamedTuple

from tapeless.errors import CacheError, CompilerError, TapelessError
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import Compiler
from tapeless.runtime.cores import available_cores
from tapeless.runtime.digest import sha256
from tapeless.runtime.library import Library
from tapeless.runtime.private import private_path
from tapeless.runtime.processes import Finished, OutOfTimeError, run_all
from tapeless.runtime.progress import Progress

__all__ = ["Library", "build"]

# All of the environment that reaches the compiler. CPATH, CFLAGS, COMPILER_PATH, LD_PRELOAD and their like
# would change what is built behind the back of the cache key.
_ENVIRONMENT = ("PATH", "HOME")
_STDERR_LINES = 12
_OUTPUT = "library.so"
_FOLDER = "tapeless-build-"
# A process that is killed leaves its build folder, in which the compiler may run on for a while.
_STALE_AFTER = 86400.0
# The options by name, as gcc objects; clang and zig name the value.
_ARCHITECTURE = (
    "-march",
    "-mcpu",
    "-mprefer-vector-width",
    "unknown target CPU",
    "unknown CPU",
    "unknown argument",
    "unrecognized command",
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
_TIMEOUT = 600.0
# A compiler takes some hundred megabytes for a long unit, so cores alone do not decide.
_MOST_JOBS = 16


def build(
    source: str,
    *,
    stem: str = "kernel",
    headers: Mapping[str, str] = _NOTHING,
    compiler: Compiler,
    optimize: str = "-O3",
    extra_flags: Sequence[str] = (),
    units: int = 1,
    timeout: float | None = None,
    cache: Cache | None,
) -> Library:
    """Compile C text, or find it compiled.

    Parameters
    ----------
    source
        One C translation unit.
    stem
        File name of the source, without ".c".
    headers
        File name to text of headers that the source includes.
    compiler
        The C compiler.
    optimize
        Optimisation level.
    extra_flags
        Further flags for the compiler.
    units
        Where over 1, the source is compiled so many times, side by side on the cores there are, with the macro
        `TAPELESS_UNIT` from 0 on telling it which share to define, and the objects are linked together.
    timeout
        Seconds after which the compiler is stopped; `TAPELESS_BUILD_TIMEOUT` where None, else 600.
    cache
        Where to look and to keep the result; None builds into a directory that goes when the process ends.

    Raises
    ------
    CompilerError
        The compiler refused the source, crashed, or ran out of time.
    CacheError
        The cache cannot be used, or a disk is full.
    """
    request = _Request(compiler, f"{stem}.c", optimize, tuple(extra_flags), units)
    commands = request.commands()
    key = _key(source, headers, [word for command in commands for word in command], compiler)
    if cache is not None:
        known = cache.lookup(key)
        if known is not None:
            return known
    limit = _limit(timeout)
    files = {**headers, f"{stem}.c": source}
    content, command, stderr = _compile(commands, files, limit)
    if content is None and _names_architecture(stderr):
        content, _, _ = _compile(request.commands(architecture=False), files, limit)
    if content is None:
        raise CompilerError(_refusal("refused the source", command, stderr))
    if cache is not None:
        return cache.store(key, content)
    digest = sha256(content).hexdigest()
    library = Library(private_path(f"{digest}.so"), digest)
    _place(library.path, content)
    return library


class _Request(NamedTuple):
    """What is asked of the compiler, but for the text."""

    compiler: Compiler
    file: str
    optimize: str
    extra: tuple[str, ...]
    units: int

    def commands(self, *, architecture: bool = True) -> list[list[str]]:
        """Return the command of each unit and then the linker's, or the one command that does all."""
        compiler, optimize, extra = self.compiler, self.optimize, self.extra
        if self.units <= 1:
            return [
                compiler.command(
                    self.file, _OUTPUT, optimize=optimize, extra=extra, architecture=architecture
                )
            ]
        objects = [f"unit{unit}.o" for unit in range(self.units)]
        made = [
            compiler.unit_command(
                self.file, unit, output, optimize=optimize, extra=extra, architecture=architecture
            )
            for unit, output in enumerate(objects)
        ]
        return [*made, compiler.link_command(objects, _OUTPUT)]


def _limit(timeout: float | None) -> float:
    if timeout is not None:
        return timeout
    text = os.environ.get("TAPELESS_BUILD_TIMEOUT")
    if not text:
        return _TIMEOUT
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise CompilerError(f"TAPELESS_BUILD_TIMEOUT={text!r} is not a number of seconds above 0")
    return limit


def _key(source: str, headers: Mapping[str, str], command: Sequence[str], compiler: Compiler) -> str:
    parts = [compiler.identity, *command, source]
    for name in sorted(headers):
        parts += [name, headers[name]]
    # Lengths in front, so that no two lists of parts run together into one text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return str(sha256(text.encode("utf-8", "surrogateescape")).hexdigest())


def _compile(
    commands: Sequence[Sequence[str]], files: Mapping[str, str], timeout: float
) -> tuple[bytes | None, Sequence[str], str]:
    """Run the compiler in a directory of its own.

    Returns the library's bytes, or None; the command that was refused, or the last; and its messages.
    """
    folder = None
    try:
        _sweep(tempfile.gettempdir())
        folder = tempfile.mkdtemp(prefix=_FOLDER)
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        ended = _run(commands, folder, timeout)
        command = commands[ended.position]
        if ended.code == 0:
            output = os.path.join(folder, _OUTPUT)
            if not os.path.exists(output):
                raise CompilerError(_refusal("produced no library", command, ended.stderr))
            with open(output, "rb") as library:
                return library.read(), command, ended.stderr
    except TapelessError:
        raise
    except OSError as error:
        raise CacheError(
            f"no temporary files for the compiler ({error.strerror or error}); "
            "free some space, or set TMPDIR to a directory with room"
        ) from None
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    _, code, stderr = ended
    if "No space left on device" in stderr:
        raise CacheError(
            _refusal("found the disk full; free some space, or set TMPDIR elsewhere", command, stderr)
        )
    if code < 0 or "internal compiler error" in stderr:
        reason = _signal_name(-code) if code < 0 else "internal error"
        raise CompilerError(
            _refusal(f"crashed ({reason}); try another one with TAPELESS_CC", command, stderr)
        )
    return None, command, stderr


def _run(commands: Sequence[Sequence[str]], folder: str, timeout: float) -> Finished:
    """Run all commands, the last when the others are done; return how the last one or the one refused ended."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"LC_ALL": "C", "LANG": "C", "TMPDIR": folder}
    deadline = time.monotonic() + timeout
    jobs = min(available_cores(), _MOST_JOBS)
    first = 0
    with Progress("Compiling C", len(commands)) as show:
        for step in (commands[:-1], commands[-1:]):
            start = first

            def tick(done: int, start: int = start) -> None:
                show(start + done)

            try:
                ended = run_all(step, folder, environment, jobs=jobs, deadline=deadline, tick=tick)
            except OutOfTimeError as error:
                raise CompilerError(
                    _refusal(
                        f"did not finish within {timeout:g} seconds and was stopped; "
                        "TAPELESS_BUILD_TIMEOUT=<seconds> gives it more time",
                        commands[start + error.position],
                        "",
                    )
                ) from None
            except OSError as error:
                what = f"cannot be started ({error.strerror or error})"
                raise CompilerError(_refusal(what, step[0], "")) from None
            failed = [found for found in ended if found.code]
            if failed:
                return failed[0]._replace(position=start + failed[0].position)
            first += len(step)
    return ended[-1]._replace(position=len(commands) - 1)


def _place(path: str, content: bytes) -> None:
    temporary = f"{path}.{os.urandom(8).hex()}"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise CacheError(
            f"the library cannot be written to {os.path.dirname(path)} ({error.strerror or error}); "
            "free some space, or set TMPDIR to a directory with room"
        ) from None


@once
def _sweep(parent: str) -> None:
    """Remove the build folders of processes that were killed, once per process."""
    with suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(_FOLDER):
                status = entry.stat(follow_symlinks=False)
                if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _STALE_AFTER:
                    shutil.rmtree(entry.path, ignore_errors=True)


def _names_architecture(stderr: str) -> bool:
    """Whether the compiler objects to the processor level or a flag, which older ones do not know."""
    return any(words in stderr for words in _ARCHITECTURE)


def _refusal(what: str, command: Sequence[str], stderr: str) -> str:
    lines = stderr.strip().splitlines()
    shown = lines[:_STDERR_LINES]
    if len(lines) > len(shown):
        shown.append(f"... ({len(lines) - len(shown)} more lines)")
    shown = [f"command: {shlex.join(command)}", *shown]
    return "\n  ".join([f"the C compiler {what}", *shown])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
