"""An output folder of `edgekit export`, read back and shown to be what was written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from edgekit.disk import sha256_of
from edgekit.errors import UsageError
from edgekit.staging import MANIFEST, is_edgekit_output
from edgekit.types.golden import FileName, GoldenIndex, VectorFiles
from edgekit.types.report import ArtifactReport, ExportReport

__all__ = ["Exported", "Facts", "Output", "read_output"]

_FILE_NAME = TypeAdapter(FileName)


class _Workload(BaseModel):
    name: str
    labels: tuple[str, ...] | None
    preprocess: dict[str, Any] | None


class _Recipe(BaseModel):
    name: str
    threads: int


class _Device(BaseModel):
    id: str


class Facts(BaseModel):
    """What a bundle says of a report's free-form parts."""

    workload: _Workload
    recipe: _Recipe
    device: _Device | None


class _Listed(BaseModel):
    sha256: str
    bytes: int


class _Manifest(BaseModel):
    files: dict[str, _Listed]


@dataclass(frozen=True)
class Exported:
    """One artifact with the golden vectors that it answered."""

    report: ArtifactReport
    vectors: tuple[VectorFiles, ...]


@dataclass(frozen=True)
class Output:
    """``artifacts`` by format. Every file of ``files``, sha256 by path, is as its manifest says."""

    folder: Path
    report: ExportReport
    facts: Facts
    artifacts: dict[str, Exported]
    files: dict[str, str]


def read_output(folder: Path) -> Output:
    """Raises UsageError: ``bundle-not-output`` for another folder, ``bundle-tampered`` where a file is not the one that
    was exported."""
    if not is_edgekit_output(folder):
        lacking = f"it has no {MANIFEST} of an export" if folder.is_dir() else "there is no such folder"
        raise UsageError("bundle-not-output", f"{folder} is no output folder of edgekit's", where=str(folder),
                         cause=lacking, next="give the folder that `edgekit export ... -o DIR` wrote")
    try:
        files = _Manifest.model_validate_json((folder / MANIFEST).read_bytes()).files
        _check(folder, files)
        report = ExportReport.model_validate_json((folder / "report.json").read_bytes())
        golden = GoldenIndex.model_validate_json((folder / "golden/golden.json").read_bytes()).formats
        facts = Facts.model_validate(report.model_dump(include=set(Facts.model_fields)))
        artifacts = {made.artifact.format: Exported(made, golden[made.artifact.format].vectors)
                     for made in report.artifacts}
        if not artifacts:
            raise ValueError("it holds no artifact")
        for exported in artifacts.values():
            _check_artifact(folder, exported, files)
    except (OSError, ValidationError, ValueError, KeyError) as error:
        raise UsageError("bundle-not-output", f"{folder} is not what this edgekit exports", where=str(folder),
                         cause=_said(error), next="export the model again with this edgekit") from error
    return Output(folder, report, facts, artifacts, {name: entry.sha256 for name, entry in files.items()})


def _check(folder: Path, files: dict[str, _Listed]) -> None:
    for name, entry in files.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{MANIFEST} names {name!r}, outside the folder")
        file = folder / name
        if not file.is_file() or sha256_of(file) != entry.sha256:
            raise _tampered(file, "its sha256 is not the manifest's" if file.is_file() else "it is gone")


def _check_artifact(folder: Path, exported: Exported, files: dict[str, _Listed]) -> None:
    """That what the report and golden.json speak of are files of the manifest."""
    artifact = exported.report.artifact
    name = _FILE_NAME.validate_python(artifact.path)
    if name not in files or (files[name].sha256, files[name].bytes) != (artifact.sha256, artifact.bytes):
        raise _tampered(folder / name, "it is not the file that the report is about")
    for vector in exported.vectors:
        for tensor in (*vector.inputs, *vector.outputs):
            if f"golden/{tensor.file}" not in files:
                raise _tampered(folder / "golden" / tensor.file, "the manifest does not have it")
        for output in vector.outputs:  # nothing can be held to it on a device, and JSON readers there refuse it
            if not math.isfinite(output.tolerance):
                raise ValueError(f"golden.json: {output.file}: its tolerance is {output.tolerance}")


def _tampered(file: Path, cause: str) -> UsageError:
    return UsageError("bundle-tampered", f"{file} is not the file that was exported", where=str(file), cause=cause,
                      next="export the model again")


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{error.title.strip('_')}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"it has no golden vectors of {error.args[0]}"
    return str(error)
