"""An intermediate value of an artifact. Apart from ``contracts``, so that processes that only run one need no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgekit.types.graph import Source

__all__ = ["LayerValue"]


@dataclass(frozen=True)
class LayerValue:
    """An intermediate value of an artifact, dequantised to float32, with the module it comes from."""

    name: str
    source: Source | None
    kind: str
    value: np.ndarray
