"""Scores an artifact's outputs against the eager float model, item by item, on held-out test items."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from coverage import training
from coverage.zoo import ZOO
from edgekit.verify.compare import compare

SQNR_ITEMS = 64


def distance(reference: list[np.ndarray], outputs: list[np.ndarray]) -> float:
    """SQNR in dB over the first items; an exact match counts as 200 dB."""
    rows = [[r[i] for r in reference] for i in range(SQNR_ITEMS)], [[o[i] for o in outputs] for i in range(SQNR_ITEMS)]
    value = compare(*rows).sqnr_db
    return 200.0 if value is None else value


def drop(counts: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Drop in points with a 95 % interval, from the items that one got right and the other not, over all folds."""
    counts = list(counts)
    lost, won, n = (sum(c[k] for c in counts) for k in ("lost", "won", "items"))
    error = 1.96 * math.sqrt(max(lost + won - (lost - won) ** 2 / n, 0.0)) / n
    value = (lost - won) / n
    return {"drop": 100 * value, "drop_low": 100 * (value - error), "drop_high": 100 * (value + error)}


class Judge:
    """Scores outputs on the first ``items`` test items of one network's fold."""

    def __init__(self, name: str, fold: int, checkpoints: Path, items: int) -> None:
        task = ZOO[name].task(fold)
        module = training.trained(name, fold, checkpoints)
        self.task, self.inputs = task, tuple(t[:items] for t in task.test)
        self.target = tuple(t[:items] for t in task.test_target) if isinstance(task.test_target, tuple) \
            else task.test_target[:items]
        with torch.inference_mode():
            out = module(*self.inputs)
        self.structure = isinstance(out, tuple)
        self.reference = [o.numpy() for o in (out if self.structure else [out])]
        self.float_right = self._right(self.reference)

    def _right(self, outputs: list[np.ndarray]) -> np.ndarray:
        tensors = [torch.from_numpy(np.array(o)) for o in outputs]
        return self.task.correct(tuple(tensors) if self.structure else tensors[0], self.target).numpy()

    def judge(self, outputs: list[np.ndarray]) -> dict[str, Any]:
        if [o.shape for o in outputs] != [r.shape for r in self.reference]:
            outputs = [o.reshape(r.shape) for o, r in zip(outputs, self.reference, strict=True)]
        right = self._right(outputs)
        return {"sqnr_db": distance(self.reference, outputs), "score_float": 100 * float(self.float_right.mean()),
                "lost": int((self.float_right > right).sum()), "won": int((right > self.float_right).sum()),
                "items": len(right)}
