"""The nearest right name, for "did you mean"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["choices_hint", "nearest"]

_LISTED = 12


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like ``word``, case and ``_``/``-``/space apart; None where nothing is near."""
    folded = {_fold(c): c for c in choices}
    found = difflib.get_close_matches(_fold(word), folded, n=1, cutoff=0.6)
    if found:
        return folded[found[0]]
    starts = sorted(c for f, c in folded.items() if _fold(word) and f.startswith(_fold(word)))
    return starts[0] if starts else None


def choices_hint(word: str, choices: Iterable[str]) -> str:
    """One sentence: the nearest choice where there is one, and all of them where they are few."""
    all_of_them = sorted(set(choices))
    near = nearest(word, all_of_them)
    meant = f"did you mean '{near}'? " if near else ""
    if not all_of_them:
        return "there are none to choose from"
    listed = f"one of: {', '.join(all_of_them)}" if len(all_of_them) <= _LISTED else ""
    return (meant + listed).strip() or f"there are {len(all_of_them)} to choose from"


def _fold(word: str) -> str:
    return word.casefold().replace("_", "-").replace(" ", "-")
