"""What `edgekit bundle` refuses, and that the app stays as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_support import edit_golden, edit_report, refused, tree
from workloads import Exported

from edgekit import api
from edgekit.bundle.runtimes import RUNTIMES
from edgekit.errors import EdgekitError
from edgekit.staging import check_replaceable

PARTS = ("settings.gradle.kts", "app/build.gradle.kts", "gradle/libs.versions.toml")


def test_a_folder_that_is_no_output(app: Path, out: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "nothing", app):
        assert str(folder) in refused(lambda folder=folder: api.bundle(folder, app), "bundle-not-output").message
    edit_report(out, lambda report: report.pop("artifacts"))
    assert "artifacts" in str(refused(lambda: api.bundle(out, app), "bundle-not-output").cause)
    (out / "manifest.json").write_text('{"schema": "edgekit/manifest/1", "files": [1]}')
    refused(lambda: api.bundle(out, app), "bundle-not-output")
    assert not (app / "bundle").exists()


@pytest.mark.parametrize("name", ["model.tflite", "golden/onnx_0_out0.bin", "report.json"])
def test_a_tampered_file(app: Path, out: Path, name: str) -> None:
    (out / name).write_bytes((out / name).read_bytes()[:-1] + b"?")
    error = refused(lambda: api.bundle(out, app), "bundle-tampered")
    assert str(error.where).endswith(name)
    (out / name).unlink()
    assert refused(lambda: api.bundle(out, app), "bundle-tampered").cause == "it is gone"
    assert not (app / "bundle").exists()


@pytest.mark.parametrize("part", PARTS)
def test_an_app_of_another_structure(exported: Exported, app: Path, part: str) -> None:
    (app / part).unlink()
    assert part in str(refused(lambda: api.bundle(exported.out, app), "bundle-not-app").cause)


def test_an_app_that_reads_no_bundle(exported: Exported, app: Path) -> None:
    for script in app.rglob("*.kts"):
        script.write_text("plugins {}\n")
    assert "edgekit.properties" in str(refused(lambda: api.bundle(exported.out, app), "bundle-not-app").cause)
    for broken in ("[versions\n", "versions = 3\n", "[libraries]\n"):
        (app / "gradle/libs.versions.toml").write_text(broken)
        refused(lambda: api.bundle(exported.out, app), "bundle-not-app")


@pytest.mark.parametrize(("pin", "library"), [(r.pin, r.library) for r in RUNTIMES.values()])
def test_mixed_runtime_versions(exported: Exported, app: Path, pin: str, library: str) -> None:
    catalog = app / "gradle/libs.versions.toml"
    lines = catalog.read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.split("=")[0].strip() == pin)
    lines[at] = f'{pin} = "0.9.9"'
    catalog.write_text("\n".join(lines))
    error = refused(lambda: api.bundle(exported.out, app), "bundle-runtime-version")
    assert library in error.message
    assert "0.9.9" in error.message
    assert error.where == f"{catalog}:{at + 1}"
    del lines[at]
    catalog.write_text("\n".join(lines))
    assert pin in str(refused(lambda: api.bundle(exported.out, app), "bundle-runtime-version").cause)


def test_a_model_too_large_for_the_device(app: Path, out: Path) -> None:
    def heavy(report: dict[str, Any]) -> None:
        report["artifacts"][0]["memory"] = [{"kind": "predicted", "peak_bytes": 3 * 2**30}]

    edit_report(out, heavy)
    error = refused(lambda: api.bundle(out, app, device="pixel-8"), "model-does-not-fit")
    assert "3,072 MiB" in error.message
    assert "1,024 MiB" in error.message
    assert error.exit_status == 4
    edit_report(out, lambda report: report["artifacts"][0].update(memory=[]))
    assert any("nobody predicts" in note for note in api.bundle(out, app, device="pixel-8").notes)


@pytest.mark.parametrize(("change", "words"), [
    (lambda formats: formats.pop("onnx"), "no golden vectors of onnx"),
    (lambda formats: formats["tflite"].update(vectors=[]), "tflite.vectors"),
    (lambda formats: formats["tflite"]["vectors"][0]["outputs"][0].pop("tolerance"), "outputs.0.tolerance"),
    (lambda formats: formats["tflite"]["vectors"][0]["outputs"][0].update(tolerance=float("nan")), "tolerance"),
    (lambda formats: formats["tflite"]["vectors"][0]["inputs"][0].pop("shape"), "inputs.0.shape"),
    (lambda formats: formats["tflite"]["vectors"][0]["inputs"][0].update(file="../../../settings.gradle.kts"),
     "no plain file name"),
])
def test_golden_vectors_that_are_not_what_edgekit_writes(app: Path, out: Path, change: Callable[[Any], Any],
                                                         words: str) -> None:
    edit_golden(out, change)
    before = tree(app)
    assert words in str(refused(lambda: api.bundle(out, app), "bundle-not-output").cause)
    assert tree(app) == before


@pytest.mark.parametrize(("change", "code"), [
    (lambda report: report["artifacts"][0]["artifact"].update(sha256="0" * 64), "bundle-tampered"),
    (lambda report: report["artifacts"][0]["artifact"].update(path="report.html"), "bundle-tampered"),
    (lambda report: report["artifacts"][0]["artifact"].update(path="/etc/passwd"), "bundle-not-output"),
    (lambda report: report.update(artifacts=[]), "bundle-not-output"),
    (lambda report: report["workload"].pop("labels"), "bundle-not-output"),
    (lambda report: report["workload"].update(labels=[1, 2]), "bundle-not-output"),
    (lambda report: report["recipe"].pop("name"), "bundle-not-output"),
])
def test_a_report_that_is_about_something_else(app: Path, out: Path, change: Callable[[Any], Any], code: str) -> None:
    edit_report(out, change)
    refused(lambda: api.bundle(out, app), code)
    assert not (app / "bundle").exists()


def test_a_manifest_that_leaves_a_file_out_or_leads_outside(app: Path, out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    kept = manifest["files"].pop("model.tflite")
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert "model.tflite" in refused(lambda: api.bundle(out, app), "bundle-tampered").message
    manifest["files"] |= {"model.tflite": kept, "../model.tflite": kept}
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert "outside" in str(refused(lambda: api.bundle(out, app), "bundle-not-output").cause)


def test_an_export_is_never_replaced_by_a_bundle(exported: Exported, app: Path, out: Path) -> None:
    shutil.copytree(out, app / "bundle")
    before = tree(app)
    refused(lambda: api.bundle(exported.out, app), "output-not-edgekit")
    refused(lambda: api.bundle(app / "bundle", app), "bundle-not-output")
    assert tree(app) == before
    shutil.rmtree(app / "bundle")
    (app / "bundle").symlink_to(out)
    refused(lambda: api.bundle(exported.out, app), "output-not-edgekit")
    assert tree(out) == tree(exported.out)
    (app / "bundle").unlink()
    api.bundle(exported.out, app)
    with pytest.raises(EdgekitError, match="of its kind"):
        check_replaceable(app / "bundle")  # as an export would


def test_devices_abis_and_formats_that_the_app_cannot_have(exported: Exported, app: Path) -> None:
    error = refused(lambda: api.bundle(exported.out, app, device="raspberry-pi-4b"), "bundle-device")
    assert error.exit_status == 4
    error = refused(lambda: api.bundle(exported.out, app, abis=["armeabi-v7a"]), "bundle-abi")
    assert "arm64-v8a, x86_64" in str(error.cause)
    api.bundle(exported.out, app, formats=["onnx"], abis=["armeabi-v7a"])
    assert "arm64-v8a" in refused(lambda: api.bundle(exported.out, app, abis=["arm64"]), "bundle-abi").message
    assert "tflite" in str(refused(lambda: api.bundle(exported.out, app, formats=["coreml"]), "bundle-format").cause)


def test_a_dtype_that_the_library_cannot_pass(app: Path, out: Path) -> None:
    edit_report(out, lambda report: report["artifacts"][0]["artifact"]["inputs"][0].update(dtype="uint8"))
    assert "uint8" in refused(lambda: api.bundle(out, app), "bundle-dtype").message
    assert not (app / "bundle").exists()
