"""The costs of cores that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.catalogue import list_cores, load_devices
from edgekit.errors import DeviceError, RecipeError
from edgekit.estimate.timings import get_timing, list_timings, load_timing


def test_every_device_has_costs_for_its_fastest_core() -> None:
    for device in load_devices().values():
        assert get_timing(device.clusters[0].core).core == device.clusters[0].core


@pytest.mark.parametrize("core", list_timings())
def test_costs_are_physical(core: str) -> None:
    """No core issues more than eight instructions a cycle, or takes more than thirty for one."""
    timing = get_timing(core)
    assert core in list_cores() or timing.machines
    for name, cost in timing.cycles:
        if name != "streamed" and not name.endswith("_miss"):
            assert 1 / 8 <= cost <= 30, name
    assert 1 <= timing.line_ns <= 200
    assert {"rows", "counts", "fit", "spread"} <= set(timing.provenance)
    assert (timing.relative is None) == bool(timing.machines)


def test_a_core_that_nobody_measured() -> None:
    with pytest.raises(DeviceError) as failure:
        get_timing("kryo-silver")
    assert failure.value.code == "timing-unknown"


def test_mistakes_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "cortex-a53.yaml"
    path.write_text(list_timings()["cortex-a53"].read_text().replace("line_ns:", "lines_ns:", 1))
    with pytest.raises(RecipeError) as failure:
        load_timing(path)
    assert any("lines_ns" in str(problem.message) for problem in failure.value.problems)
