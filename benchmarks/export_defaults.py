"""The tools' default int8 flows on ``export_model.py``, one a process: ``FORMAT FILE``, or ``sqnr FORMAT FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import export_model
import numpy as np
import torch
from coverage import defaults


def _parts() -> tuple[torch.nn.Module, tuple[torch.Tensor, ...], list[tuple[torch.Tensor, ...]]]:
    samples = [(t,) for t in export_model.calibration()]
    return export_model.load(), (export_model.example_inputs(),), samples[:export_model.CALIBRATION]


def export(fmt: str, out: Path) -> None:
    defaults.FLOWS[fmt](*_parts(), True, out)


def sqnr(fmt: str, artifact: Path) -> float:
    """dB over the calibration samples that were not calibrated on, as edgekit's report takes them."""
    from edgekit.verify.compare import compare
    module, _, _ = _parts()
    inputs = list(export_model.calibration())[export_model.CALIBRATION:]
    with torch.inference_mode():
        reference = [[module(x).numpy()] for x in inputs]
    (outputs,) = defaults.run(fmt, artifact, [np.concatenate([x.numpy() for x in inputs])])
    value = compare(reference, [[o] for o in outputs]).sqnr_db
    return 200.0 if value is None else value


if __name__ == "__main__":
    if sys.argv[1] == "sqnr":
        print(sqnr(sys.argv[2], Path(sys.argv[3])))
    else:
        export(sys.argv[1], Path(sys.argv[2]))
