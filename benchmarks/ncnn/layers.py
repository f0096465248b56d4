"""Counts what each layer of ncnn's benchmark executes, on four emulated cores: what kernel tables are fitted to.

Writes ``benchmarks/data/ncnn/layers.csv``: a row each layer, one warm inference on one thread, with the misses of two
or three cache levels. Each layer's output is read after it, unpacked and as float32, which counts too: rows of kind
Split, which do nothing else, tell how much. Networks that are there already are kept. Takes an hour.
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from counts import LARGE, Run, execute, fetched_wheel
from rows import DATA, layers_of

from edgekit.estimate.timing import GROUPS
from edgekit.measure.emulated.installation import emulator

FILE = DATA / "layers.csv"
CACHES = {"cortex-a53": "32:4+512:16", "cortex-a72": "32:2+1024:16", "cortex-a76": "64:4+512:8+2048:16",
          "cortex-x3": "64:4+1024:8+8192:16"}
BASES = {"cortex-a72": "cortex-a53", "cortex-x3": "cortex-a76"}  # cores that run some networks as another does
SAME = {"cortex-a72": True, "cortex-x3": False}  # and whether those are the int8 ones, or the others
WHEEL = {core: "1.0.20240102" if core == "cortex-x3" else "1.0.20230517" for core in CACHES}
RUNS = tuple(Run(core, WHEEL[core], (cache,)) for core, cache in CACHES.items())
LINES = ("l1_misses", "l1_streamed", "l2_misses", "l3_misses")
FIELDS = ("network", "core", "layer", *LINES, *sorted(set(GROUPS.values())))


def count(run: Run, network: Path) -> list[dict[str, Any]]:
    rows = []
    for layer, one in execute(run, network, layers=True):
        groups = dict.fromkeys(sorted(set(GROUPS.values())), 0)
        for name, number in one["by_class"].items():
            groups[GROUPS[name]] += number
        levels = one["caches"][0]
        misses = {f"l{k}_misses": level["misses"] for k, level in enumerate(levels, 1)}
        rows.append({"network": network.stem, "core": run.core, "layer": layer, "l1_streamed": levels[0]["streamed"],
                     **misses, **groups})
    return rows


def write(rows: list[dict[str, Any]]) -> None:
    made = FILE.with_name(f".{FILE.name}.{os.getpid()}")
    with made.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, restval=0, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    made.replace(FILE)


def main() -> None:
    emulator()
    for wheel in set(WHEEL.values()):
        fetched_wheel(wheel)
    rows: list[dict[str, Any]] = list(csv.DictReader(FILE.open())) if FILE.is_file() else []
    done = {(row["network"], row["core"]) for row in rows}
    networks = [n for n in sorted((DATA / "params").glob("*.param")) if sum(x.macs for x in layers_of(n.stem)) < LARGE]
    wanted = [(run, network) for run in RUNS for network in networks if (network.stem, run.core) not in done
              and SAME.get(run.core) != network.stem.endswith("_int8")]
    for k, (run, network) in enumerate(wanted, 1):
        rows += count(run, network)
        write(rows)
        note(f"{k} of {len(wanted)}: {network.stem} on {run.core}")


if __name__ == "__main__":
    main()
