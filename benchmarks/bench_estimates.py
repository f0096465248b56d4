"""How good estimates are: predicted against published latencies, leaving out whole networks and whole machines.

Tier "counts": ncnn's published rows on 64-bit Arm boards and phones, at most four threads, against executed
instructions and cache misses priced by costs fitted without the network, or without the machine. Tier "analytic":
instructions and misses by kernel tables that were fitted without the network, priced by what the same fits say each
instruction costs where none was scheduled. Beside each figure:
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
from analytic import analytic_ms, tables
from fit import PRIORS, errors_of, fit_core
from rows import Row, load_rows

Found = list[tuple[Row, float]]  # a row and ln(predicted / measured)


def without_networks(rows: Sequence[Row]) -> tuple[Found, Found]:
    """Each network predicted from the others, on all machines of a core at once: tier "counts", tier "analytic"."""
    counts: Found = []
    analytic: Found = []
    for network in sorted({row.network for row in rows}):
        kernels = tables(network)
        for core in sorted({row.core for row in rows if row.network == network}):
            timing = fit_core(core, [row for row in rows if row.core == core and row.network != network])
            left = [row for row in rows if row.core == core and row.network == network]
            counts += zip(left, errors_of(timing, left), strict=True)
            analytic += [(row, math.log(analytic_ms(row, timing, kernels) / row.ms)) for row in left]
        note(f"{network} left out")
    return counts, analytic


def without_machines(rows: Sequence[Row]) -> tuple[Found, Found]:
    """Each machine predicted from the others with its core; machines whose core no other has are not among them.

    Tier "counts", tier "analytic".
    """
    counts: Found = []
    analytic: Found = []
    kernels = tables()
    for core in PRIORS:
        own = [row for row in rows if row.core == core]
        machines = sorted({row.machine for row in own})
        for machine in machines if len(machines) > 1 else ():
            timing = fit_core(core, [row for row in own if row.machine != machine])
            left = [row for row in own if row.machine == machine]
            counts += zip(left, errors_of(timing, left), strict=True)
            analytic += [(row, math.log(analytic_ms(row, timing, kernels) / row.ms)) for row in left]
    return counts, analytic


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


def quantiles(e: np.ndarray) -> list[float]:
    """Errors that 0, 5 ... 100 % of the rows stay below."""
    return [round(float(q), 4) for q in np.quantile(e, np.linspace(0, 1, 21))]


def summary(name: str, found: Found, beside: Found) -> dict[str, Any]:
    e, b = errors(found), errors(beside)
    row = {"kind": name, "rows": len(e), "median": float(np.median(e)), "p90": float(np.quantile(e, 0.9)),
           "within_25": float(np.mean(e <= 0.25)), "within_30": float(np.mean(e <= 0.3)),
           "macs_median": float(np.median(b)), "macs_p90": float(np.quantile(b, 0.9)),
           "macs_within_25": float(np.mean(b <= 0.25)), "quantiles": quantiles(e), "macs_quantiles": quantiles(b)}
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
    (networks, shapes), (machines, shapes_machines) = without_networks(rows), without_machines(rows)
    macs = by_macs(rows, lambda r: r.setup, lambda r: r.network)
    macs_machines = by_macs(rows, lambda r: f"{r.core} {r.threads}", lambda r: r.machine)

    def of(found: Found, one: bool) -> Found:
        return [(row, apart) for row, apart in found if (row.threads == 1) == one]

    one = summary("1 thread, networks left out", of(networks, one=True), of(macs, one=True))
    more = summary("2 to 4 threads, networks left out", of(networks, one=False), of(macs, one=False))
    left = summary("machines left out", machines, macs_machines)
    analytic = summary("analytic, networks left out", shapes, macs)
    analytic_left = summary("analytic, machines left out", shapes_machines, macs_machines)
    each = [summary(setup, [f for f in networks if f[0].setup == setup], [f for f in macs if f[0].setup == setup])
            for setup in sorted({row.setup for row in rows})]
    floors = {few: max((pair["median"] for pair in floor if (pair["threads"] == 1) == few), default=0.0)
              for few in (True, False)}
    wide = {few: max((pair["p90"] for pair in floor if (pair["threads"] == 1) == few), default=0.0)
            for few in (True, False)}
    inside = {"counts": covered(networks), "analytic": covered(shapes)}
    publish("estimates", [
        claim("counts, 1 thread, networks left out: median error", one["median"], "", "<=",
              goal(0.06, floors[True])),
        claim("counts, 1 thread, networks left out: 90 % within", one["p90"], "", "<=", goal(0.18, wide[True])),
        claim("counts, 2 to 4 threads, networks left out: median error", more["median"], "", "<=",
              goal(0.10, floors[False])),
        claim("counts, 2 to 4 threads, networks left out: 90 % within", more["p90"], "", "<=", goal(0.30, wide[False])),
        claim("counts, machines left out: share within 25 %", left["within_25"], "", ">=", 0.75),
        claim("analytic, networks left out: median error", analytic["median"], "", "<=", 0.12),
        claim("analytic, networks left out: share within 25 %", analytic["within_25"], "", ">=", 0.85),
        claim("analytic, machines left out: share within 30 %", analytic_left["within_30"], "", ">=", 0.65),
        *(claim(f"{tier}: share of rows inside the 90 % interval, {words}", share, "", sign, bound)
          for tier, share in inside.items()
          for words, sign, bound in (("at least", ">=", 0.85), ("at most", "<=", 0.95))),
    ], [*floor, one, more, left, analytic, analytic_left, *each,
        {"kind": "largest noise floor", "one": floors[True], "more": floors[False], "one_p90": wide[True],
         "more_p90": wide[False]}], options.out)


def goal(asked: float, floor: float) -> float:
    """What is asked, or 1.3 times the noise floor where that is larger."""
    return max(asked, 1.3 * floor)


if __name__ == "__main__":
    main()
