"""One export from beginning to end: convert, quantise, and say what stayed float."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgekit.contracts import Program, QuantPlan
from edgekit.errors import UsageError
from edgekit.formats.build import describe, refuse_unsupported
from edgekit.formats.tflite.export import float_model
from edgekit.formats.tflite.flatbuffer import read_graph
from edgekit.formats.tflite.graph import op_graph
from edgekit.formats.tflite.kinds import MOVES
from edgekit.formats.tflite.quantize import Kept, quantize
from edgekit.formats.tflite.schemes import SUPPORT
from edgekit.quantize.recurrent import unrolled, unrolled_notes
from edgekit.types.artifact import Artifact, KeptFloat
from edgekit.types.graph import OpGraph

__all__ = ["build"]

_BACKENDS = ("xnnpack",)
_INTEGER_IO = {"w8a8-static": ("int8", "uint8"), "w8a16-static": ("int8",)}
_FLOATS = ("float32", "float16")


def build(program: Program, plan: QuantPlan, out: Path, scratch: Path, runtime: str) -> Artifact:
    """Writes ``out`` and describes it; ``out`` appears whole or not at all. See ``contracts.Format.export``."""
    refuse_unsupported(SUPPORT.get(plan.scheme.name), "tflite", plan.scheme.name)
    cell = SUPPORT[plan.scheme.name]
    _check(plan)
    notes = _notes(program)
    program = unrolled(program)
    source = float_model(program, plan.io.layout, scratch)
    part = out.with_name(out.name + ".part")
    try:
        if plan.scheme.name == "fp32":
            shutil.copyfile(source, part)
            kept = Kept()
        else:
            kept = quantize(source, program, plan, part, scratch)
        graph = op_graph(part)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return describe("tflite", out, plan.scheme.name, cell.backend or "xnnpack", graph, graph.inputs, graph.outputs,
                    runtime, _kept_float(source, kept, graph, plan, cell.covers), [*notes, *kept.notes])


def _check(plan: QuantPlan) -> None:
    if plan.io.dtype not in ("float32", *_INTEGER_IO.get(plan.scheme.name, ())):
        raise UsageError("io-dtype", f"{plan.scheme.name} has no {plan.io.dtype} inputs and outputs in tflite",
                         cause=f"activations are {plan.scheme.activations}; LiteRT converts int8 and uint8 to int8, "
                               "and int8 to int16, at the border",
                         next="set `io.dtype: float32`, or choose w8a8-static")
    for key, value in plan.options.items():
        if key != "backend" or value not in _BACKENDS:
            raise UsageError("format-option", f"tflite has no option {key}: {value}",
                             cause=f"known: backend: {', '.join(_BACKENDS)}", next="remove it from `overrides.tflite`")


def _kept_float(source: Path, kept: Kept, graph: OpGraph, plan: QuantPlan, covers: tuple[str, ...]
                ) -> list[KeptFloat]:
    """Operators of the finished file that are wider than the scheme asks, each with its reason and share."""
    if plan.scheme.name == "fp32":
        return []
    before = read_graph(source)
    reasons = {before.tensors[t].name: reason for index, reason in kept.reasons.items()
               for t in before.ops[index].outputs}
    total = graph.macs or 1
    found = []
    for op in graph.ops:
        weights = [c for c in op.constants if c.role == "weight"]
        wide_weights = sum(c.bytes for c in weights if c.dtype != plan.scheme.weights) if op.kind in covers else 0
        computes = plan.scheme.ranges == "static" and op.dtype in _FLOATS and op.kind not in MOVES and \
            op.kind not in ("quantize", "dequantize", "embedding")
        if not wide_weights and not computes:
            continue
        reason = reasons.get(op.outputs[0])
        if reason is None and wide_weights:
            continue  # nobody asked for it: verification has to refuse it
        where = op.source.module if op.source and op.source.module else op.outputs[0]
        found.append(KeptFloat(op=op.name, where=where, bytes=wide_weights, macs=op.macs, macs_share=op.macs / total,
                               reason=reason or f"ai-edge-quantizer has no {plan.scheme.name} form of {op.name}"))
    return found


def _notes(program: Program) -> list[str]:
    notes = []
    if program.dynamic_batch:
        notes.append("the batch size is open: resize the inputs before the first allocate_tensors(); LiteRT 2.3.0 "
                     "computes int8 rows beyond the first wrongly in a graph that is resized after it")
    return [*notes, *unrolled_notes(program)]
