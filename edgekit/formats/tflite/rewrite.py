"""Rewrites of a program that litert-torch needs: what it would refuse, in a form that it converts."""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from edgekit.workload.windows import per_axis
from edgekit.workload.writing import Writer

__all__ = ["crop_transposed_convolutions", "open_batch", "repeats_as_copies"]

_ATEN = torch.ops.aten
_TRANSPOSED = {_ATEN.conv_transpose1d.default: 1, _ATEN.conv_transpose2d.input: 2}
_RESHAPES = (_ATEN.view.default, _ATEN.reshape.default, _ATEN.flatten.using_ints, _ATEN._unsafe_view.default,
             _ATEN.unflatten.int, _ATEN.squeeze.dims, _ATEN.squeeze.dim, _ATEN.unsqueeze.default)
# Positions among the operator's arguments, and what they are where left out.
_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_DEFAULTS = (None, None, None, 1, 0, 0, 1, 1)


def crop_transposed_convolutions(module: GraphModule) -> None:
    """Turns strided transposed convolutions with padding into ones without, and a crop of their result.

    litert-torch 0.10.0 only converts them where kernel - 2 * padding = stride, not the usual 3x3 with stride 2,
    padding 1 and output padding 1. Edits ``module`` in place; the values stay the same.
    """
    for node in list(module.graph.nodes):
        rank = _TRANSPOSED.get(node.target)
        if rank is None:
            continue
        given = dict(zip(_ARGUMENTS, (*node.args, *_DEFAULTS[len(node.args):]), strict=True)) | dict(node.kwargs)
        sizes = {name: per_axis(given[name], rank) for name in ("stride", "padding", "output_padding")}
        if not _needs_crop(node, rank, sizes):
            continue
        extra = [max(0, more - cut) for more, cut in zip(sizes["output_padding"], sizes["padding"], strict=True)]
        with module.graph.inserting_before(node):
            full = module.graph.call_function(node.target, (
                given["input"], given["weight"], given["bias"], sizes["stride"], [0] * rank, extra, given["groups"],
                per_axis(given["dilation"], rank)))
            full.meta = dict(node.meta)
            cropped = full
            for axis, cut in enumerate(sizes["padding"], start=2):
                size = int(node.meta["val"].shape[axis])
                cropped = module.graph.call_function(_ATEN.slice.Tensor, (cropped, axis, cut, cut + size))
                cropped.meta = dict(node.meta)
        node.replace_all_uses_with(cropped)
        module.graph.erase_node(node)
    module.recompile()


def repeats_as_copies(module: GraphModule) -> None:
    """``x.repeat(1, 2, 1, 1)``, or ``tile``, is ``x`` twice: litert-torch turns images channels last, but not how often
    each axis repeats."""
    for node in list(module.graph.nodes):
        if node.target not in (_ATEN.repeat.default, _ATEN.tile.default) or not all(
                isinstance(n, int) for n in node.args[1]):
            continue
        source, counts = node.args
        axes = len(source.meta["val"].shape)
        if node.target is _ATEN.tile.default:
            counts = [1] * (axes - len(counts)) + counts
        if len(counts) != axes:  # new axes in front
            continue
        write, result = Writer(module, node), source
        for axis, count in enumerate(counts):
            if count != 1:
                result = write(_ATEN.cat.default, [result] * count, axis)
        write.instead(result)
    module.recompile()


def open_batch(module: GraphModule) -> None:
    """Reshapes of an open batch say -1 for it: litert-torch 0.10.0 cannot lower a size that it has to compute."""
    for node in list(module.graph.nodes):
        if node.target not in _RESHAPES:
            continue
        sizes = [d if isinstance(d, int) else -1 for d in node.meta["val"].shape]
        if sizes.count(-1) == 1:
            node.target, node.args, node.kwargs = _ATEN.reshape.default, (node.args[0], sizes), {}
    module.graph.eliminate_dead_code()
    module.recompile()


def _needs_crop(node: Node, rank: int, sizes: dict[str, list[int]]) -> bool:
    weight = node.args[1]
    if not isinstance(weight, Node) or max(sizes["stride"]) == 1 or not any(sizes["padding"]):
        return False
    kernel = weight.meta["val"].shape[2:]
    same = all(k - 2 * p == s for k, p, s in zip(kernel, sizes["padding"], sizes["stride"], strict=True))
    return not same or any(sizes["output_padding"])
