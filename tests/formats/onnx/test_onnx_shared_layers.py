"""Layers that are called twice, and layers whose weights or zero points are equal: one constant, several readers."""

import copy

import numpy as np
import onnx
import pytest
import torch
from small_nets import programs_of
from torch import nn

from edgekit.contracts import QuantPlan
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.formats.onnx.shared import with_own_weights
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import sqnr_db
from edgekit.verify.proof import prove

FORMAT = OnnxFormat()


class SharedConv(nn.Module):
    """A detector's head on two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, padding=1)
        self.h = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = torch.relu(self.a(x))
        b = torch.relu(self.b(a))
        return self.h(a), self.h(b)


class SharedLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.h = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 6)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = torch.relu(self.a(x))
        b = torch.relu(self.b(a))
        return self.h(a), self.h(b)


class EqualLayers(nn.Module):
    """Copies of one convolution: their weights, large enough, are written once."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(32, 32, 3, padding=1)
        self.b = copy.deepcopy(self.a)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = torch.relu(self.a(x))
        return a, torch.relu(self.b(a))


class WideLayers(nn.Module):
    """Two linear layers of 4096 channels: their zero points, 4096 zeros, are written once."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 4096), nn.Linear(8, 4096)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.a(x), self.b(torch.tanh(x))


CASES = {"conv": (SharedConv, (1, 3, 12, 12)), "linear": (SharedLinear, (1, 12)),
         "linear-3d": (SharedLinear, (1, 5, 12)), "equal": (EqualLayers, (1, 32, 6, 6)), "wide": (WideLayers, (1, 8))}


@pytest.fixture(scope="module")
def programs():
    return programs_of(CASES, output_names=("one", "two"))


@pytest.mark.parametrize("scheme", ["w8a8-static", "w8a16-static", "w8a8-dynamic", "w8-weight-only"])
@pytest.mark.parametrize("case", CASES)
def test_a_shared_constant_loads_and_is_right(case, scheme, programs, tmp_path):
    module, program, shape = programs[case]
    generator = torch.Generator().manual_seed(1)
    samples = [(torch.randn(shape, generator=generator),) for _ in range(12)]
    plan = QuantPlan(SCHEMES[scheme], calibration=tuple(samples) if SCHEMES[scheme].needs_calibration else ())
    path = tmp_path / "m.onnx"
    artifact = FORMAT.export(program, plan, path, tmp_path / "scratch")
    written, session = path.read_bytes(), FORMAT.load(path)
    for (x,) in samples[:3]:
        with torch.no_grad():
            wanted = module(x)
        for want, found in zip(wanted, session.run([x.numpy()]), strict=True):
            assert sqnr_db(want.numpy(), found) > 25
    seen = [layer.value for layer in session.layers([x.numpy()])]  # opens the model again, with more outputs
    for out in session.run([x.numpy()]):  # fused otherwise, so rounded otherwise
        assert any(out.shape == value.shape and np.allclose(out, value, atol=0.05) for value in seen)
    assert prove(FORMAT.graph(path), artifact, plan, FORMAT.supports()[scheme]) == []
    assert path.read_bytes() == written


def test_only_what_is_shared_is_copied(programs, tmp_path):
    _, program, _ = programs["conv"]
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=(program.example,))
    FORMAT.export(program, plan, tmp_path / "m.onnx", tmp_path / "scratch")
    model = onnx.load(tmp_path / "m.onnx")
    before = {t.name: t for t in model.graph.initializer}
    made = with_own_weights(model)
    assert {t.name for t in model.graph.initializer} == set(before)
    more = {t.name: t for t in made.graph.initializer if t.name not in before}
    assert len(more) == 3  # weight, scale and zero point of h
    assert all(np.array_equal(onnx.numpy_helper.to_array(t), onnx.numpy_helper.to_array(before[n.rsplit("_of_", 1)[0]]))
               for n, t in more.items())
    assert with_own_weights(made) is made
