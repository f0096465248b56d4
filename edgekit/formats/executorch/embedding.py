"""Embedding tables in int8: XNNPACK has no lookup, ExecuTorch's own quantised kernels do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.fx import GraphModule, Node

from edgekit.workload.tensors import meta_for_new

__all__ = ["quantize_embeddings"]

_embedding = torch.ops.aten.embedding.default
_LIMIT = 127


def quantize_embeddings(module: GraphModule, keep: Callable[[Node], bool]) -> None:
    """Stores the tables of an unlifted graph as int8 with one symmetric scale a row; looked up rows are float32.

    Lookups for which ``keep`` holds stay as they are, and so does a table that is not a constant.
    """
    import executorch.kernels.quantized  # noqa: F401 - registers quantized_decomposed::embedding_byte

    stored: dict[str, tuple[Node, Node]] = {}
    for node in list(module.graph.nodes):
        table = node.args[0] if node.target is _embedding else None
        if not isinstance(table, Node) or table.op != "get_attr" or keep(node):
            continue
        target = str(table.target)
        if target not in stored:
            stored[target] = _store(module, table)
        weight, scales = stored[target]
        node.target = torch.ops.quantized_decomposed.embedding_byte.default
        node.args = (weight, scales, None, -_LIMIT, _LIMIT, node.args[1])
        node.kwargs = {}
    module.graph.eliminate_dead_code()
    module.recompile()


def _store(module: GraphModule, table: Node) -> tuple[Node, Node]:
    owner, _, name = str(table.target).rpartition(".")
    value = getattr(module.get_submodule(owner), name).detach()
    scale = (value.abs().amax(1) / _LIMIT).clamp_min(torch.finfo(torch.float32).tiny)
    rounded = (value / scale[:, None]).round().clamp(-_LIMIT, _LIMIT).to(torch.int8)
    made = []
    for suffix, tensor in (("int8", rounded), ("scale", scale)):
        attribute = f"{str(table.target).replace('.', '_')}_{suffix}"
        module.register_buffer(attribute, tensor)
        with module.graph.inserting_before(table):
            node = module.graph.get_attr(attribute)
        node.meta = meta_for_new(table)
        made.append(node)
    return made[0], made[1]
