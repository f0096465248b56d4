"""What XNNPACK holds for a subgraph: the workspace of its values, packed weights, and tables of input addresses.

Sizes are those of its kernels for 64-bit Arm; source: XNNPACK's ``memory-planner.c``, ``runtime.c``, ``packing.cc``,
``indirection.c`` and ``operators/``, and what it was seen to ask of the allocator under emulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from edgekit.estimate.memory.plan import Life, arena_bytes

__all__ = ["Node", "Value", "Window", "held_bytes", "indirection_bytes", "packed_bytes", "workspace_bytes"]

_EXTRA = 16  # bytes that kernels may read beyond a value
_POINTER = 8
_TILE_ROWS, _TILE_COLUMNS = 4, 8  # of matrix kernels: rows of one step, channels that are packed side by side
_ALIGNMENT = 16


@dataclass(frozen=True)
class Value:
    """A tensor of the subgraph; ``bytes`` of its data. External ones lie elsewhere, constants in the file."""

    bytes: int
    external: bool = False
    constant: bool = False


@dataclass(frozen=True)
class Window:
    """What slides over an image: kernel, stride and results, each height and width."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    result: tuple[int, int]
    padded: bool = False


@dataclass(frozen=True)
class Node:
    """An operator. ``kind`` is edgekit's; ``inputs`` and ``outputs`` are ids of values.

    ``weight`` is its shape with the output channels first ([out, taps, in], depthwise [channels, taps]) where the
    operator packs one; ``weight_bits`` its width; ``batch`` how many such matrices it has; ``dynamic`` that its weight
    is computed, and packed into the workspace in each run.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    weight: tuple[int, ...] | None = None
    weight_bits: int = 32
    window: Window | None = None
    batch: int = 1
    dynamic: bool = False


# Their result takes the place of an operand that nobody else needs (``runtime.c``).
_IN_PLACE = frozenset({
    "abs", "add", "batch_norm", "clamp", "cos", "div", "elu", "exp", "gelu", "hard_swish", "leaky_relu", "log",
    "minmax", "mul", "neg", "pow", "prelu", "relu", "reshape", "rsqrt", "sigmoid", "sin", "sqrt", "sub", "tanh"})

_UNARY = frozenset({"elu", "gelu", "hard_swish", "leaky_relu", "sigmoid", "tanh"})


def packed_bytes(node: Node) -> int:
    """Bytes of the operator's packed weights: padded to the kernel's tile, with the bias, in int8 with scales."""
    if node.weight is None or node.dynamic:
        return 0
    return _packed(node)


def _packed(node: Node) -> int:
    assert node.weight is not None
    channels, *taps = node.weight
    columns = -(-channels // _TILE_COLUMNS) * _TILE_COLUMNS
    beside = 4 if node.weight_bits == 32 else 2 if node.weight_bits == 16 else 8  # the bias; int8: and the scale
    return node.batch * columns * (prod(taps) * node.weight_bits // 8 + beside)


def indirection_bytes(node: Node) -> int:
    """Bytes of the table of input addresses that a convolution or a pooling reads its windows by."""
    if node.window is None:
        return 0
    (kh, kw), (sh, sw), (oh, ow) = node.window.kernel, node.window.stride, node.window.result
    if node.kind in ("depthwise_conv", "max_pool", "avg_pool"):
        return _POINTER * oh * (kh * kw + (ow - 1) * min(sw, kw) * kh)
    if node.kind == "conv_transpose":  # each result meets the taps of its own place within the stride
        return _POINTER * oh * ow * kh * kw // (sh * sw)
    if (kh, kw, sh, sw) == (1, 1, 1, 1) and not node.window.padded:
        return 0  # a plain product of matrices
    return _POINTER * kh * kw * -(-oh * ow // _TILE_ROWS) * _TILE_ROWS


def workspace_bytes(values: dict[int, Value], nodes: Sequence[Node]) -> int:
    """Bytes of the buffer for the values between the operators, and for weights that are packed while running."""
    nodes = _fused(values, nodes)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for n, node in enumerate(nodes):
        for v in (*node.inputs, *node.outputs):
            first.setdefault(v, n)
            last[v] = n
    readers = Counter(v for node in nodes for v in set(node.inputs))
    held = {v for v in first if not values[v].external and not values[v].constant}
    home = {v: v for v in held}  # the value whose place each takes
    for n, node in enumerate(nodes):
        if node.kind not in _IN_PLACE or len(node.outputs) != 1 or node.outputs[0] not in held:
            continue
        result = node.outputs[0]
        for v in node.inputs:
            if v in held and readers[v] == 1 and last[v] == n and values[v].bytes == values[result].bytes:
                home[result] = home[v]
                last[home[v]] = last[result]
                break
    lives = [Life(_rounded(values[v].bytes), first[v], last[v]) for v in held if home[v] == v]
    lives += [Life(_rounded(_packed(node)), n, n) for n, node in enumerate(nodes) if node.dynamic and node.weight]
    return arena_bytes(lives)


def _fused(values: dict[int, Value], nodes: Sequence[Node]) -> list[Node]:
    """As ``subgraph.c`` leaves them.

    A padding that only a convolution reads becomes that convolution's own, and an elementwise function between
    conversions from and to int8 becomes one of int8.
    """
    readers = Counter(v for node in nodes for v in node.inputs)
    maker = {v: node for node in nodes for v in node.outputs}
    user = {v: node for node in nodes for v in node.inputs if readers[v] == 1}
    inputs: dict[int, int] = {}  # the value that is read in place of one that is made no more
    dropped: set[int] = set()
    for node in nodes:
        after = user.get(node.outputs[0])
        if after is None or values[node.outputs[0]].external:
            continue
        if node.kind == "pad" and after.kind in ("conv", "depthwise_conv"):
            inputs[node.outputs[0]] = node.inputs[0]
            dropped.add(id(node))
        before = maker.get(node.inputs[0])
        if (node.kind in _UNARY and before is not None and before.kind == "dequantize" and after.kind == "quantize"
                and readers[node.inputs[0]] == 1):
            inputs |= {node.inputs[0]: before.inputs[0], node.outputs[0]: before.inputs[0]}
            dropped |= {id(before), id(node)}
    return [replace(node, inputs=tuple(inputs.get(v, v) for v in node.inputs)) for node in nodes
            if id(node) not in dropped]


def held_bytes(nodes: Sequence[Node]) -> tuple[int, int]:
    """Bytes of packed weights and of tables of addresses."""
    return sum(map(packed_bytes, nodes)), sum(map(indirection_bytes, nodes))


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT + _EXTRA
