"""Programs that several quantisation tests look at."""

from __future__ import annotations

import pytest
import torch
from quantize_nets import Net, program_of


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return program_of(Net(), torch.randn(1, 3, 16, 16))


@pytest.fixture(scope="module")
def samples():
    generator = torch.Generator().manual_seed(1)
    return tuple((torch.randn(1, 3, 16, 16, generator=generator),) for _ in range(8))
