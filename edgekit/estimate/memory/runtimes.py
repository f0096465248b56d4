"""What each runtime needs for itself, beyond itself with no model: measured once, here with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RUNTIMES", "Overhead"]


@dataclass(frozen=True)
class Overhead:
    """Bytes: ``fixed`` for the first model that is loaded, ``per_operator`` for each operator of the artifact's graph.

    ``provenance``: the runtime's version and what was fitted.
    """

    fixed: int
    per_operator: int
    provenance: str


_FIT = ("least squares of the relative error over the emulated peaks of benchmarks/bench_memory.py's networks on a "
        "Raspberry Pi 4B's core, 2026-11-22: what is left beside arena and weights")

RUNTIMES = {
    "tflite": Overhead(197_000, 4_260, f"LiteRT 2.3.0; {_FIT}"),
    "executorch": Overhead(179_500, 2_236, f"ExecuTorch 1.5.1; {_FIT}"),
    "onnx": Overhead(1_590_000, 7_790, f"ONNX Runtime 1.31.1; {_FIT}"),
}
