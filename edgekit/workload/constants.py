"""What does not depend on the inputs is computed once, here: masks, positions, weights that forward() derives."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

from edgekit.workload.tensors import tensor_of

__all__ = ["fold_constants"]

# Masks and positions are worth storing up to this size; a derived weight also where it is no larger than its sources.
_SMALL_BYTES = 1 << 20
# Views cost nothing at run time, so that only small ones are stored.
_SMALL_VIEW_BYTES = 1 << 16


def _schema(node: fx.Node) -> Any:
    return getattr(node.target, "_schema", None)


def _is_pure(node: fx.Node) -> bool:
    tags = getattr(node.target, "tags", ())
    return (node.op == "call_function" and _schema(node) is not None and not _schema(node).is_mutable
            and torch.Tag.nondeterministic_seeded not in tags and not node.is_impure())


def _is_view(node: fx.Node) -> bool:
    return node.target is operator.getitem or any(r.alias_info is not None for r in _schema(node).returns)


def _leaves(node: fx.Node) -> set[fx.Node]:
    found: set[fx.Node] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current.op == "get_attr":
            found.add(current)
        stack += current.all_input_nodes
    return found


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _values(module: fx.GraphModule) -> dict[fx.Node, torch.Tensor]:
    """The value of every node that depends on weights and literals only; nothing where one of them is written to."""
    values: dict[fx.Node, torch.Tensor] = {}
    pieces: dict[fx.Node, Any] = {}  # of operators with several results
    for node in module.graph.nodes:
        stored = tensor_of(module, node)
        if stored is not None:
            values[node] = stored
        elif node.target is operator.getitem and node.args[0] in pieces:
            values[node] = pieces[node.args[0]][node.args[1]]
        elif node.op == "call_function" and all(n in values for n in node.all_input_nodes):
            if not _is_pure(node):
                if _schema(node) is not None and _schema(node).is_mutable and node.all_input_nodes:
                    return {}
                continue
            arguments = fx.map_arg((node.args, node.kwargs), values.__getitem__)
            result = node.target(*arguments[0], **arguments[1])  # type: ignore[operator]
            if isinstance(result, torch.Tensor):
                values[node] = result
            elif node.all_input_nodes:
                pieces[node] = result
    return values


def _parts(values: dict[fx.Node, torch.Tensor]) -> set[fx.Node]:
    """Views that share out a weight which nobody reads whole, as attention does with its packed projections."""
    found: set[fx.Node] = set()
    leaves: dict[str, list[fx.Node]] = {}
    for node in values:
        if node.op == "get_attr":
            leaves.setdefault(str(node.target), []).append(node)
    for same in leaves.values():
        whole, stack, ends = _bytes(values[same[0]]), list(same), set[fx.Node]()
        while stack:
            current = stack.pop()
            views = [u for u in current.users if u.op == "call_function" and _is_pure_view(u)]
            stack += views
            if len(views) < len(current.users):
                ends.add(current)
        sizes = [_bytes(values[end]) if end in values else whole for end in ends]
        if all(size < whole for size in sizes) and sum(sizes) <= whole:
            found |= ends
    return found


def _is_pure_view(node: fx.Node) -> bool:
    return node.target is operator.getitem or (_is_pure(node) and _is_view(node))


def _worth(module: fx.GraphModule, node: fx.Node, value: torch.Tensor, parts: set[fx.Node]) -> bool:
    if node in parts:
        return True
    if _is_view(node):
        return _bytes(value) <= _SMALL_VIEW_BYTES and not all(_is_view(n) for n in _chain(node))
    sources = [tensor_of(module, leaf) for leaf in _leaves(node)]
    return _bytes(value) <= max(_SMALL_BYTES, sum(_bytes(s) for s in sources if s is not None))


def _chain(node: fx.Node) -> list[fx.Node]:
    """The operators that ``node`` is computed by."""
    found, stack = [], [node]
    while stack:
        current = stack.pop()
        if current.op == "call_function":
            found.append(current)
            stack += current.all_input_nodes
    return found


def fold_constants(module: fx.GraphModule) -> int:
    """Replaces operators on weights and literals alone by their results; not views of weights that are read whole."""
    values = _values(module)
    parts = _parts(values)
    changed = 0
    for node, value in values.items():
        needed = any(user not in values or not _worth(module, user, values[user], parts) for user in node.users)
        if node.op == "get_attr" or not needed or not _worth(module, node, value, parts):
            continue
        name = f"constant_{changed}"
        while hasattr(module, name):
            name += "_"
        value = value.detach().clone().contiguous()
        if value.is_floating_point():
            setattr(module, name, nn.Parameter(value, requires_grad=False))
        else:
            module.register_buffer(name, value)
        with module.graph.inserting_before(node):
            stored = module.graph.get_attr(name)
        stored.meta = {k: v for k, v in node.meta.items() if k == "val"}
        node.replace_all_uses_with(stored)
        changed += 1
    module.graph.eliminate_dead_code()
    return changed
