"""Writes the claims of ``results/*.json`` into ``docs/benchmarks.md``, under "Measured"; ``--check`` only compares."""

from __future__ import annotations

import json
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
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """``text`` with the part behind the mark made anew."""
    documents = [json.loads(file.read_text()) for file in sorted((HERE / "results").glob("*.json"))]
    return text.partition(MARK)[0] + MARK + "\n" + "\n".join(map(_section, documents))


if __name__ == "__main__":
    new = page(PAGE.read_text())
    if "--check" in sys.argv:
        sys.exit(0 if new == PAGE.read_text() else "docs/benchmarks.md is stale: run python benchmarks/tables.py")
    PAGE.write_text(new)
