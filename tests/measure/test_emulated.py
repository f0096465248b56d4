"""Artifacts on emulated devices: the real runtimes' aarch64 libraries under the real emulator."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from workloads import Exported

from edgekit.devices.catalogue import get_core, get_device
from edgekit.devices.profile import Device
from edgekit.errors import ConversionError, DeviceError, EnvironmentProblem
from edgekit.formats.registry import get_format
from edgekit.measure.emulated import installation as installations
from edgekit.measure.emulated import run as emulated_run
from edgekit.measure.emulated.installation import check_plugins, installed, set_up
from edgekit.measure.emulated.run import GuestRun, run_artifact

FILES = {"tflite": "model.tflite", "executorch": "model.pte", "onnx": "model.onnx"}
# device -> what its kernels use, and what its core has besides
KERNELS = {"raspberry-pi-3b-plus": set(), "raspberry-pi-5": {"int8_dot"}, "pixel-8": {"i8mm"},
           "pixel-3": set(),  # its Cortex-A75 has fp16 and no dot products
           "imx93": {"int8_dot"}}  # its Cortex-A55 is of a revision that has them
BESIDES = {"pixel-8": {"int8_dot"}}


def measure(artifact: Path, format_name: str, device: Device | str, inputs: list[np.ndarray],
            **settings: float) -> GuestRun:
    device = get_device(device) if isinstance(device, str) else device
    cluster = device.clusters[0]
    return run_artifact(installed(format_name), device, cluster, get_core(cluster.core), artifact, inputs,
                        **settings)  # type: ignore[arg-type]


def example(artifact: Path, format_name: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Made-up inputs, and what this machine's runtime answers to them."""
    session = get_format(format_name).load(artifact)
    made = np.random.default_rng(0)
    inputs = [made.standard_normal([d if isinstance(d, int) else 1 for d in s.shape]).astype(s.dtype)
              for s in session.inputs]
    return inputs, session.run(inputs)


