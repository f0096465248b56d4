"""What ONNX Runtime holds for an .onnx: its constants, packed copies of matrices, and its arena.

While loading it holds the constants and the packed copies side by side; then it gives back what is packed. The first
run takes each value from the arena when it is made; later ones take one block, laid out by the lifetimes of the first.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from edgekit.estimate.memory.bfc import Arena, Chunk
from edgekit.estimate.memory.parts import Held
from edgekit.estimate.memory.plan import Life, arena_bytes
from edgekit.types.graph import Op, OpGraph

__all__ = ["held_by_ort"]

# Kernels that may write into an operand's place, and those that always do (``MayInplace``, ``Alias`` of ORT's kernels).
_ALIAS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
_IN_PLACE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Clip", "Div", "Dropout", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mul", "Neg", "Pow", "Relu", "Sigmoid", "Softmax", "Sqrt", "Sub", "Tanh", "FusedConv"})
# Operators that pack their matrix (``PrePack``): the columns are padded to MLAS's tile.
_PACKS = frozenset({"MatMul", "Gemm", "FusedMatMul", "FusedGemm", "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger",
                    "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "GRU", "LSTM", "QAttention", "Attention"})
_COLUMNS = 16
_ALIGNMENT = 64
_POINTER = 8


def held_by_ort(graph: OpGraph) -> Held:
    """Bytes that ONNX Runtime holds for the artifact whose graph it optimised."""
    constants = {c.name: c.bytes for op in graph.ops for c in op.constants}
    packed = {c.name: _packed(c.shape, c.bytes) for op in graph.ops if op.name in _PACKS
              for c in op.constants if c.role == "weight" and len(c.shape) > 1}
    stored = sum(constants.values())
    loading = stored + sum(packed.values())
    kept = stored + sum(size - constants[name] for name, size in packed.items())
    given = sum(spec.bytes for spec in graph.inputs)
    arena = _arena_bytes(graph)
    if loading > kept + arena:
        return Held(arena=given, weights=loading, operators=len(graph.ops))
    return Held(arena=arena + given, weights=kept, operators=len(graph.ops))


def _packed(shape: tuple[int, ...], size: int) -> int:
    columns = max(shape[0] if len(shape) > 2 else min(shape), 1)
    return size * (-(-columns // _COLUMNS) * _COLUMNS) // columns


def _arena_bytes(graph: OpGraph) -> int:
    """Of the arena, what the first run and the later ones use."""
    homes, first, last = _buffers(graph)
    sizes = {v: max(_bytes(graph, w) for w, home in homes.items() if home == v) for v in set(homes.values())}
    results = {homes.get(spec.name) for spec in graph.outputs}
    arena, places = Arena(), dict[str, Chunk]()
    for n, op in enumerate(graph.ops):
        for v in sizes:
            if first[v] == n:
                places[v] = arena.take(sizes[v])
        for size in (scratch := _scratch(graph, op)):
            places[f" {size}"] = arena.take(size)
        for size in scratch:
            arena.give(places.pop(f" {size}"))
        for v in sizes:
            if last[v] == n and v not in results:
                arena.give(places.pop(v))
    for chunk in places.values():
        arena.give(chunk)
    block = arena.take(arena_bytes((Life(sizes[v], first[v], last[v]) for v in sizes if v not in results), _ALIGNMENT))
    kept = [arena.take(sizes[v]) for v in sizes if v in results]
    for op in graph.ops:
        for chunk in [arena.take(size) for size in _scratch(graph, op)]:
            arena.give(chunk)
    for chunk in (block, *kept):
        arena.give(chunk)
    return arena.touched_bytes


def _buffers(graph: OpGraph) -> tuple[dict[str, str], dict[str, int], dict[str, int]]:
    """value -> the value whose buffer it takes; when each buffer is first and last used (``allocation_planner.cc``)."""
    readers = Counter(v for op in graph.ops for v in set(op.inputs))
    last_read = {v: n for n, op in enumerate(graph.ops) for v in op.inputs}
    borders = {spec.name for spec in graph.inputs}
    results = {spec.name for spec in graph.outputs}
    homes: dict[str, str] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    unused: list[str] = []
    left = Counter(readers)
    for n, op in enumerate(graph.ops):
        for v in op.outputs:
            home = None
            if v not in results:
                home = next((homes[i] for i in op.inputs if i in homes and _takes(graph, op, i, v, left, results)), None)
                if home is None:
                    home = next((u for u in unused if _bytes(graph, u) == _bytes(graph, v)), None)
                    if home is not None:
                        unused.remove(home)
            homes[v] = home or v
            first.setdefault(homes[v], n)
            last[homes[v]] = max(n, last_read.get(v, n), last.get(homes[v], 0))
        left.subtract(set(op.inputs))
        ended = {homes[v] for v in (*op.inputs, *op.outputs) if v in homes and v not in borders
                 and last[homes[v]] <= n}
        unused[:0] = sorted(ended - set(unused) - results)
    return homes, first, last


def _takes(graph: OpGraph, op: Op, operand: str, result: str, left: Counter[str], results: set[str]) -> bool:
    if op.name in _ALIAS:
        return operand == op.inputs[0]
    return (op.name in _IN_PLACE and left[operand] == 1 and operand not in results
            and _bytes(graph, operand) == _bytes(graph, result))


def _scratch(graph: OpGraph, op: Op) -> list[int]:
    """Bytes that the kernel takes from the arena for itself: an int8 convolution's windows, or their addresses."""
    if op.name != "QLinearConv" or not op.outputs or not (weight := next((c for c in op.constants if c.role == "weight"), None)):
        return []
    out, kernel = graph.tensors[op.outputs[0]], prod(weight.shape[2:])
    if kernel == 1:
        return []
    pixels = out.bytes // max(weight.shape[0], 1)
    return [_POINTER * kernel * pixels] if op.kind == "depthwise_conv" else [kernel * weight.shape[1] * pixels]


def _bytes(graph: OpGraph, name: str) -> int:
    return graph.tensors[name].bytes if name in graph.tensors else 0
