"""Multiply-accumulates and parameters of a module: the numbers that passes report."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from edgekit.contracts import Inputs

__all__ = ["macs", "parameters"]


def macs(module: nn.Module, example: Inputs) -> int:
    """Multiply-accumulates of one call: convolutions, matrix products and attention (half of torch's FLOPs)."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(*example)
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    """Number of distinct parameters' elements; tied ones count once."""
    return sum(p.numel() for p in module.parameters())
