"""Loads and runs a .tflite in LiteRT with its default kernels, as users get it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConversionError, UsageError
from edgekit.formats.tflite.flatbuffer import FileGraph, TensorRecord, read_graph
from edgekit.formats.tflite.graph import op_kind
from edgekit.formats.tflite.naming import node_of, source_of
from edgekit.formats.tflite.runtime import interpreter
from edgekit.types.layer import LayerValue

__all__ = ["TfliteSession", "dequantize"]

_KEPT_SHAPES = 3


def dequantize(value: np.ndarray, tensor: TensorRecord) -> np.ndarray:
    """A stored value as float32: integers with scales are dequantised, per channel where they are."""
    quant = tensor.quant
    if quant is None or not np.issubdtype(value.dtype, np.integer):
        return value.astype(np.float32)
    scale, zero = np.asarray(quant.scale, np.float32), np.asarray(quant.zero_point, np.float32)
    if quant.axis is not None:
        along = [1] * value.ndim
        along[quant.axis] = -1
        scale, zero = scale.reshape(along), zero.reshape(along)
    return (value.astype(np.float32) - zero) * scale


class TfliteSession:
    """A ``contracts.Session``; single-threaded unless asked otherwise."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._path, self._threads = path, threads
        self._graph: FileGraph = read_graph(path)
        self.inputs, self.outputs = self._graph.input_specs(), self._graph.output_specs()
        self._loaded: dict[tuple[tuple[int, ...], ...], Any] = {}
        self._at(tuple(self._graph.tensors[i].sizes() for i in self._graph.inputs))  # refuses a broken file now

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        self._check(inputs)
        return self._invoke(self._at(tuple(v.shape for v in inputs)), inputs)

    def layers(self, inputs: Sequence[np.ndarray]) -> list[LayerValue]:
        """Operators' results in order of execution, in the file's own layout (often channels last).

        Of the several operators that one of the program became (a SiLU: LOGISTIC, MUL) the last holds its result.
        """
        self._check(inputs)
        keeper = interpreter(self._path, threads=self._threads, keep_values=True,
                             shapes=self._open_shapes(tuple(v.shape for v in inputs)))
        self._invoke(keeper, inputs)
        results = [(op, index, node_of(self._graph.tensors[index].name))
                   for op in self._graph.ops for index in op.outputs]
        last = {node: index for _, index, node in results}
        values = []
        for op, index, node in results:
            if node is None or last[node] == index:
                tensor = self._graph.tensors[index]
                values.append(LayerValue(tensor.name, source_of(tensor.name), op_kind(self._graph, op),
                                         dequantize(keeper.get_tensor(index), tensor)))
        return values

    def _at(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        """The interpreter for these input shapes; the last few are kept."""
        if shapes not in self._loaded:
            while len(self._loaded) >= _KEPT_SHAPES:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[shapes] = interpreter(self._path, threads=self._threads, shapes=self._open_shapes(shapes))
        return self._loaded[shapes]

    def _open_shapes(self, shapes: tuple[tuple[int, ...], ...]) -> dict[int, tuple[int, ...]]:
        return {index: shape for index, shape in zip(self._graph.inputs, shapes, strict=True)
                if shape != self._graph.tensors[index].sizes()}

    def _check(self, inputs: Sequence[np.ndarray]) -> None:
        if len(inputs) != len(self.inputs):
            raise UsageError("artifact-inputs", f"the model takes {len(self.inputs)} inputs, got {len(inputs)}",
                             cause=", ".join(s.name for s in self.inputs), next="pass every input, in order")
        for spec, value in zip(self.inputs, inputs, strict=True):
            _check(spec.name, spec.shape, spec.dtype, value)

    def _invoke(self, loaded: Any, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        for index, value in zip(self._graph.inputs, inputs, strict=True):
            loaded.set_tensor(index, np.ascontiguousarray(value))
        try:
            loaded.invoke()
        except RuntimeError as error:
            raise ConversionError("artifact-does-not-run", f"LiteRT failed while running {self._path.name}",
                                  where=str(self._path), cause=" ".join(str(error).split())[:300],
                                  next="export again with the operator that the cause names kept float") from error
        return [loaded.get_tensor(index) for index in self._graph.outputs]


def _check(name: str, shape: tuple[int | str, ...], dtype: str, value: np.ndarray) -> None:
    fits = len(shape) == value.ndim and all(isinstance(want, str) or want == got
                                            for want, got in zip(shape, value.shape, strict=True))
    if not fits or str(value.dtype) != dtype:
        raise UsageError("artifact-inputs", f"input {name!r} is {value.dtype}{list(value.shape)}, the model takes "
                         f"{dtype}{list(shape)}", next="convert the value to the artifact's dtype and shape")
