"""Fits what a core's instructions and misses cost to the networks measured on it.

A core's parameters are shared by its machines; each machine has the time of a line from its memory and a scale of its
own. All are fitted at once, in logarithms, against the ratio of predicted and measured time, and pulled weakly to what
the microarchitecture suggests (PRIORS), so that what the networks cannot tell apart stays physical.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from rows import WHEELS, Row, load_rows
from ruamel.yaml import YAML
from scipy.optimize import least_squares

from edgekit.estimate.price import price
from edgekit.estimate.timing import CoreTiming, Cycles, Machine, Threading

TIMING = Path(__file__).resolve().parents[2] / "device_profiles" / "timing"
FIELDS = ("multiply_add", "integer_multiply", "vector", "vector_memory", "memory", "integer", "l1_miss", "l2_miss")
# Cycles an instruction, from issue widths and datapaths: one 64-bit or 128-bit pipe in order (A53, A55), two pipes and
# three to ten instructions a cycle out of order.
PRIORS = {
    "cortex-a53": (1.2, 1.4, 1.3, 3.0, 1.0, 0.7, 4.0, 12.0), "cortex-a55": (1.0, 1.2, 1.2, 3.0, 1.0, 0.8, 4.0, 12.0),
    "cortex-a72": (0.7, 0.8, 0.7, 1.2, 1.0, 0.5, 6.0, 12.0), "cortex-a76": (0.5, 0.5, 0.6, 0.5, 0.4, 0.25, 3.0, 12.0),
    "cortex-a78ae": (0.45, 0.45, 0.6, 0.45, 0.35, 0.2, 2.0, 10.0),
    "cortex-a720": (0.5, 0.5, 0.6, 0.5, 0.4, 0.25, 3.0, 12.0),
    "cortex-x3": (0.35, 0.35, 0.4, 0.35, 0.25, 0.2, 2.0, 10.0),
    "cortex-x4": (0.3, 0.3, 0.35, 0.3, 0.25, 0.2, 2.0, 10.0)}
LINE_NS, REGION_CYCLES = 10.0, 20e3
PULL = 0.03  # residuals of the priors against those of the rows
SOFT = 0.15  # relative errors beyond this count less
INSIDE = 0.9
ONE_MACHINE = 1.5  # how much wider an interval is where one machine was measured
UNKNOWN_CORE = 0.15  # added to ln(predicted / measured) where none was
VECTOR = ("multiply_add", "integer_multiply", "vector", "vector_memory")
# A core that nobody measured -> its relative, and what its published datapaths do to cycles of vectors and of the rest.
RELATIVES = {
    "cortex-a78": ("cortex-a78ae", 1.0, 1.0, "the Cortex-A78AE is a Cortex-A78 with lockstep"),
    "cortex-a710": ("cortex-a78ae", 1.0, 1.0, "two 128-bit vector pipes and five instructions a cycle, as the A78's"),
    "cortex-a715": ("cortex-a720", 1.0, 1.0, "the Cortex-A720 is its successor with the same pipes"),
    "cortex-x1": ("cortex-x3", 1.0, 1.2, "four 128-bit vector pipes as the X3's; five decoded a cycle, the X3 six"),
    "cortex-a510": ("cortex-a55", 0.5, 0.8, "128-bit vector pipes, the A55's have 64 bits; three a cycle, not two"),
    "cortex-a520": ("cortex-a55", 0.5, 0.8, "as the Cortex-A510"),
}


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def timing_of(core: str, theta: np.ndarray, machines: Sequence[str]) -> CoreTiming:
    """The core's parameters from the fit's vector."""
    k = len(FIELDS)
    parallel, memory, streamed, near, regions, line, *rest = theta[k:]
    cycles = Cycles.model_construct(**dict(zip(FIELDS, np.exp(theta[:k]), strict=True)), streamed=logistic(near))
    threads = Threading.model_construct(parallel_share=logistic(parallel), memory_share=logistic(memory),
                                        region_cycles=math.exp(regions))
    own = {name: Machine.model_construct(line_ns=math.exp(line + own_line), scale=math.exp(scale))
           for name, own_line, scale in zip(machines, rest[::2], rest[1::2], strict=True)}
    return CoreTiming.model_construct(core=core, cycles=cycles, line_ns=math.exp(line), streamed=logistic(streamed),
                                      threads=threads, machines=own)


def predicted_ms(timing: CoreTiming, row: Row) -> float:
    """As for a machine that the fit knows, else for one that nobody measured."""
    own = timing.machines.get(row.machine)
    found = price(row.work, timing, row.ghz, row.threads, own.line_ns if own else None)
    return found.ms * (own.scale if own else 1.0)


def fit_core(core: str, rows: Sequence[Row]) -> CoreTiming:
    machines = sorted({row.machine for row in rows})
    start = np.array([*np.log(PRIORS[core]), 2.5, 0.0, 0.0, 0.0, math.log(REGION_CYCLES), math.log(LINE_NS),
                      *[0.0, 0.0] * len(machines)])
    firm = np.array([*[1.0] * len(FIELDS), 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, *[1.0, 6.0] * len(machines)])
    firm *= math.sqrt(PULL * 0.1 * len(rows))

    def residuals(theta: np.ndarray) -> np.ndarray:
        timing = timing_of(core, theta, machines)
        return np.array([*(math.log(predicted_ms(timing, row) / row.ms) for row in rows), *(firm * (theta - start))])

    found = least_squares(residuals, start, loss="soft_l1", f_scale=SOFT)
    return timing_of(core, found.x, machines)


def spread_of(core: str, rows: Sequence[Row]) -> tuple[float, str]:
    """Half of the 90 % interval of ln(predicted / measured) on a machine that the fit did not see, and whence."""
    machines = sorted({row.machine for row in rows})
    if len(machines) > 1:
        apart = [math.log(predicted_ms(fit_core(core, [r for r in rows if r.machine != left]), row) / row.ms)
                 for left in machines for row in rows if row.machine == left]
        return float(np.quantile(np.abs(apart), INSIDE)), f"each of {len(machines)} machines left out"
    networks = sorted({row.network for row in rows})
    apart = []
    for left in networks:
        without = fit_core(core, [r for r in rows if r.network != left])
        apart += [math.log(predicted_ms(without, row) / row.ms) for row in rows if row.network == left]
    return float(np.quantile(np.abs(apart), INSIDE)) * ONE_MACHINE, "each network left out, widened: one machine"


def document(timing: CoreTiming, rows: Sequence[Row]) -> dict[str, Any]:
    """The core's file, with three digits of each figure."""
    spread, how = spread_of(timing.core, rows)
    figures = {"core": timing.core, "cycles": vars(timing.cycles), "line_ns": timing.line_ns,
               "streamed": timing.streamed, "threads": vars(timing.threads),
               "machines": {name: vars(own) for name, own in timing.machines.items()}, "spread": spread}
    return _rounded(figures) | {"provenance": {
        "rows": f"{len(rows)} rows of ncnn's benchmark on {', '.join(sorted({r.machine for r in rows}))}, "
                "github.com/Tencent/ncnn benchmark/README.md, BSD-3-Clause (benchmarks/data/ncnn)",
        "counts": f"ncnn {', '.join(WHEELS)} under the emulated device (benchmarks/ncnn/counts.py)",
        "fit": "benchmarks/ncnn/fit.py", "spread": how}}


