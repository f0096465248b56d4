"""`edgekit bundle` on a real output folder and the real sample app's Gradle files: what it writes and checks."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from bundle_support import edit_report, refused, tree
from workloads import Exported

from edgekit import api
from edgekit.bundle.runtimes import RUNTIMES
from edgekit.cli.main import run
from edgekit.disk import sha256_of


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
    assert api.bundle(exported.out, app, check=True).stale == ()
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


def test_abis_have_one_order(exported: Exported, app: Path) -> None:
    api.bundle(exported.out, app, abis=["x86_64", "arm64-v8a", "x86_64"])
    first = tree(app)
    api.bundle(exported.out, app, abis=["arm64-v8a", "x86_64"])
    assert tree(app) == first


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
    assert run([*command, "--check"]) == 1
    again = shlex.split(capsys.readouterr().out.partition("to write it anew: ")[2])
    assert tree(app) == before
    assert run(again[1:]) == 0  # with the same choices
    assert run([*command, "--check"]) == 0
    assert "abis=x86_64" in (app / "bundle/edgekit.properties").read_text()


def test_check_of_what_cannot_be_read_and_of_what_is_not_edgekits(exported: Exported, app: Path) -> None:
    api.bundle(exported.out, app, formats=["tflite"])
    (app / "bundle/mine.txt").write_text("mine")
    found = api.bundle(exported.out, app, check=True)
    assert (found.stale, found.foreign) == ((), ("mine.txt",))
    assert run(["bundle", str(exported.out), "--app", str(app), "--check"]) == 1
    (app / "bundle/mine.txt").unlink()
    manifest = app / "bundle/manifest.json"
    manifest.write_text(manifest.read_text().replace('"bytes"', '"byte"'))
    assert api.bundle(exported.out, app, check=True).stale == ("manifest.json",)
    document = app / "bundle/main/edgekit/bundle.json"
    document.write_text(document.read_text()[:50])
    found = api.bundle(exported.out, app, check=True)
    assert found.stale == ("main/edgekit/bundle.json",)
    assert any("cannot be read" in note for note in found.notes)


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


def test_a_model_too_large_for_the_store_is_said(app: Path, out: Path) -> None:
    edit_report(out, lambda report: report["artifacts"][0]["artifact"].update(compressed_bytes=300_000_000))
    def said(**choices: Any) -> list[str]:
        return [note for note in api.bundle(out, app, **choices).notes if "Google Play" in note]

    note, = said()
    assert "300 MB" in note
    assert "--delivery ai-pack" in note
    assert said(formats=["tflite"], delivery="ai-pack") == []
