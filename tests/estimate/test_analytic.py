"""The analytic tier on artifacts of the small network."""

from __future__ import annotations

import math

import pytest
from workloads import Exported

from edgekit.devices.catalogue import get_core, get_device, load_devices
from edgekit.estimate.analytic import analytic_latency, counted_as, operator_shares
from edgekit.estimate.kernel_tables import get_kernels
from edgekit.estimate.timings import get_timing
from edgekit.formats.registry import get_format

FILES = [("tflite", "model.tflite"), ("onnx", "model.onnx"), ("executorch", "model.pte")]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_every_format_on_every_device(exported: Exported, name: str, file: str) -> None:
    graph = get_format(name).graph(exported.out / file)
    for device in load_devices().values():
        cluster = device.clusters[0]
        latency, parts, facts = analytic_latency(graph, device, cluster, get_timing(cluster.core), 1, name)
        assert (latency.kind, latency.tier, latency.device) == ("predicted", "analytic", device.id)
        assert 0 < latency.low_ms < latency.ms < latency.high_ms
        assert latency.ms == pytest.approx(parts.compute_ms + parts.memory_ms + parts.overhead_ms)
        assert {"costs", "kernels", "cluster"} <= set(facts)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_shares_are_of_executed_operators_and_sum_to_one(exported: Exported, name: str, file: str) -> None:
    graph = get_format(name).graph(exported.out / file)
    device = get_device("raspberry-pi-4b")
    shares = operator_shares(graph, device, device.clusters[0], get_timing("cortex-a72"), 1)
    assert math.fsum(one.share for one in shares) == pytest.approx(1)
    assert {one.index for one in shares} <= {op.index for op in graph.ops}
    assert {one.bound_by for one in shares} <= {"compute", "memory", "overhead"}
    heaviest = max(graph.ops, key=lambda op: op.macs)
    assert max(shares, key=lambda one: one.share).kind in {heaviest.kind, "conv", "linear"}


def test_slower_cores_and_fewer_threads_take_longer(exported: Exported) -> None:
    graph = get_format("tflite").graph(exported.out / "model.tflite")

    def ms(device_id: str) -> float:
        device = get_device(device_id)
        cluster = device.clusters[0]
        return analytic_latency(graph, device, cluster, get_timing(cluster.core), 1, "tflite")[0].ms

    assert ms("stm32mp257") > ms("raspberry-pi-4b") > ms("pixel-8")


def test_a_kernel_that_nobody_counted_is_named_as_another() -> None:
    table = get_kernels("tflite", get_core("cortex-a76"))
    assert counted_as("gemm.float32", table) == "gemm.float32"
    assert counted_as("gemm_odd.int16", table) in {"gemm.float32", "gemm_odd.float32"}
    assert counted_as("nothing.like.it", table) == "elementwise.float32"
