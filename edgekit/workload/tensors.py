"""Weights of a GraphModule by their ``get_attr`` nodes: reading, adding, and dropping those that nothing uses; and what
new nodes are told of those that they stand for."""

from __future__ import annotations

import itertools
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn

__all__ = ["drop_unused", "meta_for_new", "replace_tensor", "set_weights", "tensor_of"]


def tensor_of(module: fx.GraphModule, node: Any) -> torch.Tensor | None:
    """The tensor of a ``get_attr`` node; None for anything else."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    found = attrgetter(str(node.target))(module)
    return found.detach() if isinstance(found, torch.Tensor) else None


def meta_for_new(node: fx.Node) -> dict[str, Any]:
    """Metadata for a node made in place of ``node`` or beside it: all but its value, which is not the new one's."""
    return {k: v for k, v in node.meta.items() if k != "val"}


def set_weights(module: fx.GraphModule, layer: fx.Node, weight: torch.Tensor, bias: torch.Tensor) -> None:
    """Gives ``layer`` (weight, bias: arguments 1, 2) new weights, under the old names where it alone reads them."""
    like = str(layer.args[1].target)  # type: ignore[union-attr]
    old_bias = layer.args[2] if len(layer.args) > 2 else None
    new_weight = _set(module, layer, layer.args[1], like, like.rpartition(".")[2], weight)
    new_bias = _set(module, layer, old_bias, like, "bias", bias)
    layer.args = (layer.args[0], new_weight, new_bias, *layer.args[3:])


def replace_tensor(module: fx.GraphModule, layer: fx.Node, old: fx.Node, value: torch.Tensor) -> fx.Node:
    """A node for ``value`` in place of the constant ``old``, under its name where ``layer`` alone reads it."""
    return _set(module, layer, old, str(old.target), str(old.target).rpartition(".")[2], value)


def _set(module: fx.GraphModule, layer: fx.Node, old: Any, like: str, leaf: str, value: torch.Tensor) -> fx.Node:
    """Registers ``value`` in place of ``old``, or beside the attribute ``like`` where others read ``old`` too."""
    parameter = nn.Parameter(value.contiguous(), requires_grad=False)
    path, _, _ = like.rpartition(".")
    if isinstance(old, fx.Node):
        path, _, leaf = str(old.target).rpartition(".")
        readers = {u for n in module.graph.nodes if n.op == "get_attr" and n.target == old.target for u in n.users}
        if readers == {layer}:
            setattr(module.get_submodule(path), leaf, parameter)
            return old
    owner = module.get_submodule(path)
    name = next(n for n in itertools.chain([leaf], (f"{leaf}_{i}" for i in itertools.count(1)))
                if getattr(owner, n, None) is None)
    setattr(owner, name, parameter)
    with module.graph.inserting_before(layer):
        return module.graph.get_attr(f"{path}.{name}" if path else name)


def drop_unused(module: fx.GraphModule) -> fx.GraphModule:
    """The same graph on a module that holds only the weights it reads."""
    module.graph.eliminate_dead_code()
    for node in list(module.graph.nodes):  # get_attr nodes have no users left where a rewrite replaced them
        if node.op == "get_attr" and not node.users:
            module.graph.erase_node(node)
    root = {str(n.target): attrgetter(str(n.target))(module) for n in module.graph.nodes if n.op == "get_attr"}
    return fx.GraphModule(root, module.graph)
