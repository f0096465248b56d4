"""Targets behind ssh and adb, end to end against real daemons of an emulated board and phone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from daemons import Adbd, Machine, Sshd, adbd, android_root, arm64_root, sshd
from test_emulated import FILES, example
from workloads import Exported

from edgekit.cli.main import run
from edgekit.contracts import RunSettings
from edgekit.errors import ConversionError, DeviceError, EdgekitError, UsageError
from edgekit.estimate.timings import load_timing
from edgekit.measure import remote
from edgekit.measure.job import read_job
from edgekit.plugins import TARGETS

__all__ = ["adbd", "android_root", "arm64_root", "sshd"]

SETTINGS = RunSettings(warmup=1, repeats=2, seconds=120)
FOLDER = {"ssh": "tmp", "adb": "data/local/tmp"}


@pytest.fixture
def connect(sshd: Callable[..., Sshd], adbd: Callable[..., Adbd],
            monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, Machine]]:
    """Starts a daemon: the address of its target, and its machine."""

    def start(kind: str, disk: int | None = None) -> tuple[str, Machine]:
        disks = {f"/{FOLDER[kind]}": disk} if disk else None
        if kind == "ssh":
            board = sshd(disks=disks)
            monkeypatch.setenv("EDGEKIT_SSH_CONFIG", str(board.config))
            return "board", board.machine
        phone = adbd(disks=disks)
        for name, value in phone.env.items():
            monkeypatch.setenv(name, value)
        return phone.serial, phone.machine

    return start


def left(machine: Machine, kind: str) -> list[Path]:
    return list((machine.root / FOLDER[kind]).glob("edgekit-*"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FOLDER)
@pytest.mark.parametrize("name", FILES)
def test_an_artifact_on_a_target(exported: Exported, connect: Callable[..., tuple[str, Machine]], kind: str,
                                 name: str) -> None:
    address, machine = connect(kind)
    artifact = exported.out / FILES[name]
    inputs, expected = example(artifact, name)
    target = TARGETS.get(kind)
    target.prepare(address, name)
    found = target.run(artifact, inputs, SETTINGS)
    for want, have in zip(expected, found.outputs, strict=True):
        np.testing.assert_array_equal(want, have)
    assert (found.times_ms, found.operators, found.counts, found.memory) == ((), (), None, None)
    assert "emulated" in found.facts["emulated"]
    assert found.facts["machine"] == "aarch64"
    assert left(machine, kind) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_times_of_a_target_that_is_not_emulated(exported: Exported, connect: Callable[..., tuple[str, Machine]],
                                                monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The board is emulated; here its runner is taken to have found a real processor. The times are the emulator's."""
    monkeypatch.setattr(remote, "read_job", lambda *found: replace(read_job(*found), emulated=False))
    address, _ = connect("ssh")
    artifact = exported.out / FILES[name]
    inputs, _ = example(artifact, name)
    target = TARGETS.get("ssh")
    target.prepare(address, name)
    found = target.run(artifact, inputs, replace(SETTINGS, operators=True))
    assert len(found.times_ms) == SETTINGS.repeats
    assert "emulated" not in found.facts
    assert found.memory is not None
    assert (found.memory.kind, found.memory.peak_bytes > 0) == ("measured", True)
    assert any(word in operator.lower() for operator, _ in found.operators for word in ("conv", "delegate"))
    assert 0 < sum(ms for _, ms in found.operators) < 3 * max(found.times_ms)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "device"), [("ssh", "raspberry-pi-5"), ("adb", "pixel-8")])
def test_calibrating_on_a_target(exported: Exported, connect: Callable[..., tuple[str, Machine]], kind: str,
                                 device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                 capsys: pytest.CaptureFixture[str]) -> None:
    """Five files run there, are counted here, and give costs; as long as the target passes for a real one."""
    address, machine = connect(kind)
    files = [shutil.copy(exported.out / "model.tflite", tmp_path / f"copy{k}.tflite") for k in range(5)]
    out = tmp_path / "out.yaml"
    arguments = ["devices", "calibrate", device, "--on", f"{kind}:{address}", *map(str, files), "--repeats", "2",
                 "--output", str(out), "--json"]
    assert run(arguments) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "target-emulated"
    assert not out.exists()
    monkeypatch.setattr(remote, "read_job", lambda *found: replace(read_job(*found), emulated=False))
    assert run(arguments) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["models"]) == 5
    # the emulator's clock is unsteady: how near they come says nothing
    assert all(model["left_out_ms"] > 0 < model["measured_ms"] for model in found["models"])
    assert load_timing(out).provenance["calibration_source"].startswith(f"edgekit on {kind}, medians of 2")
    assert left(machine, kind) == []


