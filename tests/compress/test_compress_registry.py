"""Passes by name."""

from __future__ import annotations

import pytest

from edgekit.compress.registry import PASSES, get_pass
from edgekit.contracts import CompressPass
from edgekit.errors import UsageError


@pytest.mark.parametrize("name", PASSES.built_in)
def test_built_in_passes_keep_the_contract(name: str) -> None:
    found = get_pass(name)
    assert isinstance(found, CompressPass)
    assert found.name == name
    assert found.settings.model_config["extra"] == "forbid"


def test_an_unknown_pass_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown compression pass") as caught:
        get_pass("structred")
    assert caught.value.code == "compress-unknown"
    assert caught.value.next == "did you mean 'structured'?"
