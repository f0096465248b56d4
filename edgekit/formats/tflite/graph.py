"""The OpGraph of a .tflite, from its bytes and from what the runtime's delegate took."""

from __future__ import annotations

import math
from pathlib import Path

from edgekit.formats.tflite.delegate import delegated_ops
from edgekit.formats.tflite.flatbuffer import FileGraph, OpRecord, read_graph
from edgekit.formats.tflite.kinds import WEIGHTED, kind_of
from edgekit.formats.tflite.naming import source_of
from edgekit.types.graph import Constant, Op, OpGraph

__all__ = ["macs", "op_graph", "op_kind", "weight_of"]


def op_graph(path: Path) -> OpGraph:
    """What LiteRT executes for the file, with XNNPACK's share. Raises UsageError for a damaged file."""
    graph = read_graph(path)
    taken = delegated_ops(path, graph)
    return OpGraph(
        format="tflite",
        ops=tuple(_op(graph, op, None if taken is None else op.index in taken) for op in graph.ops),
        tensors={t.name: t.spec() for t in graph.tensors},
        inputs=graph.input_specs(), outputs=graph.output_specs())


def op_kind(graph: FileGraph, op: OpRecord) -> str:
    """edgekit's kind of an operator: a GATHER from a constant matrix is an embedding."""
    lookup = op.name == "GATHER" and (t := weight_of(graph, op)) is not None and len(graph.tensors[t].shape) == 2
    return kind_of(op.name, table_lookup=lookup)


def weight_of(graph: FileGraph, op: OpRecord) -> int | None:
    """The constant tensor that holds the operator's weights, also behind a DEQUANTIZE; None where it has none."""
    places = WEIGHTED.get(op.name)
    if places is None or places.weight >= len(op.inputs):
        return None
    found = _constant(graph, op.inputs[places.weight])
    if found is None and op.name == "BATCH_MATMUL":
        found = _constant(graph, op.inputs[places.activation])
    return found


def macs(graph: FileGraph, op: OpRecord) -> int:
    """Multiply-accumulates of one run with a batch of 1 where the batch is open."""
    places = WEIGHTED.get(op.name)
    if places is None or op.name in ("EMBEDDING_LOOKUP", "GATHER"):
        return 0
    out = _elements(graph, op.outputs[0])
    weight = graph.tensors[op.inputs[places.weight]].sizes()
    if op.name == "TRANSPOSE_CONV":  # every input element meets every tap of every output channel
        return _elements(graph, op.inputs[places.activation]) * math.prod(weight[:-1])
    if op.name == "DEPTHWISE_CONV_2D":
        return out * weight[1] * weight[2]
    if op.name == "BATCH_MATMUL":
        left = graph.tensors[op.inputs[0]].sizes()
        return out * (left[-2] if getattr(op.options, "adjX", False) else left[-1])
    if op.name == "CONV_3D":  # weights [depth, height, width, in, out]
        return out * math.prod(weight[:-1])
    return out * math.prod(weight[1:])  # CONV_2D [out, h, w, in / groups], FULLY_CONNECTED [out, in]


def _elements(graph: FileGraph, tensor: int) -> int:
    """Of a computed value, for a batch of 1 where the batch is open."""
    record = graph.tensors[tensor]
    return math.prod(record.sizes()) // (1 if "batch" in record.shape else graph.facts.get("traced_batch", 1))


def _op(graph: FileGraph, op: OpRecord, delegated: bool | None) -> Op:
    names = [graph.tensors[t].name for t in op.inputs if t >= 0]
    outputs = tuple(graph.tensors[t].name for t in op.outputs)
    dtype = _compute_dtype(graph, op)
    reason = None
    if delegated is None:
        reason = "this LiteRT does not tell which operators its delegate took"
    elif not delegated:
        types = ", ".join(dict.fromkeys(graph.tensors[t].dtype for t in op.inputs if t >= 0)) or "nothing"
        reason = f"XNNPACK did not take {op.name} on {types}: LiteRT's built-in kernel runs it"
    return Op(
        index=op.index, kind=op_kind(graph, op), name=op.name, inputs=tuple(names), outputs=outputs, dtype=dtype,
        macs=macs(graph, op), constants=_constants(graph, op),
        source=next((s for s in map(source_of, outputs) if s), None),
        processor="xnnpack" if delegated else "builtin", delegated=bool(delegated), reason=reason)


def _compute_dtype(graph: FileGraph, op: OpRecord) -> str:
    places = WEIGHTED.get(op.name)
    if op.name in ("EMBEDDING_LOOKUP", "GATHER"):  # what it reads are its rows
        return graph.tensors[op.inputs[places.weight if places else 0]].dtype
    position = places.activation if places else 0
    return graph.tensors[op.inputs[position] if op.inputs else op.outputs[0]].dtype


def _constants(graph: FileGraph, op: OpRecord) -> tuple[Constant, ...]:
    if op.name == "DEQUANTIZE":
        return ()  # a constant that it unpacks is listed with the operator that computes with it
    places = WEIGHTED.get(op.name)
    weight, found = weight_of(graph, op), []
    for position, index in enumerate(op.inputs):
        stored = _constant(graph, index)
        if stored is None:
            continue
        tensor = graph.tensors[stored]
        role = "weight" if stored == weight else "bias" if places and position == places.bias else "other"
        found.append(Constant(name=graph.stores[tensor.buffer], shape=tensor.sizes(), dtype=tensor.dtype,
                              bytes=tensor.bytes, role=role))
    return tuple(found)


def _constant(graph: FileGraph, index: int) -> int | None:
    """The constant that a tensor is, or is unpacked from."""
    if index < 0:
        return None
    if graph.tensors[index].constant:
        return index
    maker = graph.makers.get(index)
    if maker is not None and maker.name == "DEQUANTIZE" and graph.tensors[maker.inputs[0]].constant:
        return maker.inputs[0]
    return None
