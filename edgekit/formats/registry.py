"""Formats by name: the three that ship here and those that other packages register as ``edgekit.formats``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.plugins import FORMATS

if TYPE_CHECKING:
    from edgekit.contracts import Format

__all__ = ["format_names", "get_format"]


def format_names() -> tuple[str, ...]:
    """Names of all formats, the built-in ones first."""
    return FORMATS.names()


def get_format(name: str) -> Format:
    """The format called ``name``. Raises UsageError for an unknown one, naming the nearest."""
    found: Format = FORMATS.get(name)
    return found
