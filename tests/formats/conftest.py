"""Small networks and their Programs, made once for all formats' tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from small_nets import TinyCnn, TinyText, images, program_of, sentences, settle
from torch import nn

from edgekit.contracts import Program


@pytest.fixture(scope="session")
def tiny_cnn() -> nn.Module:
    torch.manual_seed(0)
    return settle(TinyCnn(), images(8, batch=16))


@pytest.fixture(scope="session")
def tiny_text() -> nn.Module:
    torch.manual_seed(0)
    return TinyText().eval()


@pytest.fixture(scope="session")
def cnn_program(tiny_cnn: nn.Module) -> Program:
    return program_of(tiny_cnn, images(1)[0])


@pytest.fixture(scope="session")
def text_program(tiny_text: nn.Module) -> Program:
    return program_of(tiny_text, sentences(1)[0])


@pytest.fixture(scope="session")
def make_program() -> Callable[..., Program]:
    return program_of