def weights_of(mib: int, path: Path) -> Path:
    """A float model that multiplies by a matrix of that many MiB."""
    matrix = np.ones((1024, mib * 256), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1024])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, mib * 256])],
        [numpy_helper.from_array(matrix, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.parametrize("device", KERNELS)
@pytest.mark.parametrize("name", FILES)
def test_outputs_and_kernels(exported: Exported, name: str, device: str) -> None:
    """int8 is bit for bit this machine's, whichever instructions the device's core has."""
    artifact = exported.out / FILES[name]
    inputs, expected = example(artifact, name)
    found = measure(artifact, name, device, inputs)
    for want, have in zip(expected, found.result.outputs, strict=True):
        np.testing.assert_array_equal(want, have)
    used = {"int8_dot", "i8mm"} & set(found.counts.by_class)
    assert used <= KERNELS[device] | BESIDES.get(device, set())
    if name != "onnx":  # its small convolutions take other ways
        assert KERNELS[device] <= set(found.counts.by_class)
    assert not {"sve", "sme"} & set(found.counts.by_class)
    assert found.counts.instructions == sum(found.counts.by_class.values())
    assert found.counts.l1_misses >= found.counts.l2_misses
    width = get_core(get_device(device).clusters[0].core).issue_width
    assert found.counts.instructions / width <= found.counts.scheduled_cycles
    assert found.counts.scheduled_cycles < 3 * found.counts.instructions


@pytest.mark.parametrize("name", FILES)
def test_counts_repeat_exactly_on_one_core(exported: Exported, name: str) -> None:
    artifact = exported.out / FILES[name]
    inputs, _ = example(artifact, name)
    first, second = (measure(artifact, name, "raspberry-pi-5", inputs).counts for _ in range(2))
    if name == "onnx":  # its thread pool looks at the clock
        assert second.instructions == pytest.approx(first.instructions, rel=1e-3)
    else:
        assert first == second


def test_several_cores_give_the_same_outputs(exported: Exported) -> None:
    artifact = exported.out / "model.tflite"
    inputs, expected = example(artifact, "tflite")
    found = measure(artifact, "tflite", "raspberry-pi-5", inputs, threads=2)
    np.testing.assert_array_equal(found.result.outputs[0], expected[0])
    assert found.counts.instructions > 0


def test_memory_is_what_the_weights_take(tmp_path: Path) -> None:
    artifact = weights_of(16, tmp_path / "model.onnx")
    found = measure(artifact, "onnx", "raspberry-pi-5", [np.ones((1, 1024), np.float32)])
    # ONNX Runtime keeps what it parsed and the weights in an order of its own
    assert 16 * 2**20 < found.counts.peak_memory_bytes < 60 * 2**20
    np.testing.assert_array_equal(found.result.outputs[0], np.full((1, 4096), 1024, np.float32))


def test_a_model_far_too_large_is_not_followed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulated_run, "_FOLLOWED_MIB", 0)
    artifact = weights_of(16, tmp_path / "model.onnx")
    small = get_device("raspberry-pi-5").model_copy(update={"app_budget_mb": 2})
    with pytest.raises(DeviceError, match="needs more than 8 MiB, raspberry-pi-5 gives an app 2 MiB") as failure:
        measure(artifact, "onnx", small, [np.ones((1, 1024), np.float32)])
    assert (failure.value.code, failure.value.exit_status) == ("model-does-not-fit", 4)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_artifact(exported: Exported, tmp_path: Path, name: str) -> None:
    artifact = exported.out / FILES[name]
    inputs, _ = example(artifact, name)
    cut = tmp_path / artifact.name
    cut.write_bytes(artifact.read_bytes()[:200])
    with pytest.raises(ConversionError) as failure:
        measure(cut, name, "raspberry-pi-5", inputs)
    assert failure.value.code in ("artifact-does-not-load", "runtime-crashed")


def test_an_operator_that_the_runtime_lacks(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Nonsense", ["x"], ["y"], domain="nowhere")], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("nowhere", 1)],
                                ir_version=9), path)
    with pytest.raises(ConversionError) as failure:
        measure(path, "onnx", "raspberry-pi-5", [np.ones(1, np.float32)])
    assert failure.value.code == "artifact-does-not-load"
    assert "Nonsense" in str(failure.value.cause)


def test_a_crash_is_named_and_harms_nothing_else(exported: Exported, tmp_path: Path) -> None:
    """Of files with bytes changed at random, about every third ends the runtime with a signal."""
    artifact = exported.out / "model.tflite"
    inputs, expected = example(artifact, "tflite")
    crashed: list[ConversionError] = []
    for seed in range(40):
        data, chance = bytearray(artifact.read_bytes()), random.Random(seed)
        for _ in range(40):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path = tmp_path / f"damaged{seed}.tflite"
        path.write_bytes(data)
        try:
            measure(path, "tflite", "raspberry-pi-5", inputs, seconds=60)
        except ConversionError as error:
            if error.code == "runtime-crashed":
                crashed.append(error)
                break
    assert "crashed with SIG" in crashed[0].message
    assert "at: " in str(crashed[0].cause)
    np.testing.assert_array_equal(measure(artifact, "tflite", "raspberry-pi-5", inputs).result.outputs[0], expected[0])


def test_the_time_limit_ends_the_emulator(exported: Exported) -> None:
    artifact = exported.out / "model.onnx"
    inputs, _ = example(artifact, "onnx")
    measure(artifact, "onnx", "raspberry-pi-5", inputs)  # the bare runner is counted by now
    with pytest.raises(DeviceError) as failure:
        measure(artifact, "onnx", "raspberry-pi-5", inputs, seconds=0.3)
    assert failure.value.code == "target-timeout"
    emulators = [pid for pid in os.listdir("/proc") if pid.isdigit() and _parent(pid) == os.getpid()]
    assert not [pid for pid in emulators if "qemu" in Path(f"/proc/{pid}/cmdline").read_text()]


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_not_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
    with pytest.raises(EnvironmentProblem) as failure:
        installed("tflite")
    assert (failure.value.code, failure.value.next) == ("emulator-missing", "edgekit doctor --setup emulator")


