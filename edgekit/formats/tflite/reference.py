"""A second opinion on a .tflite: TensorFlow's own interpreter with its plain reference kernels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.errors import ConversionError, EnvironmentProblem

__all__ = ["compare_outputs", "run_reference"]


def run_reference(path: Path, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The file's outputs by TensorFlow's reference kernels: in the file's order, dequantised to float32.

    Args:
        inputs: arrays in the file's own dtypes and layout.

    Raises:
        EnvironmentProblem: TensorFlow is not installed.
        ConversionError: TensorFlow cannot load or run the file.
    """
    try:
        import tensorflow as tf
    except ModuleNotFoundError as error:
        raise EnvironmentProblem(
            "tensorflow-not-installed", "the reference interpreter needs TensorFlow, which is not installed",
            cause=f"no package {error.name!r}", next='pip install "edgekit[tensorflow]"') from error
    try:
        loaded = tf.lite.Interpreter(model_path=str(path), num_threads=1,
                                     experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF)
        for detail, value in zip(loaded.get_input_details(), inputs, strict=True):
            if tuple(detail["shape"]) != value.shape:
                loaded.resize_tensor_input(detail["index"], value.shape)
        loaded.allocate_tensors()
        for detail, value in zip(loaded.get_input_details(), inputs, strict=True):
            loaded.set_tensor(detail["index"], value)
        loaded.invoke()
    except (RuntimeError, ValueError) as error:
        raise ConversionError("artifact-does-not-load", f"TensorFlow's reference interpreter refuses {path.name}",
                              cause=" ".join(str(error).split())[:300],
                              next="trust LiteRT's own result, or widen the operator that the cause names") from error
    return [_real(loaded.get_tensor(d["index"]), d) for d in loaded.get_output_details()]


def compare_outputs(path: Path, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """Largest absolute difference, in real units, between ``outputs`` (LiteRT's, as stored) and the reference's."""
    from edgekit.formats.tflite.flatbuffer import read_graph
    from edgekit.formats.tflite.run import dequantize

    graph, worst = read_graph(path), 0.0
    for index, ours, theirs in zip(graph.outputs, outputs, run_reference(path, inputs), strict=True):
        difference = np.abs(dequantize(ours, graph.tensors[index]) - theirs)
        worst = max(worst, float(difference.max(initial=0.0)))
    return worst


def _real(value: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero = detail["quantization"]
    return (value.astype(np.float32) - zero) * scale if scale else value.astype(np.float32)
