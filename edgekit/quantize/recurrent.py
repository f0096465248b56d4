"""Recurrent layers as the steps that TFLite and ExecuTorch make of them, while those can still be quantised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch._decomp import get_decompositions

from edgekit.contracts import Program
from edgekit.quantize.kinds import kind_of
from edgekit.workload.sources import sources_of

__all__ = ["unrolled"]


def unrolled(program: Program) -> Program:
    """``program`` with every recurrent layer written out over the steps of the example input; itself without any."""
    graph = program.exported.graph
    recurrent: Any = {n.target for n in graph.nodes if n.op == "call_function" and kind_of(n) == "rnn"}
    if not recurrent:
        return program
    exported = program.exported.run_decompositions(get_decompositions(list(recurrent)))
    return replace(program, exported=exported, sources=sources_of(exported.graph))
