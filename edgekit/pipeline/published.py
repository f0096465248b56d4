"""What the report beside an artifact says of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.contracts import FloatRule
from edgekit.disk import sha256_of
from edgekit.errors import UsageError
from edgekit.types.scheme import SCHEMES, Scheme

__all__ = ["Published", "published"]


@dataclass(frozen=True)
class Published:
    """How an artifact was made, and the fidelity floor in dB that it was held to.

    ``passes`` compressed its model (names and settings). ``samples`` inputs calibrated it: the workload's own, or those
    of the file or folder ``data``.
    """

    scheme: Scheme
    observer: str
    samples: int
    keep_float: tuple[FloatRule, ...]
    floor_db: float
    passes: tuple[tuple[str, dict[str, Any]], ...]
    data: Path | None


def published(artifact: Path) -> Published | None:
    """Read from ``report.json`` beside ``artifact`` where it describes this very file, by sha256; else None.

    Raises UsageError ``report-malformed`` for a report that is not edgekit's.
    """
    report = artifact.parent / "report.json"
    if not report.is_file():
        return None
    try:
        stored = json.loads(report.read_text(encoding="utf-8"))
        own = sha256_of(artifact)
        entry = next((a for a in stored["artifacts"] if a["artifact"]["sha256"] == own), None)
        if entry is None:
            return None
        quantize = stored["recipe"]["quantize"]
        return Published(SCHEMES[quantize["scheme"]], quantize["observer"], int(quantize["calibration"]["samples"]),
                         tuple(FloatRule(**rule) for rule in entry["float_rules"]),
                         float(stored["recipe"]["fidelity"]["min_sqnr_db"]),
                         tuple((p["name"], dict(p["settings"])) for p in stored["passes"]),
                         report.parent / data if (data := stored["calibration_data"]) else None)
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("report-malformed", f"{report} is not edgekit's report", cause=str(error),
                         next="give --min-sqnr-db, or move the artifact elsewhere") from error
