"""What ExecuTorch holds for a .pte: its planned buffers, and what XNNPACK keeps for every delegate.

A delegate's constants are mapped when it is loaded, packed, and given back: the peak is then, or while running.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from edgekit.estimate.memory.parts import Held
from edgekit.estimate.memory.xnnpack import Node, Value, Window, held_bytes, workspace_bytes
from edgekit.formats.executorch.kinds import kind_of_xnn
from edgekit.formats.executorch.pte import open_pte
from edgekit.formats.executorch.xnn import INPUTS, OUTPUTS, dtype_of, present
from edgekit.types.graph import OpGraph

__all__ = ["held_by_executorch", "planned_bytes"]

_PAGE = 4096
_BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "uint8": 8, "int4": 4, "int32": 32, "int64": 64}


def planned_bytes(artifact: Path) -> int:
    """Bytes of the buffers that the exporter planned for ``forward``. Raises UsageError for a damaged file."""
    return sum(open_pte(artifact).plan.non_const_buffer_sizes)


def held_by_executorch(artifact: Path, graph: OpGraph) -> Held:
    """Bytes that ExecuTorch holds for ``artifact``. Raises UsageError for a damaged file."""
    contents = open_pte(artifact)
    planned = sum(contents.plan.non_const_buffer_sizes) + sum(spec.bytes for spec in graph.inputs)
    packed = tables = workspace = 0
    loading: list[int] = []  # weights at each delegate's loading: what is packed so far, and its own constants
    for xnn in contents.delegates.values():
        values, nodes = _subgraph(xnn)
        weights, addresses = held_bytes(nodes)
        packed, tables = packed + weights, tables + addresses
        workspace = max(workspace, workspace_bytes(values, nodes))
        loading.append(packed + sum(_mapped(c["size"]) for c in xnn["constant_data"] if c["named_key"]))
    program = sum(len(buffer.storage) for buffer in contents.program.constant_buffer)
    lookups = {c.name: c.bytes for op in graph.ops if op.kind == "embedding" for c in op.constants}
    kept = max(program - sum(lookups.values()), 0)
    running = planned + workspace + tables + packed
    if (most := max(loading, default=0)) + planned > running:
        return Held(arena=planned, weights=most + kept, operators=len(graph.ops))
    return Held(arena=running - packed, weights=packed + kept, operators=len(graph.ops))


def _mapped(size: int) -> int:
    """Bytes of the pages that a constant lies on, wherever it begins."""
    return size // _PAGE * _PAGE + _PAGE


def _subgraph(xnn: dict[str, Any]) -> tuple[dict[int, Value], list[Node]]:
    tensors = {}
    for value in xnn["xvalues"]:
        union = value["xvalue_union"]
        tensor = union.get("tensor_value", union)
        tensors[tensor["id_out"]] = tensor
    values = {i: Value(prod(t["dims"]) * _bits(t) // 8, external=t["external_id"] < xnn["num_externs"],
                       constant=bool(t["constant_buffer_idx"])) for i, t in tensors.items()}
    return values, [_node(node, tensors) for node in xnn["xnodes"]]


def _bits(tensor: dict[str, Any]) -> int:
    return _BITS[dtype_of(tensor)]


def _node(node: dict[str, Any], tensors: dict[int, dict[str, Any]]) -> Node:
    name, fields = node["xnode_union_type"], node["xnode_union"]
    kind = kind_of_xnn(name)
    if kind == "depthwise_conv" and fields["groups"] == 1:
        kind = "conv"  # several filters a channel: XNNPACK runs it as one in groups
    inputs = tuple(fields[k] for k in INPUTS if fields.get(k) in tensors and present(name, k))
    outputs = tuple(fields[k] for k in OUTPUTS if fields.get(k) in tensors)
    weight: tuple[int, ...] | None = None
    bits, batch, dynamic = 32, 1, False
    if (stored := fields.get("filter_id")) in tensors:
        tensor = tensors[stored]
        sizes = tuple(tensor["dims"])
        weight = (sizes[-1], prod(sizes[:-1])) if name == "XNNDepthwiseConv2d" else sizes
        bits, dynamic = _bits(tensor), not tensor["constant_buffer_idx"]
    elif kind == "matmul":
        tensor = tensors[fields["input2_id"]]
        *many, rows, columns = tensor["dims"]
        weight, batch = (columns, rows), prod(many)
        bits, dynamic = _bits(tensor), not tensor["constant_buffer_idx"]
    if kind == "cast":
        kind = "quantize" if _bits(tensors[outputs[0]]) == 8 else "dequantize"
    return Node(kind, inputs, outputs, weight, bits, _window(kind, fields, outputs, tensors), batch, dynamic)


def _window(kind: str, fields: dict[str, Any], outputs: tuple[int, ...],
            tensors: dict[int, dict[str, Any]]) -> Window | None:
    result = tuple(tensors[outputs[0]]["dims"]) if outputs else ()
    if len(result) != 4:
        return None
    padded = any(fields.get(f"padding_{side}") for side in ("top", "right", "bottom", "left"))
    if kind in ("conv", "depthwise_conv", "conv_transpose"):
        stride = (fields["subsampling_height"], fields["subsampling_width"])
        return Window((fields["kernel_height"], fields["kernel_width"]), stride, result[1:3], padded)
    if kind in ("max_pool", "avg_pool") and "pooling_height" in fields:
        return Window((fields["pooling_height"], fields["pooling_width"]),
                      (fields["stride_height"], fields["stride_width"]), result[1:3], padded)
    return None
