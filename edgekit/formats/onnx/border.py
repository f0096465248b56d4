"""The artifact's own inputs and outputs: dtype, layout, and the specs that say so, kept in the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from edgekit.errors import ConversionError
from edgekit.formats.onnx.names import dtype_name
from edgekit.types.tensor import QuantParams, TensorSpec

if TYPE_CHECKING:  # torch, which running an artifact does without
    from edgekit.contracts import IoSpec
    from edgekit.formats.onnx.calibrate import Ranges
    from edgekit.types.scheme import Scheme

__all__ = ["apply_border", "check_border", "read_specs"]

_KEY = "edgekit.io"
_TO_NHWC, _TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]
_STORED = {"int8": (TensorProto.INT8, np.int8), "uint8": (TensorProto.UINT8, np.uint8)}


def check_border(io: IoSpec, scheme: Scheme) -> None:
    """Raises ConversionError where ``io.dtype`` is an integer and the scheme has no static scales for it."""
    if io.dtype in _STORED and scheme.ranges != "static":
        raise ConversionError("io-dtype", f"{io.dtype} inputs and outputs need a static scheme, not {scheme.name}",
                              cause="only calibration gives scales for them",
                              next="use a static scheme, or io: {dtype: float32}")


def apply_border(model: ModelProto, io: IoSpec, ranges: Ranges) -> None:
    """Gives the model the asked inputs and outputs in place, under their own names, and notes the specs in the file.

    ``ranges`` hold those of the float inputs and outputs where ``io.dtype`` is an integer.
    """
    specs = {"inputs": [_input(model, v, io, ranges) for v in model.graph.input],
             "outputs": [_output(model, v, io, ranges) for v in model.graph.output]}
    document = {side: [spec.model_dump(mode="json") for spec in found] for side, found in specs.items()}
    model.metadata_props.add(key=_KEY, value=json.dumps(document, separators=(",", ":")))


def read_specs(model: ModelProto) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of a file: as edgekit noted them, or as a foreign file declares them."""
    noted = next((p.value for p in model.metadata_props if p.key == _KEY), None)
    if noted is not None:
        document = json.loads(noted)
        return tuple(map(TensorSpec.model_validate, document["inputs"])), \
            tuple(map(TensorSpec.model_validate, document["outputs"]))
    constants = {t.name for t in model.graph.initializer}
    return tuple(_spec(v) for v in model.graph.input if v.name not in constants), \
        tuple(_spec(v) for v in model.graph.output)


def _spec(value: ValueInfoProto, layout: str | None = None, quant: QuantParams | None = None) -> TensorSpec:
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim)
    return TensorSpec.model_validate({"name": value.name, "shape": shape, "dtype": dtype_name(kind.elem_type),
                                      "layout": layout, "quant": quant})


def _is_float(value: ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type == TensorProto.FLOAT


def _layout(value: ValueInfoProto, io: IoSpec) -> str | None:
    """The layout that applies to ``value``: 4-D float tensors have one."""
    return io.layout if _is_float(value) and len(value.type.tensor_type.shape.dim) == 4 else None


def _input(model: ModelProto, value: ValueInfoProto, io: IoSpec, ranges: Ranges) -> TensorSpec:
    name, layout, quant = value.name, _layout(value, io), None
    inner = f"{name}_inner"
    nodes = []
    source = name
    if _is_float(value) and io.dtype in _STORED:
        quant, constants = _quant(ranges[name], io.dtype, name)
        model.graph.initializer.extend(constants)
        source = f"{name}_float" if layout == "nhwc" else inner
        nodes.append(helper.make_node("DequantizeLinear", [name, *(c.name for c in constants)], [source],
                                      name=f"{name}_dequantize"))
        value.type.tensor_type.elem_type = _STORED[io.dtype][0]
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [source], [inner], name=f"{name}_to_nchw", perm=_TO_NCHW))
        _permute(value, _TO_NHWC)
    if nodes:
        _rename_reads(model, name, inner)
        for node in reversed(nodes):
            model.graph.node.insert(0, node)
    return _spec(value, layout, quant)


def _output(model: ModelProto, value: ValueInfoProto, io: IoSpec, ranges: Ranges) -> TensorSpec:
    name, layout, quant = value.name, _layout(value, io), None
    inner = f"{name}_inner"
    nodes = []
    source = inner
    if layout == "nhwc":
        target = f"{name}_nhwc" if io.dtype in _STORED else name
        nodes.append(helper.make_node("Transpose", [source], [target], name=f"{name}_to_nhwc", perm=_TO_NHWC))
        source = target
        _permute(value, _TO_NHWC)
    if _is_float(value) and io.dtype in _STORED:
        quant, constants = _quant(ranges[name], io.dtype, name)
        model.graph.initializer.extend(constants)
        nodes.append(helper.make_node("QuantizeLinear", [source, *(c.name for c in constants)], [name],
                                      name=f"{name}_quantize"))
        value.type.tensor_type.elem_type = _STORED[io.dtype][0]
    if nodes:
        _rename_reads(model, name, inner)
        for node in model.graph.node:
            node.output[:] = [inner if o == name else o for o in node.output]
        model.graph.node.extend(nodes)
    return _spec(value, layout, quant)


def _rename_reads(model: ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.input[:] = [new if i == old else i for i in node.input]


def _permute(value: ValueInfoProto, order: Sequence[int]) -> None:
    dims = list(value.type.tensor_type.shape.dim)
    shape = value.type.tensor_type.shape
    turned = [dims[i] for i in order]
    del shape.dim[:]
    shape.dim.extend(turned)


def _quant(bounds: tuple[float, float], dtype: str, name: str) -> tuple[QuantParams, list[TensorProto]]:
    """Scale and zero point of an asymmetric 8-bit grid over ``bounds``, as ONNX Runtime's quantiser computes them."""
    low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
    scale = np.float32(max(high - low, float(np.finfo(np.float32).tiny)) / 255)
    limits = np.iinfo(_STORED[dtype][1])
    zero = int(np.clip(np.rint(limits.min - low / scale), limits.min, limits.max))
    constants = [numpy_helper.from_array(np.asarray(scale, np.float32), f"{name}_io_scale"),
                 numpy_helper.from_array(np.asarray(zero, _STORED[dtype][1]), f"{name}_io_zero")]
    return QuantParams(scale=(float(scale),), zero_point=(zero,)), constants

