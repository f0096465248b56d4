"""``edgekit estimate``: an artifact's size, and its time and memory on devices that are not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.contracts import RunSettings
from edgekit.devices.catalogue import get_device
from edgekit.devices.profile import Cluster, Device
from edgekit.disk import sha256_of
from edgekit.errors import ConversionError, DeviceError
from edgekit.estimate.counted import counted_latency
from edgekit.estimate.size import size_of
from edgekit.estimate.timings import get_timing
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.measure import measure_artifact
from edgekit.pipeline.planned import read_memory
from edgekit.types.estimate import DeviceEstimate, Estimate
from edgekit.types.graph import OpGraph
from edgekit.types.measurement import Measurement

__all__ = ["estimate_artifact"]


def estimate_artifact(format_name: str, artifact: Path, devices: Sequence[str], threads: int,
                      seconds: float) -> Estimate:
    """See :func:`edgekit.api.estimate`."""
    wanted = [_device(name, format_name, threads) for name in devices]
    graph = read_graph(format_name, artifact)
    split = read_memory(format_name, artifact, graph)
    found = tuple(_estimate(format_name, artifact, graph, device, cluster, target, threads, seconds)
                  .model_copy(update={"memory_split": split}) for device, cluster, target in wanted)
    return Estimate(artifact=str(artifact), sha256=sha256_of(artifact), format=format_name,
                    size=size_of(artifact, graph), devices=found)


def _device(name: str, format_name: str, threads: int) -> tuple[Device, Cluster, str]:
    """The device, the cluster whose cores run the artifact, and the target that counts. Raises before any work."""
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
    return device, cluster, f"emulated:{name}"


def _estimate(format_name: str, artifact: Path, graph: OpGraph, device: Device, cluster: Cluster, target: str,
              threads: int, seconds: float) -> DeviceEstimate:
    # counts are of one thread, where they repeat exactly; the price divides them
    found: Measurement = measure_artifact(format_name, artifact, target, RunSettings(seconds=seconds))
    if not found.agreement.agrees:
        raise ConversionError("outputs-differ", f"{device.id}'s outputs are not this machine's", where=str(artifact),
                              cause=f"they are {found.agreement.max_abs:.3g} apart, tolerance "
                                    f"{found.agreement.tolerance:.3g}",
                              next=f"edgekit measure {artifact.name} --on {target}")
    assert found.counts is not None  # an emulated device always counts, knows its memory and has a budget
    assert found.memory is not None
    assert found.fit is not None
    latency, parts, facts = counted_latency(found.counts, graph, device, cluster, threads, found.runtime)
    return DeviceEstimate(device=device.id, core=cluster.core, latency=latency, parts=parts, counts=found.counts,
                          memory=found.memory, fit=found.fit, facts={**found.facts, **facts})
