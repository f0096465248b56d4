"""Distances between a float model's outputs and an artifact's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.types.fidelity import WORST_DB

__all__ = ["Distance", "compare", "sqnr_db"]

_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Distance:
    """``sqnr_db`` None means the error is exactly zero. With several outputs: the worst of them."""

    sqnr_db: float | None
    cosine: float
    max_abs: float
    top1_agreement: float | None


def sqnr_db(reference: np.ndarray, value: np.ndarray) -> float | None:
    """10 log10(sum reference^2 / sum (value - reference)^2) in dB; None where equal, ``WORST_DB`` where not finite.

    A reference that is zero throughout makes any error infinite: ``WORST_DB`` too.
    """
    ref, val = reference.astype(np.float64).ravel(), value.astype(np.float64).ravel()
    if not np.isfinite(val).all():
        return WORST_DB
    noise, signal = float(np.sum((val - ref) ** 2)), float(np.sum(ref**2))
    if noise == 0.0:
        return None
    return 10 * math.log10(signal / noise) if signal > 0.0 else WORST_DB


def _cosine(reference: np.ndarray, value: np.ndarray) -> float:
    ref, val = reference.astype(np.float64).ravel(), value.astype(np.float64).ravel()
    scale = float(np.linalg.norm(ref) * np.linalg.norm(val))
    if not math.isfinite(scale):
        return 0.0
    return float(ref @ val) / scale if scale > 0.0 else float(np.array_equal(ref, val))


def compare(reference: Sequence[Sequence[np.ndarray]], value: Sequence[Sequence[np.ndarray]], *,
            classifier: bool = False) -> Distance:
    """Compares outputs input by input.

    Args:
        reference, value: for each input the list of its outputs, of equal shapes.
        classifier: whether the first output is N x classes with a score each (adds ``top1_agreement``).
    """
    worst: float | None = None
    cosine, max_abs = 1.0, 0.0
    for refs, vals in zip(zip(*reference, strict=True), zip(*value, strict=True), strict=True):
        ref, val = np.stack(refs), np.stack(vals)
        db = sqnr_db(ref, val)
        if db is not None and (worst is None or db < worst):
            worst = db
        cosine = min(cosine, _cosine(ref, val))
        with np.errstate(invalid="ignore"):
            difference = np.abs(val.astype(np.float64) - ref.astype(np.float64))
        # NaN and infinity count as the largest float: JSON has neither, and max() would pass over NaN.
        largest = np.nan_to_num(difference, nan=_LARGEST, posinf=_LARGEST).max(initial=0.0)
        max_abs = max(max_abs, float(largest))
    agreement = None
    if classifier:
        same = [r[0].argmax(-1) == v[0].argmax(-1) for r, v in zip(reference, value, strict=True)]
        agreement = float(np.concatenate(same).mean())
    return Distance(worst, cosine, max_abs, agreement)
