"""Puts corrected biases (``QuantPlan.biases``) into the float .tflite, without converting it again."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.contracts import Program, QuantPlan
from edgekit.formats.tflite.flatbuffer import operator_name, read_unchecked, save
from edgekit.formats.tflite.kinds import WEIGHTED
from edgekit.formats.tflite.naming import node_of

__all__ = ["corrected_model"]


def corrected_model(float_path: Path, program: Program, plan: QuantPlan, floats: Collection[int],
                    scratch: Path) -> Path:
    """The float file with the plan's biases; ``float_path`` where there are none.

    A bias is replaced where the file holds the program's own values: one that the converter has folded with something
    else is left alone. So are those of ``floats``, the operators (by index) that stay float: nothing shifts there.
    """
    biases = _by_node(program, plan)
    if not biases:
        return float_path
    model = read_unchecked(float_path)
    main = model.subgraphs[0]
    for index, op in enumerate(main.operators):
        places = WEIGHTED.get(operator_name(model, op)) if index not in floats else None
        node = node_of(main.tensors[op.outputs[0]].name.decode()) if places else None
        if places is None or places.bias is None or node not in biases or len(op.inputs) <= places.bias:
            continue
        before, after = biases[node]
        tensor = main.tensors[op.inputs[places.bias]] if op.inputs[places.bias] >= 0 else None
        if tensor is not None and _holds(model.buffers[tensor.buffer].data, before):
            _store(model, tensor, after)
    path = scratch / "corrected.tflite"
    save(model, path)
    return path


def _by_node(program: Program, plan: QuantPlan) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """FX node that reads a bias -> the bias before and after."""
    signature, state = program.exported.graph_signature, program.exported.state_dict
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {user.name: (state[names[node.name]].detach().numpy(), plan.biases[names[node.name]].numpy())
            for node in program.exported.graph.nodes if names.get(node.name, "") in plan.biases
            for user in node.users}


def _holds(data: Any, values: np.ndarray) -> bool:
    if data is None:
        return False
    stored = np.frombuffer(bytes(bytearray(data)), np.float32)
    return stored.shape == values.shape and np.allclose(stored, values, rtol=1e-5, atol=1e-7)


def _store(model: Any, tensor: Any, values: np.ndarray) -> None:
    from ai_edge_litert import schema_py_generated as schema

    data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
    if sum(t.buffer == tensor.buffer for t in model.subgraphs[0].tensors) > 1:  # others keep the old bytes
        model.buffers.append(schema.BufferT())
        tensor.buffer = len(model.buffers) - 1
    model.buffers[tensor.buffer].data = data
