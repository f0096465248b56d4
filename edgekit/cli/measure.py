"""``edgekit measure``: an artifact on a target."""

from __future__ import annotations

from pathlib import Path

import click

from edgekit.cli.output import emit_json, json_option, stdout
from edgekit.errors import BudgetMissed, DeviceError


@click.command(help="Run ARTIFACT on a target: its outputs against this machine's, time or instructions, memory.")
@click.argument("artifact", type=click.Path(path_type=Path))
@click.option("--on", "target", required=True, help="host, emulated:DEVICE, ssh:HOST or adb[:SERIAL].")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--warmup", type=click.IntRange(min=0), default=3, show_default=True, help="Runs before those timed.")
@click.option("--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="Runs that are timed.")
@click.option("--operators", is_flag=True, help="Also the runtime's own time of each operator.")
@click.option("--oldest-runtime", is_flag=True, help="Also whether tflite_runtime 2.14 runs a .tflite, emulated.")
@click.option("--app", is_flag=True, help="Run it inside the sample app that `edgekit bundle` filled.")
@click.option("--timeout", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds for each step: loading, pushing, running.")
@json_option
def measure(artifact: Path, target: str, threads: int, warmup: int, repeats: int, operators: bool,
            oldest_runtime: bool, app: bool, timeout: float, as_json: bool) -> int:
    from edgekit import api
    found = api.measure(artifact, target, threads=threads, warmup=warmup, repeats=repeats, operators=operators,
                        oldest_runtime=oldest_runtime, app=app, timeout_seconds=timeout)
    if as_json:
        emit_json("measurement", 1, found.model_dump(mode="json"))
    else:
        from edgekit.report.measurement import print_measurement
        print_measurement(found, stdout())
    if found.fit is not None and not found.fit.fits:
        return DeviceError.exit_status
    return 0 if found.agreement.agrees else BudgetMissed.exit_status
