"""What ONNX Runtime holds for an .onnx: its constants, packed copies of matrices, and its arena.

While loading it holds the constants and the packed copies side by side; then it gives back what is packed. The first
run takes each value from the arena when it is made; later ones take one block, laid out by the lifetimes of the first.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgekit.estimate.memory.bfc import Arena, Chunk
from edgekit.estimate.memory.ort_scratch import bytes_of, scratch_of, unpacked_in_runs
from edgekit.estimate.memory.parts import Held
from edgekit.estimate.memory.plan import Life, pattern_bytes
from edgekit.formats.onnx.files import load_model
from edgekit.types.graph import Constant, Op, OpGraph

__all__ = ["held_by_ort"]

# Kernels that may write into an operand's place, and those that always do (``MayInplace``, ``Alias`` of ORT's kernels).
_ALIAS = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
_IN_PLACE = frozenset({
    "Abs", "Add", "Cast", "Ceil", "Clip", "Div", "Dropout", "Elu", "Erf", "Exp", "Floor", "HardSigmoid", "HardSwish",
    "LeakyRelu", "Log", "Mul", "Neg", "Pow", "Relu", "Sigmoid", "Softmax", "Sqrt", "Sub", "Tanh", "FusedConv"})
# Operators that pack their matrix (``PrePack``): the columns are padded to MLAS's tile.
_PACKS = frozenset({
    "MatMul", "Gemm", "FusedMatMul", "FusedGemm", "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger",
    "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "GRU", "LSTM", "QAttention", "Attention"})
_COLUMNS = 16
_ALIGNMENT = 64
_MAPPED = 4 * 2**20  # the file is read in pieces of this size; once one is freed, only what is larger is mapped
_MAPPED_FIRST = 128 * 2**10  # before that (M_MMAP_THRESHOLD)


def held_by_ort(artifact: Path, graph: OpGraph) -> Held:
    """Bytes that ONNX Runtime holds for ``artifact``, whose graph it optimised. Raises UsageError for a damaged file.

    Its operators are those of the file: what optimising leaves over of them stays in the heap.
    """
    operators = len(load_model(artifact).graph.node)
    constants = {c.name: c for op in graph.ops for c in op.constants}
    packed = {c.name: _packed(c) for op in graph.ops if op.name in _PACKS for c in op.constants
              if c.role == "weight" and len(c.shape) > 1 and not unpacked_in_runs(op, c)}
    stored = sum(c.bytes for c in constants.values())
    replaced = {name: constants[name].bytes for name in packed}
    # An aligned copy needs more room than what it replaces: freed places of the heap stay as they are. Only the largest
    # is given back, because the C library maps nothing smaller than what it has unmapped before.
    largest = max((size for size in replaced.values() if size >= _MAPPED), default=0)
    holes = sum(replaced.values()) - largest
    kept = stored + sum(packed.values()) - sum(replaced.values()) + holes
    loading = max(stored + min(stored, _MAPPED), kept + largest)
    read = min(max(artifact.stat().st_size, _MAPPED_FIRST), _MAPPED)
    given, arena = sum(spec.bytes for spec in graph.inputs), _arena_bytes(graph, read)
    if loading > kept + arena:
        return Held(arena=given, weights=loading, operators=operators)
    return Held(arena=arena + given, weights=kept, operators=operators)


def _packed(weight: Constant) -> int:
    """Bytes of the copy that MLAS packs: columns of a tile of sixteen, in int8 with their sums."""
    columns = weight.shape[{2: 1, 3: 1}.get(len(weight.shape), 0)]  # matrices, those of recurrent layers, filters
    padded = -(-columns // _COLUMNS) * _COLUMNS
    sums = 4 * padded if weight.dtype in ("int8", "uint8") else 0
    return weight.bytes * padded // max(columns, 1) + sums


def _arena_bytes(graph: OpGraph, mapped_bytes: int) -> int:
    """Of the arena, what loading, the first run and the later ones use."""
    homes, first, last = _buffers(graph)
    sizes = {v: max(bytes_of(graph, w) for w, home in homes.items() if home == v) for v in set(homes.values())}
    results = {homes.get(spec.name) for spec in graph.outputs}
    scratch = [scratch_of(graph, op) for op in graph.ops]
    arena, places = Arena(mapped_bytes), dict[str, Chunk]()
    for size in filter(None, (_turned(graph, op) for op in graph.ops if op.name == "QGemm")):
        arena.give(arena.take(size))
    for n, own in enumerate(scratch):
        for v in sizes:
            if first[v] == n:
                places[v] = arena.take(sizes[v])
        for chunk in [arena.take(size) for size in own]:
            arena.give(chunk)
        for v in sizes:
            if last[v] == n and v not in results:
                arena.give(places.pop(v))
    for chunk in places.values():
        arena.give(chunk)
    lives = [Life(sizes[v], first[v], last[v]) for v in sizes if v not in results]
    block = [arena.take(pattern_bytes(lives, _ALIGNMENT))] if lives else []
    kept = [arena.take(sizes[v]) for v in sizes if v in results]
    for own in scratch:
        for chunk in [arena.take(size) for size in own]:
            arena.give(chunk)
    for chunk in (*block, *kept):
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
                home = next((homes[i] for i in op.inputs
                             if i in homes and _takes(graph, op, i, v, left, results)), None)
                if home is None:
                    home = next((u for u in unused if bytes_of(graph, u) == bytes_of(graph, v)), None)
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
            and bytes_of(graph, operand) == bytes_of(graph, result))


def _turned(graph: OpGraph, op: Op) -> int:
    """Bytes of an int8 matrix [out, in], which is turned before it is packed; 0 where it lies as it is multiplied."""
    return sum(c.bytes for c in op.constants if c.role == "weight" and len(c.shape) == 2
               and graph.tensors[op.outputs[0]].shape[-1:] == c.shape[:1])
