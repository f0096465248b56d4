"""Whether two modules compute the same, in dB."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from edgekit.contracts import Inputs
from edgekit.errors import ConversionError

__all__ = ["EQUAL_DB", "least_sqnr_db", "probes", "require_same"]

# Rounding of float32 in another order of operations; a rewrite that goes wrong ends far below.
EQUAL_DB = 100.0
_REQUIRED_DB = 90.0


def probes(example: Inputs) -> list[Inputs]:
    """The example and a noisy neighbour of it (seeded): an all-zero example would hide most mistakes."""
    generator = torch.Generator().manual_seed(0)
    noisy = tuple(t + torch.randn(t.shape, generator=generator) * (t.std(unbiased=False) or 1.0)
                  if t.is_floating_point() else t for t in example)
    return [example, noisy]


def _outputs(value: Any) -> Sequence[torch.Tensor]:
    return (value,) if isinstance(value, torch.Tensor) else tuple(value)


def least_sqnr_db(reference: Callable[..., Any], other: Callable[..., Any], inputs: Sequence[Inputs]) -> float:
    """Least signal-to-error ratio over all outputs, in dB; infinite where all are equal, NaN counted as minus infinity.

    Outputs that are not floating point have to be equal, else minus infinity.
    """
    worst = math.inf
    with torch.no_grad():
        for sample in inputs:
            # forward() may write to its inputs
            pair = (_outputs(f(*(t.clone() for t in sample))) for f in (reference, other))
            for a, b in zip(*pair, strict=True):
                worst = min(worst, _ratio_db(a, b))
    return worst


def _ratio_db(a: torch.Tensor, b: torch.Tensor) -> float:
    if a.shape != b.shape:
        return -math.inf
    if torch.equal(a, b) or not a.numel():
        return math.inf
    if not a.is_floating_point():
        return -math.inf
    a, b = a.double(), b.double()
    same = (a == b) | (a.isnan() & b.isnan())  # infinities and NaN that are in both
    a, b = a[~same], b[~same]
    if not a.numel():
        return math.inf
    signal, error = a.square().sum().item(), (a - b).square().sum().item()
    if not math.isfinite(error) or not math.isfinite(signal) or not signal:
        return -math.inf
    return 10 * math.log10(signal / error) if error else math.inf


def _float32_noise_db(module: nn.Module, inputs: Sequence[Inputs]) -> float:
    """How far ``module``'s own rounding to float32 is from float64, in dB; infinite where it cannot run in float64."""
    wide = copy.deepcopy(module).double()

    def in_float64(*sample: torch.Tensor) -> Any:
        outputs = _outputs(wide(*(t.double() if t.is_floating_point() else t for t in sample)))
        return tuple(o.float() if o.is_floating_point() else o for o in outputs)

    try:
        return least_sqnr_db(in_float64, module, inputs)
    except RuntimeError:  # float32 made inside forward() meets float64 weights
        return math.inf


def require_same(module: nn.Module, program: Callable[..., Any], example: Inputs) -> None:
    """Raises ConversionError (``normalize-changed-outputs``) where the two do not compute the same.

    90 dB are needed or, for a model that amplifies rounding, what it keeps of its own float64 result less 10 dB.
    """
    inputs = probes(example)
    ratio = least_sqnr_db(module, program, inputs)
    if ratio >= _REQUIRED_DB:
        return
    repeatable = least_sqnr_db(module, module, inputs) >= _REQUIRED_DB
    if repeatable and ratio >= _float32_noise_db(module, inputs) - 10:
        return
    raise ConversionError(
        "normalize-changed-outputs", "the captured program does not compute what the module does",
        cause=f"signal to error {ratio:.0f} dB on the example inputs, {_REQUIRED_DB:.0f} dB needed" if repeatable else
              "two calls of the module itself with the same inputs give different outputs",
        next="make forward() depend on its inputs only, in eval mode")
