"""Writes error table and plot of ``docs/estimates.md`` from ``results/estimates.json``; ``--check`` only compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "estimates.md"
PLOT = HERE.parent / "docs" / "estimates-errors.svg"
BEGIN = "<!-- written by benchmarks/estimate_errors.py from benchmarks/results/estimates.json -->\n"
END = "<!-- end -->\n"
# The figures as rows of the document, with the line that each is drawn in.
FIGURES = {"1 thread, networks left out": "#1b6ca8", "2 to 4 threads, networks left out": "#d1495b",
           "machines left out": "#2f7d4f", "analytic, networks left out": "#8a5cb8",
           "analytic, machines left out": "#b07a1e"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, MOST = 640, 320, 50, 40, 16, 1.0


def rows() -> dict[str, dict[str, Any]]:
    document = json.loads((HERE / "results" / "estimates.json").read_text())
    return {row["kind"]: row for row in document["rows"]}


def table(found: dict[str, dict[str, Any]]) -> str:
    """All figures, then each setup."""
    lines = ["| left out | rows | median error | 90 % within | within 25 % | MACs: median | MACs: 90 % within |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    setups = [kind for kind, row in found.items() if "powersave" in kind and "median" in row]
    for kind in (*FIGURES, *setups):
        row = found[kind]
        name = f"counts, {kind}" if kind in FIGURES and not kind.startswith("analytic") else kind
        lines.append(f"| {name} | {row['rows']} | {row['median']:.1%} | {row['p90']:.1%} | {row['within_25']:.0%} | "
                     f"{row['macs_median']:.0%} | {row['macs_p90']:.0%} |")
    return "\n".join(lines) + "\n"


def plot(found: dict[str, dict[str, Any]]) -> str:
    """Share of rows whose error is below, by error: the estimates, and dashed what MACs tell of the same rows."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
             f'font-size="11"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for k in range(0, 101, 25):
        y, x = _y(k / 100), _x(k / 100)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - 10}" stroke="#ddd"/><text x="{LEFT - 6}" y="{y + 4}" '
                     f'text-anchor="end">{k} %</text><text x="{x}" y="{HEIGHT - BOTTOM + 16}" '
                     f'text-anchor="middle">{k} %</text>')
    for k, (kind, colour) in enumerate(FIGURES.items()):
        row = found[kind]
        name = kind if kind.startswith("analytic") else f"counts, {kind}"
        parts.append(_curve(row["quantiles"], colour))
        parts.append(_curve(row["macs_quantiles"], colour, ' stroke-dasharray="4 4"'))
        parts.append(f'<text x="{WIDTH - 16}" y="{HEIGHT - BOTTOM - 80 + 15 * k}" text-anchor="end" fill="{colour}">'
                     f'{name}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle">error of the predicted latency '
                 '(dashed: MACs times the best factor)</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(quantiles: Sequence[float], colour: str, more: str = "") -> str:
    points = [f"{_x(q):.1f},{_y(k / (len(quantiles) - 1)):.1f}" for k, q in enumerate(quantiles) if q <= MOST]
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.6"{more}/>'


def _x(error: float) -> float:
    return LEFT + error / MOST * (WIDTH - 10 - LEFT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def page(text: str) -> str:
    """``text`` with what stands between the marks made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table(rows()) + "\n" + END + rest.partition(END)[2]


if __name__ == "__main__":
    new, drawn = page(PAGE.read_text()), plot(rows())
    if "--check" in sys.argv:
        same = new == PAGE.read_text() and PLOT.is_file() and drawn == PLOT.read_text()
        sys.exit(0 if same else "docs/estimates.md is stale: run python benchmarks/estimate_errors.py")
    PAGE.write_text(new)
    PLOT.write_text(drawn)
