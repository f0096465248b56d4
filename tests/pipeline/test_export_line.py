"""The whole line: real converters, real runtimes, one output folder."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from workloads import write_small

from edgekit import api
from edgekit.errors import EdgekitError
from edgekit.formats.registry import get_format

FORMATS = {"tflite": "model.tflite", "executorch": "model.pte", "onnx": "model.onnx"}


@pytest.fixture(scope="module")
def report(exported):
    return json.loads((exported.out / "report.json").read_text())


def test_everything_was_made_and_met(exported, report):
    assert exported.status == 0
    assert report["schema"] == "edgekit/export-report/1"
    assert {a["artifact"]["format"] for a in report["artifacts"]} == set(FORMATS)
    assert report["failures"] == []


def test_fidelity_is_measured_on_enough_held_back_inputs(report):
    for entry in report["artifacts"]:
        fidelity = entry["fidelity"]
        assert fidelity["inputs"] >= 16
        assert fidelity["input_source"] == "calibration samples not used to calibrate"
        assert fidelity["sqnr_db"] > 20
        assert fidelity["metric_artifact"] >= fidelity["metric_float"] - 1
        assert fidelity["top1_agreement"] > 0.9


def test_weights_are_what_was_asked(report):
    for entry in report["artifacts"]:
        weights = entry["artifact"]["weight_bytes_by_dtype"]
        assert weights["int8"] > 900
        assert entry["artifact"]["macs"] > 0
        assert entry["artifact"]["macs_delegated_share"] == 1.0


def test_a_budget_that_nothing_evaluates_is_not_met(report):
    latency = [line for line in report["budget"] if line["name"] == "latency_ms"]
    assert len(latency) == 3
    assert all(line["met"] is None and line["value"] is None for line in latency)
    assert {line["note"] for line in latency} == {"the recipe names no device"}


def test_manifest_names_every_file_with_its_hash(exported):
    manifest = json.loads((exported.out / "manifest.json").read_text())
    on_disk = {p.relative_to(exported.out).as_posix() for p in exported.out.rglob("*") if p.is_file()}
    assert set(manifest["files"]) == on_disk - {"manifest.json"}
    for name, facts in manifest["files"].items():
        assert hashlib.sha256((exported.out / name).read_bytes()).hexdigest() == facts["sha256"]
    assert manifest["recipe"]["quantize"]["scheme"] == "w8a8-static"


def test_no_machine_path_is_published(exported, tmp_path_factory):
    for name in ("report.json", "manifest.json", "golden/golden.json"):
        text = (exported.out / name).read_text()
        assert "/site-packages/" not in text
        assert "edgekit-" not in text, "a temporary folder's name would differ from run to run"


@pytest.mark.parametrize("name", FORMATS)
def test_golden_vectors_come_out_again(exported, name):
    golden = json.loads((exported.out / "golden" / "golden.json").read_text())
    assert golden["byte_order"] == "little"
    entry = golden["formats"][name]
    session = get_format(name).load(exported.out / entry["file"])
    for vector in entry["vectors"]:
        outputs = session.run([_tensor(exported.out, t) for t in vector["inputs"]])
        for value, stored in zip(outputs, vector["outputs"], strict=True):
            assert np.abs(value - _tensor(exported.out, stored)).max() <= stored["tolerance"]


def _tensor(out: Path, entry: dict) -> np.ndarray:
    little = np.dtype(entry["dtype"]).newbyteorder("<")
    return np.frombuffer((out / "golden" / entry["file"]).read_bytes(), little).reshape(entry["shape"])


def test_a_changed_budget_converts_nothing_again(exported, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(exported.recipe.read_text().replace("size_mb: 1.0", "size_mb: 0.0001"))
    report = api.export(str(exported.workload), recipe, out=tmp_path / "out")
    cached = {s.name for s in report.stages if s.cached}
    each = {f"{step}:{name}" for step in ("export", "verify") for name in FORMATS}
    assert cached == {"capture", "plan", "reference", *each}
    before = json.loads((exported.out / "report.json").read_text())
    for now, then in zip(report.artifacts, before["artifacts"], strict=True):
        assert now.fidelity.model_dump(mode="json") == then["fidelity"]
    missed = [line for line in report.budget if line.met is False]
    assert {line.name for line in missed} == {"size_mb"}
    assert report.exit_status == 1
    assert (tmp_path / "out" / "model.onnx").is_file(), "artifacts are kept when a budget is missed"


def test_a_floor_out_of_reach_widens_and_says_so(exported, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(exported.recipe.read_text() + "fidelity: {min_sqnr_db: 60, max_widened_macs: 1.0}\n")
    report = api.export(str(exported.workload), recipe, out=tmp_path / "out", formats=["onnx"])
    (entry,) = report.artifacts
    plain = json.loads((exported.out / "report.json").read_text())
    before = next(a for a in plain["artifacts"] if a["artifact"]["format"] == "onnx")
    assert entry.fidelity.sqnr_db is None or entry.fidelity.sqnr_db > before["fidelity"]["sqnr_db"] + 3
    assert entry.artifact.kept_float, "what was widened is named"
    assert all(k.reason and k.where for k in entry.artifact.kept_float)


def test_keep_float_is_obeyed_and_named(exported, tmp_path):
    recipe = tmp_path / "small.yaml"
    text = exported.recipe.read_text()
    recipe.write_text(text.replace("  calibration", "  keep_float: [head]\n  calibration"))
    report = api.export(str(exported.workload), recipe, out=tmp_path / "out", formats=["tflite", "onnx"])
    for entry in report.artifacts:
        assert [k.where for k in entry.artifact.kept_float] == ["head"]
        assert entry.artifact.weight_bytes_by_dtype["float32"] >= 16 * 4 * 4


def test_one_failed_format_leaves_the_others(exported, tmp_path, monkeypatch):
    from edgekit.pipeline import produce
    real = produce._verify

    def fail(run, prepared, name, *rest):
        if name == "tflite":
            raise EdgekitError("runtime-crashed", "it crashed")
        return real(run, prepared, name, *rest)

    monkeypatch.setattr(produce, "_verify", fail)
    report = api.export(str(exported.workload), exported.recipe, out=tmp_path / "out", formats=["tflite", "onnx"])
    assert [a.artifact.format for a in report.artifacts] == ["onnx"]
    assert [f.format for f in report.failures] == ["tflite"]
    assert report.exit_status != 0


@pytest.mark.slow
def test_a_compressed_model_is_kept_only_for_the_data_that_it_was_trained_on(tmp_path):
    workload, recipe = write_small(tmp_path, scheme="fp32", formats="onnx")
    recipe.write_text(recipe.read_text() + "compress:\n  - unstructured: {sparsity: 0.5, train: {epochs: 1}}\n")
    labels = tmp_path / "labels.txt"
    workload.write_text(workload.read_text().replace(
        "    x, y = _images(128, 1)\n",
        f"    x, y = _images(128, 1)\n    y = (y + int(open({str(labels)!r}).read())) % 4\n"))
    cached = []
    for text in ("0", "0", "1"):
        labels.write_text(text)
        report = api.export(str(workload), recipe, out=tmp_path / "out")
        cached.append(next(s.cached for s in report.stages if s.name == "compress:unstructured"))
    assert cached == [False, True, False]


@pytest.mark.slow
def test_a_model_compressed_with_data_that_cannot_be_hashed_is_not_kept(tmp_path):
    workload, recipe = write_small(tmp_path, scheme="fp32", formats="onnx")
    recipe.write_text(recipe.read_text() + "compress:\n  - unstructured: {sparsity: 0.5, train: {epochs: 1}}\n")
    workload.write_text(workload.read_text() + """
