"""A bar on stderr for builds that take long enough to wonder."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any

_PATIENCE = 2.0
"""Seconds before anything is shown."""


class Progress:
    """A bar that appears after two seconds, and not at all where stderr is no terminal.

    `TAPELESS_PROGRESS=0` turns it off.

    Parameters
    ----------
    label
        What is being done.
    total
        Number of steps.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self._shown_from = time.monotonic() + _PATIENCE if _is_wanted() else float("inf")
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int) -> None:
        """Show that `done` steps are done."""
        if self._bar is None:
            if time.monotonic() < self._shown_from:
                return
            self._begin()
        self._bar.update(self._task, completed=done)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(file=sys.stderr), transient=True)
        self._task = self._bar.add_task(self.label, total=self.total)
        self._bar.start()


def _is_wanted() -> bool:
    try:
        return os.environ.get("TAPELESS_PROGRESS") != "0" and sys.stderr.isatty()
    except (AttributeError, ValueError):  # no stderr, or one that is closed
        return False
