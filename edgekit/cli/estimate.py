"""``edgekit estimate``: time, memory and size on devices that are not at hand."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit_json, json_option, stdout
from edgekit.errors import DeviceError


@click.command(help="Predict ARTIFACT's latency and memory on devices, from what its runtime executes there; its size.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--device", "devices", multiple=True, required=True, help="An id or a profile's file; repeat for more.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--timeout", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds for each device.")
@click.option("--calibration", type=click.Path(path_type=Path),
              help="What `edgekit devices calibrate` wrote for the device; else what lies beside a profile's file.")
@json_option
def estimate(artifact: Path, devices: tuple[str, ...], threads: int, timeout: float, calibration: Path | None,
             as_json: bool) -> int:
    from edgekit import api
    found = api.estimate(artifact, devices, threads=threads, timeout_seconds=timeout, calibration=calibration)
    if as_json:
        emit_json("estimate", 1, found.model_dump(mode="json"))
    else:
        from edgekit.report.estimate import print_estimate
        print_estimate(found, stdout())
    return 0 if all(device.fit.fits for device in found.devices) else DeviceError.exit_status
