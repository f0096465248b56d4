"""Training-time branches of re-parameterisable nets (RepVGG and its kin) merged into one convolution.

Works on the graph, after BatchNorm was folded, for nets whose modules offer no method for it: a sum of convolutions of
one input with the same stride, and of that input itself (through a BatchNorm or not), is one convolution
(Ding et al., 2021, "RepVGG", section 3.3).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import fx
from torch.nn import functional as F

from edgekit.workload.fold import batch_norm_affine
from edgekit.workload.tensors import set_weights, tensor_of

__all__ = ["merge_branches"]

aten = torch.ops.aten


class _Conv(NamedTuple):
    """A convolution with ``padding`` of a centred kernel, weights in float64. ``node`` is None for an identity."""

    node: fx.Node | None
    source: fx.Node
    weight: torch.Tensor
    bias: torch.Tensor
    stride: tuple[int, ...]
    groups: int


def _pair(node: fx.Node, position: int, default: int) -> tuple[int, ...]:
    value = node.args[position] if len(node.args) > position else [default, default]
    values = tuple(value)  # type: ignore[arg-type]
    return values * 2 if len(values) == 1 else values


def _as_conv(module: fx.GraphModule, node: object) -> _Conv | None:
    """``node`` as a convolution with "same" alignment (padding (k - 1) / 2, odd k, no dilation) that one add reads."""
    if not isinstance(node, fx.Node) or node.target is not aten.conv2d.default or len(node.users) != 1:
        return None
    weight = tensor_of(module, node.args[1])
    if weight is None or not isinstance(node.args[0], fx.Node):
        return None
    bias = tensor_of(module, node.args[2]) if len(node.args) > 2 else None
    kernel = weight.shape[2:]
    if any(k % 2 == 0 for k in kernel) or _pair(node, 4, 0) != tuple((k - 1) // 2 for k in kernel) \
            or _pair(node, 5, 1) != (1, 1):
        return None
    return _Conv(node, node.args[0], weight.double(),
                 torch.zeros(weight.shape[0], dtype=torch.double) if bias is None else bias.double(),
                 _pair(node, 3, 1), int(node.args[6]) if len(node.args) > 6 else 1)  # type: ignore[arg-type]


def _as_identity(module: fx.GraphModule, node: object, like: _Conv) -> _Conv | None:
    """``like``'s input itself, or a BatchNorm of it that one add reads, as a 1x1 convolution."""
    channels, inputs = like.weight.shape[0], like.weight.shape[1] * like.groups
    if like.stride != (1, 1) or channels != inputs or not isinstance(node, fx.Node):
        return None
    if node is like.source:
        affine = torch.ones(channels, dtype=torch.double), torch.zeros(channels, dtype=torch.double)
    elif node.target is aten.batch_norm.default and node.args[0] is like.source and len(node.users) == 1:
        found = batch_norm_affine(module, node)
        if found is None:
            return None
        affine = found
    else:
        return None
    width = like.weight.shape[1]
    weight = torch.zeros(channels, width, 1, 1, dtype=torch.double)
    index = torch.arange(channels)
    weight[index, index % width, 0, 0] = affine[0]
    return _Conv(None, like.source, weight, affine[1], like.stride, like.groups)


def _grown(weight: torch.Tensor, height: int, width: int) -> torch.Tensor:
    rows, columns = (height - weight.shape[2]) // 2, (width - weight.shape[3]) // 2
    return F.pad(weight, (columns, columns, rows, rows))


def merge_branches(module: fx.GraphModule) -> int:
    """Merges each sum of two parallel branches until none is left; returns the number of sums merged.

    A plain residual (``x + conv(x)``) stays: merging it would take the exact identity from quantisation.
    """
    changed = 0
    while _merge_one(module):
        changed += 1
    return changed


def _merge_one(module: fx.GraphModule) -> bool:
    for node in module.graph.nodes:
        if node.target is not aten.add.Tensor or node.kwargs.get("alpha", 1) != 1:
            continue
        for a, b in (node.args[:2], node.args[1::-1]):
            first = _as_conv(module, a)
            second = None if first is None else _as_conv(module, b) or _as_identity(module, b, first)
            if first is None or second is None or not _mergeable(first, second, b):
                continue
            _merge(module, node, first, second)
            return True
    return False


def _mergeable(first: _Conv, second: _Conv, branch: object) -> bool:
    plain_residual = second.node is None and branch is first.source
    return (not plain_residual and first.source is second.source and first.stride == second.stride
            and first.groups == second.groups and first.weight.shape[:2] == second.weight.shape[:2])


def _merge(module: fx.GraphModule, add: fx.Node, first: _Conv, second: _Conv) -> None:
    layer = first.node
    assert layer is not None  # _as_conv gives no identities
    height = max(first.weight.shape[2], second.weight.shape[2])
    width = max(first.weight.shape[3], second.weight.shape[3])
    weight = _grown(first.weight, height, width) + _grown(second.weight, height, width)
    dtype = torch.float32
    set_weights(module, layer, weight.to(dtype), (first.bias + second.bias).to(dtype))
    layer.args = (*layer.args[:3], list(first.stride), [(height - 1) // 2, (width - 1) // 2], [1, 1], first.groups)
    layer.meta["val"] = add.meta.get("val", layer.meta.get("val"))
    add.replace_all_uses_with(layer)
    module.graph.erase_node(add)
    module.graph.eliminate_dead_code()  # the other branch
