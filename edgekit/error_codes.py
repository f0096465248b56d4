"""Every error code with the text that ``edgekit explain CODE`` prints. One entry a code, sorted by code."""

from __future__ import annotations

__all__ = ["CODES"]

# code -> (title, explanation with the usual ways out)
CODES: dict[str, tuple[str, str]] = {
}
