"""Small trained-like programs for the quantisation tests, captured by torch.export directly."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.contracts import Program, QuantPlan
from edgekit.types.graph import Source
from edgekit.types.scheme import SCHEMES


def program_of(module: nn.Module, *example: torch.Tensor) -> Program:
    exported = torch.export.export(module.eval(), example)
    sources = {}
    for node in exported.graph.nodes:
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        if stack:
            sources[node.name] = Source(module=stack[-1][0])
    return Program("net", exported, example, ("x",), ("y",), False, sources)


def plan_of(calibration, scheme="w8a8-static", **options) -> QuantPlan:
    return QuantPlan(SCHEMES[scheme], calibration=tuple(calibration), **options)


class Block(nn.Module):
    """Inverted residual: pointwise, depthwise with relu6, pointwise, add."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(width, 2 * width, 1)
        self.depthwise = nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width)
        self.project = nn.Conv2d(2 * width, width, 1)
        self.act = nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.project(self.act(self.depthwise(self.act(self.expand(x)))))


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.act = nn.Hardswish()
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(width, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.pool(self.blocks(self.act(self.stem(x)))).flatten(1))
