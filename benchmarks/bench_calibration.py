"""How good ten measured models make a device's predictions: architectures of two search spaces, on four devices.

Ten random architectures calibrate each device, twenty times; all others are predicted from kernel tables, without
running anything. Medians over the draws. Beside them: multiply-accumulates times the best single factor of all rows,
and two ceilings. Rounding: rows in whole milliseconds, against predictions that are right before rounding. Free costs:
each choice at each place has a cost of its own, all fitted to the very rows that they are scored on; what such a sum
cannot rank is mostly the measurement's noise. And of rows within 15 %: how many such free costs reach on networks with
all their edges, and how many rows of a network that was measured under several names (edges that nothing reads differ)
lie that near to its own median.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench import arguments, claim, note, publish
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parent / "nas"))
from rows import BOARDS, SPACES, Board, Row, load_rows
from spaces import NONE, SETTINGS

from edgekit.estimate.calibration import apart, calibrate
from edgekit.estimate.timings import get_timing

SAMPLES, DRAWS, NEAR, SEVERAL = 10, 20, 0.15, 4
GOAL, HELP_MEAN = 0.95, 0.932  # Lee et al., "HELP", NeurIPS 2021: mean Spearman with ten samples; by MACs 0.787


def rank(a: np.ndarray, b: np.ndarray) -> float:
    return float(spearmanr(a, b).statistic)


def free_costs(rows: Sequence[Row], ms: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
    """The least-squares sum of one cost a choice and place, errors weighted by ``weights``."""
    choices = np.array([[int(digit) for digit in row.arch] for row in rows])
    chosen = np.eye(choices.max() + 1)[choices].reshape(len(rows), -1)
    chosen = np.column_stack([chosen, np.ones(len(rows))])
    weighted = chosen * np.reshape(weights, (-1, 1))
    return chosen @ np.linalg.lstsq(weighted, ms * weights, rcond=None)[0]


def free_near(space: str, rows: Sequence[Row], ms: np.ndarray) -> float:
    """Share of rows that free costs are near to, of networks with all their edges: nothing is to be left out."""
    whole = np.array([space == "fbnet" or NONE not in row.arch for row in rows])
    own, found = ms[whole], [row for row, use in zip(rows, whole, strict=True) if use]
    return float(np.mean(np.abs(free_costs(found, own, 1 / own) / own - 1) <= NEAR))


def repeats_near(rows: Sequence[Row], ms: np.ndarray) -> float | None:
    """Share of rows near the median of their executed network, of networks with several rows."""
    networks = np.array([row.arch for row in rows])
    found = [np.abs(own / np.median(own) - 1) for network in np.unique(networks)
             if len(own := ms[networks == network]) >= SEVERAL]
    return float(np.mean(np.concatenate(found) <= NEAR)) if found else None


def calibrated(space: str, board: Board, rows: Sequence[Row], draws: int) -> dict[str, Any]:
    samples, timing = [row.sample for row in rows], get_timing(board.core)
    ms, macs = np.array([s.ms for s in samples]), np.array([row.macs for row in rows])
    before = apart(samples, timing, board.id)
    ranks, near, inside = [], [], []
    for seed in range(draws):
        drawn = np.random.default_rng(seed).choice(len(rows), SAMPLES, replace=False)
        own = calibrate([samples[k] for k in drawn], timing, board.id).timing
        others = np.setdiff1d(np.arange(len(rows)), drawn)
        left = apart(samples, own, board.id)[others]
        ranks.append(rank(ms[others] * np.exp(left), ms[others]))
        near.append(float(np.mean(np.abs(np.expm1(left)) <= NEAR)))
        inside.append(float(np.mean(np.abs(left) <= own.measured_spread)))
    predicted = ms * np.exp(before) / np.exp(np.median(before))
    by_macs = macs * np.median(ms / macs)
    row = {"kind": "calibrated", "space": space, "device": board.id, "rows": len(rows), "draws": draws,
           "spearman": statistics.median(ranks), "spearman_low": min(ranks), "within_15": statistics.median(near),
           "inside_interval": statistics.median(inside), "spearman_before": rank(predicted, ms),
           "macs_spearman": rank(macs, ms), "macs_within_15": float(np.mean(np.abs(by_macs / ms - 1) <= NEAR)),
           "free_costs_spearman": rank(free_costs(rows, ms), ms), "repeats_within_15": repeats_near(rows, ms),
           "free_costs_within_15": free_near(space, rows, ms),
           "rounding_spearman": rank(predicted, np.round(predicted)) if board.whole_ms else None}
    note(f"{space} on {board.id}: Spearman {row['spearman']:.3f} (MACs {row['macs_spearman']:.3f}, free costs "
         f"{row['free_costs_spearman']:.3f}), {row['within_15']:.0%} within 15 % (MACs {row['macs_within_15']:.0%})")
    return row


def settings(every: int) -> list[dict[str, Any]]:
    """Which of FBNet's two settings the rows are of: their rank by the costs that ship, before any calibration."""
    found = []
    for board in BOARDS:
        for setting in SETTINGS:
            samples = [row.sample for row in load_rows("fbnet", board, every, setting)]
            ms, left = np.array([s.ms for s in samples]), apart(samples, get_timing(board.core), board.id)
            found.append({"kind": "setting", "space": f"fbnet {setting}", "device": board.id, "rows": len(samples),
                          "spearman": rank(ms * np.exp(left), ms), "median_ratio": float(np.exp(np.median(left)))})
    return found


def main() -> None:
    options = arguments(__doc__).parse_args()
    every, draws = (10, 3) if options.quick else (1, DRAWS)
    rows = [calibrated(space, board, load_rows(space, board, every), draws) for space in SPACES for board in BOARDS]

    def mean(key: str) -> float:
        return statistics.fmean(row[key] for row in rows)

    publish("calibration", [
        *(claim(f"{row['space']} on {row['device']}: Spearman", row["spearman"], "", ">=", GOAL) for row in rows),
        *(claim(f"{row['space']} on {row['device']}: share within 15 %", row["within_15"], "", ">=", 0.9)
          for row in rows),
        claim("mean Spearman (HELP's, with ten samples, as the goal)", mean("spearman"), "", ">=", HELP_MEAN),
        claim("mean share of rows inside the 90 % interval", mean("inside_interval"), "", ">=", 0.85),
    ], [*rows, *settings(10 * every)], options.out)


if __name__ == "__main__":
    main()
