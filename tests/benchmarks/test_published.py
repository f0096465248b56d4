"""Published rows, their counts, and the networks that were counted belong together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.devices.catalogue import get_device

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "published"))
import efficientnet_lite
from table import load_counts, load_published

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
# Parameters as published, and what is published more than multiply-accumulates: batch normalisation's three an output.
PUBLISHED = {"lite0": (4.7e6, 407e6), "lite2": (6.1e6, 899e6), "lite4": (13.0e6, 2640e6)}


def _macs(variant: str) -> tuple[float, float, float]:
    """Multiply-accumulates, outputs of convolutions, parameters."""
    with torch.device("meta"):
        network = efficientnet_lite.network(variant).eval()
        found = [0.0, 0.0]

        def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                found[0] += output.numel() * module.weight[0].numel()
                found[1] += output.numel()
            if isinstance(module, nn.Linear):
                found[0] += module.weight.numel()

        for module in network.modules():
            module.register_forward_hook(count)
        side = efficientnet_lite.SIZES[variant][2]
        network(torch.zeros(1, 3, side, side))
    return found[0], found[1], sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("variant", PUBLISHED)
def test_efficientnet_lite_is_the_published_network(variant: str) -> None:
    macs, outputs, parameters = _macs(variant)
    published_parameters, published_macs = PUBLISHED[variant]
    assert parameters == pytest.approx(published_parameters, rel=0.011)
    assert macs + 3 * outputs == pytest.approx(published_macs, rel=0.005)


def test_every_row_is_counted_on_its_own_network() -> None:
    counts = load_counts()
    for row in load_published():
        counted = counts[row.key]
        assert counted.runtime.startswith("ai-edge-litert ")
        if row.model == "efficientnet_lite":
            assert counted.macs == pytest.approx(_macs(row.variant)[0], rel=0.005)
        else:
            # MobileNetV3-Small's are 66 million in the table; XNNPACK's own network (models/mobilenet-v3-small.cc) has
            # the layers that are counted here, 56.5 million
            assert counted.macs == pytest.approx(row.macs_m * 1e6, rel=0.15 if row.model.endswith("small") else 0.005)
        executed = sum(counted.work.groups.values())
        assert counted.work.groups["multiply_add" if row.precision == "fp32" else "integer_multiply"] > 0.15 * executed
        assert len(counted.work.levels) == (3 if row.machine.profile == "pixel-4" else 2)


def test_one_clock_and_as_many_threads_as_the_cores_that_ran_it() -> None:
    for row in load_published():
        assert row.machine.ghz <= row.machine.cores.max_ghz
        clusters = get_device(row.machine.profile).clusters
        assert row.threads <= sum(c.count for c in clusters if c.core == row.machine.cores.core)


def test_the_quick_benchmark_names_the_relative() -> None:
    run = subprocess.run([sys.executable, str(BENCHMARKS / "bench_published.py"), "--quick"], capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
    rows = [row for row in json.loads(run.stdout)["rows"] if row.get("device")]
    assert {(row["device"], row["relative"]) for row in rows} == {("pixel-1", "cortex-a76")}
    assert all(row["low_ms"] < row["predicted_ms"] < row["high_ms"] for row in rows)
    for row in rows:
        assert row["error"] == pytest.approx(row["predicted_ms"] / row["published_ms"] - 1)
