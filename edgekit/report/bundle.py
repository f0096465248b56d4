"""A bundle on the terminal."""

from __future__ import annotations

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
    if found.stale:
        more = f" and {len(found.stale) - _SHOWN} more" if len(found.stale) > _SHOWN else ""
        console.print(Text(f"  stale: {', '.join(found.stale[:_SHOWN])}{more}", style="red"))
        console.print(Text("  edgekit bundle without --check writes it anew"))
    elif found.checked:
        console.print(Text("  up to date", style="green"))
    else:
        console.print(Text(f"  written: {len(found.files)} files, {sum(found.files.values()):,} bytes. Open "
                           f"{found.app} in Android Studio, or build it with Gradle"))
