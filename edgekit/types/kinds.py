"""One vocabulary of operator kinds for all formats; each format maps its own operator names to these (a table)."""

from __future__ import annotations

__all__ = ["KINDS", "WEIGHTED_KINDS"]

# Operators whose weights a quantisation scheme may cover.
WEIGHTED_KINDS = ("conv", "depthwise_conv", "conv_transpose", "linear", "matmul", "embedding", "rnn")

KINDS = (
    *WEIGHTED_KINDS,
    "add", "sub", "mul", "div", "pow", "abs", "neg", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "erf", "minmax",
    "relu", "hard_swish", "hard_sigmoid", "sigmoid", "tanh", "gelu", "silu", "leaky_relu", "prelu", "elu", "softmax",
    "layer_norm", "batch_norm", "group_norm",
    "avg_pool", "max_pool", "mean", "reduce", "argmax", "cumsum", "topk", "sort",
    "reshape", "transpose", "concat", "split", "slice", "pad", "gather", "scatter", "expand", "resize",
    "resize_nearest", "cast", "compare", "where", "constant", "quantize", "dequantize", "requantize", "loop", "other",
)
