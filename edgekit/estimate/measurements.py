"""A file of measured artifacts, for calibrating a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from edgekit.errors import RecipeError
from edgekit.yamlfile.source import read_yaml
from edgekit.yamlfile.validate import raise_problems, validated

__all__ = ["MILLISECONDS", "MeasuredRow", "Measurements", "load_measurements"]

MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3}
Text = Annotated[str, StringConstraints(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MeasuredRow(_Part):
    artifact: Text = Field(description="path from the file's own folder")
    latency: float = Field(gt=0, description="of one warm inference, in the file's unit")
    threads: int | None = Field(default=None, ge=1, le=64, description="where not the file's")


class Measurements(_Part):
    """What was measured on a device; the file's ``runtime`` and ``source`` are repeated in the calibration."""

    unit: Literal["s", "ms", "us"]
    threads: int = Field(default=1, ge=1, le=64)
    runtime: Text = Field(description="what ran the artifacts: litert 2.3.0")
    source: Text = Field(description="who measured, when, how: benchmark_model, medians of 50, at 25 degrees")
    rows: tuple[MeasuredRow, ...] = Field(min_length=1)


def load_measurements(path: Path, most_threads: int) -> tuple[Measurements, list[str]]:
    """The file, and ``file:line:column`` of each row. Raises RecipeError with all mistakes: schema, artifacts, threads.

    An artifact may stand once for each number of threads.
    """
    source = read_yaml(path)
    found = validated(Measurements, source)
    places: list[str] = []
    if found is not None:
        seen: dict[tuple[str, int], int] = {}
        for k, row in enumerate(found.rows):
            places.append(source.where(("rows", k)))
            where, threads = source.where(("rows", k, "artifact")), row.threads or found.threads
            if not (path.parent / row.artifact).is_file():
                source.problems.append(RecipeError("artifact-missing", f"rows.{k}.artifact: there is no file "
                                                   f"{path.parent / row.artifact}", where=where,
                                                   next="give an exported artifact's path from this file's folder"))
            if threads > most_threads:
                source.problems.append(RecipeError(
                    "value-wrong", f"rows.{k}.threads: the device's fastest cluster has {most_threads} cores, not "
                    f"{threads}", where=source.where(("rows", k, "threads"))))
            if (row.artifact, threads) in seen:
                source.problems.append(RecipeError("value-wrong", f"rows.{k}.artifact: {row.artifact} on {threads} "
                                                   f"threads stands twice", where=where,
                                                   cause=f"first in rows.{seen[row.artifact, threads]}",
                                                   next="keep one row, the median"))
            seen.setdefault((row.artifact, threads), k)
    raise_problems("measurements", source)
    assert found is not None  # no measurements without a problem
    return found, places
