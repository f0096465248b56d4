"""From ranges to scales and zero points, and fake quantisation: what integers would make of a float tensor."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Grid", "activation_grid", "fake_quantize", "fake_quantize_dynamic", "fake_quantize_weight", "weight_scales"]

# An all-zero tensor has no scale of its own; one gives biases that are multiples of it a sane integer range.
_ZERO_SCALE = 1.0
_MIN_SCALE = 1e-30


@dataclass(frozen=True)
class Grid:
    """real = (code - zero_point) * scale, codes from ``qmin`` to ``qmax``."""

    scale: float
    zero_point: int
    qmin: int
    qmax: int


def activation_grid(lo: float, hi: float, bits: int = 8, *, symmetric: bool = False, signed: bool = True) -> Grid:
    """The grid that covers [lo, hi] (lo <= 0 <= hi), zero exactly on it.

    Asymmetric int8 is -128..127, uint8 (``signed=False``) 0..255. Symmetric has zero point 0 and leaves the most
    negative code out (-127..127), as TFLite and ONNX Runtime want it.
    """
    if symmetric:
        qmax = 2 ** (bits - 1) - 1
        return Grid(_scale(max(-lo, hi), qmax), 0, -qmax, qmax)
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    scale = _scale(hi - lo, qmax - qmin)
    return Grid(scale, min(qmax, max(qmin, qmin - round(lo / scale))), qmin, qmax)


def _scale(span: float, steps: int) -> float:
    return max(span / steps, _MIN_SCALE) if span > 0 else _ZERO_SCALE


def fake_quantize(values: torch.Tensor, grid: Grid) -> torch.Tensor:
    """``values`` (float32, any shape) rounded to the grid and clipped at its ends.

    Written out because ``torch.fake_quantize_per_tensor_affine`` also computes a gradient mask: three times slower.
    """
    codes = values.mul(1.0 / grid.scale).round_()
    return codes.clamp_(grid.qmin - grid.zero_point, grid.qmax - grid.zero_point).mul_(grid.scale)


def fake_quantize_dynamic(values: torch.Tensor, bits: int = 8) -> torch.Tensor:
    """``values`` on the asymmetric grid of their own minimum and maximum, as dynamic schemes take it at run time."""
    lo, hi = (float(v) for v in torch.aminmax(values))
    return fake_quantize(values, activation_grid(min(lo, 0.0), max(hi, 0.0), bits))


def weight_scales(weight: torch.Tensor, axis: int, bits: int = 8) -> torch.Tensor:
    """Symmetric scale of every slice along ``axis``: its largest magnitude over 2^(bits-1) - 1. float32, one axis."""
    dims = [d for d in range(weight.dim()) if d != axis % weight.dim()]
    largest = weight.abs().amax(dim=dims) if dims else weight.abs()
    return torch.where(largest > 0, largest / (2 ** (bits - 1) - 1), torch.ones_like(largest)).clamp_min(_MIN_SCALE)


def fake_quantize_weight(weight: torch.Tensor, axis: int, bits: int = 8) -> torch.Tensor:
    """``weight`` with one symmetric scale a slice along ``axis``."""
    limit = 2 ** (bits - 1) - 1
    weight = weight.detach()
    scales = weight_scales(weight, axis, bits)
    zeros = torch.zeros(len(scales), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scales, zeros, axis % weight.dim(), -limit, limit)
