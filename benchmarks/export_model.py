"""The model of ``bench_export.py`` as a workload: MobileNetV2 1.0 224 with batch statistics from smooth random images.

Weights are random (nothing can be fetched from a hub), so SQNR says how two flows compare, not how good either is.
``python export_model.py FILE`` writes them; ``load()`` builds the module that they belong to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

CALIBRATION = 32
# Expansion, channels, blocks, stride of the first block: table 2 of Sandler et al., 2018.
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        expand = [*conv(inputs, hidden), nn.ReLU6()] if expansion > 1 else []
        self.layers = nn.Sequential(*expand, *conv(hidden, hidden, 3, stride, hidden), nn.ReLU6(),
                                    *conv(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        layers, inputs = [*conv(3, 32, 3, 2), nn.ReLU6()], 32
        for expansion, outputs, blocks, stride in STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(inputs, outputs, expansion, stride if block == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers, *conv(inputs, 1280), nn.ReLU6())
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def images(count: int, seed: int) -> torch.Tensor:
    """Smooth random images, N x 3 x 224 x 224: noise at several scales, as natural images have."""
    g = torch.Generator().manual_seed(seed)
    scales = [F.interpolate(torch.randn(count, 3, s, s, generator=g), size=(224, 224), mode="bilinear")
              for s in (4, 16, 64)]
    return sum(scales, torch.zeros(count, 3, 224, 224))


def seeded(make: Callable[[], nn.Module], batches: Iterable[torch.Tensor]) -> nn.Module:
    """What ``make`` builds, with seeded weights and the average statistics of ``batches``."""
    torch.manual_seed(0)
    module = make()
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out")
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = None
    module.train()
    with torch.no_grad():
        for batch in batches:
            module(batch)
    return module.eval()


def write_weights(file: str) -> None:
    """The seeded network's, with the statistics of 16 images."""
    save_file(seeded(MobileNetV2, (images(8, 100 + seed) for seed in range(2))).state_dict(), file)


def load() -> nn.Module:
    return MobileNetV2().eval()


def example_inputs() -> torch.Tensor:
    return images(1, 0)


def calibration() -> Iterator[torch.Tensor]:
    for image in images(CALIBRATION + 16, 1):
        yield image[None]


if __name__ == "__main__":
    write_weights(sys.argv[1])
