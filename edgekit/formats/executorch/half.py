"""A float32 graph computed in float16 between float32 inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

__all__ = ["to_half"]

_to = torch.ops.aten.to.dtype
_ARITHMETIC = frozenset(getattr(torch.ops.aten, name).Tensor for name in ("add", "sub", "mul", "div"))
# Masks are written as float32's lowest number; float16 saturates there instead of overflowing.
_LIMIT = torch.finfo(torch.float16).max


def to_half(module: GraphModule, keep: Callable[[Node], bool]) -> GraphModule:
    """Turns weights, constants and operators of an unlifted graph to float16 in place, casting at its border.

    Operators for which ``keep`` holds stay float32, with their weights, between casts of their own.
    """
    kept = {n for n in module.graph.nodes if n.op == "call_function" and keep(n)}
    _halve_constants(module, kept)
    for node in list(module.graph.nodes):
        if node.op == "placeholder" and _is_real(node):
            _cast_after(module, node, torch.float16)
        elif node in kept:
            for used in [n for n in node.all_input_nodes if _is_real(n) and not _own_constant(n, kept)]:
                with module.graph.inserting_before(node):
                    node.replace_input_with(used, module.graph.call_function(_to, (used, torch.float32)))
            if _is_real(node):
                _cast_after(module, node, torch.float16)
        elif node.op == "call_function" and node.target is not _to:
            node.args, node.kwargs = _half_literals(node.args), _half_literals(node.kwargs)
            _store_scalars(module, node)
    _cast_outputs(module)
    module.recompile()
    return module


def _is_real(node: Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


def _own_constant(node: Node, kept: set[Node]) -> bool:
    return node.op == "get_attr" and all(user in kept for user in node.users)


def _halve_constants(module: GraphModule, kept: set[Node]) -> None:
    """Replaces the constants: the tensors themselves belong to the program, which other exports use too."""
    for target in {str(n.target) for n in module.graph.nodes if n.op == "get_attr" and not _own_constant(n, kept)}:
        owner, _, name = target.rpartition(".")
        holder = module.get_submodule(owner)
        value = getattr(holder, name)
        if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
            half = value.detach().clamp(-_LIMIT, _LIMIT).half()
            delattr(holder, name)
            holder.register_buffer(name, half)


def _cast_after(module: GraphModule, node: Node, dtype: torch.dtype) -> None:
    with module.graph.inserting_after(node):
        cast = module.graph.call_function(_to, (node, dtype))
    node.replace_all_uses_with(cast, delete_user_cb=lambda user: user is not cast)


def _cast_outputs(module: GraphModule) -> None:
    output = module.graph.output_node()

    def cast(result: Any) -> Any:
        value = result.meta.get("val") if isinstance(result, Node) else None
        if value is None and isinstance(result, Node):  # a cast made above
            value = result.all_input_nodes[0].meta.get("val")
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return result
        with module.graph.inserting_before(output):
            node = module.graph.call_function(_to, (result, torch.float32))
        node.meta["val"] = value
        return node

    output.args = (pytree.tree_map(cast, output.args[0], is_leaf=lambda x: isinstance(x, Node)),)


def _store_scalars(module: GraphModule, node: Node) -> None:
    """Numbers in arithmetic as float16 constants: lowering would store them as float32 and cast in every run."""
    value = node.meta.get("val")
    if node.target not in _ARITHMETIC or not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return
    for position, number in enumerate(node.args[:2]):
        if isinstance(number, int | float):
            name = f"_half_{str(float(number)).replace('.', '_').replace('-', 'm').replace('+', 'p')}"
            if not hasattr(module, name):
                module.register_buffer(name, torch.tensor(number, dtype=torch.float16))
            with module.graph.inserting_before(node):
                node.update_arg(position, module.graph.get_attr(name))


def _half_literals(arguments: Any) -> Any:
    def change(value: Any) -> Any:
        if value is torch.float32:
            return torch.float16
        if isinstance(value, float) and abs(value) > _LIMIT and abs(value) != float("inf"):
            return _LIMIT if value > 0 else -_LIMIT
        return value

    return torch.fx.node.map_aggregate(arguments, change)
