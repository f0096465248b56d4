"""Passes by name."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from edgekit.compress import registry
from edgekit.contracts import CompressPass
from edgekit.errors import EnvironmentProblem, UsageError


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch):
    """Sets what other packages register."""
    def register(*points: EntryPoint) -> None:
        monkeypatch.setattr(registry, "entry_points", lambda group: list(points))
        registry._table.cache_clear()

    yield register
    monkeypatch.undo()
    registry._table.cache_clear()


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_built_in_passes_keep_the_contract(name: str) -> None:
    found = registry.get_pass(name)
    assert isinstance(found, CompressPass)
    assert found.name == name
    assert found.settings.model_config["extra"] == "forbid"


def test_an_unknown_pass_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        registry.get_pass("structred")
    assert caught.value.code == "compress-unknown"
    assert "'structured'" in (caught.value.next or "")


def test_other_packages_can_add_a_pass(plugins) -> None:
    plugins(EntryPoint("cut", "edgekit.compress.structured:StructuredPruning", registry.ENTRY_POINTS))
    assert registry.pass_names() == (*registry.BUILT_IN, "cut")
    assert registry.get_pass("cut").name == "structured"


def test_a_taken_name_is_an_error(plugins) -> None:
    plugins(EntryPoint("structured", "somewhere:Else", registry.ENTRY_POINTS))
    with pytest.raises(EnvironmentProblem) as caught:
        registry.pass_names()
    assert caught.value.code == "plugin-duplicate"
