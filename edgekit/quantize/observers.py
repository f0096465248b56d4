"""Range observers: from calibration values to the (lo, hi) that a quantiser covers. One statistic for all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from edgekit.errors import UsageError, WorkloadError
from edgekit.quantize.histogram import Histogram, clipped_range, percentile_range

__all__ = ["OBSERVERS", "RangeObserver", "make_observer", "observer_for"]

PERCENTILE = 99.99
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class RangeObserver(Protocol):
    """Sees one tensor's values sample by sample, then says which range to quantise."""

    def update(self, values: Any) -> None:
        """Takes a torch tensor or numpy array of any shape and real dtype. Raises WorkloadError on NaN."""
        ...

    def range(self, bits: int = 8, symmetric: bool = False) -> tuple[float, float]:
        """Returns (lo, hi) with lo <= 0 <= hi; (-m, m) where ``symmetric``. Raises UsageError before any update."""
        ...


class _MinMax:
    """Smallest and largest value over all samples: never a moving average, so the order of samples is irrelevant."""

    def __init__(self) -> None:
        self.lo = self.hi = 0.0
        self.seen = False

    def update(self, values: Any) -> None:
        self._extend(_flat(values))

    def _extend(self, flat: np.ndarray) -> None:
        if flat.size:
            self.lo, self.hi = min(self.lo, float(flat.min())), max(self.hi, float(flat.max()))
            self.seen = True

    def range(self, bits: int = 8, symmetric: bool = False) -> tuple[float, float]:
        if not self.seen:
            raise UsageError("observer-no-data", "A range was asked of an observer that has seen no values.",
                             cause="No calibration sample reached this tensor.",
                             next="Give calibration inputs that run every part of the model.")
        lo, hi = self._search(bits, symmetric)
        bound = max(-lo, hi)
        return (-bound, bound) if symmetric else (lo, hi)

    def _search(self, bits: int, symmetric: bool) -> tuple[float, float]:
        return self.lo, self.hi


class _FromHistogram(_MinMax):
    """Keeps a histogram beside the extremes; subclasses say how to read a range from it."""

    def __init__(self) -> None:
        super().__init__()
        self.histogram = Histogram()

    def update(self, values: Any) -> None:
        flat = _flat(values)
        self._extend(flat)
        self.histogram.add(flat)


class _Percentile(_FromHistogram):
    """Cuts the rarest 0.01 % of values, half of them on each side."""

    def _search(self, bits: int, symmetric: bool) -> tuple[float, float]:
        lo, hi = percentile_range(self.histogram, PERCENTILE)
        return min(0.0, max(lo, self.lo)), max(0.0, min(hi, self.hi))


class _Mse(_FromHistogram):
    """The range with the least expected squared error of rounding and clipping together."""

    def _search(self, bits: int, symmetric: bool) -> tuple[float, float]:
        return clipped_range(self.histogram, self.lo, self.hi, bits, symmetric)


OBSERVERS: dict[str, Callable[[], RangeObserver]] = {"minmax": _MinMax, "percentile": _Percentile, "mse": _Mse}


def make_observer(name: str) -> RangeObserver:
    """Returns a fresh observer: ``minmax``, ``percentile`` or ``mse``. Raises UsageError for another name."""
    if name not in OBSERVERS:
        raise UsageError("observer-unknown", f"There is no observer named {name!r}.",
                         next=f"Use one of: {', '.join(OBSERVERS)}.")
    return OBSERVERS[name]()


def observer_for(observer: str, users: Iterable[str]) -> str:
    """The observer for a tensor, given the kinds of the operators that read it.

    What a softmax reads is never clipped: its largest inputs carry nearly all of its output. Simulated attention over
    128 to 1,500 keys (normal scores, spread 1 to 4; zero-mean values) reaches 31 to 40 dB with min/max scores and 13 to
    35 dB with scores clipped for the least squared error.
    """
    return "minmax" if "softmax" in users else observer


def _flat(values: Any) -> np.ndarray:
    """One flat float32 array of the finite values; infinities (masks) saturate at float32's largest number."""
    if hasattr(values, "detach"):
        values = values.detach().to("cpu").float().numpy()
    flat = np.asarray(values, dtype=np.float32).reshape(-1)
    if flat.size and not (np.isfinite(flat.min()) and np.isfinite(flat.max())):
        if np.isnan(flat).any():
            raise WorkloadError("calibration-nan", "Calibration met NaN.",
                                cause=f"{int(np.isnan(flat).sum())} of {flat.size} values of a tensor are NaN.",
                                next="Check the calibration inputs, and the model's output on them.")
        flat = np.clip(flat, -_FLOAT32_MAX, _FLOAT32_MAX)
    return flat
