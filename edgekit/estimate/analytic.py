"""Tier "analytic": latency from the operators' shapes, in milliseconds of work and without an emulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgekit.devices.catalogue import get_core
from edgekit.estimate.kernel_tables import get_kernels, stand_in
from edgekit.estimate.kernels import Kernel, KernelTable, work_of
from edgekit.estimate.operators import operators_of
from edgekit.estimate.place import Place
from edgekit.estimate.predicted import bound_by, predicted
from edgekit.estimate.price import Price
from edgekit.estimate.regions import region_share
from edgekit.types.estimate import LatencyParts, OperatorShare
from edgekit.types.graph import Op, OpGraph
from edgekit.types.latency import Latency

__all__ = ["PricedOp", "analytic_latency", "counted_as", "operator_shares", "priced_operators"]

# What a kernel without a variant does most; others pass over their data.
_LIKE = {"rnn": "linear"}


@dataclass(frozen=True)
class PricedOp:
    """An executed operator with its price; ``guessed`` says what stands for its kernel where nobody counted that."""

    op: Op
    price: Price
    guessed: str | None


def priced_operators(graph: OpGraph, place: Place) -> list[PricedOp]:
    """What executes, in order. Raises DeviceError where nobody counted the runtime's kernels."""
    core = get_core(place.cluster.core)
    table, other = get_kernels(graph.format, core), stand_in(graph.format, core)
    caches = [kb * 1024.0 for kb in (core.l1d.kb, place.cluster.l2_kb, place.device.l3_kb) if kb]
    share = region_share(graph.format)
    calls = operators_of(graph)
    weights = sum(call.weight_bytes for _, call in calls)
    found = []
    for op, call in calls:
        kernel, guessed = counted_as(call.kernel, table, other)
        work = work_of(replace(call, regions=call.regions * share), kernel, caches, weights)
        found.append(PricedOp(op, place.price(work), guessed))
    return found


def counted_as(name: str, table: KernelTable, other: KernelTable | None = None) -> tuple[Kernel, str | None]:
    """The kernel called ``name``, or what stands for one that nobody counted, and then that one's name.

    Tried are variants of it, what it does most and a pass over its data, each in ``table`` before ``other``, which is
    another runtime's.
    """
    kind, *rest = name.split(".")
    plain = kind.removesuffix("_odd")
    like = _LIKE.get(plain, "elementwise")
    dtype = rest[0] if rest else "float32"
    for one in (name, f"{kind}.{dtype}", f"{plain}.{dtype}", f"{plain}.{dtype}d", f"{plain}.float32",
                f"{like}.{dtype}", f"{like}.float32", "elementwise.float32"):
        if one in table.kernels:
            return table.kernels[one], None if one == name else f"{name} as {one}"
        if other is not None and one in other.kernels:
            return other.kernels[one], f"{name} as {one} of {other.runtime}"
    raise KeyError(name)  # every table that ships has elementwise.float32, or a stand-in that has


def analytic_latency(priced: Sequence[PricedOp], graph: OpGraph, place: Place,
                     runtime: str) -> tuple[Latency, LatencyParts, dict[str, str]]:
    """Predicted latency with its 90 % interval, its parts, and what it rests on.

    The interval is the counts tier's, widened by how far the table's counts are from the emulator's.
    """
    table = get_kernels(graph.format, get_core(place.cluster.core))
    total = Price(math.fsum(one.price.compute_ms for one in priced), math.fsum(one.price.memory_ms for one in priced),
                  math.fsum(one.price.overhead_ms for one in priced))
    latency, parts, facts = predicted("analytic", total, place, runtime, table.spread)
    facts |= {"kernels": f"of {table.runtime} on {table.core}",
              **{f"kernels_{name}": text for name, text in table.provenance.items()}}
    if guessed := sorted({one.guessed for one in priced if one.guessed}):
        facts["kernels_not_counted"] = ", ".join(guessed)
    return latency, parts, facts


def operator_shares(priced: Sequence[PricedOp]) -> tuple[OperatorShare, ...]:
    """Each operator's share of the latency, and which part of it is the largest."""
    total = math.fsum(one.price.ms for one in priced)
    return tuple(
        OperatorShare(index=op.index, name=op.name, kind=op.kind, dtype=op.dtype,
                      module=op.source.module if op.source else None, share=price.ms / total if total else 0.0,
                      bound_by=bound_by(price))
        for op, price in ((one.op, one.price) for one in priced))
