"""Memory of this process, which stands beside the converters' for as long as they run."""

from __future__ import annotations

import ctypes
import gc

__all__ = ["give_back"]


def give_back() -> None:
    """Returns freed memory to the operating system: the C library keeps it otherwise (glibc; elsewhere nothing)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
