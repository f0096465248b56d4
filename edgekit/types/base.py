"""The base of all data types: strict about unknown keys, comparable, and not changed by accident."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Data"]


class Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
