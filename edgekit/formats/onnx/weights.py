"""Weight-only and dynamic quantisation: stored weights become int8 or int4, activations stay float in the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgekit.formats.onnx.kinds import kind_of
from edgekit.formats.onnx.names import Names, attribute, fresh
from edgekit.formats.onnx.tidy import drop_unused, gemm_to_matmul

__all__ = ["quantize_dynamic", "quantize_embeddings", "quantize_recurrent", "quantize_weights"]

BLOCK = 32
_MICROSOFT = "com.microsoft"
_LIMIT = {8: 127, 4: 7}


class _Rewriter:
    """Collects a new node list and new constants for ``model``, then puts them in."""

    def __init__(self, model: ModelProto) -> None:
        self.model, self.names = model, Names(model)
        self.nodes: list[NodeProto] = []
        self._made: dict[tuple[str, ...], str] = {}

    def constant(self, name: str, array: np.ndarray) -> str:
        name = fresh(self.names.constants, name)
        tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
        self.names.constants[name] = tensor
        self.model.graph.initializer.append(tensor)
        return name

    def once(self, key: tuple[str, ...], make: Callable[[], str]) -> str:
        """The name that ``make()`` gave for ``key``, made at the first call."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        made = helper.make_node(op, inputs, [output], name=f"{output}_{op}", **attributes)
        self.nodes.append(made)
        return output

    def dequantized(self, name: str, stored: np.ndarray, scale: np.ndarray, **attributes: Any) -> str:
        """Stores a weight behind a DequantizeLinear; returns the float tensor's name."""
        base = self.constant(name, stored)
        inputs = [base, self.constant(f"{base}_scale", scale)]
        if stored.dtype == np.int8:
            # On x86, ONNX Runtime 1.31 can turn int8 into uint8, and then wants a zero point for every scale.
            inputs.append(self.constant(f"{base}_zero", np.zeros(scale.shape, np.int8)))
        return self.node("DequantizeLinear", inputs, f"{base}_dequantized", **attributes)

    def finish(self) -> None:
        del self.model.graph.node[:]
        self.model.graph.node.extend(self.nodes)
        drop_unused(self.model)


def quantize_weights(model: ModelProto, bits: int, excluded: set[str], kinds: tuple[str, ...]) -> None:
    """Stores the weights of ``kinds`` as ``bits``-wide integers behind DequantizeLinear, in place.

    int8: symmetric, one scale an output channel. int4: symmetric, one scale a block of 32 along the input channels.
    ONNX Runtime merges the DequantizeLinear of a linear layer into a kernel that reads the integers (MatMulNBits).
    """
    gemm_to_matmul(model)
    work = _Rewriter(model)
    for node in model.graph.node:
        kind = kind_of(node, work.names.constant_shape)
        at = {"MatMul": 1, "Conv": 1, "ConvTranspose": 1}.get(node.op_type)
        weight = work.names.array(node.input[at]) if at is not None else None
        if at is not None and weight is not None and kind in kinds and node.name not in excluded \
                and weight.dtype == np.float32:
            name, inner = node.input[at], 0 if node.op_type == "MatMul" else 1
            grouped = attribute(node, "group", 1) != 1

            def dequantized(name: str = name, weight: np.ndarray = weight, node: NodeProto = node,
                            inner: int = inner, grouped: bool = grouped) -> str:
                axis = _channel_axis(node, weight, grouped)
                if bits == 4 and axis is not None and weight.shape[inner] > 1:
                    stored, scale, extra = *_in_blocks(weight, inner), {"axis": inner, "block_size": BLOCK}
                elif axis is None:
                    stored, scale, extra = *_symmetric(weight, tuple(range(weight.ndim)), bits), {}
                else:
                    stored, scale = _symmetric(weight, tuple(i for i in range(weight.ndim) if i != axis), bits)
                    extra = {"axis": axis}
                if "block_size" not in extra:
                    scale = scale.reshape(-1) if extra else scale.reshape(())
                return work.dequantized(f"{name}_int{bits}", stored, scale, **extra)

            node.input[at] = work.once((name, node.op_type), dequantized)
        work.nodes.append(node)
    work.finish()


def quantize_recurrent(model: ModelProto, excluded: set[str]) -> None:
    """Stores the weights of recurrent layers as int8 (one scale a gate's unit) in place; they compute in float.

    ONNX Runtime dequantises them at every run. Without this an "int8" recurrent net would be as large as the float one.
    """
    work = _Rewriter(model)
    for node in model.graph.node:
        if node.op_type in ("LSTM", "GRU", "RNN") and node.name not in excluded:
            for at in (1, 2):
                weight = work.names.array(node.input[at])
                if weight is None or weight.dtype != np.float32:
                    continue
                stored, scale = _symmetric(weight, (0, 2), 8)
                node.input[at] = work.dequantized(f"{node.input[at]}_int8", stored, scale.reshape(-1), axis=1)
        work.nodes.append(node)
    work.finish()


