"""Peak memory of one inference without running it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.estimate.memory.parts import Held
from edgekit.estimate.memory.runtimes import RUNTIMES
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Memory

__all__ = ["predicted_memory"]


def _litert(artifact: Path, graph: OpGraph) -> Held:
    from edgekit.estimate.memory.tflite import held_by_litert
    return held_by_litert(artifact, graph)


def _executorch(artifact: Path, graph: OpGraph) -> Held:
    from edgekit.estimate.memory.executorch import held_by_executorch
    return held_by_executorch(artifact, graph)


def _ort(artifact: Path, graph: OpGraph) -> Held:
    from edgekit.estimate.memory.onnx import held_by_ort
    return held_by_ort(artifact, graph)


# Each imports its format's reader only when it is asked for.
_HELD: dict[str, Callable[[Path, OpGraph], Held]] = {"tflite": _litert, "executorch": _executorch, "onnx": _ort}


def predicted_memory(format_name: str, artifact: Path, graph: OpGraph) -> Memory:
    """Bytes that one inference on one thread of a 64-bit Arm CPU needs at the peak, loading included.

    ``arena_bytes`` are activations, with the inputs and outputs beside them; ``weight_bytes`` constants as the runtime
    holds them, mapped from the file and packed; ``runtime_bytes`` are of the table in ``runtimes.py``. Open dimensions
    count as 1. Raises UsageError for a damaged file and for a format whose runtime nobody measured.
    """
    if format_name not in _HELD:
        raise UsageError("memory-format", f"nobody knows how the runtime of {format_name} plans its memory",
                         where=str(artifact), cause=f"known: {', '.join(_HELD)}",
                         next="edgekit measure, on a device or on the emulated one")
    held, overhead = _HELD[format_name](artifact, graph), RUNTIMES[format_name]
    runtime = overhead.fixed + overhead.per_operator * held.operators
    return Memory(kind="predicted", peak_bytes=held.arena + held.weights + runtime, arena_bytes=held.arena,
                  weight_bytes=held.weights, runtime_bytes=runtime)
