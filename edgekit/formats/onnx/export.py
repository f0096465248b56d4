"""From a Program to a float .onnx: explicit opset, the program's names, sources stamped, every weight written once."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import onnx
import torch

from edgekit.contracts import Program
from edgekit.errors import ConversionError
from edgekit.formats.build import root_cause
from edgekit.formats.onnx.files import load_model, save_model
from edgekit.formats.onnx.sources import stamp_export
from edgekit.formats.onnx.tidy import RESHAPING, fold_constants, name_batch, name_nodes, write_constants_once

__all__ = ["OPSET", "float_model"]

# The first opset with 16-bit and blocked 4-bit QuantizeLinear/DequantizeLinear; ONNX Runtime reads it since 1.20.
OPSET = 21


def float_model(program: Program, scratch: Path) -> onnx.ModelProto:
    """The float32 model, converted once into ``scratch/float.onnx`` and reused.

    Raises:
        ConversionError: an operator has no ONNX form, or the model passes 2 GB.
    """
    path = scratch / "float.onnx"
    if not path.exists():
        model = _convert(program)
        stamp_export(model, program.sources)
        name_nodes(model)
        fold_constants(model, RESHAPING)
        write_constants_once(model)
        if program.dynamic_batch:
            name_batch(model)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        save_model(model, path)
    return load_model(path)


def _convert(program: Program) -> onnx.ModelProto:
    try:
        made = torch.onnx.export(
            _settled(program.exported), (), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(program.input_names), output_names=list(program.output_names))
    except torch.onnx.OnnxExporterError as error:
        raise ConversionError(
            "converter-failed", "the model cannot be exported to ONNX", where=_where(error, program),
            cause=_shortened(error),
            next="replace the operator that the cause names, or leave onnx out of the recipe's formats") from error
    if made is None:
        raise ConversionError("converter-failed", "the ONNX exporter returned no model", next="see the log file")
    return made.model_proto


def _settled(exported: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The program itself, or a copy of it, of the same weights, with a clone behind each attention.

    torch 2.13 captures attention with a mask that is no activation's in one memory layout and decomposes it to another,
    so that a reshape behind it, which needed no copy when captured, cannot be taken. ONNX knows no layouts: no operator
    comes of the clones.
    """
    attention = torch.ops.aten.scaled_dot_product_attention.default
    if not any(node.target is attention for node in exported.graph.nodes):
        return exported
    made = copy.copy(exported)
    made._graph_module = copy.deepcopy(exported.graph_module)
    for node in list(made.graph.nodes):
        if node.target is not attention:
            continue
        with made.graph.inserting_after(node):
            clone = made.graph.call_function(torch.ops.aten.clone.default, (node,),
                                             {"memory_format": torch.contiguous_format})
        clone.meta = {**node.meta, "val": node.meta["val"].clone(memory_format=torch.contiguous_format)}
        # The signature knows the program's outputs by the names of the nodes that they are.
        node.replace_all_uses_with(clone, lambda user, clone=clone: user is not clone and user.op != "output")
    made.graph_module.recompile()
    return made


def _where(error: BaseException, program: Program) -> str | None:
    """What was being converted when ``error`` came: the user's module and line as far as torch's message tells."""
    text = str(root_cause(error))
    # Decomposing gives nodes new names, some of which were other nodes' before: lines are surer.
    frames = re.findall(r'File "([^"]+)", line (\d+)', text.partition("Original traceback:")[2])
    for file, line in reversed(frames):
        for source in program.sources.values():
            if source.file and source.line == int(line) and file.endswith(source.file):
                return str(source)
    if frames:
        return ":".join(frames[-1])
    step = re.search(r"While executing %(\w+)", text)
    return str(program.sources[step[1]]) if step and step[1] in program.sources else None


def _shortened(error: BaseException) -> str:
    """What failed first, in its own first line."""
    error = root_cause(error)
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
