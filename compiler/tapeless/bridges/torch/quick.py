"""The calls of `tensors.py` without Python code in between (quick.c), where torch and the machine have what it takes.

Nothing depends on it: without it calls take a few microseconds more, with the same results.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Final, NamedTuple

import torch

from tapeless.errors import TapelessError

VARIABLE: Final = "TAPELESS_CALLER"
"""Environment variable that turns it off when it is "0", together with other callers of its kind."""
_MODULE: Final = "tapeless_quick"
_EXCHANGE: Final = "__dlpack_c_exchange_api__"


class Found(NamedTuple):
    """What came of looking for it.

    Attributes
    ----------
    module
        The extension, or None.
    reason
        Why there is none, or "".
    """

    module: Any
    reason: str = ""


@lru_cache(maxsize=1)
def find() -> Found:
    """Return the extension, built with the default compiler, once per process; never raises."""
    if os.environ.get(VARIABLE) == "0":
        return Found(None, f"turned off by {VARIABLE}=0")
    exchange = getattr(torch.Tensor, _EXCHANGE, None)
    if exchange is None:
        return Found(None, f"torch {torch.__version__} has no {_EXCHANGE}")
    try:
        module = _load()
        connected = module.connect(
            exchange,
            (torch.Tensor, torch.nn.Parameter),
            (torch.float64, torch.float32),
            torch.empty_like,
            torch.contiguous_format,
        )
    except Exception as error:  # no call shall fail for want of a faster one
        return Found(
            None, str(error) if isinstance(error, TapelessError) else f"{type(error).__name__}: {error}"
        )
    return Found(module) if connected else Found(None, f"torch {torch.__version__} has another {_EXCHANGE}")


def _load() -> Any:
    from tapeless.runtime import warm
    from tapeless.runtime.extension import extension

    return extension(_MODULE, _source(), warm.compiler(), warm.cache())


def _source() -> str:
    try:
        with open(os.path.join(os.path.dirname(__file__), "quick.c"), encoding="utf-8") as file:
            return file.read()
    except OSError:  # the package is a zip
        from importlib.resources import files

        return (files("tapeless.bridges.torch") / "quick.c").read_text(encoding="utf-8")


__all__ = ["VARIABLE", "Found", "find"]
