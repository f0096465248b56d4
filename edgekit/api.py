"""What a program calls. The verbs of the command line are thin over these functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.errors import RecipeError, UsageError
from edgekit.formats.registry import artifact_format

if TYPE_CHECKING:
    from edgekit.devices.profile import Device
    from edgekit.pipeline.request import ExportRequest
    from edgekit.recipe.load import LoadedRecipe
    from edgekit.types.bundle import BundleReport, Delivery
    from edgekit.types.calibration import Calibration
    from edgekit.types.estimate import Estimate, Tier
    from edgekit.types.graph import OpGraph
    from edgekit.types.measurement import Measurement
    from edgekit.types.report import ExportReport
    from edgekit.types.verification import Verification

__all__ = ["bundle", "calibrate", "estimate", "export", "inspect", "measure", "plan", "verify"]


def _request(workload: str, recipe: str | Path, device: str | None, formats: Sequence[str], weights: Path | None,
             out: Path, **limits: Any) -> ExportRequest:
    from edgekit.devices.catalogue import get_device, known_devices
    from edgekit.formats.registry import get_format
    from edgekit.pipeline.request import ExportRequest
    from edgekit.recipe.load import load_recipe
    from edgekit.workload.there import check_there
    loaded = load_recipe(recipe, known_devices=known_devices() if device is None else None,
                         pass_settings=_pass_settings, check_data=True)
    for name in formats:
        get_format(name)
    if (ref := device or loaded.recipe.device) is not None:
        _check_device(get_device(ref), loaded, formats or loaded.recipe.formats)
    check_there(workload, weights)
    return ExportRequest(workload=workload, recipe=loaded, out=out, device=device, formats=tuple(formats),
                         weights=weights, **limits)


def _check_device(device: Device, recipe: LoadedRecipe, formats: Sequence[str]) -> None:
    """Whether the device has the recipe's processor, and that one runs the formats."""
    from edgekit.plugins import FORMATS
    from edgekit.recipe.load import processor_unknown
    processor = recipe.recipe.processor
    if processor not in device.processors:
        raise processor_unknown(device.id, processor, device.processors, recipe.where("processor"))
    runs = device.processors[processor].formats
    # What other packages add, profiles do not know.
    if wrong := [name for name in formats if name in FORMATS.built_in and name not in runs]:
        raise RecipeError("format-not-on-device", f"formats: {device.id}'s {processor} runs no {', '.join(wrong)}",
                          where=recipe.where("formats"), cause=f"its profile lists {', '.join(runs) or 'none'}",
                          next="leave the format away, or take another device or processor")


def _pass_settings(name: str) -> Any:
    from edgekit.compress.registry import get_pass
    return get_pass(name).settings


def plan(workload: str, recipe: str | Path, *, device: str | None = None, formats: Sequence[str] = (),
         weights: Path | None = None, out: Path = Path("dist")) -> dict[str, Any]:
    """The resolved plan of an export, as data; nothing is loaded and nothing is written.

    Raises RecipeError for mistakes in the recipe, UsageError for unknown names, WorkloadError for missing files.
    """
    from edgekit.pipeline.request import plan_document
    return plan_document(_request(workload, recipe, device, formats, weights, out))


def export(workload: str, recipe: str | Path, *, device: str | None = None, formats: Sequence[str] = (),
           weights: Path | None = None, out: Path = Path("dist"), jobs: int = 2,
           memory_limit_bytes: int | None = None, time_limit_seconds: float = 1800.0,
           progress: str = "none", own_terminal: bool = False) -> ExportReport:
    """Exports a workload by a recipe and publishes the output folder.

    Args:
        workload: a Python file or module, a ``.pt2``, or a local Hugging Face folder.
        recipe: a recipe's file, or the name of a shipped one.
        formats: in place of the recipe's.
        weights: a state dict to load into the workload's module.
        out: output folder; replaced in one step where it is edgekit's, else refused.
        jobs: formats that are converted side by side.
        memory_limit_bytes, time_limit_seconds: limits for each converter's process.
        progress: ``terminal`` prints stages to standard error, ``none`` stays silent.
        own_terminal: send what libraries print in this process to the log; for the command line, not for a program
            that has other things to print.

    Returns the report; look at its ``exit_status``: 0, 1 (a budget or gate was missed) or 3 (a format failed).

    Raises EdgekitError (usage, recipe, workload, conversion, environment) where nothing could be made.
    """
    request = _request(workload, recipe, device, formats, weights, out, jobs=jobs,
                       child_memory_bytes=memory_limit_bytes, child_seconds=time_limit_seconds)
    from edgekit.pipeline.export import export as run_export
    from edgekit.pipeline.run import Run
    side_by_side = min(jobs, len(request.format_names))
    with Run.start(jobs=side_by_side, progress=progress, own_terminal=own_terminal) as run:
        return run_export(request, run)


