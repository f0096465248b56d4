"""``edgekit estimate`` by the command line: documents, exit statuses, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workloads import Exported

from edgekit.cli.main import run
from edgekit.devices.catalogue import find_device


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = run(["estimate", *arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, found


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.tflite", "model.onnx", "model.pte"])
def test_two_devices(exported: Exported, capsys: pytest.CaptureFixture[str], file: str) -> None:
    status, found = document(capsys, str(exported.out / file), "--device", "raspberry-pi-3b-plus",
                             "--device", "pixel-8")
    assert (status, found["schema"]) == (0, "edgekit/estimate/1")
    board, phone = found["devices"]
    assert (board["device"], board["core"], phone["core"]) == ("raspberry-pi-3b-plus", "cortex-a53", "cortex-x3")
    for device in found["devices"]:
        time, parts = device["latency"], device["parts"]
        assert (time["kind"], time["tier"], time["threads"]) == ("predicted", "counts", 1)
        assert 0 < time["low_ms"] < time["ms"] < time["high_ms"]
        assert time["ms"] == pytest.approx(parts["compute_ms"] + parts["memory_ms"] + parts["overhead_ms"])
        assert {"costs", "costs_rows", "costs_fit", "emulator"} <= set(device["facts"])
    assert board["latency"]["ms"] > 3 * phone["latency"]["ms"]
    assert found["size"]["installed_bytes"] == (exported.out / file).stat().st_size


def test_four_threads_and_text(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    one, four = (document(capsys, str(exported.out / "model.tflite"), "--device", "raspberry-pi-5", "--threads", n)[1]
                 for n in ("1", "4"))
    assert one["devices"][0]["parts"]["compute_ms"] > 2 * four["devices"][0]["parts"]["compute_ms"]
    assert four["devices"][0]["parts"]["overhead_ms"] > 0
    assert run(["estimate", str(exported.out / "model.tflite"), "--device", "raspberry-pi-5"]) == 0
    said = capsys.readouterr().out
    for part in ("[predicted]", "90 % interval", "[emulated]", "downloaded", "int8", "fits"):
        assert part in said


def test_a_device_that_is_too_small(exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "tiny.yaml"
    text = find_device("raspberry-pi-5").read_text().replace("id: raspberry-pi-5", "id: tiny")
    profile.write_text(text.replace("app_budget_mb: 2048", "app_budget_mb: 1"))
    assert "app_budget_mb: 1\n" in profile.read_text()
    status, found = document(capsys, str(exported.out / "model.onnx"), "--device", str(profile))
    assert (status, found["devices"][0]["fit"]["fits"]) == (4, False)


def test_the_analytic_tier_needs_no_emulator(exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "empty"))
    status, found = document(capsys, str(exported.out / "model.tflite"), "--device", "pixel-8", "--tier", "analytic")
    device, = found["devices"]
    assert (status, device["latency"]["tier"], device["counts"]) == (0, "analytic", None)
    assert device["memory"]["kind"] == "predicted"
    assert device["operators"]


def test_a_recipe_brings_device_threads_and_budget(exported: Exported, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "board.yaml"
    recipe.write_text("name: board\ndevice: raspberry-pi-4b\nthreads: 4\nformats: [tflite]\n"
                      "quantize: {scheme: w8a8-static}\n"
                      "budget: {size_mb: 4, latency_ms: 0.0001, peak_memory_mb: 40}\n")
    status, found = document(capsys, str(exported.out / "model.tflite"), "--recipe", str(recipe), "--tier", "analytic")
    device, = found["devices"]
    assert (status, device["device"], device["latency"]["threads"]) == (1, "raspberry-pi-4b", 4)
    assert {line["name"]: line["met"] for line in (*found["budget"], *device["budget"])} == {
        "size_mb": True, "latency_ms": False, "peak_memory_mb": True}
    assert run(["estimate", str(exported.out / "model.tflite"), "--recipe", str(recipe), "--tier", "analytic"]) == 1
    said = capsys.readouterr().out
    for part in ("MISSED", "bound by", "share of time", "latency_ms"):
        assert part in said


def test_no_device_at_all(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = document(capsys, str(exported.out / "model.tflite"))
    assert (status, found["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize(("arguments", "code", "status"), [
    (["--device", "pixel8"], "device-unknown", 4),
    (["--device", "pixel-8", "--threads", "2"], "device-threads", 4),
    (["--device", "pixel-8", "--device", "nothing"], "device-unknown", 4),
])
def test_mistakes_end_before_any_work(exported: Exported, capsys: pytest.CaptureFixture[str], arguments: list[str],
                                      code: str, status: int) -> None:
    found_status, found = document(capsys, str(exported.out / "model.tflite"), *arguments)
    assert (found["error"]["code"], found_status) == (code, status)


def test_a_processor_that_runs_another_format(exported: Exported, tmp_path: Path,
                                              capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "odd.yaml"
    text = find_device("raspberry-pi-5").read_text().replace("id: raspberry-pi-5", "id: odd")
    profile.write_text(text.replace("[tflite, executorch, onnx]", "[tflite]"))
    status, found = document(capsys, str(exported.out / "model.onnx"), "--device", str(profile))
    assert (status, found["error"]["code"]) == (4, "processor-format")
