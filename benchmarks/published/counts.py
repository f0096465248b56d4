"""Counts what LiteRT executes for the networks of rows.csv, on each device's own core with its caches.

Writes ``benchmarks/data/published/counts.csv``: a row each network, precision and device, one warm inference on one
thread. Rows that are there already are kept, so it can be stopped and run again. Takes half an hour.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from table import COUNTED_TOGETHER, COUNTS, TOGETHER, Published, caches_together, load_published

from edgekit import api
from edgekit.devices.catalogue import get_core, get_device
from edgekit.measure.emulated.installation import installed
from edgekit.measure.emulated.run import run_artifact

HERE = Path(__file__).resolve().parent
SECONDS = 3600
KEY = ("model", "variant", "precision", "profile")
WORKLOAD = """import sys
sys.path[:0] = {folders!r}
{imports}
"""
MOBILENET = """from mobilenets import build, calibration, example_inputs
def load():
    return build({name!r})"""
EFFICIENTNET = """import efficientnet_lite
def load():
    return efficientnet_lite.build({name!r})
def example_inputs():
    return efficientnet_lite.example_inputs({name!r})
def calibration():
    return efficientnet_lite.calibration({name!r})"""
# NHWC, and integers where the network has them: so do the networks of the tables begin.
RECIPE = """name: published
formats: [tflite]
quantize:
  {scheme}
io: {{dtype: {dtype}, layout: nhwc}}
fidelity: {{min_sqnr_db: 0, widen: "off"}}
"""
PRECISIONS = {"fp32": ("scheme: fp32", "float32"), "int8": ("scheme: w8a8-static\n  calibration: {samples: 2}", "int8")}


def export(folder: Path, of: Published) -> Path:
    """The network's .tflite."""
    scheme, dtype = PRECISIONS[of.precision]
    template, name = (EFFICIENTNET, of.variant) if of.model == "efficientnet_lite" else (MOBILENET, of.model)
    workload, recipe = folder / "network.py", folder / "recipe.yaml"
    workload.write_text(WORKLOAD.format(folders=[str(HERE), str(HERE.parent)], imports=template.format(name=name)))
    recipe.write_text(RECIPE.format(scheme=scheme, dtype=dtype))
    report = api.export(str(workload), recipe, out=folder / "out")
    if report.exit_status:
        sys.exit(f"{of.name} was not exported: {report.model_dump_json()}")
    return folder / "out" / "model.tflite"


def count(of: Published, profile: str) -> dict[str, Any]:
    """The network's row on the device's core; ``profile`` says with which caches."""
    device = get_device(of.machine.profile)
    cluster = device.clusters[of.machine.cluster]
    if profile.endswith(TOGETHER):
        l2_kb, l3_kb = caches_together(of.machine)
        device, cluster = (device.model_copy(update={"l3_kb": l3_kb}), cluster.model_copy(update={"l2_kb": l2_kb}))
    installation = installed("tflite")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="published-") as temporary:
        artifact = export(Path(temporary), of)
        graph = api.inspect(artifact)
        inputs = [rng.standard_normal(t.shape).astype(t.dtype) for t in graph.inputs]
        found = run_artifact(installation, device, cluster, get_core(cluster.core), artifact, inputs, seconds=SECONDS)
    counts = found.counts
    row = {**{field: getattr(of, field) for field in KEY[:-1]}, "profile": profile, "core": cluster.core,
           "runtime": f"{installation.runtime.project} {installation.runtime.version}",
           "emulator": found.facts["emulator"], "operators": len(graph.ops), "macs": graph.macs,
           "instructions": counts.instructions, "scheduled_cycles": counts.scheduled_cycles,
           "load_bytes": counts.load_bytes, "store_bytes": counts.store_bytes}
    for k, (lines, streamed) in enumerate(zip((counts.l1_misses, counts.l2_misses, counts.l3_misses), counts.streamed,
                                              strict=False), 1):
        row |= {f"l{k}_misses": lines, f"l{k}_streamed": streamed}
    return row | {f"n_{name}": number for name, number in counts.by_class.items()}


def write(rows: Iterable[dict[str, Any]], file: Path) -> None:
    rows = sorted(rows, key=lambda row: [row[k] for k in KEY])
    fields = list(dict.fromkeys(field for row in rows for field in row))
    fields.sort(key=lambda f: (f.startswith("n_"), f if f.startswith("n_") else ""))
    made = file.with_name(f".{file.name}.{os.getpid()}")
    with made.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fields, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    made.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = list(csv.DictReader(COUNTS.open())) if COUNTS.is_file() else []
    done = {tuple(row[k] for k in KEY) for row in rows}
    every = {(*p.key[:-1], profile): p for p in load_published() for profile in (
        p.machine.profile, *[p.machine.profile + TOGETHER] * (p.machine.profile in COUNTED_TOGETHER))}
    wanted = {key: p for key, p in every.items() if key not in done and options.only in p.name}
    for k, (key, of) in enumerate(sorted(wanted.items(), key=lambda pair: pair[1].macs_m), 1):
        rows.append(count(of, key[-1]))
        write(rows, COUNTS)
        note(f"{k} of {len(wanted)}: {of.name}: {rows[-1]['instructions'] / 1e6:.1f} M instructions")


if __name__ == "__main__":
    main()
