"""The files by which runtimes get to know their CPU, ``/proc/cpuinfo`` and sysfs, written for one emulated device.

The emulator looks up absolute paths in its root first: without these files the host's would be read.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.devices.core import Core
from edgekit.devices.profile import Cluster

__all__ = ["cpu_model", "write_root"]

_LINE = 64
_CPU = "sys/devices/system/cpu"


def cpu_model(core: Core) -> str:
    """The emulator's ``-cpu``. SVE and SME stay off: QEMU 7.2 computes SME's int8 products wrongly."""
    return {"max": "max,sve=off,sme=off", "a64fx": "a64fx,sve=off"}.get(core.emulator, core.emulator)


def write_root(root: Path, core: Core, cluster: Cluster, cpus: int, guest_lib: Path) -> None:
    """Writes the emulator's root for ``cpus`` cores of one kind; one listed core makes counts repeat exactly."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "lib").symlink_to(guest_lib)
    files = {"proc/cpuinfo": _cpuinfo(core, cpus), f"{_CPU}/kernel_max": "63\n"}
    listed = _list(cpus)
    files |= {f"{_CPU}/{name}": listed for name in ("possible", "present", "online")}
    for cpu in range(cpus):
        one = f"{_CPU}/cpu{cpu}"
        khz = round(cluster.max_ghz * 1e6)
        midr = core.implementer << 24 | core.variant << 20 | 0xF << 16 | core.part << 4
        files |= {f"{one}/cpufreq/cpuinfo_max_freq": f"{khz}\n", f"{one}/cpufreq/cpuinfo_min_freq": f"{khz}\n",
                  f"{one}/topology/core_id": f"{cpu}\n", f"{one}/topology/physical_package_id": "0\n",
                  f"{one}/topology/cluster_id": "0\n",
                  f"{one}/regs/identification/midr_el1": f"0x{midr:016x}\n"}
        files |= {f"{one}/topology/{name}": listed for name in
                  ("core_siblings_list", "package_cpus_list", "cluster_cpus_list")}
        files |= {f"{one}/topology/{name}": f"{cpu}\n" for name in ("thread_siblings_list", "core_cpus_list")}
        for index, cache in enumerate(_caches(core, cluster, cpu, cpus)):
            files |= {f"{one}/cache/index{index}/{name}": value for name, value in cache.items()}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


def _cpuinfo(core: Core, cpus: int) -> str:
    return "".join(
        f"processor\t: {cpu}\nBogoMIPS\t: 38.40\nFeatures\t: {' '.join(core.features)}\n"
        f"CPU implementer\t: 0x{core.implementer:x}\nCPU architecture: 8\nCPU variant\t: 0x{core.variant:x}\n"
        f"CPU part\t: 0x{core.part:x}\nCPU revision\t: 0\n\n" for cpu in range(cpus))


def _list(cpus: int) -> str:
    return f"0-{cpus - 1}\n" if cpus > 1 else "0\n"


def _caches(core: Core, cluster: Cluster, cpu: int, cpus: int) -> list[dict[str, str]]:
    own = f"{cpu}\n"
    shared = own if core.l2.shared_by == "core" else _list(cpus)
    levels = [(1, "Data", core.l1d.kb, core.l1d.ways, own), (1, "Instruction", core.l1d.kb, core.l1d.ways, own),
              (2, "Unified", cluster.l2_kb, core.l2.ways, shared)]
    return [{"level": f"{level}\n", "type": f"{kind}\n", "size": f"{kb}K\n", "ways_of_associativity": f"{ways}\n",
             "number_of_sets": f"{kb * 1024 // _LINE // ways}\n", "coherency_line_size": f"{_LINE}\n",
             "shared_cpu_list": who} for level, kind, kb, ways, who in levels]
