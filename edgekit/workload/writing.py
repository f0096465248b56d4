"""Writing operators into a captured graph, in place of one that is there."""

from __future__ import annotations

from typing import Any

from torch import fx

from edgekit.workload.tensors import meta_for_new

__all__ = ["Writer"]


class Writer:
    """Writes operators before the node ``at``, each told what ``at`` is told of its origin."""

    def __init__(self, module: fx.GraphModule, at: fx.Node) -> None:
        self.module, self.at = module, at

    def __call__(self, target: Any, *args: Any, **kwargs: Any) -> fx.Node:
        with self.module.graph.inserting_before(self.at):
            node = self.module.graph.call_function(target, args, kwargs)
        node.meta = meta_for_new(self.at)
        return node

    def instead(self, result: fx.Node) -> None:
        """Readers of ``at`` read ``result``, which has its value, and ``at`` goes."""
        if "val" in self.at.meta:
            result.meta.setdefault("val", self.at.meta["val"])
        self.at.replace_all_uses_with(result)
        self.module.graph.erase_node(self.at)
