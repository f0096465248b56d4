"""Small programs compiled for the emulated device, and runs of them under the plugin."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from edgekit.devices.catalogue import get_core, get_device
from edgekit.measure.emulated.device_root import cpu_model, write_root
from edgekit.measure.emulated.installation import installed
from edgekit.measure.emulated.run import GUEST_ENV

PAGE = 4096


def compile_guest(source: str, folder: Path) -> Path:
    program = folder / "guest"
    (folder / "guest.c").write_text(source)
    subprocess.run(["aarch64-linux-gnu-gcc", "-O1", "-march=armv8.2-a+dotprod", "-o", str(program),
                    str(folder / "guest.c")], check=True)
    return program


def run_guest(program: Path, folder: Path, *, core: str = "cortex-a76", cpus: int = 1,
              plugin: str = "pages=1") -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """Runs a program as artifacts are run; what it said, and the plugin's lines."""
    installation = installed("tflite")
    cluster = get_device("raspberry-pi-5").clusters[0]
    root = folder / f"root-{core}-{cpus}"
    if not root.exists():
        write_root(root, get_core(core), cluster, cpus, installation.guest_lib)
    counts = folder / "counts.jsonl"
    command = [str(installation.qemu), "-cpu", cpu_model(get_core(core)), "-L", str(root), *GUEST_ENV,
               "-plugin", f"{installation.plugin},out={counts},{plugin}", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    lines = counts.read_text().splitlines() if counts.is_file() else []
    return done, [json.loads(line) for line in lines]
