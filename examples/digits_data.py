"""scikit-learn's handwritten digits (1,797 images of 8x8) as 32x32 RGB images: splits, augmentation, the metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from torch.nn import functional as F

SIZE = 32
MEAN, STD = 0.3, 0.4
LABELS = [str(digit) for digit in range(10)]
METRIC = {"name": "top-1", "unit": "%", "higher_is_better": True}
PREPROCESS = {"layout": "nchw", "color": "rgb", "resize": [SIZE, SIZE], "scale": 1 / 255,
              "mean": [MEAN] * 3, "std": [STD] * 3}
FOLDS = 5

Indices = torch.Tensor


@cache
def images() -> torch.Tensor:
    """All digits, float32 1797x3x32x32, normalised with MEAN and STD (white ink on black)."""
    ink = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) / 16
    ink = F.interpolate(ink, (SIZE, SIZE), mode="bilinear", align_corners=False)
    return ((ink - MEAN) / STD).repeat(1, 3, 1, 1)


@cache
def targets() -> torch.Tensor:
    """The class of each image, int64, 1797."""
    return torch.tensor(load_digits().target)


@cache
def folds() -> list[tuple[Indices, Indices]]:
    """Train and test indices of five stratified folds; together the test parts hold every image once."""
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(np.zeros(len(targets())), targets().numpy())
    return [(torch.tensor(train), torch.tensor(test)) for train, test in split]


def augment(batch: torch.Tensor) -> torch.Tensor:
    """Turns each image by up to 10 degrees, scales it by 0.9 to 1.1 and shifts it by up to 8 % (Nx3x32x32)."""
    def uniform(limit: float) -> torch.Tensor:
        return (torch.rand(len(batch)) * 2 - 1) * limit

    angle, scale = uniform(np.pi / 18), 1 + uniform(0.1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    affine = torch.stack([torch.stack([cos, -sin, uniform(0.16)], 1), torch.stack([sin, cos, uniform(0.16)], 1)], 1)
    grid = F.affine_grid(affine, list(batch.shape), align_corners=False)
    return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)


def train_batches(train: Indices | None = None, size: int = 64) -> Iterator[tuple[tuple[torch.Tensor], torch.Tensor]]:
    """Shuffled and augmented batches of the training part (fold 0's, unless told otherwise)."""
    train = folds()[0][0] if train is None else train
    # A last batch of a few images would spoil BatchNorm's statistics: leave it out.
    for chosen in train[torch.randperm(len(train))].split(size):
        if len(chosen) == size:
            yield (augment(images()[chosen]),), targets()[chosen]


def calibration_images(train: Indices | None = None, count: int = 256) -> Iterator[tuple[torch.Tensor]]:
    """Images of the training part one at a time (1x3x32x32), in a fixed order that mixes the classes."""
    train = folds()[0][0] if train is None else train
    for index in train[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))][:count]:
        yield (images()[index:index + 1],)


def accuracy(predict: Callable[[torch.Tensor], torch.Tensor], test: Indices | None = None) -> float:
    """Share of the test part (fold 0's, unless told otherwise) that ``predict`` gets right, in percent."""
    test = folds()[0][1] if test is None else test
    return 100 * (torch.as_tensor(predict(images()[test])).argmax(1) == targets()[test]).double().mean().item()
