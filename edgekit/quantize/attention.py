"""Fused attention under simulated quantisation: taken apart as the converters take it apart."""

from __future__ import annotations

import math

import torch

from edgekit.quantize.params import fake_quantize_dynamic

__all__ = ["rounded_attention"]


def rounded_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
                      attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False, *,
                      scale: float | None = None, enable_gqa: bool = False,
                      float_softmax: bool = False) -> torch.Tensor:
    """``scaled_dot_product_attention`` with int8 scores and, unless ``float_softmax``, int8 probabilities.

    Both products are integer ones between tensors that the fused operator never shows, so no calibration can see
    them: their grids come from the values themselves. Masks are added in float. Dropout is inference's, none.
    """
    if enable_gqa:
        repeat = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeat, -3), value.repeat_interleave(repeat, -3)
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
    scores = fake_quantize_dynamic(query @ key.transpose(-1, -2) * factor)
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    probabilities = scores.softmax(-1)
    return (probabilities if float_softmax else fake_quantize_dynamic(probabilities)) @ value
