"""One format: export in a child process, load, compare, prove, and widen until the fidelity floor is met."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import torch

from edgekit.contracts import FloatRule, QuantPlan, Session
from edgekit.errors import ConversionError, UsageError
from edgekit.formats.registry import get_format
from edgekit.pipeline.budget import compression_drop, metric_drop
from edgekit.pipeline.correction import Correction
from edgekit.pipeline.isolation import run_isolated
from edgekit.pipeline.prepare import Prepared
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.pipeline.replay import Recorder, Replay
from edgekit.pipeline.request import ExportRequest
from edgekit.pipeline.run import Run
from edgekit.pipeline.tasks import EXPORT, export_kwargs
from edgekit.quantize.simulate import simulate
from edgekit.quantize.widen import choose
from edgekit.types.artifact import Artifact
from edgekit.types.fidelity import Fidelity
from edgekit.types.graph import OpGraph
from edgekit.types.report import ArtifactReport
from edgekit.types.scheme import SchemeSupport
from edgekit.verify.compare import compare
from edgekit.verify.fidelity import measure_fidelity
from edgekit.verify.golden import Vector, record_golden
from edgekit.verify.proof import prove

__all__ = ["Produced", "Widening", "produce"]

# Each retry asks the simulation for more than the last one, because runtimes differ from it by a dB or two.
WIDEN_STEPS_DB = (1.0, 4.0, 8.0)


@dataclass(frozen=True)
class Produced:
    """A verified artifact: its file in the cache, the report's entry, and its golden vectors."""

    path: Path
    report: ArtifactReport
    vectors: tuple[Vector, ...]
    graph: OpGraph


class Widening:
    """Which operators to keep float to gain some dB, asked of the simulation once for all formats."""

    def __init__(self, prepared: Prepared, max_share: float) -> None:
        self._prepared, self._max_share = prepared, max_share
        self._known: dict[float, tuple[FloatRule, ...]] = {}
        self._lock = threading.Lock()

    @cached_property
    def _simulated_db(self) -> float:
        """What the plan reaches in simulation, nothing widened."""
        p = self._prepared
        run = simulate(p.captured.program, p.plan)
        outputs = [[o.numpy() for o in run(one)] for one in p.reference.inputs]
        found = compare(p.reference.outputs, outputs).sqnr_db
        return float("inf") if found is None else found

    def rules(self, missing_db: float) -> tuple[FloatRule, ...]:
        """The fewest rules that gain ``missing_db`` in simulation, within the share of MACs.

        A gain, not a floor: an artifact may lie some dB off its simulation.
        """
        with self._lock:
            if missing_db not in self._known:
                p = self._prepared
                self._known[missing_db] = choose(p.captured.program, p.plan, p.reference.inputs,
                                                 self._simulated_db + missing_db, max_share=self._max_share)
            return self._known[missing_db]


def _export(run: Run, request: ExportRequest, prepared: Prepared, name: str, plan: QuantPlan,
            biases: Callable[[QuantPlan], Mapping[str, torch.Tensor]], stage_name: str
            ) -> tuple[Path, Artifact, OpGraph]:
    fmt = get_format(name)
    key = run.cache_key(
        f"export:{name}", {"program": prepared.captured.hash, "calibration": prepared.calibration_hash or ""},
        {"scheme": plan.scheme.model_dump(), "observer": plan.observer, "io": vars(plan.io),
         "keep_float": [vars(r) for r in plan.keep_float], "options": dict(plan.options)}, dict(fmt.tools()))

    with run.stage(stage_name) as stage:
        def make(folder: Path) -> None:
            corrected = replace(plan, biases=biases(plan))
            outcome = run_isolated(
                EXPORT, export_kwargs(name, prepared.captured.folder, corrected, prepared.calibration_file,
                                      folder / f"model{fmt.suffix}", run.work / "scratch" / name),
                name=f"{name} export", limits=request.limits, log=run.log,
                child=run.converters.take(name, request.limits))
            stage.peak(outcome.peak_rss_bytes)
            artifact, graph = outcome.value
            (folder / "artifact.json").write_text(artifact.model_dump_json(), encoding="utf-8")
            (folder / "graph.json").write_text(graph.model_dump_json(), encoding="utf-8")

        folder = stage.cached(key, make)
    path = folder / f"model{fmt.suffix}"
    return (path, Artifact.model_validate_json((folder / "artifact.json").read_text(encoding="utf-8")),
            OpGraph.model_validate_json((folder / "graph.json").read_text(encoding="utf-8")))


