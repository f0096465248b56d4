"""Writes the claims of ``results/*.json`` into ``docs/benchmarks.md``, under "Measured"; ``--check`` only compares."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
MARK = "<!-- written by benchmarks/tables.py from benchmarks/results -->\n"


def _number(value: float | None) -> str:
    return "nothing to measure" if value is None else f"{value:.4g}"


def _section(document: dict[str, Any]) -> str:
    machine = document["machine"]
    lines = [f"### {document['benchmark']}", "", f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, "
             f"sources {machine['sources']}.", "", "| claim | measured | goal | |", "| --- | --- | --- | --- |"]
    for one in document["claims"]:
        unit = "" if one["unit"] in ("", "ratio", "share") else f" {one['unit']}"
        lines.append(f"| {one['name']} | {_number(one['value'])}{unit} | {one['op']} {_number(one['goal'])}{unit} | "
                     f"{'met' if one['met'] else '**not met**'} |")
    lines += _beside([row for row in document["rows"] if "folds" in row])
    return "\n".join([*lines, *_ceilings([row for row in document["rows"] if "free_costs_spearman" in row])]) + "\n"


def _ceilings(rows: list[dict[str, Any]]) -> list[str]:
    """Calibrated devices: Spearman beside MACs' and the ceilings; nothing for other benchmarks."""
    if not rows:
        return []
    return ["", "Spearman, medians over the draws; ceilings: of whole milliseconds, and of a sum with a free cost for "
            "each choice and place, fitted to the very rows that it is scored on:", "",
            "| rows | calibrated | before | MACs | ceiling, rounding | ceiling, free costs | within 15 % | by MACs "
            "| by free costs | repeats of one network |",
            "| --- |" + " --- |" * 9,
            *(f"| {row['space']}, {row['device']} | {row['spearman']:.3f} | {row['spearman_before']:.3f} | "
              f"{row['macs_spearman']:.3f} | {_rounding(row['rounding_spearman'])} | "
              f"{row['free_costs_spearman']:.3f} | {row['within_15']:.0%} | {row['macs_within_15']:.0%} | "
              f"{row['free_costs_within_15']:.0%} | {_repeats(row['repeats_within_15'])} |"
              for row in rows)]


def _repeats(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"


def _rounding(ceiling: float | None) -> str:
    return "not rounded" if ceiling is None else f"{ceiling:.3f}"


def _beside(cells: list[dict[str, Any]]) -> list[str]:
    """Coverage's cells by flow, one row for each format and precision; nothing for other benchmarks."""
    groups: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for cell in cells:
        group = groups.setdefault((cell["precision"], cell["format"]), {})
        group.setdefault(cell["flow"], []).append(cell)
    if not groups:
        return []
    flows = list(next(iter(groups.values())))
    return ["", "How many networks run / how many stay within 1 point of their float model / median SQNR:", "",
            "| | " + " | ".join(flows) + " |", "| --- |" + " --- |" * len(flows),
            *(f"| {precision} {fmt} | " + " | ".join(map(_outcome, (group[flow] for flow in flows))) + " |"
              for (precision, fmt), group in groups.items())]


def _outcome(cells: list[dict[str, Any]]) -> str:
    ran = [cell for cell in cells if "error" not in cell]
    near = sum(cell["drop"] <= 1 for cell in ran)
    return f"{len(ran)} of {len(cells)} / {near} / {statistics.median(cell['sqnr_db'] for cell in ran):.1f} dB"


def page(text: str) -> str:
    """``text`` with the part behind the mark made anew."""
    documents = [json.loads(file.read_text()) for file in sorted((HERE / "results").glob("*.json"))]
    return text.partition(MARK)[0] + MARK + "\n" + "\n".join(map(_section, documents))


if __name__ == "__main__":
    new = page(PAGE.read_text())
    if "--check" in sys.argv:
        sys.exit(0 if new == PAGE.read_text() else "docs/benchmarks.md is stale: run python benchmarks/tables.py")
    PAGE.write_text(new)
