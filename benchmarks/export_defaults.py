"""The tools' default int8 flows on ``export_model.py``, one a process: ``WEIGHTS FORMAT FILE [sqnr]``."""

from __future__ import annotations

import sys
from pathlib import Path

import export_model
import numpy as np
import torch
from coverage import defaults
from safetensors.torch import load_file


def _module(weights: str) -> torch.nn.Module:
    module = export_model.load()
    module.load_state_dict(load_file(weights))
    return module


def export(weights: str, fmt: str, out: Path) -> None:
    samples = [(t,) for t in export_model.calibration()][:export_model.CALIBRATION]
    defaults.FLOWS[fmt](_module(weights), (export_model.example_inputs(),), samples, True, out)


def sqnr(weights: str, fmt: str, artifact: Path) -> float:
    """dB over the calibration samples that were not calibrated on, as edgekit's report takes them."""
    from edgekit.verify.compare import compare
    module = _module(weights)
    inputs = list(export_model.calibration())[export_model.CALIBRATION:]
    with torch.inference_mode():
        reference = [[module(x).numpy()] for x in inputs]
    (outputs,) = defaults.run(fmt, artifact, [np.concatenate([x.numpy() for x in inputs])])
    value = compare(reference, [[o] for o in outputs]).sqnr_db
    return 200.0 if value is None else value


if __name__ == "__main__":
    given = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if "sqnr" in sys.argv[4:]:
        print(sqnr(*given))
    else:
        export(*given)
