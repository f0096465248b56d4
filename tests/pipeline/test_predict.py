"""The export line's predictions: budgets of latency and memory, and what the report shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workloads import Exported

from edgekit.cli.main import run
from edgekit.errors import ConversionError


def report_of(exported: Exported, folder: Path, budget: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The small network again, from the cache, with another budget."""
    recipe = folder / "other.yaml"
    lines = [line for line in exported.recipe.read_text().splitlines() if not line.startswith("budget:")]
    recipe.write_text("\n".join([*lines, f"budget: {budget}", ""]))
    status = run(["export", str(exported.workload), "--recipe", str(recipe), "-o", str(folder / "out"), *arguments])
    found: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return status, found


def test_budgets_are_held_against_predictions(exported: Exported, tmp_path: Path) -> None:
    status, report = report_of(exported, tmp_path, "{latency_ms: 50, peak_memory_mb: 50}",
                               "--device", "raspberry-pi-4b")
    assert status == 0
    lines = [line for line in report["budget"] if line["name"] in ("latency_ms", "peak_memory_mb")]
    assert len(lines) == 6
    assert all(line["met"] is True and 0 < line["value"] < line["limit"] for line in lines)
    assert all("predicted" in line["note"] for line in lines)
    for one in report["artifacts"]:
        latency, = one["latencies"]
        assert (latency["tier"], latency["device"], latency["threads"]) == ("analytic", "raspberry-pi-4b", 1)
        assert latency["runtime"] == one["artifact"]["runtime"]
        memory, = one["memory"]
        assert memory["peak_bytes"] == sum(memory[f"{part}_bytes"] for part in ("arena", "weight", "runtime"))
        assert sum(op["share"] for op in one["estimate"]["operators"]) == pytest.approx(1)
        assert one["size"]["download_bytes"] < one["size"]["installed_bytes"] == one["artifact"]["bytes"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Operators by time" in page
    assert "Size by layer" in page


def test_a_missed_budget_ends_with_its_status(exported: Exported, tmp_path: Path) -> None:
    status, report = report_of(exported, tmp_path, "{latency_ms: 0.0001, peak_memory_mb: 0.0001}",
                               "--device", "raspberry-pi-4b", "--format", "tflite")
    assert (status, report["exit_status"]) == (1, 1)
    assert {line["name"]: line["met"] for line in report["budget"]}.items() >= {
        "latency_ms": False, "peak_memory_mb": False}.items()


def test_without_a_device_memory_is_known_and_latency_is_not(exported: Exported, tmp_path: Path) -> None:
    status, report = report_of(exported, tmp_path, "{latency_ms: 50, peak_memory_mb: 50}", "--format", "onnx")
    assert status == 0
    by_name = {line["name"]: line for line in report["budget"]}
    assert by_name["peak_memory_mb"]["met"] is True
    assert (by_name["latency_ms"]["met"], by_name["latency_ms"]["note"]) == (None, "the recipe names no device")
    assert report["artifacts"][0]["no_estimate"] == "the recipe names no device"


def test_threads_that_the_device_does_not_have_are_said(exported: Exported, tmp_path: Path) -> None:
    status, report = report_of(exported, tmp_path, "{latency_ms: 50}\nthreads: 9", "--device", "raspberry-pi-4b",
                               "--format", "tflite")
    assert status == 0
    line = next(line for line in report["budget"] if line["name"] == "latency_ms")
    assert line["met"] is None
    assert "9" in line["note"]


def test_an_artifact_whose_memory_cannot_be_planned_is_still_exported(
        exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ConversionError("child-crashed", "Planning the memory of model.onnx crashed (SIGSEGV)")

    monkeypatch.setattr("edgekit.pipeline.predict.read_memory", broken)
    status, report = report_of(exported, tmp_path, "{size_mb: 9}", "--device", "raspberry-pi-4b", "--format", "onnx")
    assert status == 0
    one, = report["artifacts"]
    assert "Planning the memory of model.onnx crashed" in one["no_estimate"]
    assert (tmp_path / "out" / "model.onnx").is_file()
