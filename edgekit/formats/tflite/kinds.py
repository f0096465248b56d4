"""LiteRT's builtin operators in edgekit's vocabulary, and where each weighted operator keeps its weights."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KIND_OF", "MOVES", "WEIGHTED", "Weighted", "kind_of"]

_BY_KIND: dict[str, str] = {
    "conv": "CONV_2D CONV_3D STABLEHLO_CONVOLUTION",
    "depthwise_conv": "DEPTHWISE_CONV_2D",
    "conv_transpose": "TRANSPOSE_CONV CONV_3D_TRANSPOSE",
    "linear": "FULLY_CONNECTED",
    "matmul": "BATCH_MATMUL STABLEHLO_DOT_GENERAL",
    "embedding": "EMBEDDING_LOOKUP",
    "rnn": "LSTM RNN UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_LSTM "
           "BIDIRECTIONAL_SEQUENCE_RNN SVDF",
    "add": "ADD ADD_N", "sub": "SUB", "mul": "MUL SQUARE SQUARED_DIFFERENCE",
    "div": "DIV FLOOR_DIV FLOOR_MOD", "pow": "POW", "abs": "ABS", "neg": "NEG", "exp": "EXP", "log": "LOG",
    "sqrt": "SQRT", "rsqrt": "RSQRT", "sin": "SIN",
    "cos": "COS", "minmax": "MAXIMUM MINIMUM RELU_N1_TO_1 RELU_0_TO_1",
    "relu": "RELU RELU6", "hard_swish": "HARD_SWISH", "sigmoid": "LOGISTIC", "tanh": "TANH", "gelu": "GELU",
    "leaky_relu": "LEAKY_RELU", "prelu": "PRELU", "elu": "ELU", "softmax": "SOFTMAX LOG_SOFTMAX",
    "avg_pool": "AVERAGE_POOL_2D", "max_pool": "MAX_POOL_2D", "mean": "MEAN",
    "reduce": "SUM REDUCE_PROD REDUCE_MAX REDUCE_MIN REDUCE_ANY REDUCE_ALL REDUCE_WINDOW STABLEHLO_REDUCE_WINDOW",
    "argmax": "ARG_MAX ARG_MIN", "cumsum": "CUMSUM", "topk": "TOPK_V2", "sort": "STABLEHLO_SORT",
    "reshape": "RESHAPE SQUEEZE EXPAND_DIMS BITCAST", "transpose": "TRANSPOSE REVERSE_V2 DEPTH_TO_SPACE SPACE_TO_DEPTH "
    "SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND", "concat": "CONCATENATION PACK", "split": "SPLIT SPLIT_V UNPACK",
    "slice": "SLICE STRIDED_SLICE", "pad": "PAD PADV2 MIRROR_PAD DILATE", "gather": "GATHER GATHER_ND STABLEHLO_GATHER",
    "scatter": "SCATTER_ND DYNAMIC_UPDATE_SLICE STABLEHLO_SCATTER", "expand": "BROADCAST_TO TILE",
    "resize": "RESIZE_BILINEAR", "resize_nearest": "RESIZE_NEAREST_NEIGHBOR", "cast": "CAST",
    "compare": "EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL LOGICAL_AND LOGICAL_OR LOGICAL_NOT",
    "where": "SELECT SELECT_V2 WHERE", "constant": "FILL RANGE ZEROS_LIKE SHAPE ONE_HOT",
    "quantize": "QUANTIZE", "dequantize": "DEQUANTIZE", "loop": "WHILE IF CALL STABLEHLO_COMPOSITE",
}

# builtin operator name -> edgekit kind; others are "other"
KIND_OF: dict[str, str] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}

# Operators that only move values: they compute nothing, so their dtype is no choice of a scheme.
MOVES = frozenset({"reshape", "transpose", "slice", "split", "pad", "gather", "expand", "concat", "constant"})


@dataclass(frozen=True)
class Weighted:
    """Positions among an operator's inputs: the activation, the weight, the bias (None: has none)."""

    activation: int
    weight: int
    bias: int | None = None


WEIGHTED: dict[str, Weighted] = {
    "CONV_2D": Weighted(0, 1, 2),
    "DEPTHWISE_CONV_2D": Weighted(0, 1, 2),
    "TRANSPOSE_CONV": Weighted(2, 1, 3),
    "FULLY_CONNECTED": Weighted(0, 1, 2),
    "CONV_3D": Weighted(0, 1, 2),
    "BATCH_MATMUL": Weighted(0, 1),
    "EMBEDDING_LOOKUP": Weighted(0, 1),
    "GATHER": Weighted(1, 0),
}


def kind_of(name: str, *, table_lookup: bool = False) -> str:
    """The kind of a builtin operator. ``table_lookup``: a GATHER from a constant matrix, which is an embedding."""
    return "embedding" if table_lookup else KIND_OF.get(name, "other")
