"""The two flows that are compared, edgekit's export and the tools' defaults: one row a format and precision."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coverage import workload
from coverage.judge import SQNR_ITEMS, Judge, distance
from edgekit import api
from edgekit.contracts import QuantPlan
from edgekit.errors import EdgekitError
from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.quantize.simulate import simulate
from edgekit.types.scheme import SCHEMES
from edgekit.verify.predictor import predictor
from edgekit.workload.calibration import Samples, calibration_inputs
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload

FORMATS = ("tflite", "executorch", "onnx")
PRECISIONS = {"fp32": "fp32", "int8": "w8a8-static"}
RECIPE = """name: coverage
formats: [tflite, executorch, onnx]
quantize:
  scheme: {scheme}
{calibration}"""


def _exported(precision: str, judge: Judge, file: Path, folder: Path) -> list[dict[str, Any]]:
    scheme = PRECISIONS[precision]
    recipe = folder / f"{precision}.yaml"
    recipe.write_text(RECIPE.format(scheme=scheme, calibration="" if precision == "fp32" else
                                    f"  calibration: {{samples: {workload.CALIBRATION}}}\n"))
    rows = []
    began = time.monotonic()
    try:
        report = api.export(str(file), recipe, out=folder / f"out-{precision}")
        made = {a.artifact.format: a for a in report.artifacts}
        failed = {f.format: f.error["message"] for f in report.failures}
    except EdgekitError as error:
        made, failed = {}, dict.fromkeys(FORMATS, error.message)
    seconds = time.monotonic() - began
    for fmt in FORMATS:
        row: dict[str, Any] = {"format": fmt, "precision": precision, "seconds_all_formats": seconds}
        if fmt in failed:
            rows.append(row | {"error": failed[fmt]})
            continue
        artifact = made[fmt].artifact
        with RemoteSession(fmt, folder / f"out-{precision}" / artifact.path, log=folder / "log.txt") as session:
            predict = predictor(session, tuple(t[:1] for t in judge.inputs), [str(i) for i in range(len(judge.inputs))])
            out = predict(*judge.inputs)
        widened = [k for k in artifact.kept_float if k.macs]
        rows.append(row | judge.judge([o.numpy() for o in (out if isinstance(out, tuple) else [out])]) | {
            "widened_macs_share": sum(k.macs_share for k in widened),
            "kept_float": dict(Counter(k.reason for k in artifact.kept_float)),
            "widened": [f"{k.op} {k.where}: {k.reason}" for k in widened]})
    return rows


def _default(name: str, fold: int, precision: str, judge: Judge, checkpoints: Path,
             folder: Path) -> list[dict[str, Any]]:
    rows = []
    for fmt in FORMATS:
        row: dict[str, Any] = {"format": fmt, "precision": precision}
        try:
            outcome = run_isolated(
                "coverage.defaults:export_and_run",
                {"format_name": fmt, "name": name, "fold": fold, "checkpoints": checkpoints,
                 "int8": precision == "int8", "out": folder / f"default-{precision}.{fmt}",
                 "items": len(judge.inputs[0])},
                name=f"{fmt} default", limits=Limits(seconds=900, memory_bytes=12 * 10**9), log=folder / "log.txt",
                env={"OMP_NUM_THREADS": "1"})
            rows.append(row | {"seconds": outcome.seconds} | judge.judge(outcome.value))
        except EdgekitError as error:
            rows.append(row | {"error": f"{error.message} {error.cause or ''}"[:300]})
        except (ValueError, RuntimeError) as error:  # outputs that do not fit the model's
            rows.append(row | {"error": f"unusable outputs: {error}"[:300]})
    return rows


def _simulated(file: Path, judge: Judge) -> float:
    """SQNR that simulated quantisation of the same scheme reaches, nothing widened."""
    loaded = load_workload(str(file))
    program = capture(loaded)
    plan = QuantPlan(SCHEMES["w8a8-static"],
                     calibration=calibration_inputs(Samples(loaded), workload.CALIBRATION))
    run = simulate(program, plan)
    with torch.inference_mode():
        outputs = [run(tuple(t[i:i + 1] for t in judge.inputs)) for i in range(SQNR_ITEMS)]
    return distance(judge.reference, [np.concatenate([o[k].numpy() for o in outputs])
                                       for k in range(len(judge.reference))])


def edgekit(name: str, fold: int, judge: Judge, checkpoints: Path, folder: Path) -> list[dict[str, Any]]:
    """edgekit's cells: int8, and on the first fold float32 too, which needs no counting."""
    file = workload.write_workload(name, fold, folder, checkpoints)
    rows = [row for precision in (PRECISIONS if fold == 0 else ("int8",))
            for row in _exported(precision, judge, file, folder)]
    simulated = _simulated(file, judge)
    return [row | {"simulated_db": simulated} if row["precision"] == "int8" else row for row in rows]


def default(name: str, fold: int, judge: Judge, checkpoints: Path, folder: Path) -> list[dict[str, Any]]:
    """The default flows' cells."""
    return [row for precision in PRECISIONS for row in _default(name, fold, precision, judge, checkpoints, folder)]


FLOWS = {"edgekit": edgekit, "default": default}
