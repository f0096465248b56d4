"""What TFLite can do of each scheme, as data: which operators' weights end in the scheme's dtype, and why not."""

from __future__ import annotations

from edgekit.types.scheme import SchemeSupport

__all__ = ["SUPPORT"]

_INT8 = ("conv", "depthwise_conv", "conv_transpose", "linear", "matmul", "embedding")
_FLOAT16 = ("conv", "depthwise_conv", "conv_transpose", "linear", "embedding")
_INT4 = ("conv", "linear", "matmul")


def _yes(scheme: str, covers: tuple[str, ...], note: str | None = None) -> SchemeSupport:
    return SchemeSupport(format="tflite", scheme=scheme, supported=True, backend="xnnpack", covers=covers, note=note)


SUPPORT: dict[str, SchemeSupport] = {cell.scheme: cell for cell in (
    _yes("fp32", _INT8),
    _yes("fp16", _FLOAT16, "weights only: computed in float32 on CPUs, in float16 by GPU delegates"),
    _yes("w8a8-static", _INT8),
    _yes("w8a8-dynamic", _INT8),
    _yes("w8-weight-only", _INT8),
    _yes("w4-weight-only", _INT4, "per channel; depthwise and transposed convolutions and embeddings take int8"),
    _yes("w8a16-static", _INT8[:-1], "runs on LiteRT's built-in kernels, XNNPACK has none; embeddings take int8"),
)}
