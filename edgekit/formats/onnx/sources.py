"""Which module of the user's model each tensor comes from; kept in the file as two short node properties.

The exporter's own properties (Python stack traces, class hierarchies) are dropped: they are several times the size of
the graph and name files of the machine that exported it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import NamedTuple

from onnx import ModelProto, NodeProto

from edgekit.types.graph import Source

__all__ = ["Origin", "node_origins", "origins_of", "stamp_export", "tag"]

_MODULE, _FX_NODE = "edgekit.module", "edgekit.node"
_SCOPES, _RULE = "pkg.torch.onnx.name_scopes", "pkg.onnxscript.rewriter.rule_name"


class Origin(NamedTuple):
    """A module path and the FX node's name there (empty where several nodes became one operator)."""

    module: str
    node: str

    @property
    def source(self) -> Source:
        return Source(module=self.module)


def stamp_export(model: ModelProto, sources: Mapping[str, Source]) -> None:
    """Replaces the exporter's node properties by edgekit's. ``sources`` are the program's, by FX node name."""
    modules = {source.module for source in sources.values()}
    for node in model.graph.node:
        scopes = _scopes(node)
        fx = scopes[-1] if scopes else ""
        module = sources[fx].module if fx in sources else scopes[-2] if len(scopes) > 1 else None
        if "BatchNorm" in _property(node, _RULE):
            # Conv and BatchNorm merged carry the BatchNorm's scopes; the weight still has the convolution's name.
            owner = node.input[1].rpartition(".")[0]
            module = owner if owner in modules else module
        del node.metadata_props[:]
        node.doc_string = ""
        if module is not None:
            _write(node, Origin(module, fx))
    for item in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.doc_string = model.doc_string = ""


def _property(node: NodeProto, key: str) -> str:
    return next((p.value for p in node.metadata_props if p.key == key), "")


def _scopes(node: NodeProto) -> list[str]:
    """Module paths from the top to the node's own, then the FX node's name; empty where the exporter gave none."""
    return list(ast.literal_eval(_property(node, _SCOPES) or "[]"))


def _write(node: NodeProto, origin: Origin) -> None:
    del node.metadata_props[:]
    for key, value in zip((_MODULE, _FX_NODE), origin, strict=True):
        node.metadata_props.add(key=key, value=value)


def _read(node: NodeProto) -> Origin | None:
    found = {p.key: p.value for p in node.metadata_props}
    return Origin(found[_MODULE], found.get(_FX_NODE, "")) if _MODULE in found else None


def origins_of(model: ModelProto) -> dict[str, Origin]:
    """Origin of every tensor whose producer carries one."""
    return {name: origin for node in model.graph.node if (origin := _read(node)) for name in node.output}


def node_origins(model: ModelProto, known: Mapping[str, Origin]) -> list[Origin | None]:
    """Origin of each node, in the graph's order: by a tensor it makes, else that of the first known one after it.

    Rewriting (quantisation, ONNX Runtime's fusions) keeps the names of the tensors at the end of what it replaces.
    """
    found: list[Origin | None] = []
    after: dict[str, Origin] = {}
    for node in reversed(model.graph.node):
        origin = next((known[o] for o in node.output if o in known), None) or _read(node)
        origin = origin or next((after[o] for o in node.output if o in after), None)
        if origin:
            for name in node.input:
                after[name] = origin
        found.append(origin)
    return found[::-1]


def tag(model: ModelProto, known: Mapping[str, Origin]) -> None:
    """Writes the origins of ``known`` tensors to the nodes that make them, and to no others, after a rewrite."""
    for node in model.graph.node:
        del node.metadata_props[:]
        origin = next((known[o] for o in node.output if o in known), None)
        if origin:
            _write(node, origin)
