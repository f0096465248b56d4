"""Biases corrected in simulation help in each format's own arithmetic, or are left out there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import program_of
from torch import nn

from edgekit.contracts import Inputs, QuantPlan
from edgekit.formats.executorch.biases import Asked, store_biases
from edgekit.formats.registry import get_format
from edgekit.quantize.bias_correction import corrected_biases
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db


def patches(count: int = 24) -> list[Inputs]:
    """Images that are black around a patch, each a little brighter than the one before."""
    generator = torch.Generator().manual_seed(8)
    made = []
    for i in range(count):
        image = torch.zeros(1, 1, 24, 24)
        image[:, :, 8:16, 8:16] = torch.rand(1, 1, 8, 8, generator=generator) * (0.7 + 0.02 * i)
        made.append((image,))
    return made


def network() -> nn.Module:
    torch.manual_seed(8)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, padding=1), nn.ReLU(),
                         nn.Conv2d(16, 16, 3, 2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(576, 6)).eval()


@pytest.mark.parametrize("name", ["tflite", "executorch", "onnx"])
def test_they_help_where_most_of_an_image_is_one_colour(name: str, tmp_path: Path) -> None:
    """With ranges of the first eight inputs alone, shifts that gain there cost 5 dB on the ranges of all."""
    module, samples, fmt = network(), patches(), get_format(name)
    program = program_of(module, samples[0])
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=tuple(samples))
    biases = corrected_biases(program, plan, ("conv", "linear"))
    assert biases
    with torch.no_grad():
        wanted = np.concatenate([module(*x).numpy() for x in samples])

    def reached(given: QuantPlan, file: str) -> float:
        fmt.export(program, given, tmp_path / file, tmp_path / "scratch")
        session = fmt.load(tmp_path / file)
        return sqnr_db(wanted, np.concatenate([session.run([x.numpy()])[0] for (x,) in samples]))

    plain = reached(plan, f"plain{fmt.suffix}")
    assert reached(replace(plan, biases=biases), f"corrected{fmt.suffix}") > plain + 1


class Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(1, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.a(x), self.b(x)], 1)


@pytest.mark.parametrize(("shift", "kept"), [(0.001, True), (0.5, False)])
def test_executorch_asks_again_where_operands_share_a_grid(shift: float, kept: bool) -> None:
    """The graph stands for the quantised one: its bias is off by a little, and the shift brings it back or further."""
    module, samples = Joined().eval(), patches(4)
    program = program_of(module, samples[0])
    right = module.a.bias.detach().clone()
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=tuple(samples), biases={"a.bias": right + shift})
    graph = program.exported.module(check_guards=False)
    asked = Asked(graph, plan)
    asked.wanted = [tuple(out + (0.001 if kept else 0.0) for out in outs) for outs in asked.wanted]
    assert store_biases(graph, program, plan, (), asked) == kept
    torch.testing.assert_close(graph.get_parameter("a.bias").detach(), right + (shift if kept else 0.0))
    torch.testing.assert_close(program.exported.state_dict["a.bias"].detach(), right)


def test_executorch_says_where_it_leaves_them_out(tmp_path: Path) -> None:
    module, samples, fmt = Joined().eval(), patches(4), get_format("executorch")
    program = program_of(module, samples[0])
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=tuple(samples))
    found = []
    for label, biases in (("plain", {}), ("harmful", {"a.bias": module.a.bias.detach() + 0.5})):
        file = tmp_path / f"{label}.pte"
        artifact = fmt.export(program, replace(plan, biases=biases), file, tmp_path / label)
        assert any("corrected biases are left out" in note for note in artifact.notes) == bool(biases)
        found.append(fmt.load(file).run([samples[0][0].numpy()])[0])
    assert np.array_equal(*found)
