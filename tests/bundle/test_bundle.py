"""`edgekit bundle` on a real output folder and the real sample app's Gradle files."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workloads import Exported

from edgekit import api
from edgekit.bundle.runtimes import RUNTIMES
from edgekit.cli.main import run
from edgekit.disk import files_under, sha256_of
from edgekit.errors import EdgekitError

PARTS = ("settings.gradle.kts", "app/build.gradle.kts", "gradle/libs.versions.toml")


@pytest.fixture
def out(exported: Exported, tmp_path: Path) -> Path:
    """A copy of the exported folder, to be spoilt."""
    return Path(shutil.copytree(exported.out, tmp_path / "out"))


def tree(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files_under(folder)}


def refused(call: Callable[[], Any], code: str) -> EdgekitError:
    with pytest.raises(EdgekitError) as failure:
        call()
    assert failure.value.code == code
    assert failure.value.next
    return failure.value


def edit_report(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the report, and the manifest with it: another model exported, not a tampered file."""
    report = json.loads((out / "report.json").read_text())
    change(report)
    (out / "report.json").write_text(json.dumps(report))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"]["report.json"]["sha256"] = sha256_of(out / "report.json")
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_what_an_app_gets(exported: Exported, app: Path) -> None:
    found = api.bundle(exported.out, app)
    folder = app / "bundle"
    document = json.loads((folder / "main/edgekit/bundle.json").read_text())
    assert document["schema"] == "edgekit/bundle/1"
    assert [m["flavor"] for m in document["models"]] == ["litert", "executorch", "onnx"]
    pins = tomllib.loads((app / "gradle/libs.versions.toml").read_text())["versions"]
    golden = json.loads((exported.out / "golden/golden.json").read_text())["formats"]
    for model in document["models"]:
        runtime = RUNTIMES[model["format"]]
        bundled = folder / model["flavor"] / model["file"]
        assert bundled.read_bytes() == (exported.out / runtime.flavor.file).read_bytes()
        assert (model["sha256"], model["bytes"]) == (sha256_of(bundled), bundled.stat().st_size)
        assert model["runtime"]["coordinate"] == f"{runtime.library}:{pins[runtime.pin]}"
        vectors = golden[model["format"]]["vectors"]
        assert len(model["golden"]) == len(vectors) > 0
        for bundled_vector, vector in zip(model["golden"], vectors, strict=True):
            assert [t["tolerance"] for t in bundled_vector["outputs"]] == [t["tolerance"] for t in vector["outputs"]]
            for tensor in (*bundled_vector["inputs"], *bundled_vector["outputs"]):
                assert sha256_of(folder / model["flavor"] / tensor["file"]) == tensor["sha256"]
    assert found.stale == ()
    assert set(found.files) | {"manifest.json"} == set(tree(folder))


def test_gradle_reads_what_it_needs(exported: Exported, app: Path) -> None:
    api.bundle(exported.out, app, formats=["onnx", "tflite"], abis=["arm64-v8a", "x86_64"])
    lines = (app / "bundle/edgekit.properties").read_text().splitlines()
    assert lines == sorted(lines)
    values = dict(line.split("=", 1) for line in lines)
    assert (values["flavors"], values["abis"], values["delivery"]) == ("litert,onnx", "arm64-v8a,x86_64", "assets")
    assert values["runtime.litert"].startswith("com.google.ai.edge.litert:litert:")
    assert "runtime.executorch" not in values


def test_the_same_input_gives_the_same_bytes(exported: Exported, app: Path) -> None:
    api.bundle(exported.out, app)
    first = tree(app / "bundle")
    api.bundle(exported.out, app)
    assert tree(app / "bundle") == first


def test_only_its_own_files_are_replaced(exported: Exported, app: Path) -> None:
    api.bundle(exported.out, app)
    outside = {name: sha for name, sha in tree(app).items() if not name.startswith("bundle/")}
    api.bundle(exported.out, app, formats=["tflite"])
    assert not (app / "bundle/onnx").exists()
    mine = app / "bundle/main/edgekit/mine.png"
    mine.write_text("mine")
    before = tree(app)
    error = refused(lambda: api.bundle(exported.out, app), "output-not-edgekit")
    assert "main/edgekit/mine.png" in str(error.cause)
    assert tree(app) == before
    assert {name: sha for name, sha in before.items() if not name.startswith("bundle/")} == outside


def test_check_says_what_is_stale(exported: Exported, app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bundle", str(exported.out), "--app", str(app)]
    assert run([*command, "--check"]) == 1
    assert not (app / "bundle").exists()
    assert run([*command, "--format", "tflite", "--abi", "x86_64"]) == 0
    assert run([*command, "--check"]) == 0  # by the choices that it was made with
    assert run([*command, "--check", "--format", "onnx"]) == 1
    (app / "bundle/litert/edgekit/model.tflite").write_bytes(b"other")
    (app / "bundle/edgekit.properties").unlink()
    before = tree(app)
    capsys.readouterr()
    assert run([*command, "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["stale"] == ["edgekit.properties", "litert/edgekit/model.tflite"]
    assert tree(app) == before
    assert run([*command, "--format", "tflite"]) == 0


def test_a_pack_of_its_own(exported: Exported, app: Path) -> None:
    error = refused(lambda: api.bundle(exported.out, app, delivery="ai-pack"), "bundle-pack-formats")
    assert "--format" in str(error.next)
    api.bundle(exported.out, app, formats=["tflite"], delivery="ai-pack")
    pack = app / "bundle/ai-pack"
    assert 'id("com.android.ai-pack")' in (pack / "build.gradle.kts").read_text()
    assert (pack / "src/main/assets/edgekit/model.tflite").read_bytes() == (exported.out / "model.tflite").read_bytes()
    assert not (app / "bundle/litert/edgekit/model.tflite").exists()
    assert (app / "bundle/litert/edgekit/golden").is_dir()
    assert "delivery=ai-pack" in (app / "bundle/edgekit.properties").read_text()


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
    (app / "gradle/libs.versions.toml").write_text("[versions\n")
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


def test_a_model_too_large_for_the_store(app: Path, out: Path) -> None:
    edit_report(out, lambda report: report["artifacts"][0]["artifact"].update(compressed_bytes=300_000_000))
    error = refused(lambda: api.bundle(out, app), "model-does-not-fit")
    assert "300 MB" in error.message
    assert "--delivery ai-pack" in str(error.next)
    api.bundle(out, app, formats=["tflite"], delivery="ai-pack")


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
