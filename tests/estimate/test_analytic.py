"""The analytic tier on artifacts of the small network."""

from __future__ import annotations

import math

import pytest
from workloads import Exported

from edgekit.devices.catalogue import get_core, get_device, load_devices
from edgekit.devices.profile import Device
from edgekit.estimate.analytic import analytic_latency, counted_as, operator_shares, priced_operators
from edgekit.estimate.kernel_tables import get_kernels, stand_in
from edgekit.estimate.place import Place
from edgekit.estimate.timings import get_timing
from edgekit.formats.registry import get_format

FILES = [("tflite", "model.tflite"), ("onnx", "model.onnx"), ("executorch", "model.pte")]


def place_of(device: Device) -> Place:
    cluster = device.clusters[0]
    return Place(device, cluster, get_timing(cluster.core), 1)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_every_format_on_every_device(exported: Exported, name: str, file: str) -> None:
    graph = get_format(name).graph(exported.out / file)
    for device in load_devices().values():
        place = place_of(device)
        latency, parts, facts = analytic_latency(priced_operators(graph, place), graph, place, name)
        assert (latency.kind, latency.tier, latency.device) == ("predicted", "analytic", device.id)
        assert 0 < latency.low_ms < latency.ms < latency.high_ms
        assert latency.ms == pytest.approx(parts.compute_ms + parts.memory_ms + parts.overhead_ms)
        assert {"costs", "kernels", "cluster"} <= set(facts)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_shares_are_of_executed_operators_and_sum_to_one(exported: Exported, name: str, file: str) -> None:
    graph = get_format(name).graph(exported.out / file)
    shares = operator_shares(priced_operators(graph, place_of(get_device("raspberry-pi-4b"))))
    assert math.fsum(one.share for one in shares) == pytest.approx(1)
    assert {one.index for one in shares} <= {op.index for op in graph.ops}
    assert {one.bound_by for one in shares} <= {"compute", "memory", "overhead"}
    heaviest = max(graph.ops, key=lambda op: op.macs)
    assert max(shares, key=lambda one: one.share).kind in {heaviest.kind, "conv", "linear"}


def test_slower_cores_take_longer(exported: Exported) -> None:
    graph = get_format("tflite").graph(exported.out / "model.tflite")

    def ms(device_id: str) -> float:
        place = place_of(get_device(device_id))
        return analytic_latency(priced_operators(graph, place), graph, place, "tflite")[0].ms

    assert ms("stm32mp257") > ms("raspberry-pi-4b") > ms("pixel-8")


def test_a_kernel_that_nobody_counted_is_named_as_another() -> None:
    table = get_kernels("tflite", get_core("cortex-a76"))
    assert counted_as("gemm.float32", table) == (table.kernels["gemm.float32"], None)
    kernel, guessed = counted_as("gemm_odd.int16", table)
    assert guessed in {"gemm_odd.int16 as gemm.float32", "gemm_odd.int16 as gemm_odd.float32"}
    assert kernel == table.kernels[str(guessed).split(" as ")[1]]
    assert counted_as("nothing.like.it", table)[1] == "nothing.like.it as elementwise.float32"
    assert counted_as("rnn.float32", table)[1] == "rnn.float32 as linear.float32"


def test_another_runtimes_kernel_stands_in_and_is_named() -> None:
    table = get_kernels("onnx", get_core("cortex-a76"))
    other = stand_in("onnx", get_core("cortex-a76"))
    assert other is not None
    fewer = table.model_copy(update={"kernels": {k: v for k, v in table.kernels.items() if k != "softmax.float32"}})
    assert counted_as("gemm.float32", fewer, other) == (table.kernels["gemm.float32"], None)
    assert counted_as("softmax.float32", fewer, other) == (
        other.kernels["softmax.float32"], f"softmax.float32 as softmax.float32 of {other.runtime}")


def test_the_estimate_says_which_kernels_nobody_counted(exported: Exported) -> None:
    graph = get_format("tflite").graph(exported.out / "model.tflite")
    sort = graph.ops[-1].model_copy(update={"kind": "sort", "name": "TOPK_V2"})
    graph = graph.model_copy(update={"ops": (*graph.ops[:-1], sort)})
    place = place_of(get_device("pixel-8"))
    facts = analytic_latency(priced_operators(graph, place), graph, place, "tflite")[2]
    assert "sort" in facts["kernels_not_counted"]
    assert " as elementwise." in facts["kernels_not_counted"]
