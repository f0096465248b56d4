"""EfficientNet-Lite0, 2 and 4 with random weights: nothing can be fetched.

By their public definition (tensorflow/tpu, models/official/efficientnet/lite): EfficientNet-B0's blocks without
squeeze-excitation, ReLU6 for Swish, stem and head not scaled, the first and last stage not deeper, widths in steps of
8. They have 4.65, 6.09 and 13.01 million parameters and 385, 860 and 2,553 million multiply-accumulates; the published
407, 899 and 2,640 million are 3.0 to 3.2 more for each output of a convolution: the batch normalisation's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from export_model import images, seeded
from mobilenets import Pooled, conv

# Kernel, blocks, output channels, expansion, stride of the first block: table 1 of Tan and Le, 2019.
STAGES = ((3, 1, 16, 1, 1), (3, 2, 24, 6, 2), (5, 2, 40, 6, 2), (3, 3, 80, 6, 2), (5, 3, 112, 6, 1), (5, 4, 192, 6, 2),
          (3, 1, 320, 6, 1))
STEM, HEAD, CLASSES = 32, 1280, 1000
# Width, depth and input side.
SIZES = {"lite0": (1.0, 1.0, 224), "lite2": (1.1, 1.2, 260), "lite4": (1.4, 1.8, 300)}
CALIBRATION = 2


class Block(nn.Module):
    def __init__(self, inputs: int, kernel: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(*([conv(inputs, hidden, act=nn.ReLU6())] if expansion > 1 else []),
                                    conv(hidden, hidden, kernel, stride, hidden, nn.ReLU6()), conv(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y if self.residual else y


def scaled(channels: int, width: float) -> int:
    """The nearest multiple of 8 that is not more than 10 % below."""
    near = max(8, int(channels * width + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels * width else near


def network(variant: str) -> nn.Module:
    width, depth, _ = SIZES[variant]
    layers: list[nn.Module] = [conv(3, STEM, 3, 2, act=nn.ReLU6())]
    inputs = STEM
    for place, (kernel, blocks, channels, expansion, stride) in enumerate(STAGES):
        outputs = scaled(channels, width)
        for k in range(blocks if place in (0, len(STAGES) - 1) else math.ceil(blocks * depth)):
            layers.append(Block(inputs, kernel, outputs, expansion, stride if k == 0 else 1))
            inputs = outputs
    return Pooled(nn.Sequential(*layers, conv(inputs, HEAD, act=nn.ReLU6())), nn.Linear(HEAD, CLASSES))


def pictures(variant: str, count: int, seed: int) -> torch.Tensor:
    side = SIZES[variant][2]
    return F.interpolate(images(count, seed), size=(side, side), mode="bilinear")


def build(variant: str) -> nn.Module:
    """The network with seeded weights and the batch statistics of two images."""
    return seeded(lambda: network(variant), [pictures(variant, 2, 100)])


def example_inputs(variant: str) -> torch.Tensor:
    return pictures(variant, 1, 0)


def calibration(variant: str) -> Iterator[torch.Tensor]:
    for image in pictures(variant, CALIBRATION, 1):
        yield image[None]
