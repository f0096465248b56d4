"""What an emulated measurement takes and how well it repeats: MobileNets, float32 and int8, on three cores, in LiteRT.

Seconds are those of one ``measure --on emulated`` run from a warm cache: start of the emulator, loading, one warm and
one counted inference with both cache levels; medians of three processes. Beside them: the same run without counting.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench import arguments, claim, note, publish

from edgekit import api
from edgekit.devices.catalogue import get_core, get_device
from edgekit.measure.emulated.device_root import cpu_model, write_root
from edgekit.measure.emulated.installation import Installation, set_up
from edgekit.measure.emulated.run import run_artifact
from edgekit.measure.job import write_job

HERE = Path(__file__).resolve().parent
DEVICES = {"cortex-a53": "raspberry-pi-3b-plus", "cortex-a72": "raspberry-pi-4b", "cortex-a76": "raspberry-pi-5"}
NETWORKS = ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")
SCHEMES = {"fp32": "scheme: fp32", "int8": "scheme: w8a8-static\n  calibration: {samples: 16}"}
PROCESSES = 3
ADDITIONS = """#include <stdio.h>
#include <time.h>
int main(void)
{
    struct timespec a, b;
    long w = 0, x = 0, y = 0, z = 0;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int k = 0; k < 50000000; k++)
        __asm__ volatile("add $1, %0; add $1, %1; add $1, %2; add $1, %3" : "+r"(w), "+r"(x), "+r"(y), "+r"(z));
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("%f", 2e8 / ((b.tv_sec - a.tv_sec) * 1e9 + b.tv_nsec - a.tv_nsec));
}
"""
WORKLOAD = """import sys
sys.path.insert(0, {here!r})
from mobilenets import build, calibration, example_inputs
def load():
    return build({network!r})
"""
RECIPE = """name: bench-emulator
formats: [tflite]
quantize:
  {scheme}
fidelity: {{min_sqnr_db: 0, widen: "off"}}
"""


def export(folder: Path, network: str, precision: str) -> Path:
    workload, recipe = folder / f"{network}.py", folder / f"{precision}.yaml"
    workload.write_text(WORKLOAD.format(here=str(HERE), network=network))
    recipe.write_text(RECIPE.format(scheme=SCHEMES[precision]))
    out = folder / f"{network}-{precision}"
    api.export(str(workload), recipe, out=out)
    return out / "model.tflite"


def additions(folder: Path) -> float:
    """Independent additions a nanosecond on one of this machine's cores (x86-64): what its neighbours leave of it."""
    program = folder / "additions"
    if not program.exists():
        (folder / "additions.c").write_text(ADDITIONS)
        subprocess.run(["gcc", "-O2", "-o", program, folder / "additions.c"], check=True)
    return float(subprocess.run([program], check=True, capture_output=True, text=True).stdout)


def uncounted(installation: Installation, core: str, artifact: Path, image: np.ndarray) -> float:
    """Seconds of the same run with no plugin."""
    cluster = get_device(DEVICES[core]).clusters[0]
    with tempfile.TemporaryDirectory() as temporary:
        root, job = Path(temporary) / "root", Path(temporary) / "job"
        write_root(root, get_core(core), cluster, 1, installation.guest_lib)
        write_job(job, [image])
        began = time.monotonic()
        subprocess.run([installation.qemu, "-cpu", cpu_model(get_core(core)), "-L", root, installation.runner,
                        f"library={installation.library}", f"model={artifact}", f"job={job}"],
                       check=True, stderr=subprocess.DEVNULL)
        return time.monotonic() - began


def measured(installation: Installation, core: str, network: str, precision: str, artifact: Path,
             image: np.ndarray, folder: Path) -> dict[str, Any]:
    device = get_device(DEVICES[core])
    seconds, bare, counts, host = [], [], [], []
    for _ in range(PROCESSES):
        host.append(additions(folder))
        began = time.monotonic()
        found = run_artifact(installation, device, device.clusters[0], get_core(core), artifact, [image])
        seconds.append(time.monotonic() - began)
        counts.append(found.counts)
        bare.append(uncounted(installation, core, artifact, image))
    row = {"network": network, "precision": precision, "core": core, "seconds": statistics.median(seconds),
           "all_seconds": seconds, "uncounted_seconds": statistics.median(bare),
           "additions_per_ns": statistics.median(host),
           "counting_ratio": statistics.median(seconds) / statistics.median(bare),
           "repeats_exactly": all(c == counts[0] for c in counts), **counts[0].model_dump()}
    note(f"{network} {precision} on {core}: {row['seconds']:.1f} s ({row['uncounted_seconds']:.1f} s without counting,"
         f" {row['additions_per_ns']:.1f} additions/ns),"
         f" {row['instructions'] / 1e6:.1f} M instructions, {row['l2_misses'] / 1e6:.3f} M L2 misses"
         f"{'' if row['repeats_exactly'] else ', counts differ'}")
    return row


def main() -> None:
    options = arguments(__doc__).parse_args()
    networks = ("mobilenet_v2",) if options.quick else NETWORKS
    cores = ("cortex-a76",) if options.quick else tuple(DEVICES)
    installation, = set_up(["tflite"], note)
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    with tempfile.TemporaryDirectory() as temporary:
        artifacts = {(n, p): export(Path(temporary), n, p) for n in networks for p in SCHEMES}
        for core in cores:  # the bare runner is counted once for each core: a warm cache has it
            run_artifact(installation, get_device(DEVICES[core]), get_device(DEVICES[core]).clusters[0], get_core(core),
                         artifacts["mobilenet_v2", "int8"], [image])
        rows = [measured(installation, core, network, precision, artifact, image, Path(temporary))
                for (network, precision), artifact in artifacts.items() for core in cores]
    slowest = {p: max(r["seconds"] for r in rows if r["network"] == "mobilenet_v2" and r["precision"] == p)
               for p in SCHEMES}
    publish("emulator", [
        claim("MobileNetV2 int8, the slowest core", slowest["int8"], "s", "<=", 3),
        claim("MobileNetV2 float32, the slowest core", slowest["fp32"], "s", "<=", 12),
        claim("cells whose counts differ between processes", sum(not r["repeats_exactly"] for r in rows), "", "==", 0),
    ], rows, options.out)


if __name__ == "__main__":
    main()
