"""Budgets and gates of a recipe, checked against what was verified and predicted; else "not evaluated", never "met"."""

from __future__ import annotations

from edgekit.recipe.schema import Budget
from edgekit.types.budget import BudgetLine
from edgekit.types.fidelity import Fidelity
from edgekit.types.latency import Latency, Memory
from edgekit.types.report import ArtifactReport

__all__ = ["budget_lines", "compression_drop", "metric_drop", "predicted_lines", "size_line"]

_MB = 10**6

def metric_drop(fidelity: Fidelity) -> float | None:
    """How much worse the artifact's metric is than that of the model as it was loaded, in the metric's unit (negative:
    better)."""
    return _drop(fidelity, fidelity.metric_artifact)


def compression_drop(fidelity: Fidelity) -> float | None:
    """The part of it that compression alone has cost; None where nothing was compressed."""
    return _drop(fidelity, fidelity.metric_compressed)


def _drop(fidelity: Fidelity, value: float | None) -> float | None:
    if fidelity.metric_float is None or value is None:
        return None
    drop = fidelity.metric_float - value
    return drop if fidelity.metric_higher_is_better else -drop


def _sqnr_line(report: ArtifactReport, floor: float) -> BudgetLine:
    value = report.fidelity.sqnr_db
    note = "equal to the float model" if value is None else None
    return BudgetLine(name="min_sqnr_db", artifact=report.artifact.format, limit=floor, value=value, unit="dB",
                      met=value is None or value >= floor, note=note)


def budget_lines(budget: Budget, min_sqnr_db: float, reports: list[ArtifactReport]) -> list[BudgetLine]:
    """One line for every budget and artifact, the fidelity floor first."""
    lines = [_sqnr_line(r, min_sqnr_db) for r in reports]
    for report in reports:
        name = report.artifact.format
        if budget.metric_drop is not None:
            drop = metric_drop(report.fidelity)
            lines.append(BudgetLine(
                name="metric_drop", artifact=name, limit=budget.metric_drop, value=drop,
                unit=report.fidelity.metric_unit or "", met=None if drop is None else drop <= budget.metric_drop + 1e-9,
                note="the workload has no evaluate()" if drop is None else None))
        lines += size_line(budget, name, report.artifact.bytes)
        lines += predicted_lines(budget, name, next(iter(report.latencies), None), next(iter(report.memory), None),
                                 report.no_estimate)
    return lines


def size_line(budget: Budget, artifact: str, size: int) -> list[BudgetLine]:
    """The line of a file of ``size`` bytes; none where the budget does not limit it."""
    if budget.size_mb is None:
        return []
    megabytes = size / _MB
    return [BudgetLine(name="size_mb", artifact=artifact, limit=budget.size_mb, value=megabytes,
                       unit="MB (10^6 bytes)", met=megabytes <= budget.size_mb)]


def predicted_lines(budget: Budget, artifact: str, latency: Latency | None, memory: Memory | None,
                    why_not: str | None = None) -> tuple[BudgetLine, ...]:
    """Lines of latency and memory; without a figure they are not evaluated, for the reason ``why_not``."""
    lines = []
    if (limit := budget.latency_ms) is not None:
        note = why_not
        if latency is not None:
            inside = latency.low_ms < limit < latency.high_ms
            note = (f"{latency.kind} for {latency.device}, {latency.low_ms:.3g} to {latency.high_ms:.3g} ms"
                    + (": the limit is inside the interval" if inside else ""))
        lines.append(BudgetLine(name="latency_ms", artifact=artifact, limit=limit, unit="ms", note=note,
                                value=latency.ms if latency else None,
                                met=latency.ms <= limit if latency else None))
    if (limit := budget.peak_memory_mb) is not None:
        peak = memory.peak_bytes / _MB if memory else None
        lines.append(BudgetLine(name="peak_memory_mb", artifact=artifact, limit=limit, unit="MB (10^6 bytes)",
                                note=memory.kind if memory else why_not, value=peak,
                                met=None if peak is None else peak <= limit))
    return tuple(lines)
