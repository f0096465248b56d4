"""Removing channels from a module with all that depends on them, and proof that nothing else changed.

``torch_pruning`` traces which layers share a channel (residual sums, depthwise filters, gates ...). What it cannot
see, such as shapes written into ``forward`` or channels that a shuffle moves, is caught here by running the result: a
removed channel must have the same effect as one that nobody reads.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgekit.compress.layers import CONVOLUTION, WEIGHTED
from edgekit.compress.trace import graph_of, groups_of
from edgekit.contracts import Inputs

__all__ = ["Group", "Removal", "find_groups", "probe", "remove"]

# Layers that treat channels one by one: what they do to one does not depend on the others.
_PER_CHANNEL = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.PReLU)


@dataclass(frozen=True)
class Group:
    """Channels that can only go together: those that layer ``root`` puts out, in every layer that shares them.

    ``divisions`` is in how many equal parts they come (grouped convolutions, GroupNorm): each part loses the same.
    """

    root: str
    channels: int
    divisions: int


@dataclass(frozen=True)
class Removal:
    """The module without the channels, or the reason why they cannot go."""

    module: nn.Module | None
    reason: str | None


def find_groups(graph: Any) -> list[tuple[Group, Any]]:
    """Every group of the graph, with ``torch_pruning``'s own object that holds all of its channels."""
    names = {m: name for name, m in graph.model.named_modules()}
    found = []
    for whole in groups_of(graph, WEIGHTED):
        root = whole[0].dep.target.module
        found.append((Group(names[root], len(whole[0].idxs), _divisions(whole)), whole))
    return found


def remove(module: nn.Module, example: Inputs, channels: Mapping[str, list[int]]) -> Removal:
    """A copy of ``module`` in which each root layer has lost the given output channels, with all that depends on them.

    The copy must put out the same shapes as ``module``, and the same values as ``module`` with nothing reading those
    channels (within float32 rounding; not compared where a normalisation mixes channels, since its statistics change).
    """
    inputs = _random_like(example)
    pruned, masked = copy.deepcopy(module).eval(), copy.deepcopy(module).eval()
    comparable = True
    try:
        graph = graph_of(pruned, example)
        groups = [graph.get_pruning_group(layer := pruned.get_submodule(root),
                                          graph.get_pruner_of_module(layer).prune_out_channels, idxs)
                  for root, idxs in channels.items()]
        names = {m: name for name, m in pruned.named_modules()}
        for group in groups:
            comparable &= _mask_readers(graph, group, names, masked)
        for group in groups:
            group.prune()
        with torch.no_grad():
            expected, got = _flat(masked(*inputs)), _flat(pruned(*inputs))
    except Exception as error:  # noqa: BLE001 - whatever forward raises without the channels is the answer
        return Removal(None, f"forward fails without some of its channels: {type(error).__name__}: "
                             f"{str(error).splitlines()[0] if str(error) else ''}")
    if [e.shape for e in expected] != [g.shape for g in got]:
        return Removal(None, "its channels are the model's output")
    if comparable and not all(_close(e, g) for e, g in zip(expected, got, strict=True)):
        return Removal(None, "removing a channel moves or changes others (a channel shuffle, split or reduction)")
    for parameter, original in zip(pruned.parameters(), module.parameters(), strict=True):
        parameter.requires_grad_(original.requires_grad)
    return Removal(pruned, None)


def probe(module: nn.Module, example: Inputs, group: Group) -> str | None:
    """Why channels of ``group`` cannot be removed; None where they can. Tries a third of them.

    They are picked at random (the same ones each time): a regular pattern could survive a shuffle unchanged.
    """
    part = group.channels // group.divisions
    if part < 2:
        return "it has no channel to spare"
    picked = torch.randperm(part, generator=torch.Generator().manual_seed(0))[:max(1, part // 3)].tolist()
    idxs = sorted(division * part + i for division in range(group.divisions) for i in picked)
    return remove(module, example, {group.root: idxs}).reason


def _divisions(whole: Any) -> int:
    """The largest number of equal parts that any layer of the group divides its channels into."""
    layers = [dep.target.module for dep, _ in whole]
    grouped = [m.groups for m in layers if isinstance(m, CONVOLUTION) and not _depthwise(m)]
    return max([1, *grouped, *(m.num_groups for m in layers if isinstance(m, nn.GroupNorm))])


def _depthwise(layer: Any) -> bool:
    return (isinstance(layer, CONVOLUTION)
            and 1 < layer.groups == layer.out_channels == layer.in_channels)


def _mask_readers(graph: Any, group: Any, names: Mapping[nn.Module, str], masked: nn.Module) -> bool:
    """Zeroes, in ``masked``, the weights that read the group's channels; False where other layers mix them too."""
    comparable = True
    for item in group.items:
        layer = item.dep.target.module
        if layer not in names or isinstance(layer, _PER_CHANNEL) or _depthwise(layer):
            continue
        if not isinstance(layer, WEIGHTED) or getattr(layer, "groups", 1) > 1:
            comparable = False
        elif graph.is_in_channel_pruning_fn(item.dep.handler):
            axis = 0 if isinstance(layer, nn.modules.conv._ConvTransposeNd) else 1
            with torch.no_grad():
                weight = masked.get_submodule(names[layer]).get_parameter("weight")
                weight.index_fill_(axis, torch.tensor(_plain(item.idxs)), 0.0)
    return comparable


def _plain(idxs: list[Any]) -> list[int]:
    # torch_pruning keeps the root layer's index beside each index.
    return [int(getattr(i, "idx", i)) for i in idxs]


def _random_like(example: Inputs) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(x.shape, generator=generator).to(x.dtype) if x.is_floating_point() else x
                 for x in example)


def _flat(outputs: Any) -> list[torch.Tensor]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _close(expected: torch.Tensor, got: torch.Tensor) -> bool:
    return torch.allclose(expected, got, rtol=1e-3, atol=1e-4 * max(1e-6, expected.abs().max().item()))
