"""The bundle folder of an app: written in one step, or compared with what it should hold."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from edgekit.bundle.contents import Contents
from edgekit.disk import sha256_of
from edgekit.errors import UsageError
from edgekit.staging import MANIFEST, Staging, manifest_of

__all__ = ["differing_files", "foreign_files", "write_bundle"]

_KIND = "bundle-manifest"


def write_bundle(contents: Contents, folder: Path) -> None:
    """Replaces what an earlier bundle wrote. Raises UsageError ``output-not-edgekit`` where that is somebody else's."""
    if folder.is_symlink():
        raise UsageError("output-not-edgekit", f"{folder} is a link", where=str(folder),
                         cause="what it leads to is not the app's", next="remove the link")
    with Staging(folder, _KIND) as staging:
        for name, content in contents.files.items():
            place = staging.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                place.write_bytes(content)
            else:
                shutil.copyfile(content, place)
        staging.publish()


def differing_files(contents: Contents, folder: Path) -> list[str]:
    """Paths in ``folder`` that are missing or not as they would be written, and edgekit's that would go."""
    wanted = {name: _facts(content) for name, content in contents.files.items()}
    wanted[MANIFEST] = _facts(manifest_of(_KIND, wanted))
    differ = [name for name, facts in wanted.items()
              if not (folder / name).is_file() or _facts(folder / name) != facts]
    return sorted({*differ, *((_there(folder) & _own(folder)) - wanted.keys())})


def foreign_files(contents: Contents, folder: Path) -> list[str]:
    """Paths in ``folder`` that edgekit did not write: they stand in the way of a new bundle."""
    return sorted(_there(folder) - _own(folder) - contents.files.keys() - {MANIFEST})


def _there(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}


def _own(folder: Path) -> set[str]:
    """What the folder's manifest names; nothing where it cannot be read."""
    try:
        return set(json.loads((folder / MANIFEST).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _facts(content: bytes | Path) -> tuple[str, int]:
    """sha256 and bytes."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), len(content)
    return sha256_of(content), content.stat().st_size
