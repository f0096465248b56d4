"""Reading and writing .onnx files, with errors for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError

from edgekit.errors import ConversionError, UsageError

__all__ = ["external_files", "load_model", "save_model"]

_PROTOBUF_LIMIT = 2 * 1024**3 - 1


def load_model(path: Path) -> onnx.ModelProto:
    """The model in ``path``. Raises UsageError where it is not there, or not a whole ONNX file."""
    try:
        model = onnx.load(path)
    except FileNotFoundError as error:
        raise UsageError("artifact-missing", f"no file {path}", next="check the path") from error
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise _unreadable(path, str(error)) from error
    if not model.graph.node or not model.opset_import:
        raise _unreadable(path, "it holds no graph")
    return model


def external_files(path: Path) -> tuple[str, ...]:
    """Names of the files beside ``path`` that hold weights of its; none for a damaged file, which a runtime refuses.

    Raises UsageError for one that lies elsewhere.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except DecodeError:
        return ()
    names = {entry.value for tensor in _initializers(model.graph)
             if tensor.data_location == onnx.TensorProto.EXTERNAL
             for entry in tensor.external_data if entry.key == "location"}
    for name in names:
        if Path(name).name != name or not (path.parent / name).is_file():
            raise UsageError("artifact-incomplete", f"{path} keeps weights in '{name}', which is no file beside it",
                             next="copy it there, or save the model as one file: onnx.save(onnx.load(FILE), ONE_FILE)")
    return tuple(sorted(names))


def _initializers(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Those of the graph, of the graphs inside its nodes, and the tensors that are nodes' attributes."""
    yield from graph.initializer
    for attribute in (a for node in graph.node for a in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _initializers(inner)


def _unreadable(path: Path, cause: str) -> UsageError:
    return UsageError("artifact-damaged", f"{path} is not a whole ONNX file", cause=cause,
                      next="export it again, or copy it again: it may have been cut short")


def save_model(model: onnx.ModelProto, path: Path) -> None:
    """Writes ``path`` in one step. Raises ConversionError where the model passes protobuf's 2 GB limit."""
    if model.ByteSize() > _PROTOBUF_LIMIT:
        raise ConversionError("artifact-too-large",
                              f"the model takes {model.ByteSize() / 1e9:.1f} GB as one .onnx file",
                              cause="protobuf ends at 2 GB", next="quantise the weights, or compress the model first")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(model.SerializeToString(deterministic=True))
        os.replace(part, path)
    except EncodeError as error:
        raise ConversionError("artifact-too-large", "the model does not fit one .onnx file", cause=str(error),
                              next="quantise the weights, or compress the model first") from error
    finally:
        part.unlink(missing_ok=True)
