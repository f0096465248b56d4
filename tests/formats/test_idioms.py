"""Idioms of ordinary networks that converters read wrongly, refuse, or round in pieces: each behind a convolution.

The int8 artifact has to come as near to the module as simulated quantisation does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_nets import images, program_of
from torch import nn

from edgekit.contracts import Program, QuantPlan
from edgekit.formats.registry import get_format
from edgekit.quantize.policy import default_rules
from edgekit.quantize.simulate import simulate
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db

INT8 = SCHEMES["w8a8-static"]
Function = Callable[["Behind", torch.Tensor], torch.Tensor]


class Behind(nn.Module):
    """``function`` of this module and what a convolution made of the input, [1, 8, 32, 16]: no two axes alike."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.first, self.last = nn.Conv2d(3, 8, 3, (1, 2), 1), nn.Conv2d(8, 8, 1)
        self.cross = nn.MultiheadAttention(8, 2, batch_first=True)
        self.up, self.gate = nn.ConvTranspose2d(8, 8, 3, 2, 1, output_padding=1), nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, self.first(x))


IDIOMS: dict[str, tuple[Function, tuple[str, ...]]] = {
    "a gate expanded to the image": (
        lambda s, x: s.last(x * s.gate(x.mean((2, 3))).sigmoid().view(1, 8, 1, 1).expand_as(x)), ("tflite",)),
    "tile": (lambda s, x: s.last(torch.tile(x, (1, 2, 1))), ("tflite",)),
    "relu behind a transposed convolution": (lambda s, x: F.relu(s.up(x)), ("tflite",)),
    "celu": (lambda s, x: s.last(F.celu(x, 0.5)), ("tflite",)),
    "standard deviation": (lambda s, x: x.std((2, 3)), ("tflite",)),
    "cosine similarity": (lambda s, x: F.cosine_similarity(x, s.last(x), dim=1), ("tflite",)),
    "bicubic resize": (lambda s, x: s.last(F.interpolate(x, size=(20, 20), mode="bicubic")), ("tflite",)),
    "cropping pad": (lambda s, x: s.last(F.pad(x, (-1, 2, 3, -2), value=0.3)), ("executorch",)),
    "adaptive maximum": (lambda s, x: s.last(F.adaptive_max_pool2d(x, (3, 5))), ("tflite", "executorch")),
    "adaptive maximum of a signal": (
        lambda s, x: s.gate(F.adaptive_max_pool1d(x.flatten(2), 1).squeeze(-1)), ("tflite", "executorch")),
    "local response normalisation": (lambda s, x: s.last(F.local_response_norm(x, 3)), ("tflite", "executorch")),
    "attention to something else": (  # its packed projections are shared out
        lambda s, x: s.cross(*(y := x.flatten(2).transpose(1, 2)[:, :32], z := s.gate(y), z))[0], ("executorch",)),
    "patches": (lambda s, x: F.unfold(x, 2, stride=2), ("executorch",)),
}
CELLS = [(idiom, name) for idiom, (_, formats) in IDIOMS.items() for name in formats]


@cache
def captured(idiom: str) -> tuple[nn.Module, Program, QuantPlan]:
    torch.manual_seed(5)
    module, samples = Behind(IDIOMS[idiom][0]).eval(), images(8)
    program = program_of(module, samples[0])
    return module, program, QuantPlan(INT8, calibration=tuple(samples), keep_float=default_rules(program, INT8))


@pytest.mark.parametrize(("idiom", "name"), CELLS, ids=[f"{name}-{idiom}" for idiom, name in CELLS])
def test_int8_is_what_the_scheme_allows(idiom: str, name: str, tmp_path: Path) -> None:
    module, program, plan = captured(idiom)
    fmt = get_format(name)
    path = tmp_path / f"model{fmt.suffix}"
    fmt.export(program, plan, path, tmp_path)
    session, simulated, samples = fmt.load(path), simulate(program, plan), images(8, seed=1)
    with torch.no_grad():
        wanted = np.stack([module(*x).numpy() for x in samples])
        allowed = sqnr_db(wanted, np.stack([simulated(x)[0].numpy() for x in samples]))
    assert sqnr_db(wanted, np.stack([session.run([x.numpy()])[0] for (x,) in samples])) > allowed - 1