def relative(core: str, of: str, vector: float, other: float, why: str) -> dict[str, Any]:
    """The file of a core that nobody measured: its relative's costs, scaled, with a wider interval."""
    base: dict[str, Any] = YAML(typ="safe").load(TIMING / f"{of}.yaml")
    cycles = {name: cost * (vector if name in VECTOR else other) for name, cost in base["cycles"].items()}
    return _rounded({**base, "core": core, "cycles": cycles, "machines": {}, "spread": base["spread"] + UNKNOWN_CORE,
                     "relative": of, "provenance": {**base["provenance"], "relative": why}})


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


def write(found: dict[str, Any]) -> None:
    TIMING.mkdir(exist_ok=True)
    yaml = YAML()
    yaml.width = 120
    with (TIMING / f"{found['core']}.yaml").open("w") as stream:
        stream.write("# Written by benchmarks/ncnn/fit.py.\n")
        yaml.dump(found, stream)


def main() -> None:
    rows = load_rows()
    for core in PRIORS:
        own = [row for row in rows if row.core == core]
        if not own:
            note(f"{core}: no counted rows")
            continue
        found = document(fit_core(core, own), own)
        write(found)
        note(f"{core}: {len(own)} rows, 90 % within {math.expm1(found['spread']):.0%} on a machine left out")
    for core, (of, vector, other, why) in RELATIVES.items():
        write(relative(core, of, vector, other, why))


if __name__ == "__main__":
    main()
