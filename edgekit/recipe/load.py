"""A recipe from a file or by name: every mistake at once, each with file, line, column and the nearest right name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgekit.errors import DeviceError, EdgekitError, RecipeError
from edgekit.recipe.schema import Recipe
from edgekit.yamlfile.nearest import choices_hint
from edgekit.yamlfile.shipped import shipped_folder
from edgekit.yamlfile.source import Loc, YamlSource, read_yaml
from edgekit.yamlfile.validate import problems_in, raise_problems, validated

__all__ = ["LoadedRecipe", "canonical", "find_recipe", "json_schema", "list_recipes", "load_recipe",
           "processor_unknown", "recipe_hash", "validate_passes"]

# The settings' model of the compression pass with that name; raises EdgekitError where there is no such pass.
PassSettings = Callable[[str], type[BaseModel]]
# Why a format cannot do a scheme, None where it can.
SchemeCheck = Callable[[str, str], str | None]


@dataclass(frozen=True)
class LoadedRecipe:
    """A valid recipe and where its file says what."""

    recipe: Recipe
    source: YamlSource

    @property
    def path(self) -> Path:
        return self.source.path

    @property
    def calibration_data(self) -> Path | None:
        """``quantize.calibration.data`` as a path, taken relative to the recipe's folder."""
        data = self.recipe.quantize.calibration.data
        return self.path.parent / data if data else None

    def where(self, dotted: str) -> str:
        """``file:line:col`` of e.g. ``quantize.scheme`` or ``compress.0.structured``, or of the nearest place above."""
        return self.source.where(_loc(dotted))


def load_recipe(ref: str | Path, *, known_devices: Mapping[str, Collection[str]] | Collection[str] | None = None,
                check_scheme: SchemeCheck | None = None, pass_settings: PassSettings | None = None,
                check_data: bool = False) -> LoadedRecipe:
    """Reads a recipe.

    Args:
        ref: a path, or the name of a shipped recipe.
        known_devices: device ids, or ids with their processors' names; a recipe's device must be one of them. None
            where another device takes the place of the recipe's.
        check_scheme: says why a format cannot do a scheme.
        pass_settings: gives the model that a compression pass's settings are validated with.
        check_data: whether the calibration data that the recipe names must be there.

    Raises:
        RecipeError: with every mistake of the file in ``problems``, in order of lines.
    """
    source = read_yaml(find_recipe(ref))
    recipe = validated(Recipe, source)
    if source.data is not None and known_devices is not None:
        source.problems += _device_problems(source, known_devices)
    if recipe is not None and check_scheme is not None:
        source.problems += _scheme_problems(recipe, source, check_scheme)
    if recipe is not None and pass_settings is not None:
        source.problems += _pass_problems(recipe, source, pass_settings)
    if recipe is not None and check_data:
        source.problems += _data_problems(LoadedRecipe(recipe, source))
    raise_problems("recipe", source)
    assert recipe is not None  # no recipe without a problem
    return LoadedRecipe(recipe, source)


def validate_passes(loaded: LoadedRecipe, pass_settings: PassSettings) -> None:
    """Validates the settings of each pass in ``compress``; raises one RecipeError with the located mistakes of all."""
    source = YamlSource(loaded.path, loaded.source.data, loaded.source.keys, loaded.source.values)
    source.problems += _pass_problems(loaded.recipe, source, pass_settings)
    raise_problems("recipe", source)


def find_recipe(ref: str | Path) -> Path:
    """The file of ``ref``: a path, or a shipped recipe's name. Raises RecipeError with the nearest name."""
    path = Path(ref)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or path.is_file():
        if path.is_file():
            return path
        raise RecipeError("recipe-not-found", f"there is no file {ref}", where=str(ref),
                          next="give a recipe's file, or a name that `edgekit recipes list` prints")
    shipped = list_recipes()
    if str(ref) in shipped:
        return shipped[str(ref)]
    raise RecipeError("recipe-not-found", f"there is no recipe '{ref}'",
                      cause="it is neither a file nor the name of a recipe that edgekit ships",
                      next=f"{choices_hint(str(ref), shipped)}; `edgekit recipes list` prints them all")


def list_recipes() -> dict[str, Path]:
    """The shipped recipes' files by name."""
    return {path.stem: path for path in sorted(shipped_folder("recipes").glob("*.yaml"), key=lambda path: path.stem)}


def canonical(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe, every default spelled out, as plain JSON data: what the manifest holds."""
    return recipe.model_dump(mode="json")


def recipe_hash(recipe: Recipe) -> str:
    """sha256 of what the recipe asks for; its name and description have no part in it."""
    asked = {k: v for k, v in canonical(recipe).items() if k not in ("name", "description")}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a recipe file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}


def _device_problems(source: YamlSource, known: Mapping[str, Collection[str]] | Collection[str]) -> list[EdgekitError]:
    data = source.data or {}
    device, processor = data.get("device"), data.get("processor", "cpu")
    if device is None and processor in ("gpu", "npu"):
        return [RecipeError("value-wrong", f"processor: {processor} is a processor of a device",
                            where=source.where(("processor",)), next="name the device too, or leave processor away")]
    if not isinstance(device, str):
        return []
    if device not in known:
        return [DeviceError("device-unknown", f"device: there is no '{device}'", where=source.where(("device",)),
                            next=f"{choices_hint(device, known)}; `edgekit devices list` prints them all")]
    processors = known[device] if isinstance(known, Mapping) else (processor,)
    if processor in processors:
        return []
    return [processor_unknown(device, str(processor), processors, source.where(("processor",)))]


def processor_unknown(device: str, processor: str, processors: Collection[str], where: str | None) -> RecipeError:
    """What is wrong where a recipe asks for a processor that its device has not."""
    return RecipeError("name-unknown", f"processor: {device} has no '{processor}' in its profile", where=where,
                       next=choices_hint(processor, processors))


def _scheme_problems(recipe: Recipe, source: YamlSource, check: SchemeCheck) -> list[EdgekitError]:
    scheme = recipe.quantize.scheme
    reasons = [(i, name, check(name, scheme)) for i, name in enumerate(recipe.formats)]
    return [RecipeError("scheme-unsupported", f"{name} cannot do {scheme}", where=source.where(("formats", i)),
                        cause=reason,
                        next=f"take '{name}' out of formats; `edgekit recipes schemes` prints what it can do")
            for i, name, reason in reasons if reason is not None]


def _pass_problems(recipe: Recipe, source: YamlSource, pass_settings: PassSettings) -> list[EdgekitError]:
    problems: list[EdgekitError] = []
    for i, spec in enumerate(recipe.compress):
        at: Loc = ("compress", i, spec.name)
        try:
            model = pass_settings(spec.name)
        except EdgekitError as e:
            where = source.where(at, key=True)
            problems.append(RecipeError(e.code, e.message, where=where, cause=e.cause, next=e.next))
            continue
        problems += problems_in(spec.settings, model, source, at)
    return problems


def _data_problems(loaded: LoadedRecipe) -> list[EdgekitError]:
    data = loaded.calibration_data
    if data is None or data.exists():
        return []
    return [RecipeError("calibration-missing", f"quantize.calibration.data: there is no {data}",
                        where=loaded.where("quantize.calibration.data"),
                        next="name an .npz or a folder of images, by its path from the recipe's folder")]


def _loc(dotted: str) -> Loc:
    return tuple(int(part) if part.isdigit() else part for part in dotted.split(".")) if dotted else ()
