"""Budgets and gates of a recipe, checked against what was verified. What nothing can evaluate is never "met"."""

from __future__ import annotations

from edgekit.recipe.schema import Budget
from edgekit.types.fidelity import Fidelity
from edgekit.types.report import ArtifactReport, BudgetLine

__all__ = ["budget_lines", "compression_drop", "metric_drop"]

# Budgets that need an estimate or a device: reported, never met, until something evaluates them.
_NOT_YET = {"latency_ms": ("ms", "no latency estimate for this device yet"),
            "peak_memory_mb": ("MB", "no memory estimate for this device yet")}


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
        if budget.size_mb is not None:
            megabytes = report.artifact.bytes / 1e6
            lines.append(BudgetLine(name="size_mb", artifact=name, limit=budget.size_mb, value=megabytes,
                                    unit="MB (10^6 bytes)", met=megabytes <= budget.size_mb))
        for key, (unit, why) in _NOT_YET.items():
            limit = getattr(budget, key)
            if limit is not None:
                lines.append(BudgetLine(name=key, artifact=name, limit=limit, value=None, unit=unit, met=None,
                                        note=why))
    return lines
