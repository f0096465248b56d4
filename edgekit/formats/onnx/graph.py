"""OpGraph of an .onnx as ONNX Runtime executes it on an Arm core: read from the graph that it optimised, not the file.

A float16 file is read as it is: which of its operators get casts is up to the core that loads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import NodeProto, TensorProto

from edgekit.formats.onnx.border import read_specs
from edgekit.formats.onnx.executed import executed_graph
from edgekit.formats.onnx.files import load_model
from edgekit.formats.onnx.kinds import INTEGER_OPS, WEIGHT_INPUTS, kind_of
from edgekit.formats.onnx.macs import macs_of
from edgekit.formats.onnx.names import Names, attribute, dtype_name
from edgekit.formats.onnx.sources import node_origins
from edgekit.types.graph import Constant, Op, OpGraph
from edgekit.types.kinds import WEIGHTED_KINDS
from edgekit.types.tensor import TensorSpec

__all__ = ["op_graph"]

# Packed weights are bytes to ONNX; their width is an attribute.
_PACKED = ("MatMulNBits", "GatherBlockQuantized")
_BIAS_INPUTS = {"Conv": 2, "FusedConv": 2, "ConvTranspose": 2, "QLinearConv": 8, "Gemm": 2, "FusedGemm": 2, "QGemm": 6,
                "DynamicQuantizeMatMul": 4, "MatMulIntegerToFloat": 6, "MatMulNBits": 5, "LSTM": 3, "GRU": 3, "RNN": 3,
                "Attention": 2, "QAttention": 2}


def op_graph(path: Path) -> OpGraph:
    """Reads ``path``. Raises UsageError for a damaged file, ConversionError where ONNX Runtime refuses it."""
    model = load_model(path)
    half = any(t.data_type == TensorProto.FLOAT16 for t in model.graph.initializer)
    executed = onnx.shape_inference.infer_shapes(model) if half else executed_graph(model)
    names = Names(executed)
    ops: list[Op] = []
    for node, origin in zip(executed.graph.node, node_origins(executed, model), strict=True):
        if node.op_type == "DequantizeLinear" and names.stored(node.output[0]) is not None:
            continue  # what it dequantises is the consumer's weight
        ops.append(_op(len(ops), node, names, origin.source if origin else None))
    inputs, outputs = read_specs(model)
    return OpGraph(format="onnx", ops=tuple(ops), tensors=_tensors(names), inputs=inputs, outputs=outputs)


def _op(index: int, node: NodeProto, names: Names, source: object) -> Op:
    kind = kind_of(node, names.constant_shape)
    constants = _constants(node, kind, names)
    return Op.model_validate({
        "index": index, "kind": kind, "name": node.op_type, "source": source, "constants": constants,
        "inputs": tuple(i for i in node.input if i and names.stored(i) is None),
        "outputs": tuple(o for o in node.output if o), "dtype": _dtype(node, kind, constants, names),
        "macs": macs_of(node, names)})


def _dtype(node: NodeProto, kind: str, constants: Sequence[Constant], names: Names) -> str:
    if node.op_type in INTEGER_OPS:
        return "int8"
    if kind == "embedding":
        return next((c.dtype for c in constants if c.role == "weight"), "float32")
    first = next((i for i in node.input if i and names.stored(i) is None), None)
    if first is None:
        return "float32"
    producer = names.producer.get(first)
    # 16-bit activations stay in Q/DQ form on the CPU: the operator's data are the integers before its DequantizeLinear.
    if kind in WEIGHTED_KINDS and producer is not None and producer.op_type == "DequantizeLinear":
        stored = names.types.get(producer.input[0])
        if stored is not None and stored.elem_type in (TensorProto.UINT16, TensorProto.INT16):
            return "int16"
    element = names.types.get(first)
    return dtype_name(element.elem_type) if element is not None and element.elem_type else "float32"


def _constants(node: NodeProto, kind: str, names: Names) -> tuple[Constant, ...]:
    found = []
    weights = WEIGHT_INPUTS.get(node.op_type, ()) if kind in WEIGHTED_KINDS else ()
    for position, name in enumerate(node.input):
        stored = names.stored(name) if name else None
        if stored is None:
            continue
        tensor = names.constants[stored]
        role = "weight" if position in weights else "bias" if _BIAS_INPUTS.get(node.op_type) == position else "other"
        dtype = dtype_name(tensor.data_type)
        if node.op_type in _PACKED and role == "weight":
            dtype = f"int{attribute(node, 'bits', 4)}"
        shape = tuple(tensor.dims)
        spec = TensorSpec(name=stored, shape=shape, dtype=dtype_name(tensor.data_type))
        found.append(Constant(name=stored, shape=shape, dtype=dtype, bytes=spec.bytes, role=role))
    return tuple(found)


def _tensors(names: Names) -> dict[str, TensorSpec]:
    return {name: TensorSpec(name=name, shape=names.shape(name) or (), dtype=dtype_name(kind.elem_type))
            for name, kind in names.types.items() if kind.elem_type}
