"""BatchNorm folded into the layer before it, or made a layer of its own: one weight for all formats to quantise."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.workload.tensors import set_weights, tensor_of

__all__ = ["batch_norm_affine", "batch_norm_as_convolution", "fold_batch_norm"]

aten = torch.ops.aten

# Operators that BatchNorm folds into -> axis of their weight that holds the output channels.
_CHANNEL_AXIS: dict[Any, int] = {
    aten.conv1d.default: 0, aten.conv2d.default: 0, aten.conv3d.default: 0, aten.conv1d.padding: 0,
    aten.conv2d.padding: 0, aten.conv3d.padding: 0, aten.linear.default: 0,
    aten.conv_transpose1d.default: 1, aten.conv_transpose2d.input: 1,
}
# Rank of the input -> the convolution that scales each channel.
_CONVOLUTION: dict[int, Any] = {3: aten.conv1d.default, 4: aten.conv2d.default}
_GROUPS: dict[Any, int] = {aten.conv_transpose1d.default: 6, aten.conv_transpose2d.input: 6}


def batch_norm_affine(module: fx.GraphModule, node: fx.Node) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Scale and shift (float64, one a channel) that a BatchNorm node in eval mode applies; None where not constant."""
    weight, bias, mean, var = (tensor_of(module, a) for a in node.args[1:5])
    if node.args[5] is not False or mean is None or var is None:
        return None
    scale = (var.double() + float(node.args[7])).rsqrt()  # type: ignore[arg-type]
    if weight is not None:
        scale = scale * weight.double()
    shift = -mean.double() * scale
    return scale, shift if bias is None else shift + bias.double()


def fold_batch_norm(module: fx.GraphModule) -> int:
    """Folds each BatchNorm in eval mode whose input is a convolution or linear layer that nothing else reads.

    W' = W * scale, b' = b * scale + shift with scale = gamma / sqrt(var + eps), shift = beta - mean * scale
    (Jacob et al., 2018, section 3.2), in float64.
    """
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.batch_norm.default or not isinstance(node.args[0], fx.Node):
            continue
        layer = node.args[0]
        axis = _CHANNEL_AXIS.get(layer.target)
        weight = tensor_of(module, layer.args[1]) if axis is not None else None
        affine = batch_norm_affine(module, node)
        # After a linear layer BatchNorm's channels are the last axis only when its input has two dimensions.
        rank = layer.meta["val"].ndim if "val" in layer.meta else 0
        if weight is None or affine is None or len(layer.users) > 1 or (layer.target is aten.linear.default
                                                                        and rank != 2):
            continue
        _fold(module, layer, weight, axis or 0, *affine)
        node.replace_all_uses_with(layer)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _fold(module: fx.GraphModule, layer: fx.Node, weight: torch.Tensor, axis: int, scale: torch.Tensor,
          shift: torch.Tensor) -> None:
    position = _GROUPS.get(layer.target)
    groups = int(layer.args[position]) if position and len(layer.args) > position else 1  # type: ignore[arg-type]
    if axis == 0:
        folded = weight.double() * scale.view(-1, *[1] * (weight.ndim - 1))
    else:  # transposed: [in, out / groups, ...]; the input channels of a group meet that group's outputs
        per_group = scale.view(groups, 1, -1).expand(groups, weight.shape[0] // groups, -1)
        folded = weight.double() * per_group.reshape(*weight.shape[:2], *[1] * (weight.ndim - 2))
    bias = tensor_of(module, layer.args[2]) if len(layer.args) > 2 else None
    shifted = shift if bias is None else bias.double() * scale + shift
    set_weights(module, layer, folded.to(weight.dtype), shifted.to(weight.dtype))


def batch_norm_as_convolution(module: fx.GraphModule) -> int:
    """A BatchNorm that nothing could be folded with becomes a depthwise convolution of size 1.

    Left alone it ends as a float operator (ExecuTorch), or as a product with one scale for all channels (TFLite),
    3 dB worse on a small DenseNet. A depthwise convolution has a scale a channel and an int8 kernel everywhere.
    """
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.batch_norm.default or not isinstance(node.args[0], fx.Node):
            continue
        value: torch.Tensor | None = node.args[0].meta.get("val")
        affine = batch_norm_affine(module, node)
        if value is None or value.ndim not in _CONVOLUTION or affine is None or value.dtype != torch.float32:
            continue
        size = [1] * (value.ndim - 2)
        scale, shift = (t.to(value.dtype) for t in affine)
        owner = node.args[1] if isinstance(node.args[1], fx.Node) else node.args[3]
        node.args = (node.args[0], owner, node.args[2])
        set_weights(module, node, scale.view(-1, 1, *size), shift)
        node.target, node.kwargs = _CONVOLUTION[value.ndim], {}
        node.args = (*node.args[:3], size, [0] * len(size), size, scale.numel())
        changed += 1
    return changed
