"""Reads an artifact's graph in a child process: flatbuffer readers may crash on malformed files."""

from __future__ import annotations

from pathlib import Path

from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.noise import new_log
from edgekit.types.graph import OpGraph

__all__ = ["graph_task", "read_graph"]


def graph_task(format_name: str, path: Path) -> OpGraph:
    """Runs in the child."""
    from edgekit.formats.registry import get_format
    return get_format(format_name).graph(path)


def read_graph(format_name: str, path: Path) -> OpGraph:
    """The artifact's OpGraph. Raises ConversionError for a file that is malformed."""
    return run_isolated("edgekit.pipeline.inspect:graph_task", {"format_name": format_name, "path": path},
                        name=f"Reading {path.name}", limits=Limits(seconds=300), log=new_log()).value
