"""A program on disk: what child processes start from, without the user's code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from edgekit.contracts import Program
from edgekit.errors import ConversionError
from edgekit.types.graph import Source
from edgekit.workload.origin import cause_of
from edgekit.workload.pt2_check import read_exported

__all__ = ["load_program", "save_program"]

_SCHEMA = "edgekit/program/1"
_GRAPH, _EXAMPLE, _FACTS = "program.pt2", "example.safetensors", "program.json"


def _operators(exported: torch.export.ExportedProgram) -> list[torch.fx.Node]:
    return [n for n in exported.graph.nodes if n.op not in ("placeholder", "output")]


def save_program(program: Program, folder: Path) -> None:
    """Writes ``program.pt2``, the example inputs and a JSON document with names and sources into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.export.save(program.exported, folder / _GRAPH)
    save_file({str(i): t.contiguous().clone() for i, t in enumerate(program.example)}, folder / _EXAMPLE)
    # Sources by position beside their names: a later torch may name nodes anew when it reads the graph.
    order = [n.name for n in _operators(program.exported)]
    facts = {"schema": _SCHEMA, "name": program.name, "input_names": program.input_names,
             "output_names": program.output_names, "dynamic_batch": program.dynamic_batch, "nodes": order,
             "sources": {n: s.model_dump() for n, s in program.sources.items()}}
    (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")


def load_program(folder: Path) -> Program:
    """Reads what :func:`save_program` wrote. Raises ConversionError (``program-not-readable``)."""
    try:
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        exported = read_exported(folder / _GRAPH)  # our own file: no check for code as for a user's .pt2
        example = load_file(folder / _EXAMPLE)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, zipfile.BadZipFile) as error:
        raise ConversionError("program-not-readable", "a saved program cannot be read", where=folder.name,
                              cause=cause_of(error),
                              next="run the export again; `edgekit cache prune` removes broken entries") from error
    renamed = dict(zip(facts["nodes"], (n.name for n in _operators(exported)), strict=True))
    return Program(
        name=facts["name"], exported=exported, example=tuple(example[str(i)] for i in range(len(example))),
        input_names=tuple(facts["input_names"]), output_names=tuple(facts["output_names"]),
        dynamic_batch=facts["dynamic_batch"],
        sources={renamed.get(n, n): Source(**s) for n, s in facts["sources"].items()})