def inspect(artifact: Path) -> OpGraph:
    """The operators that a runtime executes for ``artifact``, read in a child process.

    Raises UsageError for an unknown file type, ConversionError for a malformed file.
    """
    from edgekit.pipeline.inspect import read_graph
    return read_graph(artifact_format(artifact), artifact)


def verify(artifact: Path, workload: str, *, weights: Path | None = None, inputs: int = 16, layers: bool = False,
           reference: str | None = None, min_sqnr_db: float | None = None) -> Verification:
    """Compares an artifact with its workload's float model.

    Args:
        layers: also the SQNR of every layer, in order, and the first that drops.
        reference: ``tensorflow`` adds its interpreter with reference kernels as a second opinion on a ``.tflite``.
        min_sqnr_db: floor; by default that of the report beside the artifact, if it is the one described there.
    """
    from edgekit.pipeline.verify import verify_artifact
    if reference not in (None, "tensorflow"):
        raise UsageError("reference-unknown", f"unknown reference {reference!r}", next="use: tensorflow")
    name = artifact_format(artifact)
    if reference and name != "tflite":
        raise UsageError("reference-format", f"{reference} reads .tflite files only", where=str(artifact),
                         next="leave --reference away for other formats")
    return verify_artifact(name, artifact, workload, weights=weights, inputs=inputs, layers=layers,
                           reference=reference, floor_db=min_sqnr_db)


def measure(artifact: Path, on: str, *, threads: int = 1, warmup: int = 3, repeats: int = 20, operators: bool = False,
            oldest_runtime: bool = False, app: bool = False, timeout_seconds: float = 600.0) -> Measurement:
    """Runs an artifact on a target and compares its outputs with this machine's.

    Args:
        on: ``host``, ``emulated:DEVICE``, ``ssh:HOST`` or ``adb[:SERIAL]``.
        warmup, repeats: runs before, and runs of, what is timed; an emulated device counts one warm run.
        operators: also the runtime's own time of each operator, where it gives one.
        oldest_runtime: also whether tflite_runtime 2.14, the last release, loads and runs a ``.tflite``, and alike.
        app: inside the sample app that ``edgekit bundle`` filled and that is installed on the ``adb`` device.

    Raises UsageError for an unknown target, DeviceError where the target cannot be used, ConversionError where the
    artifact does not run there, EnvironmentProblem where something is not set up. Look at ``agreement`` and ``fit``.
    """
    from edgekit.contracts import RunSettings
    from edgekit.pipeline.measure import measure_artifact
    name = artifact_format(artifact)
    if oldest_runtime and name != "tflite":
        raise UsageError("oldest-runtime-format", "the oldest runtime reads .tflite files only", where=str(artifact),
                         next="leave --oldest-runtime away for other formats")
    if app and (on.partition(":")[0] != "adb" or operators or oldest_runtime):
        raise UsageError("app-options", "--app runs on adb[:SERIAL], without --operators and --oldest-runtime",
                         cause="the app is Android's, and times whole inferences only", next="--on adb --app")
    return measure_artifact(name, artifact, on, RunSettings(warmup, repeats, threads, operators, timeout_seconds),
                            oldest=oldest_runtime, app=app)


