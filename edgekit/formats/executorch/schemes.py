"""What the XNNPACK backend of ExecuTorch can do, as data."""

from __future__ import annotations

from edgekit.types.scheme import SchemeSupport

__all__ = ["SUPPORT", "covered_kinds"]


def _yes(scheme: str, covers: tuple[str, ...] = (), note: str | None = None) -> SchemeSupport:
    return SchemeSupport(format="executorch", scheme=scheme, supported=True, backend="xnnpack", covers=covers,
                         note=note)


def _no(scheme: str, reason: str) -> SchemeSupport:
    return SchemeSupport(format="executorch", scheme=scheme, supported=False, reason=reason)


_CELLS = (
    _yes("fp32"),
    _yes("fp16", ("linear", "embedding"),
         "all operators compute in float16 between float32 inputs and outputs; convolution filters are stored as "
         "float32 (XNNPACK's serialiser writes them so) and turn to float16 as the file loads"),
    _yes("w8a8-static", ("conv", "depthwise_conv", "conv_transpose", "linear", "embedding"),
         "softmax, normalisation, hard-swish, GELU and attention products compute in float: XNNPACK has no int8 "
         "kernels for them; embeddings are looked up by ExecuTorch's own quantized_ops"),
    _yes("w8a8-dynamic", ("conv", "linear", "embedding"),
         "depthwise and transposed convolutions stay float32: XNNPACK takes ranges at run time only "
         "for linear layers and ordinary 2-D convolutions; embeddings are looked up by ExecuTorch's own quantized_ops"),
    _yes("w8-weight-only", ("linear", "embedding"), "convolutions stay float32: XNNPACK has no float kernel "
         "with int8 filters; embeddings are looked up by ExecuTorch's own quantized_ops"),
    _yes("w4-weight-only", ("linear",),
         "one scale a channel, not a block: XNNPACK's kernels for blocks of int4 take int8 activations only; "
         "convolutions stay float32"),
    _no("w8a16-static", "XNNPACK has no kernels with int16 activations"),
)

SUPPORT: dict[str, SchemeSupport] = {cell.scheme: cell for cell in _CELLS}


def covered_kinds(scheme: str) -> frozenset[str]:
    """Operator kinds whose weights ``scheme`` quantises."""
    return frozenset(SUPPORT[scheme].covers)
