"""``edgekit devices calibrate``: a device's own costs, from models that were measured on it."""

from __future__ import annotations

import math
import os
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from edgekit.contracts import RunSettings
from edgekit.devices.catalogue import find_device, get_device, list_devices
from edgekit.devices.profile import Device
from edgekit.disk import disk_errors
from edgekit.errors import ConversionError, DeviceError, EnvironmentProblem, RecipeError, UsageError
from edgekit.estimate.calibration import FEWEST, Calibrated, Sample, calibrate
from edgekit.estimate.counted import counted_work
from edgekit.estimate.measurements import MILLISECONDS, load_measurements
from edgekit.estimate.timing import CoreTiming
from edgekit.estimate.timings import calibration_beside, get_timing, load_timing
from edgekit.formats.registry import artifact_format
from edgekit.pipeline.estimate import count_artifact, usable_device
from edgekit.pipeline.inspect import read_graph
from edgekit.pipeline.measure import measure_artifact
from edgekit.pipeline.progress import Progress
from edgekit.types.calibration import CalibratedModel, Calibration

__all__ = ["MeasuredModel", "calibrate_device", "measured_on", "measured_rows"]

_HEAD = "# Written by edgekit devices calibrate.\n"
_ARM = ("aarch64", "arm64")


@dataclass(frozen=True)
class MeasuredModel:
    """An artifact with its measured milliseconds. ``where`` names the row that says so."""

    artifact: Path
    threads: int
    ms: float
    runtime: str
    source: str
    where: str


def measured_rows(file: Path, device: str) -> list[MeasuredModel]:
    """What a file of measurements says. Raises RecipeError."""
    first, *others = get_device(device).clusters
    found, places = load_measurements(file, sum(c.count for c in (first, *others) if c.core == first.core))
    _enough(len(found.rows), str(file), "rows")
    return [MeasuredModel(file.parent / row.artifact, row.threads or found.threads,
                          row.latency * MILLISECONDS[found.unit], found.runtime, found.source, where)
            for row, where in zip(found.rows, places, strict=True)]


def measured_on(target: str, artifacts: Sequence[Path], device: str, threads: int, repeats: int, seconds: float,
                progress: Progress) -> list[MeasuredModel]:
    """Runs the artifacts on the target. Raises DeviceError for one whose clock says nothing of a device."""
    kind = target.partition(":")[0]
    if kind == "emulated":
        raise _no_clock(target, "an emulated device counts instructions and gives no milliseconds")
    if kind == "host" and platform.machine() not in _ARM:
        raise DeviceError("target-machine", f"this machine is no {device}", where=target,
                          cause=f"it is {platform.machine()}, no 64-bit Arm system",
                          next="measure on the device itself: --on ssh:HOST or --on adb")
    formats = [artifact_format(artifact) for artifact in artifacts]
    for name in formats:
        usable_device(device, name, threads)
    _enough(len({artifact.resolve() for artifact in artifacts}), target, "ARTIFACT")
    rows = []
    for artifact, name in zip(artifacts, formats, strict=True):
        began = time.monotonic()
        progress.started(f"measuring {artifact.name}")
        found = measure_artifact(name, artifact, target, RunSettings(repeats=repeats, threads=threads, seconds=seconds))
        progress.ended(f"measuring {artifact.name}", time.monotonic() - began)
        if found.latency is None:
            raise _no_clock(target, found.facts.get("emulated", "the target gives no milliseconds"))
        facts = "; ".join(f"{key} {text}" for key, text in found.facts.items())
        rows.append(MeasuredModel(artifact, threads, found.latency.ms, found.runtime,
                                  f"edgekit on {kind}, medians of {repeats}; {facts}", str(artifact)))
    return rows


