"""Damaged files, missing packages, foreign files, and what a session tells of its layers."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_nets import images

from edgekit.contracts import QuantPlan
from edgekit.errors import ConversionError, UsageError
from edgekit.formats.onnx.format import OnnxFormat
from edgekit.formats.onnx.tidy import untie, write_constants_once
from edgekit.types.scheme import SCHEMES
from edgekit.verify.layers import layer_errors

FORMAT = OnnxFormat()


@pytest.fixture(scope="module")
def static_file(cnn_program, tmp_path_factory):
    folder = tmp_path_factory.mktemp("static")
    plan = QuantPlan(SCHEMES["w8a8-static"], calibration=tuple(images(16)))
    FORMAT.export(cnn_program, plan, folder / "m.onnx", folder / "scratch")
    return folder / "m.onnx"


def small_model(nodes, inputs, outputs, constants) -> onnx.ModelProto:
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.98])
def test_a_truncated_file_is_named(static_file, tmp_path, keep):
    whole = static_file.read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[:int(len(whole) * keep)])
    for read in (FORMAT.load, FORMAT.graph):
        with pytest.raises(UsageError, match=r"cut\.onnx") as caught:
            read(path)
        assert caught.value.code == "artifact-damaged"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError) as caught:
        FORMAT.load(tmp_path / "none.onnx")
    assert caught.value.code == "artifact-missing"


def test_a_file_that_onnx_runtime_refuses_is_a_conversion_error(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = small_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [x], [y], {"w": np.ones((4, 2), np.float32)})
    onnx.save(model, tmp_path / "bad.onnx")
    with pytest.raises(ConversionError) as caught:
        FORMAT.load(tmp_path / "bad.onnx")
    assert caught.value.code == "artifact-does-not-load"


def test_wrong_inputs_are_a_users_error(static_file):
    session = FORMAT.load(static_file)
    for wrong in ([], [np.zeros((1, 3, 31, 31), np.float32)], [np.zeros((1, 3, 32, 32), np.float64)]):
        with pytest.raises(UsageError) as caught:
            session.run(wrong)
        assert caught.value.code == "artifact-inputs"


def test_layers_follow_the_float_model(static_file, cnn_program):
    inputs = images(1, seed=9)[0]
    layers = FORMAT.load(static_file).layers([inputs[0].numpy()])
    assert [v.source.module for v in layers if v.source][:3] == ["stem.2", "depthwise.0", "depthwise.2"]
    errors = layer_errors(cnn_program, inputs, layers)
    assert len(errors) >= 10
    assert all(e.sqnr_db is None or e.sqnr_db > 22 for e in errors), [(e.name, e.sqnr_db) for e in errors]


def test_the_graph_is_what_runs(static_file):
    graph = FORMAT.graph(static_file)
    convs = [op for op in graph.ops if op.kind in ("conv", "depthwise_conv")]
    assert {op.name for op in convs} == {"QLinearConv"}
    assert {op.source.module for op in convs} == {
        "stem.0", "depthwise.0", "excite.reduce", "excite.expand", "project.0", "tail.0"}
    assert all(op.dtype == "int8" for op in convs)
    assert [op.kind for op in graph.ops].count("depthwise_conv") == 1


def test_a_foreign_file_can_be_read(tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    onnx.save(small_model([helper.make_node("MatMul", ["x", "w"], ["y"])], [x], [y],
                          {"w": np.ones((3, 2), np.float32)}), tmp_path / "m.onnx")
    graph, session = FORMAT.graph(tmp_path / "m.onnx"), FORMAT.load(tmp_path / "m.onnx")
    assert graph.macs == 6
    assert graph.ops[0].constants[0].role == "weight"
    assert session.inputs[0].shape == ("n", 3)
    assert session.run([np.ones((4, 3), np.float32)])[0].tolist() == [[3, 3]] * 4
    assert [layer.source for layer in session.layers([np.ones((1, 3), np.float32)])] == [None]


def test_tied_weights_are_written_once_and_untied_for_quantisers():
    table = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, 4])
    nodes = [helper.make_node("Gather", ["table", "ids"], ["rows"]), helper.make_node("MatMul", ["rows", "out"], ["y"])]
    model = small_model(nodes, [ids], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 64])],
                        {"table": table, "out": np.ascontiguousarray(table.T)})
    write_constants_once(model)
    assert [t.name for t in model.graph.initializer] == ["table"]
    onnx.checker.check_model(model)
    untie(model)
    assert {t.name for t in model.graph.initializer} == {"table", "out"}
    assert [n.op_type for n in model.graph.node] == ["Gather", "MatMul"]


@pytest.mark.parametrize(("scheme", "share"), [("fp32", 1.05), ("w8a8-dynamic", 0.30), ("w8-weight-only", 0.30),
                                               ("w8a8-static", 0.30)])
def test_a_tied_table_costs_its_bytes_once(scheme, share, make_program, tmp_path_factory):
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = torch.nn.Embedding(512, 64), torch.nn.Linear(64, 512, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.out(torch.relu(self.embed(tokens)))

    torch.manual_seed(0)
    tokens = torch.arange(8)[None]
    folder = tmp_path_factory.getbasetemp() / "tied"
    plan = QuantPlan(SCHEMES[scheme], calibration=((tokens,),) if SCHEMES[scheme].needs_calibration else ())
    path = folder / f"{scheme}.onnx"
    artifact = FORMAT.export(make_program(Tied().eval(), (tokens,)), plan, path, folder / "scratch")
    assert artifact.bytes < share * 512 * 64 * 4 + 6000  # scales and the graph itself
    assert FORMAT.load(path).run([tokens.numpy()])[0].shape == (1, 8, 512)
