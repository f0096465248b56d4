"""Kernel tables (tier "analytic") beside counts of whole networks that they were not fitted to.

MobileNetV1, V2, V3-Large and V3-Small, float32 and int8, on three core models: instructions and first-level misses that
the table predicts from the artifact's operators, and misses of the last level by the rule of ``estimate/kernels.py``,
each beside what the artifact executes under the emulated device.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench import arguments, claim, note, publish

from edgekit import api
from edgekit.devices.catalogue import get_core, get_device
from edgekit.devices.core import Core
from edgekit.devices.profile import Cluster
from edgekit.disk import sha256_of
from edgekit.errors import EdgekitError
from edgekit.estimate.analytic import counted_as
from edgekit.estimate.kernel_tables import get_kernels, stand_in
from edgekit.estimate.kernels import work_of
from edgekit.estimate.operators import operators_of
from edgekit.formats.registry import get_format
from edgekit.measure.emulated.installation import set_up
from edgekit.measure.emulated.run import run_artifact
from edgekit.types.graph import OpGraph

HERE = Path(__file__).resolve().parent
FORMATS = ("tflite", "onnx", "executorch")
CORES = ("cortex-a53", "cortex-a76", "cortex-x3")
NETWORKS = ("mobilenet_v3_small", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v1")
SCHEMES = {"fp32": "scheme: fp32", "int8": "scheme: w8a8-static\n  calibration: {samples: 16}"}
COUNTED = ("instructions", "l1_misses", "l2_misses")
DEVICE, L2_KB = "raspberry-pi-4b", 512  # two levels; the second of the boards that have these cores
WORKLOAD = """import sys
sys.path.insert(0, {here!r})
from mobilenets import build, calibration, example_inputs
def load():
    return build({network!r})
"""
RECIPE = """name: bench-kernels
formats: [{formats}]
quantize:
  {scheme}
fidelity: {{min_sqnr_db: 0, widen: "off"}}
"""


def export(folder: Path, network: str, precision: str, formats: list[str]) -> dict[str, Path]:
    workload, recipe = folder / f"{network}.py", folder / f"{precision}.yaml"
    workload.write_text(WORKLOAD.format(here=str(HERE), network=network))
    recipe.write_text(RECIPE.format(scheme=SCHEMES[precision], formats=", ".join(formats)))
    out = folder / f"{network}-{precision}"
    api.export(str(workload), recipe, out=out)
    return {name: out / f"model{get_format(name).suffix}" for name in formats}


def predicted(graph: OpGraph, core: Core) -> tuple[float, float, float, list[str]]:
    """Instructions, first-level and last-level misses of one inference; and the kernels that others stand for."""
    operators = [operator for _, operator in operators_of(graph)]
    network = sum(operator.weight_bytes for operator in operators)
    table, other = get_kernels(graph.format, core), stand_in(graph.format, core)
    kernels = [counted_as(operator.kernel, table, other) for operator in operators]
    caches = (core.l1d.kb * 1024, L2_KB * 1024)
    works = [work_of(operator, kernel, caches, network)
             for operator, (kernel, _) in zip(operators, kernels, strict=True)]
    return (sum(sum(w.groups.values()) for w in works), sum(w.levels[0].lines for w in works),
            sum(w.levels[-1].lines for w in works), sorted({guessed for _, guessed in kernels if guessed}))


def count(format_name: str, artifact: Path, core: str) -> dict[str, int]:
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    installation, = set_up([format_name], note)
    cluster = Cluster(core=core, count=1, max_ghz=2, l2_kb=L2_KB)
    counts = run_artifact(installation, get_device(DEVICE), cluster, get_core(core), artifact, [image]).counts
    note(f"counted {artifact.parent.name} {format_name} on {core}")
    return {name: getattr(counts, name) for name in COUNTED}


def compared(cell: dict[str, str], counts: dict[str, Any], graph: OpGraph) -> dict[str, Any]:
    *found, guessed = predicted(graph, get_core(cell["core"]))
    row = {**cell, "guessed": guessed, **{name: counts[name] for name in COUNTED},
           **{f"predicted_{name}": n for name, n in zip(COUNTED, found, strict=True)}}
    note(" ".join(cell[part] for part in ("format", "network", "precision", "core")) + ": "
         + ", ".join(f"{name} {row[f'predicted_{name}'] / row[name] - 1:+.1%}" for name in COUNTED)
         + (f"; {', '.join(guessed)}" if guessed else ""))
    return row


def error(rows: list[dict[str, Any]], name: str) -> float | None:
    """Median of the relative errors' sizes."""
    found = [abs(row[f"predicted_{name}"] / row[name] - 1) for row in rows]
    return statistics.median(found) if found else None


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--known", type=Path, help="an earlier document, for its counts of the same artifacts")
    parser.add_argument("--formats", nargs="*", default=FORMATS)
    options = parser.parse_args()
    networks = ("mobilenet_v3_small",) if options.quick else NETWORKS
    cores = ("cortex-a76",) if options.quick else CORES
    known = {(row["sha256"], row["core"]): row for row in json.loads(options.known.read_text())["rows"]
             } if options.known else {}
    counted = []
    with tempfile.TemporaryDirectory() as temporary:
        for network in networks:
            for precision in SCHEMES:
                try:
                    artifacts = export(Path(temporary), network, precision, options.formats)
                except EdgekitError as failure:
                    sys.exit(f"{network} {precision}: {failure}")
                for name, artifact in artifacts.items():
                    graph, sha256 = get_format(name).graph(artifact), sha256_of(artifact)
                    counted += [({"format": name, "network": network, "precision": precision, "core": core,
                                  "sha256": sha256}, known.get((sha256, core)) or count(name, artifact, core), graph)
                                for core in cores]
    rows = [compared(*one) for one in counted]
    claims = []
    for name in options.formats:
        own = [row for row in rows if row["format"] == name]
        claims += [claim(f"{name}: instructions, median error", error(own, "instructions"), "share", "<=", 0.1),
                   claim(f"{name}: first-level misses, median error", error(own, "l1_misses"), "share", "<=", 0.3),
                   claim(f"{name}: last-level misses, median error", error(own, "l2_misses"), "share", "<=", 0.3),
                   claim(f"{name}: kernels that nobody counted", sum(len(row["guessed"]) for row in own), "", "==", 0)]
    publish("kernels", claims, rows, options.out)


if __name__ == "__main__":
    main()
