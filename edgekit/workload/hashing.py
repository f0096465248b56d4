"""Hashes of what decides an artifact: the program and the calibration inputs. Stable across processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from edgekit.contracts import Inputs, Program

__all__ = ["add_tensor", "calibration_hash", "program_hash"]


def add_tensor(digest: Any, name: str, value: torch.Tensor) -> None:
    """Feeds a hashlib digest with a tensor's name, dtype, shape and values."""
    value = value.detach().cpu()
    digest.update(f"{name}:{value.dtype}:{list(value.shape)}".encode())
    if value.numel():
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())


def _add_tensors(digest: Any, tensors: Mapping[str, Any]) -> None:
    for name in sorted(tensors):
        if isinstance(tensors[name], torch.Tensor):
            add_tensor(digest, name, tensors[name])


def _graph_text(graph: torch.fx.Graph) -> str:
    """Operators, arguments, wiring and module paths: no source lines, which change without changing the artifact."""
    lines = []
    for node in graph.nodes:
        stack = node.meta.get("nn_module_stack") or {}
        path = list(stack.values())[-1][0] if stack else ""
        value = node.meta.get("val")
        shape = f"{value.dtype}{list(map(str, value.shape))}" if isinstance(value, torch.Tensor) else ""
        lines.append(f"{node.op} {node.name} {node.target} {node.args} {node.kwargs} {path} {shape}")
    return "\n".join(lines)


def program_hash(program: Program) -> str:
    """sha256 over the graph, all weights and constants, and the example inputs' shapes and dtypes, in hex."""
    digest = hashlib.sha256()
    for name, module in program.exported.graph_module.named_modules():  # branches of torch.cond are graphs too
        if isinstance(module, torch.fx.GraphModule):
            digest.update(f"{name}\n{_graph_text(module.graph)}\n".encode())
    _add_tensors(digest, program.exported.state_dict)
    _add_tensors(digest, program.exported.constants)
    digest.update(repr([(list(t.shape), str(t.dtype)) for t in program.example]).encode())
    digest.update(repr((program.input_names, program.output_names, program.dynamic_batch)).encode())
    return digest.hexdigest()


def calibration_hash(inputs: Iterable[Inputs]) -> str:
    """sha256 over every value of the calibration inputs, in order, in hex."""
    digest = hashlib.sha256()
    for sample in inputs:
        for index, value in enumerate(sample):
            add_tensor(digest, str(index), value)
    return digest.hexdigest()
