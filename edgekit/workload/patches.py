"""``F.unfold`` written out: converters take it apart into index arithmetic and gathers, outside every delegate."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.workload.windows import per_axis
from edgekit.workload.writing import Writer

__all__ = ["sliced_patches"]

aten = torch.ops.aten


def sliced_patches(module: fx.GraphModule) -> int:
    """``im2col`` becomes one strided slice a window position, side by side. Returns how many nodes it changed."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is not aten.im2col.default:
            continue
        source, kernel, dilation, padding, stride = node.args
        shape: Any = source.meta["val"].shape if "val" in source.meta else ()
        if len(shape) != 4 or not all(isinstance(d, int) for d in shape[1:]):
            continue
        write = Writer(module, node)
        steps, pads, strides = per_axis(dilation, 2), per_axis(padding, 2), per_axis(stride, 2)
        spans = [size + 2 * p - d * (k - 1) for size, p, d, k in zip(shape[2:], pads, steps, kernel, strict=True)]
        counts = [(span - 1) // s + 1 for span, s in zip(spans, strides, strict=True)]
        image = write(aten.constant_pad_nd.default, source, [pads[1]] * 2 + [pads[0]] * 2) if any(pads) else source
        parts = []
        for row in range(kernel[0]):
            rows = write(aten.slice.Tensor, image, 2, row * steps[0], row * steps[0] + spans[0], strides[0])
            for column in range(kernel[1]):
                start = column * steps[1]
                part = write(aten.slice.Tensor, rows, 3, start, start + spans[1], strides[1])
                parts.append(write(aten.reshape.default, part, [-1, shape[1], 1, counts[0] * counts[1]]))
        joined = write(aten.cat.default, parts, 2)
        write.instead(write(aten.reshape.default, joined, [-1, shape[1] * len(parts), counts[0] * counts[1]]))
        changed += 1
    return changed
