"""Proof that an artifact *is* what was asked: every covered weight in the asked dtype, exceptions named."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.contracts import FloatRule, QuantPlan
from edgekit.quantize.rules import matches
from edgekit.types.artifact import Artifact
from edgekit.types.graph import Constant, Op, OpGraph
from edgekit.types.scheme import SchemeSupport

__all__ = ["prove"]


def _named(op: Op, artifact: Artifact, rules: Iterable[FloatRule]) -> bool:
    """Whether the artifact's facts name this operator as kept float, or a rule of the plan asked for it."""
    places = {op.source.module if op.source else op.name, op.name, *op.outputs[:1]}
    if any(k.op in (op.kind, op.name) and k.where in places for k in artifact.kept_float):
        return True
    return any(matches(rule, op.source, op.kind) for rule in rules)


def _wrong_weights(op: Op, asked: str) -> list[Constant]:
    return [c for c in op.constants if c.role == "weight" and c.dtype != asked]


def prove(graph: OpGraph, artifact: Artifact, plan: QuantPlan, support: SchemeSupport) -> list[str]:
    """What in the artifact is not what the plan asked for, one sentence each; empty when it is proven.

    Weights of the kinds that ``support.covers`` names must be stored in the scheme's weight dtype, and with static
    schemes their operators must compute in its activation dtype, unless named as kept float.
    """
    scheme, problems = plan.scheme, []
    covered = [op for op in graph.ops if op.kind in support.covers and
               any(c.role == "weight" for c in op.constants)]
    for op in covered:
        if _named(op, artifact, plan.keep_float):
            continue
        where = str(op.source) if op.source else op.name
        for constant in _wrong_weights(op, scheme.weights):
            problems.append(f"{op.kind} at {where}: weight {constant.name} is {constant.dtype} "
                            f"({constant.bytes} bytes), asked was {scheme.weights}")
        computes = op.kind != "embedding"  # a lookup does not
        if scheme.ranges == "static" and computes and op.dtype != scheme.activations:
            problems.append(f"{op.kind} at {where}: computes in {op.dtype}, asked was {scheme.activations}")
    if scheme.quantized and not covered:
        problems.append(f"no operator holds weights that {scheme.name} covers: nothing was quantised")
    return problems
