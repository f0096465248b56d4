"""Fits what a core's instructions and misses cost to the networks measured on it.

A core's parameters are shared by its machines; each machine has the time of a line from its memory and a scale of its
own. All are fitted at once, in logarithms, against the ratio of predicted and measured time, and pulled weakly to what
the microarchitecture suggests (PRIORS), so that what the networks cannot tell apart stays physical.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import note
from rows import SAME_CORE, WHEELS, Row, load_rows
from ruamel.yaml import YAML
from scipy.optimize import least_squares

from edgekit.devices.catalogue import get_core
from edgekit.estimate.price import Work, price, stacked
from edgekit.estimate.timing import CoreTiming, Cycles, Machine, Scheduled, Threading

TIMING = Path(__file__).resolve().parents[2] / "device_profiles" / "timing"
GROUPS = ("multiply_add", "integer_multiply", "vector", "vector_memory", "memory", "integer")
FIELDS = (*GROUPS, "l1_miss", "l2_miss")
# Cycles an instruction, from issue widths and datapaths: one 64-bit or 128-bit pipe in order (A53, A55), two pipes and
# three to ten instructions a cycle out of order.
PRIORS = {
    "cortex-a53": (1.2, 1.4, 1.3, 3.0, 1.0, 0.7, 4.0, 12.0), "cortex-a55": (1.0, 1.2, 1.2, 3.0, 1.0, 0.8, 4.0, 12.0),
    "cortex-a72": (0.7, 0.8, 0.7, 1.2, 1.0, 0.5, 6.0, 12.0), "cortex-a76": (0.5, 0.5, 0.6, 0.5, 0.4, 0.25, 3.0, 12.0),
    "cortex-a78ae": (0.45, 0.45, 0.6, 0.45, 0.35, 0.2, 2.0, 10.0),
    "cortex-a720": (0.5, 0.5, 0.6, 0.5, 0.4, 0.25, 3.0, 12.0),
    "cortex-x3": (0.35, 0.35, 0.4, 0.35, 0.25, 0.2, 2.0, 10.0),
    "cortex-x4": (0.3, 0.3, 0.35, 0.3, 0.25, 0.2, 2.0, 10.0)}
BESIDE = 0.3  # of PRIORS, what an instruction costs beside its schedule, of which the rest is expected
LINE_NS, REGION_CYCLES, BUS_SHARE = 10.0, 20e3, 0.5
PULL = 0.0005  # of the rows' number: the weight of the priors against the rows
SOFT = 0.07  # relative errors beyond this count less
INSIDE = 0.9
ONE_MACHINE = 1.5  # how much wider an interval is where one machine was measured
UNKNOWN_CORE = 0.15  # added to ln(predicted / measured) where none was
VECTOR = ("multiply_add", "integer_multiply", "vector")  # what a datapath's width tells; loads have units of their own
# A core that nobody measured -> its relative, whose costs it takes by what device_profiles/cores says of both.
RELATIVES = {
    "cortex-a35": ("cortex-a53", "in order as the Cortex-A53, with half its vector datapath"),
    "cortex-a78": ("cortex-a78ae", "the Cortex-A78AE is a Cortex-A78 with lockstep"),
    "cortex-a710": ("cortex-a78ae", "the A78's vector pipes"),
    "cortex-a715": ("cortex-a720", "the Cortex-A720 is its successor with the same pipes"),
    "cortex-x1": ("cortex-x3", "two generations before the Cortex-X3, with the same vector pipes"),
    "cortex-a510": ("cortex-a55", "in order as the Cortex-A55, three instructions a cycle"),
    "cortex-a520": ("cortex-a55", "as the Cortex-A510"),
    "kryo": ("cortex-a76", "Qualcomm's own: the Cortex-A76's width and loads, half its multiply-adds"),
    "kryo-280-gold": ("cortex-a72", "a Cortex-A73: out of order with the Cortex-A72's vector rates"),
    "kryo-360-gold": ("cortex-a72", "a Cortex-A75: the Cortex-A72's vector pipes, with float16"),
    "kryo-385-gold": ("cortex-a72", "a Cortex-A75: the Cortex-A72's vector pipes, with float16"),
    "kryo-485-gold": ("cortex-a76", "a Cortex-A76"),
    "oryon": ("cortex-x4", "out of order with four 128-bit vector pipes as the Cortex-X4's"),
}
# Networks that no costs are fitted to, though all errors include them: their counted misses cannot be the devices'.
# The vision transformer's linear layers read all weights again for each row. One core's least recently used caches give
# none of what is larger back; by that a Raspberry Pi 5 would read 34.5 GB/s from a memory of 17.1.
NOT_DESCRIBED = ("vision_transformer",)
WIDTH_GAIN = 0.5  # of the logarithm of a wider front, what instructions that are not vectors gain


@dataclass(frozen=True)
class Table:
    """Rows as arrays, an element a row, for one core: what ``price`` takes, and each row's machine by position."""

    work: Work
    ghz: np.ndarray
    gb_s: np.ndarray
    threads: np.ndarray
    machine: np.ndarray
    log_ms: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Row], machines: Sequence[str]) -> Table:
        """A machine that is not among ``machines`` gets the position after them."""
        def column(of: Callable[[Row], float]) -> np.ndarray:
            return np.array([of(row) for row in rows], float)

        place = {name: k for k, name in enumerate(machines)}
        return cls(stacked([r.work for r in rows]), column(lambda r: r.ghz), column(lambda r: r.gb_s),
                   column(lambda r: r.threads), np.array([place.get(r.machine, len(machines)) for r in rows]),
                   np.log(column(lambda r: r.ms)))


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def timing_of(core: str, theta: np.ndarray, machines: Sequence[str]) -> CoreTiming:
    """The core's parameters from the fit's vector."""
    k = len(FIELDS)
    share, parallel, lines, streamed, near, regions, line, bus, *rest = theta[k:]
    costs = dict(zip(FIELDS, np.exp(theta[:k]), strict=True))
    cycles = Cycles.model_construct(**costs, streamed=logistic(near))
    scheduled = Scheduled.model_construct(share=math.exp(share), **{group: costs[group] for group in GROUPS})
    threads = Threading.model_construct(parallel_share=logistic(parallel), line_share=logistic(lines),
                                        region_cycles=math.exp(regions))
    own = {name: Machine.model_construct(line_ns=math.exp(line + own_line), scale=math.exp(scale))
           for name, own_line, scale in zip(machines, rest[::2], rest[1::2], strict=True)}
    return CoreTiming.model_construct(core=core, cycles=cycles, scheduled=scheduled, line_ns=math.exp(line),
                                      streamed=logistic(streamed), bus_share=math.exp(bus), threads=threads,
                                      operator_cycles=0.0, machines=own)


