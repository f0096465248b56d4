"""Handwritten digits with a small MobileNetV3: squeeze-and-excitation, hard-swish, 5x5 depthwise convolutions."""

from __future__ import annotations

from pathlib import Path

import torch
from digits_data import LABELS, METRIC, PREPROCESS, SIZE, accuracy, calibration_images, train_batches  # noqa: F401
from safetensors.torch import load_file
from torch import nn

WEIGHTS = Path(__file__).parent / "weights" / "digits_mobilenetv3.safetensors"


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution and BatchNorm, to be followed by an activation or not."""
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    """Scales each channel by what the mean of all channels says (Hu et al., 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, channels // 4)
        self.scale = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(),
                                   nn.Conv2d(squeezed, channels, 1), nn.Hardsigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale(x)


class Bottleneck(nn.Module):
    """Expand, filter depthwise, squeeze-excite, project (Howard et al., 2019)."""

    def __init__(self, inputs: int, hidden: int, outputs: int, kernel: int, stride: int, excite: bool,
                 activation: type[nn.Module]) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(
            *conv(inputs, hidden), activation(), *conv(hidden, hidden, kernel, stride, hidden), activation(),
            *([SqueezeExcite(hidden)] if excite else []), *conv(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNetV3(nn.Module):
    """Images Nx3x32x32 to logits Nx10."""

    # hidden channels, channels, kernel, stride, squeeze-excite, activation
    BLOCKS = ((16, 16, 3, 1, True, nn.ReLU), (72, 24, 3, 2, False, nn.ReLU), (88, 24, 3, 1, False, nn.ReLU),
              (96, 40, 5, 2, True, nn.Hardswish), (160, 40, 5, 1, True, nn.Hardswish),
              (160, 48, 5, 1, True, nn.Hardswish))

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        channels = 16
        layers: list[nn.Module] = [*conv(3, channels, 3, 2), nn.Hardswish()]
        for hidden, outputs, kernel, stride, excite, activation in self.BLOCKS:
            layers.append(Bottleneck(channels, hidden, outputs, kernel, stride, excite, activation))
            channels = outputs
        self.features = nn.Sequential(*layers, *conv(channels, 192), nn.Hardswish())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(192, 128), nn.Hardswish(), nn.Dropout(0.1), nn.Linear(128, classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))


build = MobileNetV3


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
