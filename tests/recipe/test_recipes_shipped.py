from __future__ import annotations

import pytest

from edgekit.compress.registry import get_pass
from edgekit.devices.catalogue import known_devices
from edgekit.formats.schemes import support
from edgekit.recipe.load import list_recipes, load_recipe
from edgekit.types.scheme import SCHEMES


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipe_is_right(name: str) -> None:
    table = support()
    loaded = load_recipe(
        name, known_devices=known_devices(), pass_settings=lambda p: get_pass(p).settings,
        check_scheme=lambda f, s: None if table[f][s].supported else table[f][s].reason)
    assert loaded.recipe.name == name
    assert loaded.recipe.device is not None
    assert name.startswith(f"{loaded.recipe.device}-{loaded.recipe.processor}-")
    assert loaded.recipe.description
    assert bool(loaded.recipe.compress) == ("pruned" in name)
    first = loaded.path.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=recipe.schema.json"


def test_every_scheme_and_six_devices_have_a_recipe() -> None:
    recipes = [load_recipe(name).recipe for name in list_recipes()]
    assert {r.quantize.scheme for r in recipes} == set(SCHEMES)
    assert len({r.device for r in recipes}) >= 6
