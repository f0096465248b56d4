"""Tier "counts": latency from what the runtime executes under emulation on the device's core."""

from __future__ import annotations

from edgekit.estimate.place import Place
from edgekit.estimate.predicted import predicted
from edgekit.estimate.price import Misses, Work
from edgekit.estimate.regions import region_share
from edgekit.types.estimate import LatencyParts
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Counts, Latency

__all__ = ["counted_latency", "counted_work"]


def counted_work(counts: Counts, graph: OpGraph) -> Work:
    """What is priced of an emulated inference of ``graph``."""
    lines = (counts.l1_misses, counts.l2_misses, counts.l3_misses)[:len(counts.streamed)]
    levels = [Misses(n or 0, streamed) for n, streamed in zip(lines, counts.streamed, strict=True)]
    return Work.of_classes(counts.by_class, levels, len(graph.ops) * region_share(graph.format),
                           counts.scheduled_cycles)


def counted_latency(counts: Counts, graph: OpGraph, place: Place,
                    runtime: str) -> tuple[Latency, LatencyParts, dict[str, str]]:
    """Predicted latency with its 90 % interval, its parts, and what it rests on."""
    return predicted("counts", place.price(counted_work(counts, graph)), place, runtime)
