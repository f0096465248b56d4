"""``edgekit verify``: an artifact that exists against its workload, layer by layer where asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import Inputs, QuantPlan, Session, Workload
from edgekit.errors import ConversionError, EdgekitError, UsageError
from edgekit.pipeline.compression import compress
from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.noise import new_log
from edgekit.pipeline.published import Published, published
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.pipeline.run import Run
from edgekit.quantize import simulate
from edgekit.types.fidelity import Fidelity
from edgekit.types.verification import LayerError, Verification
from edgekit.verify.fidelity import Reference, float_reference, measure_fidelity
from edgekit.verify.layers import first_drop, layer_errors
from edgekit.verify.predictor import to_artifact
from edgekit.workload.calibration import Samples, calibration_count, calibration_inputs, fidelity_inputs
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload

__all__ = ["verify_artifact"]

# Where the first drop is looked for when nothing says which floor the artifact was held to.
DEFAULT_FLOOR_DB = 15.0


def _layers(samples: Samples, inputs: Sequence[Inputs], session: Session, arrays: list[np.ndarray],
            path: Path, beside: Published | None) -> tuple[tuple[LayerError, ...], str]:
    """Per-layer errors and whose they are: the artifact's own, or simulated where its runtime shows no layers."""
    program = capture(samples.workload)
    try:
        return tuple(layer_errors(program, inputs[0], session.layers(arrays))), path.name
    except EdgekitError as error:
        if error.code != "layers-unavailable" or beside is None:
            raise
    scheme = beside.scheme
    calibration = calibration_inputs(samples, beside.samples) if scheme.needs_calibration else ()
    plan = QuantPlan(scheme, beside.observer, calibration, beside.keep_float)
    simulated = simulate.layer_errors(program, plan, inputs)
    return tuple(simulated), f"{scheme.name} in simulation ({path.name}'s runtime shows none)"


def _beside(path: Path, *, needed: bool) -> Published | None:
    """What the report beside the artifact says; one that cannot be read matters only where it is ``needed``."""
    try:
        return published(path)
    except UsageError:
        if needed:
            raise
        return None


def _fidelity(workload: Workload, session: Session, floats: Reference, path: Path) -> Fidelity:
    """As :func:`measure_fidelity`; where the two do not fit, the wrong workload was given: no converter is at fault."""
    advice = "give --against the workload that the artifact was exported from"
    if len(session.inputs) != len(workload.example):
        raise UsageError(
            "artifact-inputs", f"{path.name} takes {len(session.inputs)} inputs, the workload {workload.name} has "
            f"{len(workload.example)}", where=str(path),
            cause=f"artifact: {', '.join(s.name for s in session.inputs)}; workload: {', '.join(workload.input_names)}",
            next=advice)
    try:
        return measure_fidelity(workload, session, floats)
    except ConversionError as error:
        if error.code != "output-shape":
            raise
        raise UsageError("artifact-outputs", f"{path.name} and the workload {workload.name} do not belong together",
                         where=str(path), cause=error.message, next=advice) from error


def _compressed(workload: Workload, beside: Published | None) -> float | None:
    """Compresses the module as that of the artifact was, from the cache where it can; the metric before, if it was."""
    if beside is None or not beside.passes:
        return None
    with Run.start(jobs=1) as run:
        return compress(run, workload, beside.passes)[1]


def verify_artifact(format_name: str, path: Path, workload_ref: str, *, weights: Path | None, inputs: int,
                    layers: bool, reference: str | None, floor_db: float | None) -> Verification:
    """See :func:`edgekit.api.verify`."""
    beside = _beside(path, needed=floor_db is None)
    if floor_db is None and beside is not None:
        floor_db = beside.floor_db
    workload = load_workload(workload_ref, weights)
    uncompressed = _compressed(workload, beside)
    data = beside.data if beside else None
    if data is not None and not data.exists():
        raise UsageError("calibration-missing", f"the calibration data of {path.name} is not there", where=str(data),
                         cause="the report beside the artifact names it: comparing on other inputs would tell "
                               "something else", next="put it back there, or move the artifact away from its report")
    samples = Samples(workload, data)
    # The same inputs as at export: those that it was calibrated with would flatter it.
    chosen, text = fidelity_inputs(samples, inputs, calibration_count(beside.scheme, beside.samples) if beside else 0)
    found: tuple[LayerError, ...] | None = None
    owner: str | None = None
    log = new_log()
    floats = float_reference(workload, chosen, text, uncompressed=uncompressed)
    with RemoteSession(format_name, path, log=log) as session:
        fidelity = _fidelity(workload, session, floats, path)
        arrays = [to_artifact(v.numpy(), s) for v, s in zip(chosen[0], session.inputs, strict=True)]
        if layers:
            found, owner = _layers(samples, chosen, session, arrays, path, beside)
        outputs = session.run(arrays) if reference else []
    second = None
    if reference:
        second = run_isolated("edgekit.formats.tflite.reference:compare_outputs",
                              {"path": path, "inputs": arrays, "outputs": outputs},
                              name="TensorFlow's interpreter", limits=Limits(seconds=600), log=log).value
    met = None if floor_db is None else fidelity.sqnr_db is None or fidelity.sqnr_db >= floor_db
    return Verification(
        artifact=str(path), format=format_name, fidelity=fidelity, floor_db=floor_db, met=met, layers=found,
        layers_of=owner,
        first_drop=first_drop(found, DEFAULT_FLOOR_DB if floor_db is None else floor_db) if found else None,
        reference=reference, reference_max_abs=second, warnings=tuple(workload.warnings))
