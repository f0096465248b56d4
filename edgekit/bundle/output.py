"""An output folder of `edgekit export`, read back and shown to be what was written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgekit.disk import sha256_of
from edgekit.errors import UsageError
from edgekit.staging import MANIFEST, is_edgekit_output
from edgekit.types.report import ArtifactReport, ExportReport

__all__ = ["Output", "read_output"]

_GOLDEN = "golden/golden.json"


@dataclass(frozen=True)
class Output:
    """``vectors``: of each format, golden.json's entries. Every file of ``files`` is as its manifest says."""

    folder: Path
    report: ExportReport
    vectors: dict[str, list[dict[str, Any]]]
    files: dict[str, str]

    def artifact(self, format_name: str) -> ArtifactReport | None:
        return next((a for a in self.report.artifacts if a.artifact.format == format_name), None)


def read_output(folder: Path) -> Output:
    """Raises UsageError: ``bundle-not-output`` for another folder, ``bundle-tampered`` where a file is not the one that
    was exported."""
    if not is_edgekit_output(folder):
        lacking = f"it has no {MANIFEST} of edgekit's" if folder.is_dir() else "there is no such folder"
        raise UsageError("bundle-not-output", f"{folder} is no output folder of edgekit's", where=str(folder),
                         cause=lacking,
                         next="give the folder that `edgekit export ... -o DIR` wrote")
    files = _checked(folder)
    try:
        report = ExportReport.model_validate_json((folder / "report.json").read_bytes())
        golden = json.loads((folder / _GOLDEN).read_bytes())
        vectors = {name: list(entry["vectors"]) for name, entry in golden["formats"].items()}
    except (OSError, ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("bundle-not-output", f"{folder} is not what this edgekit exports", where=str(folder),
                         cause=_said(error), next="export the model again with this edgekit") from error
    return Output(folder, report, vectors, files)


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"report.json: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    return repr(error)


def _checked(folder: Path) -> dict[str, str]:
    """The manifest's files with their sha256."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())["files"]
        files = {str(name): str(entry["sha256"]) for name, entry in listed.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError("bundle-not-output", f"{folder / MANIFEST} cannot be read", where=str(folder / MANIFEST),
                         cause=repr(error), next="export the model again") from error
    for name, sha256 in files.items():
        file = folder / name
        if not file.is_file() or sha256_of(file) != sha256:
            raise UsageError("bundle-tampered", f"{file} is not the file that was exported", where=str(file),
                             cause="its sha256 is not the manifest's" if file.is_file() else "it is gone",
                             next="export the model again")
    return files
