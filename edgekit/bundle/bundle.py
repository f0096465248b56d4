"""``edgekit bundle``: an output folder into an app."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edgekit.bundle.app import DOCUMENT, App, read_app, read_bundle
from edgekit.bundle.contents import Contents, contents_of
from edgekit.bundle.limits import check_device, check_room
from edgekit.bundle.output import Output, read_output
from edgekit.bundle.runtimes import ABIS, RUNTIMES, check_abis
from edgekit.bundle.write import differing_files, foreign_files, write_bundle
from edgekit.devices.catalogue import get_device
from edgekit.errors import UsageError
from edgekit.types.bundle import AppBundle, BundleReport, Delivery
from edgekit.yamlfile.nearest import choices_hint

__all__ = ["bundle_app"]

_ABIS = ("arm64-v8a",)


def bundle_app(folder: Path, root: Path, formats: Sequence[str], device: str | None, abis: Sequence[str],
               delivery: Delivery | None, *, check: bool) -> BundleReport:
    """See :func:`edgekit.api.bundle`."""
    output, app = read_output(folder), read_app(root)
    _check_apart(output, app)
    notes: list[str] = []
    there = read_bundle(app) if check else None
    if there is not None:  # as it was made, where nothing else is asked
        formats = formats or [m.format for m in there.models if m.format in RUNTIMES and m.format in output.artifacts]
        device, abis, delivery = device or there.device, abis or there.abis, delivery or there.delivery
    contents = _contents(output, app, _formats(output, formats), device, _abis(abis or _ABIS), delivery or "assets",
                         notes)
    stale, foreign = _compared(contents, app, there, notes) if check else ([], [])
    if not check:
        write_bundle(contents, app.bundle)
    return BundleReport(source=str(folder), app=str(root), folder=str(app.bundle), checked=check,
                        files=contents.sizes, bundle=contents.bundle, stale=tuple(stale), foreign=tuple(foreign),
                        notes=tuple(notes))


def _compared(contents: Contents, app: App, there: AppBundle | None, notes: list[str]) -> tuple[list[str], list[str]]:
    """Files that are stale, and those that are not edgekit's. Adds to ``notes`` what the user should know."""
    stale, foreign = differing_files(contents, app.bundle), foreign_files(contents, app.bundle)
    if there is None and app.bundle.is_dir():
        stale = [DOCUMENT]
        notes.append(f"{DOCUMENT} cannot be read: what the bundle was made with is not known")
    return stale, foreign


def _contents(output: Output, app: App, formats: Sequence[str], device: str | None, abis: tuple[str, ...],
              delivery: Delivery, notes: list[str]) -> Contents:
    """Adds to ``notes`` what the user should know."""
    if delivery == "ai-pack" and len(formats) > 1:
        raise UsageError("bundle-pack-formats", f"an AI pack holds one model, not those of {', '.join(formats)}",
                         cause="every flavor of the app would get all of them", next="choose one with --format")
    named = device or (output.facts.device.id if output.facts.device else None)
    profile = get_device(named) if named else None
    if profile is not None:
        check_device(profile)
    for name in formats:
        check_abis(abis, RUNTIMES[name])
        notes += check_room(output.artifacts[name].report, profile, delivery)
    notes += [f"the export missed its budget: {line.name}" for line in output.report.budget if line.met is False]
    notes += [f"the export made no {failure.format}" for failure in output.report.failures]
    return contents_of(output, app, formats, profile.id if profile else None, abis, delivery)


def _check_apart(output: Output, app: App) -> None:
    """Raises UsageError where writing the bundle would take the output folder away."""
    source, place = output.folder.resolve(), app.bundle.resolve()
    if source == place or source in place.parents or place in source.parents:
        raise UsageError("bundle-not-output", f"{output.folder} lies where the app's bundle is written",
                         where=str(output.folder), cause=f"{app.bundle} is edgekit's, and replaced whole",
                         next="move the output folder out of the app")


def _formats(output: Output, asked: Sequence[str]) -> list[str]:
    """In the table's order. Raises UsageError ``bundle-format``."""
    for name in asked or output.artifacts:
        if name not in RUNTIMES:
            raise UsageError("bundle-format", f"the app runs no {name}", where=str(output.folder),
                             cause=f"it runs {', '.join(RUNTIMES)}", next="choose one with --format")
        if name not in output.artifacts:
            raise UsageError("bundle-format", f"{output.folder} holds no {name} artifact", where=str(output.folder),
                             cause=f"it holds {', '.join(output.artifacts)}",
                             next="export that format, or choose another")
    return [name for name in RUNTIMES if name in (asked or output.artifacts)]


def _abis(asked: Iterable[str]) -> tuple[str, ...]:
    """In the table's order, each once. Raises UsageError ``bundle-abi``."""
    for abi in asked:
        if abi not in ABIS:
            raise UsageError("bundle-abi", f"there is no ABI '{abi}': {choices_hint(abi, ABIS)}",
                             next=f"Android's are {', '.join(ABIS)}")
    return tuple(abi for abi in ABIS if abi in asked)
