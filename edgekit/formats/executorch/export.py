"""A captured program to a ``.pte``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from edgekit.contracts import Inputs, Program, QuantPlan
from edgekit.errors import ConversionError, EdgekitError
from edgekit.formats.build import root_cause
from edgekit.formats.executorch.border import Border, shape_border
from edgekit.formats.executorch.half import to_half
from edgekit.formats.executorch.lower import BACKENDS, Labels, Lowered, lower
from edgekit.formats.executorch.provenance import stamp
from edgekit.formats.executorch.quantize import kept_float, quantize
from edgekit.formats.executorch.rewrite import rewrite
from edgekit.quantize.kinds import kind_of
from edgekit.quantize.recurrent import unrolled
from edgekit.types.graph import Source

__all__ = ["MAX_BATCH", "Converted", "backend_of", "convert"]

# ExecuTorch plans memory for the largest input, so a dynamic batch needs a bound.
MAX_BATCH = 64


def backend_of(plan: QuantPlan) -> str:
    """The backend that the plan's options name. Raises ConversionError for one that edgekit does not drive."""
    backend = str(plan.options.get("backend", BACKENDS[0]))
    if backend not in BACKENDS:
        raise ConversionError("format-option", f"executorch has no backend {backend!r}",
                              cause=f"edgekit drives {' and '.join(BACKENDS)}",
                              next=f"set overrides.executorch.backend to {BACKENDS[0]}")
    if backend == "portable" and plan.scheme.name != "fp32":
        raise ConversionError("format-option", f"the portable backend cannot do {plan.scheme.name}",
                              cause="ExecuTorch's portable kernels compute in float32 and dequantise weights each time",
                              next="use the backend xnnpack, or the scheme fp32")
    return backend


@dataclass(frozen=True)
class Converted:
    """What was lowered; by source and kind, why covered operators stayed float for want of a kernel; and whether the
    plan's biases could be used."""

    lowered: Lowered
    without_kernel: Mapping[tuple[Source, str], str]
    corrected: bool


def convert(program: Program, plan: QuantPlan, out: Path) -> Converted:
    """Writes ``out``, which appears whole or not at all. Raises ConversionError where the tools fail."""
    backend, quantized = backend_of(plan), None
    program = unrolled(program)
    _refuse_volumes(program)
    module = program.exported.module(check_guards=False)
    assert isinstance(module, GraphModule)
    stamp(module)
    rewrite(module)
    try:
        if plan.scheme.quantized:
            quantized = quantize(module, program, plan)
            module = quantized.module
        elif plan.scheme.weights == "float16":
            module = to_half(module, lambda node: kept_float(node, plan, program.sources))
        border = shape_border(module, program, plan.io)
        exported = _capture(module, border, program)
        lowered = lower(exported, Labels(plan.scheme.name, backend, border.inputs, border.outputs), program.sources)
    except EdgekitError:
        raise
    except Exception as error:
        raise ConversionError(
            "converter-failed", f"ExecuTorch cannot lower {program.name}", cause=_shortened(error),
            next="keep the operator that the cause names float (quantize.keep_float), or leave this format out") \
            from error
    _refuse_without_kernels(lowered)
    temporary = out.with_name(out.name + ".part")
    try:
        with temporary.open("wb") as file:
            lowered.program.write_to_file(file)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
    if quantized is None:
        return Converted(lowered, {}, corrected=True)
    return Converted(lowered, {(program.sources[n], kind): reason for n, (kind, reason)
                               in quantized.without_kernel.items() if n in program.sources}, quantized.corrected)


def _refuse_volumes(program: Program) -> None:
    """Convolutions over three axes: XNNPACK takes none, and the portable kernel fails on them only as it runs."""
    for node in program.exported.graph.nodes:
        if kind_of(node) in ("conv", "depthwise_conv", "conv_transpose") and node.args[1].meta["val"].dim() == 5:
            raise ConversionError(
                "converter-failed", f"ExecuTorch cannot run the 3-D convolution {node.name}",
                where=str(program.sources.get(node.name) or node.name),
                cause="its kernels convolve over one or two axes",
                next="leave executorch out of `formats`, or write the convolution as 2-D ones")


def _refuse_without_kernels(lowered: Lowered) -> None:
    """Operators outside the delegate for which the runtime has no portable kernel either."""
    from executorch.extension.pybindings import _portable_lib

    known = set(_portable_lib._get_operator_names())
    used = [op for plan in lowered.program.executorch_program.execution_plan for op in plan.operators]
    missing = list(dict.fromkeys(op.name for op in used
                                 if (f"{op.name}.{op.overload}" if op.overload else op.name) not in known))
    if missing:
        places = [lowered.description.source(index) for name in missing
                  for index, _ in lowered.description.portable.get(name, ())]
        raise ConversionError(
            "converter-failed", f"ExecuTorch has no kernel for {', '.join(missing)}",
            where=next((str(place) for place in places if place), None),
            cause="XNNPACK does not take the operator, and there is no portable kernel for it",
            next="write it with other operators, or leave executorch out of `formats`")


def _shortened(error: BaseException) -> str:
    """What failed first, in a few words of its own."""
    error = root_cause(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:400]}"


def _capture(module: GraphModule, border: Border, program: Program) -> ExportedProgram:
    shapes = None
    example: Inputs = border.example
    if program.dynamic_batch:
        batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
        shapes = tuple({0: batch} for _ in example)
        # a batch of one would be taken for a constant
        example = tuple(torch.cat([t, t]) if len(t) == 1 else t for t in example)
    with torch.no_grad():
        return torch.export.export(module, example, dynamic_shapes=shapes, strict=False)
