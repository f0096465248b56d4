"""What edgekit needs to know about a trained model. Try it as it is:

    edgekit export workload.py --recipe workload.yaml -o dist

Then put your own model in place of the example. Only load() and example_inputs() must stay.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn


class Model(nn.Module):
    """An example: images Nx3x32x32 to logits Nx4. Import your own class instead."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(32, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.classifier(self.features(image).flatten(1))
        return logits


def load() -> nn.Module:
    """The trained module. Load its weights here, or name them: edgekit export ... --weights model.safetensors"""
    torch.manual_seed(0)  # fixed random weights stand in for trained ones
    return Model().eval()


def example_inputs() -> torch.Tensor:
    """Inputs of the shapes that the artifacts are made for: a tensor, a tuple of them, or a dict by argument name."""
    return torch.zeros(1, 3, 32, 32)


def calibration() -> Iterator[torch.Tensor]:
    """Inputs like example_inputs(), one at a time: static int8 takes its ranges from them.

    Give a hundred or so of your own training inputs, prepared as the model wants them; random ones like these give
    ranges that are wrong for real data. A folder of images or an .npz can be named in the recipe instead.
    """
    generator = torch.Generator().manual_seed(1)
    for _ in range(32):
        yield torch.rand(1, 3, 32, 32, generator=generator)


# With a metric every artifact is scored like the float model, and the recipe's `budget: {metric_drop: ...}` holds it.
# predict takes a batch and returns what the model returns.
#
# METRIC = {"name": "accuracy", "unit": "%", "higher_is_better": True}
#
# def evaluate(predict) -> float:
#     images, targets = my_test_set()
#     return (predict(images).argmax(1) == targets).float().mean().item() * 100

# Pruning fine-tunes on batches of (inputs, targets), with cross-entropy unless you define loss(outputs, targets).
#
# def train_data():
#     yield from my_training_batches()

# Class names for the report and the app.
#
# def labels() -> list[str]:
#     return ["cat", "dog", "fox", "owl"]

# How an image becomes the model's input, as data: calibration from a folder of images and the app use it.
# value = (pixel * scale - mean) / std, pixels 0 to 255
#
# def preprocess() -> dict:
#     return {"layout": "nchw", "color": "rgb", "resize": (32, 32), "scale": 1 / 255, "mean": (0.5,), "std": (0.5,)}

# A batch size that may vary, in the formats that can do it.
#
# def dynamic_shapes():
#     return ({0: torch.export.Dim("batch")},)
