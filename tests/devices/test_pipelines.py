"""Pipelines: the shipped ones, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from profile_support import assert_refused

from edgekit.devices.catalogue import get_core, list_cores, load_pipeline, load_pipelines
from edgekit.yamlfile.shipped import shipped_folder

FOLDER = shipped_folder("device_profiles") / "pipelines"


def test_every_pipeline_is_some_cores() -> None:
    assert {p.id for p in load_pipelines()} == {get_core(id_).pipeline for id_ in list_cores()}


def test_figures_hang_together() -> None:
    for pipeline in load_pipelines():
        text = (FOLDER / f"{pipeline.id}.yaml").read_text()
        assert text.startswith("# yaml-language-server: $schema=pipeline.schema.json\n")
        assert max(pipeline.loads, pipeline.stores) <= pipeline.addresses <= pipeline.loads + pipeline.stores
        assert pipeline.multiplies <= pipeline.integers
        for kind, sums in pipeline.sum_latency:  # a sum is there for the next no later than for others
            assert sums <= getattr(pipeline.latency, kind)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("loads: 2", "loads: 0", "loads: must be at least 1, got 0"),
    ("multiply_add: 4,", "multiply_add: 400,", "latency.multiply_add: must be at most 64, got 400"),
    ("window: 128\n", "", "key 'window' is missing"),
    ("id: cortex-a76", "id: cortex-a67", "id: the file is called 'cortex-a76', not 'cortex-a67'"),
    ("  ports: ", "  port: ", "sources: no source for 'ports'; 'port' is no figure of the profile"),
])
def test_impossible_figures_name_their_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert_refused(load_pipeline, FOLDER / "cortex-a76.yaml", tmp_path, old, new, words)
