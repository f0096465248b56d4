"""What ``edgekit verify`` finds."""

from __future__ import annotations

from edgekit.types.base import Data
from edgekit.types.fidelity import Fidelity
from edgekit.types.graph import Source

__all__ = ["LayerError", "Verification"]


class LayerError(Data):
    """One layer: its last value against the float program's. ``sqnr_db`` None where equal."""

    index: int
    name: str
    kind: str
    source: Source
    sqnr_db: float | None


class Verification(Data):
    """``met`` is None without a floor; ``first_drop`` is where the error starts, if it does.

    ``layers_of`` says whose layers they are: the artifact's own, or those of the simulated scheme where the runtime
    shows none. ``reference_max_abs`` is the largest difference to the second opinion's outputs.
    """

    artifact: str
    format: str
    fidelity: Fidelity
    floor_db: float | None
    met: bool | None
    layers: tuple[LayerError, ...] | None = None
    layers_of: str | None = None
    first_drop: LayerError | None = None
    reference: str | None = None
    reference_max_abs: float | None = None
    warnings: tuple[str, ...] = ()