def estimate(artifact: Path, devices: Sequence[str], *, tier: Tier = "counts", threads: int | None = None,
             recipe: str | Path | None = None, timeout_seconds: float = 600.0, calibration: Path | None = None
             ) -> Estimate:
    """Predicts an artifact's latency and memory on devices, and tells its size.

    Tier "counts": its runtime executes one inference under emulation on each device's fastest core. Tier "analytic":
    the same counts, predicted from the operators' shapes in milliseconds. Both price executed instructions and cache
    misses with what they cost on that core (``device_profiles/timing/``, docs/estimates.md).

    Args:
        devices: ids, or profiles' files; empty: the recipe's.
        threads: of the inference, on the device's fastest cluster; counted is one, whatever it is. Default: the
            recipe's, or 1.
        recipe: a recipe's file or name, whose budget the result is held against.
        timeout_seconds: for each device under emulation.
        calibration: what :func:`calibrate` made of the one device; by default what lies beside a profile's own file.

    Raises DeviceError for a device that is unknown, cannot run the format, or whose core's costs nobody knows, and what
    :func:`measure` raises. Look at each device's ``fit`` and ``budget``.
    """
    from edgekit.devices.catalogue import known_devices
    from edgekit.pipeline.estimate import estimate_artifact
    from edgekit.recipe.load import load_recipe
    from edgekit.recipe.schema import Budget
    asked = (load_recipe(recipe, known_devices=known_devices(), pass_settings=_pass_settings).recipe
             if recipe is not None else None)
    wanted = tuple(devices) or ((asked.device,) if asked and asked.device else ())
    if not wanted:
        raise UsageError("usage", "no device to estimate for", next="give --device, or a recipe that names one")
    return estimate_artifact(artifact_format(artifact), artifact, wanted, threads or (asked.threads if asked else 1),
                             tier, asked.budget if asked else Budget(), timeout_seconds, calibration)


def calibrate(device: str, *, measurements: Path | None = None, on: str | None = None, artifacts: Sequence[Path] = (),
              threads: int = 1, repeats: int = 20, out: Path | None = None, timeout_seconds: float = 600.0,
              progress: str = "none") -> Calibration:
    """Fits a device's costs to measured models and writes ``DEVICE.calibration.yaml``, which :func:`estimate` takes.

    Args:
        device: an id, or a profile's file.
        measurements: a file of measured artifacts (docs/estimates.md), or else
        on: a target to measure ``artifacts`` on: ``host``, ``ssh:HOST`` or ``adb[:SERIAL]``, not an emulated one;
        threads, repeats: of the inferences measured there.
        out: the file to write; by default beside the profile's file, for a shipped id in the current folder.
        timeout_seconds: for each step of each artifact.
        progress: ``terminal`` prints stages to standard error.

    Raises UsageError for fewer than five usable models and for a file that is somebody's own, RecipeError for mistakes
    in ``measurements``, DeviceError and ConversionError as :func:`measure` and :func:`estimate`.
    """
    from edgekit.pipeline.calibrate import calibrate_device, measured_on, measured_rows
    if (measurements is None) == (on is None) or (measurements is not None and artifacts):
        raise UsageError("usage", "calibrate from a file of measurements, or on a target with artifacts",
                         next="--measurements FILE, or --on TARGET ARTIFACT...")
    from edgekit.pipeline.progress import make_progress
    with make_progress(progress) as told:
        rows = (measured_rows(measurements, device) if measurements is not None
                else measured_on(str(on), artifacts, device, threads, repeats, timeout_seconds, told))
        return calibrate_device(device, rows, out, timeout_seconds, told)


def bundle(folder: Path, app: Path, *, formats: Sequence[str] = (), device: str | None = None,
           abis: Sequence[str] = (), delivery: Delivery | None = None, check: bool = False) -> BundleReport:
    """Puts artifacts, golden vectors and ``bundle.json`` into an app's folder ``bundle``, which edgekit alone writes.

    Args:
        folder: what :func:`export` published.
        app: the sample app ``android_demo``, or one made from it.
        formats: a selection; by default all that ``folder`` holds.
        device: whose budget for an app the predicted memory is held against; by default the recipe's.
        abis: of native code that the app ships; by default arm64-v8a.
        delivery: ``assets``, the default, or ``ai-pack`` for a model too large for the app's own download.
        check: write nothing; the report's ``stale`` names what is not as it would be written, by the choices that the
            app's bundle was made with where others are not given.

    Raises UsageError for a folder or an app that is not what it should be, DeviceError where the model does not fit.
    """
    from edgekit.bundle.bundle import bundle_app
    return bundle_app(folder, app, formats, device, abis, delivery, check=check)
