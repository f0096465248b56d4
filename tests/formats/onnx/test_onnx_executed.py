"""The graph that ONNX Runtime makes of a file for an Arm core."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.formats.onnx.graph import op_graph
from edgekit.types.graph import OpGraph

SHAPE = (1, 8, 6, 6)


def graph_of(folder: Path, nodes: list[onnx.NodeProto], outputs: list[str]) -> OpGraph:
    weights = np.random.default_rng(0).standard_normal((8, 8, 3, 3)).astype(np.float32)
    constants = [numpy_helper.from_array(weights, "weight"), numpy_helper.from_array(np.float32(0.02), "scale"),
                 numpy_helper.from_array(np.ones(8, np.float32), "bias"),
                 numpy_helper.from_array((weights * 50).clip(-127, 127).astype(np.int8), "small"),
                 numpy_helper.from_array(np.uint8(128), "zero"), numpy_helper.from_array(np.int8(0), "none")]
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
                              [c for c in constants if c.name in used])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), folder / "m.onnx")
    return op_graph(folder / "m.onnx")


def test_a_sum_and_its_relu_are_within_the_convolution(tmp_path: Path) -> None:
    """No blocks of channels, as an x86 core would have them."""
    graph = graph_of(tmp_path, [helper.make_node("Conv", ["x", "weight", "bias"], ["y"], pads=[1] * 4),
                                helper.make_node("Conv", ["y", "weight", "bias"], ["w"], pads=[1] * 4),
                                helper.make_node("Add", ["y", "w"], ["s"]), helper.make_node("Relu", ["s"], ["z"])],
                     ["z"])
    _, op = graph.ops
    assert (op.name, op.kind, op.inputs) == ("FusedConv", "conv", ("y", "y"))
    assert op.macs == 8 * 8 * 9 * 36


@pytest.mark.parametrize("pooled", [False, True])
def test_int8_convolutions_have_channels_last_and_all_shapes_are_known(tmp_path: Path, pooled: bool) -> None:
    def quantized(name: str) -> list[onnx.NodeProto]:
        return [helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}_q"]),
                helper.make_node("DequantizeLinear", [f"{name}_q", "scale", "zero"], [f"{name}_f"])]

    nodes = [*quantized("x"), helper.make_node("DequantizeLinear", ["small", "scale", "none"], ["w"]),
             helper.make_node("Conv", ["x_f", "w"], ["y"], pads=[1] * 4), *quantized("y"),
             helper.make_node("MaxPool", ["y_f"], ["p"], kernel_shape=[2, 2], strides=[2, 2]), *quantized("p"),
             helper.make_node("Conv", ["p_f" if pooled else "y_f", "w"], ["z"], pads=[1] * 4), *quantized("z")]
    nodes = nodes if pooled else [n for n in nodes if not any(o.startswith("p") for o in n.output)]
    graph = graph_of(tmp_path, nodes, ["z_f"])
    kinds = [op.kind for op in graph.ops]
    assert kinds == ["quantize", "transpose", "conv", *(["max_pool"] if pooled else []), "conv", "transpose",
                     "dequantize"]
    first = graph.ops[2]
    assert (first.dtype, graph.tensors[first.outputs[0]].shape) == ("int8", (1, 6, 6, 8))
    assert all(name in graph.tensors for op in graph.ops for name in (*op.inputs, *op.outputs))
    assert all(graph.tensors[name].shape for op in graph.ops for name in op.outputs)
