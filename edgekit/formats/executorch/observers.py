"""PT2E observers that take edgekit's own statistics, so that every format quantises the same ranges."""

from __future__ import annotations

from typing import Any

import torch
from torchao.quantization.pt2e.observer import ObserverBase

from edgekit.quantize.observers import make_observer
from edgekit.quantize.params import activation_grid, weight_scales

__all__ = ["ActivationObserver", "PerChannelWeightObserver"]

# Of a tensor that is always zero, such as a first hidden state. Biases are stored in steps of input scale times weight
# scale, so it has to be small; this is the smallest scale that XNNPACK's own quantiser gives.
_ZERO_SCALE = 2.0**-12
# Parts of the largest magnitude that low-bit weights may be clipped at.
_FRACTIONS = [1.0 - 0.025 * i for i in range(25)]


class ActivationObserver(ObserverBase):
    """One activation's range by edgekit's observer ``statistic``; asymmetric int8, one update a calibration sample."""

    def __init__(self, statistic: str, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme,
                 **_: Any) -> None:
        super().__init__(dtype, is_dynamic=False)
        self.qscheme, self.quant_min, self.quant_max = qscheme, quant_min, quant_max
        self._ranges = make_observer(statistic)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._ranges.update(x)
        return x

    def calculate_qparams(self, **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        lo, hi = self._ranges.range(8)
        if lo == hi:
            return torch.tensor(_ZERO_SCALE), torch.tensor(0)
        grid = activation_grid(lo, hi, 8)
        return torch.tensor(grid.scale), torch.tensor(grid.zero_point)


class PerChannelWeightObserver(ObserverBase):
    """Symmetric scales of a constant weight, one for each slice along ``ch_axis``, from the largest magnitude.

    PT2E passes ``ch_axis`` only to classes with ``PerChannel`` in their name.
    """

    def __init__(self, dtype: torch.dtype, quant_min: int, quant_max: int, qscheme: torch.qscheme, ch_axis: int = 0,
                 **_: Any) -> None:
        super().__init__(dtype, is_dynamic=False)
        self.qscheme, self.quant_min, self.quant_max, self.ch_axis = qscheme, quant_min, quant_max, ch_axis
        self._scales: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._scales is None:  # a weight is the same in every sample
            bits = (self.quant_max + 1).bit_length()
            self._scales = weight_scales(x.detach(), self.ch_axis, bits)
            if bits < 8:
                self._scales = _least_error(x.detach(), self.ch_axis, self._scales, self.quant_min, self.quant_max)
        return x

    def calculate_qparams(self, **_: Any) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._scales is not None, "a weight is observed before its scales are asked for"
        return self._scales, torch.zeros(len(self._scales), dtype=torch.int64)


def _least_error(weight: torch.Tensor, axis: int, scales: torch.Tensor, low: int, high: int) -> torch.Tensor:
    """Per slice the fraction of ``scales`` with the least squared error: clipping pays where codes are few."""
    rows = weight.movedim(axis, 0).flatten(1)
    best, least = scales, torch.full_like(scales, float("inf"))
    for fraction in _FRACTIONS:
        step = (scales * fraction)[:, None]
        error = ((rows / step).round().clamp(low, high) * step - rows).square().sum(1)
        best, least = torch.where(error < least, scales * fraction, best), torch.minimum(error, least)
    return best
