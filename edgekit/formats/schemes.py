"""The table formats x schemes, gathered from what each format says of itself. Needs no converter installed."""

from __future__ import annotations

from edgekit.formats.registry import format_names, get_format
from edgekit.types.scheme import SchemeSupport

__all__ = ["support"]


def support() -> dict[str, dict[str, SchemeSupport]]:
    """What each format can do: format name -> scheme name -> cell."""
    return {name: dict(get_format(name).supports()) for name in format_names()}
