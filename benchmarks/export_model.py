"""The model of ``bench_export.py`` as a workload: MobileNetV2 1.0 224 with batch statistics from real-looking images.

Weights are random (nothing can be fetched from a hub), so SQNR says how two flows compare, not how good either is.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

CALIBRATION = 32


def images(count: int, seed: int) -> torch.Tensor:
    """Smooth random images, N x 3 x 224 x 224: noise at several scales, as natural images have."""
    g = torch.Generator().manual_seed(seed)
    scales = [F.interpolate(torch.randn(count, 3, s, s, generator=g), size=(224, 224), mode="bilinear")
              for s in (4, 16, 64)]
    return sum(scales, torch.zeros(count, 3, 224, 224))


class Logits(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(pixel_values=x).logits


def load() -> nn.Module:
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
    torch.manual_seed(0)
    module = Logits(MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=1000)))
    for child in module.modules():
        if isinstance(child, nn.Conv2d):  # transformers' initialisation shrinks the signal to nothing
            nn.init.kaiming_normal_(child.weight, mode="fan_out")
        if isinstance(child, nn.BatchNorm2d):
            child.momentum = None  # a plain average over what follows
    module.train()
    with torch.no_grad():
        for seed in range(2):
            module(images(8, 100 + seed))
    return module.eval()


def example_inputs() -> torch.Tensor:
    return images(1, 0)


def calibration() -> Iterator[torch.Tensor]:
    for image in images(CALIBRATION + 16, 1):
        yield image[None]
