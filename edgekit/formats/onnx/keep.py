"""Which nodes of a float model a plan keeps float, and what an artifact says of weights that stayed wide."""

from __future__ import annotations

from onnx import ModelProto

from edgekit.contracts import QuantPlan
from edgekit.formats.onnx.kinds import kind_of
from edgekit.formats.onnx.names import Names
from edgekit.formats.onnx.sources import node_origins
from edgekit.quantize.rules import is_float, matches
from edgekit.types.artifact import KeptFloat
from edgekit.types.graph import Op, OpGraph
from edgekit.types.scheme import SchemeSupport
from edgekit.types.tensor import bits_of

__all__ = ["kept_names", "kept_report"]


def kept_names(model: ModelProto, plan: QuantPlan) -> set[str]:
    """Names of the nodes that ``plan.keep_float`` names."""
    if not plan.keep_float:
        return set()
    names = Names(model)
    kept = set()
    for node, origin in zip(model.graph.node, node_origins(model), strict=True):
        source, fx = (origin.source, origin.node or None) if origin else (None, None)
        if is_float(plan.keep_float, source, kind_of(node, names.constant_shape), fx):
            kept.add(node.name)
    return kept


def kept_report(graph: OpGraph, plan: QuantPlan, cell: SchemeSupport) -> list[KeptFloat]:
    """Operators with wider weights that the plan's rules or the scheme's table explain; others are left to verify."""
    if not plan.scheme.quantized:
        return []
    report = []
    for op in graph.ops:
        wide = [c for c in op.constants if c.role == "weight" and bits_of(c.dtype) > bits_of(plan.scheme.weights)]
        reason = _reason(op, plan, cell, bool(wide))
        if reason and (wide or op.macs):
            report.append(KeptFloat(op=op.kind, where=op.source.module if op.source else op.outputs[0],
                                    reason=reason, bytes=sum(c.bytes for c in wide), macs=op.macs,
                                    macs_share=op.macs / graph.macs if graph.macs else 0.0))
    return report


def _reason(op: Op, plan: QuantPlan, cell: SchemeSupport, wide: bool) -> str | None:
    for rule in plan.keep_float:
        if op.dtype.startswith("float") and matches(rule, op.source, op.kind):
            return rule.reason
    # One of activations alone counts where MatMul would compute in integers; elsewhere those are float as well.
    if op.name == "Einsum" and (wide or (plan.scheme.ranges == "static" and op.dtype.startswith("float"))):
        return "ONNX Runtime has no integer Einsum"
    if wide and op.kind not in cell.covers:
        return f"{plan.scheme.name} does not cover {op.kind} in {cell.format}"
    return None
