"""float16: weights and tensors half as wide, inputs and outputs float32 unless asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import ModelProto, ValueInfoProto
from onnx.shape_inference import infer_shapes

from edgekit.formats.onnx.sources import origins_of, tag

__all__ = ["to_half"]

# Index arithmetic and resampling grids lose whole positions in float16; normalisation and softmax sums overflow.
_FLOAT32_OPS = ("CumSum", "Range", "Resize", "TopK", "NonMaxSuppression", "RoiAlign")


def to_half(model: ModelProto, excluded: set[str]) -> ModelProto:
    """``model`` in float16, with casts at its borders and around ``excluded`` nodes (by name).

    ONNX Runtime inserts further casts while loading where its CPU has no float16 kernel.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    origins, before = origins_of(model), {v.name: v for v in infer_shapes(model, data_prop=True).graph.value_info}
    made: ModelProto = convert_float_to_float16(
        model, keep_io_types=True, disable_shape_infer=True, node_block_list=sorted(excluded),
        op_block_list=sorted({*DEFAULT_OP_BLOCK_LIST, *_FLOAT32_OPS}))
    del made.graph.value_info[:]  # still says float32 here and there
    ONNXModel(made).topological_sort()  # the casts of the inputs came last
    _keep_shapes(made, before)
    tag(made, origins)
    return made


def _keep_shapes(made: ModelProto, before: Mapping[str, ValueInfoProto]) -> None:
    """Gives tensors the shapes that they had, in the types that they have now.

    Casts change no shape, but they hide the constants that say how large a Resize makes its result, and behind one
    shape of which nothing is known nothing else is.
    """
    for now in infer_shapes(made).graph.value_info:
        if now.name in before and now.type.tensor_type.elem_type:
            kept = made.graph.value_info.add()
            kept.CopyFrom(before[now.name])
            kept.type.tensor_type.elem_type = now.type.tensor_type.elem_type
