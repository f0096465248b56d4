"""What the ONNX route can do, as data. Needs no converter installed."""

from __future__ import annotations

from edgekit.types.scheme import SchemeSupport

__all__ = ["SUPPORT"]

_CONVS = ("conv", "depthwise_conv", "conv_transpose")
_BACKEND = "onnxruntime-cpu"


def _yes(scheme: str, covers: tuple[str, ...], note: str | None = None) -> SchemeSupport:
    return SchemeSupport(format="onnx", scheme=scheme, supported=True, backend=_BACKEND, covers=covers, note=note)


_STORED = "transposed convolutions and recurrent layers store int8 and compute in float"

_ALL = [
    _yes("fp32", (*_CONVS, "linear", "embedding", "rnn")),
    _yes("fp16", (*_CONVS, "linear", "embedding", "rnn"),
         "operators without a float16 CPU kernel run in float32 behind casts that ONNX Runtime inserts"),
    _yes("w8a8-static", ("conv", "depthwise_conv", "linear", "embedding"),
         "QDQ; uint8 activations, int8 weights per channel; a linear layer's result stays float until the next one; "
         + _STORED),
    _yes("w8a8-dynamic", (*_CONVS, "linear", "embedding", "rnn"),
         "one scale for each input tensor, taken at run time; " + _STORED),
    _yes("w8-weight-only", (*_CONVS, "linear", "embedding", "rnn"),
         "ONNX Runtime dequantises convolution and recurrent weights at every run; linear layers read int8 directly"),
    _yes("w4-weight-only", ("conv", "linear", "embedding"),
         "blocks of 32 along the input; depthwise and transposed convolutions and recurrent layers store int8: int4 "
         "costs them accuracy and, at one to nine values a filter, saves next to nothing"),
    _yes("w8a16-static", ("conv", "depthwise_conv", "linear"),
         "QDQ with uint16 activations for accelerators that have the kernels, ONNX Runtime's CPU kernels compute in "
         "float between the pairs; embedding tables are int8; " + _STORED),
]

SUPPORT: dict[str, SchemeSupport] = {cell.scheme: cell for cell in _ALL}
