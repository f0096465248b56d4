"""Sizes of artifacts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from workloads import Exported

from edgekit.estimate.size import size_of
from edgekit.formats.registry import get_format


@pytest.mark.parametrize(("name", "file"), [("tflite", "model.tflite"), ("onnx", "model.onnx"),
                                            ("executorch", "model.pte")])
def test_every_byte_is_accounted_for(exported: Exported, tmp_path: Path, name: str, file: str) -> None:
    artifact = exported.out / file
    size = size_of(artifact, get_format(name).graph(artifact))
    assert size.installed_bytes == artifact.stat().st_size
    assert sum(size.by_dtype.values()) + size.structure_bytes == size.installed_bytes
    assert sum(size.by_layer.values()) == sum(size.by_dtype.values())
    assert size.by_dtype["int8"] > 0
    with zipfile.ZipFile(tmp_path / "app.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.write(artifact)
    assert size.download_bytes == archive.infolist()[0].compress_size


def test_a_constant_of_two_operators_counts_once(exported: Exported) -> None:
    artifact = exported.out / "model.onnx"
    graph = get_format("onnx").graph(artifact)
    twice = graph.model_copy(update={"ops": graph.ops + graph.ops})
    assert size_of(artifact, twice) == size_of(artifact, graph)
