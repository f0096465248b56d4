"""Tier "counts": latency from what the runtime executes under emulation on the device's core."""

from __future__ import annotations

import math

from edgekit.devices.profile import Cluster, Device
from edgekit.estimate.price import Misses, Work, price
from edgekit.estimate.timing import CoreTiming
from edgekit.types.estimate import LatencyParts
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Counts, Latency

__all__ = ["counted_latency", "counted_work"]


def counted_work(counts: Counts, graph: OpGraph) -> Work:
    """What is priced of an emulated inference of ``graph``."""
    lines = (counts.l1_misses, counts.l2_misses, counts.l3_misses)[:len(counts.streamed)]
    levels = [Misses(n or 0, streamed) for n, streamed in zip(lines, counts.streamed, strict=True)]
    return Work.of_classes(counts.by_class, levels, len(graph.ops))


def counted_latency(counts: Counts, graph: OpGraph, device: Device, cluster: Cluster, timing: CoreTiming, threads: int,
                    runtime: str) -> tuple[Latency, LatencyParts, dict[str, str]]:
    """Predicted latency by the cluster's ``timing``, with its 90 % interval, its parts, and what it rests on."""
    own = timing.machines.get(device.id)
    found = price(counted_work(counts, graph), timing, cluster.max_ghz, device.memory.gb_s, threads,
                  own.line_ns if own else None)
    scale = own.scale if own else 1.0
    parts = {"compute": found.compute_ms * scale, "memory": found.memory_ms * scale,
             "overhead": found.overhead_ms * scale}
    ms = sum(parts.values())
    wide = math.exp(timing.measured_spread if own else timing.spread)
    latency = Latency(kind="predicted", tier="counts", ms=ms, low_ms=ms / wide, high_ms=ms * wide, device=device.id,
                      processor="cpu", threads=threads, runtime=runtime)
    facts = {"costs": f"of {timing.relative or timing.core}" + (", a relative" if timing.relative else "")
                      + ("" if own is None else f", with {device.id}'s own memory and clock"),
             **{f"costs_{name}": text for name, text in timing.provenance.items()}}
    return latency, LatencyParts(compute_ms=parts["compute"], memory_ms=parts["memory"], overhead_ms=parts["overhead"],
                                 bound_by=max(parts, key=lambda name: parts[name])), facts
