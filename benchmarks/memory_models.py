"""Networks of eight families for ``bench_memory.py``, with seeded random weights; those of ``mobilenets.py`` too."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import mobilenets
import torch
import torch.nn.functional as F
from torch import nn

SAMPLES = 4


class Residual(nn.Module):
    """A basic block: He et al., 2016."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(mobilenets.conv(inputs, outputs, 3, stride, act=nn.ReLU()),
                                  mobilenets.conv(outputs, outputs, 3))
        self.short = mobilenets.conv(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.body(x) + self.short(x))


def resnet18() -> nn.Module:
    """At a quarter of the images' area, so that emulating it takes seconds."""
    layers: list[nn.Module] = [mobilenets.conv(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for outputs, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers.append(Residual(inputs, outputs, stride))
        inputs = outputs
    return mobilenets.Pooled(nn.Sequential(*layers), nn.Linear(512, 1000))


class UNet(nn.Module):
    """Three levels with skips: Ronneberger et al., 2015, at a quarter of its width."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.down = nn.ModuleList(self._twice(i, o) for i, o in zip((3, *widths[:-1]), widths, strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, 2) for i, o in pairwise(widths))
        self.join = nn.ModuleList(self._twice(2 * i, i) for i in widths[:-1])
        self.head = nn.Conv2d(16, 2, 1)

    @staticmethod
    def _twice(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(mobilenets.conv(inputs, outputs, 3, act=nn.ReLU()),
                             mobilenets.conv(outputs, outputs, 3, act=nn.ReLU()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for level, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in reversed(range(3)):
            x = self.join[level](torch.cat([skips[level], self.up[level](x)], 1))
        y: torch.Tensor = self.head(x)
        return y


class Encoder(nn.Module):
    """A pre-norm transformer block."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, t, c = x.shape
        q, k, v = (y.reshape(n, t, self.heads, c // self.heads).transpose(1, 2)
                   for y in self.qkv(self.norms[0](x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c))
        y: torch.Tensor = x + self.mlp(self.norms[1](x))
        return y


class ViT(nn.Module):
    """ViT-Tiny's width (Touvron et al., 2021), four of its twelve blocks."""

    def __init__(self, width: int = 192, blocks: int = 4) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 16, 16)
        self.positions = nn.Parameter(torch.randn(1, 196, width) * 0.02)
        self.blocks = nn.Sequential(*(Encoder(width, 3) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        y: torch.Tensor = self.head(self.norm(self.blocks(x)).mean(1))
        return y


def ds_cnn() -> nn.Module:
    """Keyword spotting, DS-CNN small: Zhang et al., 2017."""
    layers: list[nn.Module] = [nn.Conv2d(1, 64, (10, 4), (2, 2), (5, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [mobilenets.conv(64, 64, 3, 1, 64, nn.ReLU()), mobilenets.conv(64, 64, act=nn.ReLU())]
    return mobilenets.Pooled(nn.Sequential(*layers), nn.Linear(64, 12))


class Recurrent(nn.Module):
    """A GRU over 20 frames of 40 features."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(40, 128, batch_first=True), nn.Linear(128, 12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.gru(x)[0][:, -1])
        return y


def super_resolution() -> nn.Module:
    """ESPCN, threefold: Shi et al., 2016."""
    return nn.Sequential(nn.Conv2d(1, 64, 5, padding=2), nn.Tanh(), nn.Conv2d(64, 32, 3, padding=1), nn.Tanh(),
                         nn.Conv2d(32, 9, 3, padding=1), nn.PixelShuffle(3))


def mlp() -> nn.Module:
    """The autoencoder of MLPerf Tiny's anomaly detection: 640 features, a bottleneck of 8."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# Name: builder and the input's shape.
NETWORKS = {
    **{name: (build, (1, 3, 224, 224)) for name, build in mobilenets.NETWORKS.items()},
    "resnet18": (resnet18, (1, 3, 112, 112)), "unet": (UNet, (1, 3, 128, 128)), "vit": (ViT, (1, 3, 224, 224)),
    "ds_cnn": (ds_cnn, (1, 1, 49, 10)), "gru": (Recurrent, (1, 20, 40)),
    "super_resolution": (super_resolution, (1, 1, 96, 96)), "mlp": (mlp, (1, 640)),
}


def build(name: str) -> nn.Module:
    """The network with seeded weights and the batch statistics of a few inputs."""
    torch.manual_seed(0)
    builder, shape = NETWORKS[name]
    module: nn.Module = builder()
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = None
    module.train()
    with torch.no_grad():
        module(torch.randn(SAMPLES, *shape[1:]))
    return module.eval()


def example_inputs(name: str) -> torch.Tensor:
    return torch.randn(NETWORKS[name][1], generator=torch.Generator().manual_seed(0))


def calibration(name: str) -> Iterator[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(SAMPLES):
        yield torch.randn(NETWORKS[name][1], generator=generator)
