"""What the emulated device's files say of its core."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.devices.catalogue import get_core, get_device
from edgekit.measure.emulated.device_root import cpu_model, write_root


@pytest.mark.parametrize(("device", "midr", "model"), [
    ("pixel-1", 0x512F2050, "cortex-a72"), ("pixel-2", 0x51AF8000, "cortex-a72"),
    ("pixel-3", 0x516F8020, "a64fx,sve=off"),
    ("pixel-4", 0x51DF8040, "cortex-a76"), ("galaxy-s25", 0x514F0010, "max,sve=off,sme=off"),
    ("imx93", 0x412FD050, "cortex-a76"), ("stm32mp257", 0x410FD040, "cortex-a35")])
def test_files_name_the_core(device: str, midr: int, model: str, tmp_path: Path) -> None:
    cluster = get_device(device).clusters[0]
    core = get_core(cluster.core)
    write_root(tmp_path / "root", core, cluster, 2, tmp_path)
    assert cpu_model(core) == model
    cpus = tmp_path / "root/sys/devices/system/cpu"
    assert int((cpus / "cpu1/regs/identification/midr_el1").read_text(), 16) == midr
    told = dict(line.split("\t: ", 1) for line in (tmp_path / "root/proc/cpuinfo").read_text().splitlines()
                if "\t: " in line)
    assert (int(told["CPU implementer"], 16), int(told["CPU variant"], 16), int(told["CPU part"], 16)) == (
        midr >> 24, midr >> 20 & 0xF, midr >> 4 & 0xFFF)
    assert told["Features"].split() == list(core.features)
    first = cpus / "cpu0/cache/index0"
    sets, ways = (int((first / name).read_text()) for name in ("number_of_sets", "ways_of_associativity"))
    assert sets * ways * 64 == core.l1d.kb * 1024