def test_no_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="qemu-user") as failure:
        installed("tflite")
    assert failure.value.exit_status == 5


def test_an_emulator_without_plugins(tmp_path: Path) -> None:
    """It says what Debian's qemu-user-static 7.2 says to the option."""
    static = tmp_path / "qemu-aarch64"
    static.write_text("#!/bin/sh\necho \"qemu: unknown option 'plugin'\" >&2\nexit 1\n")
    static.chmod(0o755)
    with pytest.raises(EnvironmentProblem) as failure:
        check_plugins(static, installed("tflite").plugin, {})
    assert failure.value.code == "emulator-no-plugins"
    assert "qemu-user" in str(failure.value.next)
    check_plugins(installed("tflite").qemu, installed("tflite").plugin, {})


@pytest.mark.parametrize(("says", "code"), [
    ("echo qemu-aarch64 version 10.0.2", "emulator-version"), ("echo hello", "emulator-version"),
    ("exec /nowhere", "emulator-version"), (None, "emulator-missing")])
def test_an_emulator_of_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str | None,
                                        code: str) -> None:
    other = tmp_path / "qemu-aarch64"
    other.write_text(f"#!/bin/sh\n{says}\n" if says else "no program")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentProblem) as failure:
        installed("tflite")
    assert failure.value.code == code


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installations, "_builds", lambda: tmp_path / "builds")
    (tmp_path / "gcc").write_text("#!/bin/sh\necho 'count.c:1: error: out of luck' >&2\nexit 1\n")
    (tmp_path / "gcc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(EnvironmentProblem) as failure:
        set_up(["tflite"], lambda line: None)
    assert (failure.value.code, failure.value.cause) == ("emulator-build", "count.c:1: error: out of luck")
    assert not list((tmp_path / "builds").iterdir())


def test_a_program_that_changed_is_built_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installations, "_builds", lambda: tmp_path)
    said: list[str] = []
    runner = set_up(["tflite"], said.append)[0].runner
    before = runner.read_bytes()
    runner.write_bytes(before + b"x")
    with pytest.raises(EnvironmentProblem) as failure:
        installed("tflite")
    assert failure.value.code == "emulator-missing"
    set_up(["tflite"], said.append)
    assert runner.read_bytes() == before
    assert said == ["building the runner for tflite"] * 2


def test_a_fetched_file_that_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = installed("tflite")
    copy = tmp_path / own.files.name
    copy.mkdir()
    for file in own.files.iterdir():
        (copy / file.name).write_bytes(file.read_bytes() + (b"x" if file.suffix == ".so" else b""))
    monkeypatch.setattr(installations, "_files", lambda runtime: copy)
    with pytest.raises(EnvironmentProblem) as failure:
        installed("tflite")
    assert failure.value.code == "emulator-damaged"


def test_a_wheel_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(installations, "_files", lambda runtime: tmp_path / "files")
    with pytest.raises(EnvironmentProblem) as failure:
        set_up(["onnx"], lambda line: None)
    assert failure.value.code == "wheel-missing"
    assert "onnxruntime==" in str(failure.value.cause)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="it mounts a file system, which takes root")
def test_a_full_disk(tmp_path: Path) -> None:
    """A folder on a file system of 64 KB, in a namespace of its own."""
    code = ("from pathlib import Path; from edgekit.errors import EdgekitError\n"
            "from edgekit.measure.emulated.wheels import fetch\n"
            f"try: fetch('tflite-runtime', '2.14.0', ['*'], Path({str(tmp_path)!r}) / 'files', '3.11')\n"
            "except EdgekitError as error: print(error.code)")
    script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3"'
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path), sys.executable, code],
                          capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "disk-full", done.stderr
