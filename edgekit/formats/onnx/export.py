"""From a Program to a float .onnx: explicit opset, the program's names, sources stamped, every weight written once."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from edgekit.contracts import Program
from edgekit.errors import ConversionError
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
            program.exported, (), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=list(program.input_names), output_names=list(program.output_names))
    except torch.onnx.OnnxExporterError as error:
        raise ConversionError(
            "converter-failed", "the model cannot be exported to ONNX", cause=_shortened(error),
            next="replace the operator that the cause names, or leave onnx out of the recipe's formats") from error
    if made is None:
        raise ConversionError("converter-failed", "the ONNX exporter returned no model", next="see the log file")
    return made.model_proto


def _shortened(error: BaseException) -> str:
    """The innermost cause in its own first line: the exporter wraps errors several layers deep."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
