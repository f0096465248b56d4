"""Tier "analytic": latency from the operators' shapes, in milliseconds of work and without an emulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from edgekit.devices.catalogue import get_core
from edgekit.devices.profile import Cluster, Device
from edgekit.estimate.kernel_tables import get_kernels
from edgekit.estimate.kernels import KernelTable, Operator, work_of
from edgekit.estimate.operators import operators_of
from edgekit.estimate.predicted import bound_by, predicted
from edgekit.estimate.price import Price, price
from edgekit.estimate.regions import region_share
from edgekit.estimate.timing import CoreTiming
from edgekit.types.estimate import LatencyParts, OperatorShare
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Latency

__all__ = ["analytic_latency", "counted_as", "operator_shares", "price_operators"]


def price_operators(operators: Sequence[Operator], table: KernelTable, timing: CoreTiming, further: Sequence[float],
                    ghz: float, gb_s: float, threads: int, line_ns: float | None = None) -> list[Price]:
    """The price of each operator before caches of ``further`` bytes behind the first."""
    weights = sum(op.weight_bytes for op in operators)
    return [price(work_of(op, table.kernels[counted_as(op.kernel, table)], further, weights), timing, ghz, gb_s,
                  threads, line_ns) for op in operators]


def counted_as(kernel: str, table: KernelTable) -> str:
    """The table's own kernel, or what stands for one that nobody counted: a variant of it, or a pass over its data."""
    name, *rest = kernel.split(".")
    plain = name.removesuffix("_odd")
    dtype = rest[0] if rest else "float32"
    tries = (kernel, f"{name}.{dtype}", f"{plain}.{dtype}", f"{plain}.float32", f"elementwise.{dtype}")
    return next((one for one in tries if one in table.kernels), "elementwise.float32")


def analytic_latency(graph: OpGraph, device: Device, cluster: Cluster, timing: CoreTiming, threads: int,
                     runtime: str) -> tuple[Latency, LatencyParts, dict[str, str]]:
    """Predicted latency with its 90 % interval, its parts, and what it rests on. Raises DeviceError.

    The interval is the counts tier's, widened by how far the table's counts are from the emulator's.
    """
    table = get_kernels(graph.format, get_core(cluster.core))
    prices = _prices(graph, device, cluster, timing, threads)
    total = Price(math.fsum(p.compute_ms for p in prices), math.fsum(p.memory_ms for p in prices),
                  math.fsum(p.overhead_ms for p in prices))
    latency, parts, facts = predicted("analytic", total, device, cluster, timing, threads, runtime,
                                      table.spread)
    guessed = sorted({f"{call.kernel} as {other}" for _, call in operators_of(graph)
                      if (other := counted_as(call.kernel, table)) != call.kernel})
    if guessed:
        facts["kernels_not_counted"] = ", ".join(guessed)
    return latency, parts, {**facts, "kernels": f"of {table.runtime} on {table.core}",
                            **{f"kernels_{name}": text for name, text in table.provenance.items()}}


def operator_shares(graph: OpGraph, device: Device, cluster: Cluster, timing: CoreTiming,
                    threads: int) -> tuple[OperatorShare, ...]:
    """Each executed operator's share of the latency, and which part of it is the largest. Raises DeviceError."""
    prices = _prices(graph, device, cluster, timing, threads)
    total = math.fsum(p.ms for p in prices)
    return tuple(
        OperatorShare(index=op.index, name=op.name, kind=op.kind, dtype=op.dtype,
                      module=op.source.module if op.source else None, share=p.ms / total if total else 0.0,
                      bound_by=bound_by(p))
        for (op, _), p in zip(operators_of(graph), prices, strict=True))


def _prices(graph: OpGraph, device: Device, cluster: Cluster, timing: CoreTiming, threads: int) -> list[Price]:
    own = timing.machines.get(device.id)
    further = [kb * 1024.0 for kb in (cluster.l2_kb, device.l3_kb) if kb]
    share = region_share(graph.format)
    calls = [replace(call, regions=call.regions * share) for _, call in operators_of(graph)]
    return price_operators(calls, get_kernels(graph.format, get_core(cluster.core)), timing, further, cluster.max_ghz,
                           device.memory.gb_s, threads, own.line_ns if own else None)
