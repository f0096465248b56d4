"""How near predicted peak memory is to emulated: families of networks and the examples, float32 and int8, every format.

Predicted from the artifact alone; emulated is one warm inference on a Raspberry Pi 4B's core, loading included, as the
runtime's unmodified aarch64 library touches pages. What a runtime needs for itself is a fit to the same peaks
(``edgekit/estimate/memory/runtimes.py``): each network is also predicted with the fit to the others. ``--keep DIR``
exports into DIR, or takes what lies there from an earlier run; ``--known FILE`` takes emulated peaks of an earlier
document for artifacts that are the same byte for byte: they repeat, in ONNX Runtime within a hundredth.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bench import arguments, claim, note, publish
from memory_models import NETWORKS

from edgekit import api
from edgekit.devices.catalogue import get_core, get_device
from edgekit.disk import sha256_of
from edgekit.estimate.memory.predict import predicted_memory
from edgekit.estimate.memory.runtimes import RUNTIMES
from edgekit.formats.registry import get_format
from edgekit.measure.emulated.installation import set_up
from edgekit.measure.emulated.run import run_artifact
from edgekit.types.tensor import TensorSpec

HERE = Path(__file__).resolve().parent
DEVICE = "raspberry-pi-4b"
FORMATS = ("tflite", "executorch", "onnx")
EXAMPLES = ("digits_mobilenet", "digits_mobilenetv3", "digits_shufflenet", "minilm")
QUICK = ("ds_cnn", "mlp")
SCHEMES = {"fp32": "scheme: fp32", "int8": "scheme: w8a8-static\n  calibration: {samples: 4}"}
GOAL = 0.1
WORKLOAD = """import sys
sys.path.insert(0, {here!r})
import memory_models
def load():
    return memory_models.build({network!r})
def example_inputs():
    return memory_models.example_inputs({network!r})
def calibration():
    return memory_models.calibration({network!r})
"""
RECIPE = """name: bench-memory
formats: [tflite, executorch, onnx]
quantize:
  {scheme}
fidelity: {{min_sqnr_db: 0, widen: "off"}}
"""


def exported(folder: Path, network: str, precision: str) -> Path:
    """The output folder of a network's or an example's artifacts."""
    out = folder / f"{network}-{precision}"
    if out.is_dir():
        return out
    recipe = folder / f"{precision}.yaml"
    recipe.write_text(RECIPE.format(scheme=SCHEMES[precision]))
    workload = HERE.parent / "examples" / f"{network}.py"
    if network in NETWORKS:
        workload = folder / f"{network}.py"
        workload.write_text(WORKLOAD.format(here=str(HERE), network=network))
    api.export(str(workload), recipe, out=out)
    return out


def value_for(spec: TensorSpec) -> np.ndarray:
    """Ones for integers, which may be masks or indices, zeros for floats: peaks do not hang on values."""
    shape = [d if isinstance(d, int) else 1 for d in spec.shape]
    return (np.ones if np.issubdtype(np.dtype(spec.dtype), np.integer) else np.zeros)(shape, spec.dtype)


def emulated_peak(name: str, artifact: Path, inputs: list[np.ndarray]) -> int:
    device = get_device(DEVICE)
    installation, = set_up([name], note)
    found = run_artifact(installation, device, device.clusters[0], get_core(device.clusters[0].core), artifact, inputs)
    return found.counts.peak_memory_bytes


def rows_of(folder: Path, networks: tuple[str, ...], known: dict[str, int]) -> Iterator[dict[str, Any]]:
    for network in networks:
        for precision in SCHEMES:
            out = exported(folder, network, precision)
            for name in FORMATS:
                artifact = out / f"model{get_format(name).suffix}"
                graph, sha256 = get_format(name).graph(artifact), sha256_of(artifact)
                found = predicted_memory(name, artifact, graph)
                peak = known.get(sha256) or emulated_peak(name, artifact, [value_for(spec) for spec in graph.inputs])
                row = {"network": network, "precision": precision, "format": name, "sha256": sha256,
                       "file_bytes": artifact.stat().st_size, "emulated_bytes": peak,
                       "error": found.peak_bytes / peak - 1, **found.model_dump(exclude={"kind"})}
                note(f"{network} {precision} {name}: {found.peak_bytes:,} predicted, {peak:,} emulated, "
                     f"{row['error']:+.1%}")
                yield row


def left_out(rows: list[dict[str, Any]]) -> np.ndarray:
    """Relative errors of one format's rows, each with the runtime's own need fitted to the other networks' rows."""
    table = RUNTIMES[rows[0]["format"]]
    peak = np.array([row["emulated_bytes"] for row in rows], float)
    held = np.array([row["arena_bytes"] + row["weight_bytes"] for row in rows], float)
    operators = np.array([(row["runtime_bytes"] - table.fixed) / table.per_operator for row in rows])
    terms = np.stack([1 / peak, operators / peak], 1)
    errors = np.empty(len(rows))
    for network in {row["network"] for row in rows}:
        own = np.array([row["network"] == network for row in rows])
        fit = np.linalg.lstsq(terms[~own], 1 - held[~own] / peak[~own], rcond=None)[0]
        errors[own] = held[own] / peak[own] + terms[own] @ fit - 1
    fit = np.linalg.lstsq(terms, 1 - held / peak, rcond=None)[0]
    note(f"{rows[0]['format']}: fitted to all, {fit[0]:,.0f} bytes and {fit[1]:,.0f} for each operator")
    return errors


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--keep", type=Path, help="folder of exports, taken where they are there")
    parser.add_argument("--known", type=Path, help="an earlier document, for its emulated peaks")
    options = parser.parse_args()
    known = {row["sha256"]: row["emulated_bytes"] for row in json.loads(options.known.read_text())["rows"]
             } if options.known else {}
    networks = QUICK if options.quick else (*NETWORKS, *EXAMPLES)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = list(rows_of(folder, networks, known))
    claims = []
    for name in FORMATS:
        errors = [abs(row["error"]) for row in rows if row["format"] == name]
        claims += [claim(f"{name}: largest error of the peak", max(errors), "", "<=", GOAL),
                   claim(f"{name}: share of artifacts within 10 %", float(np.mean([e <= GOAL for e in errors])),
                         "share", "==", 1)]
        apart = np.abs(left_out([row for row in rows if row["format"] == name]))
        claims.append(claim(f"{name}: the same share, the runtime's own need fitted without the network",
                            float(np.mean(apart <= GOAL)), "share", "==", 1))
    publish("memory", claims, rows, options.out)


if __name__ == "__main__":
    main()
