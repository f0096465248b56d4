"""Counts what ncnn executes for its benchmark's networks, on emulated cores and with kernels of three ages.

Writes ``benchmarks/data/ncnn/counts.csv``: a row each network, core model, wheel and cache hierarchy, one warm
inference on one thread. Rows that are there already are kept, so it can be stopped and run again. Takes hours.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from rows import DATA, WHEELS, layers_of, side_of

from edgekit.devices.catalogue import get_core
from edgekit.devices.profile import Cluster
from edgekit.disk import cache_folder
from edgekit.errors import ConversionError, DeviceError
from edgekit.measure.emulated.guest_python import PYTHON, python_command
from edgekit.measure.emulated.installation import emulator
from edgekit.measure.emulated.oldest import installed_oldest
from edgekit.measure.emulated.process import finish
from edgekit.measure.emulated.wheels import fetch, fetched

HERE = Path(__file__).resolve().parent
SECONDS = 3600
CHANNELS = 3
LARGE = 5e9  # multiply-accumulates; these networks come last, minutes each


@dataclass(frozen=True)
class Run:
    """One emulated core model with one wheel; the cache hierarchies of all machines that it stands for."""

    core: str
    wheel: str
    caches: tuple[str, ...]


# Levels as KB:WAYS; sizes of the machines in rows.csv that have the core.
A53 = ("32:4+256:16", "32:4+512:16")  # AX630C, RDK X3 and H616, QRB2210 / BCM2837, i.MX 8M
A72 = ("32:2+1024:16",)  # BCM2711
# RK3566 and T527 (A55), RK3588 (A55; A76), BCM2712 (A76), Orin Nano (A78AE): all have the instructions of cortex-a76
A76 = ("32:4+512:16", "32:4+128:4+3072:12", "64:4+512:8+3072:12", "64:4+512:8+2048:16", "64:4+256:8+2048:16")
X3 = ("64:4+1024:8+8192:16", "64:4+512:8+8192:16")  # Snapdragon 8 Gen 2 and Dimensity 9300; A720 of the latter
OLD, MIDDLE, NEW = WHEELS
RUNS = (Run("cortex-a72", OLD, A72), Run("cortex-a76", OLD, A76), Run("cortex-a53", OLD, A53),
        Run("cortex-x3", MIDDLE, X3), Run("cortex-a76", MIDDLE, A76), Run("cortex-a53", MIDDLE, A53),
        Run("cortex-a53", NEW, A53))
KEY = ("network", "core", "wheel", "cache")


def fetched_wheel(version: str) -> Path:
    folder = cache_folder() / "emulator" / f"ncnn-{version}"
    if not fetched(folder):
        note(f"fetching ncnn {version}")
        fetch("ncnn", version, ["ncnn/*", "ncnn.libs/*"], folder, PYTHON, tree=True)
    return folder


def execute(run: Run, network: Path, layers: bool = False) -> list[tuple[str, dict[str, Any]]]:
    """What the network, or each of its layers by name, executes; nothing where this wheel's ncnn cannot run it."""
    core = get_core(run.core)
    side = str(side_of(network.stem))
    cluster = Cluster(core=core.id, count=1, max_ghz=1, l2_kb=512)
    with tempfile.TemporaryDirectory(prefix="ncnn-counts-") as temporary:
        folder = Path(temporary)
        device = folder / "device"
        device.mkdir()
        for part in installed_oldest().iterdir():
            (device / part.name).symlink_to(part)
        (device / "ncnn").symlink_to(fetched_wheel(run.wheel))
        (folder / "net.param").symlink_to(network)
        (folder / "job").mkdir()
        (folder / "job" / "result.json").touch()  # what process.finish takes for an end as it should be
        command, env = python_command(folder, device, ["ncnn"], cluster, HERE / "guest.py",
                                      ["net.param", side, side, str(CHANNELS), *["layers"] * layers],
                                      plugin=["out=counts.jsonl", "pages=0", *(f"cache={c}" for c in run.caches)])
        try:
            finish(command, folder, network.stem, SECONDS, env)
            *found, _ = (json.loads(line) for line in (folder / "counts.jsonl").read_text().splitlines())
            words = [line.split() for line in (folder / "log").read_text(errors="replace").splitlines()]
            names = [line[1] for line in words if line[:1] == ["layer"]] if layers else [network.stem]
            return list(zip(names, found, strict=True))
        except (ConversionError, DeviceError, ValueError) as error:
            log = (folder / "log").read_text(errors="replace").strip()[-200:]
            note(f"{network.stem} on {run.core} by {run.wheel}: none ({error!r}; {log})")
            return []


def count(run: Run, network: Path) -> list[dict[str, Any]]:
    """The network's rows, one a cache hierarchy."""
    rows = []
    for _, one in execute(run, network):
        for cache, levels in zip(run.caches, one["caches"], strict=True):
            row = {"network": network.stem, "core": run.core, "wheel": run.wheel, "cache": cache,
                   "instructions": one["instructions"], "load_bytes": one["load_bytes"],
                   "store_bytes": one["store_bytes"], "accesses": levels[0]["accesses"]}
            for k, level in enumerate(levels, 1):
                row |= {f"l{k}_misses": level["misses"], f"l{k}_streamed": level["streamed"]}
            rows.append(row | {f"n_{name}": number for name, number in one["by_class"].items()})
    return rows


def write(rows: list[dict[str, Any]], file: Path) -> None:
    fields = list(dict.fromkeys(field for row in rows for field in row))
    classes = sorted(f for f in fields if f.startswith("n_"))
    made = file.with_name(f".{file.name}.{os.getpid()}")
    with made.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [f for f in fields if f not in classes] + classes, restval=0,
                                lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: [row[k] for k in KEY]))
    made.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="networks whose name holds this")
    parser.add_argument("--out", type=Path, default=DATA / "counts.csv")
    options = parser.parse_args()
    emulator()
    rows: list[dict[str, Any]] = list(csv.DictReader(options.out.open())) if options.out.is_file() else []
    done = {(row["network"], row["core"], row["wheel"]) for row in rows}
    networks = sorted((DATA / "params").glob("*.param"))
    wanted = [(run, network) for run in RUNS for network in networks
              if (network.stem, run.core, run.wheel) not in done and (options.only or "") in network.stem]
    wanted.sort(key=lambda pair: sum(layer.macs for layer in layers_of(pair[1].stem)) > LARGE)
    for wheel in {run.wheel for run, _ in wanted}:
        fetched_wheel(wheel)
    with ThreadPoolExecutor(options.processes) as pool:
        for k, found in enumerate(pool.map(lambda pair: count(*pair), wanted), 1):
            rows += found
            if found:
                write(rows, options.out)
                note(f"{k} of {len(wanted)}: {found[0]['network']} on {found[0]['core']} by {found[0]['wheel']}: "
                     f"{found[0]['instructions'] / 1e6:.1f} M instructions")


if __name__ == "__main__":
    main()
