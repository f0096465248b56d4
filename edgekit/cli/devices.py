"""``edgekit devices``: the device profiles that ship, what a profile holds, and costs fitted to measurements."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgekit.cli.output import emit_json, json_option, print_table, stdout


@click.group(help="List, show and validate device profiles; print their schema; calibrate one.")
def devices() -> None:
    pass


@devices.command("list", help="List the device profiles that ship with edgekit.")
@json_option
def list_(as_json: bool) -> None:
    from edgekit.devices.catalogue import load_devices
    profiles = load_devices().values()
    if as_json:
        emit_json("devices", 1, {"devices": [d.model_dump(mode="json") for d in profiles]})
        return
    print_table(("id", "soc", "cores", "memory, GB/s", "RAM, MiB", "for an app"), [
        (d.id, d.soc, ", ".join(f"{c.count} {c.core} {c.max_ghz:g} GHz" for c in d.clusters), f"{d.memory.gb_s:g}",
         str(d.ram_mb), str(d.app_budget_mb)) for d in profiles])


@devices.command(help="Print the profile DEVICE, an id or a file.")
@click.argument("device")
@json_option
def show(device: str, as_json: bool) -> None:
    from edgekit.devices.catalogue import find_device, load_device
    path = find_device(device)
    if as_json:
        emit_json("device", 1, {"path": str(path), "device": load_device(path).model_dump(mode="json")})
    else:
        from edgekit.yamlfile.source import read_text
        click.echo(read_text(path), nl=False)


@devices.command(help="Check DEVICE... (ids or files): schema, figures, sources, cores.")
@click.argument("device", nargs=-1, required=True)
@json_option
def validate(device: tuple[str, ...], as_json: bool) -> int:
    from edgekit.cli.validation import validate_all
    return validate_all("device", device, _check, as_json=as_json)


@devices.command(help="Print the JSON Schema of a device profile, for editors.")
@json_option
def schema(as_json: bool) -> None:
    from edgekit.devices.catalogue import json_schema
    if as_json:
        emit_json("device-schema", 1, {"json_schema": json_schema()})
    else:
        click.echo(json.dumps(json_schema(), indent=2))


@devices.command(help="Fit DEVICE's costs (an id or a profile's file) to at least five measured models, better ten: "
                      "those of a file, or ARTIFACT... measured on a target. Writes DEVICE.calibration.yaml, which "
                      "`edgekit estimate` takes.")
@click.argument("device")
@click.argument("artifacts", nargs=-1, metavar="[ARTIFACT]...", type=click.Path(path_type=Path))
@click.option("--measurements", type=click.Path(path_type=Path), help="A YAML file: unit, runtime, source, rows.")
@click.option("--on", "target", help="host, ssh:HOST or adb[:SERIAL]: the device itself.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of --on.")
@click.option("--repeats", type=click.IntRange(min=1), default=20, show_default=True, help="Of --on: runs timed.")
@click.option("--output", "-o", type=click.Path(path_type=Path),
              help="The file to write; else beside the profile's, for a shipped id in the current folder.")
@click.option("--timeout", type=click.FloatRange(1, 86400), default=600, show_default=True,
              help="Seconds for each step of each artifact.")
@json_option
def calibrate(device: str, artifacts: tuple[Path, ...], measurements: Path | None, target: str | None, threads: int,
              repeats: int, output: Path | None, timeout: float, as_json: bool) -> None:
    from edgekit import api
    found = api.calibrate(device, measurements=measurements, on=target, artifacts=artifacts, threads=threads,
                          repeats=repeats, out=output, timeout_seconds=timeout,
                          progress="none" if as_json else "terminal")
    if as_json:
        emit_json("calibration", 1, found.model_dump(mode="json"))
    else:
        from edgekit.report.calibration import print_calibration
        print_calibration(found, stdout())


def _check(ref: str) -> str:
    from edgekit.devices.catalogue import find_device, load_device
    path = find_device(ref)
    load_device(path)
    return str(path)
