"""``edgekit recipes``: the recipes that ship, what a recipe may say, and which format does which scheme."""

from __future__ import annotations

import json

import click

from edgekit.cli.output import emit_json, json_option, print_table


@click.group(help="List, show and validate recipes; print their schema and the table of schemes.")
def recipes() -> None:
    pass


@recipes.command("list", help="List the recipes that ship with edgekit.")
@json_option
def list_(as_json: bool) -> None:
    from edgekit.recipe.load import list_recipes, load_recipe
    loaded = [load_recipe(path).recipe for path in list_recipes().values()]
    if as_json:
        emit_json("recipes", 1, {"recipes": [
            {"name": r.name, "description": r.description, "device": r.device, "scheme": r.quantize.scheme,
             "formats": list(r.formats), "compress": [p.name for p in r.compress]} for r in loaded]})
    else:
        print_table(("name", "scheme", "what it is for"), [(r.name, r.quantize.scheme, r.description) for r in loaded])


@recipes.command(help="Print RECIPE, a file or a shipped name; with --json every default spelled out.")
@click.argument("recipe")
@json_option
def show(recipe: str, as_json: bool) -> None:
    from edgekit.recipe.load import canonical, find_recipe, load_recipe
    if as_json:
        loaded = load_recipe(recipe)
        emit_json("recipe", 1, {"path": str(loaded.path), "recipe": canonical(loaded.recipe)})
    else:
        from edgekit.yamlfile.source import read_text
        click.echo(read_text(find_recipe(recipe)), nl=False)


@recipes.command(help="Check RECIPE... (files or shipped names): schema, device, schemes, passes. No work is done.")
@click.argument("recipe", nargs=-1, required=True)
@json_option
def validate(recipe: tuple[str, ...], as_json: bool) -> int:
    from edgekit.cli.validation import validate_all
    return validate_all("recipe", recipe, _check, as_json=as_json)


@recipes.command(help="Print the JSON Schema of a recipe, for editors.")
@json_option
def schema(as_json: bool) -> None:
    from edgekit.recipe.load import json_schema
    if as_json:
        emit_json("recipe-schema", 1, {"json_schema": json_schema()})
    else:
        click.echo(json.dumps(json_schema(), indent=2))


@recipes.command(help="Print which format can do which scheme, and why not.")
@json_option
def schemes(as_json: bool) -> None:
    from edgekit.formats.schemes import support
    from edgekit.types.scheme import SCHEMES
    table = support()
    if as_json:
        emit_json("schemes", 1, {
            "schemes": {name: scheme.model_dump(mode="json") for name, scheme in SCHEMES.items()},
            "support": {name: {s: cell.model_dump(mode="json") for s, cell in cells.items()}
                        for name, cells in table.items()}})
        return
    print_table(("scheme", *table, "what it is"),
                [(name, *("yes" if cells[name].supported else "no" for cells in table.values()), scheme.summary)
                 for name, scheme in SCHEMES.items()])
    for name, cells in table.items():
        backends = sorted({cell.backend for cell in cells.values() if cell.backend})
        click.echo(f"{name} runs on: {', '.join(backends)}")
        for cell in cells.values():
            if text := cell.reason or cell.note:
                click.echo(f"{name} {cell.scheme}: {text}")


def _check(ref: str) -> str:
    from edgekit.compress.registry import get_pass
    from edgekit.devices.catalogue import known_devices
    from edgekit.formats.schemes import support
    from edgekit.recipe.load import load_recipe
    table = support()

    def why_not(format_name: str, scheme: str) -> str | None:
        cell = table[format_name][scheme]
        return None if cell.supported else cell.reason or "not supported"

    loaded = load_recipe(ref, known_devices=known_devices(), check_scheme=why_not,
                         pass_settings=lambda name: get_pass(name).settings, check_data=True)
    return str(loaded.path)
