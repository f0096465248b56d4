"""The export report as tables on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.report import facts
from edgekit.report.facts import Status
from edgekit.types.report import ExportReport

__all__ = ["print_report"]

_STYLES = {True: "green", False: "bold red", None: "yellow"}
_MOST = 8  # lines of a list before "... and N more": the HTML page and report.json have all


def print_report(report: ExportReport, console: Console) -> None:
    """Prints what was made, how good it is, what was missed and what to do about it."""
    _head(report, console)
    if report.artifacts:
        console.print(_artifacts(report))
    _details(report, console)
    if report.budget:
        console.print(_budget(report))
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


def _artifacts(report: ExportReport) -> Table:
    table = Table("format", "scheme", "size", "weights", "MACs", "delegated", "SQNR", "metric", "kept float", "status",
                  title="Artifacts", title_justify="left", header_style="bold", pad_edge=False)
    for one in report.artifacts:
        artifact, kept = one.artifact, one.artifact.kept_float
        _row(
            table, artifact.format, f"{artifact.scheme}\n{artifact.backend}",
            f"{facts.megabytes(artifact.bytes)}\n{facts.megabytes(artifact.compressed_bytes)} compressed",
            facts.dtypes(artifact.weight_bytes_by_dtype).replace(", ", "\n"), f"{artifact.macs / 1e6:.2f} M",
            facts.percent(artifact.macs_delegated_share), f"{facts.sqnr(one.fidelity)}\n{one.fidelity.inputs} inputs",
            facts.metric(one.fidelity),
            f"{len(kept)} named,\n{facts.percent(sum(k.macs_share for k in kept))} of MACs" if kept else "none",
            facts.status(report, one))
    return table


def _details(report: ExportReport, console: Console) -> None:
    for one in report.artifacts:
        groups = (("", [facts.latency(v) for v in one.latencies]), ("", [facts.memory(v) for v in one.memory]),
                  ("kept float: ", facts.kept_float(one.artifact)),
                  ("not delegated: ", facts.not_delegated(one.artifact)), ("note: ", list(one.artifact.notes)))
        for label, items in groups:
            for item in facts.listing(items, _MOST):
                _line(console, f"  {one.artifact.format}: {label}{item}")


def _budget(report: ExportReport) -> Table:
    table = Table("budget", "format", "limit", "value", "", "note", title="Budget", title_justify="left",
                  header_style="bold", pad_edge=False)
    for line in report.budget:
        _row(table, facts.budget_name(line), line.artifact or "all", f"{line.limit:g} {line.unit}",
             "" if line.value is None else f"{line.value:.4g} {line.unit}", facts.verdict(line), line.note or "")
    return table


def _failure(name: str, error: dict[str, object], console: Console) -> None:
    _line(console, f"{name} failed: {error.get('message')}  [{error.get('code')}]", "bold red")
    for key in ("where", "cause", "next"):
        if error.get(key):
            _line(console, f"  {key:<6} {error[key]}")


def _row(table: Table, *cells: str | Status) -> None:
    """Adds cells as plain text: module paths and messages have brackets that are no markup."""
    table.add_row(*(Text(c.text, style=_STYLES[c.good]) if isinstance(c, Status) else Text(c) for c in cells))


def _line(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
