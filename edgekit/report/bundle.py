"""A bundle on the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from edgekit.types.bundle import BundleReport

__all__ = ["print_bundle"]

_SHOWN = 8


def print_bundle(found: BundleReport, console: Console) -> None:
    """Prints each model with the library that runs it, then what is stale and what was not looked at."""
    bundle = found.bundle
    console.print(Text.assemble((bundle.name, "bold"), f" ({bundle.recipe}) in {found.folder}: {bundle.delivery}, "
                                                       f"{', '.join(bundle.abis)}"))
    for model in bundle.models:
        console.print(Text(f"  {model.flavor:<11} {model.file}, {model.bytes:,} bytes, {model.scheme}, "
                           f"{len(model.golden)} golden vectors; runs on {model.runtime.coordinate}"))
    for note in found.notes:
        console.print(Text(f"  {note}", style="yellow"))
    if found.foreign:
        console.print(Text(f"  not edgekit's: {_some(found.foreign)}; move them away", style="red"))
    if found.stale:
        console.print(Text(f"  stale: {_some(found.stale)}", style="red"))
        console.print(Text(f"  to write it anew: {_command(found)}"))
    elif found.checked and not found.foreign:
        console.print(Text("  up to date", style="green"))
    elif not found.checked:
        console.print(Text(f"  written: {len(found.files)} files, {sum(found.files.values()):,} bytes. Open "
                           f"{found.app} in Android Studio, or build it with Gradle"))
        if bundle.delivery == "ai-pack":
            console.print(Text("  the model is in a pack, which comes with an app bundle only: an APK installed by "
                               "itself has none (docs/android.md)"))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _command(found: BundleReport) -> str:
    """That makes the same choices."""
    bundle = found.bundle
    words = ["edgekit", "bundle", found.source, "--app", found.app, "--delivery", bundle.delivery]
    words += [word for model in bundle.models for word in ("--format", model.format)]
    words += [word for abi in bundle.abis for word in ("--abi", abi)]
    return shlex.join([*words, *(["--device", bundle.device] if bundle.device else [])])
