"""What the report beside an artifact says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import UsageError
from edgekit.pipeline.disk import sha256_of
from edgekit.types.scheme import SCHEMES, Scheme

__all__ = ["Published", "published"]


@dataclass(frozen=True)
class Published:
    """The scheme that an artifact was exported with, and the fidelity floor in dB that it was held to."""

    scheme: Scheme
    floor_db: float


def published(artifact: Path) -> Published | None:
    """Read from ``report.json`` beside ``artifact`` where it describes this very file, by sha256; else None.

    Raises UsageError ``report-malformed`` for a report that is not edgekit's.
    """
    report = artifact.parent / "report.json"
    if not report.is_file():
        return None
    try:
        stored = json.loads(report.read_text(encoding="utf-8"))
        if sha256_of(artifact) not in {a["artifact"]["sha256"] for a in stored["artifacts"]}:
            return None
        recipe = stored["recipe"]
        return Published(SCHEMES[recipe["quantize"]["scheme"]], float(recipe["fidelity"]["min_sqnr_db"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("report-malformed", f"{report} is not edgekit's report", cause=str(error),
                         next="give --min-sqnr-db, or move the artifact elsewhere") from error
