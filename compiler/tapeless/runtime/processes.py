"""Running commands side by side, with a time limit; none of them outlives the call."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

__all__ = ["Finished", "OutOfTimeError", "run_all"]

_TICK = 0.25
_CHUNK = 65536


class Finished(NamedTuple):
    """A command that has ended.

    Attributes
    ----------
    position
        Its place among the commands.
    code
        Its exit status; below zero the number of the signal that ended it.
    stderr
        Its messages.
    """

    position: int
    code: int
    stderr: str


class OutOfTimeError(Exception):
    """The deadline passed; `position` is a command that was running."""

    def __init__(self, position: int) -> None:
        self.position = position
        super().__init__(position)


def run_all(
    commands: Sequence[Sequence[str]],
    folder: str,
    environment: dict[str, str],
    *,
    jobs: int,
    deadline: float,
    tick: Callable[[int], None] | None = None,
) -> list[Finished]:
    """Run commands, at most `jobs` at a time, until all have ended or one has failed.

    Each runs in a session of its own, so that what it started can be stopped with it. However the call ends,
    by an error, the deadline or an interrupt, all of that has been stopped by then.

    Parameters
    ----------
    commands
        Argument lists.
    folder
        Working directory.
    environment
        All environment variables.
    jobs
        How many run at a time.
    deadline
        By `time.monotonic()`.
    tick
        Called a few times a second with the number of commands that have ended.

    Returns
    -------
    list of Finished
        In order of position; after a failure only those that had ended, the failed one among them.

    Raises
    ------
    OutOfTimeError
        The deadline passed.
    OSError
        A command cannot be started.
    """
    waiting = list(range(len(commands)))[::-1]
    running: dict[int, subprocess.Popen[bytes]] = {}
    texts: dict[int, list[bytes]] = {}
    done: list[Finished] = []
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    position = waiting.pop()
                    process = running[position] = _start(commands[position], folder, environment)
                    texts[position] = []
                    assert process.stderr is not None
                    selector.register(process.stderr, selectors.EVENT_READ, position)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise OutOfTimeError(min(running))
                for key, _ in selector.select(min(left, _TICK)):
                    text = os.read(key.fd, _CHUNK)
                    if text:
                        texts[key.data].append(text)
                        continue
                    selector.unregister(key.fileobj)
                    ended = _end(running, key.data, texts, deadline)
                    done.append(ended)
                    if ended.code:
                        return sorted(done)
                if tick is not None:
                    tick(len(done))
            return sorted(done)
        finally:
            for process in running.values():
                _stop(process)


def _start(command: Sequence[str], folder: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _end(
    running: dict[int, subprocess.Popen[bytes]],
    position: int,
    texts: dict[int, list[bytes]],
    deadline: float,
) -> Finished:
    """Take the exit status of a command that has closed its messages, as it does by ending."""
    process = running[position]
    try:
        code = process.wait(timeout=max(deadline - time.monotonic(), 0.001))
    except subprocess.TimeoutExpired:
        raise OutOfTimeError(position) from None
    del running[position]
    assert process.stderr is not None
    process.stderr.close()
    return Finished(position, code, b"".join(texts[position]).decode("utf-8", "replace"))


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stderr is not None:
        process.stderr.close()  # unread: a child that left the session might hold the other end
