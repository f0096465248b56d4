"""The cores whose costs are known: ``device_profiles/timing/``."""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DeviceError
from edgekit.estimate.timing import CoreTiming
from edgekit.yamlfile.nearest import choices_hint
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.source import read_yaml
from edgekit.yamlfile.validate import raise_problems, validated

__all__ = ["get_timing", "list_timings", "load_timing"]


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


def load_timing(path: Path) -> CoreTiming:
    """The figures in a file. Raises RecipeError with every mistake of the file in ``problems``."""
    source = read_yaml(path)
    timing = validated(CoreTiming, source)
    raise_problems("timing", source)
    assert timing is not None  # no timing without a problem
    return timing
