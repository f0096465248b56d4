"""``edgekit estimate``: an artifact's size, and its time and memory on devices that are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.contracts import RunSettings
from edgekit.devices.catalogue import get_core, get_device
from edgekit.devices.profile import Cluster, Device
from edgekit.disk import sha256_of
from edgekit.errors import ConversionError, DeviceError, UsageError
from edgekit.estimate.analytic import analytic_latency, operator_shares, priced_operators
from edgekit.estimate.counted import counted_latency
from edgekit.estimate.kernel_tables import get_kernels
from edgekit.estimate.place import Place
from edgekit.estimate.size import size_of
from edgekit.estimate.timings import calibration_beside, get_timing, load_calibration
from edgekit.formats.registry import get_format
from edgekit.pipeline.budget import predicted_lines, size_line
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.measure import measure_artifact
from edgekit.pipeline.planned import read_memory
from edgekit.recipe.schema import Budget
from edgekit.types.estimate import DeviceEstimate, Estimate, Tier
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Memory
from edgekit.types.measurement import Fit, Measurement

__all__ = ["analytic_estimate", "count_artifact", "estimate_artifact", "place_on", "usable_device"]


def usable_device(name: str, format_name: str, threads: int) -> tuple[Device, Cluster]:
    """The device, and the cluster whose cores run the artifact. Raises DeviceError before any work.

    More threads than the fastest cluster has take the next one too where its cores are the same, at its clock.
    """
    device = get_device(name)
    cpu = device.processors.get("cpu")
    if cpu is None or format_name not in cpu.formats:
        raise DeviceError("processor-format", f"{device.id}'s cpu runs no {format_name} files",
                          next=f"export for {', '.join(cpu.formats) if cpu else 'another device'}")
    cluster, *others = device.clusters
    for other in others:
        if threads > cluster.count and other.core == cluster.core:
            cluster = other.model_copy(update={"count": cluster.count + other.count})
    if threads > cluster.count:
        raise DeviceError("device-threads", f"{device.id} has {cluster.count} {cluster.core}, not {threads}",
                          next=f"--threads {cluster.count} or fewer")
    return device, cluster


def place_on(name: str, format_name: str, threads: int, calibration: Path | None = None) -> Place:
    """The device with its costs: the calibration given, or the one beside a profile's own file, or the core's.

    Raises DeviceError, before any work, where the artifact could not run or be estimated.
    """
    device, cluster = usable_device(name, format_name, threads)
    beside = calibration_beside(Path(name), device.id)
    if calibration is None and Path(name).is_file() and beside.is_file():
        calibration = beside
    get_kernels(format_name, get_core(cluster.core))
    timing = (get_timing(cluster.core) if calibration is None else
              load_calibration(calibration, device.id, cluster.core))
    return Place(device, cluster, timing, threads)


def estimate_artifact(format_name: str, artifact: Path, devices: Sequence[str], threads: int, tier: Tier,
                      budget: Budget, seconds: float, calibration: Path | None = None) -> Estimate:
    """See :func:`edgekit.api.estimate`."""
    if calibration is not None and len(devices) > 1:
        raise UsageError("usage", "a calibration is one device's", next="estimate for one --device with --calibration")
    places = [(name, place_on(name, format_name, threads, calibration)) for name in devices]
    graph = read_graph(format_name, artifact)
    memory = read_memory(format_name, artifact, graph)
    assert memory is not None  # a format whose kernels are known has a runtime that is known
    found = []
    for name, place in places:
        one = (analytic_estimate(graph, place, get_format(format_name).runtime(), memory) if tier == "analytic" else
               _counted(format_name, artifact, graph, place, name, memory, seconds))
        found.append(one.model_copy(update={"budget": predicted_lines(budget, format_name, one.latency, one.memory)}))
    size = size_of(artifact, graph)
    return Estimate(artifact=str(artifact), sha256=sha256_of(artifact), format=format_name, size=size,
                    devices=tuple(found), budget=tuple(size_line(budget, format_name, size.installed_bytes)))


def analytic_estimate(graph: OpGraph, place: Place, runtime: str, memory: Memory) -> DeviceEstimate:
    """Time by the kernel table, memory as planned: no emulator."""
    priced = priced_operators(graph, place)
    latency, parts, facts = analytic_latency(priced, graph, place, runtime)
    budget = place.device.app_budget_mb * 2**20
    return DeviceEstimate(
        device=place.device.id, core=place.cluster.core, latency=latency, parts=parts,
        operators=operator_shares(priced), counts=None, memory=memory, facts=facts,
        fit=Fit(needs_bytes=memory.peak_bytes, budget_bytes=budget, fits=memory.peak_bytes <= budget))


def count_artifact(format_name: str, artifact: Path, device: str, seconds: float) -> Measurement:
    """One inference on one thread of the emulated device, where counts repeat exactly.

    Raises ConversionError where the artifact does not run there, or computes something else.
    """
    found = measure_artifact(format_name, artifact, f"emulated:{device}", RunSettings(seconds=seconds))
    if not found.agreement.agrees:
        raise ConversionError("outputs-differ", f"{found.device}'s outputs are not this machine's", where=str(artifact),
                              cause=f"they are {found.agreement.max_abs:.3g} apart, tolerance "
                                    f"{found.agreement.tolerance:.3g}",
                              next=f"edgekit measure {artifact.name} --on {found.target}")
    return found


def _counted(format_name: str, artifact: Path, graph: OpGraph, place: Place, name: str, memory: Memory,
             seconds: float) -> DeviceEstimate:
    found = count_artifact(format_name, artifact, name, seconds)  # of one thread; the price divides it
    assert found.counts is not None  # an emulated device always counts, knows its memory and has a budget
    assert found.memory is not None
    assert found.fit is not None
    latency, parts, facts = counted_latency(found.counts, graph, place, found.runtime)
    return DeviceEstimate(
        device=place.device.id, core=place.cluster.core, latency=latency, parts=parts,
        operators=operator_shares(priced_operators(graph, place)), counts=found.counts, memory=found.memory,
        memory_split=memory, fit=found.fit, facts={**found.facts, **facts})
