"""``edgekit bundle``: artifacts into the Android app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgekit.cli.output import emit_json, json_option, stdout
from edgekit.errors import BudgetMissed

if TYPE_CHECKING:
    from edgekit.types.bundle import Delivery


@click.command(help="Put DIR, what `edgekit export` wrote, into the sample app, or one made from it.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--app", "root", required=True, type=click.Path(path_type=Path), help="The app's folder: android_demo.")
@click.option("--format", "formats", multiple=True, help="Only this format; repeat for more. By default all of DIR.")
@click.option("--device", help="Hold memory against this device's budget for an app. By default the recipe's device.")
@click.option("--abi", "abis", multiple=True, help="Native code that the app ships; repeat for more (x86_64 is what "
              "Android's emulator runs). By default arm64-v8a.")
@click.option("--delivery", type=click.Choice(["assets", "ai-pack"]),
              help="The model among the app's assets, the default, or as a pack of its own for large ones.")
@click.option("--check", is_flag=True, help="Write nothing: say whether the app's bundle is what DIR, by the choices "
              "that it was made with, would give; if not, exit with 1.")
@json_option
def bundle(folder: Path, root: Path, formats: tuple[str, ...], device: str | None, abis: tuple[str, ...],
           delivery: Delivery | None, check: bool, as_json: bool) -> int:
    from edgekit import api
    found = api.bundle(folder, root, formats=formats, device=device, abis=abis, delivery=delivery,
                       check=check)
    if as_json:
        emit_json("bundle-report", 1, found.model_dump(mode="json", by_alias=True))
    else:
        from edgekit.report.bundle import print_bundle
        print_bundle(found, stdout())
    return BudgetMissed.exit_status if found.stale or found.foreign else 0
