"""``--on emulated:DEVICE``: counts on an emulated device, and never milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.devices.catalogue import get_core, get_device
from edgekit.errors import DeviceError, UsageError
from edgekit.measure.emulated.installation import installed
from edgekit.measure.emulated.run import run_artifact
from edgekit.types.latency import Memory

__all__ = ["EmulatedTarget"]


class EmulatedTarget:
    """See ``contracts.Target``. The address is a device's id or profile; its fastest core is the one that counts.

    ``ID/CORE`` takes another of the device's cores: ``pixel-8/cortex-a510``.
    """

    in_process = False

    def prepare(self, address: str, format_name: str) -> None:
        name, _, core = address.partition("/") if not Path(address).is_file() else (address, "", "")
        if not name:
            raise UsageError("target-address", "emulated needs a device", next="--on emulated:DEVICE, an id that "
                             "`edgekit devices list` prints or a profile's file")
        self._device = get_device(name)
        clusters = {cluster.core: cluster for cluster in reversed(self._device.clusters)}
        if core and core not in clusters:
            raise DeviceError("core-unknown", f"{self._device.id} has no core '{core}'",
                              cause=f"its clusters are of {', '.join(clusters)}", next="name one of them, or none")
        self._cluster = clusters[core or self._device.clusters[0].core]
        self._core = get_core(self._cluster.core)
        self._installation = installed(format_name)

    def run(self, artifact: Path, inputs: Sequence[np.ndarray], settings: RunSettings) -> TargetRun:
        if settings.threads > self._cluster.count:
            raise DeviceError("device-threads", f"{self._device.id} has {self._cluster.count} {self._core.id}, not "
                              f"{settings.threads}", next=f"--threads {self._cluster.count} or fewer")
        if settings.operators:
            raise UsageError("operators-unavailable", "an emulated device has no times, of operators neither",
                             next="measure on a device: --on ssh:HOST or --on adb")
        runtime = self._installation.runtime
        found = run_artifact(self._installation, self._device, self._cluster, self._core, artifact, inputs,
                             threads=settings.threads, seconds=settings.seconds)
        return TargetRun(
            outputs=found.result.outputs, runtime=f"{runtime.project} {runtime.version}, its aarch64 wheel",
            counts=found.counts, memory=Memory(kind="emulated", peak_bytes=found.counts.peak_memory_bytes),
            device=self._device.id, core=self._core.id, budget_mb=self._device.app_budget_mb, facts=found.facts)
