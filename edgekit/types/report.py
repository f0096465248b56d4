"""The export report: one document for programs, the terminal and the HTML page."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from edgekit.types.artifact import Artifact
from edgekit.types.base import Data
from edgekit.types.budget import BudgetLine
from edgekit.types.estimate import DeviceEstimate, Size
from edgekit.types.fidelity import Fidelity
from edgekit.types.latency import Latency, Memory

__all__ = ["ArtifactReport", "ExportReport", "FormatFailure", "PassReport", "StageRecord"]


class StageRecord(Data):
    """One stage of the run; ``peak_rss_bytes`` is that of the process that ran it."""

    name: str
    seconds: float
    cached: bool
    peak_rss_bytes: int


class PassReport(Data):
    """What a compression pass changed, in numbers (its own keys, e.g. ``macs_before``, ``macs_after``)."""

    name: str
    settings: dict[str, Any]
    changed: dict[str, float]


class ArtifactReport(Data):
    """An artifact with its proof: fidelity, latencies and memory where known.

    ``float_rules`` are those that it was made with, the fields of ``contracts.FloatRule`` by name. ``estimate`` is on
    the recipe's device; where there is none, ``no_estimate`` says why.
    """

    artifact: Artifact
    fidelity: Fidelity
    float_rules: tuple[dict[str, str | None], ...] = ()
    latencies: tuple[Latency, ...] = ()
    memory: tuple[Memory, ...] = ()
    size: Size | None = None
    estimate: DeviceEstimate | None = None
    no_estimate: str | None = None


class FormatFailure(Data):
    """A format that gave no artifact, with its error document; the other formats stand."""

    format: str
    error: dict[str, Any]


class ExportReport(Data):
    """Document ``edgekit/export-report/1``; ``exit_status`` is what the command ended with.

    ``calibration_data`` is the recipe's file or folder of calibration inputs, relative to the folder of the report.
    """

    schema_: str = Field(default="edgekit/export-report/1", alias="schema")
    workload: dict[str, Any]
    recipe: dict[str, Any]
    calibration_data: str | None = None
    device: dict[str, Any] | None
    passes: tuple[PassReport, ...] = ()
    artifacts: tuple[ArtifactReport, ...]
    failures: tuple[FormatFailure, ...] = ()
    stages: tuple[StageRecord, ...]
    budget: tuple[BudgetLine, ...] = ()
    tools: dict[str, str]
    warnings: tuple[str, ...] = ()
    exit_status: int = 0
