"""Puts a freshly converted model in order: inputs and outputs as in the program, readable names, flat biases."""

from __future__ import annotations

import copy
import math
import re
from typing import Any

import torch

from edgekit.contracts import Program
from edgekit.errors import ConversionError
from edgekit.formats.tflite.flatbuffer import operator_name
from edgekit.formats.tflite.kinds import WEIGHTED
from edgekit.formats.tflite.layout import channels_last, separate_outputs
from edgekit.formats.tflite.naming import base_of, is_base, label, tags_of

__all__ = ["arrange", "output_nodes"]


def arrange(model: Any, program: Program, last_inputs: list[int], last_outputs: list[int]) -> None:
    """Edits a ``ModelT`` that litert-torch made of ``program`` in place.

    ``last_inputs`` and ``last_outputs`` are the positions of those to be made channels last.
    """
    _order(model.subgraphs[0], model.signatureDefs[0], program)
    returned = dict(zip(model.subgraphs[0].outputs, output_nodes(program), strict=True))
    channels_last(model, last_inputs, last_outputs)
    separate_outputs(model)
    _separate_constants(model)
    returned |= dict(zip(model.subgraphs[0].outputs, output_nodes(program), strict=True))
    _name_tensors(model, program, returned)
    _flatten_biases(model)
    _raise_ranks(model)


def output_nodes(program: Program) -> list[torch.fx.Node]:
    """The FX nodes whose values the program returns, in order."""
    by_name = {n.name: n for n in program.exported.graph.nodes}
    return [by_name[name] for name in program.exported.graph_signature.user_outputs if isinstance(name, str)]


def _order(main: Any, signature: Any, program: Program) -> None:
    for entries, names, ends in ((signature.inputs, program.input_names, "inputs"),
                                 (signature.outputs, program.output_names, "outputs")):
        entries.sort(key=lambda e: int(re.findall(rb"(\d+)$", e.name)[0]))
        setattr(main, ends, [e.tensorIndex for e in entries])
        if len(entries) != len(names):
            raise ConversionError("converter-failed",
                                  f"the converted file has {len(entries)} {ends}, the model {len(names)}",
                                  cause=f"expected {', '.join(names)}", next="report this as a bug of edgekit")
        for entry, name in zip(entries, names, strict=True):
            entry.name = name.encode()


def _name_tensors(model: Any, program: Program, outputs: dict[int, torch.fx.Node]) -> None:
    """Gives every tensor a unique readable name; constants are named for the operator that reads them first.

    ``outputs`` says which FX node a returned tensor is: litert-torch names it for its position only.
    """
    main = model.subgraphs[0]
    names: dict[int, str] = {t: n for t, n in zip(main.inputs, program.input_names, strict=True)}
    for op in main.operators:
        kind, pair = operator_name(model, op), None
        for tensor in op.outputs:
            tags = tags_of(_text(main.tensors[tensor].name))
            if tensor in outputs and not tags:
                tags = [_upstream(outputs[tensor], kind, program)]
            if tags and tensor not in names:
                pair = base_of(tags, kind)
                names[tensor] = label(*pair)
        for position, tensor in enumerate(op.inputs):
            if pair and tensor >= 0 and tensor not in names and _is_constant(model, tensor):
                names[tensor] = label(*pair, _role(kind, position))
    taken: dict[str, int] = {}
    for index, tensor in enumerate(main.tensors):
        name = names.get(index) or _text(tensor.name)
        count = taken[name] = taken.get(name, 0) + 1
        tensor.name = (name if count == 1 else f"{name}:{count}").encode()


def _upstream(node: torch.fx.Node, op: str, program: Program) -> tuple[str, str]:
    """The FX node that ``op`` stands for, from the one that it ends in: a few fused steps back at most."""
    step = node
    for _ in range(4):
        if is_base(step.name, op) or not step.args or not isinstance(step.args[0], torch.fx.Node):
            break
        step = step.args[0]
    chosen = step if is_base(step.name, op) and step.op == "call_function" else node
    source = program.sources.get(chosen.name)
    return (source.module if source else "", chosen.name)


def _role(op: str, position: int) -> str:
    places = WEIGHTED.get(op)
    return {places.weight: "weight", places.bias: "bias"}.get(position, "const") if places else "const"


def _separate_constants(model: Any) -> None:
    """Gives every reader of a shared constant a tensor of its own over the same bytes, bytes apart for other shapes.

    ai-edge-quantizer 0.10.0 fails (bytes and str are joined) where one tensor is wanted in two forms, as with tied
    weights of which one reader stays float; tensors that share bytes it keeps shared as long as it can. It also
    takes one tensor's scales for another over the same bytes whose rank differs.
    """
    main, seen = model.subgraphs[0], set()
    for op in main.operators:
        for position, tensor in enumerate(op.inputs):
            if tensor < 0 or not _is_constant(model, tensor):
                continue
            if tensor in seen:
                main.tensors.append(copy.copy(main.tensors[tensor]))
                op.inputs[position] = len(main.tensors) - 1
            seen.add(tensor)
    stores: dict[tuple[int, tuple[int, ...]], int] = {}
    for tensor in main.tensors:
        shape = tuple(int(d) for d in tensor.shape)
        if model.buffers[tensor.buffer].data is None:
            continue
        key = (tensor.buffer, shape)
        if key not in stores:
            taken = any(buffer == tensor.buffer for buffer, _ in stores)
            if taken:
                model.buffers.append(copy.copy(model.buffers[tensor.buffer]))
            stores[key] = len(model.buffers) - 1 if taken else tensor.buffer
        tensor.buffer = stores[key]


def _flatten_biases(model: Any) -> None:
    """Makes every constant bias one-dimensional: one of shape [1, 1, 1, C] cannot carry per-channel scales.

    (Otherwise LiteRT refuses the int8 file with "num_scales must be 1".)
    """
    main = model.subgraphs[0]
    for op in main.operators:
        places = WEIGHTED.get(operator_name(model, op))
        if not places or places.bias is None or places.bias >= len(op.inputs) or op.inputs[places.bias] < 0:
            continue
        bias = main.tensors[op.inputs[places.bias]]
        shape = [int(d) for d in bias.shape]
        if _is_constant(model, op.inputs[places.bias]) and len(shape) > 1 and math.prod(shape) == shape[-1]:
            bias.shape, bias.shapeSignature = [shape[-1]], None


def _raise_ranks(model: Any) -> None:
    """Writes scalars that a choice or a clamp reads with as many dimensions as its result has.

    ai-edge-quantizer 0.10.0 gives them the result's grid and refuses constants of another rank.
    """
    main = model.subgraphs[0]
    for op in main.operators:
        if operator_name(model, op) not in ("MAXIMUM", "MINIMUM", "SELECT_V2"):
            continue
        rank = len(main.tensors[op.outputs[0]].shape)
        for tensor in op.inputs:
            if _is_constant(model, tensor):
                shape = [int(d) for d in main.tensors[tensor].shape]
                main.tensors[tensor].shape = [1] * (rank - len(shape)) + shape
                main.tensors[tensor].shapeSignature = None


def _is_constant(model: Any, tensor: int) -> bool:
    return model.buffers[model.subgraphs[0].tensors[tensor].buffer].data is not None


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
