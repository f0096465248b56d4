"""A workload from a ``.pt2``, the file that ``torch.export.save`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.export.graph_signature import InputKind

from edgekit.contracts import Workload
from edgekit.errors import WorkloadError
from edgekit.workload.origin import cause_of, shown
from edgekit.workload.positional import flatten_graph_module
from edgekit.workload.pt2_check import checked_pt2, read_exported
from edgekit.workload.structure import flatten_outputs, output_names
from edgekit.workload.weights import load_weights

__all__ = ["workload_from_pt2"]

# Operators whose argument of this position says that the program was captured in training mode.
_TRAINING_ARGUMENT = {"aten.dropout.default": 2, "aten.feature_dropout.default": 2, "aten.batch_norm.default": 5,
                      "aten.instance_norm.default": 5, "aten.rrelu.default": 3}


def _read(file: Path) -> torch.export.ExportedProgram:
    archive = checked_pt2(file)
    try:
        return read_exported(archive)
    except Exception as error:
        raise WorkloadError("workload-broken-file", f"torch {torch.__version__} cannot read {file.name}",
                            where=shown(str(file)), cause=cause_of(error),
                            next="save it again with this torch's torch.export.save(program, \"model.pt2\")") from error


def _refuse_training(program: torch.export.ExportedProgram, file: Path) -> None:
    for node in program.graph.nodes:
        position = _TRAINING_ARGUMENT.get(str(node.target))
        if position is not None and len(node.args) > position and node.args[position] is True:
            raise WorkloadError("workload-training-mode", f"{file.name} was exported in training mode",
                                where=shown(str(file)), cause=f"{node.name} ({node.target}) is in training mode",
                                next="call model.eval() before torch.export.export()")


def _dynamic_batch(program: torch.export.ExportedProgram, notes: list[str]) -> bool:
    """Whether dimension 0 of every input is one symbol. Other symbols are fixed at the example's size, with a note."""
    shapes = [n.meta["val"].shape for n in _user_inputs(program)]
    others = sorted({f"{n.name}[{d}]" for n in _user_inputs(program)
                     for d, size in enumerate(n.meta["val"].shape) if d and not isinstance(size, int)})
    if others:
        notes.append(f"dynamic dimensions other than the batch are fixed at the example's size: {', '.join(others)}")
    firsts = {str(s[0]) if s and not isinstance(s[0], int) else None for s in shapes}
    return len(firsts) == 1 and None not in firsts and not others


def _user_inputs(program: torch.export.ExportedProgram) -> list[torch.fx.Node]:
    names = {s.arg.name for s in program.graph_signature.input_specs if s.kind == InputKind.USER_INPUT}
    return [n for n in program.graph.nodes if n.op == "placeholder" and n.name in names]


def _flat(values: Any) -> list[Any]:
    args, kwargs = values
    return [*args, *kwargs.values()]


def workload_from_pt2(file: Path, weights: Path | None) -> Workload:
    """Reads a ``.pt2`` after checking that it cannot run code. Raises WorkloadError."""
    program = _read(file)
    _refuse_training(program, file)
    notes: list[str] = []
    example = [t for _, t in flatten_outputs(_flat(program.example_inputs))] if program.example_inputs else []
    placeholders = _user_inputs(program)
    if len(example) != len(placeholders) or not example:
        raise WorkloadError("workload-bad-inputs", f"{file.name} holds no example tensors for its inputs",
                            where=shown(str(file)),
                            cause=f"{len(placeholders)} inputs, {len(example)} example tensors",
                            next="export with tensors only, and save with torch.export.save()")
    inputs = tuple(t.detach().cpu().contiguous() for t in example)
    dynamic = _dynamic_batch(program, notes)
    graph_module = program.module(check_guards=False)
    with torch.no_grad():
        keyed = graph_module(*program.example_inputs[0], **program.example_inputs[1])
    module = flatten_graph_module(graph_module)
    if weights is not None:
        load_weights(module, weights)
    names = tuple(n.name for n in placeholders)
    return Workload(
        name=file.stem, source=file, module=module.eval(), example=inputs,
        input_names=names, output_names=output_names([p for p, _ in flatten_outputs(keyed)], names),
        dynamic_batch=dynamic, warnings=notes)
