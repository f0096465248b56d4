"""``edgekit devices``: the device profiles that ship, and what a profile holds."""

from __future__ import annotations

import json

import click

from edgekit.cli.output import emit_json, json_option, print_table


@click.group(help="List, show and validate device profiles; print their schema.")
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


def _check(ref: str) -> str:
    from edgekit.devices.catalogue import find_device, load_device
    path = find_device(ref)
    load_device(path)
    return str(path)
