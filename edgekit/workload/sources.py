"""Where each node of a captured graph comes from in the user's model."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from edgekit.types.graph import Source
from edgekit.workload.origin import blame, parse_stack_trace, shown

__all__ = ["source_of", "sources_of"]

_REPEATED_CALL = re.compile(r"@\d+")


def source_of(node: torch.fx.Node) -> Source | None:
    """Module path (of the innermost module) and the user's innermost line; None for inputs, weights and outputs."""
    stack: Mapping[str, tuple[str, object]] = node.meta.get("nn_module_stack") or {}
    lines = blame(parse_stack_trace(node.meta.get("stack_trace")))
    if not stack and not lines:
        return None
    path = _REPEATED_CALL.sub("", list(stack.values())[-1][0]) if stack else ""
    return Source(module=path, file=shown(lines[-1][0]) if lines else None, line=lines[-1][1] if lines else None)


def sources_of(graph: torch.fx.Graph) -> dict[str, Source]:
    """Source of each operator of ``graph`` by node name."""
    found = ((n.name, source_of(n)) for n in graph.nodes if n.op not in ("placeholder", "output"))
    return {name: source for name, source in found if source is not None}
