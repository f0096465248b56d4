"""Rewrites before lowering."""
from __future__ import annotations

import torch
from torch import nn

from edgekit.contracts import Inputs


def normalize_module(module: nn.Module, example: Inputs, warnings: list[str]) -> nn.Module:
    return module


def normalize_graph(module: torch.fx.GraphModule, example: Inputs, warnings: list[str]) -> list[str]:
    return []
