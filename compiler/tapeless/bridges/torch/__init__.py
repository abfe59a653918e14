"""Formulas in PyTorch: see `tapeless.Function.to_torch`."""

from __future__ import annotations

from tapeless.errors import UnsupportedError

try:
    import torch as torch
except ImportError as error:
    raise UnsupportedError(
        f"PyTorch cannot be imported ({error}); install it: pip install 'tapeless[torch]'"
    ) from None

from tapeless.bridges.torch.callable import TorchFunction
from tapeless.bridges.torch.module import FormulaModule

__all__ = ["FormulaModule", "TorchFunction"]
