"""Recurrent layers as the steps that TFLite and ExecuTorch make of them, while those can still be quantised."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from torch._decomp import get_decompositions
from torch.export import ExportedProgram
from torch.fx import Node

from edgekit.contracts import Program
from edgekit.quantize.kinds import kind_of
from edgekit.workload.sources import sources_of

__all__ = ["unrolled", "unrolled_notes"]


def unrolled(program: Program) -> Program:
    """``program`` with every recurrent layer written out over the steps of the example input; itself without any.

    All other operators keep their names, which float rules go by; a step's operator is called ``mul_3_of_lstm``.
    """
    recurrent = _layers(program)
    if not recurrent:
        return program
    targets: Any = list(set(recurrent.values()))
    exported = program.exported.run_decompositions(get_decompositions(targets))
    _rename(exported, recurrent.keys())
    return replace(program, exported=exported, sources=sources_of(exported.graph))


def _rename(exported: ExportedProgram, recurrent: Collection[str]) -> None:
    """Undoes the numbering that decomposition gives to every operator."""
    renamed: dict[str, str] = {}
    for node in exported.graph.nodes:
        if node.op == "call_function":
            origin = _origin(node)
            several = origin in recurrent or origin in renamed.values()
            renamed[node.name] = f"{node.name}_of_{origin}" if several else origin
            node.name = renamed[node.name]
    for spec in exported.graph_signature.output_specs:
        spec.arg.name = renamed.get(spec.arg.name, spec.arg.name)
    exported.graph_module.recompile()


def _origin(node: Node) -> str:
    sources = node.meta.get("from_node")
    return str(sources[0].name) if sources else node.name


def unrolled_notes(program: Program) -> list[str]:
    """What users should know of recurrent layers in a format that writes their steps out."""
    layers = _layers(program)
    return [f"{len(layers)} recurrent layer(s) are unrolled over the steps of the example input: the file works for "
            "that length only and grows with it"] if layers else []


def _layers(program: Program) -> dict[str, Any]:
    """Operators of the program's recurrent layers by node name."""
    return {n.name: n.target for n in program.exported.graph.nodes if n.op == "call_function" and kind_of(n) == "rnn"}
