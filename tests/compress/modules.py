"""Small modules with what makes channel pruning hard, random weights and BatchNorm statistics that are not trivial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from edgekit.contracts import Workload


class Block(nn.Module):
    """Stem, ``body`` that keeps 16 channels at 8x8, pooling and a classifier: Nx3x8x8 to Nx4."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU())
        self.body = body
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 8, 1), nn.ReLU(),
                                  nn.Conv2d(8, channels, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


class Shuffle(nn.Module):
    """One ShuffleNetV2 unit."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passed, filtered = x.chunk(2, dim=1)
        x = torch.cat([passed, self.inner(filtered)], dim=1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class FixedShapes(nn.Module):
    """Writes the number of channels into forward."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(-1, 16, 8, 8).flip(1)


class Reversed(nn.Module):
    """Moves channels to other places: shapes stay right when one is removed, values do not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flip(1)


def depthwise(expand: int = 24) -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, expand, 1), nn.BatchNorm2d(expand), nn.ReLU6(),
                         nn.Conv2d(expand, expand, 3, 1, 1, groups=expand), nn.BatchNorm2d(expand), nn.ReLU6(),
                         nn.Conv2d(expand, 16, 1), nn.BatchNorm2d(16))


def grouped() -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 16, 3, 1, 1, groups=4), nn.ReLU(), nn.Conv2d(16, 16, 1))


def normed() -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 16, 1), nn.GroupNorm(4, 16), nn.ReLU(), nn.Conv2d(16, 16, 1))


def settled(module: nn.Module) -> nn.Module:
    """Gives BatchNorm statistics and every bias something to lose."""
    generator = torch.Generator().manual_seed(0)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.2, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(m.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(m.bias, 0, 0.3, generator=generator)
    return module.eval()


def build(body: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return settled(Block(body()))


EXAMPLE = (torch.zeros(1, 3, 8, 8),)


def train_data():
    generator = torch.Generator().manual_seed(0)
    for _ in range(4):
        x = torch.randn(16, 3, 8, 8, generator=generator)
        yield (x,), x.mean((2, 3)).argmax(1)


def workload(module: nn.Module, data=train_data) -> Workload:  # type: ignore[no-untyped-def]
    return Workload("small", Path("small.py"), module, EXAMPLE, ("x",), ("y",), train_data=data)
