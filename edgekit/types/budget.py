"""What a recipe's budget came to."""

from __future__ import annotations

from edgekit.types.base import Data

__all__ = ["BudgetLine"]


class BudgetLine(Data):
    """``met`` is None when nothing could evaluate the budget: reported "not evaluated", never met.

    ``artifact`` names the format the line is about; ``note`` says why it was not evaluated or how it was.
    """

    name: str
    artifact: str | None
    limit: float
    value: float | None
    unit: str
    met: bool | None
    note: str | None = None
