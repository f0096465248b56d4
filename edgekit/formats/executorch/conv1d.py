"""Convolutions over one axis, spelled as convolutions over images of height one.

XNNPACK convolves images only. Its own pass for signals (``Conv1dUnsqueezePass``) reshapes a weight once for every use,
which breaks layers used twice, and rounds whatever comes from integers, also before a layer that stays float. Spelled
like this the pass finds nothing to do, and signals stay images from one convolution to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Protocol

import torch
from torch import nn
from torch.fx import GraphModule, Node

from edgekit.formats.executorch.provenance import is_signal, mark_signal

__all__ = ["Writer", "convolve_image", "keep_images"]

_aten = torch.ops.aten
_reshape = _aten.reshape.default
_IMAGE: dict[object, Any] = {_aten.conv1d.default: _aten.conv2d.default,
                             _aten.conv_transpose1d.default: _aten.conv_transpose2d.input}
# What stands for the axis of height one in the lists of numbers behind the bias; None is the number of groups.
_HEIGHT: dict[object, tuple[int | None, ...]] = {
    _aten.conv1d.default: (1, 0, 1, None),  # stride, padding, dilation, groups
    _aten.conv_transpose1d.default: (1, 0, 0, None, 1)}  # stride, padding, padding of the output, groups, dilation
# Operators on values one by one: to them an image of height one is as good as its signal.
_EACH = frozenset((
    _aten.relu.default, _aten.relu6.default, _aten.hardtanh.default, _aten.hardswish.default, _aten.sigmoid.default,
    _aten.tanh.default, _aten.gelu.default, _aten.silu.default, _aten.leaky_relu.default, _aten.elu.default,
    _aten.clamp.default, _aten.add.Tensor, _aten.sub.Tensor, _aten.mul.Tensor))


class Writer(Protocol):
    """Writes operators before a node of ``module``, with its provenance."""

    module: GraphModule

    def __call__(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> Node: ...


def convolve_image(node: Node, write: Writer) -> Node | None:
    """``node``, a convolution over one axis, as one over two between reshapes; None where it has to stay."""
    source, weight = node.args[:2]
    before, after = _signal_shape(source), _signal_shape(node)
    if before is None or after is None or node.kwargs or not isinstance(weight, Node) or weight.op != "get_attr":
        return None
    numbers: list[Any] = [
        value if one is None else [one, *value]  # type: ignore[misc]
        for value, one in zip(node.args[3:], _HEIGHT[node.target], strict=False)]
    image = write(_reshape, source, [*before[:2], 1, before[2]])
    convolved = write(_IMAGE[node.target], image, _weight(weight, write.module), *node.args[2:3], *numbers)
    for new in (image, convolved):
        mark_signal(new)
    return write(_reshape, convolved, after)


def keep_images(module: GraphModule, writer: Callable[[GraphModule, Node], Writer]) -> None:
    """Moves reshapes back to signals behind operators on values one by one and behind pads, so that activations still
    run in the kernel of the convolution before them, and drops those behind which an image is wanted again."""
    if not any(is_signal(node) for node in module.graph.nodes):
        return
    for node in list(module.graph.nodes):
        if node.target is _reshape:
            image = _image_behind(node.args[0])
            if image is not None and image.meta["val"].shape == node.meta["val"].shape:
                node.replace_all_uses_with(image)
        elif node.target in _EACH or _pads_time(node):
            images = {signal: _image_behind(signal) for signal in node.all_input_nodes}
            after = _signal_shape(node)
            if images and after is not None and all(images.values()):
                write = writer(module, node)
                args = torch.fx.node.map_arg(node.args, images.__getitem__)
                node.replace_all_uses_with(write(_reshape, write(node.target, *args, **node.kwargs), after))
    module.graph.eliminate_dead_code()


def _weight(weight: Node, module: GraphModule) -> Node:
    """The weight with an axis of height one, stored once for all uses of its layer."""
    target = f"{weight.target}_of_image"
    owner, _, name = target.rpartition(".")
    holder = module.get_submodule(owner)
    if not hasattr(holder, name):
        signal: torch.Tensor = attrgetter(str(weight.target))(module)
        setattr(holder, name, nn.Parameter(signal.detach().unsqueeze(2), requires_grad=False))
    with module.graph.inserting_before(weight):
        image = module.graph.get_attr(target)
    image.meta = dict(weight.meta)
    with weight.meta["val"].fake_mode:
        image.meta["val"] = weight.meta["val"].unsqueeze(2)
    return image


def _signal_shape(node: Any) -> list[int] | None:
    """[batch, channels, time] to reshape to, -1 for a batch that is not known; None for other shapes."""
    batch, *rest = node.meta["val"].shape
    if len(rest) != 2 or not all(isinstance(d, int) for d in rest):
        return None
    return [batch if isinstance(batch, int) else -1, *rest]


def _image_behind(node: Any) -> Node | None:
    """The image of height one whose signal ``node`` is."""
    if not isinstance(node, Node) or node.target is not _reshape:
        return None
    image: Any = node.args[0]
    shape = image.meta["val"].shape
    fits = len(shape) == 4 and shape[2] == 1 and node.meta["val"].shape == (*shape[:2], shape[3])
    return image if fits else None


def _pads_time(node: Node) -> bool:
    """Whether ``node`` pads the last axis alone with a constant: the same amounts then pad an image."""
    if node.target not in (_aten.pad.default, _aten.constant_pad_nd.default) or len(node.args[1]) != 2:  # type: ignore[arg-type]
        return False
    return node.target is _aten.constant_pad_nd.default or len(node.args) < 3 or node.args[2] == "constant"
