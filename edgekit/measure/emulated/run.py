"""One artifact on one emulated device: its outputs, and what the runtime executed for them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.devices.core import Core
from edgekit.devices.profile import Cluster, Device
from edgekit.devices.schedule import scheduled_cycles
from edgekit.errors import ConversionError, DeviceError
from edgekit.measure.emulated.device_root import cpu_model, write_root
from edgekit.measure.emulated.installation import Installation
from edgekit.measure.emulated.process import OVER_LIMIT, finish
from edgekit.measure.job import JobResult, put_artifact, read_job, write_job
from edgekit.types.latency import Counts

__all__ = ["GUEST_ENV", "GuestRun", "run_artifact"]

_PAGE = 4096
_L3_WAYS = 16  # Arm's DynamIQ Shared Unit, which has the third level of all cores profiled
_BARE_SECONDS = 120
_MIB = 2**20
# Beyond the app's budget: what needs more than both is not followed to its end, so that it cannot hurt this machine.
_FOLLOWED_TIMES, _FOLLOWED_MIB = 4, 512
# The emulator's own limit on addresses, beyond that: a backstop for memory that is reserved and hardly touched.
_ROOM_MIB = 4096
# The C library's memset without DC ZVA: no plugin is told which lines that instruction clears.
GUEST_ENV = ("-E", "GLIBC_TUNABLES=glibc.cpu.name=emag", "-E", "LD_LIBRARY_PATH=/edgekit")


@dataclass(frozen=True)
class GuestRun:
    """The runner's result, the ``counts`` of one warm inference, and what both depend on."""

    result: JobResult
    counts: Counts
    facts: dict[str, str]


