"""From a captured graph to the bytes of a ``.pte``: edge dialect, delegation, memory plan, self-description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import executorch.kernels.quantized  # noqa: F401 - kernels of quantise and dequantise outside the delegate
from executorch.exir import (
    EdgeCompileConfig,
    EdgeProgramManager,
    ExecutorchBackendConfig,
    ExecutorchProgramManager,
    to_edge_transform_and_lower,
)
from executorch.exir.delegate import executorch_call_delegate
from executorch.exir.lowered_backend_module import get_lowered_backend_modules
from torch.export import ExportedProgram
from torch.fx import Node

from edgekit.formats.executorch.description import METHOD, Description, SourceTable
from edgekit.formats.executorch.own_reads import read_separately
from edgekit.formats.executorch.partition import Partitioner, refusals
from edgekit.formats.executorch.provenance import origin
from edgekit.formats.executorch.shortcuts import shortcuts
from edgekit.types.graph import Source
from edgekit.types.tensor import TensorSpec

__all__ = ["BACKENDS", "Lowered", "lower"]

BACKENDS = ("xnnpack", "portable")


@dataclass(frozen=True)
class Labels:
    """What the file says of itself beside the graph."""

    scheme: str
    backend: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Lowered:
    """``quick``: whether lowering could take its shortcuts."""

    program: ExecutorchProgramManager
    description: Description
    quick: bool


def lower(exported: ExportedProgram, labels: Labels, sources: Mapping[str, Source]) -> Lowered:
    """Lowers to the backend that ``labels`` names; ``sources`` by operator names as stamped before (provenance)."""
    partitioners = [Partitioner()] if labels.backend == "xnnpack" else []
    config = EdgeCompileConfig(_check_ir_validity=False)  # the runtime's own check at load time is the one that counts
    with shortcuts() as quick, refusals() as reasons:
        edge = to_edge_transform_and_lower(exported, transform_passes=[read_separately] if partitioners else None,
                                           partitioner=partitioners, compile_config=config)
        description = _describe(edge, labels, sources, reasons)
        edge = EdgeProgramManager(
            {"forward": edge.exported_program()}, constant_methods={METHOD: description.document()},
            compile_config=config)
        return Lowered(edge.to_executorch(ExecutorchBackendConfig()), description, quick)


def _describe(edge: EdgeProgramManager, labels: Labels, sources: Mapping[str, Source],
              reasons: Mapping[str, str]) -> Description:
    table = SourceTable()
    graph = edge.exported_program().graph_module
    delegated: dict[int, int] = {}
    for lowered in get_lowered_backend_modules(graph):
        for node in lowered.original_module.graph.nodes:
            index, handle = table.index(origin(node, sources)), node.meta.get("debug_handle")
            if index is not None and isinstance(handle, int):
                delegated.setdefault(handle, index)
    portable: dict[str, list[tuple[int | None, str | None]]] = {}
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.target is not executorch_call_delegate:
            portable.setdefault(_operator(node), []).append((table.index(origin(node, sources)),
                                                             reasons.get(node.name)))
    return Description(scheme=labels.scheme, backend=labels.backend, inputs=labels.inputs, outputs=labels.outputs,
                       sources=table.rows, delegated=delegated, portable=portable)


def _operator(node: Node) -> str:
    """``aten::permute_copy``: the name under which the runtime looks the kernel up, without its overload."""
    schema = getattr(node.target, "_schema", None)
    return schema.name if schema is not None else getattr(node.target, "__name__", str(node.target))


