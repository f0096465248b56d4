"""Writes small workload files."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

BASIC = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(4, 2)

    def forward(self, image):
        return self.head(self.body(image).mean((2, 3)))

def load():
    torch.manual_seed(0)
    return Net()

def example_inputs():
    return (torch.zeros(1, 3, 8, 8),)
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write(more)``: a workload file of the basic network with ``more`` appended; ``basic=False`` leaves that out."""

    def make(more: str = "", *, basic: bool = True, name: str = "model.py") -> Path:
        file = tmp_path / name
        file.write_text((BASIC if basic else "import torch\nfrom torch import nn\n") + textwrap.dedent(more))
        return file

    return make
