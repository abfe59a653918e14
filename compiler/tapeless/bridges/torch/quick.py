"""The calls of `tensors.py` without Python code in between (quick.c), where torch and the machine allow it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import torch

from tapeless.runtime import warm
from tapeless.runtime.extension import Extension, Found, text_beside

_EXCHANGE: Final = "__dlpack_c_exchange_api__"

EXTENSION: Final = Extension(
    "tapeless_quick",
    lambda: text_beside(__file__, "tapeless.bridges.torch", "quick.c"),
    "small tensors take some microseconds more",
)


@lru_cache(maxsize=1)
def find() -> Found:
    """Return the extension, built with the default compiler and connected with torch; never raises."""
    exchange = getattr(torch.Tensor, _EXCHANGE, None)
    if exchange is None:
        return _unserved(f"torch {torch.__version__} has no {_EXCHANGE}")
    try:
        found = EXTENSION.find(warm.compiler(), warm.cache())
    except Exception as error:  # no compiler, no cache
        return _unserved(str(error))
    if found.extension is None or _connected(found.extension, exchange):
        return found
    return _unserved(f"torch {torch.__version__} has another version of {_EXCHANGE}")


def _connected(extension: Any, exchange: Any) -> bool:
    types, dtypes = (torch.Tensor, torch.nn.Parameter), (torch.float64, torch.float32)
    return bool(extension.connect(exchange, types, dtypes, torch.empty_like, torch.contiguous_format))


def _unserved(reason: str) -> Found:
    return Found(None, "", reason, "nothing to do: small tensors take some microseconds more")


__all__ = ["EXTENSION", "find"]
