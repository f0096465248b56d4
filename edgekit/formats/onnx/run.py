"""Loads and runs an .onnx in ONNX Runtime on the CPU, with the optimisations that users get by default."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from google.protobuf.message import EncodeError
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from edgekit.errors import ConversionError, UsageError
from edgekit.formats.onnx.border import read_specs
from edgekit.formats.onnx.files import load_model
from edgekit.formats.onnx.kinds import kind_of
from edgekit.formats.onnx.names import Names
from edgekit.formats.onnx.shared import with_own_weights
from edgekit.formats.onnx.sources import Origin, origins_of
from edgekit.types.graph import Source
from edgekit.types.layer import LayerValue

__all__ = ["OnnxSession", "session_of"]

_NOT_LAYERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast")
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)


def session_of(model: bytes | Path, threads: int = 1, *, exact: bool = False, without: Sequence[str] = (),
               **options: object) -> ort.InferenceSession:
    """A CPU session on ``model``, serialised or a file, ``without`` the optimisers of these names.

    ``options`` are attributes of ``SessionOptions``.

    Raises ConversionError where ONNX Runtime refuses the model.
    """
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 3
    for name, value in options.items():
        setattr(settings, name, value)
    if exact:
        # x86 cores without VNNI saturate 8-bit products unless told to be exact. Arm is always exact.
        settings.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return ort.InferenceSession(model if isinstance(model, bytes) else str(model), settings,
                                    providers=["CPUExecutionProvider"], disabled_optimizers=list(without))
    except (Fail, InvalidArgument, InvalidGraph, NoKernel) as error:
        raise ConversionError("artifact-does-not-load", "ONNX Runtime refuses the model",
                              cause=next(iter(str(error).splitlines()), None),
                              next="export again; if it stays, leave onnx out or report the operator named") from error


def _value_source(origin: Origin | None) -> Source | None:
    return Source(module=origin.value) if origin and origin.value is not None else None


def _serialized(model: onnx.ModelProto) -> bytes:
    try:
        return model.SerializeToString()
    except EncodeError as error:
        raise ConversionError("artifact-too-large", "the model is too large to be taken apart in memory",
                              cause=str(error), next="quantise more of the weights, or share fewer") from error


class OnnxSession:
    """A ``contracts.Session``; ``threads`` are those of one operator."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._model, self._threads = load_model(path), threads
        self.inputs, self.outputs = read_specs(self._model)
        # Only where activations are quantised: on weight-only models 1.31 rewrites weights wrongly with this option.
        self._exact = any(n.op_type in ("QuantizeLinear", "DynamicQuantizeLinear") for n in self._model.graph.node)
        # As it is, the file is read by ONNX Runtime itself: no copy in memory, and no limit of protobuf's on data
        # that it keeps beside the .onnx.
        runs = self._loadable(self._model)
        self._session = session_of(path if runs is self._model else _serialized(runs), threads, exact=self._exact)

    def _loadable(self, model: onnx.ModelProto) -> onnx.ModelProto:
        return with_own_weights(model) if self._exact else model

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        return self._run(self._session, [spec.name for spec in self.outputs], inputs)

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        """Every operator's float result in order of execution; of quantised operators, what they pass on.

        Integer fusions stay as they are: the values are taken after the DequantizeLinear that follows them.
        """
        shown = self._shown()
        if not shown:
            return []  # ONNX Runtime takes no names for all outputs
        opened = onnx.ModelProto()
        opened.CopyFrom(self._model)
        present = {v.name for v in opened.graph.output}
        opened.graph.output.extend(onnx.helper.make_empty_tensor_value_info(tensor)
                                   for tensor, _ in shown if tensor not in present)
        session = session_of(_serialized(self._loadable(opened)), self._threads, exact=self._exact)
        values = self._run(session, [tensor for tensor, _ in shown], inputs)
        names, origins = Names(self._model), origins_of(self._model)
        return [LayerValue(node.output[0], _value_source(origins.get(node.output[0])),
                           kind_of(node, names.constant_shape), np.asarray(value, np.float32))
                for (_, node), value in zip(shown, values, strict=True)]

    def _shown(self) -> list[tuple[str, onnx.NodeProto]]:
        """(tensor to read, node it is the result of), in order: one for each operator with a float result."""
        names, origins = Names(onnx.shape_inference.infer_shapes(self._model)), origins_of(self._model)
        shown = []
        for node in self._model.graph.node:
            # What the exporter or a rewrite put inside an operator is no layer (foreign files say nothing of it).
            origin = origins.get(node.output[0])
            if node.op_type in _NOT_LAYERS or (origins and (origin is None or origin.value is None)):
                continue
            result = node.output[0]
            users = names.consumers[result]
            if len(users) == 1 and users[0].op_type == "QuantizeLinear" and result not in names.outputs:
                after = names.consumers[users[0].output[0]]
                if after and after[0].op_type == "DequantizeLinear":
                    shown.append((after[0].output[0], node))
                continue
            if result in names.types and names.types[result].elem_type in _FLOATS:
                shown.append((result, node))
        return shown

    def _run(self, session: ort.InferenceSession, names: Sequence[str], inputs: Sequence[np.ndarray],
             ) -> list[np.ndarray]:
        if len(inputs) != len(self.inputs):
            raise UsageError("artifact-inputs", f"the model takes {len(self.inputs)} inputs, got {len(inputs)}",
                             next="pass one array for each of: " + ", ".join(s.name for s in self.inputs))
        feed = {spec.name: np.asarray(value) for spec, value in zip(self.inputs, inputs, strict=True)}
        try:
            results: list[np.ndarray] = session.run(list(names), feed)
        except InvalidArgument as error:
            raise UsageError("artifact-inputs", "the inputs do not fit the model", cause=str(error),
                             next="give " + ", ".join(f"{s.name}: {s.dtype} {list(s.shape)}"
                                                      for s in self.inputs)) from error
        except Fail as error:
            raise ConversionError("artifact-does-not-run", "ONNX Runtime failed while running the model",
                                  cause=str(error), next="keep the operator that the cause names float") from error
        return results
