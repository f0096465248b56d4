"""Stored 8-bit weights that several operators read, given to each as its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from onnx import ModelProto, NodeProto, TensorProto

from edgekit.formats.onnx.kinds import INTEGER_OPS, WEIGHT_INPUTS
from edgekit.formats.onnx.names import Names, fresh

__all__ = ["with_own_weights"]

_LOOKUPS = ("Gather", "GatherBlockQuantized")
_ON_THE_WAY = ("DequantizeLinear", "Transpose")


class _Way(NamedTuple):
    """How a weight reaches an operator: ``nodes`` in order of execution, from constants to an input of ``reader``."""

    reader: int
    at: int
    nodes: tuple[NodeProto, ...]
    constants: tuple[str, ...]


def with_own_weights(model: ModelProto) -> ModelProto:
    """``model`` itself where each product reads its own weights; else a copy of it in which that is so.

    With ``session.x64quantprecision`` ONNX Runtime 1.31 rewrites int8 weights and zero points as uint8, once for each
    operator that reads them and always under the same new name, and then refuses the model ("Attempt to replace the
    existing tensor"). Readers of the same constant are a layer called twice, or two layers whose weights or zero points
    are equal and so written once. Lookups in a table are not rewritten: tied tables cost no copy.
    """
    names, seen = Names(model), set[str]()
    shared: list[tuple[_Way, list[str]]] = []
    for way in _ways(model, names):
        if common := [name for name in way.constants if name in seen]:
            shared.append((way, common))
        seen.update(way.constants)
    if not shared:
        return model
    copy = ModelProto()
    copy.CopyFrom(model)
    taken = {*names.constants, *names.producer, *names.types}
    before: dict[int, list[NodeProto]] = {}
    for way, common in shared:
        reader = copy.graph.node[way.reader]
        own: dict[str, str] = {}
        for name in (*common, *(node.output[0] for node in way.nodes)):
            own[name] = fresh(taken, f"{name}_of_{reader.output[0]}")
            taken.add(own[name])
        for name in common:
            tensor = copy.graph.initializer.add()
            tensor.CopyFrom(names.constants[name])
            tensor.name = own[name]
        for node in way.nodes:
            made = NodeProto()
            made.CopyFrom(node)
            made.name = f"{node.name}_of_{reader.output[0]}"
            made.input[:] = [own.get(name, name) for name in node.input]
            made.output[:] = [own[name] for name in node.output]
            before.setdefault(way.reader, []).append(made)
        reader.input[way.at] = own[reader.input[way.at]]
    nodes = [node for index, kept in enumerate(copy.graph.node) for node in (*before.get(index, ()), kept)]
    for name in (node.output[0] for way, _ in reversed(shared) for node in reversed(way.nodes)):
        # What nothing reads any more is rewritten as well, if it stays.
        if name not in names.outputs and not any(name in node.input for node in nodes):
            nodes = [node for node in nodes if name not in node.output]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _ways(model: ModelProto, names: Names) -> Iterator[_Way]:
    for index, node in enumerate(model.graph.node):
        if node.op_type in _LOOKUPS:
            continue
        # Integer operators read zero points themselves; others leave them to the DequantizeLinear before them.
        places = range(len(node.input)) if node.op_type in INTEGER_OPS else WEIGHT_INPUTS.get(node.op_type, ())
        for at in places:
            if at < len(node.input) and (way := _way(index, at, node.input[at], names)):
                yield way


def _way(reader: int, at: int, name: str, names: Names) -> _Way | None:
    nodes: list[NodeProto] = []
    while name not in names.constants:
        node = names.producer.get(name)
        if node is None or node.op_type not in _ON_THE_WAY:
            return None
        nodes.insert(0, node)
        name = node.input[0]
    if names.constants[name].data_type not in (TensorProto.INT8, TensorProto.UINT8):
        return None
    read = dict.fromkeys([name, *(i for node in nodes for i in node.input if i in names.constants)])
    return _Way(reader, at, tuple(nodes), tuple(read))
