"""An exported file with the facts that prove what it is."""

from __future__ import annotations

from edgekit.types.base import Data
from edgekit.types.tensor import TensorSpec

__all__ = ["Artifact", "KeptFloat", "NotDelegated"]


class NotDelegated(Data):
    """An operator that the asked backend does not run, where it comes from, and why."""

    op: str
    where: str
    reason: str


class KeptFloat(Data):
    """Weights or operators that stay in a wider dtype than the scheme's, each with its reason and its cost."""

    op: str
    where: str
    reason: str
    bytes: int = 0
    macs: int = 0
    macs_share: float = 0.0


class Artifact(Data):
    """``path`` is relative to the output folder once published. ``compressed_bytes`` is zlib level 9 of the file.

    ``runtime`` names what loads it, e.g. ``litert 2.3.0``; ``backend`` the kernels asked for, e.g. ``xnnpack``.
    """

    format: str
    path: str
    sha256: str
    bytes: int
    compressed_bytes: int
    scheme: str
    backend: str
    runtime: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    macs: int
    weight_bytes_by_dtype: dict[str, int]
    macs_delegated_share: float | None
    not_delegated: tuple[NotDelegated, ...] = ()
    kept_float: tuple[KeptFloat, ...] = ()
    notes: tuple[str, ...] = ()
