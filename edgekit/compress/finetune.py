"""Fine-tuning after a pass, the same for all passes."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from edgekit.contracts import Workload
from edgekit.errors import WorkloadError
from edgekit.train.settings import TrainSettings
from edgekit.train.trainer import fit

__all__ = ["finetune", "require_train_data"]


def require_train_data(workload: Workload, train: TrainSettings, pass_name: str) -> None:
    """Raises WorkloadError where epochs are asked for and the workload has no ``train_data()``."""
    if train.epochs and workload.train_data is None:
        raise WorkloadError(
            "compress-no-train-data", f"pass {pass_name!r} is to train {train.epochs} epochs, without data",
            where=str(workload.source), cause="the workload defines no train_data()",
            next=f"define train_data() in the workload, or set `train: {{epochs: 0}}` under {pass_name!r}")


def finetune(module: nn.Module, workload: Workload, train: TrainSettings,
             after_step: Callable[[], None] | None = None) -> dict[str, float]:
    """Trains ``module`` in place on the workload's data and loss; returns the numbers to report, none for 0 epochs."""
    if not train.epochs or workload.train_data is None:
        return {}
    return fit(module, workload.train_data, workload.loss, train, after_step=after_step).numbers()
