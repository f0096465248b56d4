"""From a Program to a float .tflite with named tensors, in the program's order of inputs and outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from edgekit.contracts import Program
from edgekit.errors import ConversionError
from edgekit.formats.build import needs_extra
from edgekit.formats.tflite.arrange import arrange, output_nodes
from edgekit.formats.tflite.flatbuffer import add_metadata, edit, operator_name, read_unchecked, save
from edgekit.formats.tflite.naming import stack_entry, tags_of
from edgekit.formats.tflite.rewrite import crop_transposed_convolutions, open_batch, repeats_as_copies

__all__ = ["float_model"]


def float_model(program: Program, layout: str, scratch: Path) -> Path:
    """The float32 model as a file in ``scratch``, converted once and then reused.

    Args:
        layout: "nhwc" gives 4-D float inputs and 4-D outputs channels last; "nchw" leaves PyTorch's order.

    Raises:
        ConversionError: litert-torch cannot convert an operator of the program.
        EnvironmentProblem: litert-torch is not installed.
    """
    path, raw = scratch / f"float-{layout}.tflite", scratch / "converted.tflite"
    if not path.exists():
        if not raw.exists():
            scratch.mkdir(parents=True, exist_ok=True)
            part = raw.with_suffix(".part")
            part.write_bytes(_convert(program))
            part.replace(raw)
        model = _opened(raw, program)
        images, maps = _image_inputs(program), _image_outputs(program)
        arrange(model, program, images if layout == "nhwc" else [], maps if layout == "nhwc" else [])
        add_metadata(model, {
            "traced_batch": max(2, program.example[0].shape[0]) if program.dynamic_batch else 1,
            "input_layouts": [layout if i in images else None for i in range(len(program.input_names))],
            "output_layouts": [layout if i in maps else None for i in range(len(program.output_names))]})
        save(model, path)
    return path


def _opened(raw: Path, program: Program) -> Any:
    """The converted model. Raises ConversionError that names the module of an operator that LiteRT cannot run."""
    try:
        return edit(raw)
    except ConversionError as error:
        model = read_unchecked(raw)
        tags = [tag for op in model.subgraphs[0].operators if operator_name(model, op) == error.cause
                for t in op.outputs for tag in tags_of(model.subgraphs[0].tensors[t].name.decode(errors="replace"))]
        if not tags:  # the last operator's name tells its position only: look for an FX node of that name
            stem = str(error.cause).rpartition("_")[2].lower()
            tags = [(source.module, node) for node, source in program.sources.items() if node.startswith(stem)]
        raise ConversionError(
            "converter-failed", f"litert-torch made an operator that LiteRT cannot run: {error.cause}",
            where=str(program.sources.get(tags[-1][1]) or tags[-1][0]) if tags else None, cause=error.message,
            next="replace the operator in that module, or leave tflite out of `formats`") from error


def _convert(program: Program) -> bytes:
    with needs_extra("tflite"):
        import litert_torch
    module = _tagged(program)
    crop_transposed_convolutions(module)
    repeats_as_copies(module)
    module.training = False  # an exported module refuses eval(); it is in eval mode already
    example, shapes = program.example, None
    if program.dynamic_batch:
        open_batch(module)
        # Tracing fixes a dimension that it sees at size 1: show it 2.
        example = tuple(torch.cat([x, x]) if x.shape[0] == 1 else x for x in example)
        shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in example)
    try:
        content: bytes = litert_torch.convert(module, example, dynamic_shapes=shapes).model_content()
    except Exception as error:  # the converter raises whatever its stages raise
        raise _explained(error, program) from error
    return content


def _tagged(program: Program) -> torch.fx.GraphModule:
    """The program as a module whose nodes carry their path and name where litert-torch looks for tensor names."""
    module: torch.fx.GraphModule = program.exported.module()
    for node in module.graph.nodes:
        if node.op == "call_function":
            source = program.sources.get(node.name)
            node.meta["nn_module_stack"] = stack_entry(source.module if source else "", node.name)
    return module


def _explained(error: Exception, program: Program) -> ConversionError:
    """The converter's error with the user's module that it is about, where the message tells the operator."""
    text = str(error)
    steps = re.findall(r"^\s*(\w+) = torch\.ops", text, re.M) + re.findall(r"While executing %(\w+)", text)
    where = next((str(program.sources[name]) for name in steps if name in program.sources), None)
    lines = [x.strip() for x in text.splitlines() if x.strip()] or [type(error).__name__]
    line = " ".join(lines[:3] if lines[0].endswith(":") else lines[:1])  # a heading says nothing
    return ConversionError(
        "converter-failed", f"litert-torch cannot convert {program.name} to .tflite", where=where,
        cause=f"{type(error).__name__}: {line[:300]}",
        next=("fix the batch size: leave dynamic_shapes() away; litert-torch converts few models with an open batch, "
              if program.dynamic_batch else "replace the named operator by ones that litert-torch knows, ")
        + "or leave tflite out of `formats`")


def _image_inputs(program: Program) -> list[int]:
    return [i for i, x in enumerate(program.example) if x.ndim == 4 and x.is_floating_point()]


def _image_outputs(program: Program) -> list[int]:
    return [i for i, node in enumerate(output_nodes(program)) if node.meta["val"].ndim == 4]
