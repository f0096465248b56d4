"""Costs fitted to a device's own measurements: samples priced by altered costs, and others predicted from them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.errors import UsageError
from edgekit.estimate.calibration import Sample, apart
from edgekit.estimate.calibration import calibrate as calibrate_all
from edgekit.estimate.price import Misses, Work, price
from edgekit.estimate.timing import GROUPS, CoreTiming, Machine

# A Cortex-A72 as fitted once: the cases do not change with what ships.
PRIOR = CoreTiming.model_validate({
    "core": "cortex-a72", "line_ns": 7.46, "streamed": 0.467, "bus_share": 0.582, "spread": 0.483,
    "measured_spread": 0.322, "machines": {"raspberry-pi-4b": {"line_ns": 6.95, "scale": 0.984}},
    "threads": {"parallel_share": 0.797, "line_share": 0.797, "region_cycles": 121000},
    "cycles": {"multiply_add": 0.57, "integer_multiply": 0.383, "vector": 0.46, "vector_memory": 1.55, "memory": 0.833,
               "integer": 0.485, "l1_miss": 19.7, "l2_miss": 12, "streamed": 0.7},
    "scheduled": {"share": 0.7, "multiply_add": 0.17, "integer_multiply": 0.11, "vector": 0.14, "vector_memory": 0.47,
                  "memory": 0.25, "integer": 0.15},
    "provenance": {"rows": "60 rows of ncnn's benchmark on raspberry-pi-4b"}})
GHZ, GB_S = 1.8, 12.8
OWN = Machine(line_ns=12, scale=1.4)
# A device whose vector memory is slower, whose integers are faster and whose calls cost something.
TRUE = PRIOR.model_copy(update={
    "cycles": PRIOR.cycles.model_copy(update={"vector_memory": 2.3, "integer": 0.3, "multiply_add": 0.8}),
    "machines": {"mine": OWN}, "operator_cycles": 8000.0})


def samples(n: int, seed: int, threads: int = 1, noise: float = 0.0, timing: CoreTiming = TRUE) -> list[Sample]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        total = 10**random.uniform(6, 8.5)
        shares = random.dirichlet(np.full(len(set(GROUPS.values())), 4.0))
        first = total * random.uniform(0.005, 0.03)
        last = first * random.uniform(0.05, 0.5)
        work = Work(dict(zip(sorted(set(GROUPS.values())), total * shares, strict=True)),
                    (Misses(first, first * 0.6), Misses(last, last * 0.6)), int(random.integers(10, 120)))
        own = timing.machines["mine"]
        ms = price(work, timing, GHZ, GB_S, threads, own.line_ns).ms * own.scale
        found.append(Sample(work, GHZ, GB_S, threads, ms * math.exp(random.normal(0, noise))))
    return found


def calibrate(given: list[Sample], *others: Any) -> CoreTiming:
    return calibrate_all(given, *others).timing


def errors(timing: CoreTiming, of: list[Sample]) -> np.ndarray:
    return np.abs(np.expm1(apart(of, timing, "mine")))


def test_ten_models_recover_a_device() -> None:
    others = samples(100, seed=1)
    assert np.median(errors(PRIOR, others)) > 0.2
    fitted = calibrate(samples(10, seed=0), PRIOR, "mine")
    assert np.median(errors(fitted, others)) < 0.04
    assert np.quantile(errors(fitted, others), 0.9) < 0.08
    assert fitted.cycles.vector_memory / fitted.cycles.integer > PRIOR.cycles.vector_memory / PRIOR.cycles.integer
    assert 2000 < fitted.operator_cycles < 30000


def test_noise_does_not_make_it_worse_than_the_noise() -> None:
    others = samples(200, seed=1)
    noisy = samples(200, seed=1, noise=0.05)
    inside = []
    for seed in range(2, 8):
        fitted = calibrate(samples(10, seed=seed, noise=0.05), PRIOR, "mine")
        assert np.median(errors(fitted, others)) < 0.08
        inside.append(np.mean(np.abs(apart(noisy, fitted, "mine")) < fitted.measured_spread))
    assert np.mean(inside) > 0.8  # of a 90 % interval known from ten samples


def test_one_wrong_measurement_moves_little() -> None:
    given = samples(10, seed=0, noise=0.02)
    given[3] = Sample(given[3].work, GHZ, GB_S, 1, given[3].ms * 3)
    assert np.median(errors(calibrate(given, PRIOR, "mine"), samples(100, seed=1))) < 0.15


def test_scheduled_samples_move_what_they_are_priced_by() -> None:
    slow = PRIOR.model_copy(update={"scheduled": PRIOR.scheduled.model_copy(update={"share": 1.1}),
                                    "machines": {"mine": OWN}})
    cycles = np.random.default_rng(2).uniform(0.2, 0.8, 110)

    def scheduled(given: list[Sample]) -> list[Sample]:
        works = [replace(s.work, scheduled=c * sum(s.work.groups.values()))
                 for s, c in zip(given, cycles, strict=False)]
        return [replace(s, work=w, ms=price(w, slow, GHZ, GB_S, 1, OWN.line_ns).ms * OWN.scale)
                for s, w in zip(given, works, strict=True)]

    given, others = scheduled(samples(110, seed=0))[:10], scheduled(samples(110, seed=0))[10:]
    fitted = calibrate(given, PRIOR, "mine")
    assert np.median(errors(fitted, others)) < 0.05 < np.median(errors(PRIOR, others))
    assert fitted.scheduled.share > PRIOR.scheduled.share
    assert fitted.cycles.vector / PRIOR.cycles.vector == pytest.approx(
        fitted.scheduled.vector / PRIOR.scheduled.vector, rel=1e-2)


def test_a_group_that_no_sample_executes_moves_with_the_others() -> None:
    given = [replace(s, work=replace(s.work, groups={**s.work.groups, "integer_multiply": 0.0}), ms=1.6 * s.ms)
             for s in samples(8, seed=0, timing=PRIOR.model_copy(update={"machines": {"mine": OWN}}))]
    fitted = calibrate(given, PRIOR, "mine")
    moved = {name: cost / getattr(PRIOR.cycles, name) for name, cost in fitted.cycles if name in set(GROUPS.values())}
    unseen = moved.pop("integer_multiply")
    assert unseen > 1.05
    assert min(moved.values()) < unseen < max(moved.values())
    assert unseen == pytest.approx(fitted.scheduled.share / PRIOR.scheduled.share, rel=1e-3)


def test_what_no_sample_shows_stays() -> None:
    fitted = calibrate(samples(8, seed=0), PRIOR, "mine")
    assert fitted.threads == PRIOR.threads
    assert (fitted.bus_share, fitted.streamed, fitted.spread) == (PRIOR.bus_share, PRIOR.streamed, PRIOR.spread)
    assert set(fitted.machines) == {"mine"}


def test_several_threads_show_what_a_region_costs() -> None:
    slow = TRUE.model_copy(update={"threads": TRUE.threads.model_copy(update={"region_cycles": 300e3})})
    given = samples(6, 0, 1, timing=slow) + samples(6, 1, 4, timing=slow)
    fitted = calibrate(given, PRIOR, "mine")
    assert fitted.threads.region_cycles > 1.5 * PRIOR.threads.region_cycles
    assert np.median(errors(fitted, samples(50, 2, 4, timing=slow))) < 0.05


def test_a_machine_that_was_measured_is_the_start() -> None:
    known = PRIOR.machines["raspberry-pi-4b"]
    exact = [Sample(s.work, GHZ, GB_S, 1, price(s.work, PRIOR, GHZ, GB_S, 1, known.line_ns).ms * known.scale)
             for s in samples(10, seed=0)]
    fitted = calibrate(exact, PRIOR, "raspberry-pi-4b")
    assert fitted.machines["raspberry-pi-4b"].scale == pytest.approx(known.scale, rel=0.05)
    assert fitted.machines["raspberry-pi-4b"].line_ns == pytest.approx(known.line_ns, rel=0.1)
    assert fitted.measured_spread < 0.02


def test_it_says_what_it_rests_on() -> None:
    fitted = calibrate(samples(10, seed=0, noise=0.05), PRIOR, "mine", {"runtime": "litert 2.3.0"})
    assert fitted.provenance["calibration"].startswith("10 measured models on mine")
    assert "left out" in fitted.provenance["calibration_error"]
    assert fitted.provenance["runtime"] == "litert 2.3.0"
    assert fitted.provenance["rows"] == PRIOR.provenance["rows"]


def test_left_out_models_are_predicted_by_the_others() -> None:
    given = samples(6, seed=0, noise=0.05)
    found = calibrate_all(given, PRIOR, "mine")
    assert found.before == pytest.approx(apart(given, PRIOR, "mine"))
    alone = calibrate(given[1:], PRIOR, "mine")
    assert found.left_out[0] == pytest.approx(apart(given[:1], alone, "mine")[0], abs=0.01)


def test_too_few_are_refused() -> None:
    with pytest.raises(UsageError) as failure:
        calibrate(samples(4, seed=0), PRIOR, "mine")
    assert failure.value.code == "samples-few"
    assert "4 measured models" in failure.value.message
