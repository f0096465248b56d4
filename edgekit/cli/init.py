"""``edgekit init``: a commented workload and recipe that export as they are."""

from __future__ import annotations

import json
import shlex
import unicodedata
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
        if path.exists() and not _is_our_schema(path):
            raise UsageError("file-exists", f"{path} is there already", where=str(path),
                             next="choose another folder: edgekit init FOLDER/NAME.py" if path.suffix == ".json" else
                             "choose another name: edgekit init NAME.py")
    workload.parent.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        with path.open("w" if path.suffix == ".json" else "x", encoding="utf-8") as stream:
            stream.write(text)
    recipe = workload.with_suffix(".yaml")
    then = f"edgekit export {shlex.quote(str(workload))} --recipe {shlex.quote(str(recipe))} -o dist"
    if as_json:
        emit_json("init", 1, {"files": [str(p) for p in files], "next": then})
        return
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"next: {then}")


def _files(workload: Path) -> dict[Path, str]:
    """What to write. The schema, for editors, stands beside the recipe; one of an older edgekit's is replaced."""
    if workload.suffix != ".py" or not workload.stem.isidentifier():
        raise UsageError("usage", f"'{workload}' is no name for a Python file",
                         next="give a name such as my_model.py: letters, digits and '_'")
    from edgekit.recipe.load import json_schema
    recipe, schema = workload.with_suffix(".yaml"), workload.with_name("recipe.schema.json")
    return {workload: _template("workload.py", workload), recipe: _template("recipe.yaml", workload),
            schema: json.dumps(json_schema(), indent=2) + "\n"}


def _is_our_schema(path: Path) -> bool:
    """Whether the file is the schema of a recipe, of this edgekit or another: it holds nothing of the user's."""
    if path.suffix != ".json":
        return False
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (isinstance(schema, dict) and schema.get("title") == "Recipe"
            and {"name", "formats", "quantize"} <= set(schema.get("properties", ())))


def _template(name: str, workload: Path) -> str:
    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    return (text.replace("workload.yaml", f"{workload.stem}.yaml").replace("workload.py", workload.name)
            .replace("name: workload", f"name: {_recipe_name(workload.stem)}"))


def _recipe_name(stem: str) -> str:
    """A name that a recipe may have: ``modèle`` becomes ``modele``; what has no such letters becomes ``workload``."""
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    name = plain.lstrip("_")[:80] or "workload"
    return name if name[0].isalpha() and name not in ("true", "false", "null") else f'"{name}"'
