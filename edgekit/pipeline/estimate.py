"""``edgekit estimate``: an artifact's size, and its time and memory on devices that are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.contracts import RunSettings
from edgekit.devices.catalogue import find_device, load_device
from edgekit.devices.profile import Cluster, Device
from edgekit.disk import sha256_of
from edgekit.errors import ConversionError, DeviceError, UsageError
from edgekit.estimate.counted import counted_latency
from edgekit.estimate.size import size_of
from edgekit.estimate.timing import CoreTiming
from edgekit.estimate.timings import calibration_beside, get_timing, load_calibration
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.measure import measure_artifact
from edgekit.types.estimate import DeviceEstimate, Estimate
from edgekit.types.graph import OpGraph
from edgekit.types.measurement import Measurement

__all__ = ["count_artifact", "estimate_artifact", "usable_device"]


def estimate_artifact(format_name: str, artifact: Path, devices: Sequence[str], threads: int, seconds: float,
                      calibration: Path | None = None) -> Estimate:
    """See :func:`edgekit.api.estimate`."""
    if calibration is not None and len(devices) > 1:
        raise UsageError("usage", "a calibration is one device's", next="estimate for one --device with --calibration")
    wanted = [(name, *usable_device(name, format_name, threads)) for name in devices]
    costs = [_costs(name, device, cluster, calibration) for name, device, cluster in wanted]
    graph = read_graph(format_name, artifact)
    found = tuple(_estimate(format_name, artifact, graph, one, timing, threads, seconds)
                  for one, timing in zip(wanted, costs, strict=True))
    return Estimate(artifact=str(artifact), sha256=sha256_of(artifact), format=format_name,
                    size=size_of(artifact, graph), devices=found)


def usable_device(name: str, format_name: str, threads: int) -> tuple[Device, Cluster]:
    """The device, and the cluster whose cores run the artifact. Raises DeviceError before any work."""
    device = load_device(find_device(name))
    cpu = device.processors.get("cpu")
    if cpu is None or format_name not in cpu.formats:
        raise DeviceError("processor-format", f"{device.id}'s cpu runs no {format_name} files",
                          next=f"export for {', '.join(cpu.formats) if cpu else 'another device'}")
    cluster = device.clusters[0]
    if threads > cluster.count:
        raise DeviceError("device-threads", f"{device.id} has {cluster.count} {cluster.core}, not {threads}",
                          next=f"--threads {cluster.count} or fewer")
    return device, cluster


def count_artifact(format_name: str, artifact: Path, device: str, seconds: float) -> Measurement:
    """One inference on one thread of the emulated device, where counts repeat exactly.

    Raises ConversionError where the artifact does not run there, or computes something else.
    """
    found: Measurement = measure_artifact(format_name, artifact, f"emulated:{device}", RunSettings(seconds=seconds))
    if not found.agreement.agrees:
        raise ConversionError("outputs-differ", f"{found.device}'s outputs are not this machine's", where=str(artifact),
                              cause=f"they are {found.agreement.max_abs:.3g} apart, tolerance "
                                    f"{found.agreement.tolerance:.3g}",
                              next=f"edgekit measure {artifact.name} --on {found.target}")
    return found


def _costs(name: str, device: Device, cluster: Cluster, calibration: Path | None) -> CoreTiming:
    """The calibration given, or the one beside a profile's own file, or the core's as they ship."""
    beside = calibration_beside(Path(name), device.id)
    if calibration is None and Path(name).is_file() and beside.is_file():
        calibration = beside
    return get_timing(cluster.core) if calibration is None else load_calibration(calibration, device.id, cluster.core)


def _estimate(format_name: str, artifact: Path, graph: OpGraph, wanted: tuple[str, Device, Cluster], timing: CoreTiming,
              threads: int, seconds: float) -> DeviceEstimate:
    name, device, cluster = wanted
    found = count_artifact(format_name, artifact, name, seconds)  # of one thread; the price divides it
    assert found.counts is not None  # an emulated device always counts, knows its memory and has a budget
    assert found.memory is not None
    assert found.fit is not None
    latency, parts, facts = counted_latency(found.counts, graph, device, cluster, timing, threads, found.runtime)
    return DeviceEstimate(device=device.id, core=cluster.core, latency=latency, parts=parts, counts=found.counts,
                          memory=found.memory, fit=found.fit, facts={**found.facts, **facts})
