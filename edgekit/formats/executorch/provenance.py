"""From lowered graphs back to the user's modules: notes in node metadata, which every pass hands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch.fx import GraphModule, Node

from edgekit.types.graph import Source

__all__ = ["is_marked_float", "is_signal", "mark_float", "mark_signal", "origin", "program_name", "stamp"]

# In the ``custom`` metadata of nodes, which every pass hands on to what it makes of them.
_KEY, _FLOAT, _SIGNAL = "edgekit", "edgekit_float", "edgekit_signal"


def stamp(module: GraphModule) -> None:
    """Writes each operator's name into its metadata."""
    for node in module.graph.nodes:
        if node.op == "call_function":
            _add(node, _KEY, node.name)


def mark_float(node: Node) -> None:
    """Says that an operator computes in float, though its neighbours be integer."""
    _add(node, _FLOAT, True)


def is_marked_float(node: Node) -> bool:
    return bool((node.meta.get("custom") or {}).get(_FLOAT))


def mark_signal(node: Node) -> None:
    """Says that an image of height one, or the convolution that reads it, stands for a signal."""
    _add(node, _SIGNAL, True)


def is_signal(node: Node) -> bool:
    return bool((node.meta.get("custom") or {}).get(_SIGNAL))


def _add(node: Node, key: str, value: Any) -> None:
    node.meta["custom"] = {**(node.meta.get("custom") or {}), key: value}


def program_name(node: Node) -> str | None:
    """Name of the program's operator that ``node`` descends from; None for what lowering added itself."""
    name = (node.meta.get("custom") or {}).get(_KEY)
    return name if isinstance(name, str) else None


def origin(node: Node, sources: Mapping[str, Source]) -> Source | None:
    """The source of the program's operator that ``node`` descends from; None for what lowering added itself."""
    name = program_name(node)
    return sources.get(name) if name is not None else None
