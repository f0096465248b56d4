"""MobileNetV1, V2, V3-Large and V3-Small at 224 x 224 by their papers, with random weights: nothing can be fetched.

Batch statistics come from smooth random images, so that int8 ranges are of the usual size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from export_model import MobileNetV2, images, seeded
from torch import nn

CALIBRATION = 16
# Output channels and stride of each depthwise-separable layer: table 1 of Howard et al., 2017.
V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
# Kernel, expanded channels, output channels, squeeze-excite, hard swish, stride: tables 1 and 2 of Howard et al., 2019.
V3_LARGE = (
    (3, 16, 16, 0, 0, 1), (3, 64, 24, 0, 0, 2), (3, 72, 24, 0, 0, 1), (5, 72, 40, 1, 0, 2), (5, 120, 40, 1, 0, 1),
    (5, 120, 40, 1, 0, 1), (3, 240, 80, 0, 1, 2), (3, 200, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1), (3, 184, 80, 0, 1, 1),
    (3, 480, 112, 1, 1, 1), (3, 672, 112, 1, 1, 1), (5, 672, 160, 1, 1, 2), (5, 960, 160, 1, 1, 1),
    (5, 960, 160, 1, 1, 1))
V3_SMALL = (
    (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2), (5, 240, 40, 1, 1, 1),
    (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1), (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1),
    (5, 576, 96, 1, 1, 1))


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1,
         act: nn.Module | None = None) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([act] if act else []))


class Pooled(nn.Module):
    """Features, global average, head."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(x).mean((2, 3)))
        return logits


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(),
                                  nn.Conv2d(squeezed, channels, 1), nn.Hardsigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, kernel: int, hidden: int, outputs: int, se: int, swish: int, stride: int) -> None:
        super().__init__()
        act = nn.Hardswish if swish else nn.ReLU
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *([conv(inputs, hidden, act=act())] if hidden != inputs else []),
            conv(hidden, hidden, kernel, stride, hidden, act()), *([SqueezeExcite(hidden)] if se else []),
            conv(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y if self.residual else y


def mobilenet_v1() -> nn.Module:
    layers, inputs = [conv(3, 32, 3, 2, act=nn.ReLU())], 32
    for outputs, stride in V1:
        layers += [conv(inputs, inputs, 3, stride, inputs, nn.ReLU()), conv(inputs, outputs, act=nn.ReLU())]
        inputs = outputs
    return Pooled(nn.Sequential(*layers), nn.Linear(inputs, 1000))


def mobilenet_v3(blocks: tuple[tuple[int, ...], ...], last: int, hidden: int) -> nn.Module:
    layers: list[nn.Module] = [conv(3, 16, 3, 2, act=nn.Hardswish())]
    inputs = 16
    for kernel, expanded, outputs, se, swish, stride in blocks:
        layers.append(Bottleneck(inputs, kernel, expanded, outputs, se, swish, stride))
        inputs = outputs
    layers.append(conv(inputs, last, act=nn.Hardswish()))
    head = nn.Sequential(nn.Linear(last, hidden), nn.Hardswish(), nn.Linear(hidden, 1000))
    return Pooled(nn.Sequential(*layers), head)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": MobileNetV2,
    "mobilenet_v3_large": lambda: mobilenet_v3(V3_LARGE, 960, 1280),
    "mobilenet_v3_small": lambda: mobilenet_v3(V3_SMALL, 576, 1024),
}


def build(name: str) -> nn.Module:
    """The network with seeded weights and the batch statistics of eight images."""
    return seeded(NETWORKS[name], [images(8, 100)])


def example_inputs() -> torch.Tensor:
    return images(1, 0)


def calibration() -> Iterator[torch.Tensor]:
    for image in images(CALIBRATION + 4, 1):
        yield image[None]
