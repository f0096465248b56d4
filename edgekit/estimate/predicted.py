"""A price as a predicted latency: the machine's own scale, the 90 % interval, and what it rests on."""

from __future__ import annotations

import math

from edgekit.estimate.place import Place
from edgekit.estimate.price import Price
from edgekit.types.estimate import LatencyParts, Tier
from edgekit.types.latency import Latency

__all__ = ["bound_by", "predicted"]


def bound_by(price: Price) -> str:
    """The largest part: compute, memory or overhead."""
    parts = {"compute": price.compute_ms, "memory": price.memory_ms, "overhead": price.overhead_ms}
    return max(parts, key=lambda name: parts[name])


def predicted(tier: Tier, price: Price, place: Place, runtime: str,
              more_spread: float = 0.0) -> tuple[Latency, LatencyParts, dict[str, str]]:
    """Latency with its 90 % interval, its parts, and what they rest on.

    The interval is that of the core's costs, and of what ``more_spread`` adds: half of the 90 % interval of another
    error, in logarithms and independent of it.
    """
    timing, device, cluster = place.timing, place.device.id, place.cluster
    measured = device in timing.machines
    scale = timing.on(device).scale
    ms = price.ms * scale
    wide = math.exp(math.hypot(timing.measured_spread if measured else timing.spread, more_spread))
    latency = Latency(kind="predicted", tier=tier, ms=ms, low_ms=ms / wide, high_ms=ms * wide, device=device,
                      processor="cpu", threads=place.threads, runtime=runtime)
    parts = LatencyParts(compute_ms=price.compute_ms * scale, memory_ms=price.memory_ms * scale,
                         overhead_ms=price.overhead_ms * scale, bound_by=bound_by(price))
    facts = {"cluster": f"{cluster.count} x {cluster.core} at {cluster.max_ghz:g} GHz",
             "costs": f"of {timing.relative or timing.core}" + (", a relative" if timing.relative else "")
                      + (f", with {device}'s own memory and clock" if measured else ""),
             **{f"costs_{name}": text for name, text in timing.provenance.items()}}
    return latency, parts, facts
