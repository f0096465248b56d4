"""Which module of the user's model each tensor comes from; kept in the file as short node properties.

The exporter's own properties (Python stack traces, class hierarchies) are dropped: they are several times the size of
the graph and name files of the machine that exported it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from onnx import ModelProto, NodeProto

from edgekit.formats.onnx.kinds import WEIGHT_INPUTS
from edgekit.formats.onnx.names import Names
from edgekit.types.graph import Source

__all__ = ["Origin", "node_origins", "origins_of", "stamp_export", "tag"]

_MODULE, _FX_NODE = "edgekit.module", "edgekit.node"
_VALUE = "edgekit.value"
_MOVED = "_q_to_dq"  # how ONNX Runtime ends the name of a tensor past which it moved a Q/DQ pair
_ROUNDED = "_QuantizeLinear_Input"  # and its quantiser that of a result whose name the rounded one has, an output's
_SCOPES, _RULE = "pkg.torch.onnx.name_scopes", "pkg.onnxscript.rewriter.rule_name"


class Origin(NamedTuple):
    """Where an operator and its result come from.

    ``module`` and ``node`` are the operator's module path and FX node. ``value`` is the module whose value the result
    is: None inside of an operator that ONNX spells out (attention, say), where the user's model has no such value;
    another module where a convolution took in the activation behind it.
    """

    module: str
    node: str
    value: str | None

    @property
    def source(self) -> Source:
        return Source(module=self.module)


def stamp_export(model: ModelProto, sources: Mapping[str, Source]) -> None:
    """Replaces the exporter's node properties by edgekit's. ``sources`` are the program's, by FX node name."""
    modules, outputs = {source.module for source in sources.values()}, {v.name for v in model.graph.output}
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
            shown = sources[node.output[0]].module if node.output[0] in sources else \
                module if node.output[0] in outputs else None
            _write(node, Origin(module, fx, shown))
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
    for key, value in zip((_MODULE, _FX_NODE, _VALUE), origin, strict=True):
        if value is not None:
            node.metadata_props.add(key=key, value=value)


def _read(node: NodeProto) -> Origin | None:
    found = {p.key: p.value for p in node.metadata_props}
    return Origin(found[_MODULE], found.get(_FX_NODE, ""), found.get(_VALUE)) if _MODULE in found else None


def origins_of(model: ModelProto) -> dict[str, Origin]:
    """Origin of every tensor whose producer carries one."""
    return {name: origin for node in model.graph.node if (origin := _read(node)) for name in node.output}


def node_origins(model: ModelProto, file: ModelProto | None = None) -> list[Origin | None]:
    """Origin of each node, in the graph's order.

    ``file`` is what ONNX Runtime made ``model`` from: its fusions drop node properties, but keep the names of weights
    and of the tensors at the end of what they replace. A node is known by its own properties, else its weight, else
    its result, else by the first known node after it.
    """
    weights, results = _operators(file) if file is not None else ({}, {})
    found: list[Origin | None] = []
    after: dict[str, Origin] = {}
    for node in reversed(model.graph.node):
        read = [node.input[i] for i in WEIGHT_INPUTS.get(node.op_type, ()) if i < len(node.input)]
        made = [name.removesuffix(_MOVED) for name in node.output]
        origin = _read(node) or next((weights[n] for n in read if n in weights), None)
        origin = origin or next((results[n] for n in made if n in results), None)
        origin = origin or next((after[o] for o in node.output if o in after), None)
        if origin:
            after.update(dict.fromkeys(node.input, origin))
        found.append(origin)
    return found[::-1]


def _operators(file: ModelProto) -> tuple[dict[str, Origin], dict[str, Origin]]:
    """Origin of the operator that alone reads a weight, by the weight's name; and of the one that makes a tensor.

    Two tables, because a matrix product may read another operator's result where others have their weight.
    """
    names = Names(file)
    found: dict[str, Origin] = {}
    readers: dict[str, set[Origin]] = defaultdict(set)
    for node in file.graph.node:
        if origin := _read(node):
            found.update(dict.fromkeys(node.output, origin))
            for i in WEIGHT_INPUTS.get(node.op_type, ()):
                if i < len(node.input) and (stored := names.stored(node.input[i])):
                    readers[stored].add(origin)
                    readers[node.input[i]].add(origin)
    return {name: next(iter(origins)) for name, origins in readers.items() if len(origins) == 1}, found


def tag(model: ModelProto, known: Mapping[str, Origin]) -> None:
    """After a rewrite: writes the origin of every node that makes one of the ``known`` tensors, rounded or not,
    and of no other.

    A node that the rewrite kept stays what it is, even where its result is now that of an activation merged into it.
    """
    for node in model.graph.node:
        made = next((known[name] for o in node.output if (name := o.removesuffix(_ROUNDED)) in known), None)
        own = _read(node)
        del node.metadata_props[:]
        if made:
            _write(node, own._replace(value=made.value) if own else made)
