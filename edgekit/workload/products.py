"""Products with a constant matrix become linear layers, however they are spelled.

Tools know ``linear`` and quantise it; ``addmm``, ``mm`` and ``matmul`` with a weight they know by halves: one leaves it
in float32, another takes a constant on the left for an activation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from edgekit.workload.tensors import meta_for_new, replace_tensor, tensor_of

__all__ = ["products_as_linear"]

aten = torch.ops.aten


def products_as_linear(module: fx.GraphModule) -> int:
    """``x @ w`` is ``linear(x, w.T)``, and ``w @ x`` is ``linear(x.T, w).T``. Returns how many nodes it changed."""
    changed = 0
    for node in list(module.graph.nodes):
        if node.target is aten.addmm.default and not node.kwargs:
            bias, left, right = node.args
            if _matrix(module, right) is None or not _fits(module, bias, node):
                continue
        elif node.target in (aten.mm.default, aten.matmul.default):
            bias, (left, right) = None, node.args
        else:
            continue
        if _matrix(module, left) is None and (matrix := _matrix(module, right)) is not None:
            weight = replace_tensor(module, node, right, matrix.t())
            node.args = (left, weight) if bias is None else (left, weight, bias)
            node.target = aten.linear.default
        elif (bias is None and _matrix(module, left) is not None and tensor_of(module, right) is None
              and _axes(right) > 1):
            _write_left_product(module, node, left, right)
        else:
            continue
        changed += 1
    return changed


def _write_left_product(module: fx.GraphModule, node: fx.Node, left: fx.Node, right: fx.Node) -> None:
    with module.graph.inserting_before(node):
        turned = module.graph.call_function(aten.transpose.int, (right, -2, -1))
        product = module.graph.call_function(aten.linear.default, (turned, left))
    for new in (turned, product):
        new.meta = meta_for_new(node)
    node.target, node.args = aten.transpose.int, (product, -2, -1)


def _matrix(module: fx.GraphModule, node: Any) -> torch.Tensor | None:
    """A constant of two axes of floats; None for anything else."""
    found = tensor_of(module, node)
    return found if found is not None and found.ndim == 2 and found.is_floating_point() else None


def _axes(node: Any) -> int:
    value = node.meta.get("val") if isinstance(node, fx.Node) else None
    return value.ndim if isinstance(value, torch.Tensor) else 0


def _fits(module: fx.GraphModule, bias: Any, node: fx.Node) -> bool:
    """Whether an addmm adds one constant value a column, as a linear layer does."""
    found = tensor_of(module, bias)
    return found is not None and found.ndim == 1 and found.shape[0] == node.meta["val"].shape[-1]
