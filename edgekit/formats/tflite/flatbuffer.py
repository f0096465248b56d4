"""Reads a .tflite as plain records, and opens it for editing, without TensorFlow. Damaged files are named as such."""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from edgekit.errors import ConversionError, UsageError
from edgekit.formats.build import needs_extra
from edgekit.types.tensor import QuantParams, TensorSpec

__all__ = ["METADATA", "FileGraph", "OpRecord", "TensorRecord", "add_metadata", "builtin_names", "edit",
           "operator_name", "read_graph", "read_unchecked", "save"]

METADATA = "edgekit"
_DTYPES = {"BOOL": "bool", "FLOAT32": "float32", "FLOAT16": "float16", "FLOAT64": "float64", "BFLOAT16": "bfloat16",
           "INT4": "int4", "UINT4": "uint4", "INT8": "int8", "UINT8": "uint8", "INT16": "int16", "UINT16": "uint16",
           "INT32": "int32", "UINT32": "uint32", "INT64": "int64", "UINT64": "uint64"}


@dataclass(frozen=True)
class TensorRecord:
    """One tensor: ``shape`` with "batch" where the size is open; ``bytes`` are those stored, 0 unless constant."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    constant: bool
    bytes: int
    quant: QuantParams | None
    buffer: int = 0

    def sizes(self) -> tuple[int, ...]:
        return tuple(d if isinstance(d, int) else 1 for d in self.shape)

    def spec(self, name: str | None = None, layout: Any = None) -> TensorSpec:
        return TensorSpec(name=name or self.name, shape=self.shape, dtype=self.dtype, quant=self.quant, layout=layout)


@dataclass(frozen=True)
class OpRecord:
    """One operator of the main subgraph; ``inputs`` may hold -1 for an optional one left out."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class FileGraph:
    """The main subgraph. ``facts`` is what edgekit noted in the file (layouts, and the batch that values in between are
    sized for where that of the inputs is open), empty in files of others."""

    tensors: tuple[TensorRecord, ...]
    ops: tuple[OpRecord, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_names: dict[int, str] = field(default_factory=dict)
    output_names: dict[int, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def input_specs(self) -> tuple[TensorSpec, ...]:
        layouts = self.facts.get("input_layouts", [None] * len(self.inputs))
        return tuple(self.tensors[t].spec(self.input_names.get(t), layouts[i]) for i, t in enumerate(self.inputs))

    def output_specs(self) -> tuple[TensorSpec, ...]:
        layouts = self.facts.get("output_layouts", [None] * len(self.outputs))
        return tuple(self.tensors[t].spec(self.output_names.get(t), layouts[i]) for i, t in enumerate(self.outputs))

    @cached_property
    def stores(self) -> dict[int, str]:
        """buffer -> the name of the first tensor over it, so that shared bytes have one name."""
        return {t.buffer: t.name for t in reversed(self.tensors) if t.constant}

    @cached_property
    def makers(self) -> dict[int, OpRecord]:
        """tensor -> the operator that computes it."""
        return {t: op for op in self.ops for t in op.outputs}


def edit(path: Path) -> Any:
    """The file as LiteRT's mutable ``ModelT``.

    Raises:
        UsageError: the file is missing, damaged, or no .tflite.
        ConversionError: it has an operator that this LiteRT has no kernel for.
    """
    with needs_extra("tflite"):
        from ai_edge_litert import interpreter
    if not path.is_file():
        raise UsageError("artifact-missing", f"there is no file {path}", where=str(path),
                         next="check the path, or export the model again")
    try:
        # The runtime's own verifier checks every offset; the Python reader alone would follow wild ones.
        interpreter.Interpreter(
            model_path=str(path),
            experimental_op_resolver_type=interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        return read_unchecked(path)
    except (ValueError, RuntimeError, TypeError, IndexError, KeyError, AttributeError, struct.error) as error:
        if unknown := re.search(r"Didn't find op for builtin opcode '(\w+)'", str(error)):
            raise ConversionError("artifact-does-not-load", f"LiteRT has no kernel for {unknown[1]}", where=str(path),
                                  cause=unknown[1], next="use a newer LiteRT, or replace that operator") from error
        raise UsageError("artifact-damaged", f"{path.name} is not a readable .tflite file", where=str(path),
                         cause=" ".join(str(error).split())[:300] or type(error).__name__,
                         next="export the model again, or fetch the file again") from error


def read_unchecked(path: Path) -> Any:
    """The ``ModelT`` of a file that is known to be whole, such as one just written."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model_from_bytearray(path.read_bytes())


def save(model: Any, path: Path) -> None:
    """Writes a ``ModelT`` in one step."""
    from ai_edge_litert.tools import flatbuffer_utils

    part = path.with_name(path.name + ".part")
    part.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    part.replace(path)


def operator_name(model: Any, op: Any) -> str:
    """The builtin's name of a ``ModelT`` operator, ``CUSTOM:<code>`` for a custom one."""
    from ai_edge_litert.tools import flatbuffer_utils

    code = model.operatorCodes[op.opcodeIndex]
    name = builtin_names()[flatbuffer_utils.get_builtin_code_from_operator_code(code)]
    return f"CUSTOM:{_text(code.customCode)}" if name == "CUSTOM" else name


def read_graph(path: Path) -> FileGraph:
    """The file's main subgraph as records. Raises UsageError for a damaged file."""
    model = edit(path)
    if not model.subgraphs:
        raise UsageError("artifact-damaged", f"{path.name} holds no graph", where=str(path),
                         next="export the model again")
    main = model.subgraphs[0]
    tensors = tuple(_tensor(model, t) for t in main.tensors)
    ops = tuple(OpRecord(i, operator_name(model, op), tuple(int(t) for t in _list(op.inputs)),
                         tuple(int(t) for t in _list(op.outputs)), op.builtinOptions or op.builtinOptions2)
                for i, op in enumerate(main.operators or []))
    inputs, outputs = ({int(e.tensorIndex): _text(e.name) for s in (model.signatureDefs or [])[:1]
                        for e in getattr(s, end) or []} for end in ("inputs", "outputs"))
    return FileGraph(tensors, ops, tuple(int(t) for t in _list(main.inputs)),
                     tuple(int(t) for t in _list(main.outputs)), inputs, outputs, _facts(model))


def add_metadata(model: Any, facts: dict[str, Any]) -> None:
    """Notes ``facts`` in the file, as JSON under the name ``edgekit``."""
    from ai_edge_litert import schema_py_generated as schema

    model.buffers.append(schema.BufferT(data=list(json.dumps(facts, sort_keys=True).encode())))
    model.metadata = [*(model.metadata or []), schema.MetadataT(name=METADATA, buffer=len(model.buffers) - 1)]


def _facts(model: Any) -> dict[str, Any]:
    for entry in model.metadata or []:
        if _text(entry.name) == METADATA:
            data = model.buffers[entry.buffer].data
            try:
                return dict(json.loads(bytes(bytearray(_list(data))))) if data is not None else {}
            except ValueError as error:
                raise ConversionError("artifact-damaged", "the file's own notes cannot be read",
                                      cause=str(error), next="export the model again") from error
    return {}


def _tensor(model: Any, tensor: Any) -> TensorRecord:
    data = model.buffers[tensor.buffer].data
    sizes, open_sizes = _list(tensor.shape), _list(tensor.shapeSignature)
    shape = tuple("batch" if i < len(open_sizes) and open_sizes[i] == -1 else int(d) for i, d in enumerate(sizes))
    name = _type_names()[tensor.type]
    return TensorRecord(_text(tensor.name), shape, _DTYPES.get(name, name.lower()), data is not None,
                        0 if data is None else len(data), _quant(tensor.quantization), int(tensor.buffer))


def _quant(parameters: Any) -> QuantParams | None:
    if parameters is None or parameters.scale is None or not len(parameters.scale):
        return None
    scale = tuple(float(s) for s in parameters.scale)
    zero = tuple(int(z) for z in _list(parameters.zeroPoint)) or (0,)
    return QuantParams(scale=scale, zero_point=zero if len(zero) == len(scale) else zero * len(scale),
                       axis=int(parameters.quantizedDimension) if len(scale) > 1 else None)


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _text(value: Any) -> str:
    return "" if value is None else value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@cache
def builtin_names() -> dict[int, str]:
    """Operators' names by their number in the schema."""
    from ai_edge_litert import schema_py_generated as schema

    return {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}


@cache
def _type_names() -> dict[int, str]:
    from ai_edge_litert import schema_py_generated as schema

    return {v: k for k, v in vars(schema.TensorType).items() if isinstance(v, int)}
