"""How good estimates are: predicted against published latencies, leaving out whole networks and whole machines.

Tier "counts": ncnn's published rows on 64-bit Arm boards and phones, at most four threads, against executed
instructions and cache misses priced by costs fitted without the network, or without the machine. Beside each figure:
multiply-accumulates times the best single factor of each setup, fitted on the same rows. First the noise floor: how far
machines with the same system on chip differ after the best single scale.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from bench import arguments, claim, note, publish

sys.path.insert(0, str(Path(__file__).resolve().parent / "ncnn"))
from fit import PRIORS, errors_of, fit_core
from rows import Row, load_rows

Found = list[tuple[Row, float]]  # a row and ln(predicted / measured)


def without_networks(rows: Sequence[Row]) -> Found:
    """Each network predicted from the others, on all machines of a core at once."""
    found: Found = []
    for core in PRIORS:
        own = [row for row in rows if row.core == core]
        for network in sorted({row.network for row in own}):
            timing = fit_core(core, [row for row in own if row.network != network])
            left = [row for row in own if row.network == network]
            found += zip(left, errors_of(timing, left), strict=True)
        if own:
            note(f"{core}: {len(own)} rows, networks left out")
    return found


def without_machines(rows: Sequence[Row]) -> Found:
    """Each machine predicted from the others with its core; machines whose core no other has are not among them."""
    found: Found = []
    for core in PRIORS:
        own = [row for row in rows if row.core == core]
        machines = sorted({row.machine for row in own})
        for machine in machines if len(machines) > 1 else ():
            timing = fit_core(core, [row for row in own if row.machine != machine])
            left = [row for row in own if row.machine == machine]
            found += zip(left, errors_of(timing, left), strict=True)
    return found


def by_macs(rows: Sequence[Row], group: Callable[[Row], str], left_out: Callable[[Row], str]) -> Found:
    """MACs times the median factor of the other rows of the same group."""
    found: Found = []
    for row in rows:
        others = [r.ms / r.macs for r in rows if group(r) == group(row) and left_out(r) != left_out(row)]
        if others:
            found.append((row, math.log(statistics.median(others) * row.macs / row.ms)))
    return found


def noise_floor(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Pairs of machines with the same chip, core and threads: what is left after the best single scale."""
    pairs = []
    setups = sorted({(row.soc, row.core, row.threads, row.machine) for row in rows})
    for one, other in combinations(setups, 2):
        if one[:3] != other[:3]:
            continue
        ms = [{row.network: row.ms for row in rows if (row.soc, row.core, row.threads, row.machine) == setup}
              for setup in (one, other)]
        apart = np.array([math.log(ms[0][n] / ms[1][n]) for n in sorted(ms[0].keys() & ms[1].keys())])
        apart = np.abs(apart - np.median(apart))
        pairs.append({"kind": "noise floor", "soc": one[0], "threads": one[2], "machines": f"{one[3]}, {other[3]}",
                      "median": float(np.median(apart)), "p90": float(np.quantile(apart, 0.9)), "rows": len(apart)})
    return pairs


def errors(found: Iterable[tuple[Row, float]]) -> np.ndarray:
    """|predicted / measured - 1|."""
    return np.abs(np.expm1([apart for _, apart in found]))


def summary(name: str, found: Found, beside: Found) -> dict[str, Any]:
    e, b = errors(found), errors(beside)
    row = {"kind": name, "rows": len(e), "median": float(np.median(e)), "p90": float(np.quantile(e, 0.9)),
           "within_25": float(np.mean(e <= 0.25)), "macs_median": float(np.median(b)),
           "macs_p90": float(np.quantile(b, 0.9)), "macs_within_25": float(np.mean(b <= 0.25))}
    note(f"{name}: median {row['median']:.1%}, 90 % within {row['p90']:.1%}, {row['within_25']:.0%} within 25 %; MACs: "
         f"{row['macs_median']:.1%}, {row['macs_p90']:.1%}, {row['macs_within_25']:.0%}")
    return row


def covered(found: Found) -> float:
    """Share of rows inside the 90 % interval that all other networks of the core give."""
    inside = []
    for row, apart in found:
        others = [abs(a) for r, a in found if r.core == row.core and r.network != row.network]
        inside.append(abs(apart) <= float(np.quantile(others, 0.9)))
    return float(np.mean(inside))


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows = load_rows()
    if options.quick:
        rows = [row for row in rows if row.core == "cortex-a53"]
    floor = noise_floor(rows)
    networks, machines = without_networks(rows), without_machines(rows)
    macs = by_macs(rows, lambda r: r.setup, lambda r: r.network)
    macs_machines = by_macs(rows, lambda r: f"{r.core} {r.threads}", lambda r: r.machine)

    def of(found: Found, few: bool) -> Found:
        return [(row, apart) for row, apart in found if (row.threads == 1) == few]

    one = summary("1 thread, networks left out", of(networks, few=True), of(macs, few=True))
    more = summary("2 to 4 threads, networks left out", of(networks, few=False), of(macs, few=False))
    left = summary("machines left out", machines, macs_machines)
    each = [summary(setup, [f for f in networks if f[0].setup == setup], [f for f in macs if f[0].setup == setup])
            for setup in sorted({row.setup for row in rows})]
    floors = {few: max((pair["median"] for pair in floor if (pair["threads"] == 1) == few), default=0.0)
              for few in (True, False)}
    publish("estimates", [
        claim("counts, 1 thread, networks left out: median error", one["median"], "", "<=", 0.06),
        claim("counts, 1 thread, networks left out: 90 % within", one["p90"], "", "<=", 0.18),
        claim("counts, 2 to 4 threads, networks left out: median error", more["median"], "", "<=", 0.10),
        claim("counts, 2 to 4 threads, networks left out: 90 % within", more["p90"], "", "<=", 0.30),
        claim("counts, machines left out: share within 25 %", left["within_25"], "", ">=", 0.75),
        claim("share of rows inside the 90 % interval", covered(networks), "", ">=", 0.85),
    ], [*floor, one, more, left, *each, {"kind": "largest noise floor, median", "one": floors[True],
                                         "more": floors[False]}], options.out)


if __name__ == "__main__":
    main()
