"""XNNPACK's graph inside a delegate blob as operators with shapes, dtypes, multiply-accumulates and constants."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from edgekit.formats.executorch.description import Description
from edgekit.formats.executorch.kinds import kind_of_xnn
from edgekit.types.graph import Constant, Op
from edgekit.types.tensor import QuantParams, TensorSpec

__all__ = ["INPUTS", "OUTPUTS", "Delegate", "dtype_of", "present"]

_NO_ID = 2**32 - 1
_DTYPES = {"fp32": "float32", "fp16": "float16", "qint8": "int8", "quint8": "uint8", "qint32": "int32",
           "qcint8": "int8", "qcint32": "int32", "qcint4": "int4", "qdint8": "int8", "qbint4": "int4",
           "qpint8": "int8", "int32": "int32", "pfp32": "float32", "bf16": "bfloat16"}
INPUTS = ("input_id", "input1_id", "input2_id", "input3_id", "input4_id", "input5_id", "query_id", "key_id",
           "value_id", "scale_id", "mask_id", "filter_id", "bias_id")
OUTPUTS = ("output_id", "output_value_id", "output_index_id")
_ROLES = {"filter_id": "weight", "bias_id": "bias"}


def present(kind_name: str, key: str) -> bool:
    """Whether the input counts: a concatenation's record has five, of which only the first ones do."""
    return not (kind_name.startswith("XNNConcatenate") and key[:5] == "input" and int(key[5]) > int(kind_name[-1]))


def dtype_of(tensor: dict[str, Any]) -> str:
    """edgekit's name for the dtype of a tensor of XNNPACK's graph."""
    return _DTYPES.get(tensor["datatype"].removeprefix("xnn_datatype_"), "float32")


class Delegate:
    """One delegate call. ``externals`` are the names of the tensors that the call passes, inputs then outputs."""

    def __init__(self, index: int, graph: dict[str, Any], externals: list[str],
                 description: Description | None) -> None:
        self._index, self._graph, self._externals, self._description = index, graph, externals, description
        self._values: dict[int, dict[str, Any]] = {}
        self._quant: dict[int, dict[str, Any]] = {}
        for value in graph["xvalues"]:
            union = value["xvalue_union"]
            tensor = union.get("tensor_value", union)
            self._values[tensor["id_out"]] = tensor
            self._quant[tensor["id_out"]] = union.get("quant_params") or {}
        self.tensors = {self._name(i): self._spec(i) for i, t in self._values.items() if not t["constant_buffer_idx"]}

    def ops(self, first: int) -> Iterator[Op]:
        """The operators in order, numbered from ``first``."""
        for position, node in enumerate(self._graph["xnodes"]):
            kind_name, fields = node["xnode_union_type"], node["xnode_union"]
            inputs = [(key, fields[key]) for key in INPUTS if fields.get(key, _NO_ID) in self._values
                      and present(kind_name, key)]
            real = [i for _, i in inputs if not self._values[i]["constant_buffer_idx"]]
            outputs = [fields[key] for key in OUTPUTS if fields.get(key, _NO_ID) in self._values]
            kind = kind_of_xnn(kind_name)
            source = None
            if self._description is not None:
                source = self._description.source(self._description.delegated.get(node.get("debug_handle", 0)))
            dtype = self._dtype(real[0]) if real else "float32"
            yield Op(index=first + position, kind=self._cast(kind, dtype, outputs), name=kind_name,
                     inputs=tuple(self._name(i) for i in real), outputs=tuple(self._name(i) for i in outputs),
                     dtype=dtype, macs=self._macs(kind, fields, outputs),
                     constants=tuple(c for key, i in inputs for c in self._constants(key, i)), source=source,
                     processor="xnnpack")

    def _macs(self, kind: str, fields: dict[str, Any], outputs: list[int]) -> int:
        if kind not in ("conv", "depthwise_conv", "conv_transpose", "linear", "matmul") or not outputs:
            return 0
        out = math.prod(self._values[outputs[0]]["dims"])
        if kind == "conv_transpose":
            kernel = fields["kernel_height"] * fields["kernel_width"] * fields["group_output_channels"]
            return math.prod(self._values[fields["input1_id"]]["dims"]) * kernel
        if kind in ("conv", "depthwise_conv"):
            return out * fields["kernel_height"] * fields["kernel_width"] * fields["group_input_channels"]
        return out * self._values[fields["input1_id"]]["dims"][-1]

    def _constants(self, key: str, i: int) -> Iterator[Constant]:
        tensor = self._values[i]
        if not tensor["constant_buffer_idx"]:
            return
        stored = self._graph["constant_data"][tensor["constant_buffer_idx"]]
        yield Constant(name=stored["named_key"] or f"x{self._index}.{i}", shape=tuple(tensor["dims"]),
                       dtype=self._dtype(i), bytes=stored["size"], role=_ROLES.get(key, "other"))
        scales = self._quant[i].get("scale_buffer_idx", 0)
        if scales:
            stored = self._graph["constant_data"][scales]
            count = self._quant[i]["num_scales"]
            yield Constant(name=stored["named_key"] or f"x{self._index}.{i}.scale", shape=(count,),
                           dtype="float32" if stored["size"] == 4 * count else "bfloat16", bytes=stored["size"],
                           role="other")

    def _cast(self, kind: str, dtype: str, outputs: list[int]) -> str:
        if kind != "cast" or not outputs:
            return kind
        result = self._dtype(outputs[0])
        return "requantize" if result == dtype else "quantize" if result == "int8" else "dequantize"

    def _dtype(self, i: int) -> str:
        return dtype_of(self._values[i])

    def _name(self, i: int) -> str:
        external = self._values[i]["external_id"]
        return self._externals[external] if external < len(self._externals) else f"x{self._index}.{i}"

    def _spec(self, i: int) -> TensorSpec:
        quant = self._quant[i]
        params = QuantParams(scale=(quant["scale"],), zero_point=(quant["zero_point"],)) if "zero_point" in quant \
            else None
        return TensorSpec(name=self._name(i), shape=tuple(self._values[i]["dims"]), dtype=self._dtype(i), quant=params)
