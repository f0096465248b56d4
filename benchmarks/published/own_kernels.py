"""Counts what int8 EfficientNet-Lites execute by TensorFlow Lite's own kernels, those of tflite_runtime 2.14.

Their rows in rows.csv are of March 2020, when its int8 kernels were its own; LiteRT takes XNNPACK's. Writes
``benchmarks/data/published/own_kernels.csv``: one warm inference on one thread, beside what LiteRT executes by
counts.csv, on the same core. Takes minutes.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from counts import SECONDS, export, note
from table import COUNTS, DATA, Published, load_published

from edgekit.measure.emulated.guest_python import python_command
from edgekit.measure.emulated.oldest import OLDEST, installed_oldest
from edgekit.measure.emulated.process import finish

GUEST = Path(__file__).with_name("guest_own_kernels.py")


def instructions(of: Published, artifact: Path) -> int:
    """Of one warm inference."""
    with tempfile.TemporaryDirectory(prefix="own-kernels-") as temporary:
        folder = Path(temporary)
        (folder / "job").mkdir()
        (folder / "job/result.json").touch()  # what a runner of edgekit's would end with; only counts are wanted here
        (folder / "model.tflite").symlink_to(artifact)
        command, environment = python_command(
            folder, installed_oldest(), ["tflite-runtime", "numpy"], of.machine.cores, GUEST, ["model.tflite"],
            plugin=["out=counts.jsonl", "pages=0"])
        finish(command, folder, of.name, SECONDS, environment)
        return int(json.loads((folder / "counts.jsonl").read_text().splitlines()[0])["instructions"])


def main() -> None:
    with COUNTS.open() as stream:
        litert = {(row["variant"], row["precision"], row["profile"]): row for row in csv.DictReader(stream)}
    rows = []
    for of in load_published():
        if of.model != "efficientnet_lite" or of.precision != "int8":
            continue
        with tempfile.TemporaryDirectory(prefix="own-kernels-") as folder:
            own = instructions(of, export(Path(folder), of))
        beside = litert[of.variant, of.precision, of.machine.profile]
        rows.append({"variant": of.variant, "profile": of.machine.profile, "runtime": OLDEST, "instructions": own,
                     "litert": beside["runtime"], "litert_instructions": beside["instructions"]})
        note(f"{of.name}: {own / float(beside['instructions']):.2f} times LiteRT's instructions")
    with (DATA / "own_kernels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
