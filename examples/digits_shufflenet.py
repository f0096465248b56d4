"""Handwritten digits with a small ShuffleNetV2: channel split, depthwise convolutions, channel shuffle."""

from __future__ import annotations

from pathlib import Path

import torch
from digits_data import LABELS, METRIC, PREPROCESS, SIZE, accuracy, calibration_images, train_batches  # noqa: F401
from safetensors.torch import load_file
from torch import nn

WEIGHTS = Path(__file__).parent / "weights" / "digits_shufflenet.safetensors"


def pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]


def channel_shuffle(x: torch.Tensor) -> torch.Tensor:
    """Interleaves the two halves of the channels."""
    batch, channels, height, width = x.shape
    return x.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)


class Unit(nn.Module):
    """Filters one half of the channels and passes the other on (Ma et al., 2018, figure 3c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(*pointwise(half, half), *depthwise(half, 1), *pointwise(half, half))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passed, filtered = x.chunk(2, dim=1)
        return channel_shuffle(torch.cat([passed, self.branch(filtered)], dim=1))


class DownUnit(nn.Module):
    """Halves the resolution; both branches see every channel (figure 3d)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.short = nn.Sequential(*depthwise(inputs, 2), *pointwise(inputs, half))
        self.branch = nn.Sequential(*pointwise(inputs, half), *depthwise(half, 2), *pointwise(half, half))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return channel_shuffle(torch.cat([self.short(x), self.branch(x)], dim=1))


class ShuffleNetV2(nn.Module):
    """Images Nx3x32x32 to logits Nx10."""

    STAGES = ((64, 3), (128, 3))  # channels, units

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        channels = 24
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        for outputs, units in self.STAGES:
            layers += [DownUnit(channels, outputs), *(Unit(outputs) for _ in range(units - 1))]
            channels = outputs
        self.features = nn.Sequential(*layers, *pointwise(channels, 256))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(256, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))


build = ShuffleNetV2


def load() -> nn.Module:
    model = build()
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()


def example_inputs():
    return (torch.zeros(1, 3, SIZE, SIZE),)


def calibration():
    return calibration_images()


def evaluate(predict):
    return accuracy(predict)


def train_data():
    return train_batches()


def labels():
    return LABELS


def preprocess():
    return PREPROCESS
