"""What a user should know of an artifact: what stayed float, and what its size or speed hides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgekit.contracts import Program, QuantPlan
from edgekit.formats.executorch.export import MAX_BATCH
from edgekit.formats.executorch.graph import PORTABLE
from edgekit.formats.executorch.schemes import covered_kinds
from edgekit.formats.executorch.shortcuts import KNOWN
from edgekit.quantize.recurrent import unrolled_notes
from edgekit.quantize.rules import matches
from edgekit.types.artifact import KeptFloat
from edgekit.types.graph import Op, OpGraph, Source
from edgekit.types.kinds import WEIGHTED_KINDS

__all__ = ["kept_float", "notes"]


def kept_float(graph: OpGraph, plan: QuantPlan, without_kernel: Mapping[tuple[Source, str], str]) -> list[KeptFloat]:
    """Operators wider than the scheme asks, with the rule or the reason, and their cost.

    ``without_kernel`` says by source and kind why covered operators stayed float. An operator with wide weights
    and no reason is left out: it was asked for and not done, and verification has to see it.
    """
    if plan.scheme.weights == "float32":
        return []
    total = graph.macs or 1
    return [KeptFloat(op=op.name, where=op.source.module if op.source else op.name, reason=reason,
                      bytes=sum(c.bytes for c in op.constants if c.role == "weight"), macs=op.macs,
                      macs_share=op.macs / total)
            for op in graph.ops if (reason := _reason(op, plan, without_kernel)) is not None]


def _reason(op: Op, plan: QuantPlan, without_kernel: Mapping[tuple[Source, str], str]) -> str | None:
    weights = [c for c in op.constants if c.role == "weight"] if op.kind in WEIGHTED_KINDS else []
    if all(c.dtype == plan.scheme.weights for c in weights) and (weights or op.dtype == plan.scheme.activations):
        return None
    for rule in plan.keep_float:
        if op.source is not None and matches(rule, op.source, op.kind):
            return rule.reason
    if not weights:
        return None
    if op.kind not in covered_kinds(plan.scheme.name):
        return f"{plan.scheme.name} does not cover {op.kind} on ExecuTorch"
    return without_kernel.get((op.source, op.kind)) if op.source is not None else None


def notes(graph: OpGraph, program: Program, quick: bool, corrected: bool) -> list[str]:
    """``quick``: whether lowering could take its shortcuts. ``corrected``: whether the plan's biases could be used."""
    plain = [] if corrected else ["corrected biases are left out: on the grid that XNNPACK wants for all operands of a "
                                  "concatenation they would bring the outputs further from float"]
    slow = [] if quick else ["lowering took longer than it has to: its shortcuts are known for "
                             + ", ".join(f"{p} {v}x" for p, v in KNOWN.items()) + " only"]
    return [*_dynamic_batch(program), *unrolled_notes(program), *_tied(graph), *_outside_kernels(graph), *plain, *slow]


def _dynamic_batch(program: Program) -> Iterator[str]:
    if program.dynamic_batch:
        yield f"the batch may vary from 1 to {MAX_BATCH}: ExecuTorch plans its memory for the largest"


def _tied(graph: OpGraph) -> Iterator[str]:
    """A weight that XNNPACK and portable kernels both read is stored once for each."""
    outside = {c.name.removeprefix(PORTABLE) for op in graph.ops for c in op.constants if c.name.startswith(PORTABLE)}
    for op in graph.ops:
        for constant in op.constants:
            if constant.role == "weight" and constant.name in outside:
                yield (f"the weight of {op.kind} at {op.source or op.name} is shared with an operator outside XNNPACK "
                       f"and stored twice ({constant.bytes} bytes more)")


def _outside_kernels(graph: OpGraph) -> Iterator[str]:
    if any(op.name.startswith("quantized_decomposed::") for op in graph.ops):
        yield "the app has to link ExecuTorch's quantized kernels (quantized_ops_lib) beside the portable ones"