def apart(timing: CoreTiming, table: Table) -> np.ndarray:
    """ln(predicted / measured) of each row; a machine that the fit does not know is one that nobody measured."""
    known = [*timing.machines.values(), Machine.model_construct(line_ns=timing.line_ns, scale=1)]
    line_ns = np.array([own.line_ns for own in known])[table.machine]
    scale = np.array([own.scale for own in known])[table.machine]
    found = price(table.work, timing, table.ghz, table.gb_s, table.threads, line_ns)
    return np.log(found.ms * scale) - table.log_ms


def errors_of(timing: CoreTiming, rows: Sequence[Row]) -> list[float]:
    """ln(predicted / measured) of each row."""
    return list(apart(timing, Table.of(rows, list(timing.machines))))


def fit_core(core: str, rows: Sequence[Row]) -> CoreTiming:
    """First all costs on scheduled works; then, the others as they are, those of instructions without a schedule."""
    rows = [row for row in rows if row.network not in NOT_DESCRIBED]
    machines = sorted({row.machine for row in rows})
    beside = np.array(PRIORS[core]) * [BESIDE if name in GROUPS else 1 for name in FIELDS]
    start = np.array([*np.log(beside), math.log(1 - BESIDE), 2.5, 2.5, 0.0, 0.0, math.log(REGION_CYCLES),
                      math.log(LINE_NS), math.log(BUS_SHARE), *[0.0, 0.0] * len(machines)])
    firm = np.array([*[1.0] * len(FIELDS), 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 1.5, *[1.0, 6.0] * len(machines)])
    firm *= math.sqrt(PULL * len(rows))
    table = Table.of(rows, machines)

    def residuals(theta: np.ndarray) -> np.ndarray:
        return np.concatenate([apart(timing_of(core, theta, machines), table), firm * (theta - start)])

    found = least_squares(residuals, start, loss="soft_l1", f_scale=SOFT)
    return unscheduled(timing_of(core, found.x, machines), table)


