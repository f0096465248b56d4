"""Handwritten digits with a small MobileNetV2: inverted residuals, depthwise convolutions, ReLU6."""

from __future__ import annotations

from pathlib import Path

import torch
from digits_data import LABELS, METRIC, PREPROCESS, SIZE, accuracy, calibration_images, train_batches  # noqa: F401
from safetensors.torch import load_file
from torch import nn

WEIGHTS = Path(__file__).parent / "weights" / "digits_mobilenet.safetensors"


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution and BatchNorm, to be followed by an activation or not."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depthwise by 3x3, project by 1x1 without activation (Sandler et al., 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        hidden = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        widen = [*conv(inputs, hidden), nn.ReLU6()] if expand > 1 else []
        self.layers = nn.Sequential(*widen, *conv(hidden, hidden, 3, stride, hidden), nn.ReLU6(),
                                    *conv(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNetV2(nn.Module):
    """Images Nx3x32x32 to logits Nx10."""

    # expansion, channels, blocks, stride of the first
    STAGES = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 32, 2, 2), (4, 64, 2, 1))

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        channels = 16
        layers: list[nn.Module] = [*conv(3, channels, 3, 2), nn.ReLU6()]
        for expand, outputs, blocks, stride in self.STAGES:
            for block in range(blocks):
                layers.append(InvertedResidual(channels, outputs, stride if block == 0 else 1, expand))
                channels = outputs
        self.features = nn.Sequential(*layers, *conv(channels, 192), nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(192, classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))


build = MobileNetV2


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
