"""Multiply-accumulates of one ONNX operator, from its weight and result shapes (symbolic dimensions count as 1)."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from onnx import NodeProto

from edgekit.formats.onnx.names import Names, attribute

__all__ = ["macs_of"]


def _size(shape: tuple[int | str, ...] | None) -> int:
    return prod(d if isinstance(d, int) else 1 for d in shape) if shape is not None else 0


def _length(shape: tuple[int | str, ...] | None, axis: int) -> int:
    if not shape or len(shape) < -axis:
        return 0
    return d if isinstance(d := shape[axis], int) else 1


def _shape(names: Names, name: str) -> tuple[int | str, ...] | None:
    return names.constant_shape(name) or names.shape(name)


def _conv(weight: int) -> Callable[[NodeProto, Names], int]:
    """Each result takes one filter's worth of products; ``weight`` is the filter's input position."""
    def count(node: NodeProto, names: Names) -> int:
        return names.elements(node.output[0]) * _size((_shape(names, node.input[weight]) or (0,))[1:])

    return count


def _conv_transpose(node: NodeProto, names: Names) -> int:
    return names.elements(node.input[0]) * _size((_shape(names, node.input[1]) or (0,))[1:])


def _matmul(right: int) -> Callable[[NodeProto, Names], int]:
    """Left operand's size times the result's width: its last dimension, or that of the right operand's columns."""
    def count(node: NodeProto, names: Names) -> int:
        columns = _length(_shape(names, node.input[right]), -2 if attribute(node, "transB", 0) else -1)
        return names.elements(node.input[0]) * (_length(names.shape(node.output[0]), -1) or columns)

    return count


def _n_bits(node: NodeProto, names: Names) -> int:
    return names.elements(node.input[0]) * int(attribute(node, "N", 0))


def _recurrent(node: NodeProto, names: Names) -> int:
    """Each time step multiplies the input and the state by their weights."""
    steps = _size((names.shape(node.input[0]) or (0,))[:2])
    return steps * sum(_size(_shape(names, node.input[i])) for i in (1, 2))


def _einsum(node: NodeProto, names: Names) -> int:
    """Product of the sizes of all indices in the equation; 0 for a single operand, which is only summed or turned."""
    terms, _, result = attribute(node, "equation", b"").decode().replace(" ", "").partition("->")
    if len(node.input) < 2:
        return 0
    sizes: dict[str, int] = {}
    # The result tells what an operand of unknown shape does not.
    for term, name in zip((*terms.split(","), result), (*node.input, node.output[0]), strict=False):
        shape = _shape(names, name)
        before, dots, after = term.partition("...")
        if shape is None or len(shape) < len(before) + len(after):
            continue
        tail = len(shape) - len(after)
        # Axes of an ellipsis are aligned at the right, as in any broadcast.
        between = [f"...{tail - i}" for i in range(len(before), tail)] if dots else []
        for index, size in zip((*before, *between, *after), shape, strict=False):
            sizes[index] = max(sizes.get(index, 1), size if isinstance(size, int) else 1)
    indices = set(terms.replace("...", "").replace(",", ""))
    return prod(sizes.values()) if indices <= sizes.keys() else 0


_RULES: dict[str, Callable[[NodeProto, Names], int]] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "ConvInteger"), _conv(1)),
    "QLinearConv": _conv(3),
    "ConvTranspose": _conv_transpose,
    **dict.fromkeys(("MatMul", "Gemm", "FusedMatMul", "FusedGemm", "FusedMatMulActivation", "MatMulInteger",
                     "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), _matmul(1)),
    **dict.fromkeys(("QLinearMatMul", "QGemm"), _matmul(3)),
    "MatMulNBits": _n_bits,
    "Einsum": _einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), _recurrent),
}


def macs_of(node: NodeProto, names: Names) -> int:
    """0 for operators that multiply nothing, or whose shapes are unknown."""
    rule = _RULES.get(node.op_type)
    return rule(node, names) if rule else 0
