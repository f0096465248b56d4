"""``edgekit bundle``: an output folder into an app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.bundle.app import read_app, read_bundle
from edgekit.bundle.contents import contents_of
from edgekit.bundle.limits import check_device, check_room
from edgekit.bundle.output import Output, read_output
from edgekit.bundle.runtimes import ABIS, RUNTIMES, check_abis
from edgekit.bundle.write import stale_files, write_bundle
from edgekit.devices.catalogue import get_device
from edgekit.errors import UsageError
from edgekit.types.bundle import BundleReport, Delivery
from edgekit.yamlfile.nearest import choices_hint

__all__ = ["bundle_app"]


_ABIS = ("arm64-v8a",)


def bundle_app(folder: Path, root: Path, formats: Sequence[str], device: str | None, abis: Sequence[str],
               delivery: Delivery | None, *, check: bool) -> BundleReport:
    """See :func:`edgekit.api.bundle`."""
    output, app = read_output(folder), read_app(root)
    there = read_bundle(app) if check else None
    if there is not None:  # as it was made, where nothing else is asked
        formats = formats or [model.format for model in there.models]
        device, abis, delivery = device or there.device, abis or there.abis, delivery or there.delivery
    abis, delivery = abis or _ABIS, delivery or "assets"
    chosen = _formats(output, formats)
    for abi in abis:
        if abi not in ABIS:
            raise UsageError("bundle-abi", f"there is no ABI '{abi}': {choices_hint(abi, ABIS)}",
                             next=f"Android's are {', '.join(ABIS)}")
    if delivery == "ai-pack" and len(chosen) > 1:
        raise UsageError("bundle-pack-formats", f"an AI pack holds one model, not those of {', '.join(chosen)}",
                         cause="every flavor of the app would get all of them", next="choose one with --format")
    named = device or (str(output.report.device["id"]) if output.report.device else None)
    profile = get_device(named) if named else None
    if profile is not None:
        check_device(profile)
    notes = []
    for name in chosen:
        check_abis(tuple(abis), RUNTIMES[name])
        made = output.artifact(name)
        assert made is not None  # chosen are the output's own
        if note := check_room(made, profile, delivery):
            notes.append(note)
    notes += [f"the export missed its budget: {line.name}" for line in output.report.budget if line.met is False]
    notes += [f"the export made no {failure.format}" for failure in output.report.failures]
    contents = contents_of(output, app, chosen, profile.id if profile else None, tuple(abis), delivery)
    if not check:
        write_bundle(contents, app.bundle)
    stale = stale_files(contents, app.bundle)
    sizes = {name: len(content) if isinstance(content, bytes) else content.stat().st_size
             for name, content in contents.files.items()}
    return BundleReport(app=str(root), folder=str(app.bundle), checked=check, bundle=contents.bundle, files=sizes,
                        stale=tuple(stale), notes=tuple(notes))


def _formats(output: Output, asked: Sequence[str]) -> list[str]:
    """In the table's order. Raises UsageError ``bundle-format``."""
    made = [artifact.artifact.format for artifact in output.report.artifacts]
    for name in asked or made:
        if name not in RUNTIMES:
            raise UsageError("bundle-format", f"the app runs no {name}", where=str(output.folder),
                             cause=f"it runs {', '.join(RUNTIMES)}", next="choose one with --format")
        if name not in made:
            raise UsageError("bundle-format", f"{output.folder} holds no {name} artifact", where=str(output.folder),
                             cause=f"it holds {', '.join(made)}", next="export that format, or choose another")
    return [name for name in RUNTIMES if name in (asked or made)]
