"""What the export line adds to a verified artifact: its size by layer, and time and memory on the recipe's device."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DeviceError, EdgekitError
from edgekit.estimate.size import size_of
from edgekit.pipeline.estimate import analytic_estimate, place_on
from edgekit.pipeline.planned import read_memory
from edgekit.pipeline.request import ExportRequest
from edgekit.types.graph import OpGraph
from edgekit.types.report import ArtifactReport

__all__ = ["with_estimate"]


def with_estimate(report: ArtifactReport, path: Path, graph: OpGraph, request: ExportRequest) -> ArtifactReport:
    """The report with predictions of the analytic tier; where there are none, with the reason."""
    name, recipe = report.artifact.format, request.recipe.recipe
    known = report.model_copy(update={"size": size_of(path, graph)})
    try:
        memory = read_memory(name, path, graph)
    except EdgekitError as error:  # the artifact stands without it
        return known.model_copy(update={"no_estimate": f"its memory could not be planned: {error.message}"})
    known = known.model_copy(update={"memory": (memory,) if memory else ()})
    if request.device_id is None:
        return known.model_copy(update={"no_estimate": "the recipe names no device"})
    if recipe.processor != "cpu":
        return known.model_copy(update={"no_estimate": f"nothing predicts a {recipe.processor} yet"})
    try:
        place = place_on(request.device_id, name, recipe.threads)
    except DeviceError as error:
        return known.model_copy(update={"no_estimate": error.message})
    assert memory is not None  # a format whose kernels are known has a runtime that is known
    estimate = analytic_estimate(graph, place, report.artifact.runtime, memory)
    return known.model_copy(update={"estimate": estimate, "latencies": (estimate.latency,)})
