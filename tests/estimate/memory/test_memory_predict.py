"""Predicted peaks against what the runtimes say, and against the emulated device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from workloads import Exported

from edgekit.devices.catalogue import get_core, get_device
from edgekit.errors import UsageError
from edgekit.estimate.memory.executorch import planned_bytes
from edgekit.estimate.memory.predict import predicted_memory
from edgekit.formats.registry import get_format
from edgekit.measure.emulated.installation import set_up
from edgekit.measure.emulated.run import run_artifact
from edgekit.report.estimate import memory_line

FILES = {"tflite": "model.tflite", "executorch": "model.pte", "onnx": "model.onnx"}


@pytest.mark.parametrize("name", FILES)
def test_parts_add_up(exported: Exported, name: str) -> None:
    artifact = exported.out / FILES[name]
    found = predicted_memory(name, artifact, get_format(name).graph(artifact))
    parts = (found.arena_bytes, found.weight_bytes, found.runtime_bytes)
    assert all(part for part in parts)
    assert found.kind == "predicted"
    assert found.peak_bytes == sum(part for part in parts if part)
    line = memory_line(found)
    assert line.startswith("peak ")
    for word in ("[predicted]", "arena", "weights", "runtime", "MiB"):
        assert word in line


def test_planned_buffers_are_those_that_executorch_reports(exported: Exported) -> None:
    """All of this program is delegated: what is planned are its inputs and outputs, in steps of 16 bytes.

    The exporter adds 64 bytes (``exir/memory_planning.py``).
    """
    from executorch.runtime import Runtime
    artifact = exported.out / FILES["executorch"]
    meta = Runtime.get().load_program(artifact).metadata("forward")
    borders = [*map(meta.input_tensor_meta, range(meta.num_inputs())),
               *map(meta.output_tensor_meta, range(meta.num_outputs()))]
    reported = [-(-tensor.nbytes() // 16) * 16 for tensor in borders if tensor.is_memory_planned()]
    assert planned_bytes(artifact) == sum(reported) + 64


def test_a_runtime_that_nobody_measured(exported: Exported) -> None:
    artifact = exported.out / FILES["onnx"]
    with pytest.raises(UsageError) as failure:
        predicted_memory("ncnn", artifact, get_format("onnx").graph(artifact))
    assert failure.value.code == "memory-format"


def test_a_damaged_file(exported: Exported, tmp_path: Path) -> None:
    graph = get_format("executorch").graph(exported.out / FILES["executorch"])
    broken = tmp_path / "model.pte"
    broken.write_bytes(b"no program")
    with pytest.raises(UsageError) as failure:
        predicted_memory("executorch", broken, graph)
    assert failure.value.code == "artifact-damaged"


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_near_the_emulated_peak(exported: Exported, name: str) -> None:
    artifact = exported.out / FILES[name]
    graph = get_format(name).graph(artifact)
    device = get_device("raspberry-pi-4b")
    cluster = device.clusters[0]
    installation, = set_up([name], lambda text: None)
    inputs = [np.zeros([d if isinstance(d, int) else 1 for d in spec.shape], spec.dtype) for spec in graph.inputs]
    found = run_artifact(installation, device, cluster, get_core(cluster.core), artifact, inputs)
    # what a runtime needs for itself is known to 80 KiB, a third of what this small file takes
    assert predicted_memory(name, artifact, graph).peak_bytes == pytest.approx(found.counts.peak_memory_bytes, rel=0.1,
                                                                               abs=80 * 1024)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "outputs"), [(16, 32), (64, 32), (60, 64)])
def test_windows_of_int8_convolutions_in_onnx_runtime(tmp_path: Path, channels: int, outputs: int) -> None:
    """Laid out beside their sums, or by their addresses where the input is deep."""
    constants = {"scale": np.float32(0.02), "zero": np.uint8(128), "none": np.int8(0),
                 "weight": np.random.default_rng(0).integers(-50, 50, (outputs, channels, 3, 3)).astype(np.int8)}
    node = helper.make_node("QLinearConv", ["x", "scale", "zero", "weight", "scale", "none", "scale", "zero"], ["y"],
                            domain="com.microsoft", channels_last=1, kernel_shape=[3, 3], pads=[1] * 4)
    graph = helper.make_graph([node], "graph", [helper.make_tensor_value_info("x", TensorProto.UINT8,
                                                                              (1, 32, 32, channels))],
                              [helper.make_tensor_value_info("y", TensorProto.UINT8, (1, 32, 32, outputs))],
                              [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()])
    domains = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=10), tmp_path / "model.onnx")
    device = get_device("raspberry-pi-4b")
    installation, = set_up(["onnx"], lambda text: None)
    found = run_artifact(installation, device, device.clusters[0], get_core(device.clusters[0].core),
                         tmp_path / "model.onnx", [np.zeros((1, 32, 32, channels), np.uint8)])
    predicted = predicted_memory("onnx", tmp_path / "model.onnx", get_format("onnx").graph(tmp_path / "model.onnx"))
    assert predicted.peak_bytes == pytest.approx(found.counts.peak_memory_bytes, abs=150 * 1024)
