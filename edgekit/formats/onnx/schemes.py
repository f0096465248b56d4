"""What the ONNX route can do, as data. Needs no converter installed."""

from __future__ import annotations

from edgekit.types.scheme import SchemeSupport

__all__ = ["SUPPORT"]

_CONVS = ("conv", "depthwise_conv", "conv_transpose")
_BACKEND = "onnxruntime-cpu"


def _yes(scheme: str, covers: tuple[str, ...], note: str | None = None) -> SchemeSupport:
    return SchemeSupport(format="onnx", scheme=scheme, supported=True, backend=_BACKEND, covers=covers, note=note)


_ALL = [
    _yes("fp32", (*_CONVS, "linear", "embedding", "rnn")),
    _yes("fp16", (*_CONVS, "linear", "embedding"),
         "operators without a float16 CPU kernel run in float32 behind casts that ONNX Runtime inserts"),
    _yes("w8a8-static", (*_CONVS, "linear", "embedding"),
         "QDQ; uint8 activations, int8 weights per channel; a linear layer's result stays float until the next one; "
         "recurrent layers stay float"),
    _yes("w8a8-dynamic", ("conv", "depthwise_conv", "linear", "embedding"),
         "one scale for each input tensor, taken at run time; transposed convolutions and recurrent layers stay float"),
    _yes("w8-weight-only", (*_CONVS, "linear", "embedding"),
         "ONNX Runtime dequantises convolution weights at every run; linear layers read int8 directly"),
    _yes("w4-weight-only", ("conv", "linear", "embedding"),
         "blocks of 32 along the input; depthwise and transposed convolutions keep float weights: at one to nine "
         "values a filter int4 costs accuracy and saves next to nothing"),
    _yes("w8a16-static", (*_CONVS, "linear"),
         "QDQ with uint16 activations for accelerators that have the kernels; embedding tables are int8 too; ONNX "
         "Runtime's CPU kernels compute in float between the pairs"),
]

SUPPORT: dict[str, SchemeSupport] = {cell.scheme: cell for cell in _ALL}
