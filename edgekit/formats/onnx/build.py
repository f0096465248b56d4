"""One export: float conversion, the scheme's rewrite, the border, the file, and the facts that describe it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from onnx import ModelProto

from edgekit.contracts import Program, QuantPlan
from edgekit.errors import UsageError
from edgekit.formats.build import describe, needs_extra, refuse_unsupported
from edgekit.formats.onnx.schemes import SUPPORT
from edgekit.types.artifact import Artifact

with needs_extra("onnx"):
    from edgekit.formats.onnx.bias import correct_biases
    from edgekit.formats.onnx.border import apply_border, check_border, read_specs
    from edgekit.formats.onnx.calibrate import Ranges, activation_ranges
    from edgekit.formats.onnx.export import float_model
    from edgekit.formats.onnx.files import save_model
    from edgekit.formats.onnx.graph import op_graph
    from edgekit.formats.onnx.half import to_half
    from edgekit.formats.onnx.keep import kept_names, kept_report
    from edgekit.formats.onnx.quantize import quantize_static
    from edgekit.formats.onnx.sources import origins_of, tag
    from edgekit.formats.onnx.tidy import untie, write_constants_once
    from edgekit.formats.onnx.weights import (
        quantize_dynamic,
        quantize_embeddings,
        quantize_recurrent,
        quantize_weights,
    )

__all__ = ["build"]

# A scheme's rewrite: (float model, names of nodes kept float, ranges) -> the model, perhaps the same object.
Rewrite = Callable[[ModelProto, set[str], Ranges], ModelProto]


def build(program: Program, plan: QuantPlan, out: Path, scratch: Path, runtime: str) -> Artifact:
    """Writes ``out`` and describes it. Raises ConversionError or UsageError; ``out`` is whole or absent."""
    cell = SUPPORT.get(plan.scheme.name)
    refuse_unsupported(cell, "onnx", plan.scheme.name)
    assert cell is not None
    if plan.options:
        raise UsageError("format-option", f"onnx takes no options, got {', '.join(sorted(plan.options))}",
                         next="remove them from the recipe's `overrides: {onnx: ...}`")
    check_border(plan.io, plan.scheme)
    if plan.scheme.needs_calibration and not plan.calibration:
        raise UsageError("calibration-missing", f"{plan.scheme.name} needs calibration inputs and there are none",
                         next="add calibration() to the workload or `calibration: {data: ...}` to the recipe")
    model = float_model(program, scratch)
    origins, kept = origins_of(model), kept_names(model, plan)
    ranges: Ranges = {}
    if plan.scheme.ranges == "static":
        ranges = activation_ranges(model, plan, _BITS[plan.scheme.activations], scratch)
    correct_biases(model, program, plan)
    model = _REWRITES[plan.scheme.name](model, kept, ranges)
    write_constants_once(model)
    tag(model, origins)
    apply_border(model, plan.io, ranges)
    model.producer_name = "edgekit"
    save_model(model, out)
    graph = op_graph(out)
    inputs, outputs = read_specs(model)
    return describe("onnx", out, plan.scheme.name, cell.backend or "", graph, inputs, outputs, runtime,
                    kept_report(graph, plan, cell), (cell.note,) if cell.note else ())


_CONVOLUTIONS = ("depthwise_conv", "conv_transpose")
_BITS = {"int8": 8, "int16": 16}


def _float(model: ModelProto, kept: set[str], ranges: Ranges) -> ModelProto:
    return model


def _half(model: ModelProto, kept: set[str], ranges: Ranges) -> ModelProto:
    return to_half(model, kept)


def _static(bits: int) -> Rewrite:
    def rewrite(model: ModelProto, kept: set[str], ranges: Ranges) -> ModelProto:
        untie(model)
        made = quantize_static(model, ranges, kept, bits)
        quantize_weights(made, 8, kept, ("conv_transpose",))
        quantize_embeddings(made, 8, kept)
        quantize_recurrent(made, kept)
        return made

    return rewrite


def _dynamic(model: ModelProto, kept: set[str], ranges: Ranges) -> ModelProto:
    untie(model)
    quantize_dynamic(model, kept)
    quantize_weights(model, 8, kept, ("conv_transpose",))
    quantize_embeddings(model, 8, kept)
    quantize_recurrent(model, kept)
    return model


def _weights(bits: int, scheme: str) -> Rewrite:
    def rewrite(model: ModelProto, kept: set[str], ranges: Ranges) -> ModelProto:
        untie(model)
        quantize_weights(model, bits, kept, SUPPORT[scheme].covers)
        quantize_weights(model, 8, kept, _CONVOLUTIONS)  # those that the scheme does not cover
        quantize_embeddings(model, bits, kept)
        quantize_recurrent(model, kept)
        return model

    return rewrite


_REWRITES: dict[str, Rewrite] = {
    "fp32": _float,
    "fp16": _half,
    "w8a8-static": _static(8),
    "w8a16-static": _static(16),
    "w8a8-dynamic": _dynamic,
    "w8-weight-only": _weights(8, "w8-weight-only"),
    "w4-weight-only": _weights(4, "w4-weight-only"),
}
