"""Kernel tables from counted operators: instructions and first-level misses as sums of what grows with the shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from edgekit.estimate.kernels import Kernel, Operator, lost
from edgekit.estimate.price import LINE_BYTES

SOFT = 0.1  # relative errors beyond this count less
FEW = 3e4  # instructions of a call, by which small operators count less


@dataclass(frozen=True)
class Counted:
    """An operator and what one call of it executed: instructions by group and first-level misses.

    ``first``: bytes of the first cache. ``further``: of each further one its bytes and misses. ``network_bytes``: all
    weights of what it was counted in.
    """

    operator: Operator
    groups: Mapping[str, float]
    lines: float
    streamed: float
    first: float
    further: tuple[tuple[float, float], ...] = ()
    network_bytes: float = 0.0

    @property
    def instructions(self) -> float:
        return sum(self.groups.values())


def fit_kernel(calls: Sequence[Counted]) -> Kernel:
    ops = [one.operator for one in calls]
    total = sum(one.instructions for one in calls)
    mix: dict[str, float] = {}
    for one in calls:
        for group, number in one.groups.items():
            mix[group] = mix.get(group, 0.0) + number / total
    # Where inner calls are counted, they carry what does not grow with values: few shapes tell no constant beside them.
    constant = float(not any(op.calls for op in ops))
    mac, call, output, each, operator = _positive(
        np.array([[op.macs, op.calls, op.outputs, op.inputs, constant] for op in ops]),
        np.array([c.instructions for c in calls]), FEW)
    ins, outs, weights, rows = _positive(
        np.array([[c.operator.input_bytes, c.operator.output_bytes, c.operator.weight_bytes,
                   c.operator.rows * c.operator.weight_bytes * lost(c.operator.weight_bytes, c.first)]
                  for c in calls]) / LINE_BYTES,
        np.array([c.lines for c in calls]), 100.0)
    lines = sum(c.lines for c in calls)
    return Kernel(mac=mac, output=output, input=each, operator=operator, call=call, mix=mix, input_passes=ins,
                  output_passes=outs, weight_passes=weights, row_passes=rows, moves=_moves(calls),
                  streamed=sum(c.streamed for c in calls) / lines if lines else 0.0)


def _moves(calls: Sequence[Counted]) -> float:
    """How often inputs and outputs pass a further cache, as the misses of all calls together tell; 1 where none do."""
    passed = expected = 0.0
    for one in calls:
        op = one.operator
        both = op.input_bytes + op.output_bytes
        for size, lines in one.further:
            passed += max(lines * LINE_BYTES - op.weight_bytes * lost(one.network_bytes, size), 0.0)
            expected += both * lost(both + op.weight_bytes, size)
    return passed / expected if expected else 1.0


def _positive(terms: np.ndarray, found: np.ndarray, few: float) -> list[float]:
    """Factors of the terms, none below zero, whose sum is nearest to ``found`` in logarithms, by their share of it."""
    if not found.any():
        return [0.0] * terms.shape[1]
    used = terms.sum(axis=0) > 0
    size = np.maximum(terms[:, used].mean(axis=0), 1e-12)
    start = np.sqrt(np.full(int(used.sum()), found.mean() / max(used.sum(), 1)) / size)
    weight = (found / found.mean())**0.25

    def residuals(roots: np.ndarray) -> np.ndarray:
        return weight * np.log((terms[:, used] @ roots**2 + few) / (found + few))

    fitted = least_squares(residuals, start, loss="soft_l1", f_scale=SOFT, x_scale=np.maximum(start, 1e-12))
    factors = np.zeros(terms.shape[1])
    factors[used] = fitted.x**2
    return [float(f) for f in factors]
