"""A line on stderr that says what is being timed."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any


class Steps(AbstractContextManager["Steps"]):
    """A bar that moves only when it is told to, and is silent where stderr is no terminal.

    A bar that refreshed itself would do so in the middle of a measurement. `TAPELESS_PROGRESS=0` turns it off.

    Parameters
    ----------
    total
        Number of steps.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Steps:
        if _is_wanted():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Progress(
                *columns, console=Console(file=sys.stderr), transient=True, auto_refresh=False
            )
            self._task = self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def now(self, what: str) -> None:
        """Say what begins."""
        if self._bar is not None:
            self._bar.update(self._task, description=what, refresh=True)

    def done(self) -> None:
        """Count a step."""
        if self._bar is not None:
            self._bar.update(self._task, advance=1, refresh=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _is_wanted() -> bool:
    try:
        return os.environ.get("TAPELESS_PROGRESS") != "0" and sys.stderr.isatty()
    except (AttributeError, ValueError):  # no stderr, or one that is closed
        return False
