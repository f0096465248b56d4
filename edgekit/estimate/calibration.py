"""A core's costs moved to what one device measured: as few as ten models, the shipped costs as the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import UsageError
from edgekit.estimate.price import Misses, Work, price, stacked
from edgekit.estimate.timing import CoreTiming

__all__ = ["FEWEST", "Calibrated", "Sample", "apart", "calibrate"]

FEWEST = 5  # samples
# What the fit multiplies, and how far the logarithm of each factor goes for the price of one usual error. "compute" is
# the factor of all instructions, scheduled or not; those of the groups are beside it.
_GROUPS = {"multiply_add": 0.5, "integer_multiply": 0.5, "vector": 0.5, "vector_memory": 0.5, "memory": 0.5,
           "integer": 0.5}
_CYCLES = {"compute": 0.5, **_GROUPS, "l1_miss": 0.7, "l2_miss": 0.7}
_OTHERS = {"line_ns": 0.7, "region_cycles": 0.7, "scale": 1.5, "operator_cycles": 3.0}
_WIDTHS = np.array([*_CYCLES.values(), *_OTHERS.values()])
_OPERATOR_CYCLES = 1000.0  # where the core's shipped costs have none: a call that meets cold predictors
_USUAL = 0.05  # the error of ln(predicted / measured) that is expected of a good model of costs
_SOFT = 3.0  # usual errors; beyond them an error counts less: one hot phone is no reason to move a core
_ONE_SIDE = 0.95  # of the 90 % interval
_NEAR = 1e-5  # relative steps at which a fit ends


@dataclass(frozen=True)
class Sample:
    """One measured model: what it executes on one thread, the clock and memory it met, its measured milliseconds.

    ``ghz``: of the core; ``gb_s``: the memory's peak, 10^9 bytes a second; ``threads`` that shared the work.
    """

    work: Work
    ghz: float
    gb_s: float
    threads: int
    ms: float


@dataclass(frozen=True)
class Calibrated:
    """A device's own costs; beside them ln(predicted / measured) of each sample, in their order, float64 arrays:
    ``left_out`` by costs that the other samples gave, ``before`` by the costs that ship."""

    timing: CoreTiming
    left_out: Any
    before: Any


def calibrate(samples: Sequence[Sample], timing: CoreTiming, device: str,
              provenance: Mapping[str, str] | None = None) -> Calibrated:
    """``timing`` for ``device``, moved as far as the samples demand: the most likely costs a posteriori.

    The logarithms of predicted / measured, and those of the factors on cycles, lines, calls, regions and the machine's
    scale, are least squares together. What no sample shows (several threads) stays; a group of instructions that none
    executes moves with the others.

    ``measured_spread`` of the result is half of the 90 % interval of ln(predicted / measured), each sample left out,
    by Student's t. Raises UsageError ``samples-few`` below :data:`FEWEST`.
    """
    if len(samples) < FEWEST:
        raise UsageError("samples-few", f"{len(samples)} measured models: costs take {FEWEST} to fit, better 10",
                         next="measure more models, of different kinds and sizes")
    from scipy.stats import t as student
    table = _Table.of(samples)
    theta = _fit(table, timing, device, np.zeros(len(_WIDTHS)))
    every = np.arange(len(samples))
    left_out = np.concatenate([
        _apart(table.only([k]), _moved(timing, device, _fit(table.only(every != k), timing, device, theta)), device)
        for k in every])
    spread = float(student.ppf(_ONE_SIDE, len(samples) - 1) * math.sqrt(np.mean(left_out**2)))
    before = _apart(table, timing, device)
    said = {"calibration": f"{len(samples)} measured models on {device}; before: {timing.core}'s costs as they ship",
            "calibration_error": f"each model left out: median {_median(left_out):.1%}, 90 % interval "
                                 f"{math.expm1(spread):.1%} wide each way; before: median {_median(before):.1%}"}
    own = _rounded(_moved(timing, device, theta), spread, {**timing.provenance, **said, **(provenance or {})})
    return Calibrated(own, left_out, before)


def apart(samples: Sequence[Sample], timing: CoreTiming, device: str) -> Any:
    """ln(predicted / measured) of each sample, a float64 array, on a machine that ``timing`` knows or not."""
    return _apart(_Table.of(samples), timing, device)


@dataclass(frozen=True)
class _Table:
    """Samples as arrays, an element a sample: what ``price`` takes."""

    work: Work
    ghz: Any
    gb_s: Any
    threads: Any
    ms: Any

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> _Table:
        return cls(stacked([s.work for s in samples]), *(np.array([getattr(s, name) for s in samples], float)
                                                         for name in ("ghz", "gb_s", "threads", "ms")))

    def only(self, rows: Any) -> _Table:
        def some(values: Any) -> Any:
            return values[rows]

        work = Work({name: some(numbers) for name, numbers in self.work.groups.items()},
                    tuple(Misses(some(m.lines), some(m.streamed)) for m in self.work.levels), some(self.work.regions),
                    None if self.work.scheduled is None else some(self.work.scheduled))
        return _Table(work, self.ghz[rows], self.gb_s[rows], self.threads[rows], self.ms[rows])


def _apart(table: _Table, timing: CoreTiming, device: str) -> Any:
    own = timing.on(device)
    found = price(table.work, timing, table.ghz, table.gb_s, table.threads, own.line_ns)  # type: ignore[arg-type]
    return np.log(found.ms * own.scale / table.ms)


def _moved(timing: CoreTiming, device: str, theta: Any) -> CoreTiming:
    by = dict(zip([*_CYCLES, *_OTHERS], map(math.exp, theta), strict=True))
    factors = by | {"share": by["compute"], **{name: by["compute"] * by[name] for name in _GROUPS}}
    cycles, scheduled = (
        costs.model_copy(update={name: cost * factors[name] for name, cost in costs if name in factors})
        for costs in (timing.cycles, timing.scheduled))
    threads = timing.threads.model_copy(update={"region_cycles": timing.threads.region_cycles * by["region_cycles"]})
    own = timing.on(device)
    machine = own.model_copy(update={"line_ns": own.line_ns * by["line_ns"], "scale": own.scale * by["scale"]})
    calls = (timing.operator_cycles or _OPERATOR_CYCLES) * by["operator_cycles"]
    return timing.model_copy(update={"cycles": cycles, "scheduled": scheduled, "threads": threads,
                                     "machines": {device: machine}, "operator_cycles": calls})


def _fit(table: _Table, timing: CoreTiming, device: str, start: Any) -> Any:
    """The logarithms of the factors."""
    from scipy.optimize import least_squares

    def residuals(theta: Any) -> Any:
        return np.concatenate([_apart(table, _moved(timing, device, theta), device) / _USUAL, theta / _WIDTHS])

    return least_squares(residuals, start, loss="soft_l1", f_scale=_SOFT, ftol=_NEAR, xtol=_NEAR).x


def _median(errors: Any) -> float:
    return float(np.median(np.abs(np.expm1(errors))))


def _rounded(timing: CoreTiming, spread: float, provenance: Mapping[str, str]) -> CoreTiming:
    """With four digits of each figure, and checked."""
    def digits(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: digits(inner) for name, inner in value.items()}
        return float(f"{value:.4g}") if isinstance(value, float) else value

    return CoreTiming.model_validate(digits(timing.model_dump()) | {
        "measured_spread": float(f"{spread:.3g}"), "provenance": dict(provenance)})
