"""ONNX operator types, standard and ONNX Runtime's own, as edgekit's kinds; and which of them compute in integers."""

from __future__ import annotations

from collections.abc import Callable

from onnx import NodeProto, helper

__all__ = ["INTEGER_OPS", "WEIGHT_INPUTS", "kind_of"]


_BY_KIND: dict[str, str] = {
    "conv": "Conv FusedConv QLinearConv ConvInteger NhwcFusedConv NhwcConv",
    "conv_transpose": "ConvTranspose",
    "matmul": "MatMul Gemm FusedMatMul FusedGemm FusedMatMulActivation QLinearMatMul QGemm MatMulInteger "
              "MatMulIntegerToFloat DynamicQuantizeMatMul MatMulNBits MatMulInteger16 Einsum Attention "
              "MultiHeadAttention QAttention GroupQueryAttention",
    "rnn": "LSTM GRU RNN DynamicQuantizeLSTM",
    "embedding": "GatherBlockQuantized EmbedLayerNormalization",
    "add": "Add Sum QLinearAdd BiasAdd",
    "sub": "Sub",
    "mul": "Mul QLinearMul",
    "div": "Div",
    "pow": "Pow",
    "abs": "Abs",
    "neg": "Neg",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "rsqrt": "Reciprocal",
    "sin": "Sin",
    "cos": "Cos",
    "erf": "Erf",
    "minmax": "Clip Min Max",
    "relu": "Relu",
    "hard_swish": "HardSwish",
    "hard_sigmoid": "HardSigmoid",
    "sigmoid": "Sigmoid QLinearSigmoid",
    "tanh": "Tanh",
    "gelu": "Gelu FastGelu BiasGelu",
    "silu": "QuickGelu Swish",
    "leaky_relu": "LeakyRelu QLinearLeakyRelu",
    "prelu": "PRelu",
    "elu": "Elu Celu Selu",
    "softmax": "Softmax LogSoftmax QLinearSoftmax BiasSoftmax",
    "layer_norm": "LayerNormalization SkipLayerNormalization SimplifiedLayerNormalization RMSNormalization "
                  "SkipSimplifiedLayerNormalization",
    "batch_norm": "BatchNormalization",
    "group_norm": "GroupNormalization InstanceNormalization",
    "avg_pool": "AveragePool GlobalAveragePool QLinearAveragePool QLinearGlobalAveragePool",
    "max_pool": "MaxPool GlobalMaxPool NhwcMaxPool",
    "mean": "ReduceMean QLinearReduceMean",
    "reduce": "ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare",
    "argmax": "ArgMax ArgMin",
    "cumsum": "CumSum",
    "topk": "TopK",
    "reshape": "Reshape Flatten Squeeze Unsqueeze Identity",
    "transpose": "Transpose DepthToSpace SpaceToDepth",
    "concat": "Concat QLinearConcat",
    "split": "Split",
    "slice": "Slice",
    "pad": "Pad",
    "gather": "Gather GatherElements GatherND",
    "scatter": "ScatterElements ScatterND Scatter",
    "expand": "Expand Tile",
    "resize": "Resize Upsample",
    "cast": "Cast CastLike",
    "compare": "Equal Less LessOrEqual Greater GreaterOrEqual And Or Not Xor IsNaN IsInf",
    "where": "Where QLinearWhere",
    "constant": "Constant ConstantOfShape Shape Range",
    "quantize": "QuantizeLinear DynamicQuantizeLinear",
    "dequantize": "DequantizeLinear",
    "loop": "Loop Scan If",
}
_KIND = {op: kind for kind, ops in _BY_KIND.items() for op in ops.split()}

# operator type -> positions of its weights (the quantised ones too); biases and scales are not weights
WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {
    "Conv": (1,), "FusedConv": (1,), "NhwcConv": (1,), "NhwcFusedConv": (1,), "ConvTranspose": (1,),
    "ConvInteger": (1,), "QLinearConv": (3,),
    "MatMul": (0, 1), "Gemm": (0, 1), "FusedMatMul": (0, 1), "FusedGemm": (0, 1), "MatMulInteger": (0, 1),
    "DynamicQuantizeMatMul": (1,), "MatMulIntegerToFloat": (0, 1), "MatMulNBits": (1,), "QLinearMatMul": (0, 3),
    "QGemm": (0, 3), "Attention": (1,), "QAttention": (1,), "Einsum": (0, 1, 2, 3),
    "Gather": (0,), "GatherBlockQuantized": (0,), "LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2),
    "DynamicQuantizeLSTM": (1, 2), "EmbedLayerNormalization": (2, 3, 4),
}

# These compute on 8-bit integers whatever the dtype of their first input.
INTEGER_OPS = frozenset((
    "QLinearConv", "ConvInteger", "QLinearMatMul", "QGemm", "MatMulInteger", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "QAttention", "DynamicQuantizeLSTM", "QLinearAdd", "QLinearMul", "QLinearSigmoid",
    "QLinearLeakyRelu", "QLinearSoftmax", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearReduceMean",
    "QLinearConcat", "QLinearWhere"))


def kind_of(node: NodeProto, constant_shape: Callable[[str], tuple[int, ...] | None]) -> str:
    """The kind of one node. ``constant_shape`` gives the shape of a constant (stored, or dequantised) or None."""
    kind = _KIND.get(node.op_type, "other")
    weights = [constant_shape(node.input[i]) for i in WEIGHT_INPUTS.get(node.op_type, ()) if i < len(node.input)]
    shape = next((s for s in weights if s is not None), None)
    given = {a.name: a for a in node.attribute}
    if kind == "resize":
        mode = helper.get_attribute_value(given["mode"]) if "mode" in given else b"nearest"
        return "resize_nearest" if mode == b"nearest" else kind
    if kind == "conv" and shape is not None:
        group = helper.get_attribute_value(given["group"]) if "group" in given else 1
        return "depthwise_conv" if group > 1 and shape[1] == 1 else "conv"
    # An Einsum stays a matrix product: its equation may be no linear layer's, and no scheme covers it.
    if kind == "matmul" and shape is not None and len(shape) > 1 and node.op_type != "Einsum":
        return "linear"
    if node.op_type == "Gather" and shape is not None and len(shape) == 2 and shape[1] > 1:  # not a table of scales
        return "embedding"
    return kind
