"""The bundle folder of an app: written in one step, or compared with what it should hold."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from edgekit.bundle.contents import Contents
from edgekit.disk import files_under, sha256_of
from edgekit.staging import MANIFEST, Staging

__all__ = ["stale_files", "write_bundle"]


def write_bundle(contents: Contents, folder: Path) -> None:
    """Replaces what an earlier bundle wrote. Raises UsageError ``output-not-edgekit`` where somebody added files."""
    with Staging(folder) as staging:
        for name, content in contents.files.items():
            place = staging.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                place.write_bytes(content)
            else:
                shutil.copyfile(content, place)
        staging.publish()


def stale_files(contents: Contents, folder: Path) -> list[str]:
    """Paths in ``folder`` that are missing, differ, or are too many; empty where it is what would be written."""
    there = {file.relative_to(folder).as_posix(): file for file in files_under(folder)} if folder.is_dir() else {}
    wanted = {**contents.files, MANIFEST: None}
    differing = [name for name, content in wanted.items()
                 if name not in there or (content is not None and sha256_of(there[name]) != _sha256(content))]
    return sorted({*differing, *(there.keys() - wanted.keys())})


def _sha256(content: bytes | Path) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else sha256_of(content)
