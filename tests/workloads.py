"""Small workload files for end-to-end tests, written where the test wants them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Exported:
    """A small workload exported to int8 in all three formats."""

    workload: Path
    recipe: Path
    out: Path
    status: int


SMALL = '''
import torch
from torch import nn

METRIC = {"name": "top-1", "unit": "%", "higher_is_better": True}


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.depthwise = nn.Conv2d(c, c, 3, padding=1, groups=c)
        self.norm = nn.BatchNorm2d(c)
        self.point = nn.Conv2d(c, c, 1)

    def forward(self, x):
        return x + self.point(torch.relu(self.norm(self.depthwise(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.blocks = nn.Sequential(Block(16), Block(16))
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        return self.head(self.blocks(torch.relu(self.stem(x))).mean((2, 3)))


def _images(n, seed):
    """Four classes: which quarter of the image is bright."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    x = 0.3 * torch.randn(n, 3, 16, 16, generator=g)
    for i, label in enumerate(labels.tolist()):
        y, z = 8 * (label // 2), 8 * (label % 2)
        x[i, label % 3, y:y + 8, z:z + 8] += 1.5
    return x, labels


def load():
    torch.manual_seed(0)
    net = Net()
    x, y = _images(256, 1)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for step in range(40):
        rows = torch.arange(step * 32, step * 32 + 32) % 256
        loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def example_inputs():
    return _images(1, 2)[0]


def calibration():
    return (image[None] for image in _images(48, 3)[0])


def train_data():
    x, y = _images(128, 1)
    return ((x[i:i + 32], y[i:i + 32]) for i in range(0, 128, 32))


def labels():
    return ["a", "b", "c", "d"]


def evaluate(predict):
    x, y = _images(100, 4)
    return 100 * float((torch.as_tensor(predict(x)).argmax(-1) == y).float().mean())
'''

RECIPE = """name: small
formats: [{formats}]
quantize:
  scheme: {scheme}
{more}"""


def write_small(folder: Path, *, scheme: str = "w8a8-static", formats: str = "tflite, executorch, onnx",
                more: str = "") -> tuple[Path, Path]:
    """A trained four-class CNN as a workload file, and a recipe for it; returns both paths."""
    workload, recipe = folder / "small.py", folder / "small.yaml"
    workload.write_text(SMALL)
    recipe.write_text(RECIPE.format(formats=formats, scheme=scheme, more=more))
    return workload, recipe
