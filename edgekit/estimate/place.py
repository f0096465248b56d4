"""Where an artifact runs: a device, its cluster with what work costs there, and the threads on it."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.devices.profile import Cluster, Device
from edgekit.estimate.price import Price, Work, price
from edgekit.estimate.timing import CoreTiming

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """``cluster`` runs ``threads``; ``timing`` is its core's, or the device's own calibration."""

    device: Device
    cluster: Cluster
    timing: CoreTiming
    threads: int

    def price(self, work: Work) -> Price:
        """Time of ``work`` before the machine's own scale."""
        return price(work, self.timing, self.cluster.max_ghz, self.device.memory.gb_s, self.threads,
                     self.timing.on(self.device.id).line_ns)
