"""The OpGraph of a .pte, and what happens with files that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from executorch_support import FORMAT, export, plan_of, reached
from small_nets import images
from torch import nn

from edgekit.contracts import Program
from edgekit.errors import EdgekitError, UsageError


@pytest.fixture(scope="module")
def file(cnn_program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(cnn_program, plan_of("w8a8-static"), tmp_path_factory.mktemp("graph"))[1]


def test_operators_with_modules_macs_and_constants(file: Path) -> None:
    ops = {op.source.module: op for op in FORMAT.graph(file).ops
           if op.source and op.kind in ("conv", "depthwise_conv", "linear")}
    assert list(ops) == ["stem.0", "depthwise.0", "excite.reduce", "excite.expand", "project.0", "tail.0", "head"]
    assert ops["stem.0"].macs == 16 * 16 * 16 * 3 * 9
    assert ops["depthwise.0"].macs == 16 * 16 * 16 * 9
    assert ops["head"].macs == 320
    assert ops["stem.0"].source.line  # type: ignore[union-attr]
    weight, bias = (next(c for c in ops["tail.0"].constants if c.role == role) for role in ("weight", "bias"))
    assert (weight.dtype, weight.bytes, bias.dtype, bias.bytes) == ("int8", 32 * 16 * 9, "int32", 32 * 4)


def test_every_tensor_is_named(file: Path) -> None:
    graph = FORMAT.graph(file)
    assert {name for op in graph.ops for name in (*op.inputs, *op.outputs)} <= set(graph.tensors)
    made = {name for op in graph.ops for name in op.outputs}
    assert [op.name for op in graph.ops if not op.inputs] == []
    assert len(made) == sum(len(op.outputs) for op in graph.ops)


def test_borders_carry_the_programs_names(file: Path, cnn_program: Program) -> None:
    graph, session = FORMAT.graph(file), FORMAT.load(file)
    assert tuple(s.name for s in graph.inputs) == cnn_program.input_names
    assert graph.outputs == session.outputs
    assert session.outputs[0].name == cnn_program.output_names[0]


def test_runs_do_not_share_their_outputs(file: Path, tiny_cnn: nn.Module) -> None:
    session = FORMAT.load(file)
    first, second = (session.run([images(2)[i][0].numpy()])[0] for i in (0, 1))
    assert not np.array_equal(first, second)


def test_inputs_that_do_not_fit(file: Path) -> None:
    session = FORMAT.load(file)
    for wrong in ([], [np.zeros((1, 3, 8, 8), np.float32)], [np.zeros((1, 3, 32, 32), np.float64)]):
        with pytest.raises(UsageError) as caught:
            session.run(wrong)
        assert caught.value.code == "artifact-inputs"


def test_layers_say_why_not(file: Path) -> None:
    with pytest.raises(EdgekitError) as caught:
        FORMAT.load(file).layers([images(1)[0][0].numpy()])
    assert caught.value.code == "layers-unavailable"


@pytest.mark.parametrize("content", [b"", b"not a program at all", bytes(2000)])
def test_damaged_file(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(content)
    with pytest.raises(EdgekitError) as caught:
        FORMAT.graph(path)
    assert caught.value.code == "artifact-damaged"
    with pytest.raises(EdgekitError) as caught:
        FORMAT.load(path)
    assert caught.value.code == "artifact-does-not-load"


def test_truncated_file(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "half.pte"
    path.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(EdgekitError) as caught:
        FORMAT.graph(path)
    assert caught.value.code == "artifact-damaged"


def test_missing_file(tmp_path: Path) -> None:
    for call in (FORMAT.graph, FORMAT.load):
        with pytest.raises(UsageError) as caught:
            call(tmp_path / "none.pte")
        assert caught.value.code == "artifact-missing"


@pytest.mark.parametrize(("layer", "macs", "options"), [
    (nn.ConvTranspose2d(8, 8, 2, stride=2), 8 * 25 * 8 * 4, {"backend": "portable"}),
    (nn.ConvTranspose2d(8, 8, 2, stride=2), 8 * 25 * 8 * 4, {}),
    (nn.ConvTranspose1d(8, 6, 3, groups=2), 8 * 5 * 3 * 3, {}),
])
def test_macs_of_transposed_convolutions(layer: nn.Module, macs: int, options: dict[str, object],
                                         tmp_path: Path) -> None:
    image = torch.rand(1, 8, *[5] * (layer.weight.dim() - 2))  # type: ignore[union-attr, operator]
    path = reached(layer, "fp32", [(image,)], tmp_path, options=options)[2]
    assert FORMAT.graph(path).macs == macs
