"""Every format stores the plan's corrected biases, and comes nearer to float by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.contracts import QuantPlan, Workload
from edgekit.formats.registry import get_format
from edgekit.quantize.bias_correction import corrected_biases
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.workload.capture import capture


@pytest.fixture(scope="module")
def stack():
    """A program whose int8 weights shift every layer's mean, samples, and float outputs."""
    torch.manual_seed(3)
    module = nn.Sequential(*(layer for _ in range(4) for layer in (nn.Linear(24, 24), nn.ReLU())), nn.Linear(24, 8))
    samples = [(torch.rand(1, 16, 24),) for _ in range(16)]
    program = capture(Workload("stack", Path(__file__), module.eval(), samples[0], ("x",), ("y",)))
    with torch.no_grad():
        return program, samples, np.stack([module(*s).numpy() for s in samples])


@pytest.mark.parametrize("name", ["tflite", "executorch", "onnx"])
@pytest.mark.parametrize("scheme", ["w8-weight-only", "w8a8-static"])
def test_corrected_biases_are_stored(stack, name, scheme, tmp_path):
    program, samples, exact = stack
    fmt, plan = get_format(name), QuantPlan(SCHEMES[scheme], "minmax", tuple(samples))
    weights_alone = QuantPlan(SCHEMES["w8-weight-only"], "minmax", tuple(samples))
    biases = corrected_biases(program, weights_alone, ["linear"])
    before = {name: program.exported.state_dict[name].clone() for name in biases}
    assert len(biases) >= 4
    reached = []
    for label, one in (("plain", plan), ("corrected", replace(plan, biases=biases))):
        file = tmp_path / f"{label}{fmt.suffix}"
        fmt.export(program, one, file, tmp_path / label)
        session = fmt.load(file)
        reached.append(sqnr_db(exact, np.stack([session.run([s[0].numpy()])[0] for s in samples])))
        assert all(torch.equal(program.exported.state_dict[n], v) for n, v in before.items()), "the program is shared"
    if scheme == "w8-weight-only":
        assert reached[1] > reached[0] + 1
    else:  # here chance in the rounding of activations is as large as the shifts
        assert reached[1] != reached[0]


class Wide(nn.Module):
    """Its second layer reads values too large for a grid, as a mask's are: TFLite keeps it float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(24, 24), nn.Linear(24, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.sigmoid(self.first(x)) * 1e9)


def convolutions(layer: type[nn.Module], **more: int) -> nn.Module:
    return nn.Sequential(layer(4, 8, 3), nn.ReLU(), layer(8, 8, 3, **more))


@pytest.mark.parametrize(("name", "scheme", "module", "shape", "floats"), [
    ("executorch", "w8a8-dynamic", convolutions(nn.Conv1d), (1, 4, 32), ["0.bias", "2.bias"]),
    ("executorch", "w8a8-static", convolutions(nn.ConvTranspose2d, groups=2), (1, 4, 8, 8), ["2.bias"]),
    ("tflite", "w8a8-static", Wide(), (1, 16, 24), ["second.bias"]),
])
def test_biases_of_layers_that_stay_float_are_left_alone(name, scheme, module, shape, floats, tmp_path):
    samples = [(torch.rand(*shape),) for _ in range(4)]
    program = capture(Workload("net", Path(__file__), module.eval(), samples[0], ("x",), ("y",)))
    fmt, plan = get_format(name), QuantPlan(SCHEMES[scheme], "minmax", tuple(samples))
    shifted = {n: v.detach() + 1 for n, v in program.exported.state_dict.items() if n.endswith("bias")}
    assert shifted.keys() >= set(floats)
    found = []
    for label, biases in (("plain", {}), ("floats", {n: shifted[n] for n in floats}), ("all", shifted)):
        file = tmp_path / f"{label}{fmt.suffix}"
        fmt.export(program, replace(plan, biases=biases), file, tmp_path / label)
        found.append(fmt.load(file).run([samples[0][0].numpy()])[0])
    assert np.array_equal(found[1], found[0])
    assert np.array_equal(found[2], found[0]) == (len(floats) == len(shifted))
