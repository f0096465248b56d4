"""The resident memory of this process."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["forget_peak", "peak_rss_bytes"]


def peak_rss_bytes() -> int:
    """Peak resident memory of this process. ``ru_maxrss`` would also count the parent before exec, so it comes last."""
    with suppress(OSError):  # not Linux
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """From here on the peak is of what follows (Linux; elsewhere it stays)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
