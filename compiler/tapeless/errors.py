"""Every error that tapeless raises on purpose.

Each kind says what was wrong, where, and what to do. Kinds that stand for a familiar mistake also derive from
the builtin that a Python user would catch (`TypeError`, `ValueError`).
"""

from __future__ import annotations


class TapelessError(Exception):
    """Base of all errors raised by tapeless."""


class FormulaError(TapelessError, ValueError):
    """A formula text that cannot be read.

    Parameters
    ----------
    message
        What is wrong and what to write instead.
    text
        The whole formula text.
    position
        Offset into `text` of the offending character, or None where no single place is to blame.
    """

    def __init__(self, message: str, text: str = "", position: int | None = None) -> None:
        self.message = message
        self.text = text
        self.position = position
        super().__init__(message + _caret(text, position))

    def __reduce__(self) -> tuple[type[FormulaError], tuple[str, str, int | None]]:
        return type(self), (self.message, self.text, self.position)


class LimitError(FormulaError):
    """A formula beyond a limit of the parser: length, nesting, digits, size of constants."""


class UnsupportedError(TapelessError, NotImplementedError):
    """A construct or function that has no counterpart here; the message names the remedy."""


class DerivativeError(UnsupportedError):
    """A derivative that was asked for and cannot be expressed in C."""


class TracingError(TapelessError, TypeError):
    """Python code that cannot be traced; the message shows the replacement."""


class ArgumentError(TapelessError, TypeError):
    """A wrong argument: unknown name, missing input, wrong type."""


class ShapeError(TapelessError, ValueError):
    """Arrays whose shapes do not fit."""


class CompilerError(TapelessError, RuntimeError):
    """The C compiler is missing, crashed, ran out of time, or refused the emitted C."""


class CacheError(TapelessError, OSError):
    """The cache directory cannot be used: unwritable, full, or not safe to load code from."""


class CheckError(TapelessError, AssertionError):
    """A check of derivatives that failed."""


_CARET_CONTEXT = 60


def _caret(text: str, position: int | None) -> str:
    """Render the line that holds `position` with a caret under it, cut to a readable width."""
    if position is None or not text:
        return ""
    position = min(max(position, 0), len(text))
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : len(text) if end < 0 else end]
    column = position - start
    left = max(0, column - _CARET_CONTEXT)
    right = min(len(line), column + _CARET_CONTEXT)
    prefix = "..." if left else ""
    suffix = "..." if right < len(line) else ""
    shown = prefix + line[left:right].replace("\t", " ") + suffix
    number = text.count("\n", 0, start) + 1
    where = f"\n  line {number}, column {column + 1}:" if "\n" in text.strip("\n") else "\n"
    gap = "\n    " if where != "\n" else "    "
    return f"{where}{gap}{shown}\n    {' ' * (len(prefix) + column - left)}^"
