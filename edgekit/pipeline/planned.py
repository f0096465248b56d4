"""Predicts an artifact's peak memory in a child process, as its graph is read."""

from __future__ import annotations

from pathlib import Path

from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.noise import new_log
from edgekit.types.graph import OpGraph
from edgekit.types.latency import Memory

__all__ = ["memory_task", "read_memory"]


def memory_task(format_name: str, path: Path, graph: OpGraph) -> Memory:
    """Runs in the child."""
    from edgekit.estimate.memory.predict import predicted_memory
    return predicted_memory(format_name, path, graph)


def read_memory(format_name: str, path: Path, graph: OpGraph) -> Memory | None:
    """The predicted peak and its parts; None for another package's format, whose runtime nobody measured."""
    from edgekit.estimate.memory.runtimes import RUNTIMES
    if format_name not in RUNTIMES:
        return None
    return run_isolated("edgekit.pipeline.planned:memory_task",
                        {"format_name": format_name, "path": path, "graph": graph},
                        name=f"Planning the memory of {path.name}", limits=Limits(seconds=300), log=new_log()).value
