"""What starting and ending an operator on several threads costs in each runtime, against ncnn's, which costs tell."""

from __future__ import annotations

__all__ = ["region_share"]

# ncnn starts threads by OpenMP, XNNPACK by pthreadpool: 271 ns against 611 to 621 on one machine
# (benchmarks/published/regions.c). ONNX Runtime's own pool was not measured.
_SHARES = {"tflite": 0.44, "executorch": 0.44, "onnx": 1.0}


def region_share(format_name: str) -> float:
    """Share of ``threads.region_cycles``, 0 to 1; 1 for a runtime that was not measured."""
    return _SHARES.get(format_name, 1.0)
