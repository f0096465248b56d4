"""``edgekit measure``: one artifact on one target, its outputs compared with this machine's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgekit.contracts import RunSettings, TargetRun
from edgekit.disk import sha256_of
from edgekit.errors import ConversionError, UsageError
from edgekit.measure.adb_app import AdbAppTarget
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.isolation import Limits, run_isolated
from edgekit.pipeline.noise import new_log
from edgekit.pipeline.published import published
from edgekit.pipeline.remote_session import RemoteSession
from edgekit.plugins import TARGETS
from edgekit.types.golden import GoldenIndex, InputFile
from edgekit.types.latency import Latency
from edgekit.types.measurement import Agreement, Fit, GoldenCheck, Measurement, OldestRuntime, OperatorTime
from edgekit.types.tensor import TensorSpec
from edgekit.verify.golden import tolerance

__all__ = ["measure_artifact"]

_SEED = 0
_GOLDEN = "the first golden vector"
_TEN, _NINETY = 10, 90
_NARROW = {"int4", "uint4", "int8", "uint8", "float16"}
_LARGEST = np.finfo(np.float64).max


def measure_artifact(format_name: str, artifact: Path, on: str, settings: RunSettings, *,
                     oldest: bool = False, app: bool = False) -> Measurement:
    """See :func:`edgekit.api.measure`."""
    name, _, address = on.partition(":")
    target = AdbAppTarget() if app else TARGETS.get(name)
    golden = _golden_inputs(artifact, format_name)
    if app and golden is None:
        raise UsageError("golden-missing", "--app answers golden vectors, and there are none of this file beside it",
                         where=str(artifact), next="measure the artifact in the folder that `edgekit export` wrote")
    if not target.in_process:
        target.prepare(address, format_name)
    log = new_log()
    with RemoteSession(format_name, artifact, log=log, seconds=settings.seconds) as session:
        inputs, whence = golden or _made_up(session.inputs), _GOLDEN if golden else f"made up, seed {_SEED}"
        expected = session.run(inputs)
        specs = session.outputs
    if target.in_process:
        found = run_isolated("edgekit.pipeline.measure:run_here", {
            "name": name, "address": address, "format_name": format_name, "artifact": artifact, "inputs": inputs,
            "settings": settings}, name=f"measuring on {name}", limits=Limits(seconds=settings.seconds), log=log).value
    else:
        found = target.run(artifact, inputs, settings)
    quantized = _quantized(format_name, artifact)
    agreement = _with_golden(_agreement(expected, found.outputs, specs, quantized=quantized), found.golden)
    old = None
    if oldest:
        old = _oldest(artifact, inputs, settings.seconds, lambda outputs: _agreement(expected, outputs, specs,
                                                                                     quantized=quantized))
    fit = None
    if found.budget_mb is not None and found.memory is not None:
        budget = found.budget_mb * 2**20
        fit = Fit(needs_bytes=found.memory.peak_bytes, budget_bytes=budget, fits=found.memory.peak_bytes <= budget)
    return Measurement(
        artifact=str(artifact), sha256=sha256_of(artifact), format=format_name, target=on, device=found.device,
        core=found.core, processor="cpu", threads=settings.threads, runtime=found.runtime, inputs=whence,
        agreement=agreement, latency=_latency(found, on, settings.threads), counts=found.counts, memory=found.memory,
        fit=fit, operators=tuple(OperatorTime(name=n, ms=ms) for n, ms in found.operators), oldest_runtime=old,
        facts=dict(found.facts))


def _oldest(artifact: Path, inputs: Sequence[np.ndarray], seconds: float,
            compare: Callable[[Sequence[np.ndarray]], Agreement]) -> OldestRuntime:
    """What the oldest runtime makes of the file: a refusal or a crash is an answer, not an error."""
    from edgekit.measure.emulated.oldest import OLDEST, check_oldest
    try:
        run = check_oldest(artifact, inputs, seconds=seconds)
    except ConversionError as error:
        if error.code != "runtime-crashed":
            raise
        return OldestRuntime(runtime=OLDEST, runs=False, reason=f"it crashes: {error.cause}")
    if run.outputs is None:
        return OldestRuntime(runtime=run.runtime, runs=False, reason=run.refusal)
    return OldestRuntime(runtime=run.runtime, runs=True, agreement=compare(run.outputs))


def run_here(name: str, address: str, format_name: str, artifact: Path, inputs: Sequence[np.ndarray],
             settings: RunSettings) -> TargetRun:
    """Runs in the child: a target that loads a native runtime into its own process."""
    target = TARGETS.get(name)
    target.prepare(address, format_name)
    run: TargetRun = target.run(artifact, inputs, settings)
    return run


def _golden_inputs(artifact: Path, format_name: str) -> list[np.ndarray] | None:
    """The first golden input beside the artifact, where it is this very file's."""
    golden, manifest = artifact.parent / "golden" / "golden.json", artifact.parent / "manifest.json"
    if golden.is_file() and manifest.is_file():
        try:
            files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
            if files.get(artifact.name, {}).get("sha256") == sha256_of(artifact):
                vectors = GoldenIndex.model_validate_json(golden.read_bytes()).formats[format_name].vectors
                return [_read(golden.parent, tensor) for tensor in vectors[0].inputs]
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UsageError("golden-malformed", f"{golden} is not what edgekit wrote", cause=repr(error),
                             next="export the model again, or move the artifact away from its folder") from error
    return None


