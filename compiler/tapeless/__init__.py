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
from tapeless.runtime.pool import release_memory

if TYPE_CHECKING:
    from tapeless import testing as testing
    from tapeless.frontend.functions import *  # noqa: F403
    from tapeless.module import Module as Module

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
    """Find what a warm start does not need when first asked for: `testing`, `Module`, `tapeless.exp`, ..."""
    if name == "Module":
        from tapeless.module import Module

        return Module
    if name == "testing":
        return import_module("tapeless.testing")
    if not name.startswith("_"):
        functions = import_module("tapeless.frontend.functions")
        if name in functions.__all__:
            return getattr(functions, name)
    raise AttributeError(f"module 'tapeless' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "testing", "Module", *import_module("tapeless.frontend.functions").__all__})
