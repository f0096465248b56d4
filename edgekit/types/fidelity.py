"""How near an artifact's outputs are to the float model's, and what the workload's own metric says."""

from __future__ import annotations

from edgekit.types.base import Data

__all__ = ["WORST_DB", "Fidelity"]

# What an error stands for that no ratio can say (not finite, or on a signal of zero): far below any floor.
WORST_DB = -200.0


class Fidelity(Data):
    """Measured over ``inputs`` inputs. ``sqnr_db`` is 10 log10(signal power / error power) over all of them.

    ``sqnr_db`` is None where the error is exactly zero (the ratio is infinite). ``top1_agreement`` is 0 to 1 and only
    there for classifiers; metrics are in the workload's own unit. ``metric_float`` is that of the model as it was
    loaded, ``metric_compressed`` that of the float model after the recipe's compression passes, if there are any.
    """

    inputs: int
    input_source: str
    sqnr_db: float | None
    cosine: float
    max_abs: float
    top1_agreement: float | None = None
    metric_float: float | None = None
    metric_compressed: float | None = None
    metric_artifact: float | None = None
    metric_name: str | None = None
    metric_unit: str | None = None
    metric_higher_is_better: bool | None = None
