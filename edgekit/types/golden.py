"""Golden vectors as they lie in an output folder: ``golden.json``, beside raw little-endian tensors."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt

from edgekit.types.base import Data
from edgekit.types.tensor import Layout, QuantParams

__all__ = ["FileName", "FormatFiles", "GoldenIndex", "InputFile", "OutputFile", "VectorFiles"]


def _plain(name: str) -> str:
    if name in ("", ".", "..") or PurePosixPath(name).name != name or "\\" in name:
        raise ValueError(f"{name!r} is no plain file name")
    return name


FileName = Annotated[str, AfterValidator(_plain)]  # with a folder in it, a name could lead anywhere


class InputFile(Data):
    """One tensor, in the artifact's own dtype and layout."""

    file: FileName
    name: str
    shape: tuple[NonNegativeInt, ...]
    dtype: str
    layout: Layout | None
    quant: QuantParams | None


class OutputFile(InputFile):
    """``tolerance``: how far another machine's output may be from it, absolute, in its own units; of an output that is
    not finite, neither is it."""

    tolerance: float


class VectorFiles(Data):
    """Inputs of one inference and what the artifact answered, in the artifact's own order."""

    inputs: tuple[InputFile, ...]
    outputs: tuple[OutputFile, ...]


class FormatFiles(Data):
    """The vectors of one artifact, ``file``; ``sqnr_db`` is that of its fidelity."""

    file: FileName
    sqnr_db: float | None
    vectors: Annotated[tuple[VectorFiles, ...], Field(min_length=1)]


class GoldenIndex(Data):
    """Document ``edgekit/golden/1``."""

    schema_: Literal["edgekit/golden/1"] = Field(alias="schema")
    byte_order: Literal["little"]
    formats: dict[str, FormatFiles]
