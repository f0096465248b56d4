"""From the user's workload to the program, plan and float reference that every format starts from."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.contracts import FloatRule, Inputs, IoSpec, Program, QuantPlan, Workload
from edgekit.pipeline.compression import compress
from edgekit.pipeline.request import ExportRequest
from edgekit.pipeline.run import Run
from edgekit.pipeline.tasks import save_calibration
from edgekit.quantize.policy import default_rules
from edgekit.quantize.rules import resolve_keep_float
from edgekit.recipe.schema import Quantize
from edgekit.types.report import PassReport
from edgekit.types.scheme import SCHEMES
from edgekit.verify.fidelity import Reference, float_outputs, float_reference
from edgekit.workload.calibration import Samples, calibration_count, calibration_inputs, fidelity_inputs
from edgekit.workload.capture import capture
from edgekit.workload.hashing import calibration_hash, program_hash
from edgekit.workload.identity import identity
from edgekit.workload.load import load_workload
from edgekit.workload.program_io import load_program, save_program

__all__ = ["Prepared", "prepare"]


@dataclass
class Captured:
    """The program on disk, as child processes read it; ``program`` reads it here when somebody asks."""

    folder: Path
    hash: str
    _program: Program | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def program(self) -> Program:
        with self._lock:  # formats are converted side by side; reading it takes a second
            if self._program is None:
                self._program = load_program(self.folder)
            return self._program


@dataclass
class Prepared:
    """What the formats share. ``calibration_file`` holds the plan's inputs on disk, for child processes."""

    workload: Workload
    captured: Captured
    plan: QuantPlan
    calibration_file: Path | None
    calibration_hash: str | None
    reference: Reference
    passes: tuple[PassReport, ...]


def _capture(run: Run, request: ExportRequest, workload: Workload) -> Captured:
    """The captured program; from the cache where the workload is the same, else with the converters started ahead."""
    facts = identity(workload)
    made: list[Program] = []

    def make(folder: Path) -> None:
        run.converters.start_ahead(request.format_names[:run.jobs], request.limits)
        known = len(workload.warnings)
        made.append(program := capture(workload))
        save_program(program, folder)
        notes = {"hash": program_hash(program), "warnings": workload.warnings[known:]}
        (folder / "capture.json").write_text(json.dumps(notes), encoding="utf-8")
        del workload.warnings[known:]

    with run.stage("capture") as stage:
        folder = stage.cached(None if facts is None else run.cache_key("capture", facts, None), make)
        notes = json.loads((folder / "capture.json").read_text(encoding="utf-8"))
        workload.warnings += notes["warnings"]
    return Captured(folder, notes["hash"], made[0] if made else None)


def _rules(run: Run, captured: Captured, quantize: Quantize) -> tuple[FloatRule, ...]:
    """What stays float from the start: by the scheme's own rules and by the recipe."""
    key = run.cache_key("plan", {"program": captured.hash}, [quantize.scheme, quantize.keep_float])

    def make(folder: Path) -> None:
        program = captured.program
        rules = (*default_rules(program, SCHEMES[quantize.scheme]), *resolve_keep_float(quantize.keep_float, program))
        (folder / "rules.json").write_text(json.dumps([vars(r) for r in rules]), encoding="utf-8")

    with run.stage("plan") as stage:
        text = (stage.cached(key, make) / "rules.json").read_text(encoding="utf-8")
    return tuple(FloatRule(**r) for r in json.loads(text))


def _calibrate(run: Run, request: ExportRequest, samples: Samples) -> tuple[Inputs, ...]:
    """Inputs for ranges, or only to correct biases with where the scheme needs no ranges and there are some."""
    scheme = request.scheme
    count = calibration_count(scheme, request.recipe.recipe.quantize.calibration.samples)
    if not count or not (scheme.needs_calibration or samples.workload.calibration or samples.data):
        return ()
    with run.stage("calibrate"):
        return calibration_inputs(samples, count, fewer=not scheme.needs_calibration)


def _reference(run: Run, request: ExportRequest, samples: Samples, captured: Captured, skip: int,
               uncompressed: float | None) -> Reference:
    """The float model's side. Its outputs come from the cache; its metric is the user's code, and runs each time."""

    workload = samples.workload

    def make(folder: Path) -> None:
        for index, outputs in enumerate(float_outputs(workload, inputs, source)):
            np.savez(folder / f"{index}.npz", *outputs)

    with run.stage("reference") as stage:
        inputs, source = fidelity_inputs(samples, request.recipe.recipe.fidelity.min_inputs, skip)
        folder = stage.cached(run.cache_key("reference", {"program": captured.hash, "inputs": calibration_hash(inputs)},
                                            None), make)
        known = []
        for index in range(len(inputs)):
            with np.load(folder / f"{index}.npz", allow_pickle=False) as stored:
                known.append(tuple(stored[name] for name in stored.files))
        return float_reference(workload, inputs, source, tuple(known), uncompressed)


def prepare(run: Run, request: ExportRequest) -> Prepared:
    """Loads, compresses, captures, calibrates and runs the float reference. Raises the rooms' own errors."""
    recipe = request.recipe.recipe
    with run.stage("load"):
        workload = load_workload(request.workload, request.weights)
    passes, uncompressed = compress(run, workload, [(p.name, dict(p.settings)) for p in recipe.compress])
    samples = Samples(workload, request.recipe.calibration_data)
    calibration = _calibrate(run, request, samples)
    captured = _capture(run, request, workload)
    plan = QuantPlan(
        scheme=request.scheme, observer=recipe.quantize.observer, calibration=calibration,
        keep_float=_rules(run, captured, recipe.quantize), io=IoSpec(recipe.io.dtype, recipe.io.layout))
    reference = _reference(run, request, samples, captured, len(calibration), uncompressed)
    saved = save_calibration(calibration, run.work / "calibration.pt") if calibration else None
    return Prepared(workload, captured, plan, saved, calibration_hash(calibration) if calibration else None,
                    reference, passes)
