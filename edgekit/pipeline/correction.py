"""Bias correction for a plan, computed once for all formats that quantise the same kinds of layers."""

from __future__ import annotations

import threading
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from edgekit.contracts import QuantPlan
from edgekit.pipeline.memory import give_back
from edgekit.pipeline.prepare import Prepared
from edgekit.pipeline.run import Run
from edgekit.quantize.bias_correction import corrected_biases
from edgekit.quantize.kinds import kind_of
from edgekit.quantize.wiring import WEIGHT_AXIS
from edgekit.types.scheme import SchemeSupport

__all__ = ["Correction"]

_FILE = "biases.safetensors"


class Correction:
    """See :func:`edgekit.quantize.bias_correction.corrected_biases`; threads may ask side by side."""

    def __init__(self, run: Run, prepared: Prepared) -> None:
        self._run, self._prepared = run, prepared
        self._lock = threading.Lock()  # one computation at a time: each takes all cores

    def biases(self, plan: QuantPlan, cell: SchemeSupport) -> dict[str, torch.Tensor]:
        """Corrected biases by name for a format whose support is ``cell``; from the cache where they are known."""
        if not plan.scheme.corrects_biases or not plan.calibration:
            return {}
        captured = self._prepared.captured
        present = {kind_of(node) for node in captured.program.exported.graph.nodes}
        kinds = sorted(set(cell.covers) & set(WEIGHT_AXIS) & present)

        def make(folder: Path) -> None:
            save_file(corrected_biases(captured.program, plan, kinds), folder / _FILE)
            give_back()

        key = self._run.cache_key(
            "correct", {"program": captured.hash, "calibration": self._prepared.calibration_hash or ""},
            {"scheme": plan.scheme.name, "observer": plan.observer, "kinds": kinds,
             "keep_float": [vars(r) for r in plan.keep_float]})
        with self._lock, self._run.stage("correct") as stage:
            return load_file(stage.cached(key, make) / _FILE)
