"""Expansions and pads that converters read wrongly or not at all, in a form that all take.

Each function returns how many nodes it changed.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import fx

from edgekit.workload.writing import Writer

__all__ = ["cropping_pads", "implied_expansions"]

aten = torch.ops.aten
_EXPANSIONS = (aten.expand.default, aten.expand_as.default)
_BROADCASTING = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor, aten.maximum.default,
                 aten.minimum.default, aten.pow.Tensor_Tensor, aten.where.self)


def implied_expansions(module: fx.GraphModule) -> int:
    """``x * gate.expand_as(x)`` is ``x * gate``: arithmetic expands its operands by itself.

    litert-torch orders images channels last, but not the sizes that one is expanded to.
    """
    changed = 0
    for node in list(module.graph.nodes):
        if node.target not in _EXPANSIONS:
            continue
        source = node.args[0]
        for user in list(node.users):
            if user.target in _BROADCASTING and _implied(user, node, source):
                user.replace_input_with(node, source)
                changed += 1
    module.graph.eliminate_dead_code()
    return changed


def _implied(user: fx.Node, expanded: fx.Node, source: fx.Node) -> bool:
    """Whether ``user``'s result has the same shape with ``source`` in place of ``expanded``."""
    operands = [source if n is expanded else n for n in user.args if isinstance(n, fx.Node)]
    if any("val" not in n.meta for n in (user, *operands)) or not source.meta["val"].shape:
        return False  # one without axes has no say in the result's dtype
    shapes = [[str(d) for d in reversed(n.meta["val"].shape)] for n in operands]  # open sizes by their names
    wanted = [str(d) for d in reversed(user.meta["val"].shape)]
    return all(any(at < len(s) and s[at] == size for s in shapes) for at, size in enumerate(wanted))


def cropping_pads(module: fx.GraphModule) -> int:
    """A pad by less than nothing is a slice: ExecuTorch's kernels stop at it."""
    changed = 0
    for node in list(module.graph.nodes):
        amounts: Any = node.args[1] if node.target in (aten.pad.default, aten.constant_pad_nd.default) else ()
        if not all(isinstance(a, int) for a in amounts) or not any(a < 0 for a in amounts):
            continue
        mode = node.args[2] if node.target is aten.pad.default and len(node.args) > 2 else "constant"
        if node.kwargs.get("mode", mode) != "constant":
            continue
        write, result = Writer(module, node), node.args[0]
        last = len(node.meta["val"].shape) - 1
        for behind, (low, high) in enumerate(zip(amounts[::2], amounts[1::2], strict=True)):
            if low < 0 or high < 0:
                end = high if high < 0 else sys.maxsize
                result = write(aten.slice.Tensor, result, last - behind, max(0, -low), end)
        if any(a > 0 for a in amounts):
            result = write(node.target, result, [max(0, a) for a in amounts], *node.args[2:], **node.kwargs)
        write.instead(result)
        changed += 1
    return changed
