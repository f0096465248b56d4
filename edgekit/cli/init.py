"""``edgekit init``: a commented workload and recipe that export as they are."""

from __future__ import annotations

import json
from pathlib import Path

import click

from edgekit.cli.output import emit_json, json_option
from edgekit.errors import UsageError

_TEMPLATES = Path(__file__).parent / "templates"


@click.command(help="Write a commented workload (WORKLOAD, a .py file) and its recipe to start from.")
@click.argument("workload", type=click.Path(path_type=Path), default=Path("workload.py"))
@json_option
def init(workload: Path, as_json: bool) -> None:
    files = _files(workload)
    for path in files:
        if path.exists():
            raise UsageError("file-exists", f"{path} is there already", where=str(path),
                             next="choose another name: edgekit init NAME.py")
    workload.parent.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    recipe = workload.with_suffix(".yaml")
    then = f"edgekit export {workload} --recipe {recipe} -o dist"
    if as_json:
        emit_json("init", 1, {"files": [str(p) for p in files], "next": then})
        return
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"next: {then}")


def _files(workload: Path) -> dict[Path, str]:
    """What to write. The schema stands beside the recipe, for editors; one that is there and the same is left alone."""
    if workload.suffix != ".py" or not workload.stem.isidentifier():
        raise UsageError("usage", f"'{workload}' is no name for a Python file",
                         next="give a name such as my_model.py: letters, digits and '_'")
    from edgekit.recipe.load import json_schema
    recipe, schema = workload.with_suffix(".yaml"), workload.with_name("recipe.schema.json")
    schema_text = json.dumps(json_schema(), indent=2) + "\n"
    files = {workload: _template("workload.py", workload), recipe: _template("recipe.yaml", workload)}
    if not (schema.is_file() and schema.read_text(encoding="utf-8") == schema_text):
        files[schema] = schema_text
    return files


def _template(name: str, workload: Path) -> str:
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    recipe_name = workload.stem.lower().lstrip("_") or "workload"
    return (text.replace("workload.yaml", f"{workload.stem}.yaml").replace("workload.py", workload.name)
            .replace("name: workload", f"name: {recipe_name}"))
