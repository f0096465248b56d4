"""The cores whose costs are known: ``device_profiles/timing/``."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DeviceError
from edgekit.estimate.timing import CoreTiming
from edgekit.yamlfile.nearest import choices_hint
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.validate import read_validated

__all__ = ["calibration_beside", "get_timing", "list_timings", "load_calibration", "load_timing"]


def list_timings() -> dict[str, Path]:
    """The shipped files by core, unread."""
    return {path.stem: path for path in sorted((shipped_folder("device_profiles") / "timing").glob("*.yaml"))}


def get_timing(core: str) -> CoreTiming:
    """What the core's work costs. Raises DeviceError where nobody fitted it."""
    shipped = list_timings()
    if core not in shipped:
        raise DeviceError("timing-unknown", f"nobody knows yet what instructions cost on {core}",
                          cause=f"there are figures for {', '.join(shipped)}", next=choices_hint(core, shipped))
    return load_timing(shipped[core])


def calibration_beside(profile: Path, device: str) -> Path:
    """Where a profile's own calibration lies."""
    return profile.with_name(f"{device}.calibration.yaml")


def load_calibration(path: Path, device: str, core: str) -> CoreTiming:
    """What ``device`` measured, from `edgekit devices calibrate`. Raises RecipeError, DeviceError for another one's."""
    timing = load_timing(path)
    if set(timing.machines) != {device} or timing.core != core:
        raise DeviceError("calibration-device", f"{path} is no calibration of {device}", where=str(path),
                          cause=f"it has {timing.core} of {', '.join(timing.machines) or 'no machine'}, the device a "
                                f"{core}", next=f"edgekit devices calibrate {device} makes one")
    return timing


def load_timing(path: Path) -> CoreTiming:
    """The figures in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    return read_validated(CoreTiming, path, "timing")
