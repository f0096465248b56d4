"""How many ordinary architectures come out right: edgekit beside the tools' documented defaults, in one run.

Every network of ``coverage/zoo.py`` is trained briefly on a small real task, then exported to three formats in float32
and int8 by edgekit and by the default flows. Both are judged here, not by edgekit's own report: SQNR against the eager
PyTorch model and the task's score, item by item, on held-out test items. ``--resume FOLDER`` keeps one JSON a network
and flow, reused while what it depends on is unchanged: an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import arguments, claim, note, publish
from coverage import defaults, training, workload
from coverage.zoo import ZOO

from edgekit import api
from edgekit.contracts import QuantPlan
from edgekit.errors import EdgekitError
from edgekit.pipeline.cache_key import source_hash
from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.quantize.simulate import simulate
from edgekit.types.scheme import SCHEMES
from edgekit.verify.compare import compare
from edgekit.verify.predictor import predictor
from edgekit.workload.calibration import calibration_inputs
from edgekit.workload.capture import capture
from edgekit.workload.load import load_workload

FORMATS = ("tflite", "executorch", "onnx")
PRECISIONS = {"fp32": "fp32", "int8": "w8a8-static"}
QUICK = ("inverted_se_hardswish", "unet", "bert")
SQNR_ITEMS = 64
RECIPE = """name: coverage
formats: [tflite, executorch, onnx]
quantize:
  scheme: {scheme}
{calibration}"""


def _distance(reference: list[np.ndarray], outputs: list[np.ndarray]) -> float:
    """SQNR in dB over the first items; an exact match counts as 200 dB."""
    rows = [[r[i] for r in reference] for i in range(SQNR_ITEMS)], [[o[i] for o in outputs] for i in range(SQNR_ITEMS)]
    value = compare(*rows).sqnr_db
    return 200.0 if value is None else value


def _paired(float_right: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Drop in points with a 95 % interval from the items on which the two differ."""
    lost, won, n = int((float_right > right).sum()), int((right > float_right).sum()), len(right)
    error = 1.96 * math.sqrt(max(lost + won - (lost - won) ** 2 / n, 0.0)) / n
    drop = (lost - won) / n
    return {"drop": 100 * drop, "drop_low": 100 * (drop - error), "drop_high": 100 * (drop + error)}


class Judge:
    """Scores outputs on the test items of one network against the eager float model."""

    def __init__(self, name: str, checkpoints: Path, items: int) -> None:
        task = ZOO[name].task()
        module = training.trained(name, checkpoints)
        self.task, self.inputs = task, tuple(t[:items] for t in task.test)
        self.target = tuple(t[:items] for t in task.test_target) if isinstance(task.test_target, tuple) \
            else task.test_target[:items]
        with torch.inference_mode():
            out = module(*self.inputs)
        self.structure = isinstance(out, tuple)
        self.reference = [o.numpy() for o in (out if self.structure else [out])]
        self.float_right = self._right(self.reference)

    def _right(self, outputs: list[np.ndarray]) -> np.ndarray:
        tensors = [torch.from_numpy(np.array(o)) for o in outputs]
        return self.task.correct(tuple(tensors) if self.structure else tensors[0], self.target).numpy()

    def judge(self, outputs: list[np.ndarray]) -> dict[str, float]:
        if [o.shape for o in outputs] != [r.shape for r in self.reference]:
            outputs = [o.reshape(r.shape) for o, r in zip(outputs, self.reference, strict=True)]
        return {"sqnr_db": _distance(self.reference, outputs),
                "score_float": 100 * float(self.float_right.mean()), **_paired(self.float_right, self._right(outputs))}


def _exported(name: str, precision: str, judge: Judge, file: Path, folder: Path) -> list[dict[str, Any]]:
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
        row: dict[str, Any] = {"network": name, "family": ZOO[name].family, "flow": "edgekit", "format": fmt,
                               "precision": precision, "seconds_all_formats": seconds}
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


def _default(name: str, precision: str, judge: Judge, checkpoints: Path, folder: Path) -> list[dict[str, Any]]:
    rows = []
    for fmt in FORMATS:
        row: dict[str, Any] = {"network": name, "family": ZOO[name].family, "flow": "default", "format": fmt,
                               "precision": precision}
        try:
            outcome = run_isolated(
                "coverage.defaults:export_and_run",
                {"format_name": fmt, "name": name, "checkpoints": checkpoints, "int8": precision == "int8",
                 "out": folder / f"default-{precision}.{fmt}", "items": len(judge.inputs[0])},
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
                     calibration=calibration_inputs(loaded, data=None, samples=workload.CALIBRATION))
    run = simulate(program, plan)
    with torch.inference_mode():
        outputs = [run(tuple(t[i:i + 1] for t in judge.inputs)) for i in range(SQNR_ITEMS)]
    return _distance(judge.reference, [np.concatenate([o[k].numpy() for o in outputs])
                                       for k in range(len(judge.reference))])


