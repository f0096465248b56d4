"""Where the files that edgekit ships lie: the repository's own folders, or ``edgekit/_data`` inside the wheel."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import EnvironmentProblem

__all__ = ["shipped_folder"]

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(name: str) -> Path:
    """The folder ``recipes`` or ``device_profiles``. Raises EnvironmentProblem where the installation lacks it."""
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise EnvironmentProblem("installation-broken", f"the folder '{name}' that edgekit ships is not there",
                             cause=f"looked beside and inside {_PACKAGE}",
                             next="install edgekit again: pip install --force-reinstall edgekit")
