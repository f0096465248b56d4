"""Windows of convolutions and pools, spelled so that every converter reads them the same way.

Each function returns how many nodes it changed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.workload.writing import Writer

__all__ = ["adaptive_maxima", "adaptive_means", "clipped_windows", "counted_padding", "depth_windows", "per_axis"]

aten = torch.ops.aten
# Maxima over a given number of windows -> along how many axes.
_ADAPTIVE_MAXIMA = {aten.adaptive_max_pool1d.default: 1, aten.adaptive_max_pool2d.default: 2}
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
        steps, stride = per_axis(dilation, len(kernel)), per_axis(stride, len(kernel))  # XNNPACK reads each
        total = [s * (k - 1) if padding == "same" else 0 for s, k in zip(steps, kernel, strict=True)]
        counts = [t // 2 for t in total]
        if any(t % 2 for t in total):  # one more at the end
            sides = [side for t in reversed(total) for side in (t // 2, t - t // 2)]
            source = Writer(module, node)(aten.pad.default, source, sides, "constant", 0.0)
            counts = [0] * len(kernel)
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
        window = per_axis(kernel, 2)
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


def adaptive_maxima(module: fx.GraphModule) -> int:
    """A maximum over a given number of windows has windows of one size, or is spelled out row by row and column by
    column: two of the three converters do not know it."""
    changed = 0
    for node in list(module.graph.nodes):
        axes = _ADAPTIVE_MAXIMA.get(node.target)
        if axes is None:
            continue
        source, wanted = node.args
        values = [user for user in node.users if user.args[1] == 0]
        if len(values) != len(node.users) or "val" not in source.meta:
            continue
        if not all(isinstance(s, int) for s in source.meta["val"].shape[-axes:]):
            continue
        result = _maxima(Writer(module, node), source, per_axis(wanted, axes))
        for user in values:
            Writer(module, user).instead(result)
        module.graph.erase_node(node)
        changed += 1
    return changed


def _maxima(write: Writer, source: fx.Node, wanted: list[int]) -> fx.Node:
    shape = source.meta["val"].shape
    window = _even_windows(shape, wanted)
    if window is not None and len(wanted) == 2:
        return write(aten.max_pool2d.default, source, window, window)
    if window is not None and wanted != [1]:  # one alone is a maximum along the axis
        return write(aten.max_pool1d.default, source, window, window)
    result = source
    for axis, count in enumerate(wanted, start=len(shape) - len(wanted)):
        size = int(shape[axis])
        bounds = [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]  # as PyTorch lays them
        result = write(aten.cat.default, [
            write(aten.amax.default, write(aten.slice.Tensor, result, axis, low, high), [axis], True)
            for low, high in bounds], axis)
    return result


def _even_windows(shape: torch.Size, wanted: list[int]) -> list[int] | None:
    """Sizes of windows, ``wanted`` of them along each of the last axes, all alike; None where they do not divide it."""
    sizes = list(shape[-len(wanted):])
    if any(not isinstance(s, int) or s % w for s, w in zip(sizes, wanted, strict=True)):
        return None
    return [s // w for s, w in zip(sizes, wanted, strict=True)]


def adaptive_means(module: fx.GraphModule) -> int:
    """An average over a given number of windows that divide the image has windows of one size: XNNPACK's kernel."""
    changed = 0
    for node in module.graph.nodes:
        if node.target is not aten.adaptive_avg_pool2d.default or "val" not in node.args[0].meta:
            continue
        wanted = per_axis(node.args[1], 2)
        window = _even_windows(node.args[0].meta["val"].shape, wanted)
        if wanted == [1, 1] or window is None:
            continue  # one window is a mean
        node.target, node.args = aten.avg_pool2d.default, (node.args[0], window, window)
        changed += 1
    return changed


def depth_windows(module: fx.GraphModule) -> int:
    """A pool over volumes whose windows are one pixel high and wide (LocalResponseNorm's) is one over images."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.avg_pool3d.default or "val" not in node.args[0].meta or node.kwargs:
            continue
        arguments: list[Any] = [*node.args, *([0], False, True, None)[len(node.args) - 3:]]  # strides are given
        source, kernel, stride, padding, ceil_mode, _, divisor = arguments
        kernel, stride = per_axis(kernel, 3), per_axis(stride, 3)
        shape, result = source.meta["val"].shape, node.meta["val"].shape
        if kernel[1:] != [1, 1] or stride[1:] != [1, 1] or any(padding) or ceil_mode or divisor:
            continue
        if len(shape) != 5 or not all(isinstance(s, int) for s in shape[1:]):
            continue
        write = Writer(module, node)
        flat = write(aten.reshape.default, source, [-1, *shape[1:3], shape[3] * shape[4]])
        pool = write(aten.avg_pool2d.default, flat, [kernel[0], 1], [stride[0], 1])
        write.instead(write(aten.reshape.default, pool, [-1, *result[1:]]))
        changed += 1
    return changed


def per_axis(numbers: Any, axes: int) -> list[int]:
    """One number an axis, where one may stand for all."""
    values = [numbers] if isinstance(numbers, int) else list(numbers)
    return values if len(values) == axes else values * axes
