"""What ``edgekit devices calibrate`` finds: a device's own costs, and how near they come to what it measured."""

from __future__ import annotations

from edgekit.types.base import Data

__all__ = ["CalibratedModel", "Calibration"]


class CalibratedModel(Data):
    """One measured artifact. Milliseconds: measured, predicted by the other models' fit, predicted as costs shipped."""

    artifact: str
    threads: int
    runtime: str
    measured_ms: float
    left_out_ms: float
    before_ms: float


class Calibration(Data):
    """Document ``edgekit/calibration/1``. ``path`` is the file that was written.

    ``median_error``: of |predicted / measured - 1|, each model left out; ``interval``: how far the 90 % interval of
    estimates goes, as a factor; ``unusable``: artifacts that could not be counted, each with the reason.
    """

    path: str
    device: str
    core: str
    models: tuple[CalibratedModel, ...]
    unusable: dict[str, str]
    median_error: float
    median_error_before: float
    interval: float
