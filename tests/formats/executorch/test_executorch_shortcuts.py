"""Shortcuts of lowering: the same bytes, and nothing left changed behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from executorch_support import export, plan_of
from small_nets import images, sentences
from torch import nn
from torch.fx.traceback import NodeSource

from edgekit.contracts import Program
from edgekit.formats.executorch import shortcuts

CALIBRATION = {"cnn_program": images(4), "text_program": sentences(4)}


@pytest.mark.parametrize(("name", "scheme"), [
    ("cnn_program", "w8a8-static"), ("text_program", "w8a8-static"), ("text_program", "w8a8-dynamic"),
    ("cnn_program", "fp16")])
def test_same_bytes_without_them_and_a_note(name: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                            request: pytest.FixtureRequest) -> None:
    program: Program = request.getfixturevalue(name)
    artifact, path = export(program, plan_of(scheme, CALIBRATION[name]), tmp_path)
    quick = path.read_bytes()
    assert not [n for n in artifact.notes if "shortcuts" in n]
    monkeypatch.setitem(shortcuts.KNOWN, "executorch", "0.0.")
    artifact, path = export(program, plan_of(scheme, CALIBRATION[name]), tmp_path)
    assert path.read_bytes() == quick
    assert [n for n in artifact.notes if "shortcuts" in n]


def test_a_graph_is_traced_again_only_where_it_changed() -> None:
    from executorch.exir.pass_base import ExportPass, PassResult

    traced: list[str] = []

    class Plain(ExportPass):
        def call_submodule(self, graph_module, inputs):  # type: ignore[no-untyped-def]
            traced.append(type(self).__name__)
            return super().call_submodule(graph_module, inputs)

    class Renames(ExportPass):
        def call(self, graph_module):  # type: ignore[no-untyped-def]
            for node in list(graph_module.graph.nodes):
                if node.target is torch.ops.aten.relu.default:
                    node.target = torch.ops.aten.sigmoid.default
            return super().call(graph_module)

    module = torch.export.export(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), (torch.ones(1, 2),)).module()
    with shortcuts.shortcuts():
        once = ExportPass()(module).graph_module
        assert ExportPass()(once).graph_module is once
        changed = Renames()(once).graph_module
        assert changed is not once
        assert torch.ops.aten.sigmoid.default in {n.target for n in changed.graph.nodes}
        Plain()(changed)  # works while tracing, so it always does
    assert traced == ["Plain"]
    assert isinstance(ExportPass()(changed), PassResult)
    assert ExportPass()(changed).graph_module is not changed


def test_nothing_stays_changed() -> None:
    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    before = (bilinear_2d.get_graphs_dict, sdpa.get_graphs)
    with shortcuts.shortcuts() as known:
        assert known
        assert bilinear_2d.get_graphs_dict() == {}
        assert "__deepcopy__" in vars(NodeSource)
    assert (bilinear_2d.get_graphs_dict, sdpa.get_graphs) == before
    assert "__deepcopy__" not in vars(NodeSource)
