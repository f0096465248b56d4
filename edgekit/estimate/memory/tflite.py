"""What LiteRT holds for a .tflite: its file mapped, its arena, and XNNPACK's buffers for what the delegate takes."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

from edgekit.estimate.memory.parts import Held
from edgekit.estimate.memory.plan import Life, arena_bytes
from edgekit.estimate.memory.xnnpack import Node, Value, Window, held_bytes, workspace_bytes
from edgekit.formats.tflite.flatbuffer import FileGraph, OpRecord, read_graph
from edgekit.formats.tflite.graph import op_kind, weight_of
from edgekit.formats.tflite.kinds import WEIGHTED
from edgekit.types.graph import OpGraph

__all__ = ["held_by_litert"]

_ALIGNMENT = 64  # kDefaultTensorAlignment
_VALID = 1  # Padding.VALID


def held_by_litert(artifact: Path, graph: OpGraph) -> Held:
    """Bytes that LiteRT holds for ``artifact``. Raises UsageError for a damaged file."""
    file = read_graph(artifact)
    runs = list(_partitions([op.delegated for op in graph.ops]))
    workspace = packed = tables = 0
    for ops in runs:
        values, nodes = _subgraph(file, [file.ops[i] for i in ops])
        workspace = max(workspace, workspace_bytes(values, nodes))  # one for all partitions
        weights, addresses = held_bytes(nodes)
        packed, tables = packed + weights, tables + addresses
    taken = {i for ops in runs for i in ops}
    return Held(arena=workspace + tables + _arena(file, runs, taken) + _border(file),
                weights=_mapped(artifact, file) + packed + _unpacked(file, taken), operators=len(file.ops))


def _partitions(delegated: list[bool]) -> Iterator[list[int]]:
    """Runs of operators that the delegate takes one after the other."""
    run: list[int] = []
    for index, taken in enumerate([*delegated, False]):
        if taken:
            run.append(index)
        elif run:
            yield run
            run = []


def _subgraph(file: FileGraph, ops: list[OpRecord]) -> tuple[dict[int, Value], list[Node]]:
    """XNNPACK's subgraph of a partition: what only its operators read and write is its own."""
    inside = {op.index for op in ops}
    made = {t for op in ops for t in op.outputs}
    outside = set(file.outputs) | {t for op in file.ops if op.index not in inside for t in op.inputs}
    values = {t: Value(_bytes(file, t), external=t not in made or t in outside, constant=file.tensors[t].constant)
              for op in ops for t in (*op.inputs, *op.outputs) if t >= 0}
    return values, [_node(file, op) for op in ops]


def _node(file: FileGraph, op: OpRecord) -> Node:
    kind, stored = op_kind(file, op), weight_of(file, op)
    if kind == "depthwise_conv" and file.tensors[op.inputs[0]].sizes()[-1] != file.tensors[op.outputs[0]].sizes()[-1]:
        kind = "conv"  # several filters a channel: XNNPACK runs it as one in groups
    inputs = tuple(t for t in op.inputs if t >= 0)
    weight: tuple[int, ...] | None = None
    bits, batch, dynamic = 32, 1, False
    if kind == "matmul" or (kind == "linear" and stored is None):
        right = file.tensors[op.inputs[1]]
        *many, rows, columns = right.sizes() if len(right.shape) > 1 else (1, *right.sizes())
        turned = getattr(op.options, "adjY", False) or kind == "linear"
        weight, batch = ((rows, columns) if turned else (columns, rows)), prod(many)
        bits, dynamic = _bits(right.dtype), not right.constant
    elif stored is not None and kind != "embedding":
        record = file.tensors[stored]
        sizes = record.sizes()
        weight = (sizes[-1], prod(sizes[1:-1])) if op.name == "DEPTHWISE_CONV_2D" else sizes
        float_weight = record.dtype == "float16"  # unpacked to float32, and packed from there
        bits = 32 if float_weight else _bits(record.dtype)
    return Node(kind, inputs, op.outputs, weight, bits, _window(file, op, kind), batch, dynamic)


def _window(file: FileGraph, op: OpRecord, kind: str) -> Window | None:
    if kind not in ("conv", "depthwise_conv", "conv_transpose", "max_pool", "avg_pool") or len(
            result := file.tensors[op.outputs[0]].sizes()) != 4:
        return None
    if kind in ("max_pool", "avg_pool"):
        kernel = (op.options.filterHeight, op.options.filterWidth)
    else:
        _, height, width, _ = file.tensors[op.inputs[WEIGHTED[op.name].weight]].sizes()
        kernel = (height, width)
    stride = (op.options.strideH, op.options.strideW)
    return Window(kernel, stride, (result[1], result[2]), padded=op.options.padding != _VALID and kernel != (1, 1))


def _arena(file: FileGraph, runs: list[list[int]], taken: set[int]) -> int:
    """The arena of what is not inside the delegate, with values that cross a partition's border.

    The model's own inputs and outputs have places in it that nobody touches: LiteRT gives them buffers of their own.
    """
    step = {i: runs_at for runs_at in runs for i in runs_at}
    at = {op.index: step[op.index][0] if op.index in step else op.index for op in file.ops}
    first = dict.fromkeys(file.inputs, 0)
    last = dict.fromkeys((*file.inputs, *file.outputs), len(file.ops))
    crosses: set[int] = set()
    border = {*file.inputs, *file.outputs}
    for op in file.ops:
        for t in op.outputs:
            first.setdefault(t, at[op.index])
        for t in op.inputs:
            if t >= 0 and not file.tensors[t].constant:
                last[t] = max(last.get(t, 0), at[op.index])
                if op.index not in taken or first.get(t) != at[op.index]:
                    crosses.add(t)
        if op.index not in taken:
            crosses.update(op.outputs)
    return arena_bytes((Life(_bytes(file, t), first[t], last.get(t, first[t])) for t in crosses - border if t in first),
                       _ALIGNMENT)


def _border(file: FileGraph) -> int:
    """LiteRT's tensor buffers of inputs and outputs, and the inputs as the app has them."""
    return sum(_bytes(file, t) for t in (*file.inputs, *file.outputs, *file.inputs))


def _mapped(artifact: Path, file: FileGraph) -> int:
    """Pages of the file that are read: all but tables from which rows are looked up."""
    tables = {t for op in file.ops if op_kind(file, op) == "embedding" and (t := weight_of(file, op)) is not None}
    return artifact.stat().st_size - sum(file.tensors[t].bytes for t in tables)


def _unpacked(file: FileGraph, taken: set[int]) -> int:
    """Constants in float16 that the delegate unpacks to float32 and keeps."""
    return sum(_bytes(file, op.outputs[0]) for op in file.ops
               if op.name == "DEQUANTIZE" and op.index in taken and file.tensors[op.inputs[0]].constant)


def _bytes(file: FileGraph, tensor: int) -> int:
    record = file.tensors[tensor]
    return prod(record.sizes()) * _bits(record.dtype) // 8


def _bits(dtype: str) -> int:
    return 8 if dtype == "bool" else int("".join(c for c in dtype if c.isdigit()) or 32)
