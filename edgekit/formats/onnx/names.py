"""Looking things up in an ONNX graph by tensor name."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["Names", "attribute", "dtype_name", "fresh"]


_RESHAPES = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "QuantizeLinear", "DequantizeLinear")


class Names:
    """Producers, consumers, constants and element types of ``model``'s main graph; taken once, not kept up to date."""

    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self.constants: dict[str, TensorProto] = {t.name: t for t in graph.initializer}
        self.producer: dict[str, NodeProto] = {o: n for n in graph.node for o in n.output if o}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.consumers[name].append(node)
        self.outputs = {v.name for v in graph.output}
        self.types = {v.name: v.type.tensor_type for v in (*graph.input, *graph.value_info, *graph.output)}

    def shape(self, name: str) -> tuple[int | str, ...] | None:
        """Shape where known; symbolic dimensions as strings."""
        if name in self.constants:
            return tuple(self.constants[name].dims)
        kind = self.types.get(name)
        if kind is None or not kind.HasField("shape"):
            return None
        return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim)

    def elements(self, name: str) -> int:
        """Elements, symbolic dimensions counted as 1; 0 where unknown. Reshapes before and after it tell, too."""
        shape, forward, back = self.shape(name), name, name
        while shape is None and (after := next((n for n in self.consumers[forward] if _reshapes(n, forward)), None)):
            forward = after.output[0]
            shape = self.shape(forward)
        while shape is None and (before := self.producer.get(back)) is not None and _reshapes(before, before.input[0]):
            back = before.input[0]
            shape = self.shape(back)
        return math.prod(d if isinstance(d, int) else 1 for d in shape) if shape is not None else 0

    def is_float(self, name: str) -> bool:
        if name in self.constants:
            return self.constants[name].data_type == TensorProto.FLOAT
        return name in self.types and self.types[name].elem_type == TensorProto.FLOAT

    def array(self, name: str) -> np.ndarray | None:
        """The constant ``name`` as an array, or None."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def stored(self, name: str) -> str | None:
        """The stored constant behind ``name``: itself, or what a DequantizeLinear, Cast or Transpose makes it from."""
        while name not in self.constants:
            node = self.producer.get(name)
            if node is None or node.op_type not in ("DequantizeLinear", "Cast", "Transpose"):
                return None
            name = node.input[0]
        return name

    def constant_shape(self, name: str) -> tuple[int, ...] | None:
        """Shape of a constant, stored or dequantised, as its consumer sees it."""
        if name in self.constants:
            return tuple(self.constants[name].dims)
        stored = self.stored(name)
        if stored is None:
            return None
        shape = tuple(self.constants[stored].dims)
        node = self.producer[name]
        return tuple(shape[i] for i in attribute(node, "perm", range(len(shape))[::-1])) \
            if node.op_type == "Transpose" else shape


def _reshapes(node: NodeProto, name: str) -> bool:
    return node.op_type in _RESHAPES and node.input[0] == name


def attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    """Value of an attribute of ``node``, or ``default``."""
    found: AttributeProto | None = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def dtype_name(elem_type: int) -> str:
    """numpy's name of an ONNX element type (``int4`` and ``uint4`` as such)."""
    return TensorProto.DataType.Name(elem_type).lower() \
        if elem_type in (TensorProto.INT4, TensorProto.UINT4, TensorProto.BFLOAT16) \
        else np.dtype(helper.tensor_dtype_to_np_dtype(elem_type)).name


def fresh(taken: Iterable[str], name: str) -> str:
    """``name``, or with a number behind it where that is taken."""
    used, number, candidate = set(taken), 0, name
    while candidate in used:
        number += 1
        candidate = f"{name}_{number}"
    return candidate
