"""What tests of bundles share: folders compared by content, errors, outputs that say something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.disk import files_under, sha256_of
from edgekit.errors import EdgekitError


def tree(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): sha256_of(file) for file in files_under(folder)}


def refused(call: Callable[[], Any], code: str) -> EdgekitError:
    with pytest.raises(EdgekitError) as failure:
        call()
    assert failure.value.code == code
    assert failure.value.next
    return failure.value


def edit_report(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the report, and the manifest with it: another model exported, not a tampered file."""
    report = json.loads((out / "report.json").read_text())
    change(report)
    (out / "report.json").write_text(json.dumps(report))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"]["report.json"]["sha256"] = sha256_of(out / "report.json")
    (out / "manifest.json").write_text(json.dumps(manifest))


def edit_golden(out: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes golden.json, and the manifest with it."""
    golden = json.loads((out / "golden/golden.json").read_text())
    change(golden["formats"])
    (out / "golden/golden.json").write_text(json.dumps(golden))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"]["golden/golden.json"]["sha256"] = sha256_of(out / "golden/golden.json")
    (out / "manifest.json").write_text(json.dumps(manifest))
