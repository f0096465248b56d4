"""Predicted peaks against what the runtimes say, and against the emulated device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
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