@pytest.mark.parametrize("kind", FOLDER)
def test_a_connection_that_drops_in_the_middle(exported: Exported, connect: Callable[..., tuple[str, Machine]],
                                               kind: str) -> None:
    address, machine = connect(kind)
    artifact = exported.out / "model.tflite"
    inputs, _ = example(artifact, "tflite")
    target = TARGETS.get(kind)
    target.prepare(address, "tflite")
    machine.cut(after=2 * 2**20, how="gone")
    with pytest.raises(DeviceError) as failure:
        target.run(artifact, inputs, SETTINGS)
    assert (failure.value.code, failure.value.exit_status) == ("target-lost", 4)


@pytest.mark.parametrize("kind", FOLDER)
def test_a_target_without_space(exported: Exported, connect: Callable[..., tuple[str, Machine]], kind: str) -> None:
    address, machine = connect(kind, disk=2 * 2**20)
    artifact = exported.out / "model.tflite"
    inputs, _ = example(artifact, "tflite")
    target = TARGETS.get(kind)
    target.prepare(address, "tflite")
    with pytest.raises(DeviceError, match="no space") as failure:
        target.run(artifact, inputs, SETTINGS)
    assert failure.value.code == "target-no-space"
    assert "No space left on device" in str(failure.value.cause)
    assert left(machine, kind) == []


@pytest.mark.parametrize("kind", FOLDER)
def test_a_truncated_artifact_on_a_target(exported: Exported, connect: Callable[..., tuple[str, Machine]],
                                          tmp_path: Path, kind: str) -> None:
    address, machine = connect(kind)
    inputs, _ = example(exported.out / "model.pte", "executorch")
    cut = tmp_path / "model.pte"
    cut.write_bytes((exported.out / "model.pte").read_bytes()[:500])
    target = TARGETS.get(kind)
    target.prepare(address, "executorch")
    with pytest.raises(ConversionError) as failure:
        target.run(cut, inputs, SETTINGS)
    assert failure.value.code in ("artifact-does-not-load", "runtime-crashed")
    assert left(machine, kind) == []


def test_a_run_that_takes_too_long(exported: Exported, connect: Callable[..., tuple[str, Machine]]) -> None:
    address, machine = connect("ssh")
    artifact = exported.out / "model.onnx"
    inputs, _ = example(artifact, "onnx")
    target = TARGETS.get("ssh")
    target.prepare(address, "onnx")
    with pytest.raises(DeviceError) as failure:
        target.run(artifact, inputs, RunSettings(warmup=0, repeats=100_000, seconds=8))
    assert failure.value.code == "target-timeout"
    assert left(machine, "ssh") == []


@pytest.mark.parametrize(("on", "code"), [
    ("ssh", "target-address"), ("ssh:-oProxyCommand=x", "target-address"),
    ("ssh:localhost.invalid", "target-unreachable"), ("adb:no-such-serial", "target-unreachable"),
])
def test_targets_that_are_not_there(on: str, code: str, connect: Callable[..., tuple[str, Machine]]) -> None:
    if on.startswith("adb"):
        connect("adb")  # a server of the test's own
    name, _, address = on.partition(":")
    with pytest.raises((DeviceError, UsageError)) as failure:
        TARGETS.get(name).prepare(address, "tflite")
    assert failure.value.code == code


def test_a_daemon_that_is_gone(connect: Callable[..., tuple[str, Machine]]) -> None:
    address, machine = connect("ssh")
    machine.cut(after=0, how="gone")
    with pytest.raises(EdgekitError) as failure:
        TARGETS.get("ssh").prepare(address, "tflite")
    assert failure.value.code == "target-unreachable"
