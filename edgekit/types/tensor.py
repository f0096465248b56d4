"""A tensor at the border of an artifact, or inside its graph."""

from __future__ import annotations

import math
from typing import Literal

from edgekit.types.base import Data

__all__ = ["Layout", "QuantParams", "TensorSpec", "bits_of"]

Layout = Literal["nchw", "nhwc"]

_BITS = {"bool": 8, "int4": 4, "uint4": 4, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "float16": 16,
         "bfloat16": 16, "int32": 32, "uint32": 32, "float32": 32, "int64": 64, "uint64": 64, "float64": 64}


def bits_of(dtype: str) -> int:
    """Bits of one element. ``dtype`` is a numpy name, or ``int4``/``uint4``. Raises KeyError for others."""
    return _BITS[dtype]


class QuantParams(Data):
    """real = (stored - zero_point) * scale, per tensor (one entry) or along ``axis``."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None


class TensorSpec(Data):
    """Name, shape (a string is a symbolic dimension such as ``"batch"``), dtype (numpy's name), and how it is stored.

    ``layout`` says which axis holds the channels when that differs from, or was asked beside, PyTorch's own NCHW.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    layout: Layout | None = None
    quant: QuantParams | None = None

    @property
    def elements(self) -> int:
        """Number of elements, symbolic dimensions counted as 1."""
        return math.prod(d if isinstance(d, int) else 1 for d in self.shape)

    @property
    def bytes(self) -> int:
        return math.ceil(self.elements * bits_of(self.dtype) / 8)
