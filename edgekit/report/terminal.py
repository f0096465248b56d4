"""The export report as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import facts, prediction
from edgekit.report.facts import Status
from edgekit.types.report import ExportReport

__all__ = ["print_report"]

_STYLES = {True: "green", False: "bold red", None: "yellow"}
_WIDE = 150  # characters that the table of artifacts wants
_MOST = 8  # lines of a list before "... and N more": the HTML page and report.json have all


def print_report(report: ExportReport, console: Console) -> None:
    """Prints what was made, how good it is, what was missed and what to do about it."""
    _head(report, console)
    if report.artifacts:
        console.print(_artifacts(report, console.width))
    _details(report, console)
    if report.budget:
        console.print(_table("Budget", [facts.BUDGET_COLUMNS, *map(facts.budget_row, report.budget)]))
    for failure in report.failures:
        _failure(failure.format, failure.error, console)
    for warning in report.warnings:
        _line(console, f"warning: {warning}", "yellow")
    end = facts.outcome(report)
    _line(console, f"{end.text} (exit status {report.exit_status})", _STYLES[end.good])


def _head(report: ExportReport, console: Console) -> None:
    device = report.device or {}
    parameters = report.workload.get("parameters")
    count = f", {parameters / 1e6:.3g} M parameters" if parameters else ""
    _line(console, f"{report.workload.get('name', 'model')}{count}, recipe {report.recipe.get('name', 'unnamed')}"
                   f"{', device ' + str(device.get('id') or device.get('name')) if device else ''}", "bold")
    for one in report.passes:
        _line(console, f"  {one.name}: {'; '.join(facts.change(one.changed))}")


def _artifacts(report: ExportReport, width: int) -> Table:
    """One row an artifact; on a narrow terminal one column an artifact, so that nothing is cut."""
    rows: list[list[str | Status]] = [list(facts.COLUMNS)]
    rows += [facts.artifact_row(report, one) for one in report.artifacts]
    if width < _WIDE:
        rows = [list(cells) for cells in zip(*rows, strict=True)]
    return _table("Artifacts", rows)


def _details(report: ExportReport, console: Console) -> None:
    for one in report.artifacts:
        groups = (("", [facts.latency(v) for v in one.latencies]), ("", [facts.memory(v) for v in one.memory]),
                  ("", prediction.guessed(one.estimate) if one.estimate else []),
                  ("kept float: ", facts.kept_float(one.artifact)),
                  ("not delegated: ", facts.not_delegated(one.artifact)), ("note: ", list(one.artifact.notes)))
        for label, items in groups:
            for item in facts.listing(items, _MOST):
                _line(console, f"  {one.artifact.format}: {label}{item}")


def _failure(name: str, error: dict[str, object], console: Console) -> None:
    _line(console, f"{name} failed: {error.get('message')}  [{error.get('code')}]", "bold red")
    for key in ("where", "cause", "next"):
        if error.get(key):
            _line(console, f"  {key:<6} {error[key]}")


def _table(title: str, rows: Sequence[Sequence[str | Status]]) -> Table:
    """A table of plain text (module paths and messages have brackets that are no markup), the first row its head."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=box.SIMPLE_HEAD,
                  pad_edge=False)
    for name in rows[0]:
        table.add_column(name if isinstance(name, str) else _styled(name), overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(_styled, row))
    return table


def _styled(cell: str | Status) -> Text:
    return Text(cell.text, style=_STYLES[cell.good]) if isinstance(cell, Status) else Text(cell)


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
