"""Compiling C text into a library."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache as once
from types import MappingProxyType

from tapeless.errors import CacheError, CompilerError, TapelessError
from tapeless.runtime.cache import Cache
from tapeless.runtime.compiler import Compiler
from tapeless.runtime.digest import sha256
from tapeless.runtime.library import Library
from tapeless.runtime.private import private_path

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
_ARCHITECTURE = ("-march", "-mcpu", "-mprefer-vector-width", "unknown target CPU", "unknown CPU")
_NOTHING: Mapping[str, str] = MappingProxyType({})


def build(
    source: str,
    *,
    stem: str = "kernel",
    headers: Mapping[str, str] = _NOTHING,
    compiler: Compiler,
    optimize: str = "-O3",
    extra_flags: Sequence[str] = (),
    timeout: float = 600.0,
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
    timeout
        Seconds after which the compiler is stopped.
    cache
        Where to look and to keep the result; None builds into a directory that goes when the process ends.

    Raises
    ------
    CompilerError
        The compiler refused the source, crashed, or ran out of time.
    CacheError
        The cache cannot be used, or a disk is full.
    """
    command = compiler.command(f"{stem}.c", _OUTPUT, optimize=optimize, extra=extra_flags)
    key = _key(source, headers, command, compiler)
    if cache is not None:
        known = cache.lookup(key)
        if known is not None:
            return known
    files = {**headers, f"{stem}.c": source}
    content, stderr = _compile(command, files, timeout)
    if content is None and _names_architecture(stderr):
        plain = compiler.command(
            f"{stem}.c", _OUTPUT, optimize=optimize, extra=extra_flags, architecture=False
        )
        content, _ = _compile(plain, files, timeout)
    if content is None:
        raise CompilerError(_refusal("refused the source", command, stderr))
    if cache is not None:
        return cache.store(key, content)
    digest = sha256(content).hexdigest()
    library = Library(private_path(f"{digest}.so"), digest)
    _place(library.path, content)
    return library


def _key(source: str, headers: Mapping[str, str], command: Sequence[str], compiler: Compiler) -> str:
    parts = [compiler.identity, *command, source]
    for name in sorted(headers):
        parts += [name, headers[name]]
    # Lengths in front, so that no two lists of parts run together into one text.
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return str(sha256(text.encode("utf-8", "surrogateescape")).hexdigest())


def _compile(command: Sequence[str], files: Mapping[str, str], timeout: float) -> tuple[bytes | None, str]:
    """Run the compiler in a directory of its own; return the library's bytes, or None, and its messages."""
    folder = None
    try:
        _sweep(tempfile.gettempdir())
        folder = tempfile.mkdtemp(prefix=_FOLDER)
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
        code, stderr = _run(command, folder, timeout)
        if code == 0:
            output = os.path.join(folder, _OUTPUT)
            if not os.path.exists(output):
                raise CompilerError(_refusal("produced no library", command, stderr))
            with open(output, "rb") as library:
                return library.read(), stderr
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
    if "No space left on device" in stderr:
        raise CacheError(
            _refusal("found the disk full; free some space, or set TMPDIR elsewhere", command, stderr)
        )
    if code < 0 or "internal compiler error" in stderr:
        reason = _signal_name(-code) if code < 0 else "internal error"
        raise CompilerError(
            _refusal(f"crashed ({reason}); try another one with TAPELESS_CC", command, stderr)
        )
    return None, stderr


def _run(command: Sequence[str], folder: str, timeout: float) -> tuple[int, str]:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment |= {"LC_ALL": "C", "LANG": "C", "TMPDIR": folder}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that the compiler's own children can be stopped with it
        )
    except OSError as error:
        raise CompilerError(_refusal(f"cannot be started ({error.strerror or error})", command, "")) from None
    try:
        _, stderr = process.communicate(timeout=timeout)
    except BaseException as error:
        _stop(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise CompilerError(
                _refusal(f"did not finish within {timeout:g} seconds and was stopped", command, "")
            ) from None
        raise
    return process.returncode, stderr.decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()  # unread: a child that left the session might hold the other end


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
    """Whether the compiler objects to the processor level, which older ones do not know."""
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
