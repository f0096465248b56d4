"""Schedules what ncnn's kernels execute on the pipelines of each measured core.

Writes ``benchmarks/data/ncnn/cycles.csv``: a row each network, core model that it was counted on, wheel and core whose
pipelines take it; one warm inference on one thread. Which blocks of instructions run, and how often, is counted first
and kept in edgekit's cache, because it is ncnn's own code: twenty minutes, once. Scheduling them takes one.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from counts import RUNS, Run, execute, fetched_wheel
from rows import DATA, SAME_CORE, machines

from edgekit.devices.catalogue import get_core
from edgekit.devices.schedule import scheduled_cycles
from edgekit.disk import cache_folder, sha256_of
from edgekit.measure.emulated.installation import emulator

KEPT = cache_folder() / "emulator" / "ncnn-blocks"


def blocks_of(run: Run, network: Path) -> dict[str, Any]:
    """The blocks that ran most, and the number of all instructions; empty where it did not run, which is said."""
    kept = KEPT / f"{network.stem}.{sha256_of(network)[:8]}.{run.core}.{run.wheel}.json"
    if not kept.is_file():
        found = execute(Run(run.core, run.wheel, ()), network)
        if not found:
            return {}
        KEPT.mkdir(parents=True, exist_ok=True)
        made = kept.with_suffix(".tmp")
        made.write_text(json.dumps({k: found[0][1][k] for k in ("instructions", "blocks")}))
        made.replace(kept)
        note(f"{network.stem} on {run.core} by {run.wheel}")
    kept_blocks: dict[str, Any] = json.loads(kept.read_text())
    return kept_blocks


def main() -> None:
    cores: dict[str, set[str]] = defaultdict(set)  # counted core model -> those that it stands for
    for machine in machines():
        cores[machine["counted"]].add(SAME_CORE.get(machine["core"], machine["core"]))
    emulator()
    for wheel in {run.wheel for run in RUNS}:
        fetched_wheel(wheel)
    wanted = [(run, network) for run in RUNS for network in sorted((DATA / "params").glob("*.param"))]
    rows = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (run, network), found in zip(wanted, pool.map(lambda pair: blocks_of(*pair), wanted), strict=True):
            for core in map(get_core, sorted(cores[run.core]) if found else ()):
                cycles = scheduled_cycles(found["blocks"], found["instructions"], core)
                rows.append({"network": network.stem, "counted": run.core, "wheel": run.wheel, "core": core.id,
                             "instructions": found["instructions"], "cycles": round(cycles)})
    with (DATA / "cycles.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: [str(value) for value in row.values()]))


if __name__ == "__main__":
    main()
