"""Small real tasks: digits as classes, masks and boxes; token sequences; synthesised sound and motion.

Each task gives (inputs, target) tensors for training and for testing, a loss and a score in percent points. A task is
asked for by its fold: every digit is held out for testing in one of the ``FOLDS``, and what is synthesised is drawn
anew for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

Tensors = tuple[torch.Tensor, ...]

FOLDS = 3
_NEXT_DRAW = 1000  # between the random seeds of two folds


@dataclass(frozen=True)
class Task:
    """``correct`` gives one 0/1 value per test item, so that two models can be compared item by item."""

    name: str
    train: Tensors
    train_target: Any
    test: Tensors
    test_target: Any
    loss: Callable[[Any, Any], torch.Tensor]
    correct: Callable[[Any, Any], torch.Tensor]


def _first(outputs: Any) -> torch.Tensor:
    return outputs[0] if isinstance(outputs, tuple | list) else outputs


def _cross_entropy(outputs: Any, target: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(_first(outputs), target)


def _top1(outputs: Any, target: torch.Tensor) -> torch.Tensor:
    return (_first(outputs).argmax(-1) == target).float()


@cache
def _digits(fold: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Images, labels, and how many of them are for training: those before the last third."""
    from sklearn.datasets import load_digits
    data = load_digits()
    order = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(7))
    order = order.roll(fold * len(order) // FOLDS)
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16.0
    return images[order], torch.tensor(data.target)[order], len(order) * 2 // FOLDS


def _perturbed(images: torch.Tensor) -> torch.Tensor:
    """Three views of each image: as it is, moved by a pixel, and with less contrast."""
    return torch.cat([images, images.roll((1, 0), (2, 3)), 0.15 + 0.7 * images])


def _resized(images: torch.Tensor, size: int) -> torch.Tensor:
    big = F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return (big.expand(-1, 3, -1, -1) - 0.3) / 0.4


@cache
def digits(size: int, fold: int) -> Task:
    """10 classes; images 3 x size x size. The test images are followed by the same, perturbed."""
    images, labels, cut = _digits(fold)
    test = _resized(_perturbed(images[cut:]), size)
    train = torch.cat([images[:cut], images[:cut].roll((0, 1), (2, 3)), 0.1 + 0.8 * images[:cut]])
    return Task(f"digits{size}", (_resized(train, size),), labels[:cut].repeat(3), (test,), labels[cut:].repeat(3),
                _cross_entropy, _top1)


def _canvas(images: torch.Tensor, seed: int, size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Each digit at 24 to 40 pixels somewhere on an empty canvas; boxes as centre and side, 0 to 1."""
    g = torch.Generator().manual_seed(seed)
    out, boxes = torch.zeros(len(images), 1, size, size), torch.zeros(len(images), 3)
    for i, image in enumerate(images):
        side = int(torch.randint(24, 41, (1,), generator=g))
        y, x = (int(torch.randint(0, size - side + 1, (1,), generator=g)) for _ in range(2))
        out[i, :, y:y + side, x:x + side] = F.interpolate(image[None], size=(side, side), mode="bilinear")[0]
        boxes[i] = torch.tensor([(x + side / 2) / size, (y + side / 2) / size, side / size])
    return out, boxes


@cache
def masks(fold: int) -> Task:
    """Every pixel background or ink: outputs N x 2 x 64 x 64. An image counts as right where its IoU is over 0.8."""
    images, _, cut = _digits(fold)
    train, test = (_canvas(part, seed + _NEXT_DRAW * fold)[0] for part, seed in ((images[:cut], 1), (images[cut:], 2)))

    def iou(outputs: Any, target: torch.Tensor) -> torch.Tensor:
        ink = _first(outputs).argmax(1).bool()
        both, either = (ink & target).sum((1, 2)), (ink | target).sum((1, 2))
        return (both > 0.8 * either).float()

    return Task("masks", (train.expand(-1, 3, -1, -1),), train[:, 0] > 0.3, (test.expand(-1, 3, -1, -1),),
                test[:, 0] > 0.3, lambda o, t: F.cross_entropy(_first(o), t.long()), iou)


@cache
def boxes(fold: int) -> Task:
    """Class scores (N x 10) and box (N x 3). Right: the class, and an IoU over 0.5."""
    images, labels, cut = _digits(fold)
    (train, train_box), (test, test_box) = (
        _canvas(part, seed + _NEXT_DRAW * fold) for part, seed in ((images[:cut], 1), (images[cut:], 2)))

    def loss(outputs: Any, target: Tensors) -> torch.Tensor:
        return F.cross_entropy(outputs[0], target[0]) + 10 * F.smooth_l1_loss(outputs[1], target[1])

    def right(outputs: Any, target: Tensors) -> torch.Tensor:
        box, true = outputs[1], target[1]
        low = torch.maximum(box[:, :2] - box[:, 2:] / 2, true[:, :2] - true[:, 2:] / 2)
        high = torch.minimum(box[:, :2] + box[:, 2:] / 2, true[:, :2] + true[:, 2:] / 2)
        inter = (high - low).clamp(min=0).prod(1)
        union = box[:, 2] ** 2 + true[:, 2] ** 2 - inter
        return ((outputs[0].argmax(-1) == target[0]) & (inter > 0.5 * union)).float()

    return Task("boxes", (train.expand(-1, 3, -1, -1),), (labels[:cut], train_box), (test.expand(-1, 3, -1, -1),),
                (labels[cut:], test_box), loss, right)


VOCABULARY, LENGTH, TOPICS = 200, 32, 8


@cache
def tokens(fold: int) -> Task:
    """Topic of a token sequence: 6 of 32 tokens speak of a topic, and a marker moves it to the next one."""
    g = torch.Generator().manual_seed(3 + _NEXT_DRAW * fold)

    def make(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        topic = torch.randint(0, TOPICS, (n,), generator=g)
        ids = torch.randint(2 + 10 * TOPICS, VOCABULARY, (n, LENGTH), generator=g)
        places = torch.rand(n, LENGTH, generator=g).argsort(1)
        words = 2 + 10 * topic[:, None] + torch.randint(0, 10, (n, 6), generator=g)
        ids.scatter_(1, places[:, :6], words)
        moved = torch.rand(n, generator=g) < 0.5
        ids[moved, places[moved, 6]] = 1
        return ids, (topic + moved) % TOPICS

    (train, target), (test, test_target) = make(6000), make(1000)
    return Task("tokens", (train, torch.ones_like(train)), target, (test, torch.ones_like(test)), test_target,
                _cross_entropy, _top1)


@cache
def next_token(fold: int) -> Task:
    """The next token under one of two fixed permutations, which the first token chooses. Scored on every position."""
    g = torch.Generator().manual_seed(5 + _NEXT_DRAW * fold)
    steps = [torch.randperm(60, generator=g) for _ in range(2)]

    def make(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        mode, token = (torch.randint(0, k, (n,), generator=g) for k in (2, 60))
        ids = [60 + mode, token]
        for _ in range(23):
            token = torch.where(mode.bool(), steps[1][token], steps[0][token])
            ids.append(token)
        sequence = torch.stack(ids, 1)
        return sequence[:, :-1], sequence[:, 1:]

    (train, target), (test, test_target) = make(4000), make(200)

    def loss(outputs: Any, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(_first(outputs)[:, 1:].flatten(0, 1), target[:, 1:].flatten())

    return Task("next_token", (train,), target, (test,), test_target, loss,
                lambda o, t: (_first(o).argmax(-1) == t)[:, 1:].float().flatten())


def _waves(n: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Eight sounds: sine, square, rising and falling chirps, each low or high, in noise, with random phase."""
    g = torch.Generator().manual_seed(seed)
    kind = torch.randint(0, 8, (n,), generator=g)
    t = torch.arange(length) / length
    base = torch.where(kind % 2 == 0, 12.0, 40.0)[:, None] * (0.8 + 0.4 * torch.rand(n, 1, generator=g))
    sweep = torch.tensor([0.0, 0.0, 0.5, -0.35])[kind // 2][:, None]
    phase = 2 * math.pi * (base * t * (1 + sweep * t) + torch.rand(n, 1, generator=g))
    wave = torch.where((kind // 2 == 1)[:, None], torch.sin(phase).sign(), torch.sin(phase))
    return (wave * (0.4 + 0.6 * torch.rand(n, 1, generator=g)) + 0.2 * torch.randn(n, length, generator=g), kind)


def _drawn(length: int, seed: int, fold: int) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    seed += _NEXT_DRAW * fold
    return _waves(4000, length, seed), _waves(1000, length, seed + 1)


@cache
def sound_wave(fold: int) -> Task:
    """Raw sound, N x 1 x 1024."""
    (train, target), (test, test_target) = _drawn(1024, 11, fold)
    return Task("sound_wave", (train[:, None],), target, (test[:, None],), test_target, _cross_entropy, _top1)


@cache
def sound_image(fold: int) -> Task:
    """Log spectrograms, N x 1 x 32 x 32."""
    def image(wave: torch.Tensor) -> torch.Tensor:
        spectrum = torch.stft(wave, 128, 33, window=torch.hann_window(128), return_complex=True).abs()
        return (spectrum[:, None, :64, :32].clamp(min=1e-3).log() + 1) / 2

    (train, target), (test, test_target) = _drawn(1024, 11, fold)
    return Task("sound_image", (image(train),), target, (image(test),), test_target, _cross_entropy, _top1)


@cache
def motion(fold: int) -> Task:
    """Six channels of a moving sensor over 32 steps, N x 32 x 6; eight kinds of movement."""
    (a, target), (b, test_target) = _drawn(192, 21, fold)
    return Task("motion", (a.view(-1, 32, 6),), target, (b.view(-1, 32, 6),), test_target, _cross_entropy, _top1)
