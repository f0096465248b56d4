"""An output folder of `edgekit export`, read back and shown to be what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from edgekit.disk import sha256_of
from edgekit.errors import UsageError
from edgekit.staging import MANIFEST, is_edgekit_output
from edgekit.types.report import ArtifactReport, ExportReport

__all__ = ["Exported", "Facts", "GoldenFile", "Output", "Vector", "read_output"]


def _plain(name: str) -> str:
    """A file's own name: with a folder in it, it could lead anywhere."""
    if name in ("", ".", "..") or PurePosixPath(name).name != name or "\\" in name:
        raise ValueError(f"{name!r} is no plain file name")
    return name


FileName = Annotated[str, AfterValidator(_plain)]


class GoldenFile(BaseModel):
    """A tensor of golden.json, in the folder ``golden``; outputs have a tolerance."""

    file: FileName
    shape: tuple[Annotated[int, Field(ge=0)], ...]
    dtype: str
    tolerance: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class _Output(GoldenFile):
    tolerance: float = Field(ge=0, allow_inf_nan=False)


class Vector(BaseModel):
    inputs: tuple[GoldenFile, ...] = Field(min_length=1)
    outputs: tuple[_Output, ...] = Field(min_length=1)


class _Vectors(BaseModel):
    vectors: tuple[Vector, ...] = Field(min_length=1)


class _Golden(BaseModel):
    formats: dict[str, _Vectors]


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
    vectors: tuple[Vector, ...]


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
        golden = _Golden.model_validate_json((folder / "golden/golden.json").read_bytes()).formats
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
    name = _plain(artifact.path)
    if name not in files or (files[name].sha256, files[name].bytes) != (artifact.sha256, artifact.bytes):
        raise _tampered(folder / name, "it is not the file that the report is about")
    for vector in exported.vectors:
        for tensor in (*vector.inputs, *vector.outputs):
            if f"golden/{tensor.file}" not in files:
                raise _tampered(folder / "golden" / tensor.file, "the manifest does not have it")


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
