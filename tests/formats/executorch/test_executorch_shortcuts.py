"""Shortcuts of lowering: the same bytes, and nothing left changed behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from executorch_support import export, plan_of
from torch.fx.traceback import NodeSource

from edgekit.contracts import Program
from edgekit.formats.executorch import shortcuts


def test_same_bytes_without_them_and_a_note(cnn_program: Program, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    artifact, path = export(cnn_program, plan_of("w8a8-static"), tmp_path)
    quick = path.read_bytes()
    assert not [n for n in artifact.notes if "shortcuts" in n]
    monkeypatch.setitem(shortcuts.KNOWN, "executorch", "0.0.")
    artifact, path = export(cnn_program, plan_of("w8a8-static"), tmp_path)
    assert path.read_bytes() == quick
    assert [n for n in artifact.notes if "shortcuts" in n]


def test_nothing_stays_changed() -> None:
    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    before = (bilinear_2d.get_graphs_dict, sdpa.get_graphs)
    with shortcuts.shortcuts() as known:
        assert known
        assert bilinear_2d.get_graphs_dict() == {}
        assert "__deepcopy__" in vars(NodeSource)
    assert (bilinear_2d.get_graphs_dict, sdpa.get_graphs) == before
    assert "__deepcopy__" not in vars(NodeSource)
