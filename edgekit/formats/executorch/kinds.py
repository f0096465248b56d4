"""Operator kinds of a ``.pte``: XNNPACK's node types and the runtime's ATen kernel names."""

from __future__ import annotations

from edgekit.quantize.kinds import kind_of_name

__all__ = ["kind_of_kernel", "kind_of_xnn"]

_XNN = {
    "XNNConv2d": "conv", "XNNDepthwiseConv2d": "depthwise_conv", "XNNConvTranspose2d": "conv_transpose",
    "XNNFullyConnected": "linear", "XNNBatchMatrixMultiply": "matmul", "XNNScaledDotProductAttention": "matmul",
    "XNNAdd": "add", "XNNSubtract": "sub", "XNNMultiply": "mul", "XNNDiv": "div", "XNNSquare": "pow",
    "XNNAbs": "abs", "XNNNegate": "neg", "XNNExp": "exp", "XNNLog": "log", "XNNSquareRoot": "sqrt",
    "XNNReciprocalSquareRoot": "rsqrt", "XNNSin": "sin", "XNNCos": "cos", "XNNFloor": "other", "XNNCeiling": "other",
    "XNNMinimum": "minmax", "XNNMaximum": "minmax", "XNNClamp": "relu", "XNNHardswish": "hard_swish",
    "XNNSigmoid": "sigmoid", "XNNTanh": "tanh", "XNNGelu": "gelu", "XNNLeakyReLU": "leaky_relu", "XNNELU": "elu",
    "XNNPReLU": "prelu", "XNNSoftmax": "softmax", "XNNGlobalAvgPooling2d": "mean", "XNNAvgPooling2d": "avg_pool",
    "XNNMaxPooling2d": "max_pool", "XNNArgMaxPooling2d": "max_pool", "XNNStaticReshape": "reshape",
    "XNNStaticTranspose": "transpose", "XNNStaticSlice": "slice", "XNNStaticConstantPad": "pad",
    "XNNStaticResizeBilinear2D": "resize", "XNNConcatenate2": "concat", "XNNConcatenate3": "concat",
    "XNNConcatenate4": "concat", "XNNConcatenate5": "concat", "XNNCopy": "reshape", "XNNConvert": "cast",
}
_KERNELS = {"quantize_per_tensor": "quantize", "quantize_per_channel": "quantize", "quantize_per_token": "quantize",
            "dequantize_per_tensor": "dequantize", "dequantize_per_channel": "dequantize",
            "dequantize_per_token": "dequantize", "choose_qparams": "reduce", "embedding_byte": "embedding",
            "embedding_4bit": "embedding", "embedding_2bit": "embedding", "et_view": "reshape", "alias": "reshape",
            "clone": "reshape", "_clone_dim_order": "reshape", "_to_dim_order_copy": "cast",
            "squeeze": "reshape", "unsqueeze": "reshape", "as_strided": "reshape",
            "upsample_nearest1d": "resize_nearest", "upsample_nearest2d": "resize_nearest"}


def kind_of_xnn(node_type: str) -> str:
    """Kind of an XNNPACK node, e.g. ``XNNConv2d``; "other" for one that this table does not know."""
    return _XNN.get(node_type, "other")


def kind_of_kernel(name: str) -> str:
    """Kind of a runtime kernel, e.g. ``aten::permute_copy`` or ``quantized_decomposed::embedding_byte``."""
    short = name.rpartition("::")[2]
    for candidate in (short, short.removesuffix("_copy")):
        if candidate in _KERNELS:
            return _KERNELS[candidate]
        if (kind := kind_of_name(candidate)) != "other":
            return kind
    return "other"
