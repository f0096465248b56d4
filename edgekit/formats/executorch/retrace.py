"""Lowering's passes trace the whole graph anew at their end, also where they changed nothing: that is left out here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.fx import GraphModule
from torch.fx.passes.infra.pass_base import PassResult

__all__ = ["only_where_changed"]

# In a graph module's metadata, which passes hand on: the graph as it was when it was last traced.
_KEY = "edgekit_traced"
# What passes override to change operators while tracing.
_HOOKS = ("call_operator", "call_sym", "call_cond", "call_map", "call_map_impl", "call_scan", "call_getitem",
          "call_delegate", "call_submodule", "placeholder", "get_attr", "output", "inputs", "ExportTracer",
          "ExportInterpreter")

Call = Callable[[Any, GraphModule], PassResult]


def only_where_changed(call: Call) -> Call:
    """ExecuTorch's ``_ExportPassBase.call``, but a graph that was traced already and is the same still is kept.

    A pass that works while tracing, by a hook of its own, always traces.
    """
    def traced(self: Any, graph_module: GraphModule) -> PassResult:
        if not _has_hooks(type(self)) and graph_module.meta.get(_KEY) == _text(graph_module):
            return PassResult(graph_module, True)
        result = call(self, graph_module)
        result.graph_module.meta[_KEY] = _text(result.graph_module)
        return result

    return traced


def _has_hooks(kind: type) -> bool:
    base_names = ("ExportPass", "_ExportPassBase", "PassBase", "object")
    own = (base for base in kind.__mro__ if base.__name__ not in base_names)
    return any(hook in vars(base) for base in own for hook in _HOOKS)


def _text(graph_module: GraphModule) -> str:
    """Operators, names and wiring, of nested graphs too; what nodes carry beside is not traced anew."""
    graphs = [module.graph for module in graph_module.modules() if isinstance(module, GraphModule)]
    return "\n".join(f"{n.op} {n.name} {n.target} {n.args} {n.kwargs}" for graph in graphs for n in graph.nodes)