def _made_up(specs: Sequence[TensorSpec]) -> list[np.ndarray]:
    random = np.random.default_rng(_SEED)
    return [_made(spec, random) for spec in specs]


def _read(folder: Path, tensor: InputFile) -> np.ndarray:
    dtype = np.dtype(tensor.dtype)
    return np.fromfile(folder / tensor.file, dtype.newbyteorder("<")).astype(dtype).reshape(tensor.shape)


def _made(spec: TensorSpec, random: np.random.Generator) -> np.ndarray:
    shape = [d if isinstance(d, int) else 1 for d in spec.shape]
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return random.standard_normal(shape).astype(dtype)
    if dtype.kind == "b" or spec.quant is None:
        return random.integers(0, 2, shape).astype(dtype)  # an index that every table has
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def _quantized(format_name: str, artifact: Path) -> bool:
    """Whether outputs move in steps of a grid: by the report beside the artifact, else by the file's own weights."""
    beside = published(artifact)
    if beside is not None:
        return beside.scheme.name != "fp32"
    return bool(_NARROW & set(read_graph(format_name, artifact).weight_bytes_by_dtype()))


def _agreement(expected: Sequence[np.ndarray], found: Sequence[np.ndarray], specs: Sequence[TensorSpec], *,
               quantized: bool) -> Agreement:
    if [(v.shape, v.dtype) for v in expected] != [(v.shape, v.dtype) for v in found]:
        raise ConversionError("output-shape", "the target's outputs are not this machine's",
                              cause=f"here {_shapes(expected)}, there {_shapes(found)}",
                              next="check that both run the same version of the runtime")
    apart = [(_apart(here, there), tolerance(here, spec, quantized))
             for here, there, spec in zip(expected, found, specs, strict=True)]
    max_abs, allowed = max(apart, key=lambda pair: pair[0] - pair[1])
    same = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(expected, found, strict=True))
    return Agreement(identical=same, max_abs=max_abs, tolerance=allowed, agrees=same or max_abs <= allowed)


def _with_golden(agreement: Agreement, golden: Sequence[GoldenCheck]) -> Agreement:
    """Who fails a golden vector does not agree, however alike the outputs for the first one are."""
    failed = [check for check in golden if not check.agrees]
    if not failed:
        return agreement
    worst = max(failed, key=lambda check: check.max_abs - check.tolerance)
    return Agreement(identical=False, max_abs=worst.max_abs, tolerance=worst.tolerance, agrees=False)


def _apart(here: np.ndarray, there: np.ndarray) -> float:
    """The largest absolute difference; where only one is finite, the largest float, because JSON has no infinity."""
    a, b = here.astype(np.float64), there.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(b - a))
    return float(np.nan_to_num(difference, nan=_LARGEST, posinf=_LARGEST).max(initial=0.0))


def _shapes(values: Sequence[np.ndarray]) -> str:
    return ", ".join(f"{v.dtype}{list(v.shape)}" for v in values)


def _latency(found: TargetRun, on: str, threads: int) -> Latency | None:
    if not found.times_ms:
        return None
    low, mid, high = np.percentile(found.times_ms, [_TEN, 50, _NINETY])
    return Latency(kind="measured", tier=None, ms=float(mid), low_ms=float(low), high_ms=float(high),
                   device=found.device or on, processor="cpu", threads=threads, runtime=found.runtime)
