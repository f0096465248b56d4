"""The export line: prepare once, produce every format side by side, check the budget, publish in one step."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edgekit.devices.catalogue import get_device
from edgekit.errors import ConversionError, EdgekitError
from edgekit.formats.registry import get_format
from edgekit.pipeline.budget import budget_lines
from edgekit.pipeline.correction import Correction
from edgekit.pipeline.isolation import result_of
from edgekit.pipeline.memory import give_back
from edgekit.pipeline.predict import with_estimate
from edgekit.pipeline.prepare import Prepared, prepare
from edgekit.pipeline.produce import Produced, Widening, produce
from edgekit.pipeline.request import ExportRequest, check_support
from edgekit.pipeline.run import Run
from edgekit.recipe.load import canonical
from edgekit.report.html import render
from edgekit.report.jsonio import document
from edgekit.staging import Staging
from edgekit.types.report import ExportReport, FormatFailure
from edgekit.types.scheme import SchemeSupport
from edgekit.verify.golden import write_golden

__all__ = ["export"]


def _produce_all(run: Run, request: ExportRequest, prepared: Prepared,
                 cells: Mapping[str, SchemeSupport]) -> tuple[list[Produced], list[tuple[str, EdgekitError]]]:
    """Every format, ``request.jobs`` at a time; one that fails leaves the others standing."""
    widening = Widening(prepared, request.recipe.recipe.fidelity.max_widened_macs)
    correction = Correction(run, prepared)
    made: list[Produced] = []
    failed: list[tuple[str, EdgekitError]] = []
    pool = ThreadPoolExecutor(max_workers=request.jobs, thread_name_prefix="format")
    try:
        futures = {name: pool.submit(produce, run, request, prepared, name, cell, widening, correction)
                   for name, cell in cells.items()}
        for name, future in futures.items():
            try:
                made.append(result_of(future))
            except EdgekitError as error:
                failed.append((name, error))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return made, failed


def _nothing_made(failed: list[tuple[str, EdgekitError]]) -> EdgekitError:
    """The one failure as it is; several as one error that lists them all, each with its format's name."""
    if len(failed) == 1:
        return failed[0][1]
    problems = [type(e)(e.code, f"{name}: {e.message}", where=e.where, cause=e.cause, next=e.next, problems=e.problems)
                for name, e in failed]
    return ConversionError("formats-failed", f"none of the {len(failed)} formats could be made", problems=problems,
                           next="each format's own next step is given with it")


def _write(made: list[Produced], folder: Path) -> None:
    """Artifacts and golden vectors into the staging folder."""
    for one in made:
        shutil.copyfile(one.path, folder / one.path.name)
        write_golden(folder / "golden", one.report.artifact, one.vectors, one.report.fidelity.sqnr_db)


def _status(report_lines: list[Any], failed: list[tuple[str, EdgekitError]]) -> int:
    """Exit status: the highest-ranked of what happened (5, 4, 3, 2, 1, 0)."""
    statuses = [error.exit_status for _, error in failed]
    if any(line.met is False for line in report_lines):
        statuses.append(1)
    return max(statuses, default=0)


def _workload_facts(request: ExportRequest, prepared: Prepared) -> dict[str, Any]:
    workload = prepared.workload
    return {"name": workload.name, "source": request.workload, "hash": prepared.captured.hash,
            "parameters": sum(p.numel() for p in workload.module.parameters()),
            "inputs": [{"name": n, "shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch.")}
                       for n, t in zip(workload.input_names, workload.example, strict=True)],
            "outputs": list(workload.output_names), "labels": workload.labels,
            "preprocess": workload.preprocess,
            "metric": vars(workload.metric) | {"float": prepared.reference.metric} if workload.metric else None}


def _relative(data: Path | None, folder: Path) -> str | None:
    """Calibration data as seen from the output folder, so that both can move together."""
    return None if data is None else Path(os.path.relpath(data.resolve(), folder.resolve())).as_posix()


def export(request: ExportRequest, run: Run) -> ExportReport:
    """Runs the whole line and publishes ``request.out``.

    Returns the report; its ``exit_status`` says whether everything asked for happened. Raises EdgekitError where
    nothing could be made, and leaves ``request.out`` as it was.
    """
    cells = check_support(request)
    device = get_device(request.device_id) if request.device_id else None
    with Staging(request.out) as staging:
        for name in cells:
            get_format(name).runtime()  # a missing package is said before any work
        prepared = prepare(run, request)
        give_back()
        made, failed = _produce_all(run, request, prepared, cells)
        if not made:
            raise _nothing_made(failed)
        with run.stage("publish"):
            _write(made, staging.folder)
        with run.stage("estimate"):
            artifacts = [with_estimate(one.report, one.path, one.graph, request) for one in made]
        lines = budget_lines(request.recipe.recipe.budget, request.recipe.recipe.fidelity.min_sqnr_db, artifacts)
        report = ExportReport(
            workload=_workload_facts(request, prepared), recipe=canonical(request.resolved),
            calibration_data=_relative(request.recipe.calibration_data, request.out),
            device=device.model_dump(mode="json") if device else None, passes=prepared.passes,
            artifacts=tuple(artifacts),
            failures=tuple(FormatFailure(format=name, error=error.document()) for name, error in failed),
            stages=tuple(run.records), budget=tuple(lines),
            tools={k: v for name in cells for k, v in get_format(name).tools().items()} | run.tools(),
            warnings=tuple(prepared.workload.warnings), exit_status=_status(lines, failed))
        (staging.folder / "report.json").write_text(document(report), encoding="utf-8")
        (staging.folder / "report.html").write_text(render(report), encoding="utf-8")
        if run.log.exists():
            shutil.copyfile(run.log, staging.folder / "log.txt")
        staging.publish(workload_hash=prepared.captured.hash, recipe=report.recipe,
                        tools=dict(sorted(report.tools.items())))
    return report
