"""Static quantisation: Q/DQ pairs around what ONNX Runtime's integer kernels can fuse, scales from our own ranges.

Activations are uint8, weights int8 symmetric per output channel. ONNX Runtime's Arm64 kernels (MLAS: dot product and
matrix multiply) exist for both uint8 and int8 activations; on x86 it rewrites int8 activations to uint8 while loading,
and in 1.31 that rewriting breaks linear layers with a bias on 3-D inputs ("output_dtype INT8 does not match").

Which nodes are quantised (:func:`_chosen`):

* convolutions, linear layers and matrix products, always. The result of the latter two stays float (QGemm and
  MatMulIntegerToFloat return float): the next consumer quantises it if it needs to, and a float residual stream loses
  nothing.
* transposed convolutions never: ONNX Runtime's CPU has no integer kernel for them.
* pooling, shape operators, residual additions and the like only where their inputs are 8-bit already; anything else
  would cost a Q/DQ pair and precision and gain nothing. Activations such as hard-swish, sigmoid and softmax run float:
  their quantised forms are slower on x86, and softmax's fixed scale of 1/256 destroys attention over long sequences.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgekit.formats.onnx.calibrate import Ranges
from edgekit.formats.onnx.names import Names, attribute

__all__ = ["quantize_static"]

_MATRIX = ("MatMul", "Gemm")
_ANCHORS = ("Conv", *_MATRIX)
_THROUGH = (
    "Add", "Mul", "Relu", "Clip", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Resize", "Pad",
    "Slice", "Split", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth")


def quantize_static(model: ModelProto, ranges: Ranges, excluded: set[str], activation_bits: int) -> ModelProto:
    """``model`` with Q/DQ pairs; ``ranges`` by tensor name, ``excluded`` by node name; bits 8 or 16."""
    chosen = _chosen(model, excluded)
    if not chosen:
        return model
    wide = activation_bits == 16
    data = {name: TensorData(lowest=np.float32(lo), highest=np.float32(hi)) for name, (lo, hi) in ranges.items()}
    inferred = onnx.ModelProto()
    inferred.CopyFrom(model)
    # The quantiser runs ONNX Runtime's own shape inference through files unless the model says that it has been run.
    inferred.metadata_props.add(key="onnx.infer", value="onnxruntime.quant")
    quantizer = QDQQuantizer(
        inferred, per_channel=True, reduce_range=False, weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt16 if wide else QuantType.QUInt8, tensors_range=data,
        nodes_to_quantize=sorted(chosen), nodes_to_exclude=sorted(excluded),
        op_types_to_quantize=[*_ANCHORS, *_THROUGH],
        extra_options={"OpTypesToExcludeOutputQuantization": list(_MATRIX), "WeightSymmetric": True})
    quantizer.quantize_model()
    made: ModelProto = quantizer.model.model
    del made.metadata_props[:]
    _give_float_to_float(made, chosen)
    if not wide:
        _quantize_linear_biases(made)
    return made


def _chosen(model: ModelProto, excluded: set[str]) -> set[str]:
    """Names of the nodes to quantise, by the rule in the module's docstring."""
    names = Names(model)
    eight_bit: set[str] = set()
    for node in model.graph.node:
        if node.op_type in _ANCHORS and node.name not in excluded:
            eight_bit.update(i for i in node.input[:2] if i not in names.constants)
    chosen = set()
    for node in model.graph.node:
        if node.name in excluded:
            continue
        if node.op_type in _ANCHORS or (node.op_type in _THROUGH and _runs_through(node, names, eight_bit)):
            chosen.add(node.name)
            if node.op_type not in _MATRIX:
                eight_bit.update(node.output)
    return chosen


def _runs_through(node: NodeProto, names: Names, eight_bit: set[str]) -> bool:
    if node.op_type in ("Add", "Mul") and any(i in names.constants for i in node.input):
        return False
    moving = [i for i in node.input if i and i not in names.constants and names.is_float(i)]
    return bool(moving) and all(i in eight_bit for i in moving)


def _give_float_to_float(model: ModelProto, chosen: set[str]) -> None:
    """Lets float operators read float results themselves: the quantiser gives every consumer the dequantised ones.

    Only where the producer is float anyway; behind a convolution the pair is what lets ONNX Runtime fuse it.
    """
    names = Names(model)
    for node in model.graph.node:
        if node.name in chosen or node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            continue
        for at, name in enumerate(node.input):
            pair = _pair_behind(name, names)
            maker = names.producer.get(pair) if pair else None
            if pair and (maker is None or maker.name not in chosen or maker.op_type in _MATRIX):
                node.input[at] = pair


def _pair_behind(name: str, names: Names) -> str | None:
    """The tensor that a Q/DQ pair ending in ``name`` starts from."""
    dequantize = names.producer.get(name)
    if dequantize is None or dequantize.op_type != "DequantizeLinear":
        return None
    quantize = names.producer.get(dequantize.input[0])
    return quantize.input[0] if quantize is not None and quantize.op_type == "QuantizeLinear" else None


def _quantize_linear_biases(model: ModelProto) -> None:
    """Stores the bias of MatMul + Add as int32 at the product's scale, as QDQQuantizer does for Gemm.

    ONNX Runtime merges the two into Gemm while loading; with a float bias that Gemm would then run in float.
    """
    names = Names(model)
    for node in list(model.graph.node):
        if node.op_type != "MatMul":
            continue
        scale = _product_scale(node, names)
        users = names.consumers[node.output[0]]
        if scale is None or len(users) != 1 or users[0].op_type != "Add":
            continue
        add = users[0]
        at = 1 if add.input[0] == node.output[0] else 0
        bias = names.array(add.input[at])
        if bias is None or bias.shape != scale.shape:
            continue
        stored = np.rint(bias.astype(np.float64) / scale)
        if np.abs(stored).max() >= 2**31:
            continue
        name = f"{node.output[0]}_bias"
        model.graph.initializer.extend([numpy_helper.from_array(stored.astype(np.int32), f"{name}_quantized"),
                                        numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale")])
        index = list(model.graph.node).index(add)
        model.graph.node.insert(index, helper.make_node(
            "DequantizeLinear", [f"{name}_quantized", f"{name}_scale"], [name], name=f"{name}_dequantize", axis=0))
        add.input[at] = name


def _product_scale(node: NodeProto, names: Names) -> np.ndarray | None:
    """Scale of each column of a quantised MatMul's int32 result, or None where it is not one with constant weights."""
    made = [names.producer.get(name) for name in node.input]
    if any(n is None or n.op_type != "DequantizeLinear" for n in made):
        return None
    left, right = (n for n in made if n is not None)
    weight, a, b = names.constants.get(right.input[0]), names.array(left.input[1]), names.array(right.input[1])
    if weight is None or weight.data_type != TensorProto.INT8 or len(weight.dims) != 2 or a is None or b is None:
        return None
    if b.size > 1 and attribute(right, "axis", 1) not in (1, -1):
        return None
    return np.broadcast_to(a.astype(np.float64).reshape(()) * b.astype(np.float64), (weight.dims[1],))