def calibrate_device(name: str, rows: Sequence[MeasuredModel], out: Path | None, seconds: float,
                     progress: Progress) -> Calibration:
    """See :func:`edgekit.api.calibrate`."""
    device = get_device(name)
    timing = get_timing(device.clusters[0].core)
    place = out or _place(name, device)
    _check_replaceable(place)
    formats = {row.artifact: artifact_format(row.artifact) for row in rows}
    ghz = [usable_device(name, formats[row.artifact], row.threads)[1].max_ghz for row in rows]
    works, unusable = {}, {}
    for artifact, format_name in formats.items():
        began, stage = time.monotonic(), f"counting {artifact.name}"
        progress.started(stage)
        try:
            counts = count_artifact(format_name, artifact, name, seconds).counts
            assert counts is not None  # an emulated device always counts
            works[artifact] = counted_work(counts, read_graph(format_name, artifact))
        except ConversionError as error:
            unusable[str(artifact)] = f"{error.message}: {error.cause}" if error.cause else error.message
            progress.message(f"{artifact.name} is left out: {error.message}")
        progress.ended(stage, time.monotonic() - began, failed=artifact not in works)
    clocks = [clock for row, clock in zip(rows, ghz, strict=True) if row.artifact in works]
    kept = [row for row in rows if row.artifact in works]
    _enough(len(kept), rows[0].where if rows else name, "rows", "; ".join(f"{k}: {v}" for k, v in unusable.items()))
    samples = [Sample(works[r.artifact], clock, device.memory.gb_s, r.threads, r.ms)
               for r, clock in zip(kept, clocks, strict=True)]
    found = calibrate(samples, timing, device.id, {
        "calibration_runtime": ", ".join(sorted({r.runtime for r in kept})),
        "calibration_source": "; ".join(sorted({r.source for r in kept})),
        "calibration_models": ", ".join(f"{r.artifact.name} {r.threads} thread{'s' * (r.threads > 1)} {r.ms:.4g} ms"
                                        for r in kept)})
    _write(found.timing, place)
    return _document(found, kept, unusable, place, device, timing.core)


def _document(found: Calibrated, rows: Sequence[MeasuredModel], unusable: dict[str, str], place: Path, device: Device,
              core: str) -> Calibration:
    models = tuple(CalibratedModel(
        artifact=str(row.artifact), threads=row.threads, runtime=row.runtime, measured_ms=row.ms,
        left_out_ms=row.ms * math.exp(left), before_ms=row.ms * math.exp(before))
        for row, left, before in zip(rows, found.left_out, found.before, strict=True))
    return Calibration(path=str(place), device=device.id, core=core, models=models, unusable=unusable,
                       median_error=float(np.median(np.abs(np.expm1(found.left_out)))),
                       median_error_before=float(np.median(np.abs(np.expm1(found.before)))),
                       interval=math.exp(found.timing.measured_spread))


def _enough(usable: int, where: str, field: str, cause: str = "") -> None:
    if usable < FEWEST:
        raise UsageError("samples-few", f"{field}: {usable} usable; costs take at least {FEWEST}, better 10",
                         where=where, cause=cause or None, next="measure more models, of different kinds and sizes")


def _no_clock(target: str, why: str) -> DeviceError:
    return DeviceError("target-emulated", f"{target} cannot calibrate a device", where=target, cause=why,
                       next="measure on the device itself, or give --measurements FILE")


def _place(name: str, device: Device) -> Path:
    """Beside the user's own profile; for a shipped id in the current folder."""
    return calibration_beside(Path() / f"{name}.yaml" if name in list_devices() else find_device(name), device.id)


def _check_replaceable(place: Path) -> None:
    """Raises UsageError where a file that is no calibration of ours would be lost, before any work."""
    if not place.parent.is_dir():
        raise EnvironmentProblem("not-writable", f"there is no folder {place.parent}", where=str(place),
                                 next="make it, or give another file with --output")
    if place.exists() and not _is_calibration(place):
        raise UsageError("file-exists", f"{place} is there and is no calibration", where=str(place),
                         next="give another file with --output")


def _is_calibration(place: Path) -> bool:
    try:
        return "calibration" in load_timing(place).provenance
    except RecipeError:
        return False


def _write(timing: CoreTiming, place: Path) -> None:
    """In one step: beside its place first, then renamed into it."""
    yaml = YAML()
    yaml.width = 120
    with disk_errors("the calibration", place.parent):
        handle, made = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(_HEAD)
                yaml.dump(timing.model_dump(mode="json", exclude_none=True), stream)
            Path(made).chmod(0o644)
            Path(made).replace(place)
        except BaseException:
            Path(made).unlink(missing_ok=True)
            raise
