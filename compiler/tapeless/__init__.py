"""Write the forward formula. Get the backward in C. Gradients without a tape."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tapeless.api import compile, compile_module
from tapeless.errors import (
    ArgumentError,
    CacheError,
    CheckError,
    CompilerError,
    DerivativeError,
    FormulaError,
    LimitError,
    ShapeError,
    TapelessError,
    TracingError,
    UnsupportedError,
)
from tapeless.function import Function
from tapeless.module import Module
from tapeless.runtime.pool import release_memory

if TYPE_CHECKING:
    from tapeless import testing as testing
    from tapeless.frontend.functions import *  # noqa: F403

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "CacheError",
    "CheckError",
    "CompilerError",
    "DerivativeError",
    "FormulaError",
    "Function",
    "LimitError",
    "Module",
    "ShapeError",
    "TapelessError",
    "TracingError",
    "UnsupportedError",
    "compile",
    "compile_module",
    "release_memory",
]


def __getattr__(name: str) -> Any:
    """Find `tapeless.testing` and the functions for traced code (`tapeless.exp`, ...) when first asked for."""
    if name == "testing":
        return import_module("tapeless.testing")
    if not name.startswith("_"):
        functions = import_module("tapeless.frontend.functions")
        if name in functions.__all__:
            return getattr(functions, name)
    raise AttributeError(f"module 'tapeless' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "testing", *import_module("tapeless.frontend.functions").__all__})
