"""Every error code with the text that ``edgekit explain CODE`` prints. One entry a code, sorted by code."""

from __future__ import annotations

from edgekit.error_codes.bundling import BUNDLING
from edgekit.error_codes.making import MAKING
from edgekit.error_codes.measuring import MEASURING

__all__ = ["CODES"]

# code -> (title, explanation with the usual ways out)
CODES: dict[str, tuple[str, str]] = dict(sorted((MAKING | MEASURING | BUNDLING).items()))
