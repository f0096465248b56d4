"""``edgekit estimate``: an artifact's size, and its time and memory on devices that are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.contracts import RunSettings
from edgekit.devices.catalogue import get_core, get_device
from edgekit.devices.profile import Cluster, Device
from edgekit.disk import sha256_of
from edgekit.errors import ConversionError, DeviceError
from edgekit.estimate.analytic import analytic_latency, operator_shares
from edgekit.estimate.counted import counted_latency
from edgekit.estimate.kernel_tables import get_kernels
from edgekit.estimate.size import size_of
from edgekit.estimate.timings import get_timing
from edgekit.pipeline.budget import predicted_lines, size_line
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.measure import measure_artifact
from edgekit.pipeline.planned import read_memory
from edgekit.recipe.schema import Budget
from edgekit.types.estimate import DeviceEstimate, Estimate, OperatorShare, Tier
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Memory
from edgekit.types.measurement import Fit

__all__ = ["Place", "analytic_estimate", "estimate_artifact", "place_on"]


@dataclass(frozen=True)
class Place:
    """Where an artifact runs: the device, its cluster, and the threads on it."""

    device: Device
    cluster: Cluster
    threads: int


def place_on(name: str, format_name: str, threads: int) -> Place:
    """The device's fastest cluster. Raises DeviceError, before any work, where it could not run or be estimated."""
    device = get_device(name)
    cpu = device.processors.get("cpu")
    if cpu is None or format_name not in cpu.formats:
        raise DeviceError("processor-format", f"{device.id}'s cpu runs no {format_name} files",
                          next=f"export for {', '.join(cpu.formats) if cpu else 'another device'}")
    cluster = device.clusters[0]
    if threads > cluster.count:
        raise DeviceError("device-threads", f"{device.id} has {cluster.count} {cluster.core}, not {threads}",
                          next=f"--threads {cluster.count} or fewer")
    get_timing(cluster.core)
    get_kernels(format_name, get_core(cluster.core))
    return Place(device, cluster, threads)


def estimate_artifact(format_name: str, artifact: Path, devices: Sequence[str], threads: int, tier: Tier,
                      budget: Budget, seconds: float) -> Estimate:
    """See :func:`edgekit.api.estimate`."""
    places = [(name, place_on(name, format_name, threads)) for name in devices]
    graph = read_graph(format_name, artifact)
    memory = read_memory(format_name, artifact, graph)
    assert memory is not None  # a format whose kernels are known has a runtime that is known
    found = []
    for name, place in places:
        one = (analytic_estimate(graph, place, format_name, memory) if tier == "analytic" else
               _counted(format_name, artifact, graph, place, f"emulated:{name}", memory, seconds))
        found.append(one.model_copy(update={"budget": predicted_lines(budget, format_name, one.latency, one.memory)}))
    size = size_of(artifact, graph)
    return Estimate(artifact=str(artifact), sha256=sha256_of(artifact), format=format_name, size=size,
                    devices=tuple(found), budget=tuple(size_line(budget, format_name, size.installed_bytes)))


def analytic_estimate(graph: OpGraph, place: Place, format_name: str, memory: Memory) -> DeviceEstimate:
    """Time by the kernel table, memory as planned: no emulator."""
    latency, parts, facts = analytic_latency(graph, place.device, place.cluster, place.threads, format_name)
    budget = place.device.app_budget_mb * 2**20
    return DeviceEstimate(
        device=place.device.id, core=place.cluster.core, latency=latency, parts=parts, operators=_shares(graph, place),
        counts=None, memory=memory, facts=facts,
        fit=Fit(needs_bytes=memory.peak_bytes, budget_bytes=budget, fits=memory.peak_bytes <= budget))


def _counted(format_name: str, artifact: Path, graph: OpGraph, place: Place, target: str, memory: Memory,
             seconds: float) -> DeviceEstimate:
    # counts are of one thread, where they repeat exactly; the price divides them
    found = measure_artifact(format_name, artifact, target, RunSettings(seconds=seconds))
    if not found.agreement.agrees:
        raise ConversionError("outputs-differ", f"{place.device.id}'s outputs are not this machine's",
                              where=str(artifact),
                              cause=f"they are {found.agreement.max_abs:.3g} apart, tolerance "
                                    f"{found.agreement.tolerance:.3g}",
                              next=f"edgekit measure {artifact.name} --on {target}")
    assert found.counts is not None  # an emulated device always counts, knows its memory and has a budget
    assert found.memory is not None
    assert found.fit is not None
    latency, parts, facts = counted_latency(found.counts, graph, place.device, place.cluster, place.threads,
                                            found.runtime)
    return DeviceEstimate(
        device=place.device.id, core=place.cluster.core, latency=latency, parts=parts, operators=_shares(graph, place),
        counts=found.counts, memory=found.memory, memory_split=memory, fit=found.fit, facts={**found.facts, **facts})


def _shares(graph: OpGraph, place: Place) -> tuple[OperatorShare, ...]:
    return operator_shares(graph, place.device, place.cluster, place.threads)