import threading
loaded = train_data


def train_data():
    return ((x, (y, threading.Lock())) for x, y in loaded())


def loss(output, target):
    return torch.nn.functional.cross_entropy(output, target[0])
""")
    for _ in range(2):
        report = api.export(str(workload), recipe, out=tmp_path / "out")
        assert [s.cached for s in report.stages if s.name == "compress:unstructured"] == [False]
        assert any("train_data() yields a" in warning for warning in report.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["fp32", "fp16", "w8a8-dynamic"])
def test_other_schemes_through_the_whole_line(tmp_path, scheme):
    workload, recipe = write_small(tmp_path, scheme=scheme)
    report = api.export(str(workload), recipe, out=tmp_path / "out")
    assert report.exit_status == 0, report.budget
    assert len(report.artifacts) == 3


@pytest.mark.slow
def test_pruned_and_quantized_has_fewer_macs_everywhere(exported, tmp_path):
    recipe = tmp_path / "pruned.yaml"
    recipe.write_text(exported.recipe.read_text().replace("name: small", "name: pruned") +
                      "compress:\n  - structured: {ratio: 0.4, importance: l2, round_to: 4, train: {epochs: 2}}\n")
    report = api.export(str(exported.workload), recipe, out=tmp_path / "out")
    plain = json.loads((exported.out / "report.json").read_text())
    before = {a["artifact"]["format"]: a["artifact"]["macs"] for a in plain["artifacts"]}
    assert len(report.artifacts) == 3
    for entry in report.artifacts:
        assert entry.artifact.macs < 0.9 * before[entry.artifact.format]
    assert report.passes[0].changed["macs_after"] < report.passes[0].changed["macs_before"]
