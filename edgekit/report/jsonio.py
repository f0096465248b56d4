"""The export report as the JSON document ``edgekit/export-report/1``."""

from __future__ import annotations

import json

from edgekit.types.report import ExportReport

__all__ = ["document"]


def document(report: ExportReport) -> str:
    """The report as JSON text. Raises ValueError for NaN or infinity, which JSON cannot hold."""
    data = report.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