def run_artifact(installation: Installation, device: Device, cluster: Cluster, core: Core, artifact: Path,
                 inputs: Sequence[np.ndarray], *, threads: int = 1, seconds: float = 600) -> GuestRun:
    """Runs ``artifact`` once warm and once counted on ``threads`` listed cores of one kind.

    Raises ConversionError where the runtime refuses the file, fails or crashes, DeviceError where the time is over.
    """
    caches = _caches(device, cluster, core)
    bare = _bare_pages(installation, cluster, core, caches, threads)
    with tempfile.TemporaryDirectory(prefix="edgekit-emulated-") as temporary:
        folder = Path(temporary)
        write_job(folder / "job", inputs)
        followed = max(device.app_budget_mb * _FOLLOWED_TIMES, device.app_budget_mb + _FOLLOWED_MIB)
        counted = _run(installation, cluster, core, caches, folder, artifact, threads=threads, seconds=seconds,
                       limit_mib=followed + bare * _PAGE // _MIB)
        if counted is None:
            raise DeviceError("model-does-not-fit", f"{artifact.name} needs more than {followed} MiB, {device.id} "
                              f"gives an app {device.app_budget_mb} MiB", where=str(artifact),
                              next="compress or quantise the model, or take a smaller input")
        result = read_job(folder / "job", artifact)
    one, total = counted
    levels, = one["caches"]
    cycles = scheduled_cycles(one["blocks"], one["instructions"], core)
    counts = Counts(
        kind="emulated", instructions=one["instructions"], scheduled_cycles=round(cycles), by_class=one["by_class"],
        load_bytes=one["load_bytes"], store_bytes=one["store_bytes"],
        l1_misses=levels[0]["misses"], l2_misses=levels[1]["misses"],
        l3_misses=levels[2]["misses"] if len(levels) > 2 else None,
        streamed=tuple(level["streamed"] for level in levels),
        peak_memory_bytes=max(total["peak_pages"] - bare, 0) * _PAGE)
    facts = {"emulator": f"qemu-aarch64 {installation.qemu_version}, -cpu {cpu_model(core)}",
             "c_library": _c_library(installation.guest_lib / "libc.so.6")}
    if installation.runtime.note:
        facts["runtime_note"] = installation.runtime.note
    return GuestRun(result, counts, facts)


def _c_library(file: Path) -> str:
    version = re.search(rb"release version (\d+\.\d+)", file.read_bytes())
    return f"glibc {version[1].decode() if version else 'of unknown version'}, its memset without DC ZVA"


def _caches(device: Device, cluster: Cluster, core: Core) -> str:
    """The plugin's argument for the levels that the device has, the first level first."""
    levels = [(core.l1d.kb, core.l1d.ways), (cluster.l2_kb, core.l2.ways)]
    if device.l3_kb:
        levels.append((device.l3_kb, _L3_WAYS))
    return "cache=" + "+".join(f"{kb}:{ways}" for kb, ways in levels)


def _bare_pages(installation: Installation, cluster: Cluster, core: Core, caches: str, threads: int) -> int:
    """Pages that the runner and its runtime touch before there is a model; kept beside the runner."""
    libc = (installation.guest_lib / "libc.so.6").stat()
    around = hashlib.sha256(f"{installation.qemu_version} {libc.st_size} {libc.st_mtime_ns}".encode()).hexdigest()[:8]
    kept = installation.runner.with_name(
        f"{installation.runner.name}.{core.id}-{threads}.{installation.plugin.stem}.{around}")
    if kept.is_file():
        return int(kept.read_text(encoding="ascii"))
    with tempfile.TemporaryDirectory(prefix="edgekit-emulated-") as temporary:
        write_job(Path(temporary) / "job", [])
        counted = _run(installation, cluster, core, caches, Path(temporary), None, threads=threads,
                       seconds=_BARE_SECONDS, limit_mib=_ROOM_MIB)
    assert counted is not None  # a runtime of some MB
    pages = int(counted[-1]["peak_pages"])
    made = kept.with_name(f".{kept.name}.{os.getpid()}")
    made.write_text(str(pages), encoding="ascii")
    made.rename(kept)
    return pages


def _run(installation: Installation, cluster: Cluster, core: Core, caches: str, folder: Path,
         artifact: Path | None, *, threads: int, seconds: float, limit_mib: int) -> list[dict[str, Any]] | None:
    """Runs the runner in ``folder``, where its job lies; the plugin's counts, the whole run's last. None: over limit.

    All paths that the guest sees are the same in every run: their lengths move its stack, and so its cache misses.
    """
    root = folder / "root"
    write_root(root, core, cluster, threads, installation.guest_lib)
    (root / "edgekit").symlink_to(installation.files)
    (folder / "runner").symlink_to(installation.runner)
    (folder / "count.so").symlink_to(installation.plugin)  # no comma in its path: they part the plugin's arguments
    arguments = ["job=job", "warmup=1", "repeats=1", f"threads={threads}"]
    if installation.library:
        arguments.append(f"library=/edgekit/{installation.library.name}")
    if artifact is not None:
        arguments.append(f"model={put_artifact(folder, artifact)}")
    plugin = ["./count.so", "out=counts.jsonl", "pages=1", f"limit={limit_mib * _MIB // _PAGE}",
              f"atomic={int(threads > 1)}", caches]
    command = [str(installation.qemu), "-cpu", cpu_model(core), "-L", str(root), "-R", f"{limit_mib + _ROOM_MIB}M",
               *GUEST_ENV, "-plugin", ",".join(plugin), "runner", *arguments]
    name = artifact.name if artifact else "the bare runner"
    try:
        if finish(command, folder, name, seconds, installation.qemu_env) == OVER_LIMIT:
            return None
    except ConversionError as error:
        if error.code != "runtime-crashed" or not installation.runtime.traces or artifact is None:
            raise
        # once more, naming each operator as it begins: the last one named is where it crashes
        with suppress(DeviceError):
            finish([*command, "operators=2"], folder, name, seconds, installation.qemu_env)
        raise
    lines = (folder / "counts.jsonl").read_text(encoding="ascii").splitlines()
    return [json.loads(line) for line in lines]
