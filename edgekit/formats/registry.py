"""Formats by name: the three that ship here and those that other packages register as ``edgekit.formats``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import UsageError
from edgekit.plugins import FORMATS

if TYPE_CHECKING:
    from edgekit.contracts import Format

__all__ = ["artifact_format", "format_names", "get_format"]


def format_names() -> tuple[str, ...]:
    """Names of all formats, the built-in ones first."""
    return FORMATS.names()


def get_format(name: str) -> Format:
    """The format called ``name``. Raises UsageError for an unknown one, naming the nearest."""
    found: Format = FORMATS.get(name)
    return found


def artifact_format(artifact: Path) -> str:
    """The format's name by the file's ending. Raises UsageError for a missing file or an unknown ending."""
    if not artifact.is_file():
        raise UsageError("artifact-missing", f"there is no file {artifact}", next="give an exported artifact's path")
    suffixes = {get_format(name).suffix: name for name in format_names()}
    if artifact.suffix not in suffixes:
        raise UsageError("artifact-unknown", f"{artifact.name} is of no known format",
                         cause=f"known endings: {', '.join(suffixes)}", next="give an exported artifact's path")
    return suffixes[artifact.suffix]