def _edgekit_rows(name: str, judge: Judge, checkpoints: Path, folder: Path) -> list[dict[str, Any]]:
    file = workload.write_workload(name, folder, checkpoints)
    rows = [row for precision in PRECISIONS for row in _exported(name, precision, judge, file, folder)]
    simulated = _simulated(file, judge)
    return [row | {"simulated_db": simulated} if row["precision"] == "int8" else row for row in rows]


def _default_rows(name: str, judge: Judge, checkpoints: Path, folder: Path) -> list[dict[str, Any]]:
    return [row for precision in PRECISIONS for row in _default(name, precision, judge, checkpoints, folder)]


FLOWS = {"edgekit": _edgekit_rows, "default": _default_rows}


def _file_key(flow: str, items: int) -> str:
    """Hash of what the rows of a flow depend on, beside the network's checkpoint."""
    own = source_hash() if flow == "edgekit" else inspect.getsource(defaults)
    text = f"{flow}{items}{own}{inspect.getsource(sys.modules[__name__])}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure(name: str, flow: str, checkpoints: Path, items: int, resume: Path | None) -> list[dict[str, Any]]:
    """All rows of one network and flow."""
    kept = resume / f"{name}-{flow}-{training.key(name)}-{_file_key(flow, items)}.json" if resume else None
    if kept is not None and kept.is_file():
        found: list[dict[str, Any]] = json.loads(kept.read_text())
        return found
    note(f"{name}: {flow}")
    judge = Judge(name, checkpoints, items)
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        rows = FLOWS[flow](name, judge, checkpoints, Path(folder))
    for row in rows:
        note(f"  {row['format']:11} {row['precision']}  " + (row.get("error") or
             f"{row['sqnr_db']:.1f} dB  simulated {row.get('simulated_db', 0):.1f}  drop {row['drop']:.2f}"))
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(rows))
    return rows


def _claims(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ours = [r for r in rows if r["flow"] == "edgekit"]
    if not ours:
        return []
    fp32, int8 = ([r for r in ours if r["precision"] == p] for p in PRECISIONS)
    ran = [r for r in int8 if "error" not in r]

    def share(cells: list[dict[str, Any]], good: Any) -> float:
        return sum(1 for r in cells if "error" not in r and good(r)) / len(cells)

    return [
        claim("fp32 cells with at least 60 dB", share(fp32, lambda r: r["sqnr_db"] >= 60), "share", "==", 1.0),
        claim("int8 cells that convert, load and run", len(ran) / len(int8), "share", "==", 1.0),
        claim("int8 cells within 1 point of the float model", share(int8, lambda r: r["drop"] <= 1.0), "share", ">=",
              0.95),
        claim("largest int8 drop", max((r["drop"] for r in ran), default=None), "points", "<=", 3.0),
        claim("int8 cells at most 1 dB under simulated quantisation",
              share(int8, lambda r: r["sqnr_db"] >= r["simulated_db"] - 1.0), "share", "==", 1.0),
        claim("largest share of MACs widened", max((r["widened_macs_share"] for r in ran), default=None), "share",
              "<=", 0.10),
    ]


def _summary(rows: list[dict[str, Any]]) -> None:
    for flow in ("edgekit", "default"):
        for precision in PRECISIONS:
            for fmt in FORMATS:
                cells = [r for r in rows if (r["flow"], r["precision"], r["format"]) == (flow, precision, fmt)]
                ran = [r for r in cells if "error" not in r]
                median = statistics.median(r["sqnr_db"] for r in ran) if ran else float("nan")
                near = sum(r["drop"] <= 1 for r in ran)
                note(f"{flow:8} {precision:5} {fmt:11} ran {len(ran)}/{len(cells)}  within 1 point {near}  "
                     f"median {median:.1f} dB")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", choices=list(ZOO), help="these networks")
    parser.add_argument("--checkpoints", type=Path, default=Path(".cache/coverage"), help="trained weights")
    parser.add_argument("--resume", type=Path, help="folder of one JSON a network and flow, reused while unchanged")
    parser.add_argument("--flow", choices=list(FLOWS), help="this flow alone")
    args = parser.parse_args()
    names = args.only or (QUICK if args.quick else list(ZOO))
    items = 300 if args.quick else 600
    checkpoints = args.checkpoints.resolve()
    rows = [row for flow in ([args.flow] if args.flow else FLOWS) for name in names
            for row in measure(name, flow, checkpoints, items, args.resume)]
    _summary(rows)
    publish("coverage", _claims(rows), rows, args.out)


if __name__ == "__main__":
    main()
