"""A bundle that is not whole, or not for this app: build.sh says which file is wrong, how, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compile_check import built, copy_app, demo, refused

__all__ = ["built", "demo"]  # fixtures
pytestmark = pytest.mark.slow

_DOCUMENT = "bundle/main/edgekit/bundle.json"
_CATALOG = "gradle/libs.versions.toml"


def test_without_a_bundle(tmp_path: Path) -> None:
    refused(copy_app(tmp_path / "demo"), tmp_path / "out", 2, "holds no bundle of models", "edgekit bundle")


def test_another_artifact_than_was_exported(demo: Path, tmp_path: Path) -> None:
    model = demo / "bundle/onnx/edgekit/model.onnx"
    data = bytearray(model.read_bytes())
    data[1000] ^= 1
    model.write_bytes(data)
    refused(demo, tmp_path / "out", 2, "model.onnx is not the file that was exported", "edgekit bundle")


def test_an_artifact_that_is_gone(demo: Path, tmp_path: Path) -> None:
    (demo / "bundle/litert/edgekit/model.tflite").unlink()
    refused(demo, tmp_path / "out", 2, "model.tflite is missing")


def test_another_runtime_than_the_app_pins(demo: Path, tmp_path: Path) -> None:
    catalog = demo / _CATALOG
    catalog.write_text(catalog.read_text().replace('litert = "2.3.0"', 'litert = "2.2.0"'))
    refused(demo, tmp_path / "out", 2, "litert:2.3.0, and the app pins 2.2.0")


@pytest.mark.parametrize(("line", "instead", "words"), [
    ("flavors=", "", "flavors is missing"), ("flavors=", "flavors=", "flavors is missing"),
    ("flavors=", "flavors=foo", "flavors names foo, and the app has litert, executorch, onnx"),
    ("flavors=", "flavors=litert,onnx", "is for litert, onnx, and bundle.json has models for "),
    ("runtime.onnx=", "", "runtime.onnx is '', not GROUP:NAME:VERSION"),
    ("schema=", "schema=edgekit/properties/9", "it is not of edgekit/properties/1"),
    ("delivery=", "delivery=ai-pack", "name different deliveries")])
def test_wrong_properties(demo: Path, tmp_path: Path, line: str, instead: str, words: str) -> None:
    file = demo / "bundle/edgekit.properties"
    lines = file.read_text().splitlines()
    assert any(one.startswith(line) for one in lines)
    file.write_text("\n".join(instead if one.startswith(line) else one for one in lines) + "\n")
    refused(demo, tmp_path / "out", 2, "edgekit.properties", words, "Next: edgekit bundle")


def _without(*path: str | int) -> Callable[[Any], Any]:
    def change(document: Any) -> Any:
        node = document
        for key in path[:-1]:
            node = node[key]
        del node[path[-1]]
        return document
    return change


@pytest.mark.parametrize(("change", "words"), [
    (lambda document: {"schema": document["schema"]}, "delivery is missing or not a text"),
    (lambda document: [], "it is not of edgekit/bundle/1"),
    (lambda document: document | {"delivery": "post"}, "delivery is 'post', not one of assets, ai-pack"),
    (lambda document: document | {"models": {}}, "models is missing or not a list"),
    (lambda document: document | {"models": []}, "bundle.json has models for none"),
    (lambda document: document | {"models": ["x"]}, "models[0].flavor is missing or not a text"),
    (_without("models", 1, "sha256"), "models[1].sha256 is missing or not a text"),
    (_without("models", 0, "golden", 1, "outputs"), "models[0].golden[1].outputs is missing or not a list"),
    (_without("models", 0, "golden", 0, "inputs", 0, "file"), "models[0].golden[0].inputs[0].file is missing")])
def test_wrong_documents(demo: Path, tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    file = demo / _DOCUMENT
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    refused(demo, tmp_path / "out", 2, "bundle.json", words, "Next: edgekit bundle")


@pytest.mark.parametrize("data", [b"", b'{"schema": ', b"\xff\xfe"])
def test_a_document_that_is_no_json(demo: Path, tmp_path: Path, data: bytes) -> None:
    (demo / _DOCUMENT).write_bytes(data)
    refused(demo, tmp_path / "out", 2, "bundle.json: it ", "Next: edgekit bundle")


def test_a_document_that_is_gone(demo: Path, tmp_path: Path) -> None:
    (demo / _DOCUMENT).unlink()
    refused(demo, tmp_path / "out", 2, "bundle.json: it cannot be read", "Next: edgekit bundle")


def test_a_pack_without_its_script(demo: Path, tmp_path: Path) -> None:
    for file in (demo / "bundle/edgekit.properties", demo / _DOCUMENT):
        text = file.read_text()
        file.write_text(text.replace("delivery=assets", "delivery=ai-pack")
                        .replace('"delivery": "assets"', '"delivery": "ai-pack"'))
        assert file.read_text() != text
    refused(demo, tmp_path / "out", 2, "ai-pack/build.gradle.kts: it cannot be read", "Next: edgekit bundle")


@pytest.mark.parametrize(("text", "words"), [
    (None, "cannot be read"), ("[versions", "cannot be read"), ("versions = 1", "cannot be read"),
    ("[versions]\nexecutorch = {}\n", 'has no executorch = "VERSION" under [versions]')])
def test_a_wrong_version_catalog(demo: Path, tmp_path: Path, text: str | None, words: str) -> None:
    catalog = demo / _CATALOG
    catalog.unlink() if text is None else catalog.write_text(text)
    refused(demo, tmp_path / "out", 2, "libs.versions.toml", words, "Next: restore the app's own")
