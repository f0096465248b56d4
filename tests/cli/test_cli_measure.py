"""``edgekit measure`` by the command line: documents, exit statuses, mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from workloads import Exported

from edgekit.cli.main import run
from edgekit.devices.catalogue import find_device


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run(["measure", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


def test_on_an_emulated_device(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = document(capsys, str(exported.out / "model.tflite"), "--on", "emulated:raspberry-pi-5")
    assert status == 0
    assert (found["schema"], found["inputs"]) == ("edgekit/measurement/1", "the first golden vector")
    assert (found["device"], found["core"], found["threads"]) == ("raspberry-pi-5", "cortex-a76", 1)
    assert found["agreement"]["identical"] is True
    assert found["latency"] is None
    assert found["counts"]["kind"] == found["memory"]["kind"] == "emulated"
    assert {"instructions", "by_class", "load_bytes", "store_bytes", "l1_misses", "l2_misses",
            "peak_memory_bytes"} <= set(found["counts"])
    assert found["fit"]["fits"] is True


def test_on_the_host(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = document(capsys, str(exported.out / "model.onnx"), "--on", "host", "--repeats", "5")
    assert status == 0
    time = found["latency"]
    assert (time["kind"], time["tier"], time["device"]) == ("measured", None, "host")
    assert 0 < time["low_ms"] <= time["ms"] <= time["high_ms"]
    assert found["counts"] is None
    assert "clock" in found["facts"]
    assert found["memory"]["kind"] == "measured"
    assert 2**17 < found["memory"]["peak_bytes"] < 2**28


def test_text_names_every_kind(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", str(exported.out / "model.tflite"), "--on", "emulated:pixel-8/cortex-a510",
                "--oldest-runtime"]) == 0
    said = capsys.readouterr().out
    for part in ("bit for bit", "[emulated]", "needs about", "fits", "max,sve=off,sme=off", "tflite_runtime 2.14.0"):
        assert part in said
    assert " ms" not in said


def test_a_device_that_is_too_small(exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of its own, with no golden vectors beside it, and a profile of its own."""
    artifact = tmp_path / "model.onnx"
    shutil.copy(exported.out / "model.onnx", artifact)
    text = find_device("raspberry-pi-5").read_text().replace("id: raspberry-pi-5", "id: tiny")
    profile = tmp_path / "tiny.yaml"
    profile.write_text("\n".join("app_budget_mb: 1" if line.startswith("app_budget_mb:") else line
                                 for line in text.splitlines()))
    status, found = document(capsys, str(artifact), "--on", f"emulated:{profile}")
    assert status == 4
    assert found["inputs"] == "made up, seed 0"
    assert found["fit"] == {"needs_bytes": found["memory"]["peak_bytes"], "budget_bytes": 2**20, "fits": False}


@pytest.mark.parametrize(("arguments", "code", "status"), [
    (["--on", "emulated:pixel8"], "device-unknown", 4),
    (["--on", "emulated:pixel-8/cortex-a53"], "core-unknown", 4),
    (["--on", "emulated"], "target-address", 2),
    (["--on", "emulatd:pixel-8"], "target-unknown", 2),
    (["--on", "host:here"], "target-address", 2),
    (["--on", "host", "--threads", "2"], "device-threads", 2),
    (["--on", "host", "--operators"], "operators-unavailable", 2),
    (["--on", "emulated:pixel-8", "--operators"], "operators-unavailable", 2),
    (["--on", "emulated:pixel-8", "--threads", "2"], "device-threads", 4),
    (["--on", "emulated:raspberry-pi-5", "--oldest-runtime"], "oldest-runtime-format", 2),
])
def test_mistakes(exported: Exported, capsys: pytest.CaptureFixture[str], arguments: list[str], code: str,
                  status: int) -> None:
    found_status, found = document(capsys, str(exported.out / "model.onnx"), *arguments)
    assert (found["error"]["code"], found_status) == (code, status)


def test_a_device_without_a_core_model(exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "odd.yaml"
    profile.write_text(find_device("raspberry-pi-5").read_text().replace("id: raspberry-pi-5", "id: odd")
                       .replace("cortex-a76", "cortex-a77"))
    status, found = document(capsys, str(exported.out / "model.tflite"), "--on", f"emulated:{profile}")
    assert (status, found["error"]["code"]) == (4, "core-unknown")
    assert "cortex-a78" in found["error"]["next"]


def test_golden_vectors_that_cannot_be_read(exported: Exported, tmp_path: Path,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "out"
    shutil.copytree(exported.out, folder)
    (folder / "golden" / "golden.json").write_text("{}")
    status, found = document(capsys, str(folder / "model.tflite"), "--on", "emulated:raspberry-pi-5")
    assert (status, found["error"]["code"]) == (2, "golden-malformed")
