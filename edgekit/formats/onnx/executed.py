"""The graph that ONNX Runtime makes of a file on an Arm core, with the shape of every tensor."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from edgekit.formats.onnx.run import session_of

__all__ = ["executed_graph"]

_LEVELS = ort.GraphOptimizationLevel
# Blocks of channels for vectors as wide as those of x86; ONNX Runtime has no kernels for them on Arm.
_NOT_ON_ARM = ("NchwcTransformer",)


def executed_graph(model: ModelProto) -> ModelProto:
    """``model`` with ONNX Runtime's own fusions and layouts. Raises ConversionError where it refuses the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        session_of(model.SerializeToString(), without=_NOT_ON_ARM, optimized_model_filepath=str(path),
                   graph_optimization_level=_LEVELS.ORT_ENABLE_ALL)
        made = onnx.load(path)
    _write_shapes(made)
    return made


def _write_shapes(model: ModelProto) -> None:
    """ONNX Runtime alone knows the shapes of its own operators: those of a session that gives out every tensor."""
    opened = ModelProto()
    opened.CopyFrom(model)
    told = {v.name for v in model.graph.output}
    opened.graph.output.extend(helper.make_empty_tensor_value_info(name) for node in model.graph.node
                               for name in node.output if name and name not in told)
    session = session_of(opened.SerializeToString(), graph_optimization_level=_LEVELS.ORT_DISABLE_ALL)
    del model.graph.value_info[:]
    for found in session.get_outputs():
        if found.name not in told and found.type.startswith("tensor("):
            element = TensorProto.DataType.Value(found.type.removeprefix("tensor(").removesuffix(")").upper())
            model.graph.value_info.append(helper.make_tensor_value_info(found.name, element, found.shape))
