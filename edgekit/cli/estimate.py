"""``edgekit estimate``: time, memory and size on devices that are not at hand."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit_json, json_option, stdout
from edgekit.errors import BudgetMissed, DeviceError


@click.command(help="Predict ARTIFACT's latency and memory on devices, and tell its size.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--device", "devices", multiple=True, help="An id or a profile's file; repeat for more. Or the recipe's.")
@click.option("--tier", type=click.Choice(["counts", "analytic"]), default="counts", show_default=True,
              help="counts: from what its runtime executes under emulation; analytic: from its operators' shapes.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads on the fastest cluster; the recipe's, or 1.")
@click.option("--recipe", "-r", help="A recipe's file or name, whose budget the result is held against.")
@click.option("--timeout", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds for each device under emulation.")
@click.option("--calibration", type=click.Path(path_type=Path),
              help="What `edgekit devices calibrate` wrote for the device; else what lies beside a profile's file.")
@json_option
def estimate(artifact: Path, devices: tuple[str, ...], tier: str, threads: int | None, recipe: str | None,
             timeout: float, calibration: Path | None, as_json: bool) -> int:
    from edgekit import api
    found = api.estimate(artifact, devices, tier="analytic" if tier == "analytic" else "counts", threads=threads,
                         recipe=recipe, timeout_seconds=timeout, calibration=calibration)
    if as_json:
        emit_json("estimate", 1, found.model_dump(mode="json"))
    else:
        from edgekit.report.estimate import print_estimate
        print_estimate(found, stdout())
    if not all(device.fit.fits for device in found.devices):
        return DeviceError.exit_status
    lines = [*found.budget, *(line for device in found.devices for line in device.budget)]
    return BudgetMissed.exit_status if any(line.met is False for line in lines) else 0
