"""What an artifact makes its runtime hold at the peak."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Held"]


@dataclass(frozen=True)
class Held:
    """Bytes of activations (``arena``) and of constants (``weights``); ``operators``: how many the runtime keeps."""

    arena: int
    weights: int
    operators: int