def _verify(run: Run, prepared: Prepared, name: str, path: Path, artifact: Artifact
            ) -> tuple[Fidelity, tuple[Vector, ...]]:
    """Distances, metric and golden vectors, from the runtime's answers of now or of an earlier run of this file."""
    found: list[tuple[Fidelity, tuple[Vector, ...]]] = []

    def measure(session: Session) -> None:
        fidelity = measure_fidelity(prepared.workload, session, prepared.reference, lock=run.user_code)
        found.append((fidelity, record_golden(session, prepared.reference)))

    with run.stage(f"verify:{name}") as stage:
        def make(folder: Path) -> None:
            with _loaded(run, name, path) as session:
                recorder = Recorder(session)
                measure(recorder)
                recorder.save(folder)
                stage.peak(session.peak_rss_bytes)

        key = run.cache_key(f"verify:{name}", {"artifact": artifact.sha256}, artifact.runtime,
                            dict(get_format(name).tools()))
        folder = stage.cached(key, make)
        if not found:
            with Replay(folder, lambda: _loaded(run, name, path)) as session:
                measure(session)
    return found[0]


def _loaded(run: Run, name: str, path: Path) -> RemoteSession:
    """The artifact in its runtime. One that its own runtime refuses is a failed conversion, not a user's mistake."""
    try:
        return RemoteSession(name, path, log=run.log)
    except UsageError as error:
        raise ConversionError("artifact-does-not-load", f"{name}: the artifact was made but does not load",
                              cause=f"{error.message}: {error.cause}", next=error.next) from error


def _low(request: ExportRequest, fidelity: Fidelity) -> bool:
    recipe = request.recipe.recipe
    if fidelity.sqnr_db is not None and fidelity.sqnr_db < recipe.fidelity.min_sqnr_db:
        return True
    return _missed(recipe.budget.metric_drop, fidelity)


def _missed(limit: float | None, fidelity: Fidelity) -> bool:
    """Whether quantisation misses the metric's budget: wider operators do not bring back what compression lost."""
    drop, lost = metric_drop(fidelity), compression_drop(fidelity)
    if drop is None or limit is None or (lost is not None and lost > limit + 1e-9):
        return False
    return drop > limit + 1e-9


def _options(request: ExportRequest, name: str) -> dict[str, object]:
    overrides = getattr(request.recipe.recipe.overrides, name, None)
    return overrides.model_dump(mode="json") if overrides is not None else {}


def produce(run: Run, request: ExportRequest, prepared: Prepared, name: str, cell: SchemeSupport,
            widening: Widening, correction: Correction) -> Produced:
    """Makes and proves one artifact. Raises ConversionError where it is not what was asked.

    An artifact under the floor is returned all the same: the budget lines say so.
    """
    plan = replace(prepared.plan, options=_options(request, name))
    biases = partial(correction.biases, cell=cell)
    path, artifact, graph = _export(run, request, prepared, name, plan, biases, f"export:{name}")
    fidelity, vectors = _verify(run, prepared, name, path, artifact)
    widen = request.recipe.recipe.fidelity.widen == "auto" and request.scheme.quantized
    floor = request.recipe.recipe.fidelity.min_sqnr_db
    notes: list[str] = []
    first_floor_gap = 0.0 if fidelity.sqnr_db is None else floor - fidelity.sqnr_db
    for step in WIDEN_STEPS_DB if widen else ():
        if not _low(request, fidelity):
            break
        # Nothing is missing where only the metric's budget is: then each step asks for more than there is.
        missing = max(first_floor_gap, 0.0) + step
        rules = widening.rules(round(missing, 1))
        if not rules or set(rules) <= set(plan.keep_float):
            continue
        wider = replace(plan, keep_float=(*prepared.plan.keep_float, *rules))
        try:
            attempt = _export(run, request, prepared, name, wider, biases, f"widen:{name}")
            again = _verify(run, prepared, name, *attempt[:2])
        except ConversionError as error:  # the artifact at hand stands
            notes.append(f"keeping more operators float failed: {error.message}")
            continue
        if _rank(request, again[0]) > _rank(request, fidelity):
            (path, artifact, graph), (fidelity, vectors), plan = attempt, again, wider
    problems = prove(graph, artifact, plan, cell)
    if problems:
        raise ConversionError(
            "not-as-asked", f"{name}: {len(problems)} weights or operators are not {request.scheme.name}",
            where=str(prepared.workload.source), cause="; ".join(problems[:5]),
            next="name the layers under quantize.keep_float if they should stay float, or report the model")
    described = artifact.model_copy(update={"path": path.name, "notes": (*artifact.notes, *notes)})
    float_rules = tuple(vars(rule) for rule in plan.keep_float)
    return Produced(path, ArtifactReport(artifact=described, fidelity=fidelity, float_rules=float_rules), vectors,
                    graph)


def _rank(request: ExportRequest, fidelity: Fidelity) -> tuple[bool, float, float]:
    """What attempts are compared by: nothing missed, then the metric while its budget is missed, then SQNR."""
    low = _low(request, fidelity)
    drop = metric_drop(fidelity) if _missed(request.recipe.recipe.budget.metric_drop, fidelity) else None
    return not low, -(drop or 0.0), math.inf if fidelity.sqnr_db is None else fidelity.sqnr_db

