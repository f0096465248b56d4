"""How many ordinary architectures come out right: edgekit beside the tools' documented defaults, in one run.

Every network of ``coverage/zoo.py`` is trained briefly on a small real task, then exported to three formats in float32
and int8 by edgekit and by the default flows. Both are judged here, not by edgekit's own report: SQNR against the eager
PyTorch model and the task's score, item by item, on held-out test items. edgekit's int8 is scored over all folds of
the task, each with a network of its own; float32 and the default flows on the first. ``--resume FOLDER`` keeps one
JSON a network, flow and fold, reused while what it depends on is unchanged: an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import arguments, claim, note, publish
from coverage import defaults, flows, judge, training
from coverage.flows import FLOWS, FORMATS, PRECISIONS
from coverage.tasks import FOLDS
from coverage.zoo import ZOO

from edgekit.pipeline.cache_key import source_hash

QUICK = ("inverted_se_hardswish", "unet", "bert")


def _file_key(flow: str, items: int) -> str:
    """Hash of what the rows of a flow depend on, beside the network's checkpoint."""
    own = source_hash() if flow == "edgekit" else inspect.getsource(defaults)
    text = f"{flow}{items}{own}{inspect.getsource(flows)}{inspect.getsource(judge)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure(name: str, flow: str, fold: int, checkpoints: Path, items: int,
            resume: Path | None) -> list[dict[str, Any]]:
    """All rows of one network, flow and fold."""
    kept = resume / f"{name}-{flow}-{fold}-{training.key(name, fold)}-{_file_key(flow, items)}.json" if resume else None
    if kept is not None and kept.is_file():
        found: list[dict[str, Any]] = json.loads(kept.read_text())
        return found
    note(f"{name}: {flow}, fold {fold}")
    referee = judge.Judge(name, fold, checkpoints, items)
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        rows = [{"network": name, "family": ZOO[name].family, "flow": flow, "fold": fold} | row
                for row in FLOWS[flow](name, fold, referee, checkpoints, Path(folder))]
    for row in rows:
        note(f"  {row['format']:11} {row['precision']}  " + (row.get("error") or (
            f"{row['sqnr_db']:.1f} dB  simulated {row.get('simulated_db', 0):.1f}  "
            f"lost {row['lost']} won {row['won']} of {row['items']}")))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows))
    return rows


def cells(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a network, flow, format and precision: the folds' counts together; an error in one is the cell's."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in ("network", "flow", "format", "precision")), []).append(row)
    out = []
    for (network, flow, fmt, precision), group in groups.items():
        one: dict[str, Any] = {"network": network, "flow": flow, "format": fmt, "precision": precision,
                               "folds": len(group)}
        errors = [r["error"] for r in group if "error" in r]
        out.append(one | ({"error": errors[0]} if errors else judge.drop(group) | {
            "sqnr_db": min(r["sqnr_db"] for r in group),
            "over_simulated_db": min(r["sqnr_db"] - r.get("simulated_db", r["sqnr_db"]) for r in group),
            "widened_macs_share": max(r.get("widened_macs_share", 0.0) for r in group)}))
    return out


def _claims(every: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours = [c for c in every if c["flow"] == "edgekit"]
    if not ours:
        return []
    fp32, int8 = ([c for c in ours if c["precision"] == p] for p in PRECISIONS)
    ran = [c for c in int8 if "error" not in c]

    def share(group: list[dict[str, Any]], good: Callable[[dict[str, Any]], bool]) -> float:
        return sum(1 for c in group if "error" not in c and good(c)) / len(group)

    return [
        claim("fp32 cells with at least 60 dB", share(fp32, lambda c: c["sqnr_db"] >= 60), "share", "==", 1.0),
        claim("int8 cells that convert, load and run", len(ran) / len(int8), "share", "==", 1.0),
        claim("int8 cells within 1 point of the float model", share(int8, lambda c: c["drop"] <= 1.0), "share", ">=",
              0.95),
        claim("largest int8 drop", max((c["drop"] for c in ran), default=None), "points", "<=", 3.0),
        claim("int8 cells at most 1 dB under simulated quantisation",
              share(int8, lambda c: c["over_simulated_db"] >= -1.0), "share", "==", 1.0),
        claim("largest share of MACs widened", max((c["widened_macs_share"] for c in ran), default=None), "share",
              "<=", 0.10),
    ]


def _summary(every: list[dict[str, Any]]) -> None:
    for flow in FLOWS:
        for precision in PRECISIONS:
            for fmt in FORMATS:
                group = [c for c in every if (c["flow"], c["precision"], c["format"]) == (flow, precision, fmt)]
                ran = [c for c in group if "error" not in c]
                median = statistics.median(c["sqnr_db"] for c in ran) if ran else float("nan")
                near = sum(c["drop"] <= 1 for c in ran)
                note(f"{flow:8} {precision:5} {fmt:11} ran {len(ran)}/{len(group)}  within 1 point {near}  "
                     f"median {median:.1f} dB")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", choices=list(ZOO), help="these networks")
    parser.add_argument("--checkpoints", type=Path, default=Path(".cache/coverage"), help="trained weights")
    parser.add_argument("--resume", type=Path, help="folder of one JSON a network, flow and fold, reused if unchanged")
    parser.add_argument("--flow", choices=list(FLOWS), help="this flow alone")
    parser.add_argument("--folds", type=int, choices=range(1, FOLDS + 1), help="folds of edgekit's int8")
    args = parser.parse_args()
    names = args.only or (QUICK if args.quick else list(ZOO))
    items, folds = (300, args.folds or 1) if args.quick else (600, args.folds or FOLDS)
    checkpoints = args.checkpoints.resolve()
    rows = [row for flow in ([args.flow] if args.flow else FLOWS)
            for fold in range(folds if flow == "edgekit" else 1)
            for name in names for row in measure(name, flow, fold, checkpoints, items, args.resume)]
    every = cells(rows)
    _summary(every)
    publish("coverage", _claims(every), [*every, *rows], args.out)


if __name__ == "__main__":
    main()