def quantize_dynamic(model: ModelProto, excluded: set[str]) -> None:
    """Linear layers and convolutions in int8 with activations quantised as they come, in place.

    Each input tensor gets its scale at run time (DynamicQuantizeLinear, uint8), weights are int8 per output channel.
    """
    gemm_to_matmul(model)
    work = _Rewriter(model)
    for node in model.graph.node:
        weight = work.names.array(node.input[1]) if node.op_type in ("MatMul", "Conv") else None
        if weight is None or weight.dtype != np.float32 or node.name in excluded or \
                (node.op_type == "MatMul" and weight.ndim != 2):
            work.nodes.append(node)
            continue
        x, name, out = node.input[0], node.input[1], node.output[0]
        conv = node.op_type == "Conv"

        def activation(x: str = x) -> str:
            made = helper.make_node("DynamicQuantizeLinear", [x], [f"{x}_u8", f"{x}_u8_scale", f"{x}_u8_zero"],
                                    name=f"{x}_DynamicQuantizeLinear")
            work.nodes.append(made)
            return f"{x}_u8"

        def stored(name: str = name, weight: np.ndarray = weight, conv: bool = conv) -> str:
            values, scale = _symmetric(weight, tuple(range(1, weight.ndim)) if conv else (0,), 8)
            shape = (1, -1, *[1] * (weight.ndim - 2)) if conv else (-1,)
            base = work.constant(f"{name}_int8", values)
            work.constant(f"{base}_scale", scale.reshape(shape))
            work.constant(f"{base}_zero", np.zeros(weight.shape[1], np.int8))
            return base

        u8, w8 = work.once((x,), activation), work.once((name, node.op_type), stored)
        kept = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        # Without a zero point of its own the weight's is zero; MatMulInteger fuses only with one a column.
        operands = [u8, w8, f"{u8}_zero"] if conv else [u8, w8, f"{u8}_zero", f"{w8}_zero"]
        total = work.node("ConvInteger" if conv else "MatMulInteger", operands, f"{out}_int32", **kept)
        total = work.node("Cast", [total], f"{out}_unscaled", to=TensorProto.FLOAT)
        scale = work.node("Mul", [f"{u8}_scale", f"{w8}_scale"], f"{out}_scale")
        biased = conv and len(node.input) > 2 and node.input[2]
        total = work.node("Mul", [total, scale], f"{out}_product" if biased else out)
        if biased:
            bias = work.names.array(node.input[2])
            assert bias is not None, "a convolution with a constant weight has a constant bias"
            work.node("Add", [total, work.constant(f"{out}_bias", bias.reshape(1, -1, *[1] * (weight.ndim - 2)))], out)
    work.finish()


def quantize_embeddings(model: ModelProto, bits: int, excluded: set[str]) -> None:
    """Embedding tables as int8 (one scale a row) or int4 (one a block of 32), in place.

    Only the rows asked for are dequantised: int8 as Gather, Cast and Mul; int4 as GatherBlockQuantized. A
    DequantizeLinear before the Gather would convert the whole table at every run.
    """
    work = _Rewriter(model)
    for node in model.graph.node:
        table = work.names.array(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.ndim != 2 or table.dtype != np.float32 or attribute(node, "axis", 0) != 0 or \
                node.name in excluded:
            work.nodes.append(node)
            continue
        name, ids, out = node.input[0], node.input[1], node.output[0]

        def stored(name: str = name, table: np.ndarray = table) -> str:
            values, scale = _in_blocks(table, 1) if bits == 4 else _symmetric(table, (1,), 8)
            base = work.constant(f"{name}_int{bits}", values)
            work.constant(f"{base}_scale", scale)
            return base

        base = work.once((name,), stored)
        if bits == 4:
            work.node("GatherBlockQuantized", [base, ids, f"{base}_scale"], out, domain=_MICROSOFT,
                      bits=4, block_size=BLOCK, gather_axis=0, quantize_axis=1)
            continue
        rows = work.node("Gather", [base, ids], f"{out}_int8", axis=0)
        rows = work.node("Cast", [rows], f"{out}_unscaled", to=TensorProto.FLOAT)
        scales = work.node("Gather", [f"{base}_scale", ids], f"{out}_scale", axis=0)
        work.node("Mul", [rows, scales], out)
    work.finish()
    if any(n.domain == _MICROSOFT for n in model.graph.node) and all(o.domain != _MICROSOFT
                                                                     for o in model.opset_import):
        model.opset_import.add(domain=_MICROSOFT, version=1)


def _channel_axis(node: NodeProto, weight: np.ndarray, grouped: bool) -> int | None:
    """The weight's output channel axis; None where it has no single one (grouped transposed convolution)."""
    if node.op_type == "ConvTranspose":
        return None if grouped else 1
    return weight.ndim - 1 if node.op_type == "MatMul" else 0


def _symmetric(weight: np.ndarray, over: tuple[int, ...], bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers and scales (dimensions of ``over`` kept as 1) of a symmetric grid that reaches the largest value."""
    limit = _LIMIT[bits]
    scale = np.maximum(np.abs(weight).max(axis=over, keepdims=True) / limit, np.finfo(np.float32).tiny)
    values = np.clip(np.rint(weight / scale), -limit, limit)
    return values.astype(np.int8 if bits == 8 else ml_dtypes.int4), scale.astype(np.float32)


def _in_blocks(weight: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int4 values, and a scale for each ``BLOCK`` of them along ``axis`` (the last block may be short).

    Scales may be negative: the largest value of a block, whatever its sign, falls on -8, the longer end of the grid.
    """
    length = weight.shape[axis]
    blocks = -(-length // BLOCK)
    pad = [(0, blocks * BLOCK - length if i == axis else 0) for i in range(weight.ndim)]
    split = np.pad(weight, pad).reshape(*weight.shape[:axis], blocks, BLOCK, *weight.shape[axis + 1:])
    extreme = np.take_along_axis(split, np.abs(split).argmax(axis=axis + 1, keepdims=True), axis=axis + 1)
    scale = -extreme / (_LIMIT[4] + 1)
    scale = np.where(np.abs(scale) < np.finfo(np.float32).tiny, np.float32(1), scale).astype(np.float32)
    values = np.clip(np.rint(split / scale), -_LIMIT[4] - 1, _LIMIT[4])
    values = values.reshape(*weight.shape[:axis], blocks * BLOCK, *weight.shape[axis + 1:])
    values = np.take(values, np.arange(length), axis=axis)
    return values.astype(ml_dtypes.int4), np.squeeze(scale, axis + 1)
