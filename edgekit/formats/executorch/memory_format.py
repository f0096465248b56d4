"""Which values XNNPACK will store channels last: two of its passes go wrong where that is mixed.

It stores the results of convolutions and pools channels last, and elementwise operators keep what they are given
(``ChannelsLastTaggedReshapePass``). Where a convolution with ranges from run time gets a value in plain order, that
pass puts the conversion at the start of the graph instead, and everything between is read in the wrong order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.fx import Node

from edgekit.quantize.kinds import kind_of, op_name

__all__ = ["arrives_channels_last", "is_channels_last"]

# Kinds whose result is stored channels last.
_MAKES = frozenset(("conv", "depthwise_conv", "conv_transpose"))
_MAKES_NAMES = frozenset((
    "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "mean", "upsample_bilinear2d", "prelu", "_prelu_kernel"))
# Operators that XNNPACK runs on whatever order they are given.
_KEEPS = frozenset((
    "add", "sub", "mul", "div", "pow", "abs", "neg", "exp", "log", "sqrt", "rsqrt", "sin", "cos", "minmax", "relu",
    "hard_swish", "sigmoid", "tanh", "gelu", "silu", "leaky_relu", "softmax"))
_KEEPS_NAMES = frozenset(("cat", "slice", "pad", "constant_pad_nd", "permute", "transpose", "clone", "contiguous"))


def is_channels_last(node: Node) -> bool:
    """Whether XNNPACK stores ``node``'s value (an operator of an unlifted ATen graph) channels last."""
    return _state(node, {})


def arrives_channels_last(node: Node) -> bool:
    """Whether a convolution can read ``node``'s value channels last: so stored, or an input of the model that only
    convolutions read, which XNNPACK converts first thing."""
    if node.op == "placeholder":
        return all(kind_of(user) in _MAKES for user in node.users)
    return is_channels_last(node)


def _state(node: Node, known: dict[Node, bool]) -> bool:
    if node not in known:
        value = node.meta.get("val")
        known[node] = (node.op == "call_function" and isinstance(value, torch.Tensor) and value.dim() == 4
                       and (_makes(node) or (_keeps(node) and any(_state(n, known) for n in _images(node)))))
    return known[node]


def _makes(node: Node) -> bool:
    if node.kwargs.get("memory_format") is torch.channels_last:
        return True
    if kind_of(node) in _MAKES:
        return node.args[1].meta["val"].dim() == 4  # type: ignore[union-attr]
    return op_name(node) in _MAKES_NAMES


def _keeps(node: Node) -> bool:
    return kind_of(node) in _KEEPS or op_name(node) in _KEEPS_NAMES


def _images(node: Node) -> Iterator[Node]:
    for used in node.all_input_nodes:
        value = used.meta.get("val")
        if isinstance(value, torch.Tensor) and value.dim() == 4:
            yield used