def unscheduled(timing: CoreTiming, table: Table) -> CoreTiming:
    """``timing`` with the cycles of instructions that nobody scheduled, fitted to the same rows."""
    plain = replace(table, work=replace(table.work, scheduled=None))
    start = np.log(PRIORS[timing.core][:len(GROUPS)])
    firm = math.sqrt(PULL * len(table.log_ms))

    def with_costs(theta: np.ndarray) -> CoreTiming:
        return timing.model_copy(update={
            "cycles": timing.cycles.model_copy(update=dict(zip(GROUPS, np.exp(theta), strict=True)))})

    def residuals(theta: np.ndarray) -> np.ndarray:
        return np.concatenate([apart(with_costs(theta), plain), firm * (theta - start)])

    return with_costs(least_squares(residuals, start, loss="soft_l1", f_scale=SOFT).x)


def spread_of(core: str, rows: Sequence[Row], left_out: Callable[[Row], str]) -> float:
    """Half of the 90 % interval of ln(predicted / measured) of rows whose machine, or network, the fit did not see: the
    wider of those with their schedules and without."""
    plain = [replace(row, work=replace(row.work, scheduled=None)) for row in rows]
    found: tuple[list[float], list[float]] = ([], [])
    for left in sorted({left_out(row) for row in rows}):
        timing = fit_core(core, [r for r in rows if left_out(r) != left])
        for errors, of in zip(found, (rows, plain), strict=True):
            errors += errors_of(timing, [r for r in of if left_out(r) == left])
    return max(float(np.quantile(np.abs(errors), INSIDE)) for errors in found)


def document(timing: CoreTiming, rows: Sequence[Row]) -> dict[str, Any]:
    """The core's file, with three digits of each figure."""
    measured = spread_of(timing.core, rows, lambda row: row.network)
    several = len(timing.machines) > 1
    spread = spread_of(timing.core, rows, lambda row: row.machine) if several else measured * ONE_MACHINE
    how = f"each of {len(timing.machines)} machines left out" if several else "measured_spread, widened: one machine"
    figures = {"core": timing.core, "cycles": vars(timing.cycles), "scheduled": vars(timing.scheduled),
               "line_ns": timing.line_ns, "streamed": timing.streamed, "bus_share": timing.bus_share,
               "threads": vars(timing.threads),
               "machines": {name: vars(own) for name, own in timing.machines.items()}, "spread": spread,
               "measured_spread": measured}
    used = [row for row in rows if row.network not in NOT_DESCRIBED]
    return _rounded(figures) | {"provenance": {
        "rows": f"{len(used)} rows of ncnn's benchmark on {', '.join(sorted({r.machine for r in rows}))}, "
                "github.com/Tencent/ncnn benchmark/README.md, BSD-3-Clause (benchmarks/data/ncnn)",
        "counts": f"ncnn {', '.join(WHEELS)} under the emulated device (benchmarks/ncnn/counts.py)",
        "fit": "benchmarks/ncnn/fit.py", "spread": how, "measured_spread": "each network left out"}}


def relative(core: str, of: str, why: str) -> dict[str, Any]:
    """The file of a core that nobody measured: its relative's costs, scaled, with a wider interval.

    Vector instructions by float32 multiply-accumulates a cycle, the others by the width of the front, as published.
    """
    own, theirs = get_core(core), get_core(SAME_CORE.get(of, of))
    vector = theirs.macs_per_cycle.fp32 / own.macs_per_cycle.fp32
    other = (theirs.issue_width / own.issue_width)**WIDTH_GAIN
    base: dict[str, Any] = YAML(typ="safe").load(TIMING / f"{of}.yaml")
    cycles, scheduled = (  # the share is of a schedule by this core's own pipelines
        {name: cost if name in ("streamed", "share") else cost * (vector if name in VECTOR else other)
         for name, cost in base[part].items()} for part in ("cycles", "scheduled"))
    scaled = f"{why}; cycles of vector instructions x {vector:.3g}, of others x {other:.3g}"
    return _rounded({**base, "core": core, "cycles": cycles, "scheduled": scheduled, "machines": {},
                     "spread": base["spread"] + UNKNOWN_CORE, "relative": of,
                     "provenance": {**base["provenance"], "relative": scaled}})


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
        note(f"{core}: {len(own)} rows, 90 % within {math.expm1(found['measured_spread']):.0%} on its machines, "
             f"{math.expm1(found['spread']):.0%} on others")
    for core, (of, why) in RELATIVES.items():
        write(relative(core, of, why))


if __name__ == "__main__":
    main()
