"""``--on host``: this machine's own runtime, timed."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import UsageError
from edgekit.formats.registry import get_format
from edgekit.memory import forget_peak, peak_rss_bytes
from edgekit.types.latency import Memory

__all__ = ["HostTarget"]


class HostTarget:
    """See ``contracts.Target``. ``run`` is to be called in a process of its own."""

    in_process = True

    def prepare(self, address: str, format_name: str) -> None:
        if address:
            raise UsageError("target-address", f"host takes no address, not '{address}'", next="--on host")
        self._format = get_format(format_name)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        if settings.threads != 1:
            raise UsageError("device-threads", "the host target runs one thread", next="leave --threads away")
        if settings.operators:
            raise UsageError("operators-unavailable", "the host target gives no times of operators",
                             cause="it calls the runtime from Python, as a user would",
                             next="measure on a device: --on ssh:HOST or --on adb")
        forget_peak()
        before = peak_rss_bytes()
        session = self._format.load(artifact)
        times, outputs = [], []
        for k in range(-settings.warmup, settings.repeats):
            began = time.perf_counter_ns()
            outputs = session.run(inputs)
            if k >= 0:
                times.append((time.perf_counter_ns() - began) / 1e6)
        return TargetRun(
            outputs=tuple(outputs), runtime=self._format.runtime(), times_ms=tuple(times),
            memory=Memory(kind="measured", peak_bytes=max(peak_rss_bytes() - before, 0)),
            facts={"machine": f"{platform.system()} {platform.machine()}", "clock": _clock(),
                   "timed": "a call from Python, with the copies of inputs and outputs"})


def _clock() -> str:
    """What governs the processor's clock, as far as the system tells."""
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return f"governor {governor.read_text().strip()}" if governor.is_file() else "the system does not tell its governor"
