"""From the user's workload to the program, plan and float reference that every format starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.compress.registry import get_pass
from edgekit.compress.state import restore_state, save_state
from edgekit.contracts import Inputs, IoSpec, Program, QuantPlan, Workload
from edgekit.pipeline.request import ExportRequest
from edgekit.pipeline.run import Run
from edgekit.pipeline.tasks import save_calibration
from edgekit.quantize.policy import default_rules
from edgekit.quantize.rules import resolve_keep_float
from edgekit.types.report import PassReport
from edgekit.verify.fidelity import Reference, float_reference
from edgekit.workload.calibration import calibration_inputs, fidelity_inputs
from edgekit.workload.capture import capture
from edgekit.workload.hashing import calibration_hash, module_hash, program_hash
from edgekit.workload.load import load_workload
from edgekit.workload.program_io import save_program

__all__ = ["Prepared", "prepare"]


@dataclass
class Prepared:
    """What the formats share. ``program_folder`` and ``calibration_file`` are the same on disk, for child processes."""

    workload: Workload
    program: Program
    program_folder: Path
    program_hash: str
    plan: QuantPlan
    calibration_file: Path | None
    calibration_hash: str | None
    reference: Reference
    passes: tuple[PassReport, ...]


def _compress(run: Run, workload: Workload, name: str, settings: dict[str, Any]) -> PassReport:
    """Runs one pass, or takes its result from the cache; ``workload.module`` becomes the compressed module."""
    compress_pass = get_pass(name)
    parsed = compress_pass.settings(**settings)
    compress_pass.requires(workload, parsed)
    key = run.cache_key(f"compress:{name}", {"module": module_hash(workload.module, workload.example)},
                        parsed.model_dump(mode="json"))

    def make(folder: Path) -> None:
        result = compress_pass.run(workload, parsed)
        compress_pass.ensures(workload.module, result, parsed)
        save_state(result.module, folder / "module.safetensors", dict(result.changed))

    with run.stage(f"compress:{name}") as stage:
        folder = stage.cached(key, make)
        workload.module, changed = restore_state(workload.module, folder / "module.safetensors")
    return PassReport(name=name, settings=parsed.model_dump(mode="json"), changed=changed)


def _calibrate(run: Run, request: ExportRequest, workload: Workload) -> tuple[Inputs, ...]:
    settings = request.recipe.recipe.quantize.calibration
    if not request.scheme.needs_calibration:
        return ()
    with run.stage("calibrate"):
        return calibration_inputs(workload, data=request.recipe.calibration_data, samples=settings.samples)


def prepare(run: Run, request: ExportRequest) -> Prepared:
    """Loads, compresses, captures, calibrates and runs the float reference. Raises the rooms' own errors."""
    recipe = request.recipe.recipe
    with run.stage("load"):
        workload = load_workload(request.workload, request.weights)
    passes = tuple(_compress(run, workload, p.name, dict(p.settings)) for p in recipe.compress)
    calibration = _calibrate(run, request, workload)
    with run.stage("capture"):
        program = capture(workload)
        folder = run.work / "program"
        save_program(program, folder)
        digest = program_hash(program)
    plan = QuantPlan(
        scheme=request.scheme, observer=recipe.quantize.observer, calibration=calibration,
        keep_float=(*default_rules(program, request.scheme),
                    *resolve_keep_float(recipe.quantize.keep_float, program)),
        io=IoSpec(recipe.io.dtype, recipe.io.layout))
    with run.stage("reference"):
        inputs, source = fidelity_inputs(workload, recipe.fidelity.min_inputs, len(calibration),
                                         request.recipe.calibration_data)
        reference = float_reference(workload, inputs, source)
    saved = save_calibration(calibration, run.work / "calibration.pt") if calibration else None
    return Prepared(workload, program, folder, digest, plan, saved,
                    calibration_hash(calibration) if calibration else None, reference, passes)
