"""Costs fitted on ncnn alone carried over to another runtime: XNNPACK's and TensorFlow Lite's published latencies.

What LiteRT executes for the same networks (``published/counts.py``) is priced by each device's core as ``edgekit
estimate`` does it, with the costs of a relative where nobody measured the core. Nothing here is fitted to these rows.
Beside each figure: multiply-accumulates times the best single factor of the row's setup, fitted on these very rows.
The published kernels are of March 2020 and February 2022, those counted LiteRT 2.3's. ``changed`` prices the same row
with what is known of it and ``estimate`` does not know: ``CHANGES``.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import arguments, claim, note, publish

sys.path.insert(0, str(Path(__file__).resolve().parent / "published"))
from table import COUNTED_TOGETHER, TOGETHER, Counted, Published, load_counts, load_published

from edgekit.devices.catalogue import get_device
from edgekit.estimate.price import Price, price
from edgekit.estimate.timing import CoreTiming
from edgekit.estimate.timings import get_timing

CHANGES = {
    "kernels": "counted with the Cortex-A72's float kernels of four rows by eight columns; XNNPACK of March 2020 took "
               "such on a Kryo too (src/init.c), LiteRT 2.3 takes six by eight there, written for in-order cores",
    "caches": "counted with the second levels of all four cores that ran it, and the third beside them",
}
GROUPS = {"Pixel 1, 1 thread": ("pixel-1", 1), "Pixel 1, 2 threads": ("pixel-1", 2),
          "Raspberry Pi 4, 4 threads": ("raspberry-pi-4b", 4), "EfficientNet-Lite, Pixel 4, 4 threads": ("pixel-4", 4)}


@dataclasses.dataclass(frozen=True)
class Predicted:
    ms: float
    parts: Price
    wide: float


def predict(of: Published, counted: Counted, timing: CoreTiming) -> Predicted:
    """As ``estimate.counted``, at the clock of the row."""
    device = get_device(of.machine.profile)
    own = timing.on(device.id)
    parts = price(counted.work, timing, of.machine.ghz, device.memory.gb_s, of.threads, own.line_ns)
    return Predicted(parts.ms * own.scale, parts,
                     math.exp(timing.measured_spread if device.id in timing.machines else timing.spread))


def changed(of: Published, counts: dict[tuple[str, ...], Counted]) -> tuple[float, list[str]]:
    """Milliseconds with the changes that concern the row, and their names."""
    timing, profile = get_timing(of.machine.cores.core), of.machine.profile
    if timing.core == "kryo":
        return predict(of, counts[*of.key[:-1], "raspberry-pi-4b"], timing).ms, ["kernels"]
    if profile in COUNTED_TOGETHER:
        return predict(of, counts[*of.key[:-1], profile + TOGETHER], timing).ms, ["caches"]
    return predict(of, counts[of.key], timing).ms, []


def best_factor(rows: Sequence[Published], counts: dict[tuple[str, ...], Counted], of: Published) -> float:
    """Milliseconds a multiply-accumulate of the rows with the setup of ``of``, that row among them."""
    alike = [r for r in rows if (r.machine, r.threads, r.precision) == (of.machine, of.threads, of.precision)]
    return statistics.median(r.ms / counts[r.key].macs for r in alike)


def row_of(rows: Sequence[Published], counts: dict[tuple[str, ...], Counted], of: Published) -> dict[str, Any]:
    counted, timing = counts[of.key], get_timing(of.machine.cores.core)
    found = predict(of, counted, timing)
    macs_ms = best_factor(rows, counts, of) * counted.macs
    ms, changes = changed(of, counts)
    row = {"model": of.model, "variant": of.variant, "precision": of.precision, "device": of.machine.profile,
           "core": timing.core, "relative": timing.relative, "ghz": of.machine.ghz, "threads": of.threads,
           "published_runtime": of.runtime, "counted_runtime": counted.runtime, "published_ms": of.ms,
           "predicted_ms": found.ms, "low_ms": found.ms / found.wide, "high_ms": found.ms * found.wide,
           "compute_ms": found.parts.compute_ms, "memory_ms": found.parts.memory_ms,
           "overhead_ms": found.parts.overhead_ms, "error": found.ms / of.ms - 1, "macs_error": macs_ms / of.ms - 1,
           "changes": changes, "changed_ms": ms, "changed_error": ms / of.ms - 1, "source": of.source}
    relative = f", costs of {timing.relative}" if timing.relative else ""
    note(f"{of.name}: {found.ms:.1f} ms ({row['low_ms']:.1f} to {row['high_ms']:.1f}) for {of.ms:g}{relative}: "
         f"{row['error']:+.0%}; changed {row['changed_error']:+.0%}; MACs {row['macs_error']:+.0%}")
    return row


def main() -> None:
    options = arguments(__doc__).parse_args()
    counts = load_counts()
    rows = [p for p in load_published() if p.machine.profile == "pixel-1" or not options.quick]
    if absent := sorted({p.name for p in rows if p.key not in counts}):
        sys.exit(f"not counted yet: {'; '.join(absent)}; run benchmarks/published/counts.py")
    made = [row_of(rows, counts, of) for of in rows]
    summaries: list[dict[str, Any]] = []

    def figure(group: str, of: Callable[[Sequence[float]], float], key: str) -> float | None:
        device, threads = GROUPS[group]
        errors = [abs(r[key]) for r in made if (r["device"], r["threads"]) == (device, threads)]
        return of(errors) if errors else None

    for group, (device, threads) in GROUPS.items():
        alike = [r for r in made if (r["device"], r["threads"]) == (device, threads)]
        summaries += [{"kind": group, "rows": len(alike), **{
            f"{key}_{name}": figure(group, of, key) for key in ("error", "changed_error", "macs_error")
            for name, of in (("median", statistics.median), ("largest", max))}}] if alike else []
    first, _, board, lite = GROUPS
    inside = [r["low_ms"] <= r["published_ms"] <= r["high_ms"] for r in made]
    publish("published", [
        claim(f"{first}: largest error", figure(first, max, "error"), "", "<=", 0.2),
        claim(f"{first}, with kernels of the rows' age: largest error", figure(first, max, "changed_error"), "", "<=",
              0.2),
        claim(f"{board}: median error", figure(board, statistics.median, "error"), "", "<=", 0.2),
        claim(f"{lite}: median error", figure(lite, statistics.median, "error"), "", "<=", 0.2),
        claim(f"{lite}, with all cores' caches: median error", figure(lite, statistics.median, "changed_error"), "",
              "<=", 0.2),
        claim("share of rows inside the 90 % interval", sum(inside) / len(inside), "", ">=", 0.85),
    ], [{"kind": "changes", **CHANGES}, *summaries, *made], options.out)


if __name__ == "__main__":
    main()
