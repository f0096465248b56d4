"""What a ``.pte`` cannot say by itself, kept inside it as the constant method ``edgekit``: one JSON string.

Keys: ``schema`` ("edgekit/pte/1"), ``scheme``, ``backend``, ``inputs`` and ``outputs`` (TensorSpec documents),
``sources`` (distinct ``[module, file, line]``), ``delegated`` (XNNPACK debug handle -> index into sources) and
``portable`` (operator name -> ``[index into sources or null, reason or null]`` for each such operator, in order).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError

from edgekit.types.base import Data
from edgekit.types.graph import Source
from edgekit.types.tensor import TensorSpec

__all__ = ["METHOD", "Description", "SourceTable", "parse"]

METHOD = "edgekit"
SCHEMA = "edgekit/pte/1"


class Description(Data):
    """See the module's docstring."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    scheme: str
    backend: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    sources: tuple[tuple[str, str | None, int | None], ...] = ()
    delegated: dict[int, int] = Field(default_factory=dict)
    portable: dict[str, list[tuple[int | None, str | None]]] = Field(default_factory=dict)

    def source(self, index: int | None) -> Source | None:
        if index is None or not 0 <= index < len(self.sources):
            return None
        module, file, line = self.sources[index]
        return Source(module=module, file=file, line=line)

    def document(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=False)


class SourceTable:
    """Numbers distinct sources in order of first use."""

    def __init__(self) -> None:
        self._index: dict[tuple[str, str | None, int | None], int] = {}

    def index(self, source: Source | None) -> int | None:
        if source is None:
            return None
        return self._index.setdefault((source.module, source.file, source.line), len(self._index))

    @property
    def rows(self) -> tuple[tuple[str, str | None, int | None], ...]:
        return tuple(self._index)


def parse(text: Any) -> Description | None:
    """The description, or None where a file has none that this version reads (then it is not edgekit's)."""
    if not isinstance(text, str):
        return None
    try:
        description = Description.model_validate_json(text)
    except ValidationError:
        return None
    return description if description.schema_ == SCHEMA else None
