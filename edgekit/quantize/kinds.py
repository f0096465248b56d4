"""From FX nodes of an exported program to the operator kinds that all formats share. A table by ATen operator name."""

from __future__ import annotations

import operator
from typing import Any

import torch

__all__ = ["is_depthwise", "kind_of", "kind_of_name", "op_name"]

_KINDS = {
    "conv": "conv1d conv2d conv3d convolution",
    "conv_transpose": "conv_transpose1d conv_transpose2d conv_transpose3d",
    "linear": "linear addmm",
    "matmul": "matmul mm bmm baddbmm einsum scaled_dot_product_attention",
    "embedding": "embedding embedding_bag",
    "rnn": "lstm gru rnn_tanh rnn_relu",
    "add": "add add_", "sub": "sub sub_ rsub", "mul": "mul mul_", "div": "div div_ reciprocal", "pow": "pow square",
    "abs": "abs", "neg": "neg", "exp": "exp expm1", "log": "log log1p log2", "sqrt": "sqrt", "rsqrt": "rsqrt",
    "sin": "sin", "cos": "cos", "erf": "erf",
    "minmax": "minimum maximum clamp_min clamp_max clamp clamp_",
    "relu": "relu relu_ relu6 relu6_ hardtanh hardtanh_",
    "hard_swish": "hardswish hardswish_", "hard_sigmoid": "hardsigmoid hardsigmoid_",
    "sigmoid": "sigmoid sigmoid_", "tanh": "tanh tanh_", "gelu": "gelu", "silu": "silu silu_",
    "leaky_relu": "leaky_relu leaky_relu_", "prelu": "prelu _prelu_kernel", "elu": "elu elu_ selu celu",
    "softmax": "softmax _softmax _safe_softmax log_softmax _log_softmax",
    "layer_norm": "layer_norm native_layer_norm rms_norm",
    "batch_norm": "batch_norm _native_batch_norm_legit_no_training _native_batch_norm_legit",
    "group_norm": "group_norm native_group_norm instance_norm",
    "avg_pool": "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
                "_adaptive_avg_pool2d _adaptive_avg_pool3d",
    "max_pool": "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices adaptive_max_pool1d adaptive_max_pool2d",
    "mean": "mean",
    "reduce": "sum amax amin max min prod var std var_mean linalg_vector_norm any all norm",
    "argmax": "argmax argmin", "cumsum": "cumsum cumprod", "topk": "topk", "sort": "sort argsort",
    "reshape": "view reshape flatten unflatten squeeze unsqueeze squeeze_ unsqueeze_ _unsafe_view view_as "
               "channel_shuffle pixel_shuffle pixel_unshuffle",
    "transpose": "transpose permute t numpy_T movedim swapaxes",
    "concat": "cat stack concat concatenate", "split": "split split_with_sizes chunk unbind tensor_split",
    "slice": "slice select narrow", "pad": "pad constant_pad_nd reflection_pad1d reflection_pad2d replication_pad2d",
    "gather": "gather index index_select take_along_dim roll flip",
    "scatter": "scatter scatter_add index_put index_copy slice_scatter select_scatter masked_scatter",
    "expand": "expand repeat expand_as tile repeat_interleave broadcast_to",
    "resize": "upsample_nearest1d upsample_nearest2d upsample_bilinear2d upsample_bicubic2d interpolate "
              "_upsample_bilinear2d_aa grid_sampler grid_sampler_2d",
    "cast": "to _to_copy type_as",
    "compare": "eq ne lt le gt ge logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not isnan isinf",
    "where": "where masked_fill",
    "constant": "full full_like zeros zeros_like ones ones_like arange scalar_tensor lift_fresh_copy new_zeros "
                "new_ones new_full empty tril triu",
}
_KIND_BY_NAME = {name: kind for kind, names in _KINDS.items() for name in names.split()}


def op_name(node: torch.fx.Node) -> str:
    """ATen's name without namespace and overload (``conv2d``); "" for what is no operator call."""
    target: Any = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload):
        return "getitem" if target is operator.getitem else ""
    return target._schema.name.rpartition("::")[2]


def kind_of_name(name: str) -> str:
    """Kind of an ATen operator by its bare name (``conv2d``); "other" outside the table."""
    return _KIND_BY_NAME.get(name, "other")


def kind_of(node: torch.fx.Node) -> str:
    """The node's kind (``edgekit.types.kinds.KINDS``); "other" for operators outside the table, "" for no operator."""
    name = op_name(node)
    if not name or name == "getitem":
        return ""
    kind = _KIND_BY_NAME.get(name, "other")
    if kind == "conv":
        if name == "convolution" and node.args[6]:
            return "conv_transpose"
        return "depthwise_conv" if is_depthwise(node) else "conv"
    return kind


def is_depthwise(node: torch.fx.Node) -> bool:
    """Whether a convolution has one input channel a group and more than one group."""
    weight = node.args[1]
    if not isinstance(weight, torch.fx.Node) or "val" not in weight.meta:
        return False
    default = {"convolution": 8}.get(op_name(node), 6)
    groups = node.args[default] if len(node.args) > default else node.kwargs.get("groups", 1)
    return isinstance(groups, int) and groups > 1 and int(weight.meta["val"].shape[1]) == 1
