"""The export task in a real child process: from a saved program to an artifact and its graph."""

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.contracts import QuantPlan, Workload
from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.tasks import EXPORT, export_kwargs, load_calibration, save_calibration
from edgekit.types.scheme import SCHEMES
from edgekit.workload.capture import capture
from edgekit.workload.program_io import save_program

pytest.importorskip("onnxruntime")


def test_calibration_survives_the_file(tmp_path):
    inputs = [(torch.rand(1, 3), torch.tensor([[i]])) for i in range(3)]
    back = load_calibration(save_calibration(inputs, tmp_path / "calibration.pt"))
    assert isinstance(back, tuple)
    for ours, theirs in zip(back, inputs, strict=True):
        assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


@pytest.mark.slow
def test_export_in_a_child(tmp_path):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 10)).eval()
    example = (torch.rand(1, 3, 8, 8),)
    program = capture(Workload("tiny", Path("tiny.py"), module, example, ("image",), ("logits",)))
    save_program(program, tmp_path / "program")
    calibration = [(torch.rand(1, 3, 8, 8),) for _ in range(4)]
    plan = QuantPlan(SCHEMES["w8a8-static"], observer="minmax", calibration=tuple(calibration))
    file = save_calibration(calibration, tmp_path / "calibration.pt")
    out = tmp_path / "model.onnx"
    outcome = run_isolated(EXPORT, export_kwargs("onnx", tmp_path / "program", plan, file, out, tmp_path / "scratch"),
                           name="onnx export", limits=Limits(seconds=300, memory_bytes=4 * 2**30),
                           log=tmp_path / "log.txt", env={"OMP_NUM_THREADS": "1"})
    artifact, graph = outcome.value
    assert artifact.scheme == "w8a8-static"
    assert artifact.bytes == out.stat().st_size
    assert graph.macs > 0
    assert "int8" in graph.weight_bytes_by_dtype()
    assert outcome.peak_rss_bytes > 100 * 2**20
