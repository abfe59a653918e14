"""What benchmarks share: cells in processes of their own, surroundings that are alike for all, what they ran on.

A cell is a worker, a script of this folder that reads a job from its command line and prints a line of JSON per
message. `{"event": "start", "rival": NAME}` says that a rival begins. One that is not done within the limit is
stopped with the whole process, and what remains of the cell is run again without it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from math import exp, log
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).resolve().parent

Message = dict[str, Any]


def run_cell(
    script: str,
    job: Callable[[list[str]], Message | None],
    names: Iterable[str],
    limit: float,
    receive: Callable[[str, str, Message], None],
    *,
    label: str,
) -> list[str]:
    """Run a cell to its end, leaving out what does not come back within the limit.

    Parameters
    ----------
    script
        The worker.
    job
        What is still to be done by those rivals; None where nothing is.
    names
        The rivals.
    limit
        Seconds for a step of a rival. Steps of tapeless, which all are divided by, and of the timing of all have
        twenty times as long.
    receive
        Takes the event, the rival and the rest of each message.
    label
        The cell, for messages.

    Returns
    -------
    list of str
        The rivals that were stopped, or that took the process down.
    """
    names, late = list(names), []
    while True:
        wanted = job(names)
        if wanted is None:
            return late
        stuck = _attempt(script, wanted, limit, receive, label)
        if stuck is None or stuck not in names:
            return late
        late.append(stuck)
        names.remove(stuck)


def _attempt(
    script: str, job: Message, limit: float, receive: Callable[[str, str, Message], None], label: str
) -> str | None:
    command = [sys.executable, str(HERE / script), json.dumps(job)]
    lines: queue.Queue[str | None] = queue.Queue()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:

        def listen() -> None:
            for line in process.stdout or ():
                lines.put(line)
            lines.put(None)

        threading.Thread(target=listen, daemon=True).start()
        current = ""
        try:
            while True:
                ours = current in ("", "tapeless")
                try:
                    line = lines.get(timeout=20 * limit if ours else limit)
                except queue.Empty:
                    if ours:
                        raise click.ClickException(f"{label} took over {20 * limit:g} s") from None
                    return current
                if line is None:
                    break
                if not line.startswith("{"):  # a library that prints
                    continue
                message = json.loads(line)
                rival, event = message.pop("rival"), message.pop("event")
                if event == "start":
                    current = rival
                else:
                    receive(event, rival, message)
        finally:
            process.kill()
        process.wait()
    if process.returncode not in (0, -9):
        if current not in ("", "tapeless"):
            return current
        raise click.ClickException(f"{label} ended with {process.returncode} at {current}")
    return None


def say(**message: Any) -> None:
    """Send a message to the benchmark that runs this worker."""
    print(json.dumps(message), flush=True)


def settle(threads: int = 1) -> None:
    """Prepare the process of a worker, before it imports anything: so many threads and cores for everybody."""
    if threads == 1:
        os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


# ---- shown


def versions(packages: Iterable[str]) -> str:
    """Return Python, the packages and the C compiler with their versions, in one line."""
    from tapeless.bench import machine  # not by a worker, before it has settled

    wanted = tuple(packages)
    there = machine.versions(wanted)
    found = [f"Python {sys.version.split()[0]}"]
    found += [f"{name} {there[name]}" if name in there else f"no {name}" for name in wanted]
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=False).stdout
    return ", ".join([*found, compiler.splitlines()[0] if compiler else "no cc"])


def geometric_mean(ratios: Iterable[float]) -> float:
    """Return the geometric mean; NaN of nothing."""
    logs = [log(ratio) for ratio in ratios]
    return exp(sum(logs) / len(logs)) if logs else float("nan")


def markdown(head: Iterable[str], rows: Iterable[Iterable[object]], left: int = 1) -> str:
    """Return a table; all columns but the first `left` to the right."""
    names = list(head)
    marks = ["---" if k < left else "--:" for k in range(len(names))]
    lines = [names, marks, *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
