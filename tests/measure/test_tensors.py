"""What passes between this machine and a guest runner: several tensors, all dtypes, other orders of dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from test_emulated import measure
from torch import nn

from edgekit.errors import UsageError
from edgekit.formats.onnx.files import external_files
from edgekit.formats.registry import get_format

ONNX_TYPES = ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
              "bool")


class Mixed(nn.Module):
    """Three inputs and three outputs of three dtypes."""

    def forward(self, x: torch.Tensor, n: torch.Tensor, m: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.where(m, x, 2 * x), n + 1, x > 0


class Turned(nn.Module):
    """Its output is kept channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + 1).to(memory_format=torch.channels_last)


MIXED = (torch.randn(2, 3), torch.arange(6).reshape(2, 3), torch.tensor([[True, False, True], [False, True, False]]))


def to_tflite(module: nn.Module, example: tuple[torch.Tensor, ...], path: Path) -> Path:
    import litert_torch
    litert_torch.convert(module.eval(), example).export(str(path))
    return path


def to_executorch(module: nn.Module, example: tuple[torch.Tensor, ...], path: Path) -> Path:
    from executorch.exir import to_edge
    path.write_bytes(to_edge(torch.export.export(module.eval(), example)).to_executorch().buffer)
    return path


def same_as_here(path: Path, name: str, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """The host's outputs, which the device's must be. LiteRT's converter makes int32 of int64."""
    session = get_format(name).load(path)
    inputs = [v.astype(s.dtype) for v, s in zip(inputs, session.inputs, strict=True)]
    expected = session.run(inputs)
    found = measure(path, name, "raspberry-pi-5", inputs).result.outputs
    assert [(v.dtype, v.shape) for v in found] == [(v.dtype, v.shape) for v in expected]
    for want, have in zip(expected, found, strict=True):
        np.testing.assert_array_equal(want, have)
    return expected


@pytest.mark.slow
@pytest.mark.parametrize(("name", "convert"), [("tflite", to_tflite), ("executorch", to_executorch)])
def test_several_tensors_of_several_dtypes(tmp_path: Path, name: str, convert: object) -> None:
    path = convert(Mixed(), MIXED, tmp_path / f"model{get_format(name).suffix}")  # type: ignore[operator]
    outputs = same_as_here(path, name, [t.numpy() for t in MIXED])
    assert [v.dtype.kind for v in outputs] == ["f", "i", "b"]


def test_every_dtype_of_onnx(tmp_path: Path) -> None:
    infos = {t: helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in ONNX_TYPES}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"in_{t}"], [f"out_{t}"]) for t in infos], "g",
        [helper.make_tensor_value_info(f"in_{t}", element, [3, 2]) for t, element in infos.items()],
        [helper.make_tensor_value_info(f"out_{t}", element, [3, 2]) for t, element in infos.items()])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    outputs = same_as_here(path, "onnx", [np.arange(k, k + 6).reshape(3, 2) for k in range(len(infos))])
    assert [str(v.dtype) for v in outputs] == list(ONNX_TYPES)


def test_another_order_of_dimensions(tmp_path: Path) -> None:
    x = torch.randn(1, 2, 3, 4)
    outputs = same_as_here(to_executorch(Turned(), (x,), tmp_path / "model.pte"), "executorch", [x.numpy()])
    np.testing.assert_array_equal(outputs[0], x.numpy() + 1)


@pytest.fixture
def in_two_files(tmp_path: Path) -> Path:
    """An .onnx whose weights lie beside it."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
        [numpy_helper.from_array(np.arange(4, dtype=np.float32), "w")])
    path = tmp_path / "own.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path,
              save_as_external_data=True, location="own.weights", size_threshold=0)
    return path


def test_weights_in_a_file_beside_the_model(in_two_files: Path) -> None:
    assert external_files(in_two_files) == ("own.weights",)
    outputs = same_as_here(in_two_files, "onnx", [np.ones(4, np.float32)])
    np.testing.assert_array_equal(outputs[0], [1, 2, 3, 4])


def test_weights_that_are_missing(in_two_files: Path) -> None:
    in_two_files.with_name("own.weights").unlink()
    with pytest.raises(UsageError) as failure:
        measure(in_two_files, "onnx", "raspberry-pi-5", [np.ones(4, np.float32)])
    assert failure.value.code == "artifact-incomplete"
