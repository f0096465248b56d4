"""A network of the zoo as an edgekit workload: a two-line file that edgekit can load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from coverage.training import trained
from coverage.zoo import ZOO

CALIBRATION = 64


def workload_names(name: str, fold: int, checkpoints: str) -> dict[str, Any]:
    """What a workload file defines, for the network ``name``; scored by the benchmark itself, so no ``evaluate``."""
    task = ZOO[name].task(fold)

    def example_inputs() -> tuple[torch.Tensor, ...]:
        return tuple(t[:1] for t in task.train)

    def calibration() -> Iterator[tuple[torch.Tensor, ...]]:
        # As many to calibrate on as to compare on afterwards, none of them test items.
        for i in range(2 * CALIBRATION):
            yield tuple(t[i:i + 1] for t in task.train)

    def load() -> torch.nn.Module:
        return trained(name, fold, Path(checkpoints))

    names: dict[str, Callable[..., Any]] = {"load": load, "example_inputs": example_inputs, "calibration": calibration}
    return names


def write_workload(name: str, fold: int, folder: Path, checkpoints: Path) -> Path:
    """Writes the two-line workload file and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text("from coverage.workload import workload_names\n"
                    f"globals().update(workload_names({name!r}, {fold}, {str(checkpoints)!r}))\n")
    return file
