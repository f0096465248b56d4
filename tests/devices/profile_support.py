"""What a profile's file is refused for, wherever it is loaded from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, RecipeError


def problems(load: Callable[[Path], object], path: Path) -> list[EdgekitError]:
    with pytest.raises(RecipeError) as failure:
        load(path)
    return failure.value.problems


def assert_refused(load: Callable[[Path], object], shipped: Path, folder: Path, old: str, new: str, words: str) -> None:
    """That ``shipped`` with ``new`` in the place of ``old`` is refused by ``words``."""
    text = shipped.read_text()
    assert old in text
    path = folder / shipped.name
    path.write_text(text.replace(old, new, 1))
    said = [problem.message for problem in problems(load, path)]
    assert any(words in message for message in said), said
