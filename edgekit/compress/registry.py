"""Compression passes by name: those that ship here and those that other packages register as ``edgekit.compress``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.plugins import Plugins

if TYPE_CHECKING:
    from edgekit.contracts import CompressPass

__all__ = ["PASSES", "get_pass"]

PASSES = Plugins("edgekit.compress", "compression pass", {
    "structured": "edgekit.compress.structured:StructuredPruning",
    "unstructured": "edgekit.compress.unstructured:UnstructuredPruning",
}, unknown="compress-unknown")


def get_pass(name: str) -> CompressPass:
    """The pass called ``name``. Raises UsageError for an unknown one, naming the nearest."""
    found: CompressPass = PASSES.get(name)
    return found
