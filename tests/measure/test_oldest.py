"""Artifacts in the oldest runtime of boards, tflite_runtime 2.14.0, in the real emulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn
from workloads import Exported

from edgekit.contracts import Workload
from edgekit.devices.catalogue import get_device
from edgekit.errors import ConversionError, DeviceError, EnvironmentProblem
from edgekit.formats.tflite.export import float_model
from edgekit.formats.tflite.flatbuffer import operator_name, read_graph, read_unchecked, save
from edgekit.formats.tflite.run import TfliteSession
from edgekit.measure.emulated import oldest
from edgekit.measure.emulated.installation import SET_UP
from edgekit.measure.emulated.oldest import OLDEST, check_oldest, set_up_oldest
from edgekit.workload.capture import capture

IMAGE = (1, 3, 16, 16)


class Mix(nn.Module):
    """Two inputs of one shape that must not be swapped, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mixed = self.head(torch.relu(self.conv(x - 2 * y)).mean((2, 3)))
        return mixed, torch.softmax(mixed, -1)


class Pick(nn.Module):
    """Becomes a GATHER_ND of booleans: its version 5."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.gather(x > 0, 1, torch.tensor([[3, 1, 2]])), x[:, :3], x[:, 1:4])


class Pool(nn.Module):
    """Becomes an operator that is newer than the runtime."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.max_pool3d(x.reshape(1, 1, 2, 2, 2), 2)


def exported_float(module: nn.Module, shapes: list[tuple[int, ...]], folder: Path, outputs: int = 1) -> Path:
    torch.manual_seed(0)
    example = tuple(torch.randn(shape) for shape in shapes)
    program = capture(Workload(
        name="tiny", source=Path("tiny.py"), module=module.eval(), example=example,
        input_names=("x", "y")[:len(shapes)], output_names=("a", "b")[:outputs], dynamic_batch=False))
    return float_model(program, "nchw", folder)


def random(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    made = np.random.default_rng(0)
    return [made.standard_normal(shape).astype(np.float32) for shape in shapes]


def test_float32(tmp_path: Path) -> None:
    artifact = exported_float(Mix(), [IMAGE, IMAGE], tmp_path, outputs=2)
    inputs = random(IMAGE, IMAGE)
    found = check_oldest(artifact, inputs)
    assert (found.runtime, found.refusal) == (OLDEST, None)
    assert found.outputs is not None
    for want, have in zip(TfliteSession(artifact).run(inputs), found.outputs, strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["raspberry-pi-3b-plus", "pixel-8"])
def test_int8(exported: Exported, device: str) -> None:
    artifact = exported.out / "model.tflite"
    inputs = random(IMAGE)
    graph = read_graph(artifact)
    quant = graph.tensors[graph.makers[graph.outputs[0]].inputs[0]].quant
    assert quant is not None
    found = check_oldest(artifact, inputs, cluster=get_device(device).clusters[0])
    assert found.outputs is not None
    assert found.outputs[0].any()
    np.testing.assert_allclose(found.outputs[0], TfliteSession(artifact).run(inputs)[0], atol=2.01 * quant.scale[0])


@pytest.mark.parametrize(("module", "operator", "reason"), [
    (Pick(), "GATHER_ND", f"{OLDEST} has no version 5 of GATHER_ND"),
    (Pool(), "STABLEHLO_REDUCE_WINDOW", f"{OLDEST} does not know STABLEHLO_REDUCE_WINDOW")])
def test_an_operator_that_it_lacks(tmp_path: Path, module: nn.Module, operator: str, reason: str) -> None:
    """LiteRT of today runs both."""
    artifact = exported_float(module, [(1, 8)], tmp_path)
    inputs = random((1, 8))
    assert len(TfliteSession(artifact).run(inputs)) == 1
    found = check_oldest(artifact, inputs)
    assert (found.outputs, found.operator) == (None, operator)
    assert str(found.refusal).startswith(reason)


def layer_of(model: Any) -> Any:
    return next(op for op in model.subgraphs[0].operators if operator_name(model, op) == "FULLY_CONNECTED")


def test_a_custom_operator(exported: Exported, tmp_path: Path) -> None:
    model = read_unchecked(exported.out / "model.tflite")
    code = model.operatorCodes[layer_of(model).opcodeIndex]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"shop.dense"
    artifact = tmp_path / "model.tflite"
    save(model, artifact)
    found = check_oldest(artifact, random(IMAGE))
    assert (found.outputs, found.operator) == (None, "shop.dense")
    assert str(found.refusal).startswith(f"{OLDEST} has no custom operator shop.dense")


def test_a_crash_is_an_error(exported: Exported, tmp_path: Path) -> None:
    """Its Arm kernel of int8 layers reads the bias of every layer, also of one that has none, from two rows on."""
    model = read_unchecked(exported.out / "model.tflite")
    layer = layer_of(model)
    layer.inputs = [*layer.inputs[:2], -1]
    artifact = tmp_path / "model.tflite"
    save(model, artifact)
    assert check_oldest(artifact, random(IMAGE)).refusal is None
    with pytest.raises(ConversionError, match="crashed with SIGSEGV") as failure:
        check_oldest(artifact, random((2, *IMAGE[1:])))
    assert failure.value.code == "runtime-crashed"
    assert str(failure.value.cause).startswith("at: run")


def test_inputs_that_do_not_fit(exported: Exported) -> None:
    with pytest.raises(ConversionError) as failure:
        check_oldest(exported.out / "model.tflite", random(IMAGE, IMAGE))
    assert failure.value.cause == "inputs: the model takes 1 inputs"


def test_the_time_limit(exported: Exported) -> None:
    with pytest.raises(DeviceError) as failure:
        check_oldest(exported.out / "model.tflite", random(IMAGE), seconds=0.3)
    assert failure.value.code == "target-timeout"


def test_the_guest_has_no_network(exported: Exported, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "run_tflite_runtime.py").write_text(
        "import json, socket, sys\n"
        "try:\n    socket.socket()\n"
        "except OSError as error:\n"
        "    json.dump({'error': error.strerror, 'step': 'load'}, open('job/result.json', 'w'))\n"
        "    sys.exit(3)\n")
    monkeypatch.setattr(oldest, "SOURCES", tmp_path)
    assert str(check_oldest(exported.out / "model.tflite", []).refusal).endswith("Permission denied")


def test_set_up_once() -> None:
    said: list[str] = []
    set_up_oldest(said.append)
    assert said == []


def test_not_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as failure:
        check_oldest(tmp_path / "model.tflite", [])
    assert (failure.value.code, failure.value.next) == ("emulator-missing", SET_UP)


def test_a_system_without_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set up anew, where apt-get finds nothing."""
    monkeypatch.setattr(oldest, "set_up", lambda names, say: [])
    monkeypatch.setattr(oldest, "_folder", lambda: tmp_path / "oldest")
    monkeypatch.setattr(oldest, "PACKAGES", ("edgekit-has-no-such-package",))
    (tmp_path / "sources").mkdir()
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{tmp_path}/sources";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    with pytest.raises(EnvironmentProblem) as failure:
        set_up_oldest(lambda line: None)
    assert failure.value.code == "emulator-missing"
    assert "Debian 12" in str(failure.value.next)
    assert "edgekit-has-no-such-package" in str(failure.value.cause)
    assert not (tmp_path / "oldest").exists()
