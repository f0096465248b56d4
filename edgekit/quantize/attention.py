"""Fused attention under simulated quantisation: taken apart as the converters take it apart."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.fx import Node

from edgekit.quantize.kinds import op_name
from edgekit.types.scheme import Scheme

__all__ = ["HIDDEN", "rounded_attention", "rounds_inside"]

# The tensors inside, by name, and the kinds of operators that read them.
HIDDEN = {"scores": ("softmax",), "probabilities": ("matmul",)}


def rounds_inside(node: Node, scheme: Scheme) -> bool:
    """Whether ``node``, where the scheme covers it, is fused attention whose ``HIDDEN`` tensors are integers."""
    return op_name(node) == "scaled_dot_product_attention" and (scheme.ranges, scheme.activations) == ("static", "int8")


def rounded_attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
                      attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False, *,
                      scale: float | None = None, enable_gqa: bool = False,
                      rounding: Callable[[str, torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """``scaled_dot_product_attention`` with what ``rounding(name, value)`` makes of the ``HIDDEN`` tensors.

    Both products are integer ones: scores are the result of the first, probabilities an operand of the second, whatever
    the softmax between them computes in. Masks are added in float. Dropout is inference's, none.
    """
    if enable_gqa:
        repeat = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(repeat, -3), value.repeat_interleave(repeat, -3)
    factor = scale if scale is not None else 1 / math.sqrt(query.shape[-1])
    scores = rounding("scores", query @ key.transpose(-1, -2) * factor)
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return rounding("probabilities", scores.softmax(-1)) @ value
