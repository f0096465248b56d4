"""The sample app's result, checked against what it was asked, as what a target found."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from edgekit.contracts import RunSettings, TargetRun
from edgekit.errors import ConversionError, DeviceError
from edgekit.types.app_result import APP_RESULT, AppFailure, AppOutput, AppSuccess
from edgekit.types.measurement import GoldenCheck

__all__ = ["AppRequest", "read_result", "target_run"]

_MIB = 2**20
_LARGEST = float(np.finfo(np.float64).max)
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")  # Android's PowerManager


@dataclass(frozen=True)
class AppRequest:
    """What the app was asked to run. ``file`` is the model's path among the app's assets."""

    id: str
    artifact: Path
    format: str
    file: str
    sha256: str
    package: str
    settings: RunSettings


def read_result(document: bytes, request: AppRequest) -> AppSuccess:
    """Raises ConversionError or DeviceError with the app's words where it failed.

    Raises DeviceError ``app-result`` for anything else than the whole answer to this very request.
    """
    try:
        found = APP_RESULT.validate_json(document, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _malformed(request, f"{place}: {first['msg']}" if place else first["msg"]) from error
    if found.id != request.id:
        raise _malformed(request, f"it answers {found.id}, not {request.id}")
    if isinstance(found, AppFailure):
        raise _failure(found, request)
    asked = {"file": request.file, "format": request.format, "sha256": request.sha256, "package": request.package,
             "threads": request.settings.threads, "warmup": request.settings.warmup, "runs": request.settings.repeats}
    told = {**found.model.model_dump(), "package": found.app.package, "threads": found.threads,
            "warmup": found.warmup, "runs": found.runs}
    if others := [f"{key} {told[key]}, not {asked[key]}" for key in asked if told[key] != asked[key]]:
        raise _malformed(request, f"it is of {'; '.join(others)}")
    return found


def target_run(found: AppSuccess, request: AppRequest, *, emulated: bool) -> TargetRun:
    """``emulated``: the target is known to be, whatever the app says; then there are no milliseconds and no memory."""
    emulated = emulated or found.device.emulated
    device, thermal = found.device, found.device.thermal_status
    facts = {"app": f"{found.app.package} {found.app.version}", "model": f"{device.manufacturer} {device.model}",
             "android": f"API level {device.sdk}", "golden_vectors": _golden(found)}
    if device.soc:
        facts["soc"] = device.soc
    if thermal is not None:
        facts["thermal_status"] = _THERMAL[thermal] if 0 <= thermal < len(_THERMAL) else str(thermal)
    if emulated:
        facts["emulated"] = "this target is itself emulated: its clock and memory say nothing of a device"
    else:
        facts["load_time"] = f"{found.load_ns / 1e6:.3g} ms [measured]"
        if found.peak_rss_bytes is not None:  # no one knows the model's own share of it
            facts["process_memory"] = (f"{found.peak_rss_bytes / _MIB:.1f} MiB at the peak [measured], of the app's "
                                       "whole process: Android's and the runtime's own too")
    return TargetRun(
        outputs=tuple(_array(output, request) for output in found.outputs),
        runtime=f"{found.runtime}, in the sample app", memory=None,
        times_ms=() if emulated else tuple(ns / 1e6 for ns in found.times_ns),
        golden=tuple(GoldenCheck(max_abs=_LARGEST if g.max_abs is None else g.max_abs, tolerance=g.tolerance,
                                 agrees=g.passed) for g in found.golden),
        facts=facts)


def _golden(found: AppSuccess) -> str:
    passed = sum(vector.passed for vector in found.golden)
    errors = [vector.max_abs for vector in found.golden if vector.max_abs is not None]
    worst = f"{max(errors):.3g}" if len(errors) == len(found.golden) else "not finite"
    return (f"{'pass' if passed == len(found.golden) else 'fail'}: {passed} of {len(found.golden)} within tolerance, "
            f"the largest error {worst}")


def _array(output: AppOutput, request: AppRequest) -> np.ndarray:
    dtype = np.dtype(output.dtype)
    try:
        values = np.frombuffer(base64.b64decode(output.base64, validate=True), dtype.newbyteorder("<"))
        return values.reshape(output.shape).astype(dtype)
    except ValueError as error:
        raise _malformed(request, f"outputs: {error}") from error


def _failure(found: AppFailure, request: AppRequest) -> DeviceError | ConversionError:
    code, said, name = found.error.code, found.error.message, request.artifact.name
    folder = request.artifact.parent
    if code == "model-changed":
        return DeviceError("app-model-changed", f"the app's model is not {name}", where=str(request.artifact),
                           cause=said, next=f"edgekit bundle {folder} --app PATH, then install the app again")
    if code == "load":
        return ConversionError("artifact-does-not-load", f"the app's runtime does not load {name}", cause=said,
                               where=str(request.artifact),
                               next="check that the file was exported for the version that the app pins")
    if code == "run":
        return ConversionError("artifact-does-not-run", f"the app's runtime could not run {name}", cause=said,
                               where=str(request.artifact), next=f"edgekit measure {name} --on emulated:DEVICE tells "
                                                                 "whether the file is at fault")
    step = f"edgekit bundle {folder} --app PATH with this release of edgekit, then install the app again"
    if code == "request":
        return DeviceError("app-failed", "the app does not take the request", where=str(request.artifact), cause=said,
                           next=f"ask for other --warmup, --repeats or --threads, or {step}")
    return DeviceError("app-failed", "the app's own bundle is broken", where=str(request.artifact), cause=said,
                       next=step)


def _malformed(request: AppRequest, cause: str) -> DeviceError:
    return DeviceError("app-result", f"the result of {request.package} cannot be used", where=str(request.artifact),
                       cause=cause, next="build the app from this release of edgekit, install it, and run it again")
