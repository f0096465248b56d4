"""Windows of convolutions and pools, spelled so that every converter reads them the same way.

Each function returns how many nodes it changed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.workload.tensors import meta_for_new

__all__ = ["clipped_windows", "counted_padding"]

aten = torch.ops.aten
# Convolutions that name their padding -> those that count it.
_NAMED_PADDING = {aten.conv1d.padding: aten.conv1d.default, aten.conv2d.padding: aten.conv2d.default,
                  aten.conv3d.padding: aten.conv3d.default}


def counted_padding(module: fx.GraphModule) -> int:
    """``padding="same"`` and ``"valid"`` in numbers: behind a pad of its own, XNNPACK does not load the other form."""
    changed = 0
    for node in module.graph.nodes:
        if node.target not in _NAMED_PADDING or node.kwargs or "val" not in node.args[1].meta:
            continue
        arguments: list[Any] = [*node.args, *(None, None, None, [1], "valid", [1], 1)[len(node.args):]]
        source, weight, bias, stride, padding, dilation, groups = arguments
        kernel = weight.meta["val"].shape[2:]
        steps, stride = _each_axis(dilation, len(kernel)), _each_axis(stride, len(kernel))  # XNNPACK reads each
        total = [s * (k - 1) if padding == "same" else 0 for s, k in zip(steps, kernel, strict=True)]
        counts = [t // 2 for t in total]
        if any(t % 2 for t in total):  # one more at the end
            sides = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
            with module.graph.inserting_before(node):
                padded = module.graph.call_function(aten.pad.default, (source, sides, "constant", 0.0))
            padded.meta = meta_for_new(node)
            source, counts = padded, [0] * len(kernel)
        node.target = _NAMED_PADDING[node.target]
        node.args = (source, weight, bias, stride, counts, steps, groups)
        changed += 1
    return changed


def clipped_windows(module: fx.GraphModule) -> int:
    """A pool whose only window is larger than its input (``ceil_mode``) gets a window of the input's size: converters
    pad the input instead, and an int8 average over mostly padding is zero."""
    changed = 0
    for node in module.graph.nodes:
        if node.target not in (aten.avg_pool2d.default, aten.max_pool2d.default):
            continue
        source, kernel, *rest = node.args
        size = source.meta["val"].shape[-2:] if "val" in source.meta else ()
        window = _each_axis(kernel, 2)
        padded = len(rest) > 1 and any(rest[1])
        own = len(rest) > 4 and rest[4]  # a divisor
        spread = node.target is aten.max_pool2d.default and len(rest) > 2 and any(d != 1 for d in rest[2])
        whole = "val" in node.meta and tuple(node.meta["val"].shape[-2:]) == (1, 1)
        if not whole or padded or own or spread or node.kwargs or not all(isinstance(s, int) for s in size):
            continue
        if window == list(size) or any(k < s for k, s in zip(window, size, strict=True)):
            continue
        node.args = (source, list(size), list(size))
        changed += 1
    return changed


def _each_axis(numbers: list[int], axes: int) -> list[int]:
    """One number an axis, where one may stand for all."""
    return numbers if len(numbers) == axes else numbers * axes
